"""Data sets: from files of the archives' format, from fetchers, and the real files if at hand."""

import os
import re

import numpy as np
import pytest
import sklearn.datasets
import torch
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from compressibility import data_sources
from compressibility.data import BUNDLED, NAMES, DataError, available, load
from compressibility.data_sources import ARCHIVES, FOLDER_VARIABLE

REAL = os.environ.get(FOLDER_VARIABLE)


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """No test reads the real folder unless it says so, and none reaches the network."""

    def refuse(*_, **__):
        raise OSError("no network in tests")

    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", refuse)
    monkeypatch.setattr(sklearn.datasets, "fetch_california_housing", refuse)


def arrays(name, rows, seed=0):
    rng, archive = np.random.default_rng(seed), ARCHIVES[name]
    shape = (rows, *archive.shape)
    if name in ("mnist", "cifar10"):
        x = rng.integers(0, 256, shape, dtype=np.uint8)
    else:
        x = rng.normal(3.0, 2.0, shape)
    if archive.first_label is None:
        return x, rng.uniform(0, 5, rows)
    return x, (np.arange(rows) % archive.classes + archive.first_label).astype(np.uint8)


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
        train = (np.concatenate([p[i] for p in parts[:4]]) for i in (0, 1))
        return tuple(train), parts[4]
    train, test = arrays(name, 20), arrays(name, 10, 1)
    np.savez(
        folder / f"{name}.npz", X_train=train[0], y_train=train[1], X_test=test[0], y_test=test[1]
    )
    return train, test


def check_shape(dataset):
    assert dataset.train_inputs.dtype == dataset.test_inputs.dtype == torch.float32
    assert dataset.features == dataset.train_inputs.shape[1] == dataset.test_inputs.shape[1]
    assert len(dataset.train_inputs) == len(dataset.train_targets)
    assert len(dataset.test_inputs) == len(dataset.test_targets)
    if dataset.image:
        assert np.prod(dataset.image) == dataset.features
    if dataset.task == "classification":
        assert dataset.train_targets.dtype == torch.int64
        assert dataset.train_targets.ndim == 1
        together = torch.cat([dataset.train_targets, dataset.test_targets])
        assert sorted(set(together.tolist())) == list(range(dataset.outputs))
    else:
        assert dataset.train_targets.dtype == torch.float32
        assert dataset.train_targets.shape[1] == dataset.outputs == 1


@pytest.mark.parametrize(
    ("name", "divisor", "image"),
    [("ecg5000", 1, None), ("mnist", 255, (1, 28, 28)), ("cifar10", 255, (3, 32, 32))],
)
def test_published_splits_are_kept(tmp_path, name, divisor, image):
    """Catches a split drawn anew, parts joined in another order, or labels that start at 1."""
    train, test = write(tmp_path, name)
    dataset = load(name, root=tmp_path, seed=5, test_share=0.5)
    check_shape(dataset)
    assert (dataset.name, dataset.image) == (name, image)
    assert f"{name}" in dataset.source
    assert str(tmp_path) not in dataset.source
    pairs = [(train, dataset.train_inputs, dataset.train_targets)]
    pairs += [(test, dataset.test_inputs, dataset.test_targets)]
    for part, ((x, y), inputs, targets) in enumerate(pairs):
        flat = x.reshape(len(x), -1).astype(np.float32) / np.float32(divisor)
        labels = y.astype(int) - (name == "ecg5000")
        expected = [(*row, label) for row, label in zip(flat.tolist(), labels, strict=True)]
        got = [(*row, t) for row, t in zip(inputs.tolist(), targets.tolist(), strict=True)]
        assert sorted(got) == sorted(expected)
        assert (got == expected) == (part == 1)  # training samples are shuffled, test samples not


def test_leading_training_samples_are_a_fair_part(tmp_path):
    """Catches an archive sorted by class (as ecg5000 is) handed on sorted, or ignoring the seed."""
    x, y = arrays("ecg5000", 100)
    by_class = np.argsort(y, kind="stable")
    np.savez(tmp_path / "ecg5000.npz", X_train=x[by_class], y_train=y[by_class], X_test=x, y_test=y)
    one, same, other = (load("ecg5000", root=tmp_path, seed=seed) for seed in (0, 0, 1))
    # 20 of each class; 40 drawn without order hold 3 or fewer of some class with chance below 0.05.
    assert torch.bincount(one.train_targets[:40], minlength=5).min() > 3
    assert torch.equal(one.train_inputs, same.train_inputs)
    assert not torch.equal(one.train_inputs, other.train_inputs)


