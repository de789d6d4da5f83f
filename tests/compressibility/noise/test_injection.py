"""Injected noise: its three laws, its two ways into training, units, resuming, divergence."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from compressibility.dice import dice
from compressibility.models.meanfield import meanfield
from compressibility.models.network import Network, convnet, mlp
from compressibility.noise.injection import HeavyTailedNoise
from compressibility.noise.stable import positive, symmetric
from compressibility.training.loop import Training, train
from tests.compressibility.helpers import normal, refuses

KINDS = ("shared", "independent", "isotropic")
US = ((0.7, -0.7), (0.5, 0.5), (0.6, -0.2), (0.9, 0.0))


def noise(**changes):
    return HeavyTailedNoise(**{"alpha": 1.25, "scale": 0.3, "kind": "isotropic"} | changes)


def injected(run, *shape, steps=1, dtype=torch.float64):
    """What a run adds to a layer of one network of zeros, whose other layer stays."""
    network = Network(
        [torch.zeros(1, *shape, dtype=dtype), torch.zeros(1, 1, shape[0], dtype=dtype)]
    )
    for step in range(steps):
        run(network, step, torch.zeros(1))
    assert not network.weights[1].any()
    return network.weights[0][0].detach()


# ------------------------------------------------------------------------------------------ laws


def characteristic(kind, alpha, reference=False, draws=1_000_000):
    """Empirical E exp(i<u, ξ>) at the four u, from one step of rate η = 0.5 and σ η^{1/α} = 1."""
    law = noise(kind=kind, alpha=alpha, scale=0.5 ** (-1 / alpha), reference=reference)
    xi = injected(law.hook(0.5, dice("laws", kind)), draws, 2)
    return [(xi @ xi.new_tensor(u)).cos().mean().item() for u in US]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("shared", (1.0, 0.367879, 0.727524, 0.416194)),
        ("independent", (0.277880, 0.431324, 0.515914, 0.416194)),
        ("isotropic", (0.372524, 0.522871, 0.568923, 0.416194)),
    ],
)
def test_characteristic_functions(kind, expected):
    """Catches kinds confused, a scale of √2, one φ for each coordinate, η^α for η^{1/α}."""
    assert characteristic(kind, 1.25) == pytest.approx(expected, abs=3e-3)


def test_characteristic_function_of_the_reference():
    """Catches the authors' √2 multiplied, or left out."""
    found = characteristic("isotropic", 1.25, reference=True)
    assert found[1] == pytest.approx(0.656752, abs=3e-3)
    assert found[3] == pytest.approx(math.exp(-((0.9 / math.sqrt(2)) ** 1.25)), abs=3e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_two_is_gaussian_of_variance_two(kind):
    """Catches N(0, 1) at α = 2, which two of the authors' three kinds are there."""
    found = characteristic(kind, 2.0, draws=300_000)
    expected = math.exp(-1) if kind == "shared" else math.exp(-0.5)
    assert found[1] == pytest.approx(expected, abs=5e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_logarithm_of_a_coordinate(kind):
    """Catches a scale that differs between the kinds: E log|ξ| = γ (1/α - 1) for all three."""
    run = noise(scale=1, kind=kind).hook(1.0, dice("logs", kind))
    first = injected(run, 400_000, 2)[:, 0]
    assert first.abs().log().mean().item() == pytest.approx(-0.115443, abs=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_steps_add_up_to_a_step(kind):
    """Catches K η^{1/α}, √(Kη), σ^{1/α} and others for the scale σ (Kη)^{1/α} of seven steps."""
    run = noise(scale=1.5, kind=kind).hook(0.1, dice("sum", kind))
    found = injected(run, 150_000, 1, steps=7).abs()
    assert run.steps == 7
    assert found.median().item() == pytest.approx(1.103691, abs=0.015)
    assert found.log().mean().item() == pytest.approx(0.004682, abs=0.015)


@pytest.mark.parametrize("kind", KINDS)
def test_single_precision_does_not_touch_the_draws(kind):
    """Catches uniforms of 24 bits, whose law ends: float32 noise is the float64 one, rounded."""
    both = [
        injected(noise(kind=kind).hook(0.1, dice("bits")), 5000, 3, dtype=dtype)
        for dtype in (torch.float32, torch.float64)
    ]
    torch.testing.assert_close(both[0].double(), both[1], rtol=3e-7, atol=0)
    first = injected(noise(kind="shared", scale=1).hook(1.0, dice("bits")), 5000, 3)[:, :1]
    assert torch.equal(first, symmetric(1.25, (5000, 1), dice("bits")))


# ----------------------------------------------------------------------------- units and layers


def literal(kind, units, shape, generator):
    """ξ for one weight, unit by unit along flattened rows; α = 1.25."""
    rows = shape[0] * (shape[1] if units == "columns" and len(shape) > 2 else 1)
    size = math.prod(shape) // rows
    if kind == "shared":
        drawn = symmetric(1.25, (rows,), generator)[:, None].repeat(1, size)
    elif kind == "independent":
        drawn = symmetric(1.25, (rows, size), generator)
    else:
        root = (2 * positive(1.25, (rows, 1), generator)).sqrt()
        drawn = root * torch.empty(rows, size).normal_(generator=generator)
    return drawn.reshape(shape)


@pytest.mark.parametrize("units", ["columns", "filters"])
@pytest.mark.parametrize("kind", KINDS)
def test_convolutions_per_filter_or_per_kernel(kind, units):
    """Catches units along inputs, kernels for filters, layers in another order."""
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Conv1d(4, 3, 5), nn.Linear(5, 3), nn.Linear(3, 2))
    model.double()
    before = [w.detach().clone() for w in model.parameters()]
    plain = torch.optim.SGD(model.parameters(), lr=0.2)
    steps = noise(kind=kind, units=units, record=True).around(plain, model, dice("units"))
    for _ in range(3):
        steps.step()
    same, moved = dice("units"), {"0.weight": 0.0, "1.weight": 0.0, "2.weight": 0.0}
    for _ in range(3):
        for name in moved:
            weight = model.get_parameter(name)
            moved[name] = moved[name] + literal(kind, units, tuple(weight.shape), same)
    for (name, weight), old in zip(model.named_parameters(), before, strict=True):
        change = 0.3 * 0.2 ** (1 / 1.25) * moved[name] if name in moved else torch.zeros_like(old)
        torch.testing.assert_close(weight.detach() - old, change, rtol=1e-9, atol=1e-13)
        if name in moved:
            torch.testing.assert_close(steps.injected[name], change, rtol=1e-9, atol=1e-13)
    assert set(steps.injected) == set(moved)


def test_layers_are_those_asked_for():
    """Catches biases, the last layer or frozen weights moved; names that only look right."""
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4), nn.Linear(4, 2))
    model[2].weight.requires_grad_(False)
    for layers, expected in ((None, ["0.weight"]), (["3", "0.weight"], ["0.weight", "3.weight"])):
        before = {name: w.detach().clone() for name, w in model.named_parameters()}
        plain = torch.optim.SGD(model.parameters(), lr=0.1)
        noise(layers=layers).around(plain, model, dice("layers")).step()
        now = dict(model.named_parameters())
        assert [name for name in before if not torch.equal(before[name], now[name])] == expected


