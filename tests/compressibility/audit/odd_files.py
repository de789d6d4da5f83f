"""Hostile and odd files, some five hundred: kind, file, and what its one line or its row says."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import struct
import subprocess
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from torch import Tensor

Odd = tuple[str, Path, str]  # the third: a part of the error or of a row's why_not; "" for any end

WEIGHT = torch.arange(12.0).reshape(3, 4)
MILLION = b"J" + struct.pack("<i", 10**6)


def base() -> dict[str, Tensor]:
    return {"fc.weight": WEIGHT.clone(), "fc.bias": torch.ones(3)}


# Writers of the six sorts of files, from a dict of tensors.


def write_safetensors(path: Path, tensors: dict[str, Tensor]) -> None:
    save_file(tensors, path)


def write_torch(path: Path, tensors: Any) -> None:
    torch.save(tensors, path)


def write_old(path: Path, tensors: Any) -> None:
    torch.save(tensors, path, _use_new_zipfile_serialization=False)


def write_npz(path: Path, tensors: dict[str, Tensor]) -> None:
    with path.open("wb") as file:  # np.savez adds .npz to a name
        np.savez(file, **{name: value.numpy() for name, value in tensors.items()})


def write_packed(path: Path, tensors: dict[str, Tensor]) -> None:
    np.savez_compressed(path, **{name: value.numpy() for name, value in tensors.items()})


def onnx_file(path: Path, *tensors: TensorProto, nodes: tuple[Any, ...] = ()) -> Path:
    graph = helper.make_graph(list(nodes), "g", [], [], initializer=tensors)
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return path


def write_onnx(path: Path, tensors: dict[str, Tensor]) -> None:
    onnx_file(path, *(numpy_helper.from_array(of.numpy(), name) for name, of in tensors.items()))


WRITERS: dict[str, Callable[[Path, dict[str, Tensor]], None]] = {
    "a.safetensors": write_safetensors,
    "a.pt": write_torch,
    "old.pt": write_old,
    "a.npz": write_npz,
    "packed.npz": write_packed,
    "a.onnx": write_onnx,
}


# Files made by hand.


def safetensors(path: Path, header: Any, data: bytes = b"", length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def part(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def archive(path: Path, members: dict[str, bytes], packed: bool = False) -> Path:
    how = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", how) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def pickled(path: Path, data: bytes, **storages: bytes) -> Path:
    """A zip archive of torch.save with this pickle in it."""
    stored = {f"x/data/{key}": value for key, value in storages.items()}
    return archive(path, {"x/data.pkl": data, "x/version": b"3\n", **stored})


def old(path: Path, data: bytes, keys: list[str] = [], storages: bytes = b"") -> Path:  # noqa: B006
    """A file of torch.save before 1.6 with this pickle in it."""
    front = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    ends = [pickle.dumps(of, 2) for of in front], pickle.dumps(keys, 2)
    path.write_bytes(b"".join(ends[0]) + data + ends[1] + storages)
    return path


def data_pkl(path: Path) -> bytes:
    with zipfile.ZipFile(path) as file:
        return file.read(next(name for name in file.namelist() if name.endswith("data.pkl")))


def changed(source: Path, path: Path, before: bytes, after: bytes) -> Path:
    """A file of torch.save, other bytes in its pickle."""
    with zipfile.ZipFile(source) as file:
        members = {name: file.read(name) for name in file.namelist()}
    name = next(name for name in members if name.endswith("data.pkl"))
    assert members[name].count(before) >= 1
    members[name] = members[name].replace(before, after)
    return archive(path, members)


def npy(shape: str, data: bytes, descr: str = "'<f4'") -> bytes:
    head = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data


class Calls:
    """What pickles to the call of a function."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.how = (function, arguments, state) if state else (function, arguments)

    def __reduce__(self) -> Any:
        return self.how


