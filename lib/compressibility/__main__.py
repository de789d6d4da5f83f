"""The command ``compressibility audit``: a report on a checkpoint, from the shell."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from compressibility.audit.checkpoint import Checkpoint, open_checkpoint
from compressibility.audit.page import page
from compressibility.audit.report import PARTS, audit, audit_weights
from compressibility.checks import need

_BATCH = 64  # where a file holds all inputs as one array
_BAD, _STOPPED = 2, 130  # exit codes: what was given cannot be used; Ctrl-C, what is done is kept
_NAMES = {
    "--model": "PACKAGE.MODULE:FACTORY: returns the module",
    "--inputs": "batches.pt, .npz (inputs, targets), or PACKAGE.MODULE:LOADER",
    "--metric": "PACKAGE.MODULE:F of the module and the held-out batches",
    "--loss": "PACKAGE.MODULE:F of outputs and targets, their mean: adds its curvature",
}
_FILES = {"--html": "a page", "--json": "data", "--save": "cut weights, biases, masks"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; an error is one line on stderr."""
    shell = argparse.ArgumentParser("compressibility", description=__doc__)
    command = shell.add_subparsers(required=True).add_parser("audit", help="what may go, how sure")
    command.add_argument("checkpoint", help=".safetensors, .pt, .npz or .onnx")
    command.add_argument("--budget", default="1%", type=_share, help="error of each layer")
    for name, what in _NAMES.items():
        command.add_argument(name, help=what)
    for name, what in _FILES.items():
        command.add_argument(name, type=Path, help=f"file to write: {what}")
    given = shell.parse_args(arguments)
    try:
        return _audit(given)
    except KeyboardInterrupt:
        print("compressibility: stopped before anything was done", file=sys.stderr)
        return _STOPPED
    except Exception as error:  # of the reader's own code too: any kind
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        print("compressibility:", *f"{kind}{error}".split(), file=sys.stderr)
        return _BAD


def _audit(given: argparse.Namespace) -> int:
    need(bool(given.model) == bool(given.inputs), "--model and --inputs, both or none", "one")
    need(bool(given.model) or not given.save, "--model and --inputs to --save", "no inputs")
    for path in filter(None, (given.html, given.json, given.save)):
        need(path.absolute().parent.is_dir(), f"a folder for {path}", "none of this name")
    sys.path.insert(0, str(Path.cwd()))
    file, begun = open_checkpoint(given.checkpoint), time.monotonic()

    def tell(done: float, what: str) -> None:
        left = (time.monotonic() - begun) * (1 / done - 1) if done > 0.02 else 0.0
        after = f", {left:.0f} s left" if left else ""
        print(f"\r{done:4.0%}{after} · {what:.60}\033[K", end="", file=sys.stderr, flush=True)

    if given.model:
        own = {what: _named(vars(given)[what]) for what in ("metric", "loss")}
        module = _filled(_named(given.model)(), file)
        report = audit(module, _batches(given.inputs), **own, budget=given.budget, progress=tell)
    else:
        report = audit_weights(file, budget=given.budget, progress=tell)
    print(file=sys.stderr)
    report.about |= {"file": file.path.name, "sha256": file.sha256, "left_out": file.left_out}
    if given.html:
        given.html.write_text(page(report), encoding="utf8")
    if given.json:
        given.json.write_text(report.json(), encoding="utf8")
    if given.save and not report.partial:
        report.save(given.save)
    print(report.sentence)
    return _STOPPED if report.partial else 0


def _share(text: str) -> float:
    found = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 < found < 1:
        raise argparse.ArgumentTypeError(f"need a share such as 1% or 0.01, got {text}")
    return found


def _named(name: str | None) -> Any:
    if name is None:
        return None
    where, _, what = name.partition(":")
    need(bool(where and what), "a name such as package.module:function", name)
    return getattr(importlib.import_module(where), what)


def _filled(module: nn.Module, file: Checkpoint) -> nn.Module:
    """Load a module's state from a file, in which all its names may have one prefix."""
    names = list(module.state_dict())
    starts = [name.removesuffix(names[0]) for name in file if name.endswith(names[0])]
    fits = [start for start in starts if all(start + name in file for name in names)]
    missing = [name for name in names if name not in file]
    need(bool(fits), f"all {len(names)} tensors of the model in the file", f"not {missing[:3]}")
    module.load_state_dict({name: file[fits[0] + name].tensor() for name in names})
    return module


def _batches(name: str) -> list[Any]:
    if Path(name).suffix not in (".pt", ".npz"):
        return list(_named(name)())
    if name.endswith(".pt"):
        found = torch.load(name, weights_only=True)
    else:
        with np.load(name, allow_pickle=False) as arrays:
            found = {key: torch.from_numpy(arrays[key]) for key in arrays}
    if isinstance(found, dict):
        need("inputs" in found, "an array named inputs", sorted(found))
        found = tuple(found[key] for key in ("inputs", "targets") if key in found)
    if not isinstance(found, Tensor | tuple):
        return list(found)
    parts = found if isinstance(found, tuple) else (found,)
    size = min(_BATCH, -(-len(parts[0]) // len(PARTS)))
    return list(zip(*(part.split(size) for part in parts), strict=True))


if __name__ == "__main__":
    sys.exit(main())
