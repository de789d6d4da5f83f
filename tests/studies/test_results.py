"""Tests of kept results: from a chapter's cell to book/results/ and back into a chapter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from studies import cli, results
from studies.checks.sources import check_sources
from studies.errors import StudiesError
from studies.fingerprint import differences, fingerprint
from studies.keeping import as_text, keep_results
from studies.project import Project
from studies.records import Record, executed_path, read_record
from tests.studies import toy

RECORDS = """from studies import record
record("toy-means", {"mean": p, "widths": [1, 2]})
record("toy-text", "three")
p"""
KEPT = {
    "result": [1.5],
    "chapter": "part/alpha",
    "parameters": {"p": 0.3},
    "profile": "paper",
    "versions": {"python": "3.11.9", "torch": "2.13.0"},
    "data": {},
    "date": "2026-03-01T12:00:00+00:00",
    "commit": "abc",
}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What `record` hands on."""
    found: list[Any] = []
    monkeypatch.setattr(results, "display", lambda data, raw: found.append((data, raw)))
    return found


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, list(arguments))


def recording(project: Project, cells: str = RECORDS) -> None:
    """Make the first chapter record two results."""
    parameters = "from studies.types import Probability\np: Probability = 0.3  # a chance"
    (project.book / "part" / "alpha.md").write_text(toy.chapter(cells, parameters=parameters))
    (project.book / "profiles.yml").write_text("book:\nsmoke:\n  part/alpha: {p: 0.5}\n")


def reading(project: Project, cell: str) -> None:
    """Make the second chapter read what was kept."""
    (project.book / "part" / "beta.md").write_text(toy.chapter(cell))


def put(project: Project, name: str = "toy-means", **changes: Any) -> Path:
    path = results.kept_path(project.book, name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({**KEPT, **changes}))
    return path


def test_values_are_recorded_as_json_gives_them_back(shown: list[Any]) -> None:
    """A tuple, array or tensor that comes back as something else than what was recorded."""
    value = {
        "list": (1, 2.5, None, True, "é"),
        "array": np.arange(3),
        "tensor": torch.eye(2),
        "scalars": [np.float32(0.5), np.int64(3), np.bool_(True)],
        "empty": {},
    }
    results.record("a-1", value)
    ((data, raw),) = shown
    assert raw
    assert set(data) == {results.MIME}
    assert data[results.MIME]["name"] == "a-1"
    assert data[results.MIME]["value"] == {
        "list": [1, 2.5, None, True, "é"],
        "array": [0, 1, 2],
        "tensor": [[1.0, 0.0], [0.0, 1.0]],
        "scalars": [0.5, 3, True],
        "empty": {},
    }


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        ([1.0, float("nan")], ValueError, r"record\('x'\)\[1\]: need a finite number, got nan"),
        ({"a": np.inf}, ValueError, r"record\('x'\)\['a'\]: need a finite number, got inf"),
        (torch.tensor([0.0, -torch.inf]), ValueError, r"\[1\]: need a finite number, got -inf"),
        ({64: 1}, TypeError, "need keys that are text, got 64"),
        ([{1, 2}], TypeError, r"\[0\]: need numbers, text, lists and dicts, got set"),
        (1j, TypeError, "got complex"),
        ([0.123456789] * 20_000, ValueError, "need at most 200000 bytes of JSON, got 2"),
    ],
)
def test_values_that_cannot_be_kept(
    shown: list[Any], value: Any, error: type[Exception], said: str
) -> None:
    """A file with NaN, which is no JSON; widths that come back as text; data in git."""
    with pytest.raises(error, match=said):
        results.record("x", value)
    assert shown == []


@pytest.mark.parametrize("name", ["", "../x", "a/b", "A", "a_b", "-a", "a-", "a.json", "ä"])
def test_names_that_are_no_names(shown: list[Any], name: str) -> None:
    """A file outside the folder, or two names for one file."""
    with pytest.raises(ValueError, match="need small letters, digits, hyphens"):
        results.record(name, 1)
    with pytest.raises(ValueError, match="need small letters, digits, hyphens"):
        results.kept(name)
    assert shown == []


