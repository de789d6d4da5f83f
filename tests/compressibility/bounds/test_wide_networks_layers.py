"""One layer's bounds: known answers, brute force on small layers, inequalities."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compressibility.bounds import wide_networks

LAYER = {"input_error": 0.4, "sigma1": 1.5, "nu1": 0.6, "theta": 1.1, "n2": 8, "alpha": 0.9}

shares = st.floats(0.01, 0.99)
sizes = st.floats(0.0, 100.0)
layers = st.fixed_dictionaries(
    {
        "input_error": sizes,
        "sigma1": sizes,
        "nu1": sizes,
        "theta": sizes,
        "n2": st.integers(1, 1000),
        "alpha": shares,
    }
)


@dataclass(frozen=True)
class Case:
    """A layer with its inputs, dense and compressed."""

    W: np.ndarray  # (n2, n1)
    X: np.ndarray  # (samples, n1)
    Y: np.ndarray  # (samples, n1) the compressed inputs x'

    def numbers(self) -> dict[str, float]:
        """Measure what the bounds ask for."""
        return {
            "input_error": float(((self.X - self.Y) ** 2).sum(1).mean()),
            "sigma1": float(np.sqrt(np.linalg.eigvalsh(self.W @ self.W.T).max())),
            "nu1": float(np.abs(self.W).max()),
            "theta": float(np.sqrt((self.Y**2).sum(1).max())),
            "n2": len(self.W),
        }

    def psi(self, A: np.ndarray) -> float:
        """Give the error of the compressed matrix A."""
        return float(((self.X @ self.W.T - self.Y @ A.T) ** 2).sum(1).mean())

    def greedy(self, variances: np.ndarray, alpha: float) -> np.ndarray:
        """Flat indices of the floor(alpha N) smallest scores Var(t_ij) E x'_j^2."""
        scores = (variances * (self.Y**2).mean(0)).ravel()
        return np.argsort(scores, kind="stable")[: round(alpha * self.W.size - 0.5 + 1e-9)]


def case_a() -> Case:
    """Build case A of the theory sheet."""
    draw = np.random.default_rng(0).standard_normal
    W = draw((8, 30)) / math.sqrt(30)
    X = draw((64, 30))
    X /= np.linalg.norm(X, axis=1).max()
    return Case(W, X, X + 0.3 * draw((64, 30)) / math.sqrt(30))


def random_case(seed: int, n2: int, n1: int) -> Case:
    generator = np.random.default_rng(seed)
    X = generator.standard_normal((7, n1)) * generator.uniform(0.1, 3, n1)
    W = generator.standard_normal((n2, n1)) * generator.uniform(0.1, 2)
    return Case(W, X, X + generator.uniform(0, 1) * generator.standard_normal((7, n1)))


def pruning_draws(w: float, p: float) -> list[tuple[float, float]]:
    """List the values of a draw with their probabilities."""
    return [(w / p, p), (0.0, 1 - p)]


def quantizing_draws(w: float, largest: float, k: int) -> list[tuple[float, float]]:
    step = largest / k
    level = min(math.floor(abs(w) / step), k - 1)
    up = abs(w) / step - level
    sign = math.copysign(1.0, w)
    return [(sign * (level + 1) * step, up), (sign * level * step, 1 - up)]


def exact_mean(case: Case, chosen: np.ndarray, draws: list[list[tuple[float, float]]]) -> float:
    """Sum Psi over every outcome of the draws, weighted with its probability."""
    total = 0.0
    for outcome in itertools.product(*draws):
        A = case.W.copy()
        A.ravel()[chosen] = [value for value, _ in outcome]
        total += math.prod(chance for _, chance in outcome) * case.psi(A)
    return total


def test_known_answers_of_case_a() -> None:
    """Catches a lost factor (2, 1-alpha, (1-p)/p, k squared, n2) in any of the four bounds."""
    numbers = case_a().numbers()
    assert numbers["sigma1"] == pytest.approx(1.560993, rel=1e-6)
    assert numbers["nu1"] == pytest.approx(0.567137, rel=1e-5)
    assert numbers["theta"] == pytest.approx(1.148261, rel=1e-6)
    assert numbers["input_error"] == pytest.approx(0.089516, rel=1e-4)
    pruned = wide_networks.proposition_19(**numbers, alpha=0.9, p=0.3)
    quantized = wide_networks.proposition_18(**numbers, alpha=0.9, k=2)
    assert pruned == pytest.approx(142.712, rel=1e-5)
    assert quantized == pytest.approx(15.4853, rel=1e-5)
    dense = numbers["sigma1"] ** 2 * numbers["input_error"]
    sharp = wide_networks.sharper_wide_pruning(**numbers, alpha=0.9, p=0.3)
    assert (pruned - dense) / (sharp - dense) == pytest.approx(2 / 0.1)
    sharp = wide_networks.sharper_wide_quantization(**numbers, alpha=0.9, k=2)
    assert (quantized - dense) / (sharp - dense) == pytest.approx(8 / 0.1)