def test_table_is_standardised_on_training_rows(tmp_path):
    """Catches scaling by statistics that include the test rows: against StandardScaler."""
    (x, y), _ = write(tmp_path, "california_housing")
    dataset = load("california_housing", root=tmp_path)
    check_shape(dataset)
    assert (len(dataset.train_inputs), len(dataset.test_inputs)) == (24, 6)
    rows = [int(np.flatnonzero(np.isclose(y, t, rtol=1e-6))[0]) for t in dataset.train_targets]
    rest = sorted(set(range(30)) - set(rows))
    scaler = StandardScaler().fit(x[rows])
    np.testing.assert_allclose(dataset.train_inputs, scaler.transform(x[rows]), atol=1e-5)
    np.testing.assert_allclose(dataset.test_inputs, scaler.transform(x[rest]), atol=1e-5)


def test_a_constant_column_becomes_zero(tmp_path):
    """Catches 0/0 in a column without spread."""
    x, y = arrays("california_housing", 30)
    x[:, 2] = 7.0
    np.savez(tmp_path / "california_housing.npz", X=x, y=y)
    assert load("california_housing", root=tmp_path).train_inputs[:, 2].abs().max().item() == 0.0


def test_digits_are_bundled_and_stratified():
    """Catches a split with unequal class shares, pixels beyond [0, 1], or lost samples."""
    digits = load("digits")
    check_shape(digits)
    assert (len(digits.train_targets), len(digits.test_targets)) == (1437, 360)
    assert (digits.train_inputs.min().item(), digits.train_inputs.max().item()) == (0.0, 1.0)
    shares = [
        torch.bincount(t, minlength=10) / len(t)
        for t in (digits.train_targets, digits.test_targets)
    ]
    assert (shares[0] - shares[1]).abs().max() < 1 / 360
    both = torch.cat([digits.train_inputs, digits.test_inputs]) * 16
    bundled = sklearn.datasets.load_digits().data
    assert sorted(map(tuple, both.tolist())) == sorted(map(tuple, bundled.tolist()))


def test_diabetes_is_bundled_and_standardised():
    """Catches scaled columns taken for raw ones, statistics of all rows, or lost samples."""
    diabetes = load("diabetes")
    check_shape(diabetes)
    assert (diabetes.task, diabetes.features, diabetes.image) == ("regression", 10, None)
    assert (len(diabetes.train_targets), len(diabetes.test_targets)) == (353, 89)
    bunch = sklearn.datasets.load_diabetes(scaled=False)
    published = np.column_stack([bunch.data, bunch.target])
    train = torch.cat([diabetes.train_inputs, diabetes.train_targets], 1).double().numpy()
    test = torch.cat([diabetes.test_inputs, diabetes.test_targets], 1).double().numpy()
    # An affine map per column leads back to the published rows, each once.
    ours = np.concatenate([train, test])
    back = (ours - ours.mean(0)) / ours.std(0) * published.std(0) + published.mean(0)
    distances = np.abs(back[:, None] - published).max(-1)
    rows = distances.argmin(1)
    assert sorted(rows) == list(range(442))
    assert distances.min(1).max() < 1e-3
    scaler = StandardScaler().fit(published[rows[:353]])
    np.testing.assert_allclose(ours, scaler.transform(published[rows]), atol=1e-5)


def test_available(tmp_path, monkeypatch):
    """Catches a download, an answer for part of an archive, or a folder that is not there."""
    assert {name for name in NAMES if available(name)} == set(BUNDLED) == {"digits", "diabetes"}
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "nowhere"))
    assert not available("mnist")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    for name in ARCHIVES:
        assert not available(name)
        write(tmp_path, name)
        assert available(name)
    (tmp_path / "cifar10-test.npz").unlink()
    assert not available("cifar10")
    monkeypatch.setenv(FOLDER_VARIABLE, "")
    assert not available("mnist")
    with pytest.raises(ValueError, match=r"need name in digits, .*, got 'imagenet'"):
        available("imagenet")


def test_splits_follow_the_seed():
    """Catches a split from global random state, or a seed that is ignored."""
    one, same, other = load("digits", seed=3), load("digits", seed=3), load("digits", seed=4)
    assert torch.equal(one.train_inputs, same.train_inputs)
    assert not torch.equal(one.train_inputs, other.train_inputs)
    assert len(load("digits", test_share=0.5).test_inputs) == 899


