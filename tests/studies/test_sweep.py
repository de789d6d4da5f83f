"""Sweeps: what is stored, what runs, what the table says; with the toy book."""

from __future__ import annotations

import csv
import json
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
from click.testing import CliRunner
from rich.console import Console

from studies import cli, options
from studies.build.project import Project
from studies.build.runner import Failure, Job, Watcher
from studies.build.runs import Run
from studies.sweep import history, table
from studies.sweep.grid import grid
from studies.sweep.store import Store
from studies.sweep.sweep import Keeping, Outcome, sweep
from tests.studies import toy
from tests.studies.test_book import wait_for

KEY = "ab" + 62 * "0"
P = ["p=[0.1,0.2,0.4]"]
# A chapter of two cells, whose claim fails for a large p and which waits while it is told to.
CELLS = """\
import os, random, time
from pathlib import Path
from types import SimpleNamespace
from studies.page import below, claim, claims
root = Path(os.environ["PYTHONPATH"]).parent
with (root / "pids").open("a") as pids:
    pids.write(f"{os.getpid()} {p}\\n")
while (root / f"wait-{p}").exists():
    time.sleep(0.02)
draw = random.Random(f"{p}{seeds}").random() + p
found = SimpleNamespace(value=draw, low=draw - 1e-9, high=draw, n=7, level=0.99)
row = claim("small", found, below(1), "it is <small>", because="of & that")
claims("thm-x", row, kind="prediction", over="draws")
"""
PARAMETERS = """\
from studies.page.types import Probability, Seeds
p: Probability = 0.3  # a chance
seeds: Seeds = [0, 1]  # seeds"""


@pytest.fixture
def small(bare: Project) -> Project:
    """A toy book with a chapter of two cells beside."""
    source = toy.chapter(CELLS, parameters=PARAMETERS)
    (bare.book / "small.md").write_text(source, encoding="utf8")
    toy.edit(
        bare.root / "_toc.yml",
        "      - file: book/part/beta",
        "      - file: book/part/beta\n      - file: book/small",
    )
    return bare


def run(
    project: Project, engine: Any, assignments: Sequence[str] = P, repeats: Any = (0,)
) -> list[Outcome]:
    chapter = project.chapter("part/alpha")
    points = grid(
        chapter.parameters,
        {k: v.default for k, v in chapter.parameters.items()},
        assignments,
        repeats,
    )
    watcher = Keeping(project, Store(project.build / "store"), Console(quiet=True))
    return sweep(
        project,
        [(chapter, point) for point in points],
        profile="book",
        engine=engine,
        watcher=watcher,
    )


class Pretended:
    """An engine that notes what it ran; it fails for some values of p."""

    def __init__(self, *fails: float) -> None:
        self.fails, self.ran = fails, list[float]()

    def __call__(  # noqa: D102
        self, project: Project, jobs: Sequence[Job], watcher: Watcher
    ) -> list[Run | Failure]:
        results: list[Run | Failure] = []
        for job in jobs:
            self.ran.append(job.values.get("p", 0))
            bad = job.values.get("p") in self.fails
            results.append(Failure(job, "it broke") if bad else toy.pretend_to_run(project, job))
            watcher.end(job, results[-1])
        return results


def test_a_note_comes_back_whole_or_not_at_all(tmp_path: Path) -> None:
    """Catches a flipped byte, a torn or swapped file that is taken for a result."""
    store, note = (
        Store(tmp_path / "s"),
        {"claims": [{"id": "ä.b", "value": 0.1 + 0.2}], "seconds": 1},
    )
    assert store.get(KEY) is None
    store.put(KEY, note)
    assert store.get(KEY) == note
    whole = store.path(KEY).read_bytes()
    for place in range(0, len(whole), 3):
        torn = bytearray(whole)
        torn[place] ^= 1
        store.path(KEY).write_bytes(torn)
        assert store.get(KEY) in (None, note)  # a letter of the hash in the other case is no flip
        assert store.get(KEY) is None or json.loads(torn) == json.loads(whole)
    for text in ("", "[]", "{}", "null", whole[:-5].decode()):
        store.path(KEY).write_text(text, encoding="utf8")
        assert store.get(KEY) is None
    other = KEY.replace("b", "c")
    store.path(other).parent.mkdir(exist_ok=True)
    store.path(other).write_bytes(whole)
    assert store.get(other) is None
    store.put(KEY, note)
    assert store.get(KEY) == note


