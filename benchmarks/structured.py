"""Fast against literal structured pruning on growing blocks: python -m benchmarks.structured."""

from __future__ import annotations

import math
import resource

import torch
from torch import Tensor

from benchmarks.greedy import best_time, exponent
from compressibility.models.layers import Block, Layer
from compressibility.pruning.blocks import compress_block
from compressibility.pruning.cuts import Cut
from compressibility.pruning.draws import Pruning
from compressibility.pruning.wide import compress_wide
from tests.compressibility.pruning import literal

KEEP, SAMPLES, OUTPUTS, THROWS = 0.3, 256, 20, 50
CUT = Cut(Pruning(KEEP), share=0.9, groups=True)


def block(width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return W1, W2 and inputs of a random block whose hidden layer has ``width`` neurons."""
    source = torch.Generator().manual_seed(width)
    shapes = ((width, 64), (OUTPUTS, width), (SAMPLES, 64))
    w1, w2, x = (torch.randn(s, generator=source, dtype=torch.float64) for s in shapes)
    return w1 / 8, w2 / math.sqrt(width), x / 8


def rows_seconds(width: int, throws: int) -> float:
    """Time of the library's path for rows."""
    w1, w2, x = block(width)
    source = torch.Generator().manual_seed(0)
    layers = Block(Layer.dense(w1), Layer.dense(w2), torch.tanh)
    return best_time(lambda: compress_block(layers, x, CUT, source, throws=throws), repeats=2)


def columns_seconds(width: int) -> float:
    """Time of the library's path for columns."""
    w1, w2, x = block(width)
    seen, source = torch.tanh(x @ w1.T), torch.Generator().manual_seed(0)
    layer = Layer.dense(w2)
    return best_time(lambda: compress_wide(layer, seen, CUT, source, throws=THROWS), repeats=3)


def literal_seconds(width: int) -> float:
    """Time of Algorithm 1 on rows as it reads, one throw."""
    w1, w2, x = block(width)
    loss = literal.block_loss(w1, w2, torch.tanh, x, x)
    outcomes, steps = literal.pruned_groups(w1, axis=0, keep=KEEP), CUT.count(width)
    dice = torch.rand(width, generator=torch.Generator().manual_seed(0))
    return best_time(
        lambda: literal.compress(w1, loss, outcomes, steps=steps, uniforms=dice), repeats=1
    )


def main() -> None:
    """Print times, how they grow, and what the inner products and the process take in memory."""
    torch.set_num_threads(1)
    small, large = (8, 16, 32, 64), (128, 256, 512, 1024, 2048)
    print(
        f"{CUT.share:.0%} of the hidden neurons, {SAMPLES} samples, {OUTPUTS} outputs, one thread"
    )
    print(f"{'width':>6} {'literal s':>11} {'rows s':>11} {'ratio':>7}   (one throw)")
    slow = []
    for width in small:
        slow.append(literal_seconds(width))
        seconds = rows_seconds(width, 1)
        print(f"{width:6d} {slow[-1]:11.2e} {seconds:11.2e} {slow[-1] / seconds:7.0f}")
    print(f"literal: seconds ~ width^{exponent(small[1:], slow[1:]):.2f}")
    head = f"{'width':>6} {'rows s':>11} {'columns s':>11} {'products MB':>12} {'peak MB':>9}"
    print(f"{head}   ({THROWS} throws)")
    rows, columns = [], []
    for width in large:
        rows.append(rows_seconds(width, THROWS))
        columns.append(columns_seconds(width))
        grams = 4 * width**2 * 8 / 2**20  # both cross terms, and both stacked for the look-up
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{width:6d} {rows[-1]:11.2e} {columns[-1]:11.2e} {grams:12.1f} {peak:9.0f}")
    print(f"rows:    seconds ~ width^{exponent(large[1:], rows[1:]):.2f}")
    print(f"columns: seconds ~ width^{exponent(large[1:], columns[1:]):.2f}")


if __name__ == "__main__":
    main()
