"""Tests of ``compressibility audit``: what it writes, and what it says of what it cannot use."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from compressibility.__main__ import main
from tests.compressibility.audit.odd_files import write_onnx

READER = """
import time
import torch
from torch import nn

def factory():
    return nn.Sequential(nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 3))

def loader():
    torch.manual_seed(1)
    return [(x, x.argmax(1) % 3) for x in torch.randn(160, 12).split(40)]

def metric(module, batches):
    return sum(float((module(x).argmax(1) == y).double().mean()) for x, y in batches) / len(batches)

calls = []

def slow(module, batches):
    calls.append(module)
    if len(calls) > 1:  # it is tried once before all else
        print("slow", flush=True)
        time.sleep(60)
    return 0.0

def broken():
    raise RuntimeError("no such\\nthing")

def leaves():
    raise SystemExit("the reader's own")

tried = []

def third(module, batches):
    tried.append(module)
    return float(["1", "0.9", "no number"][len(tried) - 1])
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A reader's folder, with a module, a checkpoint of it, and inputs."""
    (tmp_path / "reader_of_this_test.py").write_text(READER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "reader_of_this_test", raising=False)
    torch.manual_seed(0)
    import reader_of_this_test as reader

    save_file(reader.factory().state_dict(), "model.safetensors")
    state = reader.factory().state_dict()
    torch.save({"net": state, "step": 3, "more": {"w": torch.ones(2, 2)}}, "nested.pt")
    save_file(
        {f"{a}.{b}": x.clone() for a in ("ema", "net") for b, x in state.items()}, "two.safetensors"
    )
    save_file({name: x.to(torch.int8) for name, x in state.items()}, "int8.safetensors")
    np.savez("batches.npz", inputs=np.random.default_rng(0).normal(size=(90, 12)).astype("f4"))
    torch.save([torch.randn(30, 12) for _ in range(4)], "batches.pt")
    return tmp_path


pytestmark = pytest.mark.usefixtures("folder")
MODEL = ["--model", "reader_of_this_test:factory", "--inputs"]


def test_with_inputs_metric_and_all_files(capsys, monkeypatch) -> None:
    """Catches a budget in the wrong unit, a file that is not written, a hash of nothing."""
    files = ["--html", "r.html", "--json", "r.json", "--save", "cut.safetensors"]
    own = ["reader_of_this_test:loader", "--metric", "reader_of_this_test:metric"]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)  # else it is quiet
    code = main(["audit", "model.safetensors", *MODEL, *own, "--budget", "5%", *files])
    out, err = capsys.readouterr()
    assert code == 0
    assert out.startswith("Your metric")
    assert out.count("\n") == 1
    assert "s left" in err or "%" in err
    data = json.loads(Path("r.json").read_text())
    assert data["budget"] == 0.05
    assert len(data["about"]["sha256"]) == 64
    assert data["network"]["metric"]["dense"] > 0
    assert data["sentence"] in Path("r.html").read_text()
    assert "2.weight.removed" in load_file("cut.safetensors")


@pytest.mark.parametrize("inputs", ["batches.npz", "batches.pt", "reader_of_this_test:loader"])
def test_inputs_of_three_kinds(inputs, capsys) -> None:
    """Catches an array that is one batch, and a checkpoint whose names have a prefix."""
    assert main(["audit", "nested.pt", *MODEL, inputs, "--json", "r.json"]) == 0
    skipped = json.loads(Path("r.json").read_text())["skipped"]
    assert {row["name"]: row["why"] for row in skipped}["more.w"] == "the model has no such tensor"
    new = {"batches.npz": 30, "batches.pt": 30, "reader_of_this_test:loader": 40}[inputs]
    assert f"measured on {new} new inputs" in capsys.readouterr().out


def test_without_inputs_one_command_and_no_code(capsys) -> None:
    """Catches a number that sounds like an error of the network."""
    assert main(["audit", "model.safetensors", "--html", "w.html"]) == 0
    assert "no error can be known" in capsys.readouterr().out
    assert "no error can be known" in Path("w.html").read_text()


