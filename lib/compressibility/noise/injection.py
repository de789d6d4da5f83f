r"""Heavy-tailed noise behind each step of training: a hook of our loop, or around an optimizer.

.. math:: \theta_i \leftarrow \theta_i + \sigma\, \eta^{1/\alpha}\, \xi_i

after a step of rate η, for all units i of a layer, with fresh independent :math:`\xi_i`. From [W] =
Wan, Barsbey, Zaidi, Şimşekli, *Implicit Compressibility of Overparametrized Neural Networks Trained
with Heavy-Tailed SGD*, ICML 2024 (arXiv 2306.08125). Stable steps add up to a stable step: m of
them, without gradient, are :math:`\sigma (m \eta)^{1/\alpha} \xi` in law.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Self, get_args

import numpy as np
import torch
from torch import Tensor, nn

from compressibility.checks import need, not_negative
from compressibility.noise.stable import positive, symmetric

Kind = Literal["shared", "independent", "isotropic"]
Units = Literal["columns", "filters"]
Generators = torch.Generator | Sequence[torch.Generator]


@dataclass(kw_only=True, eq=False)
class HeavyTailedNoise:
    r"""What noise to add to which layers; :meth:`around` or :meth:`hook` starts a run with it.

    The kinds are types I, II, III of [W]. For a unit of p weights, :math:`0 < \alpha \le 2`,

    .. math:: E\,e^{i \langle u, \xi \rangle} = e^{-|\sum_j u_j|^\alpha}
              \ \text{(shared)}, \quad e^{-\sum_j |u_j|^\alpha}\ \text{(independent)}, \quad
              e^{-\|u\|^\alpha}\ \text{(isotropic)}

    so α = 2 are normal numbers of variance 2. A unit is what enters a neuron: a column of [W]'s
    matrix, a row of PyTorch's. In convolutions it is all kernels of an output channel ("filters"),
    or each one ("columns", the default of the authors' code, which spares the first convolution).
    Axis 0 counts units: transposed convolutions and embeddings are no layers of this kind.

    A run is a copy, with dice and numbers of its own. Stable numbers are drawn in float64 on the
    generators' device and cast at the end: single precision cuts their tail. Normal numbers, the G
    of the isotropic :math:`\xi = \sqrt{2 S}\, G`, have none to cut and are float32. ``injected``
    is the sum of what a run has added, if it is to ``record``; the rest is start and gradient.

    >>> from compressibility.dice import dice
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    >>> noise = HeavyTailedNoise(alpha=1.75, scale=0.01, kind="isotropic", units="filters")
    >>> steps = noise.around(torch.optim.SGD(model.parameters(), 0.1), model, dice("noise"))
    >>> model(torch.ones(5, 1, 8, 8)).square().sum().backward()
    >>> steps.step()  # as the optimizer's own, then noise on "0.weight"
    """

    alpha: float
    scale: float  # σ
    kind: Kind
    units: Units = "columns"
    layers: Sequence[str] | None = None  # names; by default all weights but the last
    reference: bool = False  # kind "isotropic" over √2, as the authors' code has it
    record: bool = False
    steps: int = field(default=0, init=False)  # of this run
    diverged: dict[int, int] = field(default_factory=dict, init=False)  # network: first bad step
    injected: dict[str, Tensor] = field(default_factory=dict, init=False)  # float64, by layer
    _generators: list[torch.Generator] = field(default_factory=list, init=False, repr=False)
    _rates: list[float] = field(default_factory=list, init=False, repr=False)  # of a hook
    _optimizer: torch.optim.Optimizer | None = field(default=None, init=False, repr=False)
    _weights: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)  # its layers

    def __post_init__(self) -> None:
        need(0 < self.alpha <= 2, "0 < alpha <= 2", self.alpha)
        not_negative(scale=self.scale)
        for name, value, known in (("kind", self.kind, Kind), ("units", self.units, Units)):
            need(value in get_args(known), f"{name} in {sorted(get_args(known))}", repr(value))
        listed = self.layers is None or (not isinstance(self.layers, str) and len(self.layers) > 0)
        need(listed, "a list of at least 1 layer", repr(self.layers))

    def hook(self, rate: float | Sequence[float], generator: Generators) -> Self:
        """Start a run as a hook of ``training.loop.train``: its networks are the first axis.

        ``rate`` is η, ``generator`` the dice; of both one for all networks, or one for each.

        >>> from compressibility.models.network import mlp
        >>> noise, network = HeavyTailedNoise(alpha=2, scale=1, kind="shared"), mlp([2, 3, 1])
        >>> noise.hook(0.1, torch.Generator())(network, 0, torch.zeros(1))
        """
        run = self._started(generator)
        run._rates = np.atleast_1d(np.asarray(rate, dtype=float)).tolist()
        need(len(run._rates) > 0, "at least 1 rate", "none")
        not_negative(**{f"rate {e}": each for e, each in enumerate(run._rates)})
        return run

    def around(
        self, optimizer: torch.optim.Optimizer, model: nn.Module, generator: torch.Generator
    ) -> Self:
        """Start a run around an optimizer of one network, from whose groups it reads each η.

        Schedules of learning rates go around the optimizer itself. When a step leaves its layers
        not finite, :meth:`step` raises FloatingPointError with the step's number.
        """
        run = self._started(generator)
        run._optimizer, run._weights = optimizer, self._layers_of(model, axes=2)
        stepped = {id(w) for group in optimizer.param_groups for w in group["params"]}
        missing = [name for name, weight in run._weights.items() if id(weight) not in stepped]
        need(not missing, "layers that the optimizer steps", missing)
        return run

    def __call__(self, network: nn.Module, step: int, losses: Tensor) -> None:  # noqa: ARG002
        """Add noise behind a step of the loop; networks that diverge go to ``diverged``."""
        need(len(self._rates) > 0, "a run that hook() has started", "none")
        for name, weight in self._layers_of(network, axes=3).items():
            self._add(name, weight, self._rates, step)
        self.steps += 1

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take the optimizer's step, then add noise of its present rates."""
        rates = {id(w): float(g["lr"]) for g in self._wrapped.param_groups for w in g["params"]}
        not_negative(**{f"rate of {name}": rates[id(w)] for name, w in self._weights.items()})
        loss = self._wrapped.step() if closure is None else self._wrapped.step(closure)
        for name, weight in self._weights.items():
            self._add(name, weight, [rates[id(weight)]], self.steps)
            if self.diverged:
                raise FloatingPointError(f"the run diverged: step {self.steps} (from 0), {name!r}")
        self.steps += 1
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, as the optimizer does."""
        self._wrapped.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """Return all that a run of the same noise needs to go on with the same numbers."""
        run = {"noise": self._law(), "steps": self.steps, "diverged": dict(self.diverged)}
        places = [generator.get_state() for generator in self._generators]
        run |= {"injected": _copied(self.injected), "generators": places}
        return run | ({"optimizer": self._optimizer.state_dict()} if self._optimizer else {})

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the run of this state stood; the model's weights are restored apart."""
        need(state["noise"] == self._law(), f"the state of {self._law()}", state["noise"])
        dice, places = self._generators, state["generators"]
        need(len(places) == len(dice), f"a state of {len(dice)} generators", len(places))
        if self._optimizer is not None:
            self._optimizer.load_state_dict(state["optimizer"])
        for generator, place in zip(dice, places, strict=True):
            generator.set_state(place.cpu())
        self.steps, self.diverged = state["steps"], dict(state["diverged"])
        self.injected = _copied(state["injected"])

    @property
    def _wrapped(self) -> torch.optim.Optimizer:
        need(self._optimizer is not None, "a run that around() has started", "none")
        return self._optimizer  # type: ignore[return-value]

    def _law(self) -> dict[str, Any]:
        law = {f.name: getattr(self, f.name) for f in fields(self) if f.init}
        plain = {"alpha": float(self.alpha), "scale": float(self.scale)}  # NumPy's are not loaded
        return law | plain | {"layers": None if self.layers is None else sorted(self.layers)}

    def _started(self, generator: Generators) -> Self:
        run = replace(self)
        run._generators = [generator] if isinstance(generator, torch.Generator) else [*generator]
        return run

    def _layers_of(self, model: nn.Module, *, axes: int) -> dict[str, Tensor]:
        """Return the weights to move, in the model's order."""
        named = model.named_parameters(remove_duplicate=False)  # one tensor may have two names
        weights = {k: w for k, w in named if w.ndim >= axes}
        free = [k for k, w in weights.items() if w.requires_grad]
        inner = [k for k in free if weights[k] is not [*weights.values()][-1]]
        asked = inner if self.layers is None else self.layers
        need(len(asked) > 0, "a weight to move besides the last", free)
        names = {k if k in weights else f"{k}.weight" for k in asked}
        need(names <= set(free), f"layers among {free}", self.layers)
        known = {weights[k].dtype for k in names} <= {torch.float32, torch.float64}
        rule = "layers of dtype float32 or float64 (half precision loses noise)"
        need(known, rule, sorted(names))
        moved = {id(weights[k]) for k in names}
        return {k: w for k, w in model.named_parameters() if id(w) in moved}

    def _add(self, name: str, weight: Tensor, rates: Sequence[float], step: int) -> None:
        stack = weight.detach() if self._optimizer is None else weight.detach()[None]
        for what, some in (("rate", rates), ("generator", dice := self._generators)):
            need(len(some) in (1, len(stack)), f"1 {what} or {len(stack)}", len(some))
        each = [self.scale * rate ** (1 / self.alpha) for rate in rates]
        sizes = torch.tensor(each, dtype=torch.float64)
        if self.record and name not in self.injected:
            self.injected[name] = torch.zeros_like(weight, dtype=torch.float64)
        total = self.injected.get(name, stack).view_as(stack)
        apart = (each.chunk(len(dice)) for each in (stack, total, sizes.expand(len(stack))))
        for piece, sums, size, generator in zip(*apart, dice, strict=True):
            noise = self._draw(piece, size, generator)
            piece.add_(noise)
            if self.record:
                sums.add_(noise)
        if not stack.sum().isfinite():  # far faster than to ask each; a finite sum has finite terms
            for e in (~stack.isfinite().flatten(1).all(1)).nonzero()[:, 0].tolist():
                self.diverged.setdefault(e, step)

    def _draw(self, piece: Tensor, sizes: Tensor, generator: torch.Generator) -> Tensor:
        """Draw the noise of a stack of weights, of one size for each; it broadcasts."""
        shape, place = tuple(piece.shape), generator.device
        axes = 3 if self.units == "columns" and len(shape) > 3 else 2
        unit = (*shape[:axes], *(one := [1] * len(shape))[axes:])
        sizes = sizes.to(place).reshape(-1, *one[1:])
        if self.kind != "isotropic":
            each = unit if self.kind == "shared" else shape
            return (sizes * symmetric(self.alpha, each, generator)).to(piece)
        squares = (1 if self.reference else 2) * positive(self.alpha, unit, generator)
        normal = torch.empty(shape, dtype=torch.float32, device=place).normal_(generator=generator)
        return normal.to(piece).mul_((sizes * squares.sqrt()).to(piece))


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in tensors.items()}
