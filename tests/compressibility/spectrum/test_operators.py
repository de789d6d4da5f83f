"""Tests of Hessians and Gauss-Newton matrices as operators."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from compressibility.spectrum import operators
from compressibility.spectrum.operators import (
    Objective,
    Operator,
    gauss_newton,
    gradient_norm,
    hessian,
)
from tests.compressibility.helpers import normal, refuses
from tests.compressibility.spectrum.cases import of, perceptron


class Product(nn.Module):
    """The number u v."""

    def __init__(self):
        super().__init__()
        self.factors = nn.Parameter(torch.ones(2, dtype=torch.float64))

    def forward(self, x):  # noqa: D102
        return self.factors.prod() * x


def half_square(outputs, targets):
    return 0.5 * (outputs - targets).square().sum(-1).mean()


def numbers(values):
    """A model whose outputs are its weights, and half the squared distance to these values."""
    values = torch.tensor([values], dtype=torch.float64)
    model = nn.Linear(1, values.shape[1], bias=False).double().eval()
    return model, half_square, [(torch.ones(1, 1).double(), values)]


def convolutional():
    """A network of torch's own layers, BatchNorm in eval mode with statistics of its own."""
    torch.manual_seed(1)
    layers = [nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    model = nn.Sequential(*layers, nn.Linear(12, 3)).double()
    x, y = normal(20, 1, 6, 6), torch.arange(20) % 3
    model(x)  # moves the running statistics
    return model, functional.cross_entropy, [(x[:13], y[:13]), (x[13:], y[13:])]


def differences(objective, vector, step=1e-5):
    """H v from the loss alone: central differences of central differences would be too coarse."""
    w = objective.weights()
    ends = []
    for sign in (1, -1):
        at = (w + sign * step * vector).requires_grad_()
        loss = objective.mean(lambda b, at=at: objective.at(at, b))
        ends.append(torch.autograd.grad(loss, at)[0])
    return (ends[0] - ends[1]) / (2 * step)


@pytest.mark.parametrize("sizes", [30, [7, 23], [1, 2, 27]])
def test_hessian_is_the_derivative_of_the_gradient(sizes):
    """A product with a part missing; batches that count the same whatever their size."""
    objective = perceptron(4, 5, 3, sizes=sizes)
    vectors = normal(objective.weights().numel(), 3, seed=5)
    expected = torch.stack([differences(objective, v) for v in vectors.T], 1)
    assert torch.allclose(hessian(objective) @ vectors, expected, rtol=1e-6, atol=1e-8)


def test_hessian_is_torchs():
    """Entries in another order than the weights'."""
    objective = perceptron(4, 5, 3, sizes=[7, 23])
    x, y = (torch.cat(parts) for parts in zip(*objective.batches, strict=True))
    expected = torch.autograd.functional.hessian(
        lambda w: functional.cross_entropy(objective.outputs(w, x), y), objective.weights()
    )
    assert torch.allclose(hessian(objective).dense().matrix, expected, atol=1e-12)


def test_gauss_newton_is_the_literal_product():
    """The curvature of the outputs left in, or that of the loss left out."""
    objective = perceptron(4, 5, 3, sizes=[7, 23])
    expected = torch.zeros(())
    for x, _ in objective.batches:
        outputs = objective.outputs(objective.weights(), x)
        jacobian = torch.autograd.functional.jacobian(
            lambda w, x=x: objective.outputs(w, x), objective.weights()
        )
        for J, z in zip(jacobian, outputs, strict=True):
            p = z.detach().softmax(0)
            expected = expected + J.T @ (torch.diag(p) - p[:, None] * p) @ J / 30
    operator = gauss_newton(objective)
    assert operator.kind == "gauss_newton"
    assert torch.allclose(operator.dense().matrix, expected, atol=1e-12)


def test_gauss_newton_is_the_hessian_of_a_linear_model():
    """A factor of 2, or of the outputs' number, between the two."""
    model = nn.Linear(3, 2).double().eval()
    objective = Objective(model, functional.mse_loss, [(normal(9, 3), normal(9, 2, seed=1))])
    both = [make(objective).dense().matrix for make in (hessian, gauss_newton)]
    assert torch.allclose(*both, atol=1e-13)
    x = torch.cat([normal(9, 3), torch.ones(9, 1).double()], 1)
    assert both[0].trace().item() == pytest.approx(2 * x.square().sum().item() / 9)


def test_product_of_two_numbers():
    """Gauss-Newton for H: shares .6667 for .4762; the signed H gives 1.1429, a share above 1."""
    data = [(torch.ones(1).double(), torch.tensor([3.5]).double())]
    objective = Objective(Product().eval(), half_square, data)
    signed, newton = (make(objective).dense() for make in (hessian, gauss_newton))
    assert signed.matrix.tolist() == [[1.0, -1.5], [-1.5, 1.0]]
    assert newton.matrix.tolist() == [[1.0, 1.0], [1.0, 1.0]]
    spectra = (signed.absolute().spectrum, newton.spectrum, signed.spectrum)
    shares = [spectrum.mean(lambda t: 1 / (t + 1)) for spectrum in spectra]
    assert shares == pytest.approx([0.476190, 0.666667, 1.142857], abs=1e-6)


@pytest.mark.parametrize("make", [hessian, gauss_newton])
def test_batches_count_by_their_samples(make):
    """Batches averaged without sizes (3.667 for 2.6), or the last alone (9)."""
    x = (torch.tensor([1.0, 1.0, 1.0, 1.0, 9.0]).double() / 2).sqrt()[:, None]
    model = nn.Linear(1, 1, bias=False).double().eval()
    nn.init.ones_(model.weight)
    batches = [(part, torch.zeros_like(part)) for part in x.split([2, 2, 1])]
    objective = Objective(model, functional.mse_loss, batches)
    operator = make(objective)
    assert operator.dense().matrix.item() == pytest.approx(2.6, abs=1e-12)
    assert gradient_norm(objective) == pytest.approx(2.6, abs=1e-12)
    assert objective.value().item() == pytest.approx(1.3, abs=1e-12)


def test_batch_norm_stands_outside():
    """Its parameters in the curvature, or its batches' statistics in the products."""
    model, loss, batches = convolutional()
    objective = Objective(model.eval(), loss, batches)
    assert objective.names == ("0.weight", "0.bias", "5.weight", "5.bias")
    vector = normal(objective.weights().numel(), seed=3)
    found = hessian(objective) @ vector
    assert torch.allclose(found, differences(objective, vector), rtol=1e-5, atol=1e-7)
    chosen = Objective(model, loss, batches, names=("5.weight",))
    assert torch.allclose(
        hessian(chosen).dense().matrix, hessian(objective).dense().matrix[30:66, 30:66], atol=1e-12
    )
    assert Objective(model, loss, batches, names=("1.weight",)).weights().tolist() == [1, 1, 1]


@pytest.mark.parametrize("make", [hessian, gauss_newton])
def test_batch_norm_that_trains_again(make):
    """A mode that is looked at once: the batches' statistics, and those that a product moves."""
    model, loss, batches = convolutional()
    objective = Objective(model.eval(), loss, batches)
    operator, vector = make(objective), torch.ones(69).double()
    model[1].train()
    for again in (lambda: operator @ vector, lambda: make(objective) @ vector, objective.gradient):
        with pytest.raises(ValueError, match=r"eval mode.*'1'"):
            again()
    with pytest.raises(ValueError, match=r"eval mode.*'1'"):
        Objective(model, loss, batches)


def test_l1_has_a_slope_and_no_curvature():
    """A minimum of loss and l1 term that goes unseen, or is taken for one of the loss alone."""
    model, loss, batches = numbers([3.0, 1.0, 0.2])
    model.weight.data = torch.tensor([[2.5], [0.5], [0.0]]).double()
    least, without = (Objective(model, loss, batches, l1=l1) for l1 in (0.5, 0.0))
    assert gradient_norm(least) == pytest.approx(0, abs=1e-15)
    assert gradient_norm(without) == pytest.approx((0.25 + 0.25 + 0.04) ** 0.5)
    assert torch.equal(hessian(least).dense().matrix, torch.eye(3).double())
    model.weight.data[2] = -0.1
    off = Objective(model, loss, batches, l1=0.5)
    assert off.gradient().tolist() == pytest.approx([0, 0, -0.8])
    assert off.value().item() == pytest.approx(0.5 * (0.25 + 0.25 + 0.09) + 0.5 * 3.1)
    model.weight.data[1] = 0
    assert Objective(model, loss, batches, l1=0.5).gradient()[1].item() == pytest.approx(-0.5)


def test_loss_without_curvature():
    """An error of autograd, where the answer is 0."""
    model = nn.Linear(2, 1).double().eval()
    data = [(normal(4, 2), normal(4, 1))]
    objective = Objective(model, lambda outputs, targets: (outputs * targets).mean(), data)
    for make in (hessian, gauss_newton):
        assert torch.equal(make(objective).dense().matrix, torch.zeros(3, 3).double())


def test_products_keep_shape_and_precision():
    """A result in the model's precision or shape, in place of the vectors'."""
    objective = perceptron(3, 4, 2, samples=10)
    single = Objective(
        objective.model.float(), objective.loss, [(x.float(), y) for x, y in objective.batches]
    )
    operator = hessian(single)
    vectors = normal(operator.shape[0], 2)
    assert operator.like.dtype == torch.float32
    one, two = operator @ vectors[:, 0], operator @ vectors
    assert (one.shape, two.shape) == ((26,), (26, 2))
    assert one.dtype == two.dtype == torch.float64
    assert torch.equal(one, two[:, 0])
    exact = hessian(perceptron(3, 4, 2, samples=10)) @ vectors
    assert torch.allclose(two, exact, atol=1e-6)
    assert (operator @ vectors.float()).dtype == torch.float32


@pytest.mark.parametrize("make", [hessian, gauss_newton])
@pytest.mark.parametrize("sizes", [12, [5, 7]])
def test_operator_holds_the_weights_of_its_making(make, sizes):
    """Products that follow the model as it trains on; a graph kept too long, or not long enough."""
    objective = perceptron(3, 4, 2, samples=12, sizes=sizes)
    operator = make(objective)
    before = operator @ torch.eye(26).double()
    for weight in objective.model.parameters():
        weight.data.mul_(2)
    assert torch.equal(operator @ torch.eye(26).double(), before)
    assert not torch.allclose(make(objective).dense().matrix, before, atol=1e-3)


def test_restriction_is_the_submatrix():
    """Kept and removed exchanged; rows without columns."""
    objective = perceptron(3, 4, 2, samples=10)
    operator, kept = hessian(objective), normal(26) > 0
    part = operator.restricted(kept)
    assert part.shape == (int(kept.sum()),) * 2
    assert part.kind == "signed"
    assert torch.equal(part.dense().matrix, operator.dense().matrix[kept][:, kept])
    twice = part.restricted(torch.tensor([5, 0, 3]))
    assert torch.equal(twice.dense().matrix, part.dense().matrix[[5, 0, 3]][:, [5, 0, 3]])


@pytest.mark.filterwarnings("ignore")  # its own dependencies warn
def test_equals_curvlinops():
    """Another library's products; it is not needed otherwise."""
    curvlinops = pytest.importorskip("curvlinops")
    objective = perceptron(4, 5, 3, sizes=[7, 23])
    parameters, v = list(objective.model.parameters()), normal(43, 2)
    how = (objective.model, nn.CrossEntropyLoss(), parameters, list(objective.batches))
    for ours, theirs in (
        (hessian, curvlinops.HessianLinearOperator),
        (gauss_newton, curvlinops.GGNLinearOperator),
    ):
        assert torch.allclose(ours(objective) @ v, theirs(*how) @ v, atol=1e-13)


MODEL, LOSS, DATA = numbers([1.0, 2.0])
MIXING = nn.BatchNorm1d(2, track_running_stats=False).eval()
NAN = [(torch.ones(1, 1).double(), torch.tensor([[1.0, torch.nan]]).double())]
LATE = Operator(lambda v: v * torch.nan, torch.zeros(2).double(), "signed")
BIG = Operator(lambda v: v, torch.zeros(operators.LARGEST_DENSE + 1), "positive")

test_bad_arguments = refuses(
    (lambda: Objective(convolutional()[0], *convolutional()[1:]), "eval mode.*training"),
    (lambda: Objective(MODEL, LOSS, []), "at least 1 sample"),
    (lambda: Objective(MODEL, LOSS, [(DATA[0][0][:0], DATA[0][1][:0])]), "at least 1 sample"),
    (lambda: Objective(MODEL, LOSS, [(torch.ones(3, 1).double(), DATA[0][1])]), "as many inputs"),
    (lambda: Objective(MODEL, lambda o, y: o - y, DATA), "a loss that is one number"),
    (lambda: Objective(MIXING, LOSS, DATA), "BatchNorm with running statistics"),
    (lambda: Objective(MODEL, LOSS, NAN), "finite loss"),
    (lambda: Objective(MODEL, LOSS, DATA, names=("bias",)), "names among .*weight"),
    (lambda: Objective(MODEL, LOSS, DATA, names=("weight", "weight")), "each once"),
    (lambda: Objective(nn.Flatten().eval(), LOSS, DATA), "names among"),
    (lambda: Objective(MODEL, LOSS, DATA, l1=-1.0), "0 <= l1"),
    (lambda: LATE @ torch.ones(2), "finite product"),
    (lambda: of([1.0, 2.0]) @ torch.ones(3), r"vectors \(2,\)"),
    (lambda: of([1.0, 2.0]) @ torch.ones(2, 1, 1), r"vectors \(2,\)"),
    (lambda: of([1.0, 2.0]) @ torch.tensor([1, 2]), "of floats"),
    (lambda: of([1.0, 2.0]) @ torch.ones(2, 0), r"vectors \(2,\)"),
    (lambda: of([1.0, 2.0]).restricted(torch.tensor([1, 1])), "each once"),
    (lambda: of([1.0, 2.0]).restricted(torch.tensor([False, False])), "at least 1 kept"),
    (lambda: BIG.dense(), "D <= 10000 for a dense matrix"),
)


def test_operators_work_where_gradients_are_switched_off():
    """RuntimeError, element 0 of tensors does not require grad, on most pages."""
    objective = perceptron(4, 5, 3, sizes=[7, 23])
    vector = normal(objective.weights().numel(), seed=5)
    asked = [
        lambda: objective.gradient(),
        lambda: hessian(objective) @ vector,
        lambda: gauss_newton(objective) @ vector,
    ]
    for ask in asked:
        expected = ask()
        with torch.no_grad():
            found = ask()
        assert torch.equal(found, expected)
        assert not found.requires_grad
