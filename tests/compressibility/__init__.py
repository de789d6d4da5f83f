"""Tests of the science, and the literal algorithm they compare it with."""
