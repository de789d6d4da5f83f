"""Tests of what pruning one layer costs, and promises."""