def test_in_unit_ball():
    """Catches training and test inputs divided apart, or a norm just above 1 by rounding."""
    digits = load("digits")
    ball = digits.in_unit_ball()
    norms = [x.double().norm(dim=1).max().item() for x in (ball.train_inputs, ball.test_inputs)]
    assert 1 - 2e-6 < max(norms) <= 1
    for x, before in (
        (ball.train_inputs, digits.train_inputs),
        (ball.test_inputs, digits.test_inputs),
    ):
        torch.testing.assert_close(x * ball.scale, before, rtol=1e-6, atol=0)
    assert digits.scale == 1.0
    assert ball.in_unit_ball().scale == pytest.approx(ball.scale, rel=1e-5)
    assert torch.equal(ball.train_targets, digits.train_targets)


def test_unit_ball_of_zeros_is_refused(tmp_path):
    """Catches a division by a norm of 0."""
    x, y = arrays("mnist", 10)
    np.savez(
        tmp_path / "mnist.npz",
        **{"X_train": 0 * x, "y_train": y, "X_test": 0 * x, "y_test": y},
    )
    with pytest.raises(ValueError, match="need an input that is not zero"):
        load("mnist", root=tmp_path).in_unit_ball()


def test_the_folder_may_be_named_by_the_environment(tmp_path, monkeypatch):
    """Catches a variable that is not read, or that overrules an explicit root."""
    write(tmp_path, "ecg5000")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    assert load("ecg5000").source == "file ecg5000.npz"
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "nowhere"))
    assert load("ecg5000", root=tmp_path).source == "file ecg5000.npz"
    with pytest.raises(
        DataError, match=rf"need \${FOLDER_VARIABLE} to be a folder, got '.*nowhere'"
    ):
        load("ecg5000")
    with pytest.raises(DataError, match="need root to be a folder"):
        load("ecg5000", root=tmp_path / "nowhere")


@pytest.mark.parametrize("name", list(ARCHIVES))
def test_no_file_and_no_network(tmp_path, name):
    """Catches an error that leaves the reader without a way to get the data."""
    with pytest.raises(DataError) as caught:
        load(name, root=tmp_path)
    message = str(caught.value)
    for part in (
        f"{name}",
        ".npz",
        "root=",
        f"${FOLDER_VARIABLE}",
        "fetch_",
        "no network in tests",
    ):
        assert part in message
    assert isinstance(caught.value.__cause__, OSError)
    with pytest.raises(DataError, match="no folder is named"):
        load(name)


def test_missing_parts_are_named(tmp_path):
    """Catches three quarters of the data passed off as all of it."""
    write(tmp_path, "cifar10")
    (tmp_path / "cifar10-train-3of4.npz").unlink()
    with pytest.raises(DataError, match=r"missing cifar10-train-3of4\.npz$"):
        load("cifar10", root=tmp_path)


def damaged(folder, how):
    x, y = arrays("ecg5000", 10)
    good = {"X_train": x, "y_train": y, "X_test": x, "y_test": y}
    path = folder / "ecg5000.npz"
    if how == "absent array":
        good.pop("y_test")
    elif how == "shape":
        good["X_test"] = x[:, :100]
    elif how == "rows":
        good["y_train"] = y[:-1]
    elif how == "nan":
        good["X_train"] = np.where(x > x[0, 0], x, np.nan)
    elif how == "labels":
        good["y_test"] = y - 1
    elif how == "objects":
        good["y_test"] = np.array(y.tolist(), dtype=object)
    np.savez(path, **good)
    if how == "cut":
        path.write_bytes(path.read_bytes()[:-400])
    elif how == "no zip":
        path.write_bytes(b"not an archive")
    elif how == "one array":
        with path.open("wb") as file:
            np.save(file, x)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("absent array", "no array y_test"),
        ("shape", r"need samples \(N, 140\) and targets \(N,\), N >= 1 in"),
        ("rows", "need samples"),
        ("nan", "need finite numbers in"),
        ("labels", r"need labels 1\.\.5 in .* got 0\.\.4"),
        ("objects", "cannot read .*ValueError"),
        ("cut", "cannot read .*BadZipFile"),
        ("no zip", "cannot read"),
        ("one array", "a single array, not an npz archive"),
    ],
)
def test_damaged_files_are_named(tmp_path, how, message):
    """Catches broken data that load, and errors that do not say which file."""
    damaged(tmp_path, how)
    with pytest.raises(DataError, match=message) as caught:
        load("ecg5000", root=tmp_path)
    assert "ecg5000.npz" in str(caught.value)


