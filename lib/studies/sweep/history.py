"""Verdicts from one sweep to the next: a line of JSON each, and what changed since the last."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from studies.build.files import write_atomically


def append(path: Path, frame: pd.DataFrame, commit: str) -> list[str]:
    """Add a line with a sweep's verdicts to a file; return in words those that changed.

    ``frame`` is that of `table.rows`; each claim is compared with the last line that has it at
    this setting. Lines that cannot be read, as of a run cut short, are kept and passed over.
    """
    frame = frame.assign(at=frame.claim + frame.setting.map(lambda s: f" at {s}" if s else ""))
    grouped = frame.groupby(["chapter", "at"], sort=False).verdict.agg(list)
    now = {f"{chapter}: {at}": verdicts for (chapter, at), verdicts in grouped.items()}
    lines = path.read_text(encoding="utf8").split("\n")[:-1] if path.is_file() else []
    before = {name: seen for line in lines for name, seen in _verdicts(line).items()}
    line = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "commit": commit}
    lines.append(json.dumps({**line, "verdicts": now}, ensure_ascii=False))
    write_atomically(path, "\n".join(lines) + "\n")
    return [
        f"{name}: {', '.join(before[name])} before, {', '.join(verdicts)} now"
        for name, verdicts in now.items()
        if name in before and before[name] != verdicts
    ]


def _verdicts(line: str) -> dict[str, list[str]]:
    try:
        found = json.loads(line)["verdicts"]
    except (ValueError, KeyError, TypeError):
        return {}
    return dict(found) if isinstance(found, dict) else {}
