"""Metrics against scikit-learn's."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, r2_score

from compressibility.metrics import accuracy, output_error, r2, score
from tests.compressibility.helpers import refuses


def test_accuracy_is_scikit_learns():
    """Catches an argmax or a mean over the wrong axis."""
    rng = np.random.default_rng(0)
    logits, targets = rng.standard_normal((3, 50, 4)), rng.integers(0, 4, 50)
    got = accuracy(torch.from_numpy(logits), torch.from_numpy(targets))
    expected = [accuracy_score(targets, one.argmax(1)) for one in logits]
    assert got.tolist() == pytest.approx(expected, rel=1e-12)
    assert accuracy(torch.from_numpy(logits[0]), torch.from_numpy(targets)).shape == ()


@pytest.mark.parametrize("outputs", [1, 3])
def test_r2_is_scikit_learns(outputs):
    """Catches targets and predictions exchanged, or outputs pooled instead of averaged."""
    rng = np.random.default_rng(1)
    truth = rng.standard_normal((40, outputs)) * np.arange(1, outputs + 1)
    guesses = truth + rng.standard_normal((2, 40, outputs))
    got = r2(torch.from_numpy(guesses), torch.from_numpy(truth))
    assert got.tolist() == pytest.approx([r2_score(truth, one) for one in guesses], rel=1e-10)


def test_each_task_has_its_score():
    """Catches scores exchanged."""
    assert [score(task) for task in ("classification", "regression")] == [accuracy, r2]


def test_output_error_is_its_definition():
    """Catches throws that meet other throws, x and x' exchanged, a mean over the outputs."""
    rng = np.random.default_rng(2)
    W, U, x, other = (rng.standard_normal(s) for s in ((3, 4), (5, 3, 4), (6, 4), (6, 4)))
    expected = [
        np.mean([np.sum((W @ a - u @ b) ** 2) for a, b in zip(x, other, strict=True)]) for u in U
    ]
    got = output_error(*map(torch.from_numpy, (W, U, x, other)))
    assert got.tolist() == pytest.approx(expected, rel=1e-12)
    same = output_error(*map(torch.from_numpy, (W, U[0], x)))
    assert same.item() == pytest.approx(np.mean(np.sum((x @ (W - U[0]).T) ** 2, 1)), rel=1e-12)


def test_metrics_of_float32_are_summed_in_float64():
    """Catches a mean in single precision, which stalls on large samples."""
    logits = torch.zeros(10, 2)
    assert accuracy(logits, torch.zeros(10, dtype=torch.int64)).dtype == torch.float64
    far = torch.tensor([[1e4], [1e4 + 1], [1e4 + 2]])
    assert r2(far + 0.5, far).item() == pytest.approx(1 - 0.75 / 2, rel=1e-9)
    huge, tiny = torch.tensor([[3e19]]), torch.tensor([[1e-25]])
    for weight in (huge, tiny):
        square = weight.double().square().item()
        assert output_error(weight, 0 * weight, torch.ones(2, 1)).item() == square


test_bad_arguments_are_named = refuses(
    (lambda: accuracy(torch.ones(3, 2), torch.zeros(4).long()), "need logits"),
    (lambda: accuracy(torch.ones(0, 2), torch.zeros(0).long()), "N >= 1"),
    (lambda: accuracy(torch.ones(3, 2), torch.zeros(3)), "need targets of an integer dtype"),
    (
        lambda: accuracy(torch.ones(2, 2), torch.tensor([0, 2])),
        r"need 0 <= targets < 2.*0\.\.2",
    ),
    (lambda: accuracy(torch.ones(2, 2), torch.tensor([-1, 0])), r"got -1\.\.0"),
    (lambda: accuracy(torch.full((1, 2), math.nan), torch.tensor([0])), "need finite logits"),
    (lambda: r2(torch.ones(3, 1), torch.ones(3)), "need predictions"),
    (lambda: r2(torch.ones(1, 1), torch.ones(1, 1)), "N >= 2"),
    (lambda: r2(torch.ones(3, 1), torch.full((3, 1), 0.1)), "got a constant output"),
    (lambda: r2(torch.full((2, 1), math.inf), torch.eye(2)[:, :1]), "need finite predictions"),
    (lambda: r2(torch.ones(2, 1), torch.tensor([[0.0], [math.nan]])), "need finite targets"),
    (lambda: score("ranking"), "need task in .*'classification'.* got 'ranking'"),
    (lambda: output_error(*map(torch.ones, ((1, 2), (2, 2), (3, 2)))), "one layer's shape"),
    (lambda: output_error(*map(torch.ones, ((1, 2), (1, 2), (3, 3)))), r"inputs \(..., N, 2\)"),
    (lambda: output_error(torch.ones(1, 2), *[torch.ones(1, 2).double()] * 2), "one dtype"),
)
