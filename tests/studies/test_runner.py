"""Tests of running chapters, with real kernels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from studies.build.project import Chapter, Project
from studies.build.runner import Failure, Job, Watcher, run_jobs
from studies.build.runs import Run, dressed, prepared_notebook, read_run
from studies.page.claims import MIME
from studies.progress import describe_failure
from tests.studies import toy

PARAMETERS = "from studies.page.types import Probability\np: Probability = 0.3  # a chance"
CLAIM = """from types import SimpleNamespace
from IPython.display import display
from studies.page import claim, claims, exactly
three = SimpleNamespace(value=3, low=3, high=3, n=1)
row = claim("count", three, exactly(3), "it counts", because="it does")
display(claims("thm-x", row, kind="identity", over="x"))
"""

# What each chapter's cells do, by name.
CHAPTERS: dict[str, tuple[str, ...]] = {
    "good": (
        """import json, os, sys
from ipykernel import get_connection_file
json.dumps({"environment": dict(os.environ), "path": sys.path, "cwd": os.getcwd(), "p": p,
            "connection": get_connection_file()})""",
        "import os\nos.write(1, b'past IPython\\n')\nos.system('echo from a shell')",
        CLAIM,
    ),
    "figure": (
        """import json, warnings
import matplotlib, numpy
import matplotlib.pyplot as plt
warnings.warn("shown to nobody by default", PendingDeprecationWarning)
print(matplotlib.matplotlib_fname() == matplotlib.get_data_path() + "/matplotlibrc")
figure, axes = plt.subplots(figsize=(1, 1))
axes.set_xlabel("a word")
axes.plot([1, p]);""",
    ),
    "warning": (
        "import sys, warnings\nx = 1",
        "warnings.warn('beware')\nprint('x', file=sys.stderr)",
    ),
    "no-alt": ("from toy.picture import picture\npicture()",),
    "library": (
        "x = 0\n\ndef own(y):\n    from toy import deep\n    return deep.invert(y)\n",
        "own(x)",
    ),
    "syntax": ("x = 1\nx = = 2",),
    "import": ("x = 1\nimport toy.broken",),
    "dead-kernel": ("x = 1", "import os\nos._exit(3)"),
    "dead-worker": ("import os\nos.kill(os.getppid(), 9)\nimport time\ntime.sleep(60)",),
    "exit": ("import sys\nsys.exit()", "never = 1"),
    "twice": (CLAIM, CLAIM),
    "kept-twice": ("from studies.page import keep\nfor i in range(2):\n    keep('x', i)",),
}
MODULES = {
    "deep": "def invert(x):\n    y = 1\n    return y / x\n",
    "broken": "x = 1\ny = = 2\n",
}


def job(project: Project, name: str, target: Path | None = None) -> Job:
    chapter = project.chapter(name)
    values = {key: parameter.default for key, parameter in chapter.parameters.items()}
    target = target or project.build / "executed" / "book" / f"{name}.ipynb"
    return Job(chapter, values, {"chapter code": name}, "book", target)


def foreign_settings(home: Path) -> dict[str, str]:
    """The environment of somebody with a broken kernel, start-up code and settings of their own."""
    kernel = home / "share" / "jupyter" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(json.dumps({"argv": ["false"], "display_name": "Mine", "language": "python"}))
    ours = {"figure.dpi": 17, "axes.facecolor": "red", "font.size": 30}
    for folder in (Path.cwd(), home / ".config" / "matplotlib", home / "mpl"):
        folder.mkdir(parents=True, exist_ok=True)
        lines = [f"{key}: {value}\n" for key, value in ours.items()]
        (folder / "matplotlibrc").write_text("".join(lines))
    (Path.cwd() / "papermill.py").write_text("raise SystemExit('not the real one')")
    startup = home / "startup.py"
    startup.write_text("raise SystemExit('start-up code')")
    return {
        "JUPYTER_PATH": str(home / "share" / "jupyter"),
        "JUPYTER_DATA_DIR": str(home / "share" / "jupyter"),
        "PYTHONSTARTUP": str(startup),
        "MPLBACKEND": "nonsense",
        "COMPRESSIBILITY_DATA": "data",
        "COMPRESSIBILITY_DICE": "again",
        "OMP_NUM_THREADS": "64",
        "HOME": "/proc/nohome",
        "MPLCONFIGDIR": str(home / "mpl"),
        "MATPLOTLIBRC": str(home / "mpl"),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": "/proc/nohome",
        "PYTHONWARNINGS": "error",
        "PYTHONPATH": str(Path.cwd()),
        "PYTHONSAFEPATH": "1",
        "PYTHONOPTIMIZE": "2",
        "LC_ALL": "C",
        "TZ": "Asia/Tokyo",
    }


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The toy book with chapters that end in every way."""
    root = toy.write_toy(tmp_path_factory.mktemp("endings"))
    for name, cells in CHAPTERS.items():
        text = toy.chapter(*cells, parameters=PARAMETERS)
        if name == "figure":
            words = "{figure: {name: fig-a, caption: A line.}, image: {alt: a line}}"
            text = text.replace("ipython3\nimport", f"ipython3\n:mystnb: {words}\nimport")
        (root / "book" / f"{name}.md").write_text(text)
    for name, text in MODULES.items():
        (root / "lib" / "toy" / f"{name}.py").write_text(text)
    entries = "".join(f"  - file: book/{name}\n" for name in CHAPTERS)
    (root / "_toc.yml").write_text("format: jb-book\nroot: book/intro\nchapters:\n" + entries)
    return Project(root)


