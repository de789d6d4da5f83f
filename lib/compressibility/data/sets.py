"""Data sets by name, split and scaled, as tensors."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes, load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor

from compressibility.checks import need
from compressibility.data.archives import ARCHIVES, DataError, Part, Raw, at_hand, read

__all__ = ["BUNDLED", "NAMES", "DataError", "Dataset", "available", "load"]

BUNDLED = ("digits", "diabetes")
"""What comes with scikit-learn: no file and no network is needed."""

NAMES = (*BUNDLED, *ARCHIVES)
"""What :func:`load` knows."""

_TABLES = ("diabetes", "california_housing")

# More than float32 loses in a division and a sum of squares, so that norms end at or below one.
_ROUNDING = 1 + 2.0**-20


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set, split into training and test samples."""

    name: str
    task: Literal["classification", "regression"]
    train_inputs: Tensor  # (N, features) float32
    train_targets: Tensor  # (N,) int64 classes from 0, or (N, 1) float32
    test_inputs: Tensor  # (N', features) float32
    test_targets: Tensor  # (N',) int64, or (N', 1) float32
    outputs: int  # what a network needs: number of classes, or 1
    image: tuple[int, int, int] | None  # (channels, height, width) of a row of inputs, if any
    source: str  # where the data were read
    scale: float = 1.0  # what the inputs were divided by after their usual scaling

    @property
    def features(self) -> int:
        """Number of inputs of a network."""
        return self.train_inputs.shape[1]

    def in_unit_ball(self) -> Dataset:
        r"""Return a copy whose inputs are divided by their largest norm.

        Afterwards :math:`\|x\| \le 1` on training and test samples, as [EGM] (cited in full in
        ``models.activations``), Section 2, assumes, and the largest norm is 1 but for 1e-6 left to
        rounding. ``scale`` records the divisor.
        """
        both = (self.train_inputs, self.test_inputs)
        largest = max(float(x.double().square().sum(1).max()) for x in both) ** 0.5
        need(largest > 0, "an input that is not zero", "zeros only")
        divisor = largest * _ROUNDING
        return replace(
            self,
            train_inputs=self.train_inputs / divisor,
            test_inputs=self.test_inputs / divisor,
            scale=self.scale * divisor,
        )

    def against_rest(self, label: int = 0) -> Dataset:
        """Return a copy with two classes: this one is 0, all others are 1.

        >>> load("digits").against_rest(7).outputs
        2
        """
        need(self.task == "classification", "a task of classification", self.task)
        need(0 <= label < self.outputs, f"0 <= label < {self.outputs}", label)
        train, test = ((t != label).long() for t in (self.train_targets, self.test_targets))
        return replace(self, train_targets=train, test_targets=test, outputs=2)


def load(
    name: str, *, root: str | os.PathLike[str] | None = None, seed: int = 0, test_share: float = 0.2
) -> Dataset:
    """Load a data set by name, one of ``NAMES``.

    digits and diabetes come with scikit-learn. The others are read from npz archives in ``root`` or
    the folder that ``$COMPRESSIBILITY_DATA`` names; if they are not there, scikit-learn downloads
    and caches them. ecg5000, mnist and cifar10 keep their published split. The others have none:
    theirs is drawn from the seed, for digits with equal class shares; ``test_share`` is that of
    [EGM], Appendix C. The training samples come in an order drawn from the seed too, so that the
    first of them are a fair part of all: some archives are sorted by class or by place. Test
    samples keep the archive's order.

    Inputs are images in [0, 1]; series as published (each already has mean 0 and deviation 1);
    table columns with mean 0 and standard deviation 1 over the training samples. Targets are
    classes from 0; house values in 100 000 US dollars; or, for diabetes, the disease's progression
    in a year, also with mean 0 and standard deviation 1 over the training samples: it has no unit,
    and a network without biases and with odd activations cannot reach a mean far from 0. 98 of
    cifar10's 60 000 images may be JPEG approximations, see the archive's own notes.

    DataError, of data that cannot be had or are broken, says what to do.

    >>> digits = load("digits")
    >>> digits.features, digits.outputs, digits.image
    (64, 10, (1, 8, 8))
    """
    need(name in NAMES, f"name in {', '.join(NAMES)}", repr(name))
    need(0 < test_share < 1, "0 < test_share < 1", test_share)
    need(0 <= seed < 2**32, "0 <= seed < 2**32", seed)
    raw = _bundled(name) if name in BUNDLED else read(name, root=root)
    regression = name in _TABLES
    train, test = raw.train, raw.test
    if test is None:
        train, test = _split(train, seed=seed, test_share=test_share, stratify=not regression)
    train = _shuffled(train, seed=seed)
    return (_table if regression else _classes)(name, train, test, raw.source)


def available(name: str) -> bool:
    """Tell whether :func:`load` finds a data set without the network.

    True for what comes with scikit-learn, and where the folder that ``$COMPRESSIBILITY_DATA`` names
    holds all of its archives; they are not opened. What scikit-learn has cached does not count.

    >>> available("digits"), available("diabetes")
    (True, True)
    """
    need(name in NAMES, f"name in {', '.join(NAMES)}", repr(name))
    return name in BUNDLED or at_hand(name)


def _bundled(name: str) -> Raw:
    if name == "digits":
        bundled = load_digits()
        return Raw((bundled.images, bundled.target), None, "scikit-learn, load_digits()")
    bundled = load_diabetes(scaled=False)
    return Raw((bundled.data, bundled.target), None, "scikit-learn, load_diabetes(scaled=False)")


def _split(part: Part, *, seed: int, test_share: float, stratify: bool) -> tuple[Part, Part]:
    x, y = part
    how: dict[str, Any] = {"test_size": test_share, "random_state": seed}
    rows = train_test_split(np.arange(len(y)), stratify=y if stratify else None, **how)
    train, test = (np.sort(part_rows) for part_rows in rows)
    return (x[train], y[train]), (x[test], y[test])


def _shuffled(part: Part, *, seed: int) -> Part:
    x, y = part
    order = np.random.default_rng(seed).permutation(len(y))
    return x[order], y[order]


def _table(name: str, train: Part, test: Part, source: str) -> Dataset:
    centre, spread = train[0].mean(0), train[0].std(0)
    spread = np.where(spread > 0, spread, 1.0)
    zero, unit = (train[1].mean(), train[1].std()) if name == "diabetes" else (0.0, 1.0)
    seen, unseen = (
        (_floats((x - centre) / spread), _floats((y[:, None] - zero) / unit))
        for x, y in (train, test)
    )
    return Dataset(name, "regression", *seen, *unseen, outputs=1, image=None, source=source)


def _classes(name: str, train: Part, test: Part, source: str) -> Dataset:
    archive = ARCHIVES.get(name)
    first, classes = (archive.first_label or 0, archive.classes) if archive else (0, 10)
    shape = train[0].shape[1:]  # of images: (channels, height, width), or without channels
    white = 1 if len(shape) == 1 else 16 if name == "digits" else 255
    image = None if len(shape) == 1 else (*(1,) * (3 - len(shape)), *shape)
    seen, unseen = (
        (_floats(x.reshape(len(x), -1)).div_(white), torch.from_numpy(y.astype(np.int64) - first))
        for x, y in (train, test)
    )
    return Dataset(name, "classification", *seen, *unseen, classes, image, source)


def _floats(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))
