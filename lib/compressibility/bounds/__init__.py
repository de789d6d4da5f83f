"""Bounds of the papers, formulas of numbers that can be measured."""
