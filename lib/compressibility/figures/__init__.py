"""Figures of the book: one style, and the layouts that recur."""
