"""Tests of the command line."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from studies import cli
from studies.build import book
from studies.build.project import Project
from studies.build.runs import executed_path, read_run
from studies.page.results import MIME
from tests.studies import toy


def invoke(*arguments: str) -> Result:
    """Run the command line in this process, in the current folder."""
    return CliRunner().invoke(cli.main, list(arguments))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["part/alpha", "-p", "p=1.5"],
            "p = 1.5 is refused: need a number with 0 < p < 1, from 0.000001 to 0.999999 (chance",
        ),
        (
            ["part/alpha", "-p", "draws=21", "-p", "seeds=[5, 6]"],
            "draws = 21, seeds = [5, 6] are refused: need at most ten draws a seed (draws <= 10",
        ),
        (
            ["part/alpha", "-p", "nosuch=1"],
            "nosuch is no parameter of this chapter; its parameters are: p, draws, seeds",
        ),
        (["part/alpha", "-p", "p=0.1", "-p", "p=0.2"], "'p' is set twice: need one value for"),
        (["part/alpha", "-p", "p=0.5 seeds=[5, 5]"], "seeds = [5, 5] is refused: need a list"),
        (["part/alpha", "-p", "5]"], "'5]' is refused: need name=value, such as p=0.5; quote a"),
        (["part/alpha", "-p", "draws=" + "9" * 4000], f"draws = {'9' * 30}… (4,000 characters) is"),
        (["part/alpha", "-p", "draws=" + "9" * 5000], f"draws = '{'9' * 29}… (5,002 characters) "),
        (["part/alpha", "-p", "draws=0x" + "f" * 9999], "draws = a number of thousands of digits"),
        (["part/alpha", "-p", "p=" + "x y " * 9999], "p = 'x y x y"),
        (["part/alpha", "-p", "x" * 9999 + "=1"], "x" * 60 + "… is no parameter of this chapter"),
        (["y" * 9999], "no chapter " + "y" * 60 + "…"),
        (["part/alpha", "-p", "p"], "'p' is refused: need name=value, such as p=0.5"),
        (
            ["part/gamma"],
            "no chapter part/gamma (did you mean part/alpha?); "
            "the chapters are: part/alpha, part/beta",
        ),
        (
            ["part/alpha", "--profile", "huge"],
            "no profile huge; the profiles are: smoke, book, paper",
        ),
    ],
)
def test_run_refuses_and_writes_nothing(bare: Project, arguments: list[str], said: str) -> None:
    """A kernel started, or a file left, for a value that cannot be; a traceback for an answer."""
    before = toy.tree(bare.root)
    result = invoke("run", *arguments)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"studies: {said}")
    assert result.stderr.count("\n") == 1
    assert len(result.stderr) < 500
    assert toy.tree(bare.root) == before
    assert not bare.build.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", ""], "need a folder, got ''"),
        (["--out", "_toc.yml"], "is a file"),
        (["--out", "_toc.yml/x"], "_toc.yml/x/alpha.ipynb cannot be written: Not a directory"),
        (["--out", "x" * 300], "/alpha.ipynb cannot be written: File name too long"),
        (["--out", "/proc/x"], "/proc/x/alpha.ipynb cannot be written: No such file or directory"),
        (["--out", "taken"], "/alpha.claims.json cannot be written: a folder is in the way"),
        (["--keep-results"], "book/results/kept.json cannot be written: Not a directory"),
    ],
)
def test_places_are_tried_before_the_run(bare: Project, arguments: list[str], said: str) -> None:
    """Catches an hour of work that cannot be written down; files all over the current folder."""
    (bare.root / "taken" / "alpha.claims.json").mkdir(parents=True)
    (bare.book / "results").write_text("in the way")
    before = toy.tree(bare.root)
    result = invoke("run", "part/alpha", *arguments)
    assert result.exit_code in (1, 2)
    assert said in result.stderr.splitlines()[-1]
    assert toy.tree(bare.root) == before
    assert not bare.build.exists()


@pytest.mark.kernel
def test_run_says_where_things_are(
    written: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values that do not reach the page, results in the book's own place, a lost result."""
    before = toy.tree(written.build)
    out = tmp_path / "out"
    monkeypatch.chdir(written.book / "part")
    seeds = "seeds=[3, 4]"
    given = ["-p", f"p=1e-1 {seeds}", "-p", "draws = 4"]
    result = invoke("run", "part/alpha", *given, "--out", str(out))
    assert result.exit_code == 0, result.output
    assert "part/alpha: executed in" in result.stdout
    assert "    holds  thm-toy.decay  Δ falls, a < b & c" in result.stdout
    notebook, claims = out / "alpha.ipynb", out / "alpha.claims.json"
    assert f"notebook: {notebook}\nclaims:   {claims}\n" in result.stdout
    cells = json.loads(notebook.read_text())["cells"]
    shown = "".join(cells[1]["source"])
    assert "p: Probability = 0.1  # chance that a weight is kept" in shown
    assert "seeds: Seeds = [3, 4]  # seeds of the draws" in shown
    (claim,) = json.loads(claims.read_text())
    assert claim["n"] == 8
    assert {path.name for path in out.iterdir()} == {"alpha.ipynb", "alpha.claims.json"}
    after = toy.tree(written.build)
    assert {k: v for k, v in after.items() if not k.startswith("matplotlib-")} == before