@pytest.fixture(scope="module")
def progress() -> list[tuple[str, int, int]]:
    """What the runner said while it ran: chapter, cell, number of cells."""
    return []


@pytest.fixture(scope="module")
def endings(
    project: Project,
    progress: list[tuple[str, int, int]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Run | Failure]]:
    """How each chapter ended, all run at once in somebody's own environment."""
    jobs = [job(project, name) for name in CHAPTERS]
    for stale in (project.build / "failed").glob("*"):
        stale.unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.root)
        for name, value in foreign_settings(tmp_path_factory.mktemp("home")).items():
            patch.setenv(name, value)
        watcher = Watcher()
        watcher.cell = lambda job, *cell: progress.append((job.chapter.name, *cell))
        results = run_jobs(project, jobs, workers=2, watcher=watcher)
    yield dict(zip(CHAPTERS, results, strict=True))
    assert list((project.build / "tmp").iterdir()) == []  # every scratch folder is gone


def good(endings: dict[str, Run | Failure]) -> Run:
    run = endings["good"]
    assert isinstance(run, Run), run
    return run


def test_a_good_run_is_kept(project: Project, endings: dict[str, Run | Failure]) -> None:
    """A run that differs from its file; claims' data left in the outputs."""
    run = good(endings)
    again = read_run(run.path)
    assert again is not None
    assert again.note == run.note
    assert run.path == project.build / "executed" / "book" / "good.ipynb"
    assert [claim["id"] for claim in run.claims] == ["thm-x.count"]
    outputs = [output for cell in again.notebook.cells for output in cell.get("outputs", [])]
    tables = [output.data for output in outputs if "text/html" in output.get("data", {})]
    assert [set(table) for table in tables] == [{"text/html", "text/plain", MIME}]


def test_the_page_has_the_chapters_text_and_the_runs_outputs(
    project: Project, endings: dict[str, Run | Failure]
) -> None:
    """An old text after a changed word; a table under a label for a title; data on the page."""
    path = project.book / "good.md"
    theorem = "```{prf:theorem} Sure, $x_1$ (ours)\n:class: dropdown\n:label: thm-x\nYes.\n```"
    new = path.read_text().replace("# A chapter", f"# A page\n\nNew words.\n\n{theorem}")
    run = good(endings)
    before = nbformat.writes(run.notebook)
    (project.book / "dressed.md").write_text(new)
    shown = dressed(run, Chapter.read(project.book, "dressed"))
    cells = shown.notebook.cells
    assert "New words." in cells[0].source
    assert "p: Probability = 0.3  # a chance" in cells[1].source
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    (table,) = [output.data for output in outputs if "text/html" in output.get("data", {})]
    assert set(table) == {"text/html"}
    title = r"Sure, \(x_1\) (ours)"
    assert f'<caption><a href="#thm-x">{title}</a></caption>' in table["text/html"]
    assert [claim["title"] for claim in shown.claims] == [title]
    assert nbformat.writes(run.notebook) == before


