"""A reader's checkpoint, opened without running anything of it: one tensor in memory at a time."""

from __future__ import annotations

import hashlib
import math
import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from compressibility.audit.formats import Row, rows_of
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
    _said: str | None = field(repr=False)  # against it, by shape, dtype and name
    _alike: _Alike = field(repr=False)

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

    @cached_property
    def _found(self) -> tuple[str | None, bytes]:
        """What is wrong with the values; their digest, where another tensor may be the same."""
        try:
            flat = self.tensor().flatten()
        except CheckpointError as error:
            return f"unreadable: {error}", b""
        if not all(math.isfinite(float(end)) for end in flat.aminmax()):
            nan, infinite = int(flat.isnan().sum()), int(flat.isinf().sum())
            return f"not finite: {nan} nan, {infinite} infinite", b""
        alone = len(self._alike) == 1
        return None, b"" if alone else hashlib.sha256(flat.view(torch.uint8).numpy().data).digest()

    @property
    def why_not(self) -> str | None:
        """Why it is no matrix of weights to audit; None if it is one.  Reads it, once."""
        if said := self._said or self._found[0]:
            return said
        first = self._alike.first[self._found[1]]
        return None if first is self else f"the same tensor as {first.name}"

    @property
    def covered(self) -> bool:
        """Whether it is a matrix of weights to audit."""
        return self.why_not is None


class _Alike(list[Entry]):
    """The entries of one shape and dtype that nothing is said against, in the file's order."""

    @cached_property
    def first(self) -> dict[bytes, Entry]:
        """Of each digest the first entry."""
        return {entry._found[1]: entry for entry in reversed(self)}


class Checkpoint(dict[str, Entry]):
    """The tensors of a file by name, in its order; ``left_out`` counts values that are none."""

    def __init__(self, path: Path, kind: str, rows: Iterator[Row]) -> None:
        super().__init__()
        self.path, self.kind, self.size, self.left_out = path, kind, path.stat().st_size, 0
        alike = defaultdict[tuple[tuple[int, ...], str], _Alike](_Alike)
        for row in rows:
            if row is None:
                self.left_out += 1
                continue
            name, shape, dtype, read = row
            name = name.encode("utf8", "backslashreplace").decode()  # half a surrogate pair
            need(name not in self, "names that differ", f"two tensors {name[:200]!r}")
            said = read if isinstance(read, str) else _against(name, shape, dtype)
            read = said if said == "quantized" else read
            self[name] = Entry(name, shape, dtype, read, said, alike[shape, dtype])
            if said is None:
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

    >>> open_checkpoint("nowhere.safetensors")
    Traceback (most recent call last):
    compressibility.audit.checkpoint.CheckpointError: nowhere.safetensors: need a file, got none
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():  # of torch, on kinds of tensors that it will drop
            warnings.simplefilter("ignore")
            return Checkpoint(path, *rows_of(path))
    except Exception as error:  # a broken file raises any of two dozen kinds
        raise CheckpointError(f"{_line(ValueError(path))}: {_line(error)}") from error


def _line(error: Exception) -> str:
    """What an error says, in one short line that prints."""
    text = " ".join("".join(c if c.isprintable() else " " for c in str(error)).split())[:400]
    return text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}"


def _against(name: str, shape: tuple[int, ...], dtype: str) -> str | None:
    """What name, shape and dtype say against a tensor as a matrix of weights."""
    if 0 in shape:
        return "empty"
    if dtype not in _FLOATS:
        return next((_KINDS[form] for form in _KINDS if re.match(form, dtype)), f"dtype {dtype}")
    if len(shape) < 2:
        return "one axis: a bias or a scale" if shape else "no axis: one number"
    return "a state of the optimizer" if _OPTIMIZER.search(name) else None