def test_ladder_on_case_a_by_monte_carlo() -> None:
    """Catches a bound below what greedy pruning really loses: the sheet's mean is 0.270135."""
    case = case_a()
    chosen = case.greedy(case.W**2 * 7 / 3, 0.9)
    assert len(chosen) == 216
    generator = np.random.default_rng(5)
    losses = []
    for _ in range(2000):
        A = case.W.copy()
        A.ravel()[chosen] *= (generator.random(216) < 0.3) / 0.3
        losses.append(case.psi(A))
    error = np.std(losses) / math.sqrt(len(losses))
    assert abs(np.mean(losses) - 0.270135) < 4 * error
    sharp = wide_networks.sharper_wide_pruning(**case.numbers(), alpha=0.9, p=0.3)
    assert np.mean(losses) + 4 * error < sharp


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("n2", "n1", "alpha"), [(2, 4, 0.75), (1, 7, 0.9), (3, 3, 0.34)])
def test_exact_mean_below_sharper_below_printed(seed: int, n2: int, n1: int, alpha: float) -> None:
    """Catches a bound that some layer's exact mean error exceeds, and swapped rungs."""
    case = random_case(seed, n2, n1)
    numbers = case.numbers()
    p = [0.1, 0.3, 0.5, 0.8][seed % 4]
    chosen = case.greedy(case.W**2 * (1 - p) / p, alpha)
    assert len(chosen) == wide_networks.compressed_count(alpha, n1 * n2)
    mean = exact_mean(case, chosen, [pruning_draws(w, p) for w in case.W.ravel()[chosen]])
    sharp = wide_networks.sharper_wide_pruning(**numbers, alpha=alpha, p=p)
    printed = wide_networks.proposition_19(**numbers, alpha=alpha, p=p)
    assert mean <= sharp < printed

    k = 1 + seed % 3
    draws = [quantizing_draws(w, numbers["nu1"], k) for w in case.W.ravel()]
    variances = [
        sum(chance * (t - w) ** 2 for t, chance in pair)
        for w, pair in zip(case.W.ravel(), draws, strict=True)
    ]
    chosen = case.greedy(np.reshape(variances, case.W.shape), alpha)
    mean = exact_mean(case, chosen, [draws[index] for index in chosen])
    sharp = wide_networks.sharper_wide_quantization(**numbers, alpha=alpha, k=k)
    printed = wide_networks.proposition_18(**numbers, alpha=alpha, k=k)
    assert mean <= sharp < printed


def test_sharper_pruning_is_attained() -> None:
    """Catches waste in the sharper form: all |w| the same, the whole layer drawn."""
    case = Case(np.array([[1.0, 1.0], [1.0, -1.0]]), np.eye(2), np.eye(2))
    chosen = np.arange(4)
    mean = exact_mean(case, chosen, [pruning_draws(w, 0.25) for w in case.W.ravel()])
    sharp = wide_networks.sharper_wide_pruning(**case.numbers(), alpha=1, p=0.25)
    assert mean == pytest.approx(sharp, rel=1e-12)


def test_sharper_quantization_is_attained() -> None:
    """Catches 1/k^2 or 1/2k^2 for 1/(4k^2): all but one weight half-way between two levels."""
    W = np.full((1, 8), 0.5)
    case = Case(W, np.eye(8), np.eye(8))
    mean = exact_mean(case, np.arange(8), [quantizing_draws(w, 1.0, 1) for w in W.ravel()])
    numbers = case.numbers() | {"nu1": 1.0, "theta": 1.0}  # levels -1, 0, 1
    sharp = wide_networks.sharper_wide_quantization(**numbers, alpha=1, k=1)
    assert mean == pytest.approx(sharp, rel=1e-12)