def test_onnx_says_which_way_its_matrices_lie() -> None:
    """Catches columns of a MatMul, which are outputs, taken for inputs without a word."""
    write_onnx(Path("net.onnx"), {"w": torch.randn(12, 9)})
    assert main(["audit", "net.onnx", "--json", "r.json"]) == 0
    (row,) = json.loads(Path("r.json").read_text())["layers"]
    assert row["note"] == "of a MatMul its columns are outputs"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.pt"], "nowhere.pt"),
        (["reader_of_this_test.py"], "safetensors"),
        (["model.safetensors", "--model", "reader_of_this_test:factory"], "both or none"),
        (["model.safetensors", *MODEL, "nowhere.npz"], "nowhere.npz"),
        (
            ["model.safetensors", *MODEL, "reader_of_this_test:broken"],
            "RuntimeError: no such thing",
        ),
        (["model.safetensors", "--model", "nothing:f", "--inputs", "batches.pt"], "nothing"),
        (["batches.npz", *MODEL, "batches.pt"], "all 4 tensors of the model in the file"),
        (["model.safetensors", "--json", "no/folder/r.json"], "a folder"),
        (["model.safetensors", "--save", "cut.safetensors"], "--model with --save"),
        (["model.safetensors", "--metric", "reader_of_this_test:metric"], "--model with --save"),
        (["model.safetensors", "--json", "model.safetensors"], "a file of its own"),
        (["model.safetensors", "--json", "r", "--html", "./r"], "a file of its own"),
        (["model.safetensors", *MODEL, "batches.pt", "--html", "batches.pt"], "of its own"),
        (["model.safetensors", "--json", "."], "a file . to write"),
        (["model.safetensors", "--html", "/dev/null"], "a file /dev/null to write"),
        (["model.safetensors", *MODEL, "reader_of_this_test:leaves"], "the reader's own"),
        (["two.safetensors", *MODEL, "batches.pt"], "one set of the model's tensors"),
        (["int8.safetensors", *MODEL, "batches.pt"], "torch.float32 for 0.weight"),
    ],
)
def test_errors_are_one_line(capsys, arguments, said) -> None:
    """Catches a traceback, and an error that is found after an hour's work."""
    assert main(["audit", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("compressibility: ")
    assert said in err


def test_a_metric_that_fails_on_a_cut_network_loses_no_layer(capsys) -> None:
    """Catches hours of work lost to an error of the reader's own, or success told of it."""
    own = ["batches.pt", "--metric", "reader_of_this_test:third", "--json", "r.json"]
    code = main(["audit", "model.safetensors", *MODEL, *own, "--html", "r.html", "--save", "c"])
    assert code == 2
    data = json.loads(Path("r.json").read_text())
    assert len(data["layers"]) == 2
    assert "could not be measured: ValueError" in data["sentence"]
    assert data["sentence"] in capsys.readouterr().out
    assert not Path("c").exists()
    assert "0.weight" in Path("r.html").read_text()


@pytest.mark.parametrize("budget", ["0", "100%", "-1%", "much"])
def test_a_budget_is_a_share(capsys, budget) -> None:
    """Catches a budget of nothing, of all, or of words."""
    with pytest.raises(SystemExit) as stopped:
        main(["audit", "model.safetensors", f"--budget={budget}"])
    assert stopped.value.code == 2
    assert "--budget" in capsys.readouterr().err


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done() -> None:
    """Catches an interrupted audit that leaves nothing, or a part that passes for a whole."""
    slow = [*MODEL, "batches.pt", "--metric", "reader_of_this_test:slow", "--json", "r.json"]
    slow += ["--html", "r.html"]
    command = [sys.executable, "-m", "compressibility", "audit", "model.safetensors", *slow]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # background shells ignore it
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "preexec_fn": heard}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout
        assert process.stdout.readline() == b"slow\n"
        time.sleep(0.2)
        os.kill(process.pid, signal.SIGINT)
        process.communicate(timeout=50)
    assert process.returncode == 130
    data = json.loads(Path("r.json").read_text())
    assert data["partial"]
    assert len(data["layers"]) == 2
    assert "nterrupted" in data["sentence"]
    assert "nterrupted" in Path("r.html").read_text()
