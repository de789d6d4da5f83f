"""Data sets: splits, order and scales, on small files, bundled data and the real files."""

import os

import numpy as np
import pytest
import sklearn.datasets
import torch
from sklearn.preprocessing import StandardScaler

from compressibility.data.archives import ARCHIVES, FOLDER_VARIABLE
from compressibility.data.sets import available, load
from tests.compressibility.data.files import arrays, check_shape, split, write
from tests.compressibility.helpers import refuses

REAL = os.environ.get(FOLDER_VARIABLE)


@pytest.mark.parametrize(
    ("name", "divisor", "image"),
    [("ecg5000", 1, None), ("mnist", 255, (1, 28, 28)), ("cifar10", 255, (3, 32, 32))],
)
def test_published_splits_are_kept(tmp_path, name, divisor, image):
    """Catches a split drawn anew, parts joined in another order, or labels that start at 1."""
    parts = write(tmp_path, name)
    dataset = load(name, root=tmp_path, seed=5, test_share=0.5)
    check_shape(dataset)
    assert (dataset.name, dataset.image) == (name, image)
    assert str(tmp_path) not in dataset.source
    for part, (x, y) in zip(("train", "test"), parts, strict=True):
        flat = x.reshape(len(x), -1).astype(np.float32) / np.float32(divisor)
        expected = np.column_stack([flat, y.astype(int) - (name == "ecg5000")]).tolist()
        inputs, targets = (getattr(dataset, f"{part}_{kind}") for kind in ("inputs", "targets"))
        got = np.column_stack([inputs, targets]).tolist()
        assert sorted(got) == sorted(expected)
        assert (got == expected) == (part == "test")  # training samples are shuffled


def test_leading_training_samples_are_a_fair_part(tmp_path):
    """Catches an archive sorted by class (as ecg5000 is) handed on sorted, or ignoring the seed."""
    x, y = arrays("ecg5000", 100)
    by_class = np.argsort(y, kind="stable")
    np.savez(tmp_path / "ecg5000.npz", **split((x[by_class], y[by_class]), (x, y)))
    one, same, other = (load("ecg5000", root=tmp_path, seed=seed) for seed in (0, 0, 1))
    # 20 of each class; 40 drawn without order hold 3 or fewer of some class with chance below 0.05.
    assert torch.bincount(one.train_targets[:40], minlength=5).min() > 3
    assert torch.equal(one.train_inputs, same.train_inputs)
    assert not torch.equal(one.train_inputs, other.train_inputs)


def test_table_is_standardised_on_training_rows(tmp_path):
    """Catches statistics that include the test rows, against StandardScaler; 0/0 in a column."""
    (x, y), _ = write(tmp_path, "california_housing")
    x[:, 2] = 7.0
    np.savez(tmp_path / "california_housing.npz", X=x, y=y)
    dataset = load("california_housing", root=tmp_path)
    check_shape(dataset)
    assert (len(dataset.train_inputs), len(dataset.test_inputs)) == (24, 6)
    rows = [int(np.flatnonzero(np.isclose(y, t, rtol=1e-6))[0]) for t in dataset.train_targets]
    rest = sorted(set(range(30)) - set(rows))
    scaler = StandardScaler().fit(x[rows])
    np.testing.assert_allclose(dataset.train_inputs, scaler.transform(x[rows]), atol=1e-5)
    np.testing.assert_allclose(dataset.test_inputs, scaler.transform(x[rest]), atol=1e-5)


def test_digits_are_bundled_stratified_and_scaled():
    """Catches unequal class shares, lost samples, a norm above 1, parts divided apart."""
    digits = load("digits")
    check_shape(digits)
    counts = [torch.bincount(t, minlength=10) for t in (digits.train_targets, digits.test_targets)]
    assert [int(count.sum()) for count in counts] == [1437, 360]
    assert (counts[0] / 1437 - counts[1] / 360).abs().max() < 1 / 360
    ball = digits.in_unit_ball()
    both, balls = (torch.cat([d.train_inputs, d.test_inputs]) for d in (digits, ball))
    assert (both.min().item(), both.max().item()) == (0.0, 1.0)
    bundled = sklearn.datasets.load_digits().data
    assert sorted((both * 16).tolist()) == sorted(bundled.tolist())
    assert 1 - 2e-6 < balls.double().norm(dim=1).max().item() <= 1
    torch.testing.assert_close(balls * ball.scale, both, rtol=1e-6, atol=0)
    assert digits.scale == 1.0
    assert ball.in_unit_ball().scale == pytest.approx(ball.scale, rel=1e-5)
    assert torch.equal(ball.train_targets, digits.train_targets)


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


def test_splits_follow_the_seed():
    """Catches a split from global random state, or a seed that is ignored."""
    one, same, other = load("digits", seed=3), load("digits", seed=3), load("digits", seed=4)
    assert torch.equal(one.train_inputs, same.train_inputs)
    assert not torch.equal(one.train_inputs, other.train_inputs)
    assert len(load("digits", test_share=0.5).test_inputs) == 899


def test_black_images_have_no_ball(tmp_path):
    """Catches a division by a norm of 0."""
    x, y = arrays("mnist", 10)
    np.savez(tmp_path / "mnist.npz", **split((0 * x, y), (0 * x, y)))
    with pytest.raises(ValueError, match="need an input that is not zero"):
        load("mnist", root=tmp_path).in_unit_ball()


test_bad_arguments_are_named = refuses(
    (lambda: load("imagenet"), "need name in digits, .*cifar10, got 'imagenet'"),
    (lambda: available("imagenet"), "need name in digits, .*cifar10, got 'imagenet'"),
    (lambda: load("digits", test_share=1.0), r"need 0 < test_share < 1, got 1\.0"),
    (lambda: load("digits", seed=-1), "need 0 <= seed"),
    (lambda: load("digits", test_share=0.001), "test_size"),
)


@pytest.mark.skipif(REAL is None, reason=f"${FOLDER_VARIABLE} is not set")
@pytest.mark.parametrize(
    ("name", "train", "test", "means"),
    [
        ("california_housing", 16512, 4128, [2.0685582]),
        ("ecg5000", 500, 4500, None),
        ("mnist", 60000, 10000, [0.1307]),
        ("cifar10", 50000, 10000, [0.4914, 0.4822, 0.4465]),
    ],
)
def test_real_files(name, train, test, means):
    """Catches files that differ from the published data: sizes, class counts, known means."""
    dataset = load(name, root=REAL)
    check_shape(dataset)
    assert (len(dataset.train_inputs), len(dataset.test_inputs)) == (train, test)
    if name == "california_housing":
        targets = torch.cat([dataset.train_targets, dataset.test_targets]).double()
        assert targets.mean().item() == pytest.approx(means[0], abs=1e-6)
        return
    counts = torch.bincount(dataset.train_targets).tolist()
    assert counts == list(ARCHIVES[name].train_counts)
    if means:
        channels = dataset.train_inputs.reshape(train, len(means), -1).mean((0, 2))
        assert channels.tolist() == pytest.approx(means, abs=1e-4)