def test_code_folds_without_being_told(project: Project, endings: dict[str, Run | Failure]) -> None:
    """A page full of code; claims or an algorithm that hide; a fold that does not say of what."""
    told = (project.book / "good.md").read_text()
    for tag, start in (("show", "import os\n"), ("hide-input", "from types import Simple")):
        assert start in told
        told = told.replace(start, f":tags: [{tag}]\n{start}")
    for name, text in (("told", told), ("untold", (project.book / "good.md").read_text())):
        (project.book / f"{name}.md").write_text(text)
    said = {}
    for name in ("untold", "told"):
        shown = dressed(good(endings), Chapter.read(project.book, name)).notebook
        code = [cell.metadata for cell in shown.cells if cell.cell_type == "code"]
        assert code[0].mystnb == {
            "code_prompt_show": "Settings of this page",
            "code_prompt_hide": "Settings of this page",
        }
        assert "mystnb" not in code[1]
        said[name] = ["hide-input" in cell.tags for cell in code]
    assert said == {"untold": [True, True, True, False], "told": [True, True, False, False]}


def test_the_kernel_gets_the_books_environment(
    project: Project, endings: dict[str, Run | Failure]
) -> None:
    """Unpinned threads; a reader's own kernel, start-up code, modules, settings, home."""
    (text,) = [
        output.data["text/plain"]
        for output in good(endings).notebook.cells[2].outputs
        if output.output_type == "execute_result"
    ]
    seen = json.loads(text.strip("'"))
    environment = seen["environment"]
    scratch = Path(environment["TMPDIR"])
    assert scratch.parent == project.build / "tmp"
    assert Path(seen["connection"]).parent == scratch
    for name in ("HOME", "IPYTHONDIR", "MPLCONFIGDIR"):
        assert scratch in Path(environment[name]).parents
    given = {
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": str(project.lib),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # the kernel's own
        "COMPRESSIBILITY_DATA": str(project.root / "data"),
        "COMPRESSIBILITY_DICE": "again",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
    }
    assert given.items() <= environment.items()
    personal = ("PYTHON", "XDG_", "JUPYTER_", "MATPLOTLIB", "MPL")
    known = {*given, "MPLCONFIGDIR", "JUPYTER_PREFER_ENV_PATH"}
    assert {name for name in environment if name.startswith(personal)} <= known
    assert (seen["cwd"], seen["p"]) == (str(scratch / "work"), 0.3)
    assert str(project.root) not in seen["path"]


def test_equal_runs_whatever_surrounds_them(
    project: Project, endings: dict[str, Run | Failure], tmp_path: Path
) -> None:
    """A reader's matplotlibrc in the book's figures; a font cache's message among the results."""
    (again,) = run_jobs(project, [job(project, "figure", tmp_path / "x.ipynb")], workers=1)
    first = endings["figure"]
    assert isinstance(first, Run), describe_failure(first)
    assert first.note["machine"].endswith(", other dice (again)")  # which no page hides
    assert isinstance(again, Run), describe_failure(again)
    stream, picture = again.notebook.cells[2].outputs
    assert stream.text == "True\n"
    assert len(picture.data["image/png"]) > 1000
    for run in (first, again):
        run.notebook.metadata.pop("studies")  # dates and seconds
    assert nbformat.writes(first.notebook) == nbformat.writes(again.notebook)


