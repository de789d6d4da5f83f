"""Fixed inputs that the tests of the pruning limit share."""

import math

import torch

from compressibility.bounds.pruning_limit.costs import Ranking
from compressibility.bounds.pruning_limit.sublevel import SublevelCone
from compressibility.spectrum.density import Bowl, Spectrum


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


def spectrum(*values):
    return Spectrum.dense(numbers(*values), "positive")


def seen(eigenvalues, c, epsilon):
    """The cone of a diagonal operator and a vector c."""
    whole = Spectrum.dense(eigenvalues, "positive")
    along = Spectrum.dense(eigenvalues, "positive", along=c)
    return SublevelCone(whole, along, float(c.square().sum()), epsilon)


def ball():
    """A: the identity; 2 ε = 108."""
    ranking = Ranking.magnitude(torch.arange(1, 1001, dtype=torch.float64) / 1000)
    return Bowl(torch.eye(1000), "positive"), ranking, 54.0


def three_decades(part):
    """B: c of length 1.5 on the flat, the sharp or all directions."""
    i = torch.arange(1, 301, dtype=torch.float64)
    on = {"flat": i <= 100, "sharp": i > 200, "all": i > 0}[part].double()
    return seen(10 ** (-2 + 3 * (i - 0.5) / 300), 1.5 * on / on.norm(), 0.03)


def waves():
    """C: eigenvectors that are no coordinates."""
    i = torch.arange(1, 81, dtype=torch.float64)
    vectors = math.sqrt(2 / 81) * torch.sin(math.pi * i.outer(i) / 81)
    return Bowl((vectors * 4 * i**-1.5) @ vectors.T, "positive"), vectors


def four_decades(turned=None):
    """E: diagonal, or with the eigenvectors of a generator's rotation."""
    i = torch.arange(1, 501, dtype=torch.float64)
    values = 10 ** (-3 + 4 * (i - 0.5) / 500)
    basis = torch.eye(500, dtype=torch.float64) if turned is None else haar(500, turned)
    return Bowl((basis * values) @ basis.T, "positive"), Ranking.magnitude(torch.cos(5 * i)), 0.5


def haar(dimension, generator):
    """A random orthogonal matrix; signs of columns do not matter here."""
    shape = (dimension, dimension)
    return torch.linalg.qr(torch.randn(shape, generator=generator, dtype=torch.float64)).Q