@pytest.mark.kernel
def test_run_fails_with_its_chapter(bare: Project) -> None:
    """A failed run, or a failed claim, that looks like a success; results of half a run."""
    toy.edit(bare.lib / "toy" / "unit.py", "ONE = 1", "ONE = 2")
    failing = invoke("run", "part/beta")
    assert failing.exit_code == 1
    assert "    fails  prop-count.three" in failing.stdout
    runs = bare.build / "runs" / "part" / "beta"
    assert len(list(runs.glob("*/beta.ipynb"))) == len(list(runs.glob("*/*.claims.json"))) == 1
    toy.edit(bare.lib / "toy" / "unit.py", "ONE = 2", "ONE = [][0]")
    broken = invoke("run", "part/beta", "-p", "share=0.25")
    assert broken.exit_code == 1
    assert broken.stderr.startswith("part/beta, cell 3, line 7 (book/part/beta.md:")
    assert "IndexError: list index out of range" in broken.stderr
    assert "notebook: " not in broken.stdout
    assert len(list(runs.iterdir())) == 1


@pytest.mark.kernel
def test_a_run_keeps_results_only_when_asked(bare: Project, tmp_path: Path) -> None:
    """Results written by any run or lost on the way, an output on the page, no way back."""
    cell = """from studies.page import keep
keep("toy-means", {"mean": p, "widths": [1, 2]})
keep("toy-text", "three")
p"""
    parameters = "from studies.page.types import Probability\np: Probability = 0.3  # a chance"
    (bare.book / "part" / "alpha.md").write_text(toy.chapter(cell, parameters=parameters))
    reading = 'from studies.page import kept\nkept("toy-means").result["mean"]'
    (bare.book / "part" / "beta.md").write_text(toy.chapter(reading))
    (bare.book / "profiles.yml").write_text("book:\npaper:\n  part/alpha: {p: 0.5}\n")
    out = tmp_path / "far" / "away"
    before = toy.tree(bare.book)
    command = ["run", "part/alpha", "--profile", "paper", "--out", str(out)]
    assert invoke(*command).exit_code == 0
    assert toy.tree(bare.book) == before

    done = invoke(*command, "--keep-results")
    assert done.exit_code == 0, done.output
    path = bare.book / "results" / "toy-means.json"
    assert f"kept:     {path}\n" in done.stdout
    new = set(toy.tree(bare.book)) - set(before)
    claims = "results/paper-part-alpha.json"  # of a run in `paper`, beside what it keeps itself
    assert new == {"results/toy-means.json", "results/toy-text.json", claims}
    assert json.loads((bare.book / claims).read_text())["result"]["claims"] == []
    file = json.loads(path.read_text())
    assert file["result"] == {"mean": 0.5, "widths": [1, 2]}
    assert (file["chapter"], file["parameters"]) == ("part/alpha", {"p": 0.5})
    run = read_run(out / "alpha.ipynb")
    assert run is not None
    assert run.results == {"toy-means": file["result"], "toy-text": "three"}
    assert run.note["date"] == file["date"]
    assert [output.data for output in run.notebook.cells[2].outputs] == [{"text/plain": "0.5"}]
    assert MIME not in run.path.read_text()
    # Another chapter finds it, wherever its own notebook goes.
    assert invoke("run", "part/beta", "--out", str(out)).exit_code == 0
    shown = read_run(out / "beta.ipynb")
    assert shown is not None
    assert shown.notebook.cells[2].outputs[0].data == {"text/plain": "0.5"}


