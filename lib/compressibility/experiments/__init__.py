"""Experiments of the papers: what they measure, bound and published."""
