"""Mutants: small faults put into the library, each of which one unit test has to notice.

A list names the pages whose claims are about a module's formulas in ``PAGES``, module → pages.
"""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """One fault: `old` in the source of `module`, exactly once, becomes `new`; `test` must fail."""

    name: str
    module: str  # "compressibility.pruning.draws"
    old: str
    new: str
    test: str  # a pytest node id: "tests/compressibility/pruning/test_draws.py::test_mean"
    pages: tuple[str, ...] = ()  # whose claims may notice it; by default those of the module
