"""Tests of the theorems' bounds."""
