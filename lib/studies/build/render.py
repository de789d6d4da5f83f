"""Renders the executed chapters: staged in a scratch folder, checked, then put in place whole."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

import nbformat

import studies
from studies.build.checks.notebooks import check_notebooks
from studies.build.checks.pages import check_pages
from studies.build.entries import entries, functions_of, numbers_of, places_of
from studies.build.files import copy_folder, replace_folder, scratch_folder, write_atomically
from studies.build.finish import finished
from studies.build.ledger import (
    LEDGER_MARK,
    STATUS_MARK,
    ledger,
    ledger_page,
    read_repeat,
    status_page,
)
from studies.build.paper import read_paper, with_box
from studies.build.project import Project
from studies.build.reference import STATEMENTS, with_modules
from studies.build.runs import Run, commit
from studies.build.theorems import THEOREMS_MARK, theorems_page
from studies.errors import BuildError, refuse

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_FULL = re.compile("No space left on device|Disk quota exceeded|File too large")
# jupyter-book, which ends when its standard input does: with the process that started it.
_JUPYTER_BOOK = """\
import os, threading
threading.Thread(target=lambda: (os.read(0, 1), os._exit(130)), daemon=True).start()
from jupyter_book.cli.main import main
main(prog_name="jupyter-book")
"""


def render(
    project: Project,
    profile: str,
    runs: Mapping[str, Run],
    stale: Mapping[str, Sequence[str]],
) -> Path:
    """Render the book, unless it lies there as it would come out; return its first page's path.

    ``stale`` says why chapters are out of date that are shown; such a page says so on top.  If a
    check fails or the builder warns, that is a BuildError, and the last good book stays in place.
    """
    index, made = project.build / "html" / "index.html", project.build / "rendered.json"
    depends = _depends(project, profile, runs, stale)
    with contextlib.suppress(OSError, ValueError):
        if json.loads(made.read_text(encoding="utf8")) == {"from": depends, "to": _made(project)}:
            return index
    notebooks = {name: run.notebook for name, run in runs.items()}
    claims = {name: run.claims for name, run in runs.items()}
    refuse("the executed chapters", check_notebooks(notebooks, claims))
    data = ledger(project, profile, runs)
    text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)
    with scratch_folder(project.build / "tmp") as stage:
        mathjax = _stage(project, stage, runs, stale)
        html = _run_builder(stage, project.lib)
        _complete(html, project, profile, runs, stale)
        (html / "ledger.json").write_text(text, encoding="utf8")  # a page links to it
        refuse("the rendered pages", check_pages(html, project.toc_pages(), mathjax))
        replace_folder(html, project.build / "html")
    write_atomically(project.build / "ledger.json", text)
    write_atomically(made, json.dumps({"from": depends, "to": _made(project)}))
    return index


def _depends(
    project: Project, profile: str, runs: Mapping[str, Run], stale: Mapping[str, Sequence[str]]
) -> str:
    """Hash of all that the rendered book depends on."""
    pages = {name: nbformat.writes(run.notebook) for name, run in runs.items()}
    claims = {name: run.claims for name, run in runs.items()}
    packages = sorted(f"{d.name} {d.version}" for d in metadata.distributions())
    given = [profile, pages, claims, {**stale}, commit(project), packages]
    sources = [project.root / "_config.yml", project.root / "_toc.yml", project.book, project.lib]
    text = json.dumps(given) + _hash([*sources, Path(studies.__file__).parent])
    return hashlib.sha256(text.encode()).hexdigest()


def _made(project: Project) -> str:
    """Hash of what a rendering leaves: a page lost or torn since is made again."""
    return _hash([project.build / "html", project.build / "ledger.json"])


def _hash(paths: Iterable[Path]) -> str:
    """Hash of these files, and of all in these folders but what Python and pip leave there."""
    found = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            inside = file.relative_to(path)
            left = any(p == "__pycache__" or p.endswith(".egg-info") for p in inside.parts)
            if file.is_file() and not left:
                content = hashlib.sha256(file.read_bytes()).digest()
                found.update(str(inside).encode() + b"\0" + content)
    return found.hexdigest()


def _stage(
    project: Project,
    stage: Path,
    runs: Mapping[str, Run],
    stale: Mapping[str, Sequence[str]],
) -> Path:
    """Lay out what the builder reads; return where MathJax lies."""
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(project.root / name, stage)
    copy_folder(project.book, stage / "book")
    papers = {name: read_paper(project.book, name) for name in runs}
    for name, run in runs.items():
        page = stage / "book" / name
        page.with_suffix(".md").unlink()
        notebook = _with_banner(with_box(run, papers[name]), stale.get(name, ()))
        page.with_suffix(".ipynb").write_text(nbformat.writes(notebook), encoding="utf8")
    for page in (stage / "book").rglob("*.md"):
        text = page.read_text(encoding="utf8")
        if (full := with_modules(text, project.lib)) != text:
            page.write_text(full, encoding="utf8")
    used = functions_of(project, [project.chapter(name) for name in runs])
    users: dict[str, list[str]] = {}
    for label, names in used.items():
        for name in names:
            users.setdefault(name, []).append(label)
    (stage / STATEMENTS).write_text(json.dumps(users), encoding="utf8")
    mathjax = stage / "book" / "_static" / "mathjax"
    for part in ("tex-chtml.js", "output/chtml/fonts/woff-v2", "input/tex/extensions"):
        source, target = mathjax_folder() / part, mathjax / part
        target.parent.mkdir(parents=True, exist_ok=True)
        copy_folder(source, target) if source.is_dir() else shutil.copy(source, target)
    return mathjax_folder()


def mathjax_folder() -> Path:
    """The whole MathJax that the environment brings; pages get the parts they need."""
    files = metadata.files("sphinx-mathjax-offline") or []
    core = next(file for file in files if file.name == "tex-chtml.js")
    return Path(str(core.locate())).parent


def _with_banner(notebook: nbformat.NotebookNode, reasons: Sequence[str]) -> nbformat.NotebookNode:
    if not reasons:
        return notebook
    shown = copy.deepcopy(notebook)
    said = "; ".join(f"`{reason}`" for reason in reasons)
    banner = f"\n\n```{{warning}}\nThis page is out of date: {said}.\n```\n"
    for cell in shown.cells:
        # Below the title, which need not be the first line: a label may stand above it.
        title = re.search(r"^# .+$", cell.source, flags=re.MULTILINE)
        if cell.cell_type == "markdown" and title:
            cell.source = cell.source[: title.end()] + banner + cell.source[title.end() :]
            break
    return shown


def _complete(
    html: Path,
    project: Project,
    profile: str,
    runs: Mapping[str, Run],
    stale: Mapping[str, Sequence[str]],
) -> None:
    """Fill the pages that speak of the others, now that statements have their numbers."""
    titles = {name: project.chapter(name).title for name in runs}
    papers = {name: read_paper(project.book, name) for name in runs}
    claims = {name: run.claims for name, run in runs.items()}
    numbers, repeat = numbers_of(html, list(runs)), read_repeat(project.book)
    found = entries(project, claims, numbers)
    made = {
        LEDGER_MARK: ledger_page(runs, titles, project.parts(), numbers, repeat),
        STATUS_MARK: status_page(profile, runs, titles, stale, papers),
        THEOREMS_MARK: theorems_page(project, found, titles, places_of(html)),
    }
    for page in project.toc_pages():
        path = html / "book" / f"{page}.html"
        text = finished(path.read_text(encoding="utf8"))
        for mark, inside in made.items():
            # MathJax typesets nothing outside what the renderer knows for a formula.
            text = text.replace(mark, f'<div class="tex2jax_process">{inside}</div>')
        path.write_text(text, encoding="utf8")


def _run_builder(stage: Path, lib: Path) -> Path:
    """Run jupyter-book with warnings fatal; return the folder of the pages."""
    command = [sys.executable, "-P", "-c", _JUPYTER_BOOK, "build", str(stage)]
    given = {"PYTHONWARNINGS": "ignore", "PYTHONUTF8": "1", "PYTHONPATH": str(lib)}
    environment = {**os.environ, **given}
    environment.pop("PYTHONIOENCODING", None)
    theirs, ours = os.pipe()  # ours closes with this process, however it ends
    try:
        done = subprocess.run(
            [*command, "-W", "--keep-going", "-n", "-q"],
            stdin=theirs,
            capture_output=True,
            encoding="utf8",
            env=environment,
        )
    finally:
        os.close(theirs)
        os.close(ours)
    html = stage / "_build" / "html"
    complaints = _ANSI.sub("", done.stderr)
    if full := _FULL.search(complaints):
        raise BuildError(f"{full[0]}: the book cannot be rendered in {stage.parent}")
    warnings = [line for line in complaints.splitlines() if "WARNING:" in line or "ERROR:" in line]
    if done.returncode != 0 or warnings:
        said = "\n".join(warnings) or (complaints + done.stdout).strip()[-3000:]
        raise BuildError(
            "jupyter-book warns:\n" + said.replace(f"{stage}/", "").replace(f"{lib.parent}/", "")
        )
    return html
