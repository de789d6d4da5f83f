"""The examples in the docstrings run and are true."""

import doctest
import importlib

import matplotlib as mpl
import pytest

MODULES = [
    "collapse_filters",
    "convnet",
    "convolution",
    "data",
    "estimates",
    "filter_ladder",
    "filter_moments",
    "filter_sweeps",
    "filters",
    "greedy",
    "metrics",
    "models",
    "networks",
    "plots",
    "schemes",
    "training",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    """Catches an example that no longer says what the function does."""
    with mpl.rc_context():
        result = doctest.testmod(importlib.import_module(f"compressibility.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
