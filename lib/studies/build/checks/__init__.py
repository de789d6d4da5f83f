"""Checks of what the builder lets through: sources, executed notebooks, rendered pages."""
