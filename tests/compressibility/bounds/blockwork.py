"""Small blocks whose compression is followed to the end: every outcome of every draw."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from compressibility.bounds.wide_networks import LayerFacts, Seen

Outcome = tuple[np.ndarray, float]  # a new first matrix, with its probability
Moves = Callable[[np.ndarray, int], list[Outcome]]  # of candidate number i

ACTIVATIONS: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
    np.tanh,
    np.sin,  # |φ''| reaches 1
    lambda x: x,
    lambda x: (np.logaddexp(4 * x, 0) - math.log(2)) / 4,  # |φ''| reaches 1
)


@dataclass(frozen=True)
class Block:
    """Two layers with their inputs, dense and compressed; a wide layer is followed by nothing."""

    W1: np.ndarray  # (n2, n1)
    W2: np.ndarray  # (n3, n2)
    X: np.ndarray  # (samples, n1)
    Y: np.ndarray  # (samples, n1) the compressed inputs x'
    phi: Callable[[np.ndarray], np.ndarray] = lambda x: x

    def psi(self, A: np.ndarray) -> float:
        """Give the error of the block with the first matrix A, by a forward pass."""
        gap = (self.phi(self.X @ self.W1.T) - self.phi(self.Y @ A.T)) @ self.W2.T
        return float((gap**2).sum(1).mean())

    def facts(self, group: int = 1) -> tuple[LayerFacts, LayerFacts, Seen]:
        """Measure what the bounds ask for, in blocks of group × group."""
        radius = float(np.sqrt((self.Y**2).sum(1).max()))
        error = float(((self.X - self.Y) ** 2).sum(1).mean())
        return measured(self.W1, group), measured(self.W2, group), Seen(radius, error)


def measured(W: np.ndarray, group: int = 1) -> LayerFacts:
    """Measure a matrix by eigenvalues, block by block."""
    rows, columns = (range(0, n, group) for n in W.shape)
    parts = [W[i : i + group, j : j + group] for i in rows for j in columns]
    norm, *others = (math.sqrt(np.linalg.eigvalsh(A @ A.T).max()) for A in (W, *parts))
    return LayerFacts(norm, max(others), len(columns), len(rows), group)


def wide_layer(W: np.ndarray, X: np.ndarray, Y: np.ndarray) -> Block:
    return Block(W, np.eye(len(W)), X, Y)


def random_block(seed: int, n1: int, n2: int, n3: int, *, scale: float = 1.0) -> Block:
    """Draw a block, or a wide layer if n3 = 0; every third one inherits no error."""
    generator = np.random.default_rng(seed)
    X = generator.standard_normal((6, n1)) * generator.uniform(0.2, 1.5, n1)
    noise = 0.0 if seed % 3 == 0 else generator.uniform(0, 0.5)
    W1 = generator.standard_normal((n2, n1)) * generator.uniform(0.2, 1.5) * scale
    W2 = generator.standard_normal((n3, n2)) * generator.uniform(0.2, 1.5)
    Y = X + noise * generator.standard_normal((6, n1))
    if not n3:
        return wide_layer(W1, X, Y)
    return Block(W1, W2, X, Y, ACTIVATIONS[seed % len(ACTIVATIONS)])


def pruned(p: float) -> Moves:
    """Single weights: kept and enlarged, or zero."""
    return _moves([(1 / p, p), (0.0, 1 - p)], lambda A, i: np.unravel_index(i, A.shape))


def rows(p: float, group: int) -> Moves:
    """Groups of rows, pruned whole."""
    return _moves([(1 / p, p), (0.0, 1 - p)], lambda _, i: slice(i * group, (i + 1) * group))


def columns(p: float, group: int) -> Moves:
    """Groups of columns, pruned whole."""
    whole = slice(None)
    place = lambda _, i: (whole, slice(i * group, (i + 1) * group))  # noqa: E731
    return _moves([(1 / p, p), (0.0, 1 - p)], place)


def quantized(largest: float, k: int) -> Moves:
    """Single weights: the two neighbours on the grid of step largest/k, 0 among its levels."""

    def moves(A: np.ndarray, index: int) -> list[Outcome]:
        w, step = A.flat[index], largest / k
        level = min(math.floor(abs(w) / step), k - 1)
        up, outcomes = abs(w) / step - level, []
        for steps, chance in ((level + 1, up), (level, 1 - up)):
            changed = A.copy()
            changed.flat[index] = math.copysign(steps * step, w)
            outcomes.append((changed, chance))
        return outcomes

    return moves


def _moves(factors: list[tuple[float, float]], place: Callable[..., object]) -> Moves:
    def moves(A: np.ndarray, index: int) -> list[Outcome]:
        outcomes = []
        for factor, chance in factors:
            changed = A.copy()
            changed[place(A, index)] *= factor
            outcomes.append((changed, chance))
        return outcomes

    return moves


def pick(block: Block, moves: Moves, A: np.ndarray, left: tuple[int, ...]) -> int:
    """Choose as Algorithm 1: the least absolute expected change, by forward passes."""
    now = block.psi(A)
    scores = [abs(sum(chance * (block.psi(B) - now) for B, chance in moves(A, i))) for i in left]
    return left[int(np.argmin(scores))]


def exact_mean(block: Block, moves: Moves, candidates: int, steps: int) -> float:
    """Average Psi over every outcome of the literal greedy, whose order depends on the draws."""

    def descend(A: np.ndarray, left: tuple[int, ...], steps: int) -> float:
        if not steps:
            return block.psi(A)
        chosen = pick(block, moves, A, left)
        rest = tuple(i for i in left if i != chosen)
        return sum(chance * descend(B, rest, steps - 1) for B, chance in moves(A, chosen))

    return descend(block.W1, tuple(range(candidates)), steps)
