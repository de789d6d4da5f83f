"""For all tests: one thread a process, one profile of examples, what several workers share."""

from __future__ import annotations

import os

# Before torch is imported; kernels and builds that tests start inherit it.  With as many threads
# as cores, the tiny tensors of these tests take four times as long.
os.environ.update(
    dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
)
os.environ.pop("COMPRESSIBILITY_DICE", None)  # tests name the numbers that dice give

import shutil
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

# No test is about time, and none depends on the day's draws; `make quick` asks for "quick".
settings.register_profile("full", deadline=None, derandomize=True)
settings.register_profile("quick", settings.get_profile("full"), max_examples=15)
settings.load_profile("full")

# Tests that share what is costly, or change what they share, run one after the other in one
# process; each other test goes to the process that is free.
GROUPS = {
    "tests/book/test_build.py": "book",
    "tests/book/test_how_to_use.py": "book",
    "tests/book/test_paper.py": "book",
    "tests/book/test_theorems.py": "book",
    "tests/studies/test_cluster.py": "cluster",
    "tests/studies/test_runner.py": "runner",
}
# Who asks for one of these waits for kernels or for the renderer.
KERNELS = {"built", "checkout", "endings", "site"}


def pytest_configure() -> None:
    """Where what tests read as real (REQUIRE_CHECKPOINTS=1) is missing, fail; else they skip."""
    if os.environ.get("REQUIRE_CHECKPOINTS") != "1":
        return
    pins = Path(__file__).with_name("checkpoints.txt").read_text(encoding="utf8").splitlines()
    found = {f"{one.name}=={one.version}" for one in metadata.distributions()}
    missing = [pin for pin in pins if pin and pin[0] != "#" and pin not in found]
    missing += ["espeak-ng"] * (shutil.which("espeak-ng") is None)
    if missing:
        raise pytest.UsageError(f"REQUIRE_CHECKPOINTS=1, but there is no {', '.join(missing)}")


class _Groups(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return GROUPS.get(nodeid.partition("::")[0], nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """Share the tests out by group (``--dist loadgroup`` does nothing with this pytest)."""
    return _Groups(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what executes or renders as ``kernel``, so that `make quick` can leave it out.

    What waits for the rendered pages comes last: while one process builds them, another tests.
    """
    for item in items:
        if KERNELS & set(getattr(item, "fixturenames", ())):
            item.add_marker("kernel")
    items.sort(key=lambda item: bool({"checkout", "site"} & set(getattr(item, "fixturenames", ()))))


Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Fill a folder once, whichever process asks first; the others wait for it."""
    base = tmp_path_factory.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def make(name: str, fill: Callable[[Path], object]) -> Path:
        folder, done = root / name, root / f"{name}.done"
        with FileLock(root / f"{name}.lock"):
            if not done.exists():
                done.write_text("failed")
                folder.mkdir()
                fill(folder)
                done.write_text("whole")
        assert done.read_text() == "whole", f"another test could not make {name}"
        return folder

    return make
