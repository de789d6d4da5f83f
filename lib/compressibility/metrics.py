"""How well networks do their task, and how far compressed layers stray: a number per network."""

from __future__ import annotations

import torch
from torch import Tensor


def accuracy(logits: Tensor, targets: Tensor) -> Tensor:
    r"""Share of samples whose largest logit is the target's.

    .. math:: \frac1N \sum_i 1\{\arg\max_c z_{ic} = y_i\}

    Ties go to the lowest class.

    Parameters
    ----------
    logits
        Shape (..., N, classes): any number of leading axes, one network each.
    targets
        Shape (N,), integers.

    Returns
    -------
    Tensor
        Shape (...), float64, between 0 and 1.

    Raises
    ------
    ValueError
        Shapes that do not fit, targets that are no class, logits that are not finite.

    Examples
    --------
    >>> accuracy(torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0])).item()
    0.5
    """
    if logits.ndim < 2 or targets.shape != logits.shape[-2:-1] or not len(targets):
        shapes = f"{tuple(logits.shape)} and {tuple(targets.shape)}"
        raise ValueError(f"need logits (..., N, classes) and targets (N,), N >= 1, got {shapes}")
    if targets.is_floating_point():
        raise ValueError(f"need targets of an integer dtype, got {targets.dtype}")
    lowest, highest = int(targets.min()), int(targets.max())
    if lowest < 0 or highest >= logits.shape[-1]:
        raise ValueError(f"need 0 <= targets < {logits.shape[-1]}, got {lowest}..{highest}")
    _check_finite("logits", logits)
    return (logits.argmax(-1) == targets).double().mean(-1)


def r2(predictions: Tensor, targets: Tensor) -> Tensor:
    r"""Coefficient of determination, averaged over the outputs.

    .. math:: 1 - \frac{\sum_i (y_i - \hat y_i)^2}{\sum_i (y_i - \bar y)^2}

    One for a perfect fit, zero for the mean of the targets, unbounded below.

    Parameters
    ----------
    predictions
        Shape (..., N, outputs): any number of leading axes, one network each.
    targets
        Shape (N, outputs), N >= 2, no output constant.

    Returns
    -------
    Tensor
        Shape (...), float64.

    Raises
    ------
    ValueError
        Shapes that do not fit, constant targets, values that are not finite.

    Examples
    --------
    >>> r2(torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[1.0], [2.0], [3.0]])).item()
    1.0
    """
    if predictions.ndim < 2 or targets.shape != predictions.shape[-2:] or len(targets) < 2:
        shapes = f"{tuple(predictions.shape)} and {tuple(targets.shape)}"
        need = "predictions (..., N, outputs) and targets (N, outputs), N >= 2"
        raise ValueError(f"need {need}, got {shapes}")
    _check_finite("predictions", predictions)
    _check_finite("targets", targets)
    truth = targets.double()
    spread = (truth - truth.mean(0)).square().sum(0)
    if bool((targets == targets[0]).all(0).any()):
        raise ValueError("need targets that vary, got a constant output")
    residual = (predictions.double() - truth).square().sum(-2)
    return (1 - residual / spread).mean(-1)


def output_error(
    weight: Tensor,
    compressed: Tensor,
    inputs: Tensor,
    compressed_inputs: Tensor | None = None,
) -> Tensor:
    r"""Mean squared distance between the outputs of a dense and a compressed layer.

    .. math:: \Psi(U) = E\|W x - U x'\|^2

    before the activation; El Cheairi, Gamarnik, Mazumder (COLT 2026), the loss of Algorithm 1 in
    the proofs of Propositions 18, 19.

    Parameters
    ----------
    weight, compressed
        W and U, shapes (..., n_out, n_in); leading axes broadcast, so a stack of draws
        (D, n_out, n_in) meets one W.
    inputs, compressed_inputs
        x and x', shapes (..., N, n_in); x' = x unless given.

    Returns
    -------
    Tensor
        Shape (...), float64: the mean over the N samples.

    Raises
    ------
    ValueError
        Shapes or dtypes that do not fit.

    Examples
    --------
    >>> output_error(torch.ones(1, 2), torch.zeros(1, 2), torch.ones(4, 2)).item()
    4.0
    """
    other = inputs if compressed_inputs is None else compressed_inputs
    if weight.shape[-2:] != compressed.shape[-2:]:
        shapes = f"{tuple(weight.shape)} and {tuple(compressed.shape)}"
        raise ValueError(f"need weight and compressed of one layer's shape, got {shapes}")
    if inputs.shape[-2:] != other.shape[-2:] or inputs.shape[-1] != weight.shape[-1]:
        shapes = f"{tuple(inputs.shape)} and {tuple(other.shape)}"
        raise ValueError(f"need inputs (..., N, {weight.shape[-1]}) and alike, got {shapes}")
    dtypes = {tensor.dtype for tensor in (weight, compressed, inputs, other)}
    if len(dtypes) > 1:
        raise ValueError(f"need weights and inputs of one dtype, got {sorted(map(str, dtypes))}")
    gap = inputs.detach() @ weight.detach().mT - other.detach() @ compressed.detach().mT
    return gap.square().sum(-1, dtype=torch.float64).mean(-1)


def _check_finite(name: str, values: Tensor) -> None:
    if not bool(torch.isfinite(values).all()):
        raise ValueError(f"need finite {name}, got nan or infinity")
