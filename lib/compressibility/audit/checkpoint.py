"""A reader's checkpoint, opened without running anything of it: one tensor in memory at a time."""

from __future__ import annotations

import hashlib
import math
import pickle
import re
import warnings
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from compressibility.audit.formats import rows_of
from compressibility.checks import need

_FLOATS = {"float16", "bfloat16", "float32", "float64"}
_KINDS = {r"q|u?int[1-7]$|float[468]": "quantized", r"u?int": "integer"}
_OPTIMIZER = re.compile(r"(^|\.)optim(izers?)?(_states?)?(_dict)?\.")


class CheckpointError(ValueError):
    """A file, or a tensor of one, that cannot be read safely; one line says why."""


@dataclass(frozen=True, eq=False)
class Entry:
    """One tensor: what its file says of it, and its values when they are asked for."""

    name: str
    shape: tuple[int, ...]
    dtype: str  # as PyTorch calls it: "float32", "bfloat16", "int64", …
    _read: Callable[[], Tensor] | str = field(repr=False)
    _alike: _Alike = field(repr=False)  # of one shape and dtype

    def tensor(self, dtype: torch.dtype | None = None) -> Tensor:
        """Return a copy of the values, as they are stored or upcast; else CheckpointError."""
        try:
            if isinstance(self._read, str):
                raise ValueError(self._read)
            values = self._read().detach().contiguous()
            fits = torch.can_cast(values.dtype, dtype or values.dtype)
            need(fits, f"a dtype that {self.dtype} fits into", dtype)
            return values.to(dtype or values.dtype, copy=True)
        except Exception as error:  # of zip, NumPy, Rust: they share no base class
            raise CheckpointError(f"cannot read {self.name[:200]!r}: {_line(error)}") from error

    @property
    def why_not(self) -> str | None:
        """Why it is no matrix of weights to audit; None if it is one.  Reads it, once."""
        said, digest = self._found
        first = self if said else self._alike.first(digest)
        return said if first is self else f"the same tensor as {first.name}"

    @property
    def covered(self) -> bool:
        """Whether it is a matrix of weights to audit."""
        return self.why_not is None

    @cached_property
    def _found(self) -> tuple[str | None, bytes]:
        """What is against it, and a digest, where another tensor may be the same."""
        if isinstance(self._read, str):
            return self._read, b""
        if 0 in self.shape:
            return "empty", b""
        if self.dtype not in _FLOATS:
            kinds = (_KINDS[form] for form in _KINDS if re.match(form, self.dtype))
            return next(kinds, f"dtype {self.dtype}"), b""
        if len(self.shape) < 2:
            return "one axis: a bias or a scale" if self.shape else "no axis: one number", b""
        if _OPTIMIZER.search(self.name):
            return "a state of the optimizer", b""
        try:
            flat = self.tensor().flatten()
        except CheckpointError as error:
            return f"unreadable: {error}", b""
        if not all(math.isfinite(float(end)) for end in flat.aminmax()):
            nan, infinite = int(flat.isnan().sum()), int(flat.isinf().sum())
            return f"not finite: {nan} nan, {infinite} infinite", b""
        alone = len(self._alike) == 1
        return None, b"" if alone else hashlib.sha256(flat.view(torch.uint8).numpy().data).digest()


class _Alike(list[Entry]):
    """Entries that may be the same, in the file's order; each is looked at once."""

    def __init__(self) -> None:
        super().__init__()
        self._firsts, self._seen = dict[bytes, Entry](), 0

    def first(self, digest: bytes) -> Entry:
        while digest not in self._firsts:
            one = self[self._seen]
            self._firsts.setdefault(one._found[1], one)
            self._seen += 1
        return self._firsts[digest]


class Checkpoint(dict[str, Entry]):
    """The tensors of a file by name, in its order; ``left_out`` counts values that are none."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.kind, rows = rows_of(path)
        self.path, self.size, self.left_out = path, path.stat().st_size, 0
        alike = defaultdict[object, _Alike](_Alike)
        for row in rows:
            if row is None:
                self.left_out += 1
                continue
            name, shape, dtype, read = row
            name = name.encode("utf8", "backslashreplace").decode()  # half a surrogate pair
            need(name not in self, "names that differ", f"two tensors {name[:200]!r}")
            self[name] = Entry(name, shape, dtype, read, alike[shape, dtype])
            alike[shape, dtype].append(self[name])
        need(len(self) > 0, "a tensor", "none")

    @cached_property
    def sha256(self) -> str:
        """Hash of the file."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def open_checkpoint(path: str | Path) -> Checkpoint:
    """Open a file of tensors: safetensors, ``torch.save``, NumPy's ``.npz``, ONNX; by its content.

    Nested dictionaries are flattened: ``model_state.lstm.weight_ih_l0``.  Nothing of the file is
    run: pickles that ask for more than tensors and TorchScript are refused.  What a file says of
    its sizes is held against its bytes before memory is given.  Files are mapped, or read array by
    array; ONNX and torch.save's format before 1.6 are read whole.  Else CheckpointError, one line.
    """
    try:
        with warnings.catch_warnings():  # of torch, on kinds of tensors that it will drop
            warnings.simplefilter("ignore")
            return Checkpoint(Path(path))
    except Exception as error:  # a broken file raises any of two dozen kinds
        raise CheckpointError(f"{_line(ValueError(path))}: {_line(error)}") from error


def _line(error: Exception) -> str:
    """What an error says, in one short line that prints."""
    if isinstance(error, pickle.UnpicklingError):  # PyTorch's own words advise to load it unsafely
        return "need tensors alone: save model.state_dict(); got a pickle that asks for code"
    text = " ".join("".join(c if c.isprintable() else " " for c in str(error)).split())[:400]
    return text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}"
