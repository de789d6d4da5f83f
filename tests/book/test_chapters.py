"""Each chapter: its skeleton, and runs with other parameters."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from studies.project import Project
from tests.book.conftest import ROOT, STUDIES, run

CHAPTERS = Project(ROOT).chapter_names()
# Smaller than the smoke profile: what it takes to run every cell once.
QUICK = {
    "wide-networks/greedy-compression": {
        "draws": "40",
        "samples": "60",
        "training_samples": "300",
        "epochs": "2",
        "seeds": "[3,8]",
        "shares": "[0.5]",
    },
    "wide-networks/pruning": {
        "widths": "[16,40]",
        "hidden": "12",
        "draws": "2",
        "rescorings": "2",
        "samples": "50",
        "small": "8",
        "epochs": "2",
        "seeds": "[3,8]",
    },
    "wide-networks/quantization": {
        "widths": "[16,24]",
        "width": "16",
        "hidden": "12",
        "grids": "[1,8]",
        "draws": "2",
        "throws": "20",
        "samples": "60",
        "rescorings": "2",
        "epochs": "2",
        "seeds": "[3,8]",
    },
    "wide-networks/neurons": {
        "regression_widths": "[30,60]",
        "classification_widths": "[24,30]",
        "hidden": "5",
        "draws": "4",
        "samples": "60",
        "training_samples": "300",
        "epochs": "2",
        "seeds": "[3,8]",
    },
    "wide-networks/filters": {
        "widths": "[5,9]",
        "maps": "3",
        "draws": "3",
        "throws": "500",
        "samples": "50",
        "training_samples": "300",
        "epochs": "2",
        "seeds": "[3,8]",
    },
    "wide-networks/how-wide": {
        "widths": "[12,20]",
        "hidden": "8",
        "draws": "2",
        "grid": "3",
        "epochs": "2",
        "seeds": "[3,8]",
    },
    "together/errata": {
        "log2_size": "4",
        "widths": "[8]",
        "draws": "200",
        "small_layers": "4",
    },
}
# Combinations that the defaults never meet: a tall matrix, a linear network, one hidden layer, …
OTHERS = [
    ("wide-networks/greedy-compression", other)
    for other in (
        {"p": "0.5", "widths": "[64,128]", "activation": "tanh"},
        {"widths": "[20]", "activation": "identity", "fraction": "0.29", "levels": "1"},
        {"dataset": "california_housing", "widths": "[16,12]", "p": "0.8"},
    )
] + [
    ("wide-networks/pruning", {"p": "0.7", "housing": "california_housing"}),
    ("wide-networks/quantization", {"dataset": "diabetes", "regression": "digits", "levels": "1"}),
    ("wide-networks/neurons", {"p": "0.8", "fraction": "0.29"}),
    ("wide-networks/filters", {"p": "0.8", "fraction": "0.5"}),
    ("wide-networks/how-wide", {"dataset": "diabetes", "p": "0.05", "levels": "1", "xi": "0.9"}),
    ("together/errata", {"p": "0.9", "xi": "0.5"}),
]


@pytest.mark.parametrize("name", CHAPTERS)
def test_skeleton(name: str) -> None:
    """Catches a chapter without a theorem, proof, claims, a control, exercises or a way on."""
    text = (ROOT / f"book/{name}.md").read_text(encoding="utf8")
    assert re.search(r"\{prf:(theorem|proposition|lemma|corollary)\}", text)
    assert "{dropdown} Proof" in text  # folded, below its statement
    assert len(set(re.findall(r'"([a-z0-9-]+\.[a-z0-9-]+)",\n    says=', text))) >= 5
    assert re.search(r'"[a-z0-9-]+\.control"', text)
    assert text.count("```{exercise}") == text.count("{solution}") >= 3
    assert "## What we learned" in text
    assert re.search(rf"## Try it.*studies run {name} ", text, flags=re.DOTALL)


@pytest.mark.parametrize("name", CHAPTERS)
def test_claims_are_labelled_by_a_statement_of_the_page(name: str) -> None:
    """Catches a claim whose id names no theorem of its chapter."""
    text = (ROOT / f"book/{name}.md").read_text(encoding="utf8")
    labels = set(re.findall(r":label: (\S+)", text))
    claimed = set(re.findall(r'"([a-z0-9-]+)\.[a-z0-9-]+",\n    says=', text))
    assert claimed <= labels


@pytest.mark.parametrize(
    ("chapter", "other"), OTHERS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_chapter_runs_with_other_parameters(
    checkout: Path, tmp_path: Path, chapter: str, other: dict[str, str]
) -> None:
    """Catches code that only works for the default architecture, task or activation."""
    small_housing(tmp_path / "data")
    settings = [f"-p{key}={value}" for key, value in {**QUICK[chapter], **other}.items()]
    data = {"COMPRESSIBILITY_DATA": str(tmp_path / "data")}
    done = run(STUDIES, "run", chapter, *settings, "--out", tmp_path, cwd=checkout, env=data)
    written = tmp_path / f"{Path(chapter).name}.claims.json"
    assert written.is_file(), done.stderr
    claims = json.loads(written.read_text(encoding="utf8"))
    assert len(claims) >= 5
    # Two networks and few draws decide little, but nothing may be refuted.
    assert [claim["id"] for claim in claims if claim["verdict"] == "fails"] == []
    assert done.returncode == 0


def test_every_chapter_runs_with_other_parameters() -> None:
    """Catches a chapter that is only ever run with its defaults."""
    assert {chapter for chapter, _ in OTHERS} == set(CHAPTERS) == set(QUICK)


def small_housing(folder: Path) -> None:
    """Write an archive in the form of the real one, with made-up districts."""
    random = np.random.default_rng(0)
    features = random.lognormal(size=(400, 8))
    folder.mkdir()
    np.savez(
        folder / "california_housing.npz",
        X=features,
        y=np.log(features).sum(axis=1) + 0.1 * random.normal(size=400),
        feature_names=np.array([f"feature {i}" for i in range(8)]),
        target_name=np.array(["MedHouseVal"]),
    )
