"""The layers of a module as matrices: read as they multiply, and put back changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import is_parametrized

from compressibility.checks import need

_COVERED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.RNN, nn.LSTM, nn.GRU)
_FLOATS = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
_GATES = {"LSTM": ("input", "forget", "cell", "output"), "GRU": ("reset", "update", "new")}
_PART = "no matrix of its layer, at most a part that one is made of"
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

    name: str  # in the state dict; of a weight_norm "….weight", which is made of what lies there
    rows: int  # h'
    columns: int  # n
    bias: str | None  # name in the state dict
    dtype: torch.dtype
    uses: tuple[tuple[nn.Module, str], ...]  # module and attribute; several where it is tied
    gates: tuple[str, ...]  # of a recurrent layer: equal shares of the rows
    note: str  # "upcast from bfloat16; effective weight of WeightNorm; tied with …", or ""
    groups: int
    group: int

    @property
    def mendable(self) -> bool:
        """Whether a bias can be shifted: a recurrent layer without biases takes none."""
        return self.bias is not None or not isinstance(self.uses[0][0], nn.RNNBase)

    def weight(self) -> Tensor:
        """Return a copy of the matrix that the layer multiplies by, (h', n) float64."""
        matrix: Tensor = _weight(*self.uses[0]).flatten(1).chunk(self.groups)[self.group]
        return matrix.to(torch.float64, copy=True)

    @contextmanager
    def with_weight(self, matrix: Tensor, bias_shift: Tensor | None = None) -> Iterator[None]:
        """Put in another matrix (h', n), add (h',) to the bias; undo both at the end of the block.

        What is put in is rounded to the module's precision. Several sites may be changed at once.
        """
        shape = self.rows, self.columns
        need(matrix.shape == shape, f"{shape} for {self.name}", tuple(matrix.shape))
        need(bias_shift is None or self.mendable, f"biases in the layer of {self.name}", "none")
        dense = _weight(*self.uses[0])
        changed, biases = dense.flatten(1).clone(), dict[int, tuple[nn.Module, str]]()
        changed.chunk(self.groups)[self.group].copy_(matrix)
        shift = changed.new_zeros(len(changed), dtype=torch.float64)
        if bias_shift is not None:
            shift.chunk(self.groups)[self.group].copy_(bias_shift)
            for owner, leaf in self.uses:  # whose biases may be tied, too
                bias = leaf.replace("weight", "bias", 1)
                old = getattr(owner, bias)
                biases[id(owner if old is None else old)] = owner, bias
        with ExitStack() as undo:
            _put(undo, *self.uses[0], changed.reshape(dense.shape))  # all uses share this tensor
            for owner, bias in biases.values():
                was = 0.0 if getattr(owner, bias) is None else _weight(owner, bias).double()
                _put(undo, owner, bias, (was + shift).to(self.dtype))
            yield


def sites(module: nn.Module) -> tuple[list[Site], dict[str, str]]:
    """Return the sites of a module, and why each other entry of its state dict is none.

    >>> found, why = sites(nn.Sequential(nn.Conv1d(4, 6, 3, groups=2, bias=False), nn.PReLU()))
    >>> [(site.name, site.group, site.rows, site.columns) for site in found], why
    ([('0.weight', 0, 3, 6), ('0.weight', 1, 3, 6)], {'1.weight': 'one axis: a bias or a scale'})
    """
    state, why, uses = module.state_dict(keep_vars=True), dict[str, str](), dict[Any, list[Any]]()
    for path, owner in module.named_modules():
        for leaf in getattr(owner, "_flat_weights_names", ["weight"]):
            if isinstance(owner, _COVERED) and leaf[:9] in ("weight", "weight_ih", "weight_hh"):
                name, matrix = f"{path}.{leaf}" if path else leaf, _weight(owner, leaf)
                if no := _why_not(owner, matrix):
                    why[name] = no
                else:  # one that is made lies elsewhere at each call
                    key = _key(matrix) if name in state else name
                    uses.setdefault(key, []).append((name, owner, leaf))
    owners, same = dict(module.named_modules(remove_duplicate=False)), dict[str, list[str]]()
    for name, entry in state.items():
        if (key := _key(entry)) not in uses:
            owner = owners.get(name.rpartition(".")[0], module)
            why.setdefault(name, _why_not(owner, entry) or _PART)
        elif (first := uses[key][0][0]) != name:
            why[name] = f"the same tensor as {first}"
            same.setdefault(first, []).append(name)
    found = []
    for (name, owner, leaf), *more in uses.values():
        matrix, groups = _weight(owner, leaf).flatten(1), getattr(owner, "groups", 1)
        bias = name.removesuffix(leaf) + leaf.replace("weight", "bias", 1)
        notes = {
            "upcast from": [str(matrix.dtype)[6:]] * (matrix.dtype in _FLOATS[2:]),
            "effective weight of": [type(by).__name__ for by in _makers(owner, leaf).values()],
            "tied with": same.get(name, []),
        }
        note = "; ".join(f"{what} {', '.join(whom)}" for what, whom in notes.items() if whom)
        used = (owner, leaf), *(use[1:] for use in more)
        gates, has = _GATES.get(getattr(owner, "mode", ""), ()), bias if bias in state else None
        rows, columns = len(matrix) // groups, matrix.shape[1]
        found += [
            Site(name, rows, columns, has, matrix.dtype, used, gates, note, groups, group)
            for group in range(groups)
        ]
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


def _makers(owner: Any, leaf: str) -> dict[int, Any]:
    """Return what makes an attribute of other tensors: parametrizations, or hooks of old kinds."""
    if is_parametrized(owner, leaf):
        return dict(enumerate(owner.parametrizations[leaf]))
    kinds = "name", "_tensor_name"  # of weight_norm and spectral_norm, of prune
    hooks = owner._forward_pre_hooks.items()
    return {at: hook for at, hook in hooks if leaf in [getattr(hook, kind, 0) for kind in kinds]}


def _weight(owner: nn.Module, leaf: str) -> Any:
    """Return a tensor as the next call in eval mode uses it."""
    with still(owner):
        for maker in _makers(owner, leaf).values():
            if not isinstance(maker, nn.Module):
                maker(owner, ())
        found = getattr(owner, leaf)
        return found if is_lazy(found) else found.data


def _put(undo: ExitStack, owner: nn.Module, leaf: str, value: Tensor) -> None:
    """Put a value in place of a parameter, of what is made at each call, or of no bias."""
    makers, hooks = _makers(owner, leaf), owner._forward_pre_hooks
    if is_parametrized(owner, leaf):  # the last one's result is another
        undo.callback(makers.popitem()[1].register_forward_hook(lambda *_: value).remove)
        return
    old = getattr(owner, leaf)
    for at, maker in makers.items():
        undo.callback(hooks.__setitem__, at, maker)
        hooks[at] = lambda *_: None
    if makers or old is None:
        undo.callback(setattr, owner, leaf, old)
        setattr(owner, leaf, nn.Parameter(value) if old is None else value)
    else:
        undo.callback(old.data.copy_, old.data.clone())
        old.data.copy_(value)


@contextmanager
def still(module: nn.Module) -> Iterator[None]:
    """Eval mode without gradients; at the end the training flags are as before."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, mode in modes.items():
            part.training = mode
