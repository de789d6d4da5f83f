"""Tests of the chapters and of the rendered book."""