def test_what_is_stored_does_not_run_again(bare: Project) -> None:
    """Catches a lookup by less than all that a run depends on, or by more, and lost order."""
    engine = Pretended()
    first = run(bare, engine)
    assert engine.ran == [0.1, 0.2, 0.4]
    again = run(bare, engine, ["p=[0.4,0.3,0.1]"])
    assert engine.ran == [0.1, 0.2, 0.4, 0.3]
    assert [outcome.point.setting["p"] for outcome in again] == [0.4, 0.3, 0.1]
    assert isinstance(again[0].result, Run)
    assert isinstance(first[2].result, Run)
    assert again[0].result.note == first[2].result.note
    assert list((bare.build / "tmp").iterdir()) == []  # no notebooks left
    stored = next((bare.build / "store").rglob("*.json"))
    stored.write_bytes(stored.read_bytes().replace(b"decay", b"decoy"))
    run(bare, engine, ["p=[0.1,0.2,0.3,0.4]"])
    assert len(engine.ran) == 5  # the changed one alone
    toy.edit(bare.lib / "toy" / "unit.py", "ONE = 1", "ONE = 2")  # alpha does not import it
    run(bare, engine)
    assert len(engine.ran) == 5
    toy.edit(bare.lib / "toy" / "draw.py", "p + random", "2 * p + random")
    run(bare, engine)
    assert len(engine.ran) == 8


def test_equal_points_are_one_run_and_a_failure_is_alone(bare: Project) -> None:
    """Catches work done twice, a failure that is stored, and one that hides the others."""
    engine = Pretended(0.2)
    chosen = [*P, "draws=4"]  # as the default has it
    outcomes = run(bare, engine, chosen)
    assert [type(outcome.result) for outcome in outcomes] == [Run, Failure, Run]
    mended = Pretended()
    outcomes = run(bare, mended, chosen)
    assert mended.ran == [0.2]
    assert all(isinstance(outcome.result, Run) for outcome in outcomes)


def test_the_table_says_what_was_found(bare: Project) -> None:
    """Catches a verdict in another's column, a repeat lost, a failed run unsaid, text as HTML."""
    outcomes = run(bare, Pretended(0.4), repeats=range(2))
    for outcome, verdict in zip(
        outcomes, ("holds", "fails", "undecided", "undecided"), strict=False
    ):
        assert isinstance(outcome.result, Run)
        outcome.result.note["claims"][0] |= {"verdict": verdict, "says": "a < b & c"}
    page = table.write(bare.root / "out", outcomes, "Toys & <more>")
    frame = table.rows(outcomes)
    assert frame[["setting", "repeat", "verdict"]].values.tolist() == [
        ["p=0.1", 0, "holds"],
        ["p=0.1", 1, "fails"],
        ["p=0.2", 0, "undecided"],
        ["p=0.2", 1, "undecided"],
    ]
    said = json.loads((bare.root / "out/table.json").read_text(encoding="utf8"))
    assert [row["verdict"] for row in said["claims"]] == frame.verdict.tolist()
    assert said["flips"] == ["part/alpha, thm-toy.decay at p=0.1: holds 1 times, fails 1"]
    assert [run["repeat"] for run in said["failed"]] == [0, 1]
    assert (
        said["failed"][1]["again"] == "studies run part/alpha -p 'p=0.4' -p 'seeds=[100,101,102]'"
    )
    with (bare.root / "out/table.csv").open(encoding="utf8") as file:
        assert [row["verdict"] for row in csv.DictReader(file)] == frame.verdict.tolist()
    text = page.read_text(encoding="utf8")
    assert "Toys &amp; &lt;more&gt;" in text
    assert "a &lt; b &amp; c" in text
    assert "4 runs. Of their claims 1 hold (✓), 1 fail (✗), 2 are undecided (?)" in text
    cells = re.search(r"<small>.*?</tr>", text, flags=re.DOTALL)
    assert cells
    assert re.findall(r"([✓✗?]) 1<", cells[0]) == ["✓", "✗", "?", "?"]
    drawn = re.search(r"<svg.*</svg>", text, flags=re.DOTALL)
    assert drawn
    # One square for both repeats, of the mean's color: half of them hold, half fail.
    assert {">✓✗<", ">?<"} <= set(re.findall(r">[✓✗?]+<", drawn[0]))
    assert table.failing(frame)[0].startswith(
        "fails: part/alpha, thm-toy.decay at p=0.1 (repeat 1)"
    )
    assert table.counted(frame) == "1 holds, 1 fails, 2 undecided"


