"""Tests of the bounds of heavy tails."""
