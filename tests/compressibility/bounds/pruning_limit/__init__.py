"""Tests of the pruning limit."""
