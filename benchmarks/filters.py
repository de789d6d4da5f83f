"""Filters through frequencies against the explicit matrix W(K): python -m benchmarks.filters."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import torch

from benchmarks.greedy import best_time, exponent
from compressibility.models.layers import Block, Layer
from compressibility.pruning.blocks import compress_block
from compressibility.pruning.cuts import Cut
from compressibility.pruning.draws import Pruning
from tests.compressibility.pruning import literal

SIZE, MAPS, SAMPLES, KEEP, THROWS = 8, 16, 256, 0.3, 50
CUT = Cut(Pruning(keep=KEEP), share=0.9, groups=True)


def block(width: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return both kernels of a random block and its images."""
    source = torch.Generator().manual_seed(width)
    shapes = ((width, 1, 3, 3), (MAPS, width, 3, 3), (SAMPLES, 1, SIZE, SIZE))
    first, second, images = (torch.randn(s, generator=source) for s in shapes)
    return first, second / width**0.5, images


def by_filters(width: int) -> None:
    """Prune output filters the library's way."""
    first, second, images = block(width)
    layers = Block(Layer(first, SIZE), Layer(second, SIZE), torch.tanh)
    compress_block(layers, images, CUT, torch.Generator().manual_seed(0), throws=THROWS)


def by_matrix(width: int) -> None:
    """Prune the same filters by Algorithm 1 as it reads, on the explicit matrices, one throw."""
    first, second, images = (t.double() for t in block(width))
    loss = literal.block_loss(first, second, torch.tanh, images, images, size=SIZE)
    outcomes = literal.pruned_groups(first, axis=0, keep=KEEP)
    dice = torch.rand(width, generator=torch.Generator().manual_seed(0))
    literal.compress(first, loss, outcomes, steps=CUT.count(width), uniforms=dice)


def norm_by_frequencies(width: int) -> None:
    """Operator norm of the second convolution, by DFT."""
    Layer(block(width)[1], SIZE).norm()


def norm_by_matrix(width: int) -> None:
    """Operator norm of its explicit matrix."""
    torch.linalg.matrix_norm(Layer(block(width)[1].double(), SIZE).matrix(), ord=2)


WAYS: dict[str, Callable[[int], None]] = {
    way.__name__: way for way in (by_filters, by_matrix, norm_by_frequencies, norm_by_matrix)
}


def peak_mib(way: str, width: int) -> float:
    """Highest memory of a fresh process that goes one way, in MiB."""
    code = (
        "import resource, torch; torch.set_num_threads(1); from benchmarks.filters import WAYS; "
        f"WAYS[{way!r}]({width}); print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout)


def main() -> None:
    """Print times, how they grow with the channels, and the peak memory at the widest."""
    torch.set_num_threads(1)
    print(f"filters of 3 x 3 convolutions 1 -> w -> {MAPS}, {SIZE} x {SIZE} maps, one thread")
    print(f"pruning: {SAMPLES} images, {THROWS} throws of 90 % of the filters")
    # First, while this process is small: on Linux a child's peak starts at its parent's.
    for name in WAYS:
        print(f"{name:>20}: peak memory of a process at w = 20: {peak_mib(name, 20):.0f} MiB")
    widths = {"by_matrix": (5, 10, 20), "norm_by_matrix": (10, 20, 40)}
    for name, way in WAYS.items():
        sizes = widths.get(name, (10, 20, 40, 80, 160))
        way(sizes[0])
        seconds = [best_time(lambda w=w, way=way: way(w), repeats=3) for w in sizes]
        shown = ", ".join(f"w = {w}: {s:.2e} s" for w, s in zip(sizes, seconds, strict=True))
        print(f"{name:>20}: {shown}; seconds ~ w^{exponent(sizes[1:], seconds[1:]):.2f}")


if __name__ == "__main__":
    main()
