"""Tests of the spectrum."""
