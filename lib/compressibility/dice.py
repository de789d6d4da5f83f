"""Dice with names: who draws is named, so that a new draw moves no other number."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from numbers import Integral

import torch
from torch import Tensor

from compressibility.checks import need, of_kind


def dice(*name: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return the generator of a name: its seed is the SHA-256 digest of the name's parts.

    No two names are the same: ``("a", 1)``, ``("a", "1")`` and ``("a1",)`` are three.  A word in
    the environment's ``COMPRESSIBILITY_DICE`` gives all of them other dice.

    >>> first = torch.rand(2, generator=dice("ladder", 100, 0))
    >>> bool((first == torch.rand(2, generator=dice("ladder", 100, 0))).all())
    True
    """
    need(len(name) > 0, "a name", "none")
    for part in name:
        known = isinstance(part, str | Integral) and not isinstance(part, bool)
        need(known, "a name of strings and whole numbers", repr(part))
    parts = [part if isinstance(part, str) else int(part) for part in name]
    word = os.environ.get("COMPRESSIBILITY_DICE")
    digest = hashlib.sha256(json.dumps([word, parts] if word else parts).encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "big"))


def uniforms(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Draw uniform numbers in [0, 1) on the generator's device.

    They are float64 whatever they decide on: a seed gives the same decisions in either precision.

    >>> uniforms((2, 3), dice("example")).dtype
    torch.float64
    """
    of_kind(torch.Generator, dice=generator)
    device, size = generator.device, tuple(shape)
    return torch.rand(size, generator=generator, dtype=torch.float64, device=device)
