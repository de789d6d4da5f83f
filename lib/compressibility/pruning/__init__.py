"""Draws, cuts, and the randomized greedy compression of layers, blocks and networks."""
