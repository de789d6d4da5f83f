"""Tests of the book; a package, so that benchmarks can use the literal algorithm."""
