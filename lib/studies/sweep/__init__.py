"""Sweeps: a chapter run at many settings, and where its claims hold."""
