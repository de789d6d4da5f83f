"""Stable laws, chains of stochastic gradient steps, and estimates of how heavy a tail is."""