def test_equal_runs_are_equal_files(project: Project, tmp_path: Path) -> None:
    """Catches ids of tables and addresses of objects, new in every run; two tables of one id."""
    cells = (
        "import pandas as pd\nobject()",
        "print(object(), 'T_abcde', hex(2**40))",
        "from IPython.display import HTML, display\nframe = pd.DataFrame({'x': [1, 2]})\n"
        "display(frame.style.highlight_max(), frame.style.highlight_min())\n"
        "display(HTML('&lt;x at 0xabc&gt; T_abcde'))\nframe.style",
    )
    (project.book / "equal.md").write_text(toy.chapter(*cells, parameters=PARAMETERS))
    entry = "  - file: book/equal\n"
    (project.root / "_toc.yml").write_text((project.root / "_toc.yml").read_text() + entry)
    jobs = [job(project, "equal", tmp_path / f"{i}.ipynb") for i in range(2)]
    texts = []
    for run in run_jobs(project, jobs, workers=2):
        assert isinstance(run, Run), describe_failure(run)
        plain = json.loads(run.path.read_text(encoding="utf8"))
        for key in ("date", "seconds", "checksum"):
            assert plain["metadata"]["studies"].pop(key)
        texts.append(json.dumps(plain))
    assert texts[0] == texts[1]
    outputs = [o for cell in json.loads(texts[0])["cells"] for o in cell.get("outputs", [])]
    assert outputs[0]["data"]["text/plain"] == ["<object at 0x…>"]
    assert outputs[1]["text"] == ["<object object at 0x…> T_abcde 0x10000000000\n"]
    ids = [f"T_{place:05d}" for place in range(3)]
    for name, output in zip(ids, [*outputs[2:4], outputs[5]], strict=True):
        html = "".join(output["data"]["text/html"])
        assert f'<table id="{name}"' in html
        assert f'id="{name}_row0_col0"' in html
        assert not [other for other in ids if other != name and other in html]
    (free,) = outputs[4]["data"]["text/html"]
    assert free == "&lt;x at 0x…&gt; T_abcde"
    for name in ids[:2]:  # with its style
        assert any(f"#{name}_row" in "".join(o["data"]["text/html"]) for o in outputs[2:4])


def test_progress_names_every_cell(
    endings: dict[str, Run | Failure], progress: list[tuple[str, int, int]]
) -> None:
    """A chapter that seems to hang, or to have other cells than it has."""
    assert endings
    assert [cell for cell in progress if cell[0] == "good"] == [("good", i, 5) for i in range(5)]


@pytest.mark.parametrize(
    ("name", "cell", "line", "error"),
    [
        ("library", 3, "own(x)", "ZeroDivisionError: division by zero"),
        ("syntax", 2, "x = = 2", "SyntaxError: invalid syntax"),
        ("import", 2, "import toy.broken", "SyntaxError: invalid syntax (broken.py, line 2)"),
        ("dead-kernel", 3, None, "the kernel died: out of memory, a crash, or os._exit"),
        ("dead-worker", 2, None, "the worker died, exit status -9"),
        ("exit", 2, None, "ends early: SystemExit"),
        ("twice", 3, None, "makes claim thm-x.count a second time"),
        ("kept-twice", 2, None, "makes result x a second time"),
        ("warning", 3, None, "writes to stderr: "),
        ("no-alt", 2, None, "shows a figure without caption and name (mystnb: figure: …)"),
    ],
)
def test_a_failure_says_where_and_what(
    project: Project,
    endings: dict[str, Run | Failure],
    name: str,
    cell: int,
    line: str | None,
    error: str,
) -> None:
    """A wrong cell or line, the line of a deeper frame, an ending that passes for a good one."""
    failure = endings[name]
    assert isinstance(failure, Failure)
    first, *rest = describe_failure(failure).splitlines()
    source = (project.book / f"{name}.md").read_text().split("\n")
    cells = failure.job.chapter.notebook.cells
    number = source.index(line or cells[cell].source.split("\n")[0]) + 1
    in_cell = f", line {cells[cell].source.split(chr(10)).index(line) + 1}" if line else ""
    if name == "twice":  # the same lines in two cells
        number = failure.job.chapter.line_of(cell)
    place = f"{name}, cell {cell}{in_cell} (book/{name}.md:{number})"
    assert first.startswith(f"{place}: {error}")
    assert failure.half_run is not None
    if name == "warning":
        assert "UserWarning: beware" in "\n".join([first, *rest])
    assert rest[-1] == f"    the notebook as far as it came: {failure.half_run}"


