"""Formats of checkpoints: the tensors of a file as rows, and how to read each; nothing is run."""

from __future__ import annotations

import math
import mmap
import pickletools
import re
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from numpy.lib import format as npy
from safetensors import safe_open
from torch import Tensor

from compressibility.checks import need

# Name, shape, dtype, and how to read it or why that cannot be; None for what is no tensor.
Row = tuple[str, tuple[int, ...], str, Callable[[], Tensor] | str] | None

_ROOM, _GROWTH = 2**28, 20  # bytes that a packed array may claim: room + growth · those it takes
_STEPS, _PARTS = 5_000_000, 10_000  # of a pickle; of a tuple: deep ones overflow the C stack
_PLAIN = re.compile(  # what pickled tensors are made of
    r"collections (OrderedDict|Counter)|(__builtin__|builtins) (set|complex)|_codecs encode"
    r"|torch(\.storage)? (Size|device|[A-Z]\w*Storage)|torch\.serialization _get_layout"
    r"|torch\._utils _rebuild_(tensor(_v[23])?|parameter|qtensor|sparse_tensor)"
)


def rows_of(path: Path) -> tuple[str, Iterator[Row]]:
    """Format, told by the first bytes since names mislead, and rows."""
    what = "a folder" if path.is_dir() else "something else" if path.exists() else "none"
    need(path.is_file(), "a file", what)
    with path.open("rb") as file:
        head = file.read(16)
    if head[6:9] == b"\0\0{" or path.suffix == ".safetensors":
        return "safetensors", _safetensors(path)
    if head[:2] == b"PK":
        archive = zipfile.ZipFile(path)
        numpy = any(name.endswith(".npy") for name in archive.namelist())
        return ("npz", _npz(archive)) if numpy else ("torch", _torch(path, archive))
    if head[:1] == b"\x80":
        return "torch", _torch(path, None)
    known = head[:1] == b"\x08" or path.suffix == ".onnx"
    need(known, "safetensors, torch.save, .npz or ONNX", f"a file that begins with {head!r}")
    return "onnx", _onnx(path)


def _safetensors(path: Path) -> Iterator[Row]:
    file: Any = safe_open(path, framework="pt")  # compares shapes, offsets and lengths
    long = {"f": "float", "bf": "bfloat", "i": "int", "u": "uint", "c": "complex"}
    for name in file.offset_keys():
        part = file.get_slice(name)
        dtype = re.sub(r"^(bf|[fiuc])(?=\d)", lambda m: long[m[1]], part.get_dtype().lower())
        yield name, tuple(part.get_shape()), dtype, partial(file.get_tensor, name)


def _npz(archive: zipfile.ZipFile) -> Iterator[Row]:
    for info in archive.infolist():
        name, size, packed = info.filename, info.file_size, info.compress_size
        if not name.endswith(".npy"):
            yield None
            continue
        most = _ROOM + _GROWTH * packed if info.compress_type in (0, 8) else 0
        need(size <= most, f"at most {most} bytes packed into the {packed} of {name!r}", size)
        with archive.open(info) as file:
            old = npy.read_magic(file) == (1, 0)
            read = npy.read_array_header_1_0 if old else npy.read_array_header_2_0
            shape, _, dtype = read(file)
            fits = file.tell() + math.prod(shape) * dtype.itemsize == size
        fits = dtype.hasobject or (fits and min(shape, default=0) >= 0)
        need(fits, f"{name!r} as large as its header says, {shape} {dtype}", f"{size} bytes")
        yield name[:-4], shape, dtype.name, partial(_array, archive, info)


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Tensor:
    with archive.open(info) as file:
        array = npy.read_array(file, allow_pickle=False)
    return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))


def _onnx(path: Path) -> Iterator[Row]:
    try:
        import onnx
    except ImportError as error:
        raise ValueError("ONNX files need the package onnx: pip install onnx") from error

    def read(tensor: Any) -> Tensor:  # onnx opens external data in this folder only, by its size
        array = onnx.numpy_helper.to_array(tensor, str(path.parent))
        short = array.dtype.name == "bfloat16"  # which PyTorch does not take from NumPy
        values = torch.from_numpy(array.astype("float32" if short else array.dtype))
        return values.bfloat16() if short else values

    size = path.stat().st_size
    need(size < 2**31, "less than 2 GiB, the most that protobuf takes", size)
    graph = onnx.load_model_from_string(path.read_bytes()).graph
    for tensor in graph.initializer:
        shape = tuple(tensor.dims)
        need(min(shape, default=0) >= 0, "axes of 0 or more", shape)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).name
        yield tensor.name, shape, dtype, partial(read, tensor)
    for matrix in graph.sparse_initializer:
        yield matrix.values.name, tuple(matrix.dims), "", "sparse"
    yield from (None for node in graph.node if node.op_type == "Constant")


