"""Operators whose answers are known: cases of the theory's tables, and small networks."""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from compressibility.spectrum.density import Bowl
from compressibility.spectrum.operators import Objective, Operator
from tests.compressibility.helpers import normal

FEW = torch.cat(
    [torch.full((n,), t, dtype=torch.float64) for t, n in ((0.02, 60), (0.5, 25), (8.0, 5))]
)


def of(matrix, kind="positive"):
    """The operator of a matrix, or of a diagonal."""
    matrix = torch.as_tensor(matrix, dtype=torch.float64)
    return Operator.of(Bowl(torch.diag(matrix) if matrix.ndim == 1 else matrix, kind))


def sines(dimension=80):
    """Eigenvalues and eigenvectors of case C: 4 j^(-3/2), and the sine basis."""
    index = torch.arange(1, dimension + 1, dtype=torch.float64)
    basis = math.sqrt(2 / (dimension + 1)) * torch.sin(
        math.pi * index[:, None] * index / (dimension + 1)
    )
    return 4 * index**-1.5, basis


def case_c():
    """The operator of case C."""
    values, basis = sines()
    return of((basis * values) @ basis.T)


def haar(dimension, seed=0):
    """Eigenvectors in general position."""
    return torch.linalg.qr(normal(dimension, dimension, seed=seed)).Q


def perceptron(*widths, samples=30, sizes=None, activation=nn.Tanh, seed=0):
    """A network with biases and cross-entropy on random classes, in batches of these sizes."""
    torch.manual_seed(seed)
    layers = [m for a, b in pairwise(widths) for m in (nn.Linear(a, b), activation())]
    model = nn.Sequential(*layers[:-1]).double().eval()
    x, y = normal(samples, widths[0], seed=seed), torch.arange(samples) % widths[-1]
    batches = zip(x.split(sizes or samples), y.split(sizes or samples), strict=True)
    return Objective(model, functional.cross_entropy, list(batches))