@pytest.mark.parametrize("name", ["ecg5000", "mnist", "cifar10"])
def test_fetched_from_openml(monkeypatch, name):
    """Catches a wrong name or version, labels as strings, or a split at the wrong row."""
    archive = ARCHIVES[name]
    counts = tuple(4 - i % 2 for i in range(archive.classes))
    small = data_sources.Archive(
        archive.shape, archive.first_label, archive.classes, archive.openml, counts
    )
    monkeypatch.setattr(data_sources, "ARCHIVES", {**ARCHIVES, name: small})
    labels = np.repeat(np.arange(archive.classes) + archive.first_label, counts)
    labels = np.concatenate([labels, [archive.first_label] * 3])
    x = arrays(name, len(labels))[0]
    asked = []

    def fetch(wanted, *, version, as_frame):
        asked.append((wanted, version, as_frame))
        return Bunch(data=x.reshape(len(x), -1), target=labels.astype(str).astype(object))

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch)
    dataset = load(name)
    check_shape(dataset)
    assert asked == [(archive.openml, 1, False)]
    assert len(dataset.test_targets) == 3
    assert dataset.test_targets.tolist() == [0, 0, 0]
    assert dataset.source == f"scikit-learn, fetch_openml('{archive.openml}', version=1)"
    last = x[-1].reshape(-1).astype(np.float32) / np.float32(1 if name == "ecg5000" else 255)
    np.testing.assert_array_equal(dataset.test_inputs[-1].numpy(), last)

    labels[0], labels[-1] = labels[-1] + 1, labels[0]
    with pytest.raises(DataError, match=f"need the published training split of {name}"):
        load(name)


def test_fetched_california_housing(monkeypatch):
    """Catches a fetcher's data taken in another shape than the file's."""
    x, y = arrays("california_housing", 30)
    monkeypatch.setattr(
        sklearn.datasets, "fetch_california_housing", lambda: Bunch(data=x, target=y)
    )
    dataset = load("california_housing")
    check_shape(dataset)
    assert dataset.source == "scikit-learn, fetch_california_housing()"
    together = torch.cat([dataset.train_targets, dataset.test_targets]).flatten()
    assert sorted(together.tolist()) == pytest.approx(sorted(y), rel=1e-6)


def test_a_file_is_preferred_to_the_network(tmp_path, monkeypatch):
    """Catches a download of what is at hand."""
    write(tmp_path, "mnist")
    asked = []
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", lambda *a, **k: asked.append((a, k)))
    load("mnist", root=tmp_path)
    assert asked == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"name": "imagenet"},
            "need name in digits, diabetes, california_housing, .*cifar10, got 'imagenet'",
        ),
        ({"name": "digits", "test_share": 1.0}, "need 0 < test_share < 1, got 1.0"),
        ({"name": "digits", "seed": -1}, "need 0 <= seed"),
        ({"name": "digits", "test_share": 0.001}, "test_size"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    """Catches a name that is not known, or a split without samples."""
    with pytest.raises(ValueError, match=message):
        load(**arguments)


@pytest.mark.skipif(REAL is None, reason=f"${FOLDER_VARIABLE} is not set")
@pytest.mark.parametrize(
    ("name", "train", "test"),
    [("california_housing", 16512, 4128), ("ecg5000", 500, 4500), ("mnist", 60000, 10000)],
)
def test_real_files(name, train, test):
    """Catches files that differ from the published data: sizes, class counts, known means."""
    dataset = load(name, root=REAL)
    check_shape(dataset)
    assert (len(dataset.train_inputs), len(dataset.test_inputs)) == (train, test)
    if name == "california_housing":
        targets = torch.cat([dataset.train_targets, dataset.test_targets]).double()
        assert targets.mean().item() == pytest.approx(2.0685582, abs=1e-6)
        return
    counts = torch.bincount(dataset.train_targets).tolist()
    assert counts == list(ARCHIVES[name].train_counts)
    if name == "mnist":
        assert dataset.train_inputs.mean().item() == pytest.approx(0.1307, abs=1e-4)


@pytest.mark.skipif(REAL is None, reason=f"${FOLDER_VARIABLE} is not set")
def test_real_cifar10():
    """Catches channels out of order: the published mean of each."""
    dataset = load("cifar10", root=REAL)
    check_shape(dataset)
    means = dataset.train_inputs.reshape(50000, 3, -1).mean((0, 2)).tolist()
    assert means == pytest.approx([0.4914, 0.4822, 0.4465], abs=1e-4)


def test_archives_known_by_name():
    """Catches a data set that can be asked for but has no message or file name."""
    assert NAMES == ("digits", "diabetes", "california_housing", "ecg5000", "mnist", "cifar10")
    files = [file for name in ARCHIVES for file in data_sources._files(name)]
    assert len(files) == len(set(files)) == 8
    assert all(re.fullmatch(r"[a-z0-9_]+(-train-[1-4]of4|-test)?\.npz", file) for file in files)
