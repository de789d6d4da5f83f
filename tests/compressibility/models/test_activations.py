"""Activations: the hypotheses of the theory, PyTorch's softplus, and what is no activation."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from compressibility.models.activations import (
    ACTIVATIONS,
    Activation,
    check_activation,
    shifted_softplus,
)
from tests.compressibility.helpers import refuses

SAMPLE = torch.linspace(-2, 3, 6).reshape(2, 3)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_hypotheses_on_activations(activation):
    """Catches phi(0) != 0 (7), a slope above 1 (8), and, but for relu, |phi''| > 1 (9)."""
    phi = ACTIVATIONS[activation]
    for dtype in (torch.float32, torch.float64):
        assert phi(torch.zeros(1, dtype=dtype)).item() == 0.0
    x = torch.linspace(-6, 6, 24001, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(phi(x).sum(), x, create_graph=True)
    assert slope.max().item() <= 1 + 1e-12
    assert slope.min().item() >= -1e-12
    if activation in ("tanh", "softplus"):
        (bend,) = torch.autograd.grad(slope.sum(), x)
        largest = {"tanh": 4 / (3 * math.sqrt(3)), "softplus": 1.0}[activation]
        assert bend.abs().max().item() == pytest.approx(largest, rel=1e-6)


@settings(deadline=None, max_examples=25)
@given(x=st.floats(-300, 300), sharpness=st.floats(0.1, 4))
def test_softplus_against_torchs(x, sharpness):
    """Catches a sharpness or a shift in the wrong place, and overflow far out."""
    point = torch.tensor(x, dtype=torch.float64)
    plain = nn.functional.softplus(point, beta=sharpness, threshold=1e9 if x < 0 else 30)
    expected = (plain - math.log(2) / sharpness).item()
    got = shifted_softplus(point, sharpness=sharpness).item()
    assert got == pytest.approx(expected, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("phi", [*ACTIVATIONS.values(), nn.ReLU(inplace=True), torch.sin])
def test_entrywise_functions_pass(phi):
    """Catches a check that changes its sample, or that refuses functions in place."""
    check_activation(phi, SAMPLE)
    assert torch.equal(SAMPLE, torch.linspace(-2, 3, 6).reshape(2, 3))


test_bad_arguments_are_named = refuses(
    (lambda: check_activation("relu", SAMPLE), "need an entrywise function as activation"),
    (lambda: check_activation(torch.sum, SAMPLE), r"need an entrywise activation, \(2, 3\)"),
    (lambda: check_activation(torch.Tensor.double, SAMPLE), "got .* of torch.float64"),
    (lambda: check_activation(torch.Tensor.tolist, SAMPLE), "got <class 'list'>"),
    (lambda: check_activation(nn.Softmax(dim=1), SAMPLE), "got one that mixes entries"),
    (lambda: check_activation(nn.Softmax(dim=0), SAMPLE), "got one that mixes entries"),
    (lambda: Activation("gelu"), "need activation in .*'relu'.* got 'gelu'"),
    (lambda: shifted_softplus(SAMPLE, sharpness=0.0), "need 0 < sharpness < inf, got 0.0"),
)
