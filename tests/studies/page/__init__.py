"""Tests of what an author imports."""
