"""Tests of the machinery, on a toy book."""
