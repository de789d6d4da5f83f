"""Tests of what injected noise does."""
