"""Injected noise: particles and steps (``chaos``); few units hold all (``certificates``)."""