def test_a_table_without_runs_is_a_page(bare: Project) -> None:
    """Catches a sweep whose every run failed and that ends in a traceback."""
    outcomes = run(bare, Pretended(0.1, 0.2, 0.4))
    page = table.write(bare.root / "out", outcomes, "None").read_text(encoding="utf8")
    assert page.count("it broke") == 3
    assert table.flips(table.rows(outcomes)) == table.failing(table.rows(outcomes)) == []


def test_a_history_names_what_changed(bare: Project) -> None:
    """Catches a change unsaid, one that is none, a torn line that ends the history."""
    frame, path = table.rows(run(bare, Pretended())), bare.root / "past" / "verdicts.jsonl"
    assert history.append(path, frame, "c0") == []
    assert history.append(path, frame, "c1") == []
    with path.open("a", encoding="utf8") as file:
        file.write('{"date": "2026-\n')
    frame.loc[1, "verdict"] = "fails"
    assert history.append(path, frame, "c2") == [
        "part/alpha: thm-toy.decay at p=0.2: holds before, fails now"
    ]
    lines = path.read_text(encoding="utf8").splitlines()
    assert [json.loads(line)["commit"] for line in (*lines[:2], lines[3])] == ["c0", "c1", "c2"]
    assert lines[2] == '{"date": "2026-'
    # What did not run in between is compared with when it did; of repeats, each counts.
    assert history.append(path, frame[:1], "c3") == []
    frame.loc[1, "verdict"] = "holds"
    assert history.append(path, frame, "c4") == [
        "part/alpha: thm-toy.decay at p=0.2: fails before, holds now"
    ]
    twice = pd.concat([frame, frame.assign(repeat=1)])
    history.append(path, twice, "c5")
    twice.iloc[4, twice.columns.get_loc("verdict")] = "undecided"
    assert history.append(path, twice, "c6") == [
        "part/alpha: thm-toy.decay at p=0.2: holds, holds before, holds, undecided now"
    ]


def test_claims_that_only_some_settings_make(bare: Project) -> None:
    """Catches a column that is dropped, digits lost in JSON or CSV, settings in another order."""
    outcomes = run(bare, Pretended(), ["p=[0.4,0.1,0.2]"])
    for outcome, value in zip(outcomes, (1.23456e-14, 0.1 + 0.2, 1234.5), strict=True):
        assert isinstance(outcome.result, Run)
        made = outcome.result.note["claims"]
        made[0] |= {"value": value, "low": None}
        if value != 1.23456e-14:
            made.insert(0, {**made[0], "id": "thm-toy.other", "verdict": "undecided"})
    page = table.write(bare.root / "out", outcomes, "Some").read_text(encoding="utf8")
    said = json.loads((bare.root / "out/table.json").read_text(encoding="utf8"))
    with (bare.root / "out/table.csv").open(encoding="utf8") as file:
        kept = [float(row["value"]) for row in csv.DictReader(file)]
    assert [row["value"] for row in said["claims"]] == kept
    assert kept == [1.23456e-14, 0.1 + 0.2, 0.1 + 0.2, 1234.5, 1234.5]
    assert said["claims"][0]["low"] is None
    assert [run["parameters"]["p"] for run in said["runs"]] == [0.4, 0.1, 0.2]
    heads = re.findall(r'<th scope="col">(.*?)</th>', page)
    assert heads == ["claim", "p=0.4", "p=0.1", "p=0.2"]
    other = re.search(r"thm-toy.other<small>.*?</tr>", page, flags=re.DOTALL)
    assert other
    cells = re.findall(r"<td>(.*?)</td>", other[0])
    assert [re.sub("<.*?>", "", cell) for cell in cells] == ["", "? 0.3", "? 1\u202f230"]
    assert page.index("p=0.4</text>") < page.index("p=0.1</text>") < page.index("p=0.2</text>")
    assert table.flips(table.rows(outcomes)) == []


