"""Small blocks whose compression is followed to the end: every outcome of every draw."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Activation = Callable[[np.ndarray], np.ndarray]
Move = list[tuple[np.ndarray, float]]  # the new first matrix, with its probability

ACTIVATIONS: tuple[Activation, ...] = (
    np.tanh,
    np.sin,  # |φ''| reaches 1
    lambda x: x,
    lambda x: (np.logaddexp(4 * x, 0) - math.log(2)) / 4,  # |φ''| reaches 1
)


@dataclass(frozen=True)
class Block:
    """Two layers with their inputs, dense and compressed."""

    W1: np.ndarray  # (n2, n1)
    W2: np.ndarray  # (n3, n2)
    X: np.ndarray  # (samples, n1)
    Y: np.ndarray  # (samples, n1) the compressed inputs x'
    phi: Activation

    def psi(self, A: np.ndarray) -> float:
        """Give the error of the block with the first matrix A, by a forward pass."""
        gap = (self.phi(self.X @ self.W1.T) - self.phi(self.Y @ A.T)) @ self.W2.T
        return float((gap**2).sum(1).mean())

    def numbers(self) -> dict[str, float]:
        """Measure what the bounds ask for, entries for norms of blocks."""
        return {
            "input_error": float(((self.X - self.Y) ** 2).sum(1).mean()),
            "sigma1": float(np.linalg.norm(self.W1, 2)),
            "sigma2": float(np.linalg.norm(self.W2, 2)),
            "nu1": float(np.abs(self.W1).max()),
            "nu2": float(np.abs(self.W2).max()),
            "theta": float(np.sqrt((self.Y**2).sum(1).max())),
            "n3": len(self.W2),
        }


def case_b() -> tuple[Block, np.ndarray]:
    """Build case B of the theory sheet, with its uniforms."""
    generator = np.random.default_rng(1)
    W1 = generator.standard_normal((12, 4)) / math.sqrt(12)
    W2 = generator.standard_normal((3, 12)) / math.sqrt(12)
    X = generator.standard_normal((24, 4))
    X /= np.linalg.norm(X, axis=1).max()
    return Block(W1, W2, X, X, np.tanh), generator.random((12, 4))


def random_block(seed: int, n1: int, n2: int, n3: int, *, scale: float = 1.0) -> Block:
    """Draw a block; every third one inherits no error."""
    generator = np.random.default_rng(seed)
    X = generator.standard_normal((6, n1)) * generator.uniform(0.2, 1.5, n1)
    noise = 0.0 if seed % 3 == 0 else generator.uniform(0, 0.5)
    return Block(
        W1=generator.standard_normal((n2, n1)) * generator.uniform(0.2, 1.5) * scale,
        W2=generator.standard_normal((n3, n2)) * generator.uniform(0.2, 1.5),
        X=X,
        Y=X + noise * generator.standard_normal((6, n1)),
        phi=ACTIVATIONS[seed % len(ACTIVATIONS)],
    )


def largest_block(matrix: np.ndarray, group: int) -> float:
    """Give the largest operator norm of a group × group block."""
    rows, columns = matrix.shape
    return max(
        float(np.linalg.norm(matrix[i : i + group, j : j + group], 2))
        for i in range(0, rows, group)
        for j in range(0, columns, group)
    )


def entry_moves(scale_to: Callable[[float], Sequence[tuple[float, float]]]) -> Callable[..., Move]:
    """Make candidates of single entries: index → outcomes of that entry."""

    def moves(A: np.ndarray, index: int) -> Move:
        outcomes = []
        for value, chance in scale_to(A.flat[index]):
            changed = A.copy()
            changed.flat[index] = value
            outcomes.append((changed, chance))
        return outcomes

    return moves


def row_moves(p: float, group: int) -> Callable[..., Move]:
    """Make candidates of groups of rows: kept and enlarged, or zero."""

    def moves(A: np.ndarray, index: int) -> Move:
        outcomes = []
        for factor, chance in ((1 / p, p), (0.0, 1 - p)):
            changed = A.copy()
            changed[index * group : (index + 1) * group] *= factor
            outcomes.append((changed, chance))
        return outcomes

    return moves


def exact_mean(
    block: Block, moves: Callable[..., Move], candidates: int, steps: int, *, worst: bool = False
) -> float:
    """Average Psi over every outcome of the literal greedy, whose order depends on the draws."""

    def descend(A: np.ndarray, left: tuple[int, ...], steps: int) -> float:
        now = block.psi(A)
        if not steps:
            return now
        scores = [
            abs(sum(chance * (block.psi(B) - now) for B, chance in moves(A, i))) for i in left
        ]
        pick = left[int(np.argmax(scores) if worst else np.argmin(scores))]
        rest = tuple(i for i in left if i != pick)
        return sum(chance * descend(B, rest, steps - 1) for B, chance in moves(A, pick))

    return descend(block.W1, tuple(range(candidates)), steps)