@settings(deadline=None)
@given(layer=layers, p=shares, k=st.integers(1, 50), epsilon=st.floats(0, 10))
def test_rungs_and_slack(layer: dict[str, float], p: float, k: int, epsilon: float) -> None:
    """Catches swapped rungs, and a (1+epsilon) that misses one of the two terms."""
    printed = wide_networks.proposition_19(**layer, p=p)
    sharp = wide_networks.sharper_wide_pruning(**layer, p=p)
    rough = layer["sigma1"] ** 2 * layer["input_error"]
    assert rough <= sharp <= printed
    for bound, mean in (
        (wide_networks.proposition_19, printed),
        (wide_networks.sharper_wide_pruning, sharp),
    ):
        assert bound(**layer, p=p, epsilon=epsilon) == pytest.approx((1 + epsilon) * mean)
    printed = wide_networks.proposition_18(**layer, k=k)
    assert rough <= wide_networks.sharper_wide_quantization(**layer, k=k) <= printed


@settings(deadline=None)
@given(layer=layers, p=shares, k=st.integers(1, 50), factor=st.floats(1.001, 5))
def test_monotone(layer: dict[str, float], p: float, k: int, factor: float) -> None:
    """Catches an argument that enters upside down: more of anything costs, more p or k helps."""
    pruning = (wide_networks.proposition_19, wide_networks.sharper_wide_pruning)
    quantizing = (wide_networks.proposition_18, wide_networks.sharper_wide_quantization)
    slack = 1 + 1e-12
    for bounds, option, better in (
        (pruning, {"p": p}, {"p": min(0.999, p * factor)}),
        (quantizing, {"k": k}, {"k": k + 1}),
    ):
        for bound in bounds:
            value = bound(**layer, **option)
            assert bound(**layer, **better) <= value * slack
            for name in ("input_error", "sigma1", "nu1", "theta"):
                assert bound(**layer | {name: layer[name] * factor}, **option) * slack >= value
            assert bound(**layer | {"n2": layer["n2"] + 1}, **option) * slack >= value
            worse = {"alpha": min(0.999, layer["alpha"] * factor)}
            assert bound(**layer | worse, **option) * slack >= value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"p": 1.5}, r"need 0 < p < 1, got 1\.5"),
        ({"alpha": 1.0}, r"need 0 < alpha < 1, got 1\.0"),
        ({"epsilon": -0.1}, r"need 0 <= epsilon < inf, got -0\.1"),
        ({"theta": -1.0}, r"need 0 <= theta < inf, got -1\.0"),
        ({"nu1": math.inf}, r"need 0 <= nu1 < inf, got inf"),
        ({"sigma1": math.nan}, r"need 0 <= sigma1 < inf, got nan"),
        ({"input_error": -1}, r"need 0 <= input_error < inf, got -1"),
        ({"n2": 0}, r"need a whole n2 >= 1, got 0"),
    ],
)
def test_pruning_says_which_inequality_fails(change: dict[str, float], message: str) -> None:
    """Catches a silent nonsense bound from an argument out of range."""
    with pytest.raises(ValueError, match=message):
        wide_networks.proposition_19(**{**LAYER, "p": 0.3, "epsilon": 0.1, **change})


def test_other_bounds_check_their_range() -> None:
    """Catches a missing check in quantization, and alpha = 1 refused by the sharper forms."""
    with pytest.raises(ValueError, match=r"need a whole k >= 1, got 2\.5"):
        wide_networks.proposition_18(**LAYER, k=2.5)
    with pytest.raises(ValueError, match="need 0 < alpha < 1, got 1"):
        wide_networks.proposition_18(**LAYER | {"alpha": 1}, k=2)
    with pytest.raises(ValueError, match=r"need 0 < alpha <= 1, got 1\.1"):
        wide_networks.sharper_wide_pruning(**LAYER | {"alpha": 1.1}, p=0.3)
    with pytest.raises(ValueError, match="need 0 < alpha <= 1, got 0"):
        wide_networks.sharper_wide_quantization(**LAYER | {"alpha": 0}, k=2)
    assert wide_networks.sharper_wide_pruning(**LAYER | {"alpha": 1}, p=0.3) > 0
    assert wide_networks.sharper_wide_quantization(**LAYER | {"alpha": 1}, k=2) > 0