def test_undecided_beside_holds_is_no_flip_and_has_its_color(bare: Project) -> None:
    """Catches colors the wrong way round, the best repeat for the mean, too many flips."""
    outcomes = run(bare, Pretended(), repeats=range(2))
    pairs = ("holds", "holds", "fails", "fails", "holds", "undecided")
    for outcome, verdict in zip(outcomes, pairs, strict=True):
        assert isinstance(outcome.result, Run)
        outcome.result.note["claims"][0]["verdict"] = verdict
    frame = table.rows(outcomes)
    assert table.flips(frame) == []
    drawn = re.search(r'<g id="QuadMesh_1">.*?</g>', table.picture(frame), flags=re.DOTALL)
    assert drawn
    colors = re.findall(r"fill: (#\w+)", drawn[0])
    assert colors[:2] == [table.COLORS[2], table.COLORS[0]]
    assert colors[2] not in table.COLORS


def test_a_run_of_changing_code_is_not_kept(bare: Project) -> None:
    """Catches a result stored under code that it did not run with, and a store that is full."""
    draw = bare.lib / "toy" / "draw.py"

    class Editing(Pretended):
        def __call__(self, *given: Any) -> list[Run | Failure]:
            toy.edit(draw, "p + random", "2 * p + random")
            return super().__call__(*given)

    outcomes = run(bare, Editing())
    for outcome in outcomes:
        assert isinstance(outcome.result, Failure)
        assert outcome.result.error == "not kept: lib/toy/draw.py changed"
    assert not list((bare.build / "store").rglob("*.json"))
    assert all(isinstance(outcome.result, Run) for outcome in run(bare, Pretended()))
    shutil.rmtree(bare.build / "store")
    toy.edit(draw, "2 * p + random", "p + random")

    class Full(Pretended):
        def __call__(self, project: Project, jobs: Any, watcher: Any) -> list[Run | Failure]:
            for job in jobs:  # where the note's folder would be is a file
                (project.build / "store" / job.target.stem[:2]).touch()
            return super().__call__(project, jobs, watcher)

    for outcome in run(bare, Full()):
        assert isinstance(outcome.result, Failure)
        assert re.match("not kept: (FileExists|NotADirectory)Error", outcome.result.error)
    shutil.rmtree(bare.build / "store")
    (bare.build / "store").touch()
    with pytest.raises(FileExistsError):
        run(bare, Pretended())


