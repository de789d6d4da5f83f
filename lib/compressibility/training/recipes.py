"""Trained networks to cut: one data set, one recipe, one network per seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from compressibility.data.sets import Dataset
from compressibility.models.network import Network
from compressibility.training.loop import Loss, Training, train


def trained(
    problem: Dataset, network: Network, training: Training, *, seeds: Sequence[int]
) -> Network:
    """Train networks in place and return them, without gradients.

    Cross-entropy for classes, squares otherwise, on the first ``training.samples`` training
    samples; ``seeds``, one per network, draw the order of the minibatches.

    >>> from compressibility.data.sets import load
    >>> from compressibility.models.network import mlp
    >>> quick = Training(epochs=1, samples=100)
    >>> trained(load("digits"), mlp([64, 8, 10]), quick, seeds=[0]).widths
    (64, 8, 10)
    """
    inputs = problem.train_inputs[: training.samples]
    targets = problem.train_targets[: training.samples]
    fitting = replace(training, batch_size=min(training.batch_size, len(inputs)))
    loss: Loss = "cross_entropy" if problem.task == "classification" else "mse"
    with torch.enable_grad():
        train(network, inputs, targets, fitting, loss=loss, seeds=seeds)
    return network.requires_grad_(False)
