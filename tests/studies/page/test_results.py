"""Tests of kept results: what a cell hands over, what is written, what a chapter reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studies.errors import StudiesError
from studies.page import results

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
    """What `keep` hands on."""
    found: list[Any] = []
    monkeypatch.setattr(results, "display", lambda data, raw: found.append((data, raw)))
    return found


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sources of a book; the current folder is the checkout."""
    (tmp_path / "book" / "results").mkdir(parents=True)
    (tmp_path / "book" / "part").mkdir()
    (tmp_path / "_toc.yml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "book"


def put(book: Path, name: str = "toy-means", **changes: Any) -> Path:
    path = results.kept_path(book, name)
    path.write_text(json.dumps({**KEPT, **changes}))
    return path


def test_values_are_kept_as_json_gives_them_back(shown: list[Any]) -> None:
    """A tuple, array or tensor that comes back as something else than what was handed over."""
    value = {
        "list": (1, 2.5, None, True, "é"),
        "array": np.arange(3),
        "tensor": torch.eye(2),
        "scalars": [np.float32(0.5), np.int64(3), np.bool_(True)],
        "empty": {},
    }
    results.keep("a-1", value)
    plain = {
        "list": [1, 2.5, None, True, "é"],
        "array": [0, 1, 2],
        "tensor": [[1.0, 0.0], [0.0, 1.0]],
        "scalars": [0.5, 3, True],
        "empty": {},
    }
    assert shown == [({results.MIME: {"name": "a-1", "value": plain}}, True)]


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        ([1.0, float("nan")], ValueError, r"keep\('x'\)\[1\]: need a finite number, got nan"),
        ({"a": np.inf}, ValueError, r"keep\('x'\)\['a'\]: need a finite number, got inf"),
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
        results.keep("x", value)
    assert shown == []


@pytest.mark.parametrize("name", ["", "../x", "a/b", "A", "a_b", "-a", "a-", "a.json", "ä"])
def test_names_that_are_no_names(shown: list[Any], name: str) -> None:
    """A file outside the folder, or two names for one file."""
    for call in (lambda: results.keep(name, 1), lambda: results.kept(name)):
        with pytest.raises(ValueError, match="need small letters, digits, hyphens"):
            call()
    assert shown == []


def test_kept_results_are_found_from_any_folder_of_the_book(
    book: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chapter that finds its result only where the author stood; a bare "no such file"."""
    put(book)
    for folder in (book.parent, book / "part"):
        monkeypatch.chdir(folder)
        kept = results.kept("toy-means")
        assert vars(kept) == KEPT
    expected = "Computed on 2026-03-01 (profile paper, commit abc) with python 3.11.9, torch 2.13.0"
    assert kept.origin == kept._repr_markdown_() == expected + "."
    repository = Path(__file__).parents[3]
    # A notebook that a reader took elsewhere reads the library's own book.
    for folder, there in ((book, book), (tmp_path_factory.mktemp("far"), repository / "book")):
        monkeypatch.chdir(folder)
        with pytest.raises(FileNotFoundError, match="studies run CHAPTER --keep-results") as caught:
            results.kept("no-such")
        assert str(there / "results" / "no-such.json") in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[]", '{"result": 1}'])
def test_files_that_are_none_of_ours(book: Path, text: str) -> None:
    """A traceback from the JSON reader, without the file's name."""
    put(book).write_text(text)
    with pytest.raises(ValueError, match=r"toy-means\.json is no kept result: "):
        results.kept("toy-means")


def note(*, verdict: str = "holds", **kept: Any) -> dict[str, Any]:
    """What a run leaves in its notebook."""
    return {
        **{key: KEPT[key] for key in ("chapter", "parameters", "profile", "date", "commit")},
        "versions": {"torch": "2.13.0"},
        "parts": {"mnist.npz": "5a", "parameter p": "1b", "lib/toy/draw.py": "2c"},
        "claims": [{"id": "thm-x.count", "verdict": verdict}],
        "results": kept,
    }


def test_results_come_back_with_their_origin(book: Path) -> None:
    """A result that cannot be tied to the run and the data that it was computed from."""
    ((path, text),) = results.to_keep(book, note(x={"a": 1})).items()
    path.write_text(text)
    kept = vars(results.kept("x"))
    assert kept.pop("versions").keys() == {"python", "torch"}
    assert kept == {
        **{key: value for key, value in KEPT.items() if key != "versions"},
        "result": {"a": 1},
        "data": {"mnist.npz": "5a"},
    }


def test_results_that_are_not_kept(book: Path) -> None:
    """A result of a run with a failed claim; silence where nothing was kept; a file taken."""
    put(book, "x", chapter="part/beta")
    for run, said in (
        (note(verdict="fails", y=1), "no result is kept, as claims fail: thm-x.count"),
        (note(), "part/alpha keeps no result"),
        (note(a=1, x=2), r"book/results/x\.json belongs to part/beta"),
    ):
        with pytest.raises(StudiesError, match=said):
            results.to_keep(book, run)
    put(book, "x").write_text("torn")
    assert list(results.to_keep(book, note(x=2, y=3))) == [
        book / "results" / "x.json",
        book / "results" / "y.json",
    ]


def test_files_are_readable_and_stay_the_same(book: Path) -> None:
    """A line per digit; brackets inside text taken for a list; a file that does not come back."""
    value = {"b": [[1, 2.5e-300], [3, None]], "a": "[ 1,\n 2 ]", "c": [], "d": [{"e": [1]}]}
    ((path, text),) = results.to_keep(book, note(x=value)).items()
    assert '"a": "[ 1,\\n 2 ]",\n  "b": [\n   [1, 2.5e-300],\n   [3, null]\n  ],' in text
    assert list(json.loads(text)) == sorted(json.loads(text))
    turned = dict(reversed(value.items()))
    assert results.to_keep(book, note(x=turned)) == {path: text}
    path.write_text(text)
    assert results.kept("x").result == value
