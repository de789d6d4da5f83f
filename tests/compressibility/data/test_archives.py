"""Where raw data come from: files of the archives' format, else fetchers."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
import torch
from sklearn.utils import Bunch

from compressibility.data import archives
from compressibility.data.archives import ARCHIVES, FOLDER_VARIABLE, DataError
from compressibility.data.sets import BUNDLED, NAMES, available, load
from tests.compressibility.data.files import arrays, check_shape, split, write


def test_available(tmp_path, monkeypatch):
    """Catches a download, an answer for part of an archive, or a folder that is not there."""
    assert NAMES == ("digits", "diabetes", "california_housing", "ecg5000", "mnist", "cifar10")
    assert {name for name in NAMES if available(name)} == set(BUNDLED) == {"digits", "diabetes"}
    for folder in ("", str(tmp_path / "nowhere")):
        monkeypatch.setenv(FOLDER_VARIABLE, folder)
        assert not available("mnist")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    for name in ARCHIVES:
        assert not available(name)
        write(tmp_path, name)
        assert available(name)
    (tmp_path / "cifar10-train-3of4.npz").unlink()
    assert not available("cifar10")
    with pytest.raises(DataError, match=r"missing cifar10-train-3of4\.npz$"):
        load("cifar10", root=tmp_path)


def test_the_folder_may_be_named_by_the_environment(tmp_path, monkeypatch):
    """Catches a variable that is not read or overrules a root, and a download of what is there."""
    write(tmp_path, "ecg5000")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    assert load("ecg5000").source == "file ecg5000.npz"
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "nowhere"))
    assert load("ecg5000", root=tmp_path).source == "file ecg5000.npz"
    with pytest.raises(DataError, match=rf"need \${FOLDER_VARIABLE} to be a folder, got '.*nowhe"):
        load("ecg5000")
    with pytest.raises(DataError, match="need root to be a folder"):
        load("ecg5000", root=tmp_path / "nowhere")


@pytest.mark.parametrize("name", list(ARCHIVES))
def test_no_file_and_no_network(tmp_path, name):
    """Catches an error that leaves the reader without a way to get the data."""
    with pytest.raises(DataError, match=f"has no {name}") as caught:
        load(name, root=tmp_path)
    wanted = (name, ".npz", "root=", f"${FOLDER_VARIABLE}", "fetch_", "no network in tests")
    assert [part for part in wanted if part not in str(caught.value)] == []
    assert isinstance(caught.value.__cause__, OSError)
    with pytest.raises(DataError, match="no folder is named"):
        load(name)


x, y = arrays("ecg5000", 10)
good = split((x, y), (x, y))


def single_array(path):
    with path.open("wb") as file:
        np.save(file, x)


def shortened(path):
    np.savez(path, **good)
    path.write_bytes(path.read_bytes()[:-400])


def other_bytes(path):
    path.write_bytes(b"not an archive")


def pointer(path):
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"y_test": None}, "no array y_test"),
        ({"X_test": x[:, :100]}, r"need samples \(N, 140\) and targets \(N,\), N >= 1 in"),
        ({"y_train": y[:-1]}, "need samples"),
        ({"X_train": np.where(x > x[0, 0], x, np.nan)}, "need finite numbers in"),
        ({"y_test": y - 1}, r"need whole labels 1\.\.5 in .* got \[0 1 2 3 4\]"),
        (
            {"y_test": y + np.float32(0.5) * (y < 5)},
            r"need whole labels 1\.\.5 in .* got \[1\.5 2\.5",
        ),
        ({"y_test": y.astype(str)}, "need real numbers in .* got float64 and <U"),
        ({"X_test": x.astype("datetime64[s]")}, "need real numbers in .* got datetime64"),
        ({"X_train": x + 0j}, "need real numbers in .* got complex128 and uint8"),
        ({"X_train": x > 0}, "need real numbers in .* got bool and uint8"),
        (pointer, "a git-lfs pointer in place of the data: run git lfs pull"),
        ({"y_test": np.array(y.tolist(), dtype=object)}, "cannot read .*ValueError"),
        (shortened, "cannot read .*BadZipFile"),
        (other_bytes, "cannot read"),
        (single_array, "a single array, not an npz archive"),
    ],
)
def test_damaged_files_are_named(tmp_path, damage, message):
    """Catches broken data that load, and errors that do not say which file."""
    path = tmp_path / "ecg5000.npz"
    if callable(damage):
        damage(path)
    else:
        np.savez(path, **{k: v for k, v in (good | damage).items() if v is not None})
    with pytest.raises(DataError, match=message) as caught:
        load("ecg5000", root=tmp_path)
    assert "ecg5000.npz" in str(caught.value)


@pytest.mark.parametrize(
    ("bright", "got"),
    [
        (lambda x: x / 255, r"0\.0\.\.1\.0, float64"),
        (lambda x: (x / 255).astype(np.float32), r"0\.0\.\.1\.0, float32"),
        (lambda x: x > 100, "bool and"),
        (lambda x: (x > 100).astype(np.uint8), r"0\.\.1, uint8"),
        (lambda x: x / 127.5 - 1, r"-1\.0\.\.1\.0"),
        (lambda x: 2 * x.astype(int), r"0\.\.5"),
    ],
)
def test_pixels_of_another_scale_are_refused(tmp_path, bright, got):
    """Catches pixels divided by 255 twice: all images black, and nothing said."""
    train, test = write(tmp_path, "mnist")
    train[0][0, 0, :2] = 0, 255
    np.savez(tmp_path / "mnist.npz", **split((bright(train[0]), train[1]), test))
    with pytest.raises(
        DataError, match=rf"need (whole pixels 0\.\.255|real.*) in .*mnist.npz, got {got}"
    ):
        load("mnist", root=tmp_path)
    # As floats they are whole, too.
    np.savez(tmp_path / "mnist.npz", **split((train[0].astype(float), train[1]), test))
    assert load("mnist", root=tmp_path).train_inputs.max() == 1


@pytest.mark.parametrize("name", ["ecg5000", "mnist", "cifar10"])
def test_fetched_from_openml(monkeypatch, name):
    """Catches a wrong name or version, labels as strings, or a split at the wrong row."""
    archive = ARCHIVES[name]
    counts = tuple(4 - i % 2 for i in range(archive.classes))
    small = dataclasses.replace(archive, train_counts=counts)
    monkeypatch.setattr(archives, "ARCHIVES", {**ARCHIVES, name: small})
    labels = np.repeat(np.arange(archive.classes) + archive.first_label, counts)
    labels = np.concatenate([labels, [archive.first_label] * 3])
    x, asked = arrays(name, len(labels))[0], []

    def fetch(wanted, *, version, as_frame):
        asked.append((wanted, version, as_frame))
        return Bunch(data=x.reshape(len(x), -1), target=labels.astype(str).astype(object))

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch)
    dataset = load(name)
    check_shape(dataset)
    assert asked == [(archive.openml, 1, False)]
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
    bunch = Bunch(data=x, target=y)
    monkeypatch.setattr(sklearn.datasets, "fetch_california_housing", lambda: bunch)
    dataset = load("california_housing")
    check_shape(dataset)
    assert dataset.source == "scikit-learn, fetch_california_housing()"
    together = torch.cat([dataset.train_targets, dataset.test_targets]).flatten()
    assert sorted(together.tolist()) == pytest.approx(sorted(y), rel=1e-6)


@pytest.mark.parametrize("name", list(ARCHIVES))
def test_the_page_names_archives_arrays_and_shapes(tmp_path, name):
    """Catches a reader who has the data, and is not told under which names they are looked for."""
    page = Path(__file__).parents[3] / "book" / "how-to-use.md"
    text = page.read_text(encoding="utf8")
    row = next(line for line in text.splitlines() if line.startswith(f"| `{name}"))
    files, named, samples, targets = row.strip("| ").split(" | ")
    write(tmp_path, name)
    for path in tmp_path.iterdir():
        assert path.name in files or path.name in [f"cifar10-train-{i}of4.npz" for i in (2, 3)]
        with np.load(path) as whole:  # what is named suffices
            np.savez(path, **{array: whole[array] for array in re.findall(r"`(\w+)`", named)})
    load(name, root=tmp_path)
    archive = ARCHIVES[name]
    assert samples.startswith(f"(N, {', '.join(map(str, archive.shape))})")
    if (first := archive.first_label) is not None:
        assert targets == f"{first} to {first + archive.classes - 1}"
