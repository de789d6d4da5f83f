"""The script that makes the kept results of pruning limits, on small networks."""

import json
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks import pruning_limit
from benchmarks.kept import standardized
from compressibility.experiments.oneshot import Protocol, measure
from compressibility.models.network import mlp
from compressibility.pruning.oneshot import like
from compressibility.training.loop import Training

SHARES = [j / 20 for j in range(1, 20)]
WIDTHS = (12, 8, 3)


def table(note):
    (result,) = json.loads(note.read_text())["results"].values()
    return pd.DataFrame(result["rows"], columns=result["columns"])


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the script on a recipe and samples in the form of ``kept.part``."""

    def run(recipe, x, y, image):
        monkeypatch.setattr(pruning_limit, "RECIPES", {"small": recipe})
        monkeypatch.setattr(pruning_limit, "SHARES", SHARES)
        monkeypatch.setattr(pruning_limit, "BATCH", 4)
        arrays = {"train_inputs": x, "train_targets": y, "test_inputs": x, "test_targets": y}
        about = {"name": "drawn", "image": image, "outputs": 3, "files": json.dumps({})}
        part, note = tmp_path / "part.npz", tmp_path / "note.json"
        np.savez(part, **about, **arrays)
        pruning_limit.limits(part, note, network="small", l1=0.01, seed=0)
        return part, table(note).iloc[0], table(tmp_path / "note-curves.json")

    return run


def test_a_perceptron_is_measured_as_the_library_does(run, tmp_path):
    """Catches a wrong loss, penalty, sign, support, ε, or curvature of other samples."""
    draw = np.random.default_rng(0).standard_normal
    x = draw((60, WIDTHS[0])).astype(np.float32)
    y = (x[:, :3] + 0.3 * draw((60, 3))).argmax(1)
    recipe = pruning_limit.Recipe(0.1, 5, 20, 60, WIDTHS, steps=40)
    part, row, curves = run(recipe, x, y, ())
    saved = torch.load(tmp_path / "note.pt")["state"].values()
    network = like(mlp(WIDTHS), torch.cat([weight.flatten() for weight in saved])[None]).double()
    problem, _ = standardized(part)
    problem = replace(
        problem,
        train_inputs=problem.train_inputs.double(),
        test_inputs=problem.test_inputs.double(),
    )
    how = Training(5, 0.1, 4, 60, "sgd", 0.9, l1=0.01)
    protocol = Protocol(4, shares=tuple(SHARES), steps=40)
    found = measure(problem, network, how, protocol, seeds=[0])
    theirs = found.table.iloc[0]
    for name in (*pruning_limit.SCORES[:3], "epsilon", "gradient", "slope", "weights"):
        assert row[name] == pytest.approx(theirs[name], rel=1e-3), name
    for name in ("u2", "u2_first", "cross_entropy_within", "total_within", "total_within_first"):
        assert row[name] == theirs[name].round(6), name
    for name in ("trace", "star", "orthogonal", "cone"):
        assert row[name] == pytest.approx(theirs[name], abs=0.06), name
    for name in ("removed", "cross_entropy", "total", "model", "test_accuracy"):
        assert curves[name].tolist() == pytest.approx(found.curves[name].tolist(), abs=1e-5), name
    assert 0 < row.rounding < 100
    assert row.subset == pytest.approx(1, abs=1e-4)


def test_a_residual_network_with_batch_normalization(run, monkeypatch):
    """Catches BatchNorm in H or in training mode, and shapes that do not fit."""
    small = partial(pruning_limit.resnet18, width=2)
    monkeypatch.setattr(pruning_limit, "resnet18", small)
    x = np.random.default_rng(0).integers(0, 256, (8, 3072), np.uint8)
    recipe = pruning_limit.Recipe(0.01, 2, 4, 4, steps=2, starts=1)
    _, row, _ = run(recipe, x, np.arange(8) % 3, (3, 32, 32))
    blocks = pairwise([2, 2, 2, 4, 4, 8, 8, 16, 16])
    inside = sum(9 * b * (a + b) + (a != b) * a * b for a, b in blocks)
    assert row.weights == 3 * 2 * 9 + inside + 16 * 3