def _torch(path: Path, archive: zipfile.ZipFile | None) -> Iterator[Row]:
    """Yield the tensors of a zip archive, mapped, or of the format before PyTorch 1.6, read whole.

    ``torch.load(weights_only=True)`` runs no code of a pickle. It does not protect from storages
    larger than their bytes in the file, storages made to any size, shapes that enlarge a storage,
    keys that are deep tuples, or classes that this process has called safe: the pickle is walked
    through before for these.
    """
    if archive is None:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
            claimed = [_storages(whole) for _ in range(5)][3]  # after magic, version and system
            total = sum(claimed.values())
            need(total <= len(whole), f"tensors within the {len(whole)} bytes of the file", total)
    else:
        members = {info.filename.lower(): info for info in archive.infolist()}
        top = next(iter(members), "").partition("/")[0]
        state = "a state dict, saved by torch.save(model.state_dict(), …)"
        need(f"{top}/constants.pkl" not in members, state, "TorchScript, which is a program")
        need(f"{top}/data.pkl" in members, state, "a zip archive of something else")
        odd = {len(members) - len(archive.infolist()), *(i.compress_type for i in members.values())}
        need(odd == {0}, "members that are stored, each once", "packed or repeated ones")
        for key, size in _storages(archive.read(members[f"{top}/data.pkl"])).items():
            found = members[f"{top}/data/{key}"].file_size
            need(size == found, f"{size} bytes in storage {key}", found)
    loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=archive is not None)
    for name, value in _leaves(loaded, "", set()):
        if not isinstance(value, Tensor):
            yield None
            continue
        read: Callable[[], Tensor] | str = partial(Tensor.detach, value)
        if value.is_quantized or value.layout != torch.strided:
            read = "quantized" if value.is_quantized else "sparse"
        elif value.numel() * value.itemsize > value.untyped_storage().nbytes():
            read = "one stored value stands for many"
        yield name, tuple(value.shape), str(value.dtype).removeprefix("torch."), read


def _leaves(value: Any, name: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Flatten containers; each once, since a file may put one into itself."""
    if not isinstance(value, dict | list | tuple) or id(value) in seen:
        yield name or "tensor", value
        return
    seen.add(id(value))
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        part = str(key) if isinstance(key, str | int) else type(key).__name__
        yield from _leaves(item, f"{name}.{part}" if name else part, seen)


def _storages(stream: Any) -> dict[str, int]:
    """Walk through a pickle, making nothing: its storages and their bytes; ValueError if unsafe."""
    stack, marks = list[tuple[int, Any]](), list[int]()  # parts, and what is known of the value
    memo, found = dict[Any, tuple[int, Any]](), dict[str, int]()
    value: Any
    for step, (op, value, _) in enumerate(pickletools.genops(stream)):
        need(step < _STEPS, f"a pickle of fewer than {_STEPS} steps", "more")
        before = [kind.name for kind in op.stack_before]
        cut = marks.pop() - before.index("mark") if "mark" in before else len(stack) - len(before)
        taken = [of for _, of in stack[cut:]]
        parts = 1 + sum(n for n, _ in stack[cut:]) if op.name.startswith("TUPLE") else 1
        need(cut >= 0 and parts <= _PARTS, f"tuples of at most {_PARTS} parts", "larger ones")
        del stack[cut:]
        if op.name == "MARK":
            marks.append(len(stack))
            continue
        if op.name.endswith("PUT"):
            memo[value] = stack[-1]
        elif op.name.endswith("GET"):
            parts, value = memo[value]
        elif "TUPLE" in op.name:  # the empty one, too
            value = tuple(taken)
        elif op.name == "PROTO":
            need(value == 2, "a pickle of torch.save, which has protocol 2", value)
        elif op.name == "GLOBAL":
            kind = vars(torch).get(value.removeprefix("torch "))
            plain = _PLAIN.fullmatch(value) or isinstance(kind, torch.dtype | torch.qscheme)
            asks = f"a pickle that asks for {value.replace(' ', '.')}, which is code"
            need(bool(plain), "tensors alone: save model.state_dict()", asks)
        elif op.name == "REDUCE":
            _check_call(str(taken[0]), taken[1])
        elif op.name == "BINPERSID":
            _, kind, key, _, value, *view = taken[0]
            typed = kind != "torch.storage UntypedStorage"
            width = vars(torch)[kind.removeprefix("torch ")].dtype.itemsize if typed else 1
            same = value >= 0 and found.setdefault(str(key), value * width) == value * width
            need(same and view in ([], [None]), "a storage of one size", taken[0])
        stack += [(parts, value)] * len(op.stack_after)
    return found


def _check_call(function: str, given: Any) -> None:
    """Refuse what PyTorch would make room for, beyond the entries of a storage."""
    need(not function.endswith("Storage"), "storages with bytes", "one made to size")
    if re.search(r"_rebuild_q?tensor(_v\d)?$", function):
        entries, offset, shape, stride = given[:4]
        reach = offset + 1 + sum((n - 1) * by for n, by in zip(shape, stride, strict=True))
        reach = max(reach, math.prod(shape)) if "_q" in function else reach
        fits = reach <= entries and min(offset, *stride, 0) == 0
        need(fits, f"offset, shape and strides within {entries} entries", given[1:4])
