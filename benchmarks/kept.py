"""What scripts for a machine with a GPU share: the data they carry, the results that pages show.

That machine needs neither the archives nor what the book needs.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from compressibility.data.archives import FOLDER_VARIABLE
from compressibility.data.sets import Dataset, load


def part(name: str, path: Path, *, samples: int, tests: int) -> None:
    """Write the first samples, images as bytes, and what the archives' files hash to."""
    data, folder = load(name), Path(os.environ[FOLDER_VARIABLE])

    def first(key: str, most: int) -> np.ndarray:
        values = getattr(data, key)[:most].numpy()
        if data.image and key.endswith("inputs"):
            values = (values * 255).round()
        return values.astype(np.uint8 if data.image or key.endswith("targets") else np.float32)

    keys = {"train_inputs": samples, "train_targets": samples}
    keys |= {"test_inputs": tests, "test_targets": tests}
    files = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.glob(f"{name}*.npz"))
    }
    arrays = {key: first(key, most) for key, most in keys.items()}
    about = {"name": name, "image": data.image or (), "outputs": data.outputs}
    np.savez_compressed(path, files=json.dumps(files), **about, **arrays)


def standardized(path: Path) -> tuple[Dataset, dict[str, str]]:
    """Read a part; each channel of images has mean 0 and deviation 1 over its training samples."""
    with np.load(path, allow_pickle=False) as held:
        x, new = (held[key] for key in ("train_inputs", "test_inputs"))
        image = tuple(held["image"].astype(int).tolist()) or None
        if image:
            x, new = (some.reshape(-1, image[0], image[1] * image[2]) / 255 for some in (x, new))
            centre, spread = x.mean((0, 2), keepdims=True), x.std((0, 2), keepdims=True)
            x, new = ((some - centre) / spread for some in (x, new))
        x, new = (torch.tensor(some).flatten(1).float() for some in (x, new))
        y, asked = (torch.tensor(held[key]).long() for key in ("train_targets", "test_targets"))
        outputs, name = int(held["outputs"]), str(held["name"])
        files: dict[str, str] = json.loads(str(held["files"]))
    return Dataset(name, "classification", x, y, new, asked, outputs, image, ""), files


def write_note(
    note: Path,
    name: str,
    frame: pd.DataFrame,
    *,
    chapter: str,
    settings: Mapping[str, Any],
    files: Mapping[str, str],
) -> None:
    """Write what a run's note holds: its result of this name, and how it came about; no inf."""
    whole = frame.round(6).replace([np.inf, -np.inf], np.nan).astype(object)  # JSON has neither
    rows = whole.where(whole.notna(), None).values.tolist()
    gpu = torch.cuda.is_available()
    device = torch.cuda.get_device_name() if gpu else platform.machine()
    held = {
        "chapter": chapter,
        "profile": "paper",
        "parameters": dict(settings),
        "versions": {"torch": torch.__version__, "numpy": np.__version__, "device": device},
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "parts": dict(files),
        "claims": [],
        "results": {name: {"columns": [*whole], "rows": rows}},
    }
    note.write_text(json.dumps(held), encoding="utf8")


def keep(notes: list[Path]) -> None:
    """Write the results of notes, all of one name, where pages read them."""
    from studies.page.results import to_keep  # needs what the book needs

    held, *others = (json.loads(note.read_text(encoding="utf8")) for note in notes)
    (name,) = {name for one in (held, *others) for name in one["results"]}
    for other in others:
        held["results"][name]["rows"] += other["results"][name]["rows"]
    command = ["git", "rev-parse", "--short=10", "HEAD"]
    commit = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    book = Path(__file__).parents[1] / "book"
    for path, text in to_keep(book, held | {"commit": commit}).items():
        path.write_text(text, encoding="utf8")
        print(path)


def commands(doc: str | None, names: list[str], *trains: str) -> tuple[Any, dict[str, Any]]:
    """Return a parser with the commands part, keep and those that train, and the last by name."""
    parser = argparse.ArgumentParser(description=doc)
    found = parser.add_subparsers(dest="command", required=True)
    parts, keeps = found.add_parser("part"), found.add_parser("keep")
    parts.add_argument("name", choices=sorted(names))
    parts.add_argument("path", type=Path)
    keeps.add_argument("notes", type=Path, nargs="+")
    trained = {name: found.add_parser(name) for name in trains}
    for command in trained.values():
        command.add_argument("path", type=Path)
        command.add_argument("note", type=Path)
    return parser, trained