def test_frozen_signs_of_a_mean_field_stay():
    """Catches noise on what the theorem keeps fixed."""
    network = meanfield(3, 10, seeds=(0, 1))
    signs = network.weights[1].clone()
    noise().hook(0.1, dice("frozen"))(network, 0, torch.zeros(2))
    assert torch.equal(network.weights[1], signs)


# ------------------------------------------------------------------------- hook and optimizer


def data():
    return normal(20, 3), torch.randint(2, (20,), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", KINDS)
def test_hook_wrapper_and_a_loop_by_hand_agree(kind):
    """Catches noise before the step, at another rate, into the gradient, from other dice."""
    x, y = data()
    ours = mlp([3, 6, 2], seeds=(4,), dtype=torch.float64)
    wrapped, plain = ours.as_sequential(0), ours.as_sequential(0)
    run = noise(kind=kind, record=True).hook(0.05, dice("hand"))
    how = Training(epochs=4, learning_rate=0.05, batch_size=6, optimizer="sgd")
    train(ours, x, y, how, loss="cross_entropy", seeds=(4,), hooks=[run])
    inner = torch.optim.SGD(wrapped.parameters(), lr=0.05)
    steps = noise(kind=kind, record=True).around(inner, wrapped, dice("hand"))
    order, same = torch.Generator().manual_seed(4), dice("hand")
    start, drift = plain[0].weight.detach().clone(), 0.0
    for _ in range(4):
        for batch in torch.randperm(20, generator=order).split(6):
            steps.zero_grad()
            functional.cross_entropy(wrapped(x[batch]), y[batch]).backward()
            steps.step()
            plain.zero_grad()
            functional.cross_entropy(plain(x[batch]), y[batch]).backward()
            with torch.no_grad():
                for at, weight in enumerate(plain.parameters()):
                    weight -= 0.05 * weight.grad
                    if at == 0:
                        drift = drift - 0.05 * weight.grad
                        weight += 0.3 * 0.05**0.8 * literal(kind, "columns", weight.shape, same)
    for mine, other, third in zip(
        ours.weights, wrapped.parameters(), plain.parameters(), strict=True
    ):
        torch.testing.assert_close(mine[0], third, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(other, third, rtol=1e-9, atol=1e-12)
    # T0 wants both parts: noise, and start with gradient steps.
    rest = ours.weights[0][0].detach() - run.injected["weights.0"][0]
    torch.testing.assert_close(rest, start + drift, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(
        run.injected["weights.0"][0], steps.injected["0.weight"], rtol=1e-12, atol=1e-12
    )
    assert (run.steps, steps.steps, noise().injected) == (16, 16, {})


def test_rates_follow_groups_and_schedules():
    """Catches one rate for all groups, and that of the start for all steps."""
    model = nn.Sequential(nn.Linear(2, 3, bias=False), nn.Linear(3, 3, bias=False)).double()
    model.append(nn.Linear(3, 1))
    groups = [{"params": model[0].parameters(), "lr": 0.4}, {"params": model[1].parameters()}]
    plain = torch.optim.SGD([*groups, {"params": model[2].parameters()}], lr=0.1)
    schedule = torch.optim.lr_scheduler.StepLR(plain, step_size=1, gamma=0.5)
    steps = noise(scale=1, kind="independent", record=True).around(plain, model, dice("rates"))
    same, expected = dice("rates"), [0.0, 0.0]
    for k in range(3):
        steps.step()
        schedule.step()
        for at, (rate, shape) in enumerate(((0.4, (3, 2)), (0.1, (3, 3)))):
            xi = symmetric(1.25, shape, same)
            expected[at] = expected[at] + (rate * 0.5**k) ** 0.8 * xi
    for at in (0, 1):
        torch.testing.assert_close(steps.injected[f"{at}.weight"], expected[at])


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_equals_single_runs(kind):
    """Catches networks that share dice or rates, or get those of another; in maps as in rows."""
    seeds, rates = (3, 7, 1), (0.1, 0.02, 0.4)
    how = {"outputs": 2, "size": 3, "dtype": torch.float64}
    together = convnet([1, 4], seeds=seeds, **how)
    start = together.weights[0].detach().clone()
    run = noise(kind=kind).hook(rates, [dice("each", seed) for seed in seeds])
    for step in range(2):
        run(together, step, torch.zeros(3))
    for e, (seed, rate) in enumerate(zip(seeds, rates, strict=True)):
        alone = convnet([1, 4], seeds=(seed,), **how)
        single = noise(kind=kind).hook(rate, dice("each", seed))
        for step in range(2):
            single(alone, step, torch.zeros(1))
        assert torch.equal(alone.weights[0][0], together.weights[0][e])
    shared = convnet([1, 4], seeds=seeds, **how)
    noise(kind=kind).hook(0.1, dice("all"))(shared, 0, torch.zeros(3))
    change = (shared.weights[0].detach() - start)[:, :, 0, 0, 0]
    assert change.unique().numel() == 12  # no network gets another's noise


# ---------------------------------------------------------------------------------------- state


def test_an_interrupted_run_goes_on_with_the_same_numbers(tmp_path):
    """Catches dice that start anew, an optimizer's or a record's state lost on the way."""

    def begin(place):
        torch.manual_seed(2)
        model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 2))
        plain = torch.optim.Adam(model.parameters(), lr=0.05)
        law = noise(alpha=np.float64(1.5), scale=0.01, record=True)
        return model, law.around(plain, model, place)

    def go(model, steps, count):
        for _ in range(count):
            steps.zero_grad()
            model(torch.ones(3, 1, 4, 4)).square().sum().backward()
            steps.step()

    whole_model, whole = begin(dice("resume"))
    go(whole_model, whole, 7)
    first_model, first = begin(dice("resume"))
    go(first_model, first, 4)
    torch.save({"model": first_model.state_dict(), "steps": first.state_dict()}, tmp_path / "run")
    go(first_model, first, 2)  # what happens after the save does not reach it
    saved = torch.load(tmp_path / "run", weights_only=True)
    model, steps = begin(dice("other"))
    model.load_state_dict(saved["model"])
    steps.load_state_dict(saved["steps"])
    go(model, steps, 3)
    for a, b in zip(model.parameters(), whole_model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert torch.equal(steps.injected["0.weight"], whole.injected["0.weight"])
    assert (steps.steps, whole.steps) == (7, 7)


def test_a_hook_goes_on_too():
    """Catches a state that only the wrapper keeps, or that changes as the run goes on."""
    law = noise(record=True)
    whole, first = (law.hook(0.1, dice("go on")) for _ in range(2))
    expected = injected(whole, 4, 2, steps=5)
    begun = injected(first, 4, 2, steps=3)
    state = first.state_dict()
    injected(first, 4, 2)
    later = law.hook(0.1, dice("elsewhere"))
    later.load_state_dict(state)
    torch.testing.assert_close(begun + injected(later, 4, 2, steps=2), expected)
    torch.testing.assert_close(later.injected["weights.0"], whole.injected["weights.0"])
    assert law.steps == 0


# ----------------------------------------------------------------------------------- divergence


def test_a_run_that_diverges_is_named_with_its_step():
    """Catches nan that goes on without a word, or a step too late."""
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    steps = noise().around(torch.optim.SGD(model.parameters(), lr=0.1), model, dice("late"))
    for step in range(4):
        steps.zero_grad()
        model(torch.ones(1, 2)).sum().backward()
        if step == 2:
            model[0].weight.grad[1, 1] = math.nan
            with pytest.raises(FloatingPointError, match=r"step 2 .*'0.weight'"):
                steps.step()
            break
        steps.step()
    assert steps.diverged == {0: 2}


def test_networks_that_diverge_leave_the_others_alone():
    """Catches a wrong network or the last step named, infinity overlooked, large for infinite."""
    network = mlp([2, 3, 1], seeds=(0, 1, 2))
    run = noise().hook(0.1, dice("three"))
    for step in range(4):
        with torch.no_grad():
            network.weights[0][2] = 3e38  # finite, though their sum is not
            if step == 1:
                network.weights[0][1, 0, 0] = math.inf
        run(network, step, torch.zeros(3))
    assert run.diverged == {1: 1}
    assert network.weights[0][0].isfinite().all()


def test_a_readers_own_network_trains():
    """Catches a wrapper that breaks training: five lines around a model with a convolution."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    x, y = torch.randn(40, 1, 8, 8), torch.arange(40) % 2
    x[y == 1] += 0.5
    law = noise(alpha=1.75, scale=0.003, units="filters")
    steps = law.around(torch.optim.SGD(model.parameters(), lr=0.1), model, dice("own"))
    losses = []
    for _ in range(60):
        steps.zero_grad()
        losses.append(functional.cross_entropy(model(x), y))
        losses[-1].backward()
        steps.step()
    assert losses[-1] < 0.3 * losses[0]


def test_closures_pass_and_nothing_global_is_drawn():
    """Catches optimizers that ask twice, and noise from the global dice."""
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    steps = noise(scale=0).around(torch.optim.LBFGS(model.parameters()), model, dice("closure"))
    before = torch.get_rng_state()

    def closure():
        steps.zero_grad()
        loss = (model(torch.ones(1, 2)) - 3).square().sum()
        loss.backward()
        return loss

    first = steps.step(closure)
    assert first > 0.1 > 1e-6 > closure()
    assert torch.equal(torch.get_rng_state(), before)


# --------------------------------------------------------------------------------- bad arguments


def around(model, optimized=None, **changes):
    plain = torch.optim.SGD((optimized or model).parameters(), lr=0.1)
    return noise(**changes).around(plain, model, dice("bad"))


def called(rate=0.1, generator=None, network=None, **changes):
    run = noise(**changes).hook(rate, dice("bad") if generator is None else generator)
    run(network or mlp([2, 3, 1], seeds=(0, 1)), 0, torch.zeros(2))


def resumed(**changes):
    noise().hook(0.1, dice("bad")).load_state_dict(noise(**changes).state_dict())


def test_a_tied_head_is_the_last_layer():
    """Catches a head that gets noise under its other name, and a layer of two names moved twice."""
    model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 4, bias=False), nn.Linear(4, 5))
    model[2].weight = model[0].weight
    run = noise().around(torch.optim.SGD(model.parameters(), lr=0.1), model, dice("tied"))
    assert list(run._weights) == ["1.weight"]
    twice = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    twice[1].weight = twice[0].weight
    run = noise().around(torch.optim.SGD(twice.parameters(), lr=0.1), twice, dice("tied"))
    assert list(run._weights) == ["0.weight"]


def test_a_rate_below_zero_moves_nothing():
    """Catches an error behind the optimizer's step."""
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    run = noise().around(sgd, model, dice("below"))
    model(torch.ones(1, 2)).sum().backward()
    sgd.param_groups[0]["lr"] = -0.1
    before = model[1].weight.detach().clone()
    with pytest.raises(ValueError, match=r"need 0 <= rate of 0\.weight < inf"):
        run.step()
    assert torch.equal(model[1].weight, before)


def test_layers_are_a_set():
    """Catches a state that is refused since its layers have another order, or are an array."""
    one, other = (noise(layers=some).hook(0.1, dice("set")) for some in (["a", "b"], ["b", "a"]))
    one.load_state_dict(other.state_dict())
    assert noise(layers=np.array(["a", "b"])).state_dict()["noise"]["layers"] == ["a", "b"]


PAIR = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))

