"""The table of cuts: {single weights, groups} x {wide layer, block} x {dense, convolution}."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from compressibility.models.layers import Block, Layer
from compressibility.pruning.blocks import compress_block
from compressibility.pruning.cuts import Compressed, Cut
from compressibility.pruning.draws import Draw
from compressibility.pruning.wide import compress_wide
from tests.compressibility.pruning import literal


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(seed, *shapes):
    source = generator(seed)
    return [torch.randn(s, generator=source, dtype=torch.float64) for s in shapes]


@dataclass(frozen=True)
class Case:
    """A layer to be cut, what is on top of it, and maps in the dense and the compressed network."""

    groups: bool
    layer: Layer
    second: Layer | None  # of a block
    x: Tensor
    other: Tensor
    phi: object = torch.tanh

    @property
    def axis(self) -> int:
        """The axis of the layer's groups: outputs of a block, inputs of a wide layer."""
        return 0 if self.second else 1

    def shape(self) -> tuple[int, ...]:
        """Of the uniforms of one throw."""
        return (self.layer.kernel.shape[self.axis],) if self.groups else self.layer.weight.shape

    def run(self, draw: Draw, share, *, seed=0, throws=1, dense=True, **cut) -> Compressed:
        """Cut the layer; ``dense`` says whether the dense network sees something else."""
        options = {"throws": throws, "dense": self.x if dense else None}
        made = Cut(draw, share, groups=self.groups, **cut)
        if self.second is None:
            return compress_wide(self.layer, self.other, made, generator(seed), **options)
        block = Block(self.layer, self.second, self.phi)
        return compress_block(block, self.other, made, generator(seed), **options)

    def loss(self, *, dense=True) -> literal.Loss:
        """Of a weight, by forward passes."""
        x, size = self.x if dense else self.other, self.layer.size
        if self.second is None:
            return literal.wide_loss(self.layer.weight, x, self.other, size=size)
        second = self.second.weight
        return literal.block_loss(self.layer.weight, second, self.phi, x, self.other, size=size)

    def outcomes(self, draw: Draw) -> list[literal.Outcomes]:
        """What the literal algorithm knows of a draw."""
        axis = self.axis if self.groups else None
        return literal.outcomes(self.layer.weight, draw, axis=axis)

    def to(self, dtype: torch.dtype) -> Case:
        """The same in another precision."""
        cast = [
            layer and replace(layer, kernel=layer.kernel.to(dtype))
            for layer in (self.layer, self.second)
        ]
        x, other = self.x.to(dtype), self.other.to(dtype)
        return replace(self, layer=cast[0], second=cast[1], x=x, other=other)


WIDE = ("weights", "columns", "input filters")
BLOCKS = ("weights of a block", "rows", "output filters")
KINDS = (*WIDE, *BLOCKS)
SINGLE = ("weights", "weights of a block")


def case(kind, seed=0, *, inputs=4, outputs=5, samples=7, phi=torch.tanh) -> Case:
    """A random case of a kind; a compressed network passes on inputs that differ by a third."""
    size, q = (4, 3) if "filters" in kind else (1, 1)
    top = (2, outputs, q, q)
    maps = (samples, inputs, size, size)
    kernel, second, x, noise = normal(seed, (outputs, inputs, q, q), top, maps, maps)
    if size == 1:
        x, noise = x[:, :, 0, 0], noise[:, :, 0, 0]
    above = Layer(second, size) if kind in BLOCKS else None
    return Case(kind not in SINGLE, Layer(kernel, size), above, x, x + 0.3 * noise, phi)
