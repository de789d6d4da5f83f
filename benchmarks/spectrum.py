"""Quadrature against all eigenvalues, and its growth with D: python -m benchmarks.spectrum."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.greedy import exponent
from compressibility.data.sets import load
from compressibility.dice import dice
from compressibility.models.network import mlp
from compressibility.spectrum.lanczos import Run, quadrature
from compressibility.spectrum.operators import Objective, gradient_norm, hessian
from compressibility.training.loop import Training, train

WIDTHS = [64, 33, 32, 10]  # D = 3488
STEPS = (16, 32, 48, 64, 96, 128)
GRID, KERNEL = 100_000, 1e-10  # points of the reference's density, variance of its kernel
GROWTH = (300, 1000, 3000, 10_000)  # inputs of a network with 1000 hidden units: D up to 10⁷


def digits() -> tuple[Objective, float]:
    """Return a trained network with its data as one batch, and the spread of its losses."""
    data = load("digits")
    x, y = data.train_inputs.double(), data.train_targets
    network = mlp(WIDTHS, seeds=(0,)).double()
    how = Training(epochs=40, batch_size=128, weight_decay=1e-3)
    train(network, x, y, how, loss="cross_entropy", seeds=(0,))
    model = network.as_sequential(0).eval()
    parts = zip(x.split(128), y.split(128), strict=True)
    with torch.no_grad():
        losses = torch.stack([functional.cross_entropy(model(a), b) for a, b in parts])
    return Objective(model, functional.cross_entropy, [(x, y)]), float(losses.std(correction=0))


def clocked(call: Callable[[], Tensor | Run]) -> tuple[float, Tensor | Run]:
    """Wall time of a call in seconds, and what it returns."""
    start = time.perf_counter()
    made = call()
    return time.perf_counter() - start, made


def reference(objective: Objective, steps: int, share: Callable[[Tensor], Tensor]) -> float:
    """Return the mean of a function the reference's way.

    Each product goes forward anew, over a list of parameters and batches of 128; the Ritz values
    become a smoothed density on a grid.
    """
    model, ((x, y),) = objective.model, objective.batches
    weights = list(model.parameters())
    batches = list(zip(x.split(128), y.split(128), strict=True))

    def product(v: list[Tensor]) -> list[Tensor]:
        total = [torch.zeros_like(w) for w in weights]
        for a, b in batches:
            loss = objective.loss(model(a), b)
            slope = torch.autograd.grad(loss, weights, create_graph=True)
            form = sum((g * part).sum() for g, part in zip(slope, v, strict=True))
            found = torch.autograd.grad(form, weights)
            total = [t + h * len(a) / len(x) for t, h in zip(total, found, strict=True)]
        return total

    def dot(a: list[Tensor], b: list[Tensor]) -> float:
        return float(sum((s * t).sum() for s, t in zip(a, b, strict=True)))

    source = torch.Generator().manual_seed(0)
    now = [torch.randint(2, w.shape, generator=source).double() * 2 - 1 for w in weights]
    now = [part / dot(now, now) ** 0.5 for part in now]
    basis, T = [now], torch.zeros(steps, steps, dtype=torch.float64)
    for j in range(steps):
        image = product(basis[-1])
        T[j, j] = dot(image, basis[-1])
        for old in basis:
            along = dot(image, old)
            image = [part - along * o for part, o in zip(image, old, strict=True)]
        if j + 1 < steps:
            T[j, j + 1] = T[j + 1, j] = dot(image, image) ** 0.5
            basis.append([part / T[j, j + 1] for part in image])
    values, vectors = torch.linalg.eigh(T)
    grid = torch.linspace(values.min() - 0.01, values.max() + 0.01, GRID, dtype=torch.float64)
    spread = KERNEL * max(1.0, float(values.max() - values.min()))
    density = torch.zeros_like(grid)
    for value, weight in zip(values, vectors[0].square(), strict=True):
        density += weight * (-(grid - value).square() / (2 * spread)).exp()
    return float((density * share(grid)).sum() / density.sum())


def against_dense() -> None:
    """Print the share δ/D, and the time it takes, of all eigenvalues and of a few steps."""
    objective, epsilon = digits()
    weights = objective.weights()
    small = weights.abs().sort().values[: len(weights) // 2]
    radius2 = float(small.square().sum())
    print(f"digits, {'-'.join(map(str, WIDTHS))}, D = {len(weights)}, one thread")
    said = f"epsilon {epsilon:.2e} (batches of 128), R² {radius2:.2f} (half of the weights)"
    print(f"{said}, gradient norm {gradient_norm(objective):.1e}")

    def share(t: Tensor) -> Tensor:
        return 2 * epsilon / (radius2 * t.abs() + 2 * epsilon)

    hessian(objective) @ weights  # warm
    built, matrix = clocked(lambda: hessian(objective).dense().matrix)
    assert isinstance(matrix, Tensor)
    solved, values = clocked(lambda: torch.linalg.eigvalsh(matrix))
    assert isinstance(values, Tensor)
    dense, exact = built + solved, float(share(values).mean())
    print(
        f"all eigenvalues: {built:.1f} s the matrix, {solved:.1f} s the values; delta/D {exact:.4f}"
    )
    print(f"({int((values < 0).sum())} negative, largest {float(values.max()):.3g})")
    head = f"{'way':>20} {'steps':>6} {'seconds':>9} {'ratio':>7} {'delta/D':>9} {'error':>9}"
    print(f"{head} {'interval':>18}")
    for starts in (1, 3):
        for steps in STEPS:
            again = f"{starts} {steps}"
            seconds, run = min(
                (
                    clocked(
                        lambda: quadrature(hessian(objective), steps, dice(again), starts=starts)  # noqa: B023
                    )
                    for _ in range(3)
                ),
                key=lambda pair: pair[0],
            )
            assert isinstance(run, Run)
            found = run.spectrum().mean(share)
            line = (
                f"{f'{starts} random starts':>20} {steps:6d} {seconds:9.3f} {dense / seconds:7.0f}"
            )
            line += f" {found:9.4f} {found - exact:+9.4f}"
            if starts > 1:
                ends = run.mean(share)
                line += f"   [{ends.low:.4f}, {ends.high:.4f}]"
            print(line)
    for steps in (32, 128):
        start = time.perf_counter()
        found = reference(objective, steps, share)
        seconds = time.perf_counter() - start
        line = f"{'the reference':>20} {steps:6d} {seconds:9.3f} {dense / seconds:7.0f}"
        print(f"{line} {found:9.4f} {found - exact:+9.4f}")


def growth(steps: int = 4) -> None:
    """Print time and memory of a few steps as D grows, in single precision."""
    print(f"{steps} steps from one start, 64 samples, float32")
    print(f"{'D':>10} {'seconds a step':>15} {'peak MB':>9}")
    seconds, peaks, sizes = [], [], []
    for width in GROWTH:
        torch.manual_seed(width)
        model = nn.Sequential(nn.Linear(width, 1000), nn.Tanh(), nn.Linear(1000, 10)).eval()
        data = [(torch.randn(64, width), torch.arange(64) % 10)]
        operator = hessian(Objective(model, functional.cross_entropy, data))
        operator @ operator.like  # makes the graph
        times = [
            clocked(lambda: quadrature(operator, steps, dice(width), starts=1))[0]  # noqa: B023
            for _ in range(3)
        ]
        sizes.append(operator.shape[0])
        seconds.append(min(times) / steps)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)  # of the process
        print(f"{sizes[-1]:10d} {seconds[-1]:15.4f} {peaks[-1]:9.0f}")
    grows = exponent(sizes, seconds)  # above 1: fresh pages for each vector of more than 32 MB
    more = (peaks[-1] - peaks[-2]) / (sizes[-1] - sizes[-2]) * 2**20 / 4
    print(f"seconds ~ D^{grows:.2f}; in memory {more:.1f} numbers for each weight more")


def main() -> None:
    """Print both tables."""
    torch.set_num_threads(1)
    growth()
    against_dense()


if __name__ == "__main__":
    main()