def test_help_of_a_chapter_lists_its_parameters(bare: Project) -> None:
    """A reader who has to open the source to learn what can be changed."""
    for arguments in (["--help", "part/alpha"], ["part/alpha", "--help"]):
        result = invoke("run", *arguments)
        assert result.exit_code == 0
        said = " ".join(result.stdout.split())
        assert "part/alpha: The first chapter" in said
        for word in ("p: Probability = 0.3", "draws: PositiveInt = 4", "seeds: Seeds = [0, 1, 2]"):
            assert word in said
        assert "need at most ten draws a seed (draws <= 10 * len(seeds))" in said
        for word in ("chance", "kept", "0 < p < 1", "draws – per seed", "draws ≥ 1"):
            assert word in said
    assert not bare.build.exists()


def test_run_without_a_chapter_explains_itself(bare: Project) -> None:
    """A crash, or success, where nothing was asked."""
    assert invoke("run").exit_code == 2
    result = invoke("run", "--help")
    assert result.exit_code == 0
    assert "--parameter NAME=VALUE" in result.stdout
    assert bare.root.is_dir()


def test_list(bare: Project) -> None:
    """Chapters that cannot be found; brackets in a title eaten as markup."""
    toy.edit(bare.book / "part" / "beta.md", "# The second", "# The [bold] second")
    result = invoke("list")
    assert result.exit_code == 0
    assert result.stdout == (
        "part/alpha  The first chapter\n    parameters: p, draws, seeds\n"
        "part/beta  The [bold] second chapter\n    parameters: share\n"
    )


def test_status(written: Project) -> None:
    """A stale chapter called fresh; a reason, a duration or claims left out."""
    result = invoke("status")
    assert result.exit_code == 0
    assert result.stdout.count(": fresh\n    last run 2") == 2
    assert result.stdout.count(" s, 1 claim (1 holds)\n") == 2
    toy.edit(written.root / "requirements.lock", "2", "3")
    executed_path(written, "book", "part/beta").unlink()
    lines = invoke("status").stdout.splitlines()
    assert lines[0] == "part/alpha: stale: package ipykernel changed"
    assert lines[1].startswith("    last run ")
    assert lines[2:] == ["part/beta: stale: no whole run yet"]
    assert "no whole run yet" in invoke("status", "--profile", "smoke").stdout


def test_many_reasons_are_cut_short(written: Project) -> None:
    """A screenful of module names."""
    for name in ("draw", "estimate", "picture", "__init__"):
        path = written.lib / "toy" / f"{name}.py"
        path.write_text(path.read_text() + "\nAGAIN = 1\n")
    toy.edit(written.root / "requirements.lock", "2", "3")
    assert "part/alpha: stale: " in (line := invoke("status").stdout.splitlines()[0])
    assert line.endswith("; and 1 more")


