"""Where raw data come from: NumPy archives in a folder, else scikit-learn's fetchers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray
from sklearn import datasets as fetchers

FOLDER_VARIABLE = "COMPRESSIBILITY_DATA"
"""Environment variable that names the folder of the archives."""

Array = NDArray[Any]
Part = tuple[Array, Array]  # samples (N, *shape) and their targets (N,)


class DataError(RuntimeError):
    """Data that cannot be had, or are not what they should be; the message says what to do."""


@dataclass(frozen=True, eq=False)
class Raw:
    """A data set as published."""

    train: Part
    test: Part | None  # None: the source has no split
    source: str


@dataclass(frozen=True)
class Archive:
    """What an archive must look like."""

    shape: tuple[int, ...]  # of one sample
    first_label: int | None = None  # lowest class; None for regression
    classes: int = 1
    openml: str = ""  # name at OpenML, where version 1 is meant
    train_counts: tuple[int, ...] = ()  # samples of each class in the published training split


_MNIST = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)

ARCHIVES: Mapping[str, Archive] = MappingProxyType(
    {
        "california_housing": Archive(shape=(8,)),
        "ecg5000": Archive((140,), 1, 5, "ECG5000", (292, 177, 10, 19, 2)),
        "mnist": Archive((28, 28), 0, 10, "mnist_784", _MNIST),
        "cifar10": Archive((3, 32, 32), 0, 10, "CIFAR_10", (5000,) * 10),
    }
)


def read(name: str, *, root: str | os.PathLike[str] | None = None) -> Raw:
    """Read a data set of ``ARCHIVES`` from a folder, else by scikit-learn, or raise DataError."""
    folder = _folder(root)
    raw = _from_folder(name, folder) if folder else None
    return raw or _fetched(name, folder)


def at_hand(name: str) -> bool:
    """Tell whether all archives of a data set of ``ARCHIVES`` lie in the named folder, unopened."""
    named = os.environ.get(FOLDER_VARIABLE)
    return bool(named) and all(Path(str(named), file).is_file() for file in _files(name))


def _folder(root: str | os.PathLike[str] | None) -> Path | None:
    named = root if root is not None else os.environ.get(FOLDER_VARIABLE) or None
    if named is None:
        return None
    if not Path(named).is_dir():
        origin = "root" if root is not None else f"${FOLDER_VARIABLE}"
        raise DataError(f"need {origin} to be a folder, got {os.fspath(named)!r}")
    return Path(named)


def _files(name: str) -> list[str]:
    if name != "cifar10":
        return [f"{name}.npz"]
    return [*(f"cifar10-train-{part}of4.npz" for part in range(1, 5)), "cifar10-test.npz"]


def _from_folder(name: str, folder: Path) -> Raw | None:
    files = _files(name)
    missing = [file for file in files if not (folder / file).is_file()]
    if len(missing) == len(files):
        return None
    if missing:
        raise DataError(f"need all parts of {name} in {folder}, missing {', '.join(missing)}")
    source = f"files {files[0]} to {files[-1]}" if len(files) > 1 else f"file {files[0]}"
    if name == "california_housing":
        return Raw(_part(name, folder / files[0], "X", "y"), None, source)
    if name == "cifar10":
        parts = [_part(name, folder / file, "X", "y") for file in files]
        x, y = (np.concatenate(some) for some in zip(*parts[:-1], strict=True))
        return Raw((x, y), parts[-1], source)
    train_part = _part(name, folder / files[0], "X_train", "y_train")
    return Raw(train_part, _part(name, folder / files[0], "X_test", "y_test"), source)


def _part(name: str, path: Path, *arrays: str) -> Part:
    try:
        # np.load leaves a file that it opened itself open when the zip is broken.
        with path.open("rb") as file:
            if file.peek(12)[:12] == b"version http":
                raise ValueError("a git-lfs pointer in place of the data: run git lfs pull")
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, NpzFile):
                raise ValueError("a single array, not an npz archive")
            absent = [array for array in arrays if array not in archive.files]
            if absent:
                raise ValueError(f"no array {', '.join(absent)}, only {', '.join(archive.files)}")
            x, y = (archive[array] for array in arrays)
    except Exception as error:  # a broken zip raises any of a dozen kinds
        raise DataError(f"cannot read {path}: {type(error).__name__}: {error}") from error
    _check_part(name, x, y, str(path))
    return x, y


def _check_part(name: str, x: Array, y: Array, where: str) -> None:
    archive, first = ARCHIVES[name], ARCHIVES[name].first_label

    def need(holds: object, rule: str, got: object) -> None:
        if not holds:
            raise DataError(f"need {rule} in {where}, got {got}")

    fits = x.shape[1:] == archive.shape and y.shape == x.shape[:1] and len(y) > 0
    rule = f"samples (N, {', '.join(map(str, archive.shape))}) and targets (N,), N >= 1"
    need(fits, rule, f"{x.shape} and {y.shape}")
    need({x.dtype.kind, y.dtype.kind} <= {*"uif"}, "real numbers", f"{x.dtype} and {y.dtype}")
    need(np.isfinite(x).all() and np.isfinite(y).all(), "finite numbers", "nan or infinity")
    if len(archive.shape) > 1:
        got = f"{x.min()}..{x.max()}, {x.dtype}"
        need(x.max() != 1 and _whole(x, 0, 255), "whole pixels 0..255", got)
    if first is not None:
        last = first + archive.classes - 1
        need(_whole(y, first, last), f"whole labels {first}..{last}", np.unique(y))


def _whole(values: Array, low: int, high: int) -> bool:
    return bool(values.min() >= low and values.max() <= high and (values % 1 == 0).all())


def _fetched(name: str, folder: Path | None) -> Raw:
    openml = ARCHIVES[name].openml
    call = f"fetch_openml({openml!r}, version=1)" if openml else "fetch_california_housing()"
    try:
        if openml:
            bunch = fetchers.fetch_openml(openml, version=1, as_frame=False)
        else:
            bunch = fetchers.fetch_california_housing()
    except Exception as error:  # network, cache and parser errors share no base class
        looked = f"{folder} has no {_files(name)[0]}" if folder else "no folder is named"
        raise DataError(
            f"{name} is not at hand. Either put {', '.join(_files(name))} into a folder and name "
            f"it by root= or ${FOLDER_VARIABLE} ({looked}), or be online once, so that "
            f"scikit-learn can download and cache it with {call} (which failed: "
            f"{type(error).__name__}: {error})."
        ) from error
    x = np.asarray(bunch.data).reshape(-1, *ARCHIVES[name].shape)
    y = np.asarray(bunch.target, dtype=np.int64 if openml else np.float64)
    _check_part(name, x, y, call)
    source = f"scikit-learn, {call}"
    return Raw((x, y), None, source) if not openml else _published_split(name, x, y, source)


def _published_split(name: str, x: Array, y: Array, source: str) -> Raw:
    """Cut where the published training split ends; its class counts tell whether it is there."""
    archive = ARCHIVES[name]
    rows, first = sum(archive.train_counts), archive.first_label or 0
    counts = tuple(np.bincount(y[:rows] - first, minlength=archive.classes).tolist())
    if counts != archive.train_counts or len(y) <= rows:
        need = f"the published training split of {name} in the first {rows} rows"
        raise DataError(f"need {need} of {source}, got class counts {counts}")
    return Raw((x[:rows], y[:rows]), (x[rows:], y[rows:]), source)
