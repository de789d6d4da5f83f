r"""How times grow with the size of a square layer, and what takes how many times as long.

``python -m benchmarks.cost run note.json`` takes some minutes; ``keep`` in place of ``run`` puts
the note into book/results, with its origin.

Processor time, one thread. In a repeat all calls take turns, so that what else the machine does
meets them all; ``seconds`` has a number for each repeat, after one to warm up.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks import blocks, injection, structured
from benchmarks.greedy import CUT, KEEP, layer
from benchmarks.kept import keep, write_note
from compressibility.dice import dice, uniforms
from compressibility.models.layers import Block, Layer
from compressibility.pruning import kterm, masks
from compressibility.pruning.blocks import compress_block
from compressibility.pruning.moments import Moments
from compressibility.pruning.wide import compress_wide
from compressibility.spectrum.lanczos import quadrature
from compressibility.spectrum.operators import Objective, hessian
from tests.compressibility.pruning import literal

REPEATS, LEAST = 31, 0.03  # seconds of a measurement, in as many calls as it takes
STEPS, BATCH, ROWS, SAMPLES = 16, 100, 16, 4096  # of Lanczos; of a network; of a layer
SHARES = [i / 50 for i in range(1, 51)]
Call = Callable[[], object]


def normal(*shape: int) -> Tensor:
    """Return normal numbers, the same for the same shape."""
    return torch.randn(shape, generator=dice("cost", *shape), dtype=torch.float64)


def cut(n: int, *, literally: bool = False) -> Call:
    """Cut a wide layer by one sort; literally: by Algorithm 1 as it reads."""
    weight, x = layer(n)
    if not literally:
        return lambda: compress_wide(Layer.dense(weight), x, CUT, dice("throws"))
    loss, outcomes = literal.wide_loss(weight, x, x), literal.pruned(weight, keep=KEEP)
    steps, numbers = CUT.count(n * n), uniforms((n, n), dice("throws"))
    return lambda: literal.compress(weight, loss, outcomes, steps=steps, uniforms=numbers)


def neurons(n: int) -> Call:
    """Cut n hidden neurons through their inner products."""
    *layers, x = structured.block(n)
    both = Block(*map(Layer.dense, layers), torch.tanh)
    return lambda: compress_block(both, x, structured.CUT, dice("throws"))


def readjusted(n: int, *, literally: bool = False) -> Call:
    """Readjust some rows, half of each removed; literally: by least squares on the samples."""
    weight, x = normal(ROWS, n), normal(SAMPLES, n)
    second = Moments.of(x).second
    gone = masks.cheapest(masks.prices(weight, second), 0.5)
    if not literally:
        return lambda: masks.readjust(weight, gone, second)
    each = [(row, ~lost) for row, lost in zip(weight[..., None], gone, strict=True)]
    return lambda: [torch.linalg.lstsq(x[:, stay], x @ row) for row, stay in each]


def curvature(n: int, *, what: str) -> Call:
    """A gradient of a network n-n-10, a product with its Hessian, the dense Hessian, Lanczos."""
    model = nn.Sequential(nn.Linear(n, n, False), nn.Tanh(), nn.Linear(n, 10, False)).eval()
    data = [(normal(BATCH, n).float(), torch.arange(BATCH) % 10)]
    objective = Objective(model, cross_entropy, data)
    H, v = hessian(objective), objective.weights()
    ways: dict[str, Call] = {"gradient": objective.gradient, "product": lambda: H @ v}
    ways |= {"dense": H.dense, "Lanczos": lambda: quadrature(H, STEPS, dice("start"), starts=1)}
    return ways[what]


def apart(flat: Tensor) -> object:
    """Return the errors at 50 shares, each by a sort of its own."""
    return [kterm.errors(flat, share) for share in SHARES]


WIDE = (256, 512, 1024, 2048)
WAYS: dict[str, tuple[Callable[[int], Call], tuple[int, ...]]] = {
    "greedy cut": (cut, (8, *WIDE)),
    "greedy cut, literally": (partial(cut, literally=True), (3, 4, 6, 8)),
    "block": (lambda n: partial(blocks.compress, (n, n, 10, 256), "eighths"), (32, 64, 128, 256)),
    "block, exactly": (lambda n: partial(blocks.compress, (n, n, 10, 256), "exact"), (32,)),
    "neurons": (neurons, WIDE),
    "moments": (lambda n: partial(Moments.of, normal(SAMPLES, n)), WIDE),
    "readjusting": (readjusted, WIDE),
    "readjusting, on samples": (partial(readjusted, literally=True), (512,)),
    "curve": (lambda n: partial(kterm.errors, normal(n * n), SHARES), WIDE),
    "curve, 50 sorts": (lambda n: partial(apart, normal(n * n)), (512,)),
    "gradient": (partial(curvature, what="gradient"), WIDE),
    "product": (partial(curvature, what="product"), WIDE),
    "Lanczos": (partial(curvature, what="Lanczos"), (32, *WIDE[:3])),
    "dense Hessian": (partial(curvature, what="dense"), (32,)),
    "plain step": (lambda _: injection.steps(None), (injection.WIDTH,)),
    "step, shared noise": (lambda _: injection.steps("shared"), (injection.WIDTH,)),
    "step, isotropic noise": (lambda _: injection.steps("isotropic"), (injection.WIDTH,)),
    "step, independent noise": (lambda _: injection.steps("independent"), (injection.WIDTH,)),
    "matrices": (lambda n: partial(lambda x: x.float() @ x.float(), normal(n, n)), (1024,)),
    "sort": (lambda n: partial(torch.argsort, normal(n * n)), (2048,)),
}


def seconds(call: Call) -> float:
    """Processor time of a call, over as many as it takes."""
    start, calls = time.process_time(), 0
    while (spent := time.process_time() - start) < LEAST:
        call()
        calls += 1
    return round(spent / calls, 7)


def run(note: Path) -> None:
    """Measure all, repeat after repeat, and write the table."""
    torch.set_num_threads(1)
    calls = {(name, n): make(n) for name, (make, sizes) in WAYS.items() for n in sizes}
    turns, took = random.Random(0), {key: list[float]() for key in calls}
    for _ in range(REPEATS + 1):
        for key in turns.sample([*calls], len(calls)):
            took[key].append(seconds(calls[key]))
    settings = {
        "repeats": REPEATS, "threads": 1, "steps": STEPS, "batch": BATCH, "rows": ROWS,
        "samples": SAMPLES, "clock": "processor time", "cores": os.cpu_count(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
    }  # fmt: skip
    rows = [(*key, times[1:]) for key, times in took.items()]
    frame = pd.DataFrame(rows, columns=["name", "n", "seconds"])
    write_note(note, "cost", frame, chapter="together/cost", settings=settings, files={})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("run", "keep"))
    parser.add_argument("note", type=Path)
    command, note = vars(parser.parse_args()).values()
    keep([note]) if command == "keep" else run(note)
