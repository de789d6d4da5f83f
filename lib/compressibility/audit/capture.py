r"""What the matrices of a module are multiplied by: inputs X (N, n), a row per product.

:math:`XW^\top` is what a layer adds its bias to. Rows are what runs along the last axis of a linear
layer's input; the patch under the kernel at each output of a convolution, padding included; of a
recurrent layer :math:`x_t`, with :math:`h_t` of the layer below, or :math:`h_{t-1}`. A batch is its
inputs, (inputs, …), or keywords; inputs lie along the first axis, or are packed sequences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.rnn import PackedSequence, unpack_sequence

from compressibility.audit.layer import Pruned
from compressibility.audit.sites import Site, plain, sites
from compressibility.checks import finite, need, whole
from compressibility.dice import uniforms

__all__ = ["Seen", "Site", "capture", "count", "first", "mend", "plain", "run", "sites"]


class Seen(NamedTuple):
    """What a site was fed."""

    rows: Tensor  # (N, n)
    units: Tensor  # (N,) int64: of which input each row is; those of one are not independent


def run(module: nn.Module, batch: Any) -> Any:
    """Call a module on a batch."""
    if isinstance(batch, Mapping):
        return module(**batch)
    return module(first(batch))


def first(batch: Any) -> Any:
    """Return the inputs of a batch, the first of several that are a tensor or packed."""
    if isinstance(batch, Tensor | PackedSequence):
        return batch
    parts = list(batch.values() if isinstance(batch, Mapping) else batch)
    of = (x for x in parts if isinstance(x, PackedSequence) or getattr(x, "ndim", 0) > 0)
    found = next(of, None)
    kinds = [type(part).__name__ for part in parts]
    need(found is not None, "batches of tensors: inputs, (inputs, targets) or keywords", kinds)
    return found


def count(batch: Any) -> int:
    """Return how many inputs a batch has."""
    inputs = first(batch)
    return int(inputs.batch_sizes[0]) if isinstance(inputs, PackedSequence) else len(inputs)


def capture(
    module: nn.Module,
    batches: Iterable[Any],
    sites: Sequence[Site],
    *,
    generator: torch.Generator,
    cap: int = 2**30,
    most: int = 2**14,
) -> dict[Site, Seen]:
    """Return inputs (N, n) of sites, in the order that they came in, on the CPU.

    Uniform samples of all rows, without replacement: ``most`` a site, ``cap`` bytes in all; float64
    where the ``plain`` module's are, else float32. A site that it never runs is left out.
    """
    whole(cap=cap, most=most)
    sizes = {s.name: s.columns * s.groups * max(4, s.dtype.itemsize) for s in sites}
    seed, left = int(torch.randint(2**62, (), generator=generator)), cap
    samples = dict[str, _Sample]()
    for name in sorted(sizes, key=sizes.__getitem__):  # what small ones leave is for the others
        room = min(most, left // (len(sizes) - len(samples)) // sizes[name])
        need(room > 0, f"a cap with room for one row of {name}, {sizes[name]} bytes", cap)
        left -= room * sizes[name]
        samples[name] = _Sample(room, torch.Generator().manual_seed(seed))
    begun = [0]  # inputs before each batch

    def see(of: Sequence[Site], rows: Tensor, inputs: Tensor) -> None:
        samples[of[0].name].offer(rows, len(begun) - 1 + inputs)

    with _watched(sites, see):
        for batch in batches:
            run(module, batch)
            begun.append(begun[-1] + count(batch))
    total, seen = torch.tensor(begun), dict[str, Seen]()
    for name, sample in samples.items():
        if len(sample.keys):
            finite(**{f"inputs of {name}": sample.rows})
            batch = sample.inputs.long()
            inside = (sample.inputs - batch) * total.diff()[batch] + 1e-6  # but for rounding, whole
            seen[name] = Seen(sample.rows, total[batch] + inside.long())
    parts = {s: seen[s.name].rows.chunk(s.groups, 1)[s.group] for s in sites if s.name in seen}
    return {site: Seen(rows, seen[site.name].units) for site, rows in parts.items()}


def mend(cuts: Mapping[Site, Pruned], run: Callable[[], object]) -> None:
    r"""Cut all sites of a module, and restore each mean: :math:`b = (W - A)m'`, found in one run.

    m' is the mean of the first inputs that a site is fed in it by cut layers, mended before it.
    """
    holes = {site: site.weight() - cut.weight for site, cut in cuts.items()}
    left = {site for site, cut in cuts.items() if cut.bias is not None}

    def see(of: Sequence[Site], rows: Tensor, inputs: Tensor) -> None:
        means = rows.mean(tuple(range(inputs.ndim))).flatten().double().cpu().chunk(of[0].groups)
        for site in left.intersection(of):
            site.put(cuts[site].weight, holes[site] @ means[site.group])
            left.remove(site)

    for site, cut in cuts.items():
        site.put(cut.weight)
    with _watched(list(cuts), see):
        run()


@contextmanager
def _watched(
    sites: Sequence[Site], see: Callable[[Sequence[Site], Tensor, Tensor], None]
) -> Iterator[None]:
    """Show the rows of all products, and of which input each is, before they are made."""
    wanted = dict[tuple[nn.Module, str], list[Site]]()
    for site in sites:
        for use in site.uses:
            wanted.setdefault(use, []).append(site)

    def look(owner: nn.Module, args: Any, named: Any) -> None:
        for leaf, rows, inputs in _products(owner, *args, **named):
            if (owner, leaf) in wanted:
                see(wanted[owner, leaf], rows, inputs)

    with ExitStack() as hooks:
        for owner in dict.fromkeys(owner for owner, _ in wanted):
            hooks.callback(owner.register_forward_pre_hook(look, with_kwargs=True).remove)
        yield


class _Sample:
    """A uniform sample of all rows offered: those of the smallest random keys, in their order."""

    def __init__(self, room: int, generator: torch.Generator) -> None:
        self.room, self.generator = room, generator
        self.keys = self.inputs = torch.empty(0, dtype=torch.float64)
        self.rows = torch.empty(0)

    def offer(self, rows: Tensor, inputs: Tensor) -> None:
        """Take some of rows, one at each place of ``inputs``; only those are copied."""
        keys = torch.cat([self.keys, uniforms((inputs.numel(),), self.generator)])
        kept = keys.topk(min(self.room, len(keys)), largest=False).indices.sort().values
        old, new = kept[kept < len(self.keys)], kept[kept >= len(self.keys)] - len(self.keys)
        at = torch.unravel_index(new, inputs.shape)
        taken = rows[tuple(one.to(rows.device) for one in at)].flatten(1).cpu()
        taken = taken if taken.dtype == torch.float64 else taken.float()
        self.rows = torch.cat([self.rows[old], taken]) if len(self.keys) else taken
        self.inputs, self.keys = torch.cat([self.inputs[old], inputs[at]]), keys[kept]


def _products(
    owner: nn.Module,
    input: Any,  # noqa: A002
    hx: Any = None,
) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield each matrix's attribute, its rows, and where among the inputs each is, in [0, 1)."""
    if isinstance(owner, nn.RNNBase):
        yield from _steps(owner, input, () if hx is None else hx if owner.mode == "LSTM" else (hx,))
    elif isinstance(owner, _ConvNd):
        axes = len(owner.kernel_size)
        x = input if input.ndim == axes + 2 else input[None]
        mode = "constant" if owner.padding_mode == "zeros" else owner.padding_mode
        x = nn.functional.pad(x, owner._reversed_padding_repeated_twice, mode=mode)
        for axis in range(axes):  # a view: (B, C, outputs …, kernel …)
            size, step, gap = owner.kernel_size[axis], owner.stride[axis], owner.dilation[axis]
            x = x.unfold(2 + axis, gap * (size - 1) + 1, step)[..., ::gap]
        x = x.movedim(1, 1 + axes)
        yield "weight", x, _places(x.shape[: 1 + axes])
    else:
        x = input if input.ndim > 1 else input[None]
        yield "weight", x, _places(x.shape[:-1])


