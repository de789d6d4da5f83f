"""Tests of the room `pruning`."""