def test_kept_results_are_found_from_any_folder_of_the_book(
    bare: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chapter that finds its result only where the author stood."""
    put(bare)
    for folder in (bare.root, bare.book / "part"):
        monkeypatch.chdir(folder)
        kept = results.kept("toy-means")
        assert vars(kept) == KEPT
    expected = "Computed on 2026-03-01 (profile paper, commit abc) with python 3.11.9, torch 2.13.0"
    assert kept.origin == expected + "."
    monkeypatch.chdir(tmp_path)  # a notebook that a reader took elsewhere: the library's own book
    with pytest.raises(FileNotFoundError) as caught:
        results.kept("toy-means")
    assert str(toy.REPOSITORY / "book" / "results" / "toy-means.json") in str(caught.value)


def test_a_result_that_is_missing_says_how_to_make_it(bare: Project) -> None:
    """A bare "no such file"."""
    with pytest.raises(FileNotFoundError) as caught:
        results.kept("toy-means")
    assert str(bare.book / "results" / "toy-means.json") in str(caught.value)
    assert "studies run CHAPTER --keep-results" in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[]", '{"result": 1}'])
def test_files_that_are_none_of_ours(bare: Project, text: str) -> None:
    """A traceback from the JSON reader, without the file's name."""
    put(bare).write_text(text)
    with pytest.raises(ValueError, match=r"toy-means\.json is no kept result: "):
        results.kept("toy-means")


@pytest.mark.kernel
def test_a_run_keeps_results_only_when_asked(bare: Project, tmp_path: Path) -> None:
    """Results written by any run, results lost on the way, an output left on the page."""
    recording(bare)
    out = tmp_path / "out"
    before = toy.tree(bare.book)
    command = ["run", "part/alpha", "--profile", "smoke", "--out", str(out)]
    assert invoke(*command).exit_code == 0
    assert toy.tree(bare.book) == before

    done = invoke(*command, "--keep-results")
    assert done.exit_code == 0, done.output
    path = bare.book / "results" / "toy-means.json"
    assert f"kept:     {path}\n" in done.stdout
    assert set(toy.tree(bare.book)) - set(before) == {
        "results/toy-means.json",
        "results/toy-text.json",
    }
    kept = results.kept("toy-means")
    assert (kept.result, kept.chapter) == ({"mean": 0.5, "widths": [1, 2]}, "part/alpha")
    assert (kept.parameters, kept.profile, kept.data) == ({"p": 0.5}, "smoke", {})
    assert {"python", "torch", "numpy"} <= set(kept.versions)
    text = path.read_text()
    assert '\n  "widths": [1, 2]\n' in text
    assert list(json.loads(text)) == sorted(json.loads(text))
    record = read_record(out / "alpha.ipynb")
    assert record is not None
    assert record.results == {"toy-means": kept.result, "toy-text": "three"}
    assert record.note["date"] == kept.date
    cell = record.notebook.cells[2]
    assert [output.data for output in cell.outputs] == [{"text/plain": "0.5"}]
    assert results.MIME not in record.path.read_text()


@pytest.mark.kernel
def test_a_chapter_shows_what_another_run_kept(bare: Project, tmp_path: Path) -> None:
    """A worker, or an --out elsewhere, from which the kept files cannot be found."""
    put(bare, result={"mean": 0.25})
    reading(bare, 'from studies import kept\nshown = kept("toy-means")\nshown.result["mean"]')
    done = invoke("run", "part/beta", "--out", str(tmp_path / "far" / "away"))
    assert done.exit_code == 0, done.output
    notebook = nbformat.read(tmp_path / "far" / "away" / "beta.ipynb", as_version=4)
    assert notebook.cells[2].outputs[0].data == {"text/plain": "0.25"}


@pytest.mark.kernel
def test_a_name_recorded_twice_breaks_the_chapter(bare: Project) -> None:
    """Two results under one name, of which the file would hold either."""
    recording(bare, "from studies import record\nfor i in range(2):\n    record('x', i)")
    done = invoke("run", "part/alpha", "--keep-results")
    assert done.exit_code == 1
    assert "result x is recorded twice" in done.stderr
    assert not (bare.book / "results").exists()


def run_of(
    project: Project, *, verdict: str = "holds", chapter: str = "part/alpha", **recorded: Any
) -> Record:
    """A record as a run leaves it."""
    note = {
        **{key: KEPT[key] for key in ("parameters", "profile", "date", "commit")},
        "chapter": chapter,
        "versions": {"torch": "2.13.0"},
        "parts": {"mnist.npz": "5a", "parameter p": "1b", "lib/toy/draw.py": "2c"},
        "claims": [{"id": "thm-x.count", "verdict": verdict}],
        "results": recorded,
    }
    return Record(executed_path(project, "book", chapter), nbformat.v4.new_notebook(), note)


def test_the_data_are_named_by_their_hashes(bare: Project) -> None:
    """A result that cannot be tied to the data that it was computed from."""
    (path,) = keep_results(bare, run_of(bare, x=1))
    assert json.loads(path.read_text())["data"] == {"mnist.npz": "5a"}


def test_results_that_are_not_kept(bare: Project) -> None:
    """A result of a run with a failed claim; silence where nothing was recorded; a file taken."""
    put(bare, "x", chapter="part/beta")
    before = toy.tree(bare.book)
    for record, said in (
        (run_of(bare, verdict="fails", y=1), "no result is kept, as claims fail: thm-x.count"),
        (run_of(bare), "part/alpha records no result"),
        (run_of(bare, a=1, x=2), r"book/results/x\.json belongs to part/beta"),
    ):
        with pytest.raises(StudiesError, match=said):
            keep_results(bare, record)
    assert toy.tree(bare.book) == before
    put(bare, "x").write_text("torn")
    assert keep_results(bare, run_of(bare, x=2)) == [bare.book / "results" / "x.json"]
    assert results.kept("x").result == 2


def test_files_are_readable_and_stay_the_same(bare: Project) -> None:
    """A line per digit; brackets inside text taken for a list; a file that does not come back."""
    value = {"b": [[1, 2.5e-300], [3, None]], "a": "[ 1,\n 2 ]", "c": [], "d": [{"e": [1]}]}
    text = as_text(value)
    assert json.loads(text) == value
    assert text.startswith('{\n "a": "[ 1,\\n 2 ]",\n "b": [\n  [1, 2.5e-300],\n  [3, null]\n ],')
    assert text == as_text(dict(reversed(value.items())))
    (path,) = keep_results(bare, run_of(bare, x=value))
    assert results.kept("x").result == value
    assert [p.name for p in path.parent.iterdir()] == ["x.json"]


def parts(project: Project) -> dict[str, str]:
    return fingerprint(project, project.chapter("part/beta"), {})


@pytest.mark.parametrize(
    "cell",
    [
        'from studies import kept\nkept("toy-means")',
        'import studies\nstudies.kept("toy-means")',
        'import studies\nif False:\n    x = [studies.results.kept("toy-means").result]',
        'def f():\n    from studies import results\n    return results.kept("toy-means")\nf()',
    ],
)
def test_a_changed_result_makes_the_page_stale(bare: Project, cell: str) -> None:
    """A page that shows yesterday's numbers, whichever way it calls for them."""
    reading(bare, cell)
    without = parts(bare)
    put(bare, "unread")
    assert parts(bare) == without
    path = put(bare)
    first = parts(bare)
    assert differences(without, first) == ["book/results/toy-means.json is new"]
    put(bare, result=[2.5])
    assert differences(first, parts(bare)) == ["book/results/toy-means.json changed"]
    path.unlink()
    assert differences(first, parts(bare)) == ["book/results/toy-means.json is gone"]


@pytest.mark.parametrize(
    ("cell", "problems"),
    [
        ('kept("toy-means")', []),
        ("kept = 3\nother.kept(name)\nkept + 1", []),
        ('name = "x"\nkept(name)', ["computes the name of a kept result; type it out"]),
        ('kept(f"toy-{p}")', ["computes the name of a kept result; type it out"]),
        ('kept(name="toy")', ["computes the name of a kept result; type it out"]),
        ("import studies\nstudies.kept(*['x'])", ["computes the name of a kept result"]),
        ("from studies import kept as old\nold('x')", ["imports kept under another name"]),
    ],
)
def test_names_are_typed_out(bare: Project, cell: str, problems: list[str]) -> None:
    """A file that the page depends on and its fingerprint does not see."""
    reading(bare, cell)
    found = [str(problem) for problem in check_sources(bare)]
    assert len(found) == len(problems)
    for one, what in zip(found, problems, strict=True):
        assert one.startswith("book/part/beta.md:")
        assert what in one
