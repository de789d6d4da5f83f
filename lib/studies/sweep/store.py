"""Where results of runs lie, one file per run, found by the hash of what the run depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studies.build.files import write_atomically


@dataclass(frozen=True)
class Store:
    """Notes of runs (claims, duration, machine, …) below a folder, as ``ab/abcd….json``.

    Two sweeps may share it: a file is put in place whole, and the same key means the same content
    but for when and where it was computed.
    """

    folder: Path

    def get(self, key: str) -> dict[str, Any] | None:
        """The note under a key; None if there is none, or it is not as it was written."""
        try:
            body: dict[str, Any] = json.loads(self.path(key).read_text(encoding="utf8"))
            whole = body.pop("checksum") == _checksum(body) and body["key"] == key
            return body["note"] if whole else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def put(self, key: str, note: Mapping[str, Any]) -> None:
        """Keep a note under a key."""
        body = {"key": key, "note": dict(note)}
        body |= {"checksum": _checksum(body)}
        write_atomically(self.path(key), json.dumps(body, ensure_ascii=False))

    def path(self, key: str) -> Path:
        """Where the note under a key lies."""
        return self.folder / key[:2] / f"{key}.json"


def _checksum(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
