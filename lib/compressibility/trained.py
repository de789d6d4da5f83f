"""Trained networks to cut: one data set, one recipe, one network per seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from compressibility.data import Dataset
from compressibility.models import MLP, mlp
from compressibility.training import train


@dataclass(frozen=True)
class Training:
    """How networks learn, by Adam.

    El Cheairi, Gamarnik, Mazumder (COLT 2026, Appendix C) use Adam and give no numbers; these are
    our choices.
    """

    epochs: int = 40
    learning_rate: float = 3e-3
    batch_size: int = 64
    samples: int = 5000  # at most so many training samples


def trained(
    problem: Dataset,
    widths: Sequence[int],
    *,
    activation: str,
    seeds: Sequence[int],
    training: Training,
) -> MLP:
    """Train one network per seed, all as one batch: cross-entropy for classes, squares otherwise.

    Parameters
    ----------
    problem
        Where the samples come from.
    widths
        Units from the inputs to the outputs.
    activation, seeds
        As :func:`compressibility.models.mlp` takes them.
    training
        Adam's settings.

    Examples
    --------
    >>> from compressibility.data import load
    >>> quick = Training(epochs=1, samples=100)
    >>> trained(load("digits"), [64, 8, 10], activation="relu", seeds=[0], training=quick).widths
    (64, 8, 10)
    """
    network = mlp(widths, activation=activation, seeds=seeds)
    inputs = problem.train_inputs[: training.samples]
    with torch.enable_grad():
        train(
            network,
            inputs,
            problem.train_targets[: training.samples],
            loss="cross_entropy" if problem.task == "classification" else "mse",
            optimizer="adam",
            learning_rate=training.learning_rate,
            epochs=training.epochs,
            batch_size=min(training.batch_size, len(inputs)),
            seeds=seeds,
        )
    return network.requires_grad_(False)
