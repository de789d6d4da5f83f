"""On a GPU: the CPU's numbers within the dtype's error. Skipped, with the reason, without one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from compressibility.data.sets import load
from compressibility.experiments.steps import train_grid
from compressibility.models.network import mlp
from compressibility.noise import tails
from compressibility.pruning.draws import Pruning, Quantization
from compressibility.training.loop import Training, train
from studies.build.fingerprint import fingerprint
from studies.build.parameters import effective
from studies.build.profiles import load_profile
from studies.build.project import Chapter, Project
from studies.build.runner import Job, run_jobs
from studies.build.runs import Run
from studies.progress import describe_failure

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="NO GPU HERE: device=cuda is tested on none"
)


def chapters() -> dict[str, Chapter]:
    """Those that can train on a GPU."""
    every = Project(ROOT).chapters()
    return {c.name: c for c in every if any(p.type_name == "Device" for p in c.parameters.values())}


@pytest.mark.parametrize(("dtype", "steps"), [(torch.float64, 60), (torch.float32, 12)])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_on_either_device_gives_one_network(
    dtype: torch.dtype, steps: int, optimizer: Any
) -> None:
    """Catches an order of samples, a rate or a state that depends on the device.

    A sum of 64 terms in another order is off by some units in the last place, and a step
    multiplies an error by a few percent: 1000 units in the last place are room enough for
    either, and far below what another order of the samples does. Adam divides by the size of the
    gradient, so that an error relative to the gradient is one relative to the rate.
    """
    problem = load("digits")
    x, y = problem.train_inputs[:200].to(dtype), problem.train_targets[:200]
    how = Training(epochs=steps // 4, batch_size=50, optimizer=optimizer, learning_rate=0.01)
    ends = []
    for device in ("cpu", "cuda"):
        network = mlp([64, 20, 10], activation="tanh", seeds=(3, 4), dtype=dtype).to(device)
        history = train(network, x, y, how, loss="cross_entropy", seeds=(3, 4))
        assert network.weights[0].device.type == device
        ends.append([history.losses, *(w.detach().cpu().double() for w in network.weights)])
    unit = torch.finfo(dtype).eps
    for here, there in zip(*ends, strict=True):
        torch.testing.assert_close(there, here, rtol=1000 * unit, atol=1000 * unit)
        assert here.std() > 1e-3  # zeros agree with anything


def test_a_grid_trained_on_the_gpu_finds_the_same_cells() -> None:
    """Catches cells in another order, or a network that is measured where it is not."""
    problem = load("digits")
    rates = {20: [0.02, 0.1], 200: [0.1]}
    cells = []
    for device in ("cpu", "cuda"):
        start = mlp([64, 16, 10], init="torch", seeds=(0, 1), dtype=torch.float32).to(device)
        cells.append(train_grid(problem, start, rates, seeds=(0, 1), steps=20, samples=200).cells)
    here, there = cells
    assert here.drop(columns=["train_loss", "train_accuracy", "test_accuracy"]).equals(
        there.drop(columns=["train_loss", "train_accuracy", "test_accuracy"])
    )
    assert (here.train_loss - there.train_loss).abs().max() < 1e-4
    assert (here.test_accuracy - there.test_accuracy).abs().max() <= 2 / 360  # a near tie


@pytest.mark.parametrize("draw", [Pruning(0.3), Quantization(levels=3)], ids=str)
def test_the_same_dice_throw_the_same_on_the_gpu(draw: Any) -> None:
    """Catches a draw that rounds its thresholds otherwise there."""
    weight = torch.randn(200, 300, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    numbers = torch.rand(200, 300, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    here, there = draw.decide(weight, numbers), draw.decide(weight.cuda(), numbers.cuda())
    assert there.is_cuda
    torch.testing.assert_close(there.cpu(), here, rtol=1e-14, atol=1e-14)


def test_an_estimate_of_the_tail_is_the_same_there() -> None:
    """Catches a sort whose ties or whose order differ."""
    values = torch.randn(5000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert tails.hill(values.cuda(), 50).value == pytest.approx(
        tails.hill(values, 50).value, rel=1e-12
    )


@pytest.mark.kernel
@pytest.mark.parametrize("name", sorted(chapters()))
def test_a_chapter_on_the_gpu_comes_to_the_same_verdicts(name: str, tmp_path: Path) -> None:
    """Catches a chapter that breaks there, or finds there what the CPU does not find."""
    project, chapter = Project(ROOT), chapters()[name]
    device = next(p.name for p in chapter.parameters.values() if p.type_name == "Device")
    jobs = []
    for where in ("cpu", "cuda"):
        chosen = {**load_profile(project, "smoke")[name], device: where}
        values = effective(chapter.parameters, [chosen])
        parts = fingerprint(project, chapter, values)
        jobs.append(Job(chapter, values, parts, "smoke", tmp_path / f"{where}.ipynb"))
    found = run_jobs(project, jobs, workers=2)
    for one in found:
        assert isinstance(one, Run), describe_failure(one)
    here, there = ({c["id"]: c for c in one.claims} for one in found if isinstance(one, Run))
    assert here.keys() == there.keys()
    for id_, claim in here.items():
        # Where float32 is amplified by training, the intervals are what must agree.
        low, high = claim["low"] or claim["value"], claim["high"] or claim["value"]
        margin = max(high - low, 0.02 * abs(claim["value"]))
        print(f"{id_}: cpu {claim['value']:.6g}, cuda {there[id_]['value']:.6g}")
        assert low - margin <= there[id_]["value"] <= high + margin, id_
        assert {claim["verdict"], there[id_]["verdict"]} != {"holds", "fails"}, id_
