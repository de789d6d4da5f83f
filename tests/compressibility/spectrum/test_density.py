"""Spectra as values with weights, and dense bowls."""

import math

import pytest
import torch

from compressibility.spectrum.density import Bowl, Spectrum
from tests.compressibility.helpers import normal, refuses

ONE = torch.ones(2) / 2


def test_means_are_those_of_the_matrix():
    """Catches weights not squared, not normalized, or of the wrong basis."""
    factor, c = normal(7, 7, seed=1), normal(7, seed=2)
    bowl = Bowl(factor @ factor.T, "gauss_newton")
    inverse = torch.linalg.inv(bowl.matrix + torch.eye(7))
    trace = bowl.spectrum.mean(lambda t: 1 / (t + 1))
    assert trace == pytest.approx(float(inverse.trace()) / 7, rel=1e-6)
    along = bowl.along(c).mean(lambda t: 1 / (t + 1))
    assert along == pytest.approx(float(c @ inverse @ c / (c @ c)), rel=1e-6)
    assert bowl.along(c * 1e-200).mean(lambda t: t) == pytest.approx(
        bowl.along(c).mean(lambda t: t), rel=1e-12
    )


def test_values_of_no_weight_count_for_nothing():
    """Catches 0 times infinity."""
    spectrum = Spectrum.dense(torch.tensor([0.0, 2.0]), "positive", along=torch.tensor([0.0, 3.0]))
    assert spectrum.mean(lambda t: 1 / t) == 0.5


def test_signed_operators_become_positive_in_two_ways():
    """Catches |λ| for the positive part, and an eigenbasis that is lost on the way."""
    values = torch.tensor([1.0, -2.0])
    signed = Spectrum.dense(values, "signed")
    assert signed.absolute().values.tolist() == [1, 2]
    assert signed.positive().values.tolist() == [1, 0]
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]])
    bowl = Bowl((turn * values) @ turn.T, "signed")
    for one, sizes in ((bowl.absolute(), [1, 2]), (bowl.positive(), [1, 0])):
        known = (turn * torch.tensor(sizes)) @ turn.T
        assert torch.allclose(one.matrix, known.double(), atol=1e-6)
        assert one.kind == one.spectrum.kind != "signed"
    signed.absolute().check_positive()


def test_rounding_below_zero_is_cut():
    """Catches free directions of Ritz values a little below 0 that become sharp."""
    pairs = Spectrum(torch.tensor([-1e-9, 1.0]), ONE, 9, "gauss_newton")
    assert pairs.values.tolist() == [0, 1]
    assert Spectrum(torch.tensor([-1e-9, 1.0]), ONE, 9, "signed").values[0] < 0


test_refusals = refuses(
    (lambda: Spectrum(torch.ones(2), ONE, 2, "psd"), "kind in"),
    (lambda: Spectrum(torch.tensor([-1.0, 1.0]), ONE, 2, "absolute"), "values >= 0"),
    (lambda: Spectrum(torch.ones(2), torch.ones(2), 2, "positive"), "sum 1"),
    (lambda: Spectrum(torch.ones(2), torch.tensor([-1.0, 2.0]), 2, "positive"), "weights >= 0"),
    (lambda: Spectrum(torch.ones(3), ONE, 2, "positive"), "values and weights"),
    (lambda: Spectrum(torch.tensor([math.nan, 1.0]), ONE, 2, "signed"), "finite values"),
    (lambda: Spectrum(torch.ones(2), ONE, 0, "signed"), "whole dimension"),
    (lambda: Spectrum.dense(torch.ones(2), "signed", along=torch.zeros(2)), "along != 0"),
    (lambda: Spectrum.dense(torch.ones(2), "signed").check_positive(), "Gauss-Newton"),
    (lambda: Bowl(torch.ones(2, 3), "signed"), r"a matrix \(D, D\)"),
    (lambda: Bowl(torch.ones(0, 0), "signed"), r"a matrix \(D, D\), D >= 1"),
    (lambda: Bowl(torch.ones(1, 1), "psd"), "kind in"),
    (lambda: Bowl(torch.tensor([[1.0, 2.0], [0.0, 1.0]]), "signed"), "symmetric"),
)
