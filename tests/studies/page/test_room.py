"""What the room exports, and what it may import."""

from __future__ import annotations

import subprocess
import sys

from studies import page

PROBE = """
import sys, studies.page
print([name for name in sys.modules if name.startswith(("studies.build", "compressibility"))])
"""


def test_an_author_finds_everything_in_one_place() -> None:
    """A name in the list that is not there, or a name that is there and not in the list."""
    assert page.__all__ == sorted(page.__all__)
    functions = {name for name, part in vars(page).items() if callable(part)}
    assert functions == set(page.__all__)


def test_a_page_does_not_need_the_builder() -> None:
    """A page that goes stale with the builder, or knows the science."""
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
