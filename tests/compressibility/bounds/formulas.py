"""The formulas of the paper and of the theory sheet, typed once more: the tests' reference."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from compressibility.bounds.wide_networks import LayerFacts, Seen, delta, sharper_deltas
from compressibility.pruning.cuts import Cut
from compressibility.pruning.draws import Pruning, Quantization

KINDS = ("pruning", "quantization", "groups")
FORMS = ("sharpest", "sharper", "printed")  # ascending
PIXELS = 4  # of the convolutions that stand for groups


def f(u: float) -> float:
    return u * math.exp(u)


@dataclass(frozen=True)
class Numbers:
    """Everything that the bounds ask for; widths in neurons or channels."""

    error: float = 0.5
    s1: float = 1.5
    s2: float = 0.8
    v1: float = 0.3
    v2: float = 0.4
    theta: float = 1.2
    n1: int = 6
    n2: int = 5
    n3: int = 4
    alpha: float = 0.6
    p: float = 0.4
    k: int = 3

    @classmethod
    def draw(cls, generator: np.random.Generator) -> Numbers:
        """Draw any numbers, a fifth of the sizes 0."""
        sizes = 10 ** generator.uniform(-2, 0.3, 5) * (generator.random(5) > 0.2)
        n1, n2, n3 = (int(n) for n in 10 ** generator.uniform(0, 2.5, 3))
        return cls(
            **dict(zip(("error", "s1", "v1", "v2", "theta"), sizes.tolist(), strict=True)),
            s2=float(10 ** generator.uniform(-1, 0.5)),
            n1=n1,
            n2=n2,
            n3=n3,
            alpha=float(generator.uniform(0.01, 0.99)),
            p=float(generator.uniform(0.05, 0.95)),
            k=int(generator.integers(1, 50)),
        )

    def given(self, kind: str) -> tuple[LayerFacts, LayerFacts, Seen, Cut]:
        """Everything as the bounds of a block take it."""
        pixels = PIXELS if kind == "groups" else 1
        first = LayerFacts(self.s1, self.v1, self.n1, self.n2, pixels)
        second = LayerFacts(self.s2, self.v2, self.n2, self.n3, pixels)
        draw = Quantization(self.k) if kind == "quantization" else Pruning(self.p)
        cut = Cut(draw, self.alpha, groups=kind == "groups")
        return first, second, Seen(self.theta, self.error), cut


def wide(x: Numbers, kind: str, form: str, epsilon: float = 0.0) -> float:
    """Propositions 18, 19 and 24, and their sharper forms."""
    before, size, a, p, k = x.s1**2 * x.error, x.theta**2 * x.v1**2 * x.n2, x.alpha, x.p, x.k
    if kind == "quantization":
        added = size * (2 * a / (k**2 * (1 - a)) if form == "printed" else a / (4 * k**2))
    else:
        added = size * (2 * a * (1 - p) / (p * (1 - a)) if form == "printed" else a * (1 - p) / p)
    return (1 + epsilon) * (before + added)


def terms(x: Numbers, kind: str) -> dict[str, float]:
    """Lambda, Lambda*, omega, a and b of a block."""
    s, theta, p, k, a = -math.log(1 - x.alpha), x.theta, x.p, x.k, x.alpha
    root2, root3 = math.sqrt(x.n2), math.sqrt(x.n3)
    if kind == "groups":
        tau = max(1, (1 - p) / p)
        v, exact, unit = (1 - p) / p, (1 - p) / p, theta * x.s1**2 * x.v2 * root3
        omega = theta**2 + 2 * theta * x.v2 * root3
        omega += 2 * tau * theta**2 * x.s2 * x.v1 * math.sqrt(x.n1)
        b = theta**2 * x.s1**2 * x.v2**2 * x.n3
    else:
        pruned = kind == "pruning"
        v, exact = ((1 - p) / p,) * 2 if pruned else (1 / k**2, 1 / (4 * k**2))
        jump = max(p, 1 - p) / p if pruned else 1 / k
        unit = theta * x.s2 * x.v1**2 * root2
        omega = theta**2 + 2 * theta * x.v2**2 * x.n3 * root2 / x.s2
        omega += 2 * theta**2 * jump * x.v1 * x.v2 * root2 * root3
        b = theta**2 * x.v1**2 * x.v2**2 * x.n2 * x.n3
    return {
        "growth": 2 * a / (1 - a) * v * unit,
        "sharper_growth": unit * v * s / 2,
        "omega": omega,
        "drift": exact * s * theta * unit,
        "spread": exact * s * b,
    }


def block(x: Numbers, kind: str, form: str, epsilon: float = 0.0) -> float:
    """Propositions 21, 22 and 25, and our forms; for factors below e^700."""
    t, before = terms(x, kind), (x.s1 * x.s2) ** 2 * x.error
    if form == "printed":
        value = before + f(t["growth"]) * (before + t["omega"])
    elif form == "sharper":
        g = t["sharper_growth"]
        value = math.exp(g) * before + math.expm1(g) * t["omega"]
    else:
        value = (math.sqrt(before + t["spread"]) + t["drift"] / 2) ** 2
        g = t["drift"] / (2 * x.theta) if x.theta else 0.0
        if 0 < g < 700:
            linear = math.exp(g) * before + math.expm1(g) * (x.theta**2 + t["spread"] / g)
            value = min(value, linear)
    return (1 + epsilon) * value


def limits(
    theorem: str,
    conditions: str,
    *,
    layer: int,
    kind: str,
    alone: bool,
    c1: float,
    c2: tuple[float, float],
    x: Numbers,
    xi: float,
    slack: str = "quarter",
) -> list[float]:
    """What the conditions of a layer allow; c2 of this layer and the next, times q for filters."""
    a, p, k, (c, d) = x.alpha, x.p, x.k, c2
    v = 1 / k**2 if theorem == "3" else (1 - p) / p
    exact = 1 / (4 * k**2) if theorem == "3" else v
    small, s, ours = delta(xi, slack=slack, wide_only=alone), -math.log(1 - a), sharper_deltas(xi)
    if kind == "wide":
        if conditions == "sharper":
            small = delta(xi, slack=slack, wide_only=True)
            return [2 * small * c1**2 / (a * exact * c**2)]
        factor = (1 - a) / (a * v)  # p(1-α)/(α(1-p)), (13), (19)
        if conditions == "printed" and theorem in "67":
            factor = a * (1 - p) / (p * (1 - a))  # (27), (34)
        return [factor * small * c1**2 / c**2]
    if theorem in "23":
        if conditions == "sharper":
            thin = ours.thin * c1 ** (2 - layer) / (exact * s * c**2)
            return [thin, ours.ratio * c1**4 / (exact * s * (c * d) ** 2)]
        rounding = 1 / k if theorem == "3" else max(1, (1 - p) / p)
        power = c1**4 if (theorem, conditions) == ("3", "printed") else c1**-4
        common = (1 - a) * small / (a * v)
        thin = common / (c1**layer * c**2 * max(1, power) * max(1, c * d * rounding))
        return [thin, common * c1**4 / (c * d) ** 2]
    if conditions == "sharper":
        one = ours.thin**2 * c1 ** (2 - 2 * layer) / (v**2 * s**2 * d**2)
        return [min(one, ours.ratio * c1**2 / (v * s * d**2))]
    above = p**2 * (1 - p if conditions == "printed" else 1 - a) ** 2 * small**2 * min(1, c1**8)
    one = above / (a**2 * (1 - p) ** 2 * c1 ** (2 * (layer + 1)) * d**2)
    common = p * (1 - a) * small / (a * (1 - p))
    root = common / (c1 ** (layer - 2) * c * d * max(1, (1 - p) / p))
    return [min(one, common * c1**2 / d**2), root]
