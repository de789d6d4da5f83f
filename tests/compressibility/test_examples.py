"""The examples in the docstrings run and are true."""

import doctest
import importlib
from pathlib import Path

import matplotlib as mpl
import pytest

import compressibility

FOLDER = Path(compressibility.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(FOLDER.parent).with_suffix("").parts)
    for path in FOLDER.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf8")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    """Catches an example that no longer says what the function does."""
    assert len(MODULES) >= 25  # the search finds them
    with mpl.rc_context():
        result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0