@pytest.mark.parametrize("seed", range(6))
def test_good_realization_exists(seed: int) -> None:
    """Catches a Lemma 12 with P <= epsilon for epsilon/(1+epsilon), or draws counted otherwise.

    From smallest_draws on, the masks that keep at most (1+gamma)np have a mean error of at most
    (1+epsilon) times the mean, so one of them has: all 2^n masks are tried.
    """
    p, gamma, xi = 0.3, 1.0, 0.9
    count = wide_networks.smallest_draws(p, xi, gamma=gamma, method="exact")
    assert count <= 9
    case = random_case(seed, 1, 10)
    chosen = case.greedy(case.W**2, 0.9)
    assert len(chosen) == 9
    good = []
    for mask in itertools.product((0, 1), repeat=9):
        A = case.W.copy()
        A.ravel()[chosen] *= np.array(mask) / p
        if sum(mask) <= (1 + gamma) * p * 9:
            good.append((p ** sum(mask) * (1 - p) ** (9 - sum(mask)), case.psi(A)))
    chances, errors = np.transpose(good)
    epsilon = wide_networks.concentration_slack(xi)
    assert chances.sum() >= 1 / (1 + epsilon)
    mean = exact_mean(case, chosen, [pruning_draws(w, p) for w in case.W.ravel()[chosen]])
    assert (chances @ errors) / chances.sum() <= (1 + epsilon) * mean
    numbers = case.numbers()
    bound = wide_networks.proposition_19(**numbers, alpha=0.9, p=p, epsilon=epsilon)
    assert errors.min() <= bound
    share = wide_networks.kept_share_bound(alpha=0.9, p=p, gamma=gamma, n=10)
    assert (1 + math.floor((1 + gamma) * p * 9)) / 10 <= share


def test_kept_share() -> None:
    """Catches the theorem's 1.01p without the 1% never drawn (slip 4), and alpha for 1-alpha."""
    assert wide_networks.kept_share_bound(alpha=0.99, p=0.3, gamma=0.01) == pytest.approx(
        0.01 + 0.9999 * 0.3
    )
    assert wide_networks.kept_share_bound(alpha=0.9, p=0.3) == pytest.approx(0.37)
    assert wide_networks.kept_share_bound(alpha=0.9, p=0.3, n=240) == pytest.approx(0.37)


@settings(deadline=None)
@given(alpha=shares, p=st.floats(0.01, 0.9), n=st.integers(1, 500))
def test_kept_share_counts_the_floor(alpha: float, p: float, n: int) -> None:
    """Catches a 'bound' below the mean kept share when alpha n is no whole number."""
    drawn = wide_networks.compressed_count(alpha, n)
    exact = wide_networks.kept_share_bound(alpha=alpha, p=p, n=n)
    assert exact == pytest.approx((n - drawn + p * drawn) / n)
    printed = wide_networks.kept_share_bound(alpha=alpha, p=p)
    assert printed - 1e-12 <= exact < printed + 1 / n


@pytest.mark.parametrize(
    ("alpha", "n", "count"), [(0.29, 100, 29), (0.9, 240, 216), (0.7, 10, 7), (0.5, 3, 1)]
)
def test_compressed_count_is_exact(alpha: float, n: int, count: int) -> None:
    """Catches int(0.29 * 100) = 28."""
    assert wide_networks.compressed_count(alpha, n) == count


def test_compressed_count_of_large_numpy_counts() -> None:
    """Catches 32-bit overflow in alpha * n."""
    assert wide_networks.compressed_count(0.99, np.int32(2_000_000_000)) == 1_980_000_000


def test_layer_constants_of_tensor_and_array() -> None:
    """Catches the Frobenius or 1-norm for the operator norm, and n_in swapped with n_out."""
    weight = torch.tensor([[3.0, 0.0, 0.0], [4.0, 0.0, -1.0]], requires_grad=True)
    found = wide_networks.layer_constants(weight)
    assert found == wide_networks.layer_constants(weight.detach().numpy())
    assert (found.n_in, found.n_out, found.nu1) == (3, 2, 4.0)
    gram = np.array([[9.0, 12.0], [12.0, 17.0]])  # W W^T
    assert found.sigma1 == pytest.approx(math.sqrt(np.linalg.eigvalsh(gram)[-1]))
    assert isinstance(found.sigma1, float)
    assert wide_networks.layer_constants(torch.ones(2, 2, dtype=torch.bfloat16)).sigma1 == (
        pytest.approx(2.0)
    )


@pytest.mark.parametrize("weight", [np.ones(3), np.ones((0, 2)), np.array([[1.0, np.nan]])])
def test_layer_constants_refuses(weight: np.ndarray) -> None:
    """Catches constants of a vector, an empty layer or a diverged network."""
    with pytest.raises(ValueError, match="need "):
        wide_networks.layer_constants(weight)
