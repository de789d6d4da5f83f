"""What the tests of several rooms share."""

import math

import numpy as np
import pytest
import torch


def normal(*shape, seed=0):
    """Standard normal numbers in double precision."""
    source = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=source, dtype=torch.float64)


def refuses(*rows):
    """A test of bad arguments: rows of a call and of what its ValueError says."""

    @pytest.mark.parametrize(("call", "message"), rows)
    def test(call, message):
        """Catches a bad argument that goes through, or an error that does not say which and why."""
        with pytest.raises(ValueError, match=message):
            call()

    return test


def sheet_a():
    """Case A of the theory sheet: W, X inside the unit ball, X'."""
    draw = np.random.default_rng(0).standard_normal
    W, X = draw((8, 30)) / math.sqrt(30), draw((64, 30))
    X /= np.linalg.norm(X, axis=1).max()
    return W, X, X + 0.3 * draw((64, 30)) / math.sqrt(30)


def sheet_b():
    """Case B of the theory sheet: W1, W2, X inside the unit ball, uniforms."""
    generator = np.random.default_rng(1)
    W1, W2 = (generator.standard_normal(shape) / math.sqrt(12) for shape in ((12, 4), (3, 12)))
    X = generator.standard_normal((24, 4))
    return W1, W2, X / np.linalg.norm(X, axis=1).max(), generator.random((12, 4))
