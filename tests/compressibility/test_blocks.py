"""Algorithm 1 for blocks, against its literal form, its closed forms and the paper's sheet."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compressibility import block_scores
from compressibility.blocks import compress_block
from compressibility.greedy import compress_wide
from compressibility.models import ACTIVATIONS, identity
from compressibility.schemes import Masking, NearestRounding, Pruning, Quantization, uniforms_like
from tests.compressibility import literal
from tests.compressibility.test_greedy import literal_outcomes

SCHEMES = [Pruning(keep=0.3), Pruning(keep=0.7), Quantization(levels=1), Quantization(levels=3)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def block(seed, n1=3, n2=5, n3=2, samples=7):
    """Random W1, W2, dense inputs, and inputs as a compressed network would pass them on."""
    rng = np.random.default_rng(seed)
    shapes = (n2, n1), (n3, n2), (samples, n1), (samples, n1)
    w1, w2, x, noise = (torch.from_numpy(rng.standard_normal(s)) for s in shapes)
    return w1, w2, x, x + 0.2 * noise


def sheet_case_b():
    """Case B of the theory sheet: W1, W2, X inside the unit ball, U."""
    rng = np.random.default_rng(1)
    w1 = rng.standard_normal((12, 4)) / math.sqrt(12)
    w2 = rng.standard_normal((3, 12)) / math.sqrt(12)
    x = rng.standard_normal((24, 4))
    x = x / np.linalg.norm(x, axis=1).max()
    return tuple(torch.from_numpy(a) for a in (w1, w2, x, rng.random((12, 4))))


def run_literal(w1, w2, phi, x, other, scheme, *, steps, uniforms):
    return literal.compress_block(
        w1, w2, phi, x, other, literal_outcomes(w1, scheme), steps=steps, uniforms=uniforms
    )


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
@pytest.mark.parametrize("activation", ["tanh", "relu", "softplus"])
@pytest.mark.parametrize("shifted", [False, True])
def test_fast_equals_literal_draw_for_draw(scheme, activation, shifted):
    """Catches a score, an update, a bound or a draw that differs from Algorithm 1 as it reads."""
    phi = ACTIVATIONS[activation]
    for seed in range(3):
        w1, w2, x, other = block(seed)
        other = other if shifted else x
        slow = run_literal(
            w1, w2, phi, x, other, scheme, steps=13, uniforms=uniforms_like(w1, generator(seed))
        )
        fast = compress_block(
            w1,
            w2,
            phi,
            other,
            scheme,
            fraction=0.9,
            generator=generator(seed),
            dense_inputs=x if shifted else None,
        )
        assert fast.order.tolist() == slow.order
        torch.testing.assert_close(fast.weight, slow.weight, rtol=1e-13, atol=1e-15)
        loss = literal.block_loss(w1, slow.weight, w2, phi, x, other)
        assert fast.error.item() == pytest.approx(loss, rel=1e-12)


@pytest.mark.parametrize(
    ("scheme", "first", "error", "nonzero"),
    [
        (Pruning(keep=0.3), [(5, 0), (9, 3), (4, 0), (2, 2), (11, 2), (9, 2)], 0.00244306, 32),
        (Quantization(levels=2), [(6, 0), (9, 3), (9, 1), (9, 2), (5, 0), (4, 0)], 0.00278251, 0),
    ],
    ids=str,
)
def test_sheet_case_b(scheme, first, error, nonzero, monkeypatch):
    """Catches any constant of the scores: picks, final loss and count of the sheet's case B."""
    w1, w2, x, uniforms = sheet_case_b()
    monkeypatch.setattr("compressibility.blocks.uniforms_like", lambda *_: uniforms)
    result = compress_block(w1, w2, torch.tanh, x, scheme, fraction=0.5, generator=generator())
    assert [divmod(flat, 4) for flat in result.order[:6].tolist()] == first
    assert result.order.shape == (24,)
    assert result.error.item() == pytest.approx(error, rel=1e-4)
    if nonzero:
        assert int((result.weight != 0).sum()) == nonzero