def broken(folder: Path) -> Iterator[Odd]:
    """Each sort of file cut off at ten lengths, and with four bytes changed fifteen times."""
    for name, write in WRITERS.items():
        write(folder / name, base())
        whole = (folder / name).read_bytes()
        for at in (1, 4, 8, 9, *(len(whole) * share // 7 for share in range(1, 7))):
            path = folder / f"cut-{at}-{name}"
            path.write_bytes(whole[:at])
            yield "truncated", path, "" if name == "a.onnx" else ": "
        for seed in range(15):
            draw, bent = random.Random(seed), bytearray(whole)
            for _ in range(4):
                bent[draw.randrange(len(bent))] = draw.randrange(256)
            path = folder / f"bent-{seed}-{name}"
            path.write_bytes(bent)
            yield "changed bytes", path, ""
        path = folder / f"longer-{name}"
        path.write_bytes(whole + bytes(100))
        yield "bytes after the end", path, ""


def headers(folder: Path) -> Iterator[Odd]:
    """Safetensors whose header says what is not so."""
    good, data = {"a": part([2, 2], 0, 16)}, bytes(16)
    for length in (0, 1, 7, 30, 200, 2**31, 10**8 + 1, 10**15, 2**63, 2**64 - 1):
        path = folder / f"length-{length}.safetensors"
        yield "wrong header length", safetensors(path, good, data, length), "header"
    shapes = [
        [10**12],
        [10**6, 10**6],
        [2**40, 2**40],
        [10**30],
        [-1],
        [2, 3],
        [True],
        ["2"],
        [2.5],
    ]
    for number, shape in enumerate(shapes):
        path = folder / f"shape-{number}.safetensors"
        yield "shape of 10¹² and the like", safetensors(path, {"a": part(shape, 0, 16)}, data), ": "
    path = safetensors(folder / "none.safetensors", {"a": part([0, 10**12], 0, 0)})
    yield "empty tensors", path, "empty"
    overlaps = [
        {"a": part([2, 2], 0, 16), "b": part([2, 2], 0, 16)},
        {"a": part([2, 2], 0, 16), "b": part([2, 2], 8, 24)},
        {"a": part([2, 2], 4, 20)},
        {"a": part([2, 2], 16, 0)},
        {"a": part([2, 2], 2**63, 2**63 + 16)},
        {"a": part([1], 0, 4), "b": part([1], 8, 12)},
    ]
    for number, header in enumerate(overlaps):
        path = folder / f"overlap-{number}.safetensors"
        yield "overlapping offsets", safetensors(path, header, bytes(24)), ": "
    twice = (
        b'{"a":{"dtype":"F32","shape":[%s],"data_offsets":[%s]},"a":'
        + json.dumps(part([4], 0, 16)).encode()
    )
    for number, first in enumerate([(b"2,2", b"0,16"), (b"2,2", b"16,32")]):
        path = safetensors(folder / f"twice-{number}.safetensors", twice % first + b"}", data)
        yield "duplicate keys", path, ""
    texts = [b"[" * 50_000, b"null", b"{}", b'{"__metadata__":{"a":3}}', b'{"a":1}', b"\xff\xfe{"]
    texts += [
        b'{"\\ud800":' + json.dumps(part([2, 2], 0, 16)).encode() + b"}",
        b'{"a":{}}',
        b"{" * 9,
    ]
    for number, text in enumerate(texts):
        yield (
            "headers of other things",
            safetensors(folder / f"text-{number}.safetensors", text),
            ": ",
        )
    dtypes = {"F4": 2, "F8_E5M2": 4, "F8_E8M0": 4, "I8": 4, "U16": 8, "BOOL": 4, "C64": 32, "X9": 4}
    says = ["quantized"] * 3 + ["integer"] * 2 + ["bool", "complex64", ": "]
    for (dtype, size), said in zip(dtypes.items(), says, strict=True):
        header = {"a": part([2, 2], 0, size, dtype)}
        yield (
            "other dtypes",
            safetensors(folder / f"{dtype}.safetensors", header, bytes(size)),
            said,
        )
    header = {"a\n\x1b[31m<script>": part([2, 2], 0, 16), "b" * 10**6: part([3], 16, 28)}
    yield "odd names", safetensors(folder / "names.safetensors", header, bytes(28)), "one axis"
    axes = {"a": part([1] * 3000, 0, 4)}
    yield "many axes", safetensors(folder / "axes.safetensors", axes, bytes(4)), ""


def values(folder: Path) -> Iterator[Odd]:
    """Values that are no weights, in each sort of file."""
    cases = {
        "nan": (torch.full((2, 2), torch.nan), "not finite: 4 nan, 0 infinite"),
        "infinite": (torch.tensor([[1.0, torch.inf]]), "not finite: 0 nan, 1 infinite"),
        "integers": (torch.ones(2, 2, dtype=torch.int64), "integer"),
        "booleans": (torch.ones(2, 2, dtype=torch.bool), "dtype bool"),
        "complex": (torch.ones(2, 2, dtype=torch.complex64), "dtype complex64"),
        "no axis": (torch.tensor(1.0), "no axis: one number"),
        "one axis": (torch.ones(3), "one axis: a bias or a scale"),
        "empty tensors": (torch.ones(0, 3), "empty"),
    }
    for kind, (value, said) in cases.items():
        for name, write in WRITERS.items():
            path = folder / f"{kind}-{name}"
            write(path, {"w": value})
            yield kind, path, said
    for name, write in WRITERS.items():
        path = folder / f"nothing-{name}"
        write(path, {})
        yield "no tensors", path, ": "


def tensors(folder: Path) -> Iterator[Odd]:
    """Tensors that only torch.save knows, and containers."""
    loop: dict[str, Any] = {"w": WEIGHT}
    loop["self"] = loop
    many: Any = {"w": WEIGHT}
    for _ in range(40):
        many = {"a": many, "b": many}
    deep: Any = {"w": WEIGHT}
    for _ in range(400):
        deep = {"a": deep}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        each = torch.ones(3), torch.zeros(3), 0, torch.qint8
        cases: list[tuple[str, Any, str]] = [
            ("quantized", torch.quantize_per_tensor(WEIGHT, 0.1, 0, torch.qint8), "quantized"),
            ("quantized", torch.quantize_per_channel(WEIGHT, *each), "quantized"),
            ("quantized", torch.ones(2, 2).to(torch.float8_e4m3fn), "quantized"),
            ("sparse", WEIGHT.to_sparse(), "sparse"),
            ("sparse", WEIGHT.to_sparse_csr(), "sparse"),
            ("shape of 10¹² and the like", torch.ones(1).expand(10**6, 10**6), "stands for many"),
            ("no values", torch.ones(2, 2, device="meta"), ": "),
            ("unsigned", torch.ones(2, 2).to(torch.uint16), "integer"),
            ("strings", "a text, no tensor", ": "),
            ("lists", [WEIGHT, [torch.ones(3)]], "one axis"),
            ("sets, bytes, dtypes", [{1, 2}, b"x", torch.float32, torch.Size([2]), 1j, WEIGHT], ""),
            ("a dict in itself", loop, ""),
            ("2⁴⁰ paths", many, ""),
            ("400 levels", deep, ""),
            ("duplicate keys", {"a.b": WEIGHT, "a": {"b": WEIGHT}}, "names that differ"),
            ("duplicate keys", {"1": WEIGHT, 1: WEIGHT}, "names that differ"),
            ("odd names", {"\ud800": WEIGHT, ("x",) * 99: torch.ones(3), None: WEIGHT}, "one axis"),
            ("optimizers", {"optimizer": {"state": {0: {"m": WEIGHT}}}}, "state of the optimizer"),
        ]
        for number, (kind, value, said) in enumerate(cases):
            for write in (write_torch, write_old):
                path = folder / f"tensors-{number}-{write.__name__}.pt"
                write(path, value if isinstance(value, dict | str) else {"w": value})
                # PyTorch writes these dtypes in its old format, and does not read them.
                lost = write is write_old and path.read_bytes().count(b"UntypedStorage") > 0
                yield kind, path, ": " if lost else said


def storages(folder: Path) -> Iterator[Odd]:
    """torch.save with sizes that are not so."""
    torch.save({"w": WEIGHT}, folder / "w.pt")
    torch.save({"w": WEIGHT}, folder / "w-old.pt", _use_new_zipfile_serialization=False)
    whole = (folder / "w-old.pt").read_bytes()
    count, shape = b"K\x0ct", b"K\x03K\x04\x86"
    big = b"\x8a\x06" + (10**12).to_bytes(6, "little")
    for number, (before, after) in enumerate(
        [
            *(
                (count, of + b"t")
                for of in (big, MILLION, b"J\xff\xff\xff\xff", b"K\x0b", b"K\x0d")
            ),
            (count, b"X\x02\x00\x00\x0012t"),
            *(
                (shape, of + b"\x86")
                for of in (big * 2, MILLION * 2, b"K\x03K\x05", b"K\x03" + big)
            ),
        ]
    ):
        path = changed(folder / "w.pt", folder / f"storage-{number}.pt", before, after)
        yield "shape of 10¹² and the like", path, ": "
        path = folder / f"storage-old-{number}.pt"
        legacy, other = (
            of.replace(b"t", b"Nt") if before == count else of for of in (before, after)
        )
        assert whole.count(legacy) == 1
        path.write_bytes(whole.replace(legacy, other))
        yield "shape of 10¹² and the like", path, ": "
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save({"w": torch.quantize_per_tensor(WEIGHT, 0.1, 0, torch.qint8)}, folder / "q.pt")
    path = changed(folder / "q.pt", folder / "q-big.pt", shape, MILLION * 2 + b"\x86")
    yield "shape of 10¹² and the like", path, "within 12 entries"
    with zipfile.ZipFile(folder / "w.pt") as file:
        members = {name: file.read(name) for name in file.namelist()}
    packed = archive(folder / "packed.pt", {**members, "w/data/0": bytes(10**7)}, packed=True)
    yield "zip bombs", packed, "stored"
    less = {name: data for name, data in members.items() if "data/0" not in name}
    yield "missing members", archive(folder / "less.pt", less), ": "
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = archive(folder / "two.pt", members)
        with zipfile.ZipFile(path, "a") as file:
            file.writestr("w/data.pkl", members["w/data.pkl"])
    yield "duplicate keys", path, "each once"


def bombs(folder: Path, canary: Path) -> Iterator[Odd]:
    """Pickles that run code, or that ask for memory, depth or time."""
    touch = f"touch {canary}"
    code = {
        "os.system": Calls(os.system, touch),
        "Popen": Calls(subprocess.Popen, ["touch", str(canary)]),
        "eval": Calls(eval, f"open({str(canary)!r}, 'w')"),
        "exec": Calls(exec, f"open({str(canary)!r}, 'w')"),
        "open": Calls(io.open, str(canary), "w"),
        "getattr": Calls(getattr, "x", "upper"),
        "torch.load": Calls(torch.load, str(canary)),
        "hub": Calls(torch.hub.load, "a/b", "c"),
        "state": Calls(OrderedDict, state={"__class__": Calls(os.system, touch)}),
        "numpy": np.float64(1.0),
        "array": np.ones((2, 2)),
        "module": torch.nn.Linear(2, 2),
        "path": Path("x"),
    }
    for name, item in code.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = pickle.dumps({"w": item}, 2)
            torch.save({"w": item}, folder / f"{name}-saved.pt")
        yield "pickle bombs", folder / f"{name}-saved.pt", "tensors alone"
        yield "pickle bombs", pickled(folder / f"{name}.pt", data), "tensors alone"
        yield "pickle bombs", old(folder / f"{name}-old.pt", data), "tensors alone"
    for protocol in range(6):
        path = folder / f"plain-{protocol}.pkl"
        path.write_bytes(pickle.dumps(Calls(os.system, touch), protocol))
        yield "pickle bombs", path, ": "
        data = pickle.dumps({"w": Calls(os.system, touch)}, protocol)
        yield "pickle bombs", pickled(folder / f"plain-{protocol}.pt", data), ": "
    doubled: Any = (1, 2)
    for _ in range(60):
        doubled = (doubled, doubled)
    greedy = {
        "bytearray": Calls(bytearray, 10**12),
        "tensor": Calls(torch.Tensor, 10**6, 10**6),
        "storage": Calls(torch.UntypedStorage, 10**12),
        "doubled tuples": [doubled],
    }
    for name, item in greedy.items():
        data = pickle.dumps({"w": item}, 2)
        yield "memory and time", pickled(folder / f"{name}.pt", data), ": "
        yield "memory and time", old(folder / f"{name}-old.pt", data), ": "
    deep = b"\x80\x02})" + b"\x85" * 400_000 + b"K\x01s."
    wide = b"\x80\x02}(" + b"K\x01" * 20_000 + b"tK\x01s."
    for name, data in {
        "deep tuple": deep,
        "wide tuple": wide,
        "key of doubled tuples": b"\x80\x02}K\x01" + b"q\x00h\x00\x86" * 60 + b"K\x01s.",
        "memo": b"\x80\x02}r\xff\xff\xff\xffj\xff\xff\xff\x7f.",
        "no stop": b"\x80\x02}",
        "underflow": b"\x80\x02u.",
        "no mark": b"\x80\x02}t.",
        "bare id": b"\x80\x02K\x01Q.",
        "long text": b"\x80\x02X\xff\xff\xff\xffabc.",
        "long frame": b"\x80\x04\x95" + b"\xff" * 7 + b"\x7f}.",
        "long bytes": b"\x80\x05\x96" + b"\xff" * 7 + b"\x00.",
        "popped": b"\x80\x020000.",
        "extension": b"\x80\x02\x82\x01.",
    }.items():
        yield "memory and time", pickled(folder / f"{name}.pt", data), ": "
        yield "memory and time", old(folder / f"{name}-old.pt", data), ": "
    state = pickle.dumps({"w": 1}, 2)
    script = {"x/data.pkl": state, "x/constants.pkl": state, "x/code/x.py": b"import os"}
    yield "TorchScript", archive(folder / "hand.pt", script), "TorchScript"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)), folder / "jit.pt")
    yield "TorchScript", folder / "jit.pt", "TorchScript"


