"""Curvature as a linear operator: Hessian and Gauss-Newton matrix of a network, never stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.func import functional_call

from compressibility.checks import finite, floats, need, not_negative
from compressibility.spectrum.density import Bowl, Kind

# curvlinops is no dependency: it pulls torchvision, and with it a second torch with CUDA. Where it
# is installed, a test compares its products with these.

LARGEST_DENSE = 10_000
"""A dense matrix of this dimension takes 800 MB, its eigenvalues about three minutes of a core."""


@dataclass(frozen=True, eq=False)
class Operator:
    """A symmetric matrix that is known by its products only.

    >>> Operator.of(Bowl(torch.diag(torch.tensor([1.0, 3.0])), "positive")) @ torch.ones(2)
    tensor([1., 3.])
    """

    product: Callable[[Tensor], Tensor]  # (D, k) to (D, k), both of the operator's dtype
    like: Tensor  # (D,): its size, dtype and device are the operator's
    kind: Kind

    @property
    def shape(self) -> tuple[int, int]:
        """(D, D)."""
        return (len(self.like), len(self.like))

    @classmethod
    def of(cls, bowl: Bowl) -> Operator:
        """Return the operator of a dense matrix, float64."""
        return cls(lambda vectors: bowl.matrix @ vectors, bowl.matrix[0], bowl.kind)

    def __matmul__(self, vectors: Tensor) -> Tensor:
        """Multiply (D,) or (D, k); the result has their dtype and device."""
        D, some = len(self.like), vectors.is_floating_point() and vectors.numel() > 0
        fits = some and vectors.ndim in (1, 2) and len(vectors) == D
        need(fits, f"vectors ({D},) or ({D}, k) of floats", tuple(vectors.shape))
        found = self.product(vectors.detach().reshape(len(vectors), -1).to(self.like))
        finite(product=found)
        return found.reshape(vectors.shape).to(vectors)

    def restricted(self, kept: Tensor) -> Operator:
        """Return :math:`H_{KK}`, K a mask (D,) or different indices, in their order."""
        index = torch.arange(len(self.like), device=self.like.device)[kept]
        once = len(index) > 0 and bool(index.sort().values.diff().all())
        need(once, "at least 1 kept coordinate, each once", index.tolist()[:9])

        def product(vectors: Tensor) -> Tensor:
            whole = vectors.new_zeros(len(self.like), vectors.shape[1])
            whole[index] = vectors
            return self.product(whole)[index]

        return replace(self, product=product, like=self.like[index])

    def dense(self) -> Bowl:
        """Return the matrix itself: the reference, for small D."""
        rule = f"D <= {LARGEST_DENSE} for a dense matrix (larger: spectrum.lanczos)"
        need(len(self.like) <= LARGEST_DENSE, rule, len(self.like))
        one = torch.eye(len(self.like), dtype=torch.float64, device=self.like.device)
        return Bowl(self @ one, self.kind)


@dataclass(frozen=True, eq=False)
class Objective:
    r"""What training minimizes: a mean loss over samples, and an l1 term.

    .. math:: L(w) = \frac1N \sum_i \ell(\Phi_w(x_i), y_i) + \lambda \|w\|_1

    The l1 term has a gradient but no curvature (where no weight is 0). ``loss`` maps outputs and
    targets of a batch to its *mean*; batches of unequal size count by their samples, and large ones
    are fast. Operators hold the weights of the moment when they are made.

    >>> model = nn.Linear(1, 1, bias=False).double().eval()
    >>> batch = (torch.tensor([[1.0], [3.0]]).double(), torch.zeros(2, 1).double())
    >>> hessian(Objective(model, nn.functional.mse_loss, [batch])).dense().matrix.item()
    10.0
    """

    model: nn.Module  # in eval mode
    loss: Callable[[Tensor, Tensor], Tensor]
    batches: Sequence[tuple[Tensor, Tensor]]  # inputs and targets; drawn once
    names: tuple[str, ...] = ()  # of the parameters w; none: all but those of BatchNorm
    l1: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "batches", tuple(self.batches))
        sizes = [(len(x), len(y)) for x, y in self.batches]
        right = len(sizes) > 0 and all(n == m > 0 for n, m in sizes)
        need(right, "batches of at least 1 sample, with as many inputs as targets", sizes[:9])
        found = dict(self.model.named_modules())
        inside = {n for n in found if isinstance(found[n], nn.modules.batchnorm._BatchNorm)}
        own = [n for n in inside if found[n].running_mean is None]
        need(not own, "BatchNorm with running statistics: it mixes samples of a batch", own)
        every = [name for name, _ in self.model.named_parameters()]
        names = self.names or tuple(n for n in every if n.rpartition(".")[0] not in inside)
        known = bool(names) and set(names) <= set(every) and len(set(names)) == len(names)
        need(known, f"names among {every}, each once", names)
        object.__setattr__(self, "names", names)
        not_negative(l1=self.l1)
        floats(weights=self.weights())
        value = self.value()
        need(value.ndim == 0, "a loss that is one number, the mean", tuple(value.shape))
        finite(**{"loss of the model": value})

    def weights(self) -> Tensor:
        """Return a copy of w (D,), parameter after parameter."""
        return torch.cat([one.detach().flatten() for one in self._chosen()])

    def outputs(self, weights: Tensor, inputs: Tensor) -> Tensor:
        """Return the model's outputs with weights (D,) in place of its own."""
        training = [name or "all" for name, module in self.model.named_modules() if module.training]
        need(not training, "a model in eval mode: model.eval()", f"in training: {training[:3]}")
        chosen = self._chosen()
        parts = torch.split(weights, [one.numel() for one in chosen])
        shaped = [part.view(one.shape) for part, one in zip(parts, chosen, strict=True)]
        named = dict(zip(self.names, shaped, strict=True))
        made: Tensor = functional_call(self.model, named, (inputs.to(weights.device),))
        return made

    def _chosen(self) -> list[nn.Parameter]:
        found = dict(self.model.named_parameters())
        return [found[name] for name in self.names]

    def mean(self, each: Callable[[int], Tensor]) -> Tensor:
        """Return the mean over samples of what each batch, by its number, has as mean."""
        sizes = [len(targets) for _, targets in self.batches]
        return sum((each(b) * (n / sum(sizes)) for b, n in enumerate(sizes)), torch.zeros(()))

    def at(self, weights: Tensor, b: int) -> Tensor:
        """Return the loss of batch b without the l1 term, a scalar."""
        inputs, targets = self.batches[b]
        return self.loss(self.outputs(weights, inputs), targets.to(weights.device))

    @torch.no_grad()
    def value(self) -> Tensor:
        """Return L(w), a scalar."""
        weights = self.weights()
        return self.mean(lambda b: self.at(weights, b)) + self.l1 * weights.abs().sum()

    @torch.enable_grad()  # pages that train nothing more switch gradients off
    def gradient(self) -> Tensor:
        r"""Return the shortest subgradient of L at w, (D,): 0 exactly at stationary points.

        Where a weight is 0 the l1 term may have any slope in :math:`[-\lambda, \lambda]`.
        """
        weights = self.weights().requires_grad_()
        plain = self.mean(lambda b: torch.autograd.grad(self.at(weights, b), weights)[0])
        at_zero = nn.functional.softshrink(plain, self.l1)
        return torch.where(weights == 0, at_zero, plain + self.l1 * weights.sign()).detach()