def _places(shape: Sequence[int], axis: int = 0) -> Tensor:
    """Return where along an axis each place of a shape is, in [0, 1)."""
    along = torch.arange(shape[axis], dtype=torch.float64) / shape[axis]
    return along.reshape([-1 if at == axis else 1 for at in range(len(shape))]).expand(*shape)


def _steps(net: nn.RNNBase, x: Any, states: Any) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Run a recurrent network layer after layer; its rows are at (T, B)."""
    if isinstance(x, PackedSequence):  # of different lengths, but all of a layer before the next
        alone = [
            _steps(net, one, [state[:, at] for state in states])
            for at, one in enumerate(unpack_sequence(x))
        ]
        for parts in zip(*alone, strict=True):
            rows = [part[1].flatten(0, 1) for part in parts]
            inside = torch.arange(len(rows)).double() / len(rows)
            lengths = torch.tensor([len(one) for one in rows])
            yield parts[0][0], torch.cat(rows), inside.repeat_interleave(lengths)
        return
    if x.ndim == 2:
        x, states = x[:, None], [state[:, None] for state in states]
    elif net.batch_first:
        x = x.transpose(0, 1)
    lstm, ways, run = net.mode == "LSTM", 1 + net.bidirectional, getattr(torch, net.mode.lower())
    zeros = x.new_zeros(ways * net.num_layers, x.shape[1], net.hidden_size)
    for layer in range(net.num_layers):
        outputs = []
        for way in range(ways):
            at, seen = layer * ways + way, x.flip(0) if way else x
            begin = [state[at : at + 1] for state in states or (zeros, zeros)[: 1 + lstm]]

            one = net.all_weights[at], net.bias, 1, 0.0, False, False, False  # layer, way
            step = partial(run, seen, begin if lstm else begin[0], *one)
            places = _places(seen.shape[:2], axis=1)
            yield net._all_weights[at][0], seen, places
            yield net._all_weights[at][1], torch.cat([begin[0], step()[0][:-1]]), places
            out = step()[0]  # again, as who looks may have changed a bias
            outputs.append(out.flip(0) if way else out)
        x = torch.cat(outputs, -1)
