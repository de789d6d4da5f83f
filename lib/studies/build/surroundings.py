"""What surrounds a run: its environment and folders; of the reader's own only data and dice."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
from importlib import metadata
from pathlib import Path

import psutil

from studies.errors import BuildError

DATA_ROOT = "COMPRESSIBILITY_DATA"
OTHER_DICE = "COMPRESSIBILITY_DICE"
# Where programs and shared libraries are, where the network is, which dice, what measures coverage.
_PASSED = {
    *("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", OTHER_DICE),
}
_FIXED = {
    # One thread per chapter: unpinned, two chapters on two cores take twice as long, and
    # sums taken in another order give other last digits.
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    "PYTHONHASHSEED": "0",
    "SOURCE_DATE_EPOCH": "0",  # no dates inside figures
    "JUPYTER_PREFER_ENV_PATH": "1",  # this environment's kernel
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
}
_MAKING = threading.Lock()
_GPU = Path("/dev/nvidiactl")
# Where a container's own limit stands, if it has one.
_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def surround(lib: Path, build: Path, scratch: Path) -> dict[str, str]:
    """Make the folders of a run below ``scratch``; return its whole environment.

    Its home and its matplotlib are as new, but for matplotlib's list of fonts: making it takes
    seconds and says so on stderr.  It runs in ``scratch / "work"``, where nothing lies.
    """
    for name in ("home", "matplotlib", "work"):
        (scratch / name).mkdir()
    for fonts in _fonts(build).glob("*.json"):
        shutil.copy(fonts, scratch / "matplotlib")
    environment = {
        **_fixed(),
        "HOME": str(scratch / "home"),
        "IPYTHONDIR": str(scratch / "home" / "ipython"),
        "MPLCONFIGDIR": str(scratch / "matplotlib"),
        "PYTHONPATH": str(lib),  # this checkout's library, whatever is installed
        "TMPDIR": str(scratch),  # the kernel's connection file goes even if the worker is killed
    }
    # Data sets fetched once; whoever fetches them checks what they hold.
    fetched = os.environ.get("SCIKIT_LEARN_DATA") or os.path.expanduser("~/scikit_learn_data")  # noqa: PTH111  # never raises
    environment["SCIKIT_LEARN_DATA"] = fetched
    if data := os.environ.get(DATA_ROOT):
        environment[DATA_ROOT] = str(Path(data).resolve())
    return environment


def _fixed() -> dict[str, str]:
    """What is the same for all runs."""
    passes = {n for n in os.environ if n.upper() in _PASSED or n.startswith("COVERAGE_")}
    return {**{name: os.environ[name] for name in passes}, **_FIXED}


def memory() -> int:
    """The bytes of memory that this machine has, or that its container may use."""
    least: int = psutil.virtual_memory().total
    for name in _CGROUPS:
        with contextlib.suppress(OSError, ValueError):  # no container; "max"
            least = min(least, int(Path(name).read_text(encoding="utf8")))
    return least


def limit_memory() -> None:
    """Let this process and its children ask for no more memory than the machine has.

    Asking for more is then an error in the line that asks. Otherwise the machine grants it, swaps
    until nothing else runs, and kills whom it likes. Beside a GPU's driver, whose own mappings of
    the memory might count, there is no limit.
    """
    if _GPU.exists():
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = memory() if hard == resource.RLIM_INFINITY else min(memory(), hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _fonts(build: Path) -> Path:
    """The folder with matplotlib's list of fonts, made when a build first needs it."""
    folder = build / f"matplotlib-{metadata.version('matplotlib')}"
    build.mkdir(parents=True, exist_ok=True)
    with _MAKING, tempfile.TemporaryDirectory(dir=build) as made:
        if folder.is_dir():
            return folder
        new = Path(made) / "new"
        done = subprocess.run(
            [sys.executable, "-c", "import matplotlib.font_manager"],
            cwd=made,
            env={**_fixed(), "HOME": made, "MPLCONFIGDIR": str(new)},
            capture_output=True,
            encoding="utf8",
            errors="replace",
        )
        if done.returncode != 0 or not list(new.glob("fontlist-*.json")):
            raise BuildError(f"matplotlib cannot list the fonts: {done.stderr.strip()}")
        with contextlib.suppress(OSError):  # another process may have been faster
            new.rename(folder)
    return folder
