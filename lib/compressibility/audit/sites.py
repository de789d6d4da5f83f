"""The layers of a module as matrices: read as they multiply, and changed for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import is_parametrized, type_before_parametrizations

from compressibility.checks import need

_COVERED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.RNN, nn.LSTM, nn.GRU)
_FLOATS = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
_GATES = {"LSTM": ("input", "forget", "cell", "output"), "GRU": ("reset", "update", "new")}
_PART = "no matrix of its layer, at most a part that one is made of"
_HOOK = "made by a hook at each call (torch.nn.utils.parametrizations has the same, covered)"
_WHY = {  # by a part of the class's name
    "Embedding": "an embedding: it looks rows up and multiplies no inputs",
    "ConvTranspose": "a transposed convolution: an output adds up pieces of several products",
    "MultiheadAttention": "nn.MultiheadAttention multiplies in one step and shows no inputs",
    "NonDynamicallyQuantizable": "nn.MultiheadAttention uses it and never calls it",
    "ParametrizationList": _PART,
}


@dataclass(frozen=True, eq=False)
class Site:
    """A matrix W (h', n) of a module: a weight, or that of one group of a convolution."""

    name: str  # in the state dict
    rows: int  # h'
    columns: int  # n
    biases: tuple[str, ...]  # names in the state dict, of each use's
    dtype: torch.dtype
    uses: tuple[tuple[nn.Module, str], ...]  # module and attribute; several where it is tied
    gates: tuple[str, ...]  # of a recurrent layer: equal shares of the rows
    note: str  # "upcast from bfloat16; tied with …", or ""
    groups: int
    group: int

    @property
    def label(self) -> str:
        """Name, and the group where there are several."""
        return self.name if self.groups == 1 else f"{self.name} [{self.group}]"

    def _tensors(self) -> list[Tensor]:
        """Return the weight, and the biases of all uses; tied ones once."""
        uses = [(owner, leaf.replace("weight", "bias", 1)) for owner, leaf in self.uses]
        biases = {_key(bias): bias for use in uses if (bias := getattr(*use, None)) is not None}
        return [tensor.data for tensor in (getattr(*self.uses[0]), *biases.values())]

    def weight(self) -> Tensor:
        """Return a copy of the matrix that the layer multiplies by, (h', n) float64."""
        part: Tensor = self._tensors()[0].chunk(self.groups)[self.group]
        return part.flatten(1).to(torch.float64, copy=True)

    def state(self) -> dict[str, Tensor]:
        """Return copies of the weight and of the biases by their names."""
        values = (one.clone() for one in self._tensors())
        return dict(zip((self.name, *self.biases), values, strict=True))

    def put(self, matrix: Tensor, bias_shift: Tensor | None = None) -> None:
        """Put in another matrix (h', n) and add (h',) to the bias, rounded to their precision."""
        shape = self.rows, self.columns
        need(matrix.shape == shape, f"{shape} for {self.name}", tuple(matrix.shape))
        need(bias_shift is None or bool(self.biases), f"biases in the layer of {self.name}", "none")
        weight, *biases = (one.chunk(self.groups)[self.group] for one in self._tensors())
        weight.copy_(matrix.reshape(weight.shape))
        if bias_shift is not None:
            for bias in biases:
                bias.copy_(bias.double() + bias_shift.to(bias.device))

    @contextmanager
    def with_weight(self, matrix: Tensor, bias_shift: Tensor | None = None) -> Iterator[None]:
        """Put a matrix and a shift in for a block; those of several sites may be nested."""
        old = [one.clone() for one in self._tensors()]
        self.put(matrix, bias_shift)
        try:
            yield
        finally:
            for one, was in zip(self._tensors(), old, strict=True):
                one.copy_(was)


def plain(module: nn.Module) -> nn.Module:
    """Return a copy in eval mode, without gradients, that does the same with plain parameters.

    What parametrizations make is a parameter of it, and each linear layer, convolution has a bias.
    """
    held = (value for part in module.modules() for value in vars(part).values())
    hooked = [x for x in held if isinstance(x, Tensor) and x.grad_fn is not None]  # no leaves
    copy = deepcopy(module, {id(x): x.detach().clone() for x in hooked}).eval()
    for part in list(copy.modules()):
        if is_parametrized(part):  # torch's removal would break the class of the original, too
            leaves: Any = part.parametrizations
            made = {leaf: getattr(part, leaf).detach() for leaf in leaves}
            part.__class__ = type_before_parametrizations(part)
            del part.parametrizations
            for leaf, value in made.items():
                setattr(part, leaf, nn.Parameter(value))
        weight: Any = getattr(part, "weight", None)
        bare = isinstance(part, _COVERED) and getattr(part, "bias", False) is None
        if bare and not is_lazy(weight):
            part.bias = nn.Parameter(weight.new_zeros(len(weight)))
    return copy.requires_grad_(False)


def sites(module: nn.Module) -> tuple[list[Site], dict[str, str]]:
    """Return the sites of a module, and why each other entry of its state dict is none."""
    state, why, uses = module.state_dict(keep_vars=True), dict[str, str](), dict[Any, list[Any]]()
    for path, owner in module.named_modules():
        for leaf in getattr(owner, "_flat_weights_names", ["weight"]):
            if isinstance(owner, _COVERED) and leaf[:9] in ("weight", "weight_ih", "weight_hh"):
                name, weight = f"{path}.{leaf}" if path else leaf, getattr(owner, leaf)
                if no := _why_not(owner, weight) if name in state else _HOOK:
                    why[name] = no
                else:
                    uses.setdefault(_key(weight), []).append((name, owner, leaf))
    owners, same = dict(module.named_modules(remove_duplicate=False)), dict[str, list[str]]()
    for name, entry in state.items():
        if (key := _key(entry)) not in uses:
            owner = owners.get(name.rpartition(".")[0], module)
            why.setdefault(name, _why_not(owner, entry) or _PART)
        elif (first := uses[key][0][0]) != name:
            why[name] = f"the same tensor as {first}"
            same.setdefault(first, []).append(name)
    found = []
    for used in uses.values():
        name, owner, leaf = used[0]
        weight, groups = getattr(owner, leaf), getattr(owner, "groups", 1)
        near = (of.removesuffix(at) + at.replace("weight", "bias", 1) for of, _, at in used)
        biases = {_key(state[bias]): bias for bias in near if bias in state}
        notes = [f"upcast from {str(weight.dtype)[6:]}"] * (weight.dtype in _FLOATS[2:])
        notes += [f"tied with {', '.join(same.get(name, []))}"] * (name in same)
        shape, places = (len(weight) // groups, weight[0].numel()), tuple(use[1:] for use in used)
        site = partial(Site, name, *shape, tuple(biases.values()), weight.dtype, places)
        more = _GATES.get(getattr(owner, "mode", ""), ()), "; ".join(notes), groups
        found += [site(*more, group) for group in range(groups)]
    return found, why


def _why_not(owner: nn.Module, entry: Any) -> str | None:
    if _key(entry) is None:
        kind = getattr(entry, "dtype", type(entry).__name__)
        return f"{kind}: no dense floating-point numbers in memory"
    if entry.numel() == 0:
        return "empty"
    if not bool(torch.isfinite(entry).all()):
        return "not finite: it holds nan or infinity"
    if entry.ndim < 2:
        return "one axis: a bias or a scale"
    kind, bases = type(owner), [base for base in _COVERED if isinstance(owner, base)]
    if reasons := [why for part, why in _WHY.items() if part in kind.__name__]:
        return reasons[0]
    if not bases:
        return f"{kind.__name__} is none of {', '.join(base.__name__ for base in _COVERED)}"
    for step in ("forward", "_conv_forward"):
        if getattr(kind, step, None) is not getattr(bases[0], step, None):
            return f"{kind.__name__} has a {step} of its own: what it multiplies is not known"
    return "an LSTM with projections (proj_size)" if getattr(owner, "proj_size", 0) else None


def _key(entry: Any) -> object:
    """Return what tied tensors share, None of what holds no dense floating-point numbers."""
    if not isinstance(entry, Tensor) or is_lazy(entry) or entry.dtype not in _FLOATS:
        return None
    dense = entry.layout == torch.strided and not entry.is_meta
    return (entry.data_ptr(), entry.shape, entry.stride()) if dense else None
