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
    "--metric": "PACKAGE.MODULE:F(module, held-out batches), a number",
    "--loss": "PACKAGE.MODULE:F(outputs, targets), a mean: adds its curvature",
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
    except (Exception, SystemExit) as error:  # of the reader's own code too: any kind
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        print(
            "\n" * sys.stderr.isatty() + "compressibility:",
            *f"{kind}{error}".split(),
            file=sys.stderr,
        )
        return _BAD


def _audit(given: argparse.Namespace) -> int:
    need(bool(given.model) == bool(given.inputs), "--model and --inputs, both or none", "one")
    asked = given.save or given.metric or given.loss
    need(bool(given.model or not asked), "--model with --save, --metric or --loss", "none")
    taken = [Path(name or ".").resolve() for name in (given.checkpoint, given.inputs)]
    for path in filter(None, (given.html, given.json, given.save)):
        need(path.absolute().parent.is_dir(), f"a folder for {path}", "none of this name")
        need(path.is_file() or not path.exists(), f"a file {path} to write", "something else")
        need(path.resolve() not in taken, f"a file of its own for {path}", "one that is used")
        taken.append(path.resolve())
    sys.path.insert(0, str(Path.cwd()))
    file, begun = open_checkpoint(given.checkpoint), time.monotonic()

    def tell(done: float, what: str) -> None:
        left = (time.monotonic() - begun) * (1 / done - 1) if done > 0.02 else 0.0
        after = f", {left:.0f} s left" if left else ""
        print(f"\r{done:4.0%}{after} · {what:.60}\033[K", end="", file=sys.stderr, flush=True)

    how: Any = {"budget": given.budget, "progress": tell if sys.stderr.isatty() else None}
    if given.model:
        own = {what: _named(vars(given)[what]) for what in ("metric", "loss")}
        module = _named(given.model)()
        unused = _fill(module, file)
        report = audit(module, _batches(given.inputs), **own, **how)
        for name in unused:
            report.skip(name, file[name].shape, "the model has no such tensor")
    else:
        report = audit_weights(file, **how)
    report.about |= {"file": file.path.name, "sha256": file.sha256, "left_out": file.left_out}
    if given.json:
        given.json.write_text(report.json(), encoding="utf8")
    failed = "failed" in report.network
    if given.save and not (report.partial or failed):
        report.save(given.save.resolve())  # of a link, what it points to
    if given.html:
        given.html.write_text(page(report), encoding="utf8")
    if hasattr(sys.stdout, "reconfigure"):  # a notebook's has none
        sys.stdout.reconfigure(errors="replace")
    print(report.sentence)
    return _STOPPED if report.partial else _BAD if failed else 0


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


def _fill(module: nn.Module, file: Checkpoint) -> list[str]:
    """Fill a module from a file, where all its names may have one prefix; return names not used."""
    need(isinstance(module, nn.Module), "a factory that returns an nn.Module", type(module))
    state = module.state_dict()
    names = list(state)
    starts = [name.removesuffix(names[0]) for name in file if name.endswith(names[0])]
    fits = [start for start in starts if all(start + name in file for name in names)]
    missing = [name for name in names if name not in file]
    need(bool(fits), f"all {len(names)} tensors of the model in the file", f"not {missing[:3]}")
    need(len(fits) == 1, "one set of the model's tensors in the file", f"those of {fits}")
    for name in names:
        kind = file[fits[0] + name].dtype
        same = state[name].is_floating_point() == ("float" in kind)
        need(same, f"{state[name].dtype} for {name} in the file", kind)
    module.load_state_dict({name: file[fits[0] + name].tensor() for name in names})
    return [name for name in file if name.removeprefix(fits[0]) not in state]


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
