"""The verdict on a tail: its rules case by case, and what known laws get."""

import math

import numpy as np
import pytest
import torch

from compressibility.dice import dice
from compressibility.noise.diagnose import Diagnosis, diagnose
from compressibility.noise.tails import TailIndex, blocks, hill, moment, pickands, slope_index
from tests.compressibility.helpers import refuses


def source(seed):
    return np.random.default_rng(seed)


def found(sample):
    return diagnose(torch.as_tensor(sample), dice("controls", 0))


def one(value, half=0.1):
    return TailIndex(value, value - half, value + half, 9, 0.99)


def verdict(slope, hill, moment, controls=(2.0, 1.95)):
    """The verdict where three estimates matter, each a value or its half width too."""
    ours = [one(1.7), *(one(*np.atleast_1d(x)) for x in (slope, hill, moment)), one(1.0)]
    names = ("blocks", "slope", "Hill", "moment", "Pickands")
    light = [[one(1.7), one(x), one(6), one(math.inf, 0), one(9)] for x in controls]
    samples = zip(("values", "Gaussian", "Laplace"), (ours, *light), strict=True)
    estimates = {name: dict(zip(names, row, strict=True)) for name, row in samples}
    return Diagnosis(estimates, {}, 9).verdict.partition(":")[0]


@pytest.mark.parametrize(
    ("slope", "hill", "moment", "said"),
    [
        (1.5, 1.6, 1.5, "yes"),
        (1.5, (1.6, 0.5), 1.5, "undecided"),  # Hill's interval reaches 2
        ((1.5, 0.48), 1.6, 1.5, "undecided"),  # the slope form's reaches the Laplace sample's 1.95
        (1.9, 5.0, math.inf, "no"),
        (1.8, 2.7, 3.0, "no"),  # a power law with variance: sums that turn Gaussian slowly
        (1.8, 2.7, (3.0, 1.5), "undecided"),  # a stable law near 2
        (2.0, 2.7, (3.0, 1.5), "undecided"),
        (2.0, (2.7, 0.8), 3.0, "undecided"),  # Hill's interval reaches 2 from above
        (2.0, 1.5, 1.5, "undecided"),
    ],
)
def test_rules(slope, hill, moment, said):
    """Catches a value where its interval decides, "or" for "and", or a verdict of one estimate."""
    moment = (math.inf, 0) if moment == math.inf else moment
    assert verdict(slope, hill, moment) == said


LAWS = {
    "Gaussian": lambda g, n: g.standard_normal(n),
    "Laplace": lambda g, n: g.laplace(size=n),
    "uniform": lambda g, n: g.random(n) + 5,
    "mixture of scales": lambda g, n: g.standard_normal(n) * g.uniform(0.5, 2, n),
    "t3": lambda g, n: g.standard_t(3, n),
    "Cauchy": lambda g, n: g.standard_cauchy(n) + 100,
    "t1.5": lambda g, n: g.standard_t(1.5, n),
}


@pytest.mark.parametrize("law", LAWS)
def test_laws(law):
    """Catches a yes to a law with variance, on which the block estimate is below 2 all the same."""
    result = found(LAWS[law](source(1), 60_000))
    block = result.estimates["values"]["blocks"]
    assert result.verdict.startswith("yes" if law in ("Cauchy", "t1.5") else "no"), result.verdict
    if law in ("Laplace", "t3", "mixture of scales"):
        assert block.high < 2
        assert f"block estimate {block.value:.2f} proves nothing" in result.verdict


def test_estimates_and_controls():
    """Catches values not centred, another share, or controls that are not what they are called."""
    sample = source(2).standard_t(2, 20_001) + 7
    result = found(sample)
    centred = sample - np.median(sample)
    assert result.count == 200
    assert list(result.estimates) == list(result.blocks) == ["values", "Gaussian", "Laplace"]
    assert result.estimates["values"] == {
        "blocks": blocks(centred).index,
        "slope": slope_index(centred),
        "Hill": hill(centred, 200),
        "moment": moment(centred, 200),
        "Pickands": pickands(centred, 200),
    }
    again = diagnose(torch.as_tensor(-sample), dice("controls", 0))
    assert again.estimates["Gaussian"] == result.estimates["Gaussian"]
    other = diagnose(torch.as_tensor(sample), dice("controls", 1), share=0.02, level=0.9)
    assert other.estimates["Gaussian"] != result.estimates["Gaussian"]
    assert (other.count, other.estimates["values"]["Hill"].level) == (400, 0.9)
    # Laplace: E log|sum of 2| - E log|X| = 1/2, so 2 log 2; its Hill's estimate is about log N/k.
    normal, laplace = result.blocks["Gaussian"], result.blocks["Laplace"]
    assert laplace.values[0] == pytest.approx(2 * math.log(2), abs=4 * laplace.errors[0])
    assert normal.values[0] == pytest.approx(2, abs=4 * normal.errors[0])
    assert 4.3 < result.estimates["Laplace"]["Hill"].value < 7
    assert result.estimates["Gaussian"]["Hill"].value > 7


def test_frame():
    """Catches a row that is lost, or an interval of another estimate."""
    result = found(source(3).standard_t(2, 20_000))
    frame = result.frame
    assert list(frame) == ["sample", "estimator", "size", "value", "low", "high", "n"]
    assert len(frame) == 3 * (5 + 9)
    for name, each in result.estimates.items():
        row = frame[(frame["sample"] == name) & (frame["estimator"] == "Hill")].iloc[0]
        assert (row["size"], row["n"]) == (200, 200)
        assert (row["value"], row["low"]) == (each["Hill"].value, each["Hill"].low)
    sizes = frame[(frame["sample"] == "values") & (frame["estimator"] == "one size")]
    assert sizes["size"].tolist() == list(result.blocks["values"].sizes)
    errors = result.blocks["values"].errors
    assert (sizes["high"] - sizes["value"]).tolist() == pytest.approx(2 * errors)
    assert frame[frame["estimator"] == "slope"]["size"].isna().all()


NORMAL = torch.as_tensor(source(4).standard_normal(1000))

test_refusals = refuses(
    (lambda: diagnose(NORMAL[:999], dice("a")), r"values \(N,\), N >= 1000"),
    (lambda: diagnose(NORMAL.reshape(2, 500), dice("a")), r"values \(N,\), N >= 1000"),
    (lambda: diagnose(NORMAL * math.nan, dice("a")), "finite values"),
    (lambda: diagnose(0 * NORMAL, dice("a")), r"0 at most once in 1000"),
    (lambda: diagnose(NORMAL, dice("a"), share=0.26), r"2 <= share \* N <= N / 4 = 250, got 260"),
    (lambda: diagnose(NORMAL, dice("a"), share=0.001), r"2 <= share \* N"),
    (lambda: diagnose(NORMAL + 1j, dice("a")), "real values, got torch.complex128"),
    (lambda: diagnose(NORMAL, dice("a"), level=1), "0 < level < 1"),
)