def start(project: Project, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        toy.command("sweep", "small", *arguments),
        cwd=project.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def stored(project: Project) -> dict[str, dict[str, Any]]:
    folder = project.build / "store"
    files = {path.stem: json.loads(path.read_text()) for path in folder.rglob("*.json")}
    return {key: body["note"] for key, body in files.items()}


def runs_of(project: Project) -> list[str]:
    return sorted(line.split()[1] for line in (project.root / "pids").read_text().splitlines())


@pytest.mark.kernel
def test_an_interrupted_sweep_goes_on_where_it_was(small: Project) -> None:
    """Catches a kernel that runs on, a finished run that is lost or done again, a partial table."""
    (small.root / "wait-0.2").touch()
    one = start(small, "-p", "p=[0.1,0.2,0.9999]", "--jobs", "1")
    wait_for(lambda: len(stored(small)) == 1 and "0.2" in runs_of(small))
    one.send_signal(signal.SIGINT)
    said, complaints = one.communicate(timeout=60)
    assert (one.returncode, said) == (130, "")
    assert complaints == "studies: interrupted; earlier results are untouched\n"
    pids = [int(line.split()[0]) for line in (small.root / "pids").read_text().splitlines()]
    wait_for(lambda: not any(map(psutil.pid_exists, pids)))
    assert list((small.build / "tmp").iterdir()) == []
    (small.root / "wait-0.2").unlink()
    before = stored(small)
    # Two at once, over the same store.
    both = [start(small, "-p", "p=[0.1,0.2,0.9999]", "--out", f"out{i}") for i in range(2)]
    ends = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [1, 1], ends  # a claim fails at 0.9999
    assert [complaints for _, complaints in ends] == ["", ""]
    after = stored(small)
    assert len(after) == 3
    assert {key: after[key] for key in before} == before
    assert runs_of(small).count("0.1") == 1
    tables = [json.loads((small.root / f"out{i}/table.json").read_text()) for i in range(2)]
    assert tables[0]["claims"] == tables[1]["claims"]
    assert [(row["setting"], row["verdict"]) for row in tables[0]["claims"]] == [
        ("p=0.1", "holds"),
        ("p=0.2", "holds"),
        ("p=0.9999", "fails"),
    ]
    assert "fails: small, thm-x.small at p=0.9999: it is <small>, predicted below 1" in ends[0][0]
    assert "3 runs; 2 holds, 1 fails, 0 undecided\nthe table: " in ends[0][0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["part/alpha", "-p", "p=[0.1,2]"], "p = 2 is refused"),
        (["part/beta", "--seeds", "0:2"], "no seeds to repeat it with"),
        (["part/alpha", "--seeds", "3:3"], "need A:B with whole numbers A < B"),
        (["part/alpha", "-p", "p=[0.1]", "--random", "3"], "need no -p with it"),
        (["part/gamma"], "no chapter part/gamma"),
        (["*", "-p", "draws=[2,3]"], "draws is no parameter"),
        (["part/alpha", "--out", "_toc.yml/x"], "cannot be written: Not a directory"),
        (["part/alpha", "--history", "_toc.yml/x"], "cannot be written: Not a directory"),
        (["part/alpha", "--scheduler", "tls://a:1", "--jobs", "2"], "--jobs is for this machine"),
        (["part/alpha", "--scheduler", "tcp://10.0.0.1:1"], "without TLS whoever reaches"),
    ],
)
def test_the_command_refuses_before_it_runs(bare: Project, arguments: list[str], says: str) -> None:
    """Catches a sweep that begins although a part of it cannot run."""
    done = CliRunner().invoke(cli.main, ["sweep", *arguments])
    assert done.exit_code in (1, 2)
    assert says in done.stderr
    assert not (bare.build / "store").exists()


def test_many_chapters_and_what_is_kept(bare: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches repeats of a chapter without seeds, a chapter left out, an exit that hides a fall."""
    engine = Pretended()
    monkeypatch.setattr(options, "on_this_machine", lambda _: engine)
    done = CliRunner().invoke(cli.main, ["sweep", "*", "--seeds", "0:3", "--keep-results"])
    assert (done.exit_code, done.stderr) == (0, "")
    assert len(engine.ran) == 4  # alpha three times, beta once
    assert done.stdout.startswith("4 runs; 4 holds, 0 fails, 0 undecided\nthe table: ")
    kept = json.loads((bare.book / "results/where-it-holds.json").read_text())
    assert [
        (e["chapter"], e["label"], e["verdicts"]["holds"]) for e in kept["result"]["statements"]
    ] == [
        ("part/alpha", "thm-toy", 3),
        ("part/beta", "thm-toy", 1),
    ]
    assert kept["result"]["settings"] == {"part/alpha": 3, "part/beta": 1}
