"""Exact, batched and literal compression of growing blocks: python -m benchmarks.blocks.

``--full`` adds W1 of 1000 x 64 under 40 outputs with 1024 samples (minutes).
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Sequence

import torch

from benchmarks.greedy import exponent
from compressibility.dice import uniforms
from compressibility.models.layers import Block, Layer
from compressibility.pruning.blocks import compress_block
from compressibility.pruning.cuts import Cut
from compressibility.pruning.draws import Pruning
from tests.compressibility.pruning import literal

SHARE, KEEP, AT_ONCE = 0.9, 0.3, 64
Shape = tuple[int, int, int, int]  # n1 inputs, n2 hidden units, n3 outputs, N samples


def block(shape: Shape) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return Gaussian W1 and W2, entries of variance 1/n2, and inputs in the unit ball."""
    n1, n2, n3, samples = shape
    source = torch.Generator().manual_seed(n2)
    w1, w2, x = (torch.randn(s, generator=source) for s in ((n2, n1), (n3, n2), (samples, n1)))
    return w1 / math.sqrt(n2), w2 / math.sqrt(n2), x / x.norm(dim=1).max()


def compress(shape: Shape, method: str) -> dict[str, float]:
    """Compress one block in this process: seconds, MiB beyond the start, scores per weight."""
    torch.set_num_threads(1)
    w1, w2, x = block(shape)
    if method == "literal":  # in float64: its differences of losses cancel
        w1, w2, x = w1.double(), w2.double(), x.double()
    dice, looks = torch.Generator().manual_seed(0), math.nan
    steps = Cut(Pruning(keep=KEEP), SHARE).count(w1.numel())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    if method == "literal":
        outcomes, loss = literal.pruned(w1, keep=KEEP), literal.block_loss(w1, w2, torch.tanh, x, x)
        literal.compress(w1, loss, outcomes, steps=steps, uniforms=uniforms(w1.shape, dice))
    else:
        scorings = {"exact": None, "batches": math.ceil(steps / AT_ONCE), "eighths": 8}[method]
        layers = Block(Layer.dense(w1), Layer.dense(w2), torch.tanh)
        cut = Cut(Pruning(keep=KEEP), SHARE, scorings=scorings)
        result = compress_block(layers, x, cut, dice)
        looks = result.scored.item() / w1.numel()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"seconds": seconds, "mebibytes": peak / 1024, "looks": looks}


def measured(shape: Shape, method: str) -> dict[str, float]:
    """Compress in a process of its own, so that its peak memory is its own."""
    command = [sys.executable, "-m", "benchmarks.blocks", "--one", method, *map(str, shape)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def series(title: str, method: str, shapes: Sequence[Shape]) -> None:
    """Print one method's cost on growing blocks, and how it grows."""
    print(f"{title}\n{'n1':>5} {'n2':>5} {'n3':>4} {'N':>5} {'seconds':>9} {'MiB':>7} {'looks':>7}")
    found = []
    for shape in shapes:
        cost = measured(shape, method)
        n1, n2, n3, samples = shape
        numbers = f"{cost['seconds']:9.3f} {cost['mebibytes']:7.1f} {cost['looks']:7.1f}"
        print(f"{n1:5d} {n2:5d} {n3:4d} {samples:5d} {numbers}", flush=True)
        found.append(cost["seconds"])
    if len(shapes) > 2:
        weights = [n1 * n2 for n1, n2, _, _ in shapes]
        print(f"seconds ~ weights^{exponent(weights[1:], found[1:]):.2f} (without the first)")


def main() -> None:
    """Print seconds, peak memory and scores per weight of each method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="add the 64-1000-40 block")
    parser.add_argument("--one", nargs=5, metavar=("METHOD", "n1", "n2", "n3", "N"))
    options = parser.parse_args()
    if options.one:
        method, *sizes = options.one
        n1, n2, n3, samples = map(int, sizes)
        print(json.dumps(compress((n1, n2, n3, samples), method)))
        return
    print(f"pruning {SHARE:.0%} of W1, tanh, one thread; looks: scores worked out per weight")
    series("literal", "literal", [(n, 2 * n, 4, 64) for n in (2, 3, 4, 6, 8, 10)])
    small = [(n, 2 * n, 4, 64) for n in (4, 8, 16, 32, 64)]
    large = [(64, n, 40, 1024) for n in (60, 120, 240, 480)]
    series("exact", "exact", small)
    series("exact", "exact", large[:3])
    series(f"{AT_ONCE} weights at each scoring", "batches", large)
    series("8 scorings", "eighths", large)
    if options.full:
        for method in ("eighths", "batches", "exact"):
            series(f"{method}, full size", method, [(64, 1000, 40, 1024)])


if __name__ == "__main__":
    main()