def test_the_traceback_ends_where_it_broke(endings: dict[str, Run | Failure]) -> None:
    """The first lines of a traceback, which seldom say what broke; colours of the terminal."""
    failure = endings["library"]
    assert isinstance(failure, Failure)
    said = "\n".join(failure.traceback)
    assert len(failure.traceback) <= 12
    assert "return y / x" in said
    assert "deep.py:3" in said
    assert failure.traceback[-1] == "ZeroDivisionError: division by zero"
    assert "\x1b" not in said


def test_half_run_notebooks_are_kept_apart(
    project: Project, endings: dict[str, Run | Failure]
) -> None:
    """A half-run notebook where the good ones are, or none to look into."""
    failed = {name for name, ending in endings.items() if isinstance(ending, Failure)}
    assert failed == set(CHAPTERS) - {"good", "figure"}
    for name in failed:
        kept = project.build / "failed" / f"{name}.ipynb"
        assert "outputs" in kept.read_text()
        assert not (project.build / "executed" / "book" / f"{name}.ipynb").exists()


def test_a_good_run_clears_the_failed_one(
    project: Project, endings: dict[str, Run | Failure], tmp_path: Path
) -> None:
    """A notebook under failed/ of a chapter that has long been mended."""
    assert isinstance(endings["exit"], Failure)
    (project.book / "exit.md").write_text(toy.chapter("1", parameters=PARAMETERS))
    (result,) = run_jobs(project, [job(project, "exit", tmp_path / "x.ipynb")], workers=1)
    assert isinstance(result, Run)
    assert not (project.build / "failed" / "exit.ipynb").exists()


def test_parallel_and_repeated_runs_are_the_same(built: Project, tmp_path: Path) -> None:
    """Random ids, dates or times in the cells; numbers that depend on what else runs."""
    # The book was built with its chapters side by side, in another process.
    jobs = [job(built, name, tmp_path / f"{name}.ipynb") for name in built.chapter_names()]
    alone = run_jobs(built, jobs, workers=1)
    for run, name in zip(alone, built.chapter_names(), strict=True):
        assert isinstance(run, Run), run
        together = built.build / "executed" / "book" / f"{name}.ipynb"
        first, second = (json.loads(path.read_text()) for path in (run.path, together))
        assert first["cells"] == second["cells"]
        assert len(first["cells"]) > 3
        notes = [notebook["metadata"].pop("studies") for notebook in (first, second)]
        assert first == second
        assert notes[0]["claims"] == notes[1]["claims"]


def test_the_produced_notebook_runs_by_itself(
    built: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notebook that only the builder can run, or that gives a reader other results."""
    notebook = nbformat.read(built.build / "executed/book/part/alpha.ipynb", as_version=4)
    assert [cell.id for cell in notebook.cells[:3]] == ["c000", "c001", "c002"]
    monkeypatch.setenv("PYTHONPATH", str(built.lib))
    again = nbformat.from_dict(json.loads(json.dumps(notebook)))
    NotebookClient(again, kernel_name="python3").execute()

    def shown(cells: Any) -> list[Any]:
        outputs = [output for cell in cells for output in cell.get("outputs", [])]
        return [output.data.get("text/html") or output.data for output in outputs]

    assert shown(again.cells) == shown(notebook.cells)


def test_the_visible_cell_shows_the_values_used(bare: Project) -> None:
    """A page that shows the defaults and the results of other values; a changed chapter."""
    chapter = bare.chapter("part/alpha")
    values = {"p": 0.5, "draws": 4, "seeds": [7, 8]}
    source = prepared_notebook(chapter, values).cells[chapter.parameters_index].source
    assert "p: Probability = 0.5  # chance that a weight is kept" in source
    assert "seeds: Seeds = [7, 8]  # seeds of the draws" in source
    assert "0.3" in chapter.parameters_source


def test_a_scratch_folder_that_cannot_be_made_is_a_failure(bare: Project) -> None:
    """A traceback where the disk is full or read-only."""
    bare.build.write_text("in the way")
    (failure,) = run_jobs(bare, [job(bare, "part/alpha")], workers=1)
    assert isinstance(failure, Failure)
    assert failure.error.startswith("NotADirectoryError: ")