@pytest.fixture
def rendered(written: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the book be rendered in name only: its first page."""
    index = written.build / "html" / "index.html"
    monkeypatch.setattr(book, "render", lambda *_: index)
    return index


def test_a_fresh_book_executes_nothing(rendered: Path) -> None:
    """Hours spent again; a book that is not rendered because nothing had to run."""
    result = invoke("book")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"profile book: 0 stale, 2 fresh\nthe book: {rendered}\n"
    assert result.stderr == ""


@pytest.mark.kernel
@pytest.mark.usefixtures("rendered")
def test_book_with_stale_pages_says_so(written: Project) -> None:
    """A book out of date without a word on the terminal, or taken for a failure."""
    toy.edit(written.root / "requirements.lock", "2", "3")
    result = invoke("book", "--only", "part/beta", "--jobs", "2")
    assert result.exit_code == 0, result.output
    assert "profile book: 1 stale, 0 fresh\n  part/beta: package ipykernel changed" in result.stdout
    assert result.stderr == "part/alpha is shown out of date: package ipykernel changed\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--profile", "huge"], "studies: no profile huge; the profiles are: smoke, book, paper"),
        (["--only", "nosuch*"], "studies: no chapter matches 'nosuch*'; the chapters are: part/al"),
        (["--jobs", "0"], "Usage:"),
    ],
)
def test_book_refuses(written: Project, arguments: list[str], said: str) -> None:
    """A traceback, or a build of something else, for a typo."""
    before = toy.tree(written.build)
    result = invoke("book", *arguments)
    assert result.exit_code in (1, 2)
    assert result.stderr.startswith(said)
    assert toy.tree(written.build) == before


def test_outside_a_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A traceback in the wrong folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("list", "status", "book"):
        result = invoke(name)
        assert result.exit_code == 1
        assert result.stderr == (
            "studies: no book here: need a folder with _toc.yml and book/, "
            f"at or above {tmp_path}\n"
        )


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (OSError(28, "No space left"), 1, "studies: OSError: [Errno 28] No space left\n"),
        (KeyboardInterrupt(), 130, "studies: interrupted; earlier results are untouched\n"),
    ],
)
def test_disk_and_keyboard(
    bare: Project, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, said: str
) -> None:
    """A traceback for a full disk or for Ctrl-C."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(cli, "build", fail)
    result = invoke("book")
    assert (result.exit_code, result.stderr) == (code, said)
    assert bare.root.is_dir()


@pytest.mark.kernel
def test_any_locale(bare: Project) -> None:
    """Catches a good run that ends with a traceback, or other files, where the locale is poor."""
    toy.edit(bare.book / "intro.md", "A toy book", "A töy book – with Δ")
    toy.edit(bare.book / "part" / "beta.md", "# The second", "# The sécond Δ")
    poor = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment = {k: v for k, v in os.environ.items() if k not in ("LANG", "LC_CTYPE")} | poor
    for encoding in ("latin-1", "ascii", None):
        given = {"PYTHONIOENCODING": encoding} if encoding else {}
        for arguments in (["book"], ["run", "part/alpha"], ["list"], ["run", "nö-such"]):
            if arguments == ["book"] and encoding:
                continue
            done = subprocess.run(
                toy.command(*arguments), cwd=bare.root, env=environment | given, capture_output=True
            )
            said = (done.stdout + done.stderr).decode(encoding or "utf8", errors="replace")
            assert "Traceback" not in said
            assert (done.returncode == 0) == (arguments != ["run", "nö-such"]), said
    page = (bare.build / "html" / "book" / "intro.html").read_text(encoding="utf8")
    assert "A töy book – with Δ" in page


def test_a_reader_that_has_seen_enough(bare: Project) -> None:
    """Catches an error about a broken pipe, for `studies list | head -1`."""
    for place in range(60):  # more than a pipe holds
        text = toy.chapter(title="A long title " + "x" * 2000)
        (bare.book / f"more{place}.md").write_text(text, encoding="utf8")
    pages = "".join(f"      - file: book/more{place}\n" for place in range(60))
    toy.edit(bare.root / "_toc.yml", "      - file: book/part/beta\n", pages)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(toy.command("list"), cwd=bare.root, **pipes) as reader:
        assert reader.stdout is not None
        assert reader.stderr is not None
        reader.stdout.readline()
        reader.stdout.close()
        assert reader.stderr.read() == b""
    assert reader.returncode == 1


def test_version() -> None:
    """A command that belongs to no version."""
    assert "version" in invoke("--version").stdout