def arrays(folder: Path, canary: Path) -> Iterator[Odd]:
    """Archives of NumPy."""
    made: dict[str, tuple[Any, str]] = {
        "objects": (np.array([Calls(os.system, f"touch {canary}")], object), "dtype object"),
        "strings": (np.array([["a", "b"]]), "dtype str"),
        "bytes": (np.array([[b"a", b"b"]]), "dtype bytes"),
        "records": (np.zeros((2, 2), [("a", "f4"), ("ü", "i8")]), "dtype void"),
        "dates": (np.zeros((2, 2), "M8[s]"), "dtype datetime64"),
        "long double": (np.zeros((2, 2), "g"), "dtype float128"),
        "uint16": (np.zeros((2, 2), "u2"), "integer"),
        "other end first": (np.full((2, 2), np.nan, ">f4"), "not finite: 4 nan"),
        "Fortran's order": (np.asfortranarray(np.full((2, 3), np.inf)), "0 nan, 6 infinite"),
    }
    for name, (array, said) in made.items():
        np.savez(folder / f"{name}.npz", w=array)
        yield name, folder / f"{name}.npz", said
    four = bytes(16)
    hand = {
        **{
            f"s{n}": npy(s, four) for n, s in enumerate(["(1000000000000,)", "(10**12,)", "(3, 4)"])
        },
        **{
            f"t{n}": npy(s, four) for n, s in enumerate(["(-1, -4)", "(-1,)", "4", "[4]", "(4.0,)"])
        },
        "nested": npy("(" * 3000 + ")" * 3000, four),
        "call": npy(f"__import__('os').system('touch {canary}')", four),
        "descr": npy("(4,)", four, f"__import__('os').system('touch {canary}')"),
        "width": npy("(1,)", four, "'V1000000000000'"),
        "nothing": b"",
        "magic": b"\x93NUMPY\x09\x00" + bytes(20),
        "long header": b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(20),
        "text": b"no array at all",
    }
    for name, data in hand.items():
        yield "arrays by hand", archive(folder / f"{name}.npz", {"w.npy": data}), ": "
    wide = archive(folder / "zero wide.npz", {"w.npy": npy("(1000000000000,)", b"", "'<U0'")})
    yield "shape of 10¹² and the like", wide, "dtype str"
    none = archive(folder / "empty.npz", {"w.npy": npy("(0, 1000000000000)", b"")})
    yield "shape of 10¹² and the like", none, "empty"
    claims = {10**9: "(249999968,)", 2**40: "(274877906912,)", 2**62: "(1152921504606846944,)"}
    for size, shape in claims.items():
        path = folder / f"bomb-{size}.npz"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("w.npy", npy(shape, four))
            file.infolist()[0].file_size = size
        yield "zip bombs", path, "packed into"
    deflate = zipfile.ZipFile(folder / "zeros.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with deflate as file, file.open("w.npy", "w") as member:
        member.write(npy(f"({3 * 2**25},)", b""))
        for _ in range(3 * 2**3):
            member.write(bytes(2**24))
    yield "zip bombs", folder / "zeros.npz", "packed into"
    with zipfile.ZipFile(folder / "short.npz", "w", zipfile.ZIP_DEFLATED) as file:
        data = npy("(100000, 1)", four)
        file.writestr("w.npy", data)
        file.infolist()[0].file_size = len(data) - 16 + 400_000
    yield "zip bombs", folder / "short.npz", "unreadable"
    whole = npy("(2, 2)", b"1234567890123456")
    path = archive(folder / "checksum.npz", {"w.npy": whole})
    path.write_bytes(path.read_bytes().replace(b"1234567890123456", b"1234567890123457"))
    yield "wrong checksums", path, ": "
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(folder / "twice.npz", "w") as file:
            file.writestr("w.npy", whole)
            file.writestr("w.npy", whole)
    yield "duplicate keys", folder / "twice.npz", "names that differ"
    names = {"../../w.npy": npy("(4,)", four), "/etc/x.npy": npy("(4,)", four), "README": b"x"}
    yield "links out of a folder", archive(folder / "paths.npz", names), "one axis"
    link = zipfile.ZipInfo("w.npy")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(folder / "link.npz", "w") as file:
        file.writestr(link, "/etc/passwd")
    yield "links out of a folder", folder / "link.npz", ": "
    np.save(folder / "one.npy", np.ones((2, 2)))
    yield "texts and other formats", folder / "one.npy", "begins with"
    for how, label in ((zipfile.ZIP_BZIP2, "bz2"), (zipfile.ZIP_LZMA, "lzma")):
        with zipfile.ZipFile(folder / f"{label}.npz", "w", how) as file:
            file.writestr("w.npy", whole)
        yield "zip bombs", folder / f"{label}.npz", "packed into"


def external(**facts: str) -> TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2, 2])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in facts.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def graphs(folder: Path) -> Iterator[Odd]:
    """ONNX: data outside of the file, dtypes, shapes."""
    inside = folder / "inside"
    inside.mkdir()
    (folder / "secret.bin").write_bytes(bytes(16))
    (inside / "short.bin").write_bytes(bytes(10))
    (inside / "link.bin").symlink_to("../secret.bin")
    (inside / "out").symlink_to("..")
    (inside / "zero.bin").symlink_to("/dev/zero")
    places = ["../secret.bin", "out/secret.bin", "link.bin", str(folder / "secret.bin"), "zero.bin"]
    places += ["/dev/zero", "/etc/passwd", "nowhere.bin", "", ".", "short.bin", "a\0b", "../" * 40]
    for number, place in enumerate(places):
        path = inside / f"place-{number}.onnx"
        yield "external data", onnx_file(path, external(location=place)), "unreadable: "
    lengths = [{"length": "1000000000000"}, {"offset": "-1"}, {"offset": "99"}, {"length": "x"}]
    for number, facts in enumerate([*lengths, {"length": "-1"}, {"length": "4"}]):
        path = inside / f"length-{number}.onnx"
        tensor = external(location="short.bin", **facts)
        yield "external data", onnx_file(path, tensor), "unreadable: "
    float_, raw = TensorProto.FLOAT, bytes(16)
    made = {
        "shape of 10¹² and the like": [
            (TensorProto(data_type=float_, dims=[10**6, 10**6], raw_data=raw), "unreadable: "),
            (TensorProto(data_type=float_, dims=[2**62, 2**62], raw_data=raw), "unreadable: "),
            (TensorProto(data_type=float_, dims=[-1, 2], raw_data=raw), "axes"),
            (TensorProto(data_type=float_, dims=[2, 2], float_data=[1.0]), "unreadable: "),
            (TensorProto(data_type=float_, dims=[10**6, 10**6]), "unreadable: "),
            (
                TensorProto(data_type=TensorProto.INT4, dims=[10**6, 10**6], raw_data=raw),
                "quantized",
            ),
        ],
        "other dtypes": [
            (
                TensorProto(data_type=TensorProto.STRING, dims=[1, 1], string_data=[b"x"]),
                "dtype obj",
            ),
            (TensorProto(data_type=TensorProto.FLOAT8E5M2, dims=[4, 4], raw_data=raw), "quantized"),
            (TensorProto(data_type=TensorProto.INT8, dims=[4, 4], raw_data=raw), "integer"),
            (TensorProto(data_type=TensorProto.UNDEFINED, dims=[2, 2], raw_data=raw), ": "),
            (TensorProto(data_type=99, dims=[2, 2], raw_data=raw), ": "),
            (TensorProto(data_type=TensorProto.BFLOAT16, dims=[2], raw_data=raw[:4]), "one axis"),
        ],
    }
    made["segments"] = [(TensorProto(data_type=float_, dims=[2, 2], raw_data=raw), "unreadable: ")]
    made["segments"][0][0].segment.begin = 1
    for kind, cases in made.items():
        for number, (tensor, said) in enumerate(cases):
            tensor.name = "w"
            yield kind, onnx_file(folder / f"{kind[:8]}-{number}.onnx", tensor), said
    twin = numpy_helper.from_array(np.ones((2, 2), np.float32), "w")
    yield "duplicate keys", onnx_file(folder / "twin.onnx", twin, twin), "names that differ"
    sparse = onnx.SparseTensorProto(values=twin, dims=[10**6, 10**6])
    graph = helper.make_graph([], "g", [], [], sparse_initializer=[sparse])
    (folder / "sparse.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    yield "sparse", folder / "sparse.onnx", "sparse"
    (folder / "deep.onnx").write_bytes(b"\x08\x07" + b"\x3a\x80\x80\x80\x80\x08" * 999)
    yield "arrays by hand", folder / "deep.onnx", ": "


def others(folder: Path, canary: Path) -> Iterator[Odd]:
    """No checkpoints at all."""
    texts = {
        "page.pt": b"<!doctype html><title>404</title>",
        "index.safetensors.index.json": b'{"weight_map": {}}',
        "pointer.bin": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "script.pt": f"#!/bin/sh\ntouch {canary}\n".encode(),
        "script.py": f"open({str(canary)!r}, 'w')\n".encode(),
        "table.csv": b"a,b\n1,2\n",
        "model.onnx": b"a text by this name",
        "model.onnxtxt": b'ir_version: 7 graph { name: "g" }',
        "model.safetensors": b"a text by this name",
        "unicode.pt": "Gewichte 重み".encode("utf16"),
        "spaces.npz": b" " * 5000,
        "zeros.pt": bytes(5000),
        "ff.safetensors": b"\xff" * 5000,
        "weights.h5": b"\x89HDF\r\n\x1a\n" + bytes(99),
        "model.gguf": b"GGUF\x03\x00\x00\x00" + bytes(99),
        "image.png": b"\x89PNG\r\n\x1a\n" + bytes(99),
        "model.pt.gz": b"\x1f\x8b\x08" + bytes(99),
        "end.zip": b"PK\x05\x06" + bytes(18),
        "pk.npz": b"PK\x03\x04" + bytes(99),
        "80.pt": b"\x80" * 99,
    }
    for name, data in texts.items():
        (folder / name).write_bytes(data)
        yield "texts and other formats", folder / name, ": "
    for suffix in ("safetensors", "pt", "pth", "npz", "onnx", "bin"):
        (folder / f"empty.{suffix}").touch()
        yield "empty files", folder / f"empty.{suffix}", ": "
        (folder / f"folder.{suffix}").mkdir()
        yield "folders", folder / f"folder.{suffix}", "need a file, got a folder"
        yield "missing files", folder / f"missing.{suffix}", "need a file, got none"
    yield "missing files", folder / ("x" * 5000), ": "
    yield "missing files", folder / "a\0b", ": "
    yield "missing files", folder / "page.pt" / "x.pt", ": "
    os.mkfifo(folder / "pipe.pt")
    yield "pipes and devices", folder / "pipe.pt", "need a file, got something else"
    for name, target in {
        "gone": "nowhere",
        "loop": "loop",
        "zero": "/dev/zero",
        "up": "..",
    }.items():
        (folder / f"{name}.pt").symlink_to(target)
        yield "links out of a folder", folder / f"{name}.pt", "need a file"
    zips = {"model.keras": {"config.json": b"{}"}, "letter.docx": {"word/a.xml": b"<a/>"}}
    for name, members in zips.items():
        yield "texts and other formats", archive(folder / name, members), "something else"


def odd_files(folder: Path, canary: Path) -> Iterator[Odd]:
    """All of them, written into a folder; whoever runs one makes the canary."""
    plain = [partial(make) for make in (broken, headers, values, tensors, storages, graphs)]
    armed = [partial(make, canary=canary) for make in (bombs, arrays, others)]
    for number, make in enumerate([*plain, *armed]):
        (folder / str(number)).mkdir(parents=True)
        yield from make(folder / str(number))
