"""Fast against literal greedy compression on growing layers: python -m benchmarks.greedy."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from compressibility.dice import uniforms
from compressibility.models.layers import Layer
from compressibility.pruning.cuts import Cut
from compressibility.pruning.draws import Pruning
from compressibility.pruning.wide import compress_wide
from tests.compressibility.pruning import literal

KEEP, SAMPLES = 0.3, 64
CUT = Cut(Pruning(keep=KEEP), share=0.9)


def best_time(call: Callable[[], object], *, repeats: int) -> float:
    """Shortest wall time of some calls, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Slope of log time over log size."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def layer(width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a square random layer and its inputs."""
    source = torch.Generator().manual_seed(width)
    shapes = ((width, width), (SAMPLES, width))
    weight, inputs = (torch.randn(s, generator=source, dtype=torch.float64) for s in shapes)
    return weight, inputs


def fast_seconds(width: int) -> float:
    """Time of the library's path."""
    weight, inputs = layer(width)
    source = torch.Generator().manual_seed(0)
    call = lambda: compress_wide(Layer.dense(weight), inputs, CUT, source)  # noqa: E731
    call()
    return best_time(call, repeats=5)


def literal_seconds(width: int) -> float:
    """Time of Algorithm 1 as it reads."""
    weight, inputs = layer(width)
    dice = uniforms(weight.shape, torch.Generator().manual_seed(0))
    outcomes, loss = literal.pruned(weight, keep=KEEP), literal.wide_loss(weight, inputs, inputs)
    steps = CUT.count(weight.numel())
    return best_time(
        lambda: literal.compress(weight, loss, outcomes, steps=steps, uniforms=dice), repeats=1
    )


def main() -> None:
    """Print both times for small layers, the fast one for large, how each grows, and memory."""
    torch.set_num_threads(1)
    small, large = (4, 6, 8, 12, 16, 20), (64, 128, 256, 512, 1024, 2048)
    print(f"pruning {CUT.share:.0%} of a square layer, {SAMPLES} samples, one thread")
    head = f"{'width':>6} {'weights':>9} {'literal s':>11} {'fast s':>11} {'ratio':>9}"
    print(f"{head} {'peak MB':>9}")
    slow, fast = [], []
    for width in small:
        slow.append(literal_seconds(width))
        seconds = fast_seconds(width)
        ratio = slow[-1] / seconds
        print(f"{width:6d} {width**2:9d} {slow[-1]:11.2e} {seconds:11.2e} {ratio:9.0f}")
    for width in large:
        fast.append(fast_seconds(width))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # of the process so far
        print(f"{width:6d} {width**2:9d} {'':>11} {fast[-1]:11.2e} {'':>9} {peak:9.0f}")
    grows = exponent([width**2 for width in small[2:]], slow[2:])
    print(f"literal: seconds ~ weights^{grows:.2f} (widths {small[2]} to {small[-1]})")
    grows = exponent([width**2 for width in large[2:]], fast[2:])
    print(f"fast:    seconds ~ weights^{grows:.2f} (widths {large[2]} to {large[-1]})")


if __name__ == "__main__":
    main()