test_bad_arguments = refuses(
    (lambda: noise(alpha=0), "need 0 < alpha <= 2, got 0"),
    (lambda: noise(alpha=2.1), "need 0 < alpha <= 2, got 2.1"),
    (lambda: noise(alpha=math.nan), "need 0 < alpha <= 2, got nan"),
    (lambda: noise(scale=-1.0), "need 0 <= scale < inf, got -1.0"),
    (lambda: noise(kind="elliptic"), "need kind in .*'shared'.*got 'elliptic'"),
    (lambda: noise(units="rows"), "need units in .*got 'rows'"),
    (lambda: noise(layers="0"), "need a list of at least 1 layer, got '0'"),
    (lambda: noise(layers=[]), "need a list of at least 1 layer"),
    (lambda: around(PAIR, layers=["2"]), r"need layers among \['0.weight', '1.weight'\], got"),
    (lambda: around(PAIR, layers=["0.bias"]), "need layers among .*0.bias"),
    (lambda: around(nn.Linear(2, 2)), "need a weight to move besides the last"),
    (lambda: around(PAIR, PAIR[1]), "need layers that the optimizer steps, got .*0.weight"),
    (
        lambda: around(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)).bfloat16()),
        "need layers of dtype float32 or",
    ),
    (lambda: called(layers=["weights.2"]), "need layers among .*weights.2"),
    (lambda: called(rate=[]), "need at least 1 rate"),
    (lambda: called(rate=-0.1), "need 0 <= rate 0 < inf, got -0.1"),
    (lambda: called(rate=(0.1, math.nan)), "need 0 <= rate 1 < inf, got nan"),
    (lambda: called(rate=(0.1, 0.1, 0.1)), "need 1 rate or 2, got 3"),
    (lambda: called(generator=[dice("a")] * 3), "need 1 generator or 2, got 3"),
    (lambda: called(generator=[]), "need 1 generator or 2, got 0"),
    (lambda: noise()(PAIR, 0, torch.zeros(1)), r"need a run that hook\(\) has started"),
    (lambda: noise().step(), r"need a run that around\(\) has started"),
    (lambda: noise().zero_grad(), r"need a run that around\(\) has started"),
    (lambda: resumed(alpha=1.5), "need the state of .*1.25.*got .*1.5"),
    (lambda: resumed(kind="shared"), "need the state of .*isotropic.*got .*shared"),
    (resumed, "need a state of 1 generators, got 0"),
)
