"""Small files in the archives' format, and what every data set must be."""

import numpy as np
import torch

from compressibility.data.archives import ARCHIVES


def arrays(name, rows, seed=0):
    rng, archive = np.random.default_rng(seed), ARCHIVES[name]
    shape = (rows, *archive.shape)
    pixels = name in ("mnist", "cifar10")
    x = rng.integers(0, 256, shape, dtype=np.uint8) if pixels else rng.normal(3.0, 2.0, shape)
    if archive.first_label is None:
        return x, rng.uniform(0, 5, rows)
    return x, (np.arange(rows) % archive.classes + archive.first_label).astype(np.uint8)


def split(train, test):
    """The arrays of an archive with a published split."""
    return {"X_train": train[0], "y_train": train[1], "X_test": test[0], "y_test": test[1]}


def write(folder, name):
    """Write small files of the archive's format; return what they hold, (train, test)."""
    if name == "california_housing":
        x, y = arrays(name, 30)
        np.savez(folder / f"{name}.npz", X=x, y=y, feature_names=np.array(["a"] * 8))
        return (x, y), None
    if name == "cifar10":
        parts = [arrays(name, 10, seed) for seed in range(5)]
        files = [f"cifar10-train-{i}of4.npz" for i in (1, 2, 3, 4)] + ["cifar10-test.npz"]
        for file, (x, y) in zip(files, parts, strict=True):
            np.savez(folder / file, X=x, y=y, lossless=np.ones(10, dtype=bool))
        return tuple(np.concatenate([p[i] for p in parts[:4]]) for i in (0, 1)), parts[4]
    train, test = arrays(name, 20), arrays(name, 10, 1)
    np.savez(folder / f"{name}.npz", **split(train, test))
    return train, test


def check_shape(dataset):
    """What every data set must be."""
    train = dataset.train_inputs, dataset.train_targets
    test = dataset.test_inputs, dataset.test_targets
    classes = dataset.task == "classification"
    for inputs, targets in (train, test):
        assert inputs.dtype == torch.float32
        assert targets.dtype == (torch.int64 if classes else torch.float32)
        assert inputs.shape == (len(targets), dataset.features)
        assert classes or targets.shape[1] == dataset.outputs == 1
    assert dataset.image is None or np.prod(dataset.image) == dataset.features
    if classes:
        together = torch.cat([train[1], test[1]])
        assert together.unique().tolist() == list(range(dataset.outputs))