def gradient_norm(objective: Objective) -> float:
    r"""Return :math:`\|\nabla L(w)\|`: how far from a minimum a model is.

    A limit of pruning is about a minimum: removing c changes L by :math:`-\nabla L^\top c +
    \tfrac12 c^\top H c`, so :math:`\|\nabla L\| \, \|c\|` should be small beside :math:`\epsilon`.
    """
    return float(objective.gradient().double().norm())


def hessian(objective: Objective) -> Operator:
    r"""Return :math:`H = \nabla^2 L(w)`, one product for two passes back through the gradient."""
    weights = objective.weights().requires_grad_()

    def of(b: int) -> Callable[[Tensor], Tensor]:
        slope = torch.autograd.grad(objective.at(weights, b), weights, create_graph=True)[0]
        return lambda v: _pull(slope, weights, v)

    return _operator(objective, of, weights.detach(), "signed")


def gauss_newton(objective: Objective) -> Operator:
    r"""Return :math:`\frac1N \sum_i J_i^\top \nabla^2 \ell_i \, J_i`, J the outputs' Jacobian.

    It is H without the outputs' curvature; positive semi-definite if the loss is convex in them.
    """
    weights = objective.weights().requires_grad_()

    def of(b: int) -> Callable[[Tensor], Tensor]:
        inputs, targets = objective.batches[b]
        outputs = objective.outputs(weights, inputs)
        seen = outputs.detach().requires_grad_()
        loss = objective.loss(seen, targets.to(seen.device))
        bend = torch.autograd.grad(loss, seen, create_graph=True)[0]
        # J v is the derivative of u ↦ Jᵀu along v: two passes back in place of one forward.
        any_u = torch.zeros_like(seen, requires_grad=True)
        pulled = torch.autograd.grad((outputs * any_u).sum(), weights, create_graph=True)[0]
        return lambda v: _pull(outputs, weights, _pull(bend, seen, _pull(pulled, any_u, v)))

    return _operator(objective, of, weights.detach(), "gauss_newton")


def _operator(
    objective: Objective, of: Callable[[int], Callable[[Tensor], Tensor]], at: Tensor, kind: Kind
) -> Operator:
    """Average the products of each batch; a single one's graph is kept from call to call."""
    kept = lru_cache(maxsize=int(len(objective.batches) == 1))(of)

    @torch.enable_grad()
    def product(b: int, vectors: Tensor) -> Tensor:
        one = kept(b)  # a vector after the other: as fast as all at once here, in the memory of one
        return torch.stack([one(vector) for vector in vectors.T.contiguous()], 1)

    return Operator(lambda v: objective.mean(lambda b: product(b, v)), at, kind)


def _pull(image: Tensor, point: Tensor, vector: Tensor) -> Tensor:
    """Return the transposed derivative of image at point times a vector; 0 if it has none."""
    if not image.requires_grad:
        return torch.zeros_like(point)
    form = (image * vector).sum()  # torch.autograd.grad(image, …, vector) imports SymPy: seconds
    return torch.autograd.grad(form, point, retain_graph=True, materialize_grads=True)[0]
