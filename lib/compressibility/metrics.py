"""How well networks do their task, and how far compressed layers stray: a number per network."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from compressibility.checks import finite, floats, need


def accuracy(logits: Tensor, targets: Tensor) -> Tensor:
    r"""Share of samples whose largest logit is the target's; ties go to the lowest class.

    .. math:: \frac1N \sum_i 1\{\arg\max_c z_{ic} = y_i\}

    Logits (..., N, classes), any number of leading axes, and integer targets (N,) give (...)
    float64.

    >>> import torch
    >>> accuracy(torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0])).item()
    0.5
    """
    finite(logits=logits, targets=targets)
    fits = logits.ndim >= 2 and targets.shape == logits.shape[-2:-1] and len(targets) > 0
    shapes = f"{tuple(logits.shape)} and {tuple(targets.shape)}"
    need(fits, "logits (..., N, classes) and targets (N,), N >= 1", shapes)
    need(not targets.is_floating_point(), "targets of an integer dtype", targets.dtype)
    lowest, highest, classes = int(targets.min()), int(targets.max()), logits.shape[-1]
    need(lowest >= 0 and highest < classes, f"0 <= targets < {classes}", f"{lowest}..{highest}")
    return (logits.argmax(-1) == targets).double().mean(-1)


def r2(predictions: Tensor, targets: Tensor) -> Tensor:
    r"""Coefficient of determination, averaged over the outputs.

    .. math:: 1 - \frac{\sum_i (y_i - \hat y_i)^2}{\sum_i (y_i - \bar y)^2}

    One for a perfect fit, zero for the mean of the targets, unbounded below. Predictions
    (..., N, outputs) and targets (N, outputs), N >= 2, no output constant, give (...) float64.

    >>> import torch
    >>> r2(torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[1.0], [2.0], [3.0]])).item()
    1.0
    """
    finite(predictions=predictions, targets=targets)
    fits = predictions.ndim >= 2 and targets.shape == predictions.shape[-2:] and len(targets) >= 2
    shapes = f"{tuple(predictions.shape)} and {tuple(targets.shape)}"
    need(fits, "predictions (..., N, outputs) and targets (N, outputs), N >= 2", shapes)
    varies = not bool((targets == targets[0]).all(0).any())
    need(varies, "targets that vary", "a constant output")
    truth = targets.double()
    spread = (truth - truth.mean(0)).square().sum(0)
    residual = (predictions.double() - truth).square().sum(-2)
    return (1 - residual / spread).mean(-1)


def score(task: str) -> Callable[[Tensor, Tensor], Tensor]:
    """Return what a task is scored by: accuracy or r2.

    >>> score("classification").__name__, score("regression").__name__
    ('accuracy', 'r2')
    """
    tasks = {"classification": accuracy, "regression": r2}
    need(task in tasks, f"task in {sorted(tasks)}", repr(task))
    return tasks[task]


def output_error(
    weight: Tensor, compressed: Tensor, inputs: Tensor, compressed_inputs: Tensor | None = None
) -> Tensor:
    r"""Mean squared distance between the outputs of a dense and a compressed layer.

    .. math:: \Psi(U) = E\|W x - U x'\|^2

    before the activation: the loss of Algorithm 1 in the proofs of Propositions 18 and 19 of [EGM]
    (cited in full in ``models.activations``). W and U are (..., n_out, n_in), x and x' (..., N,
    n_in); x' = x unless given. Leading axes broadcast, so T throws meet one W and give (T,)
    float64, the mean over the N samples.

    >>> import torch
    >>> output_error(torch.ones(1, 2), torch.zeros(1, 2), torch.ones(4, 2)).item()
    4.0
    """
    other = inputs if compressed_inputs is None else compressed_inputs
    floats(weight=weight, compressed=compressed, inputs=inputs, compressed_inputs=other)
    shapes = f"{tuple(weight.shape)} and {tuple(compressed.shape)}"
    alike = weight.shape[-2:] == compressed.shape[-2:]
    need(alike, "weight and compressed of one layer's shape", shapes)
    shapes = f"{tuple(inputs.shape)} and {tuple(other.shape)}"
    fits = inputs.shape[-2:] == other.shape[-2:] and inputs.shape[-1] == weight.shape[-1]
    need(fits, f"inputs (..., N, {weight.shape[-1]}) and alike", shapes)
    dtypes = {tensor.dtype for tensor in (weight, compressed, inputs, other)}
    need(len(dtypes) == 1, "weights and inputs of one dtype", sorted(map(str, dtypes)))
    gap = inputs.detach() @ weight.detach().mT - other.detach() @ compressed.detach().mT
    return gap.double().square().sum(-1).mean(-1)
