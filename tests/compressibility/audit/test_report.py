"""Tests of the audit: its numbers against a few lines of NumPy, and what would be distrusted."""

from __future__ import annotations

import json
import math
import re
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional
from torch.nn.utils import prune
from torch.nn.utils.rnn import pack_sequence

from compressibility.audit.capture import capture, plain, sites
from compressibility.audit.capture import mend as mend_means
from compressibility.audit.findings import mend, percent
from compressibility.audit.measured import KINDS, Fed, largest
from compressibility.audit.page import mark, page
from compressibility.audit.report import audit, audit_weights
from compressibility.audit.together import promise
from compressibility.dice import dice
from tests.compressibility.helpers import normal, refuses


def network(widths=(64, 48, 32, 10)):
    torch.manual_seed(0)
    layers = [nn.Linear(a, b) for a, b in pairwise(widths)]
    return nn.Sequential(*(part for one in layers for part in (one, nn.ReLU())))[:-1]


def accuracy(module, batches):
    hits = sum(int((module(x).argmax(1) == y).sum()) for x, y in batches)
    return hits / sum(len(y) for _, y in batches)


@cache
def digits(widths=(64, 48, 32, 10)):
    """A network that was trained, and batches in a random order."""
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x / 16).float(), torch.tensor(y)
    net = network(widths)
    steps = torch.optim.Adam(net.parameters(), 3e-3)
    with torch.enable_grad():
        for _ in range(12):
            for i in torch.randperm(1797).split(64):
                steps.zero_grad()
                functional.cross_entropy(net(x[i]), y[i]).backward()
                steps.step()
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(1))
    return net, [(x[i], y[i]) for i in order.split(64)]


@cache
def audited():
    net, batches = digits()
    return audit(net, batches, metric=accuracy, loss=functional.cross_entropy)


def seen_by(net, batches, at):
    return net[:at](torch.cat([x for x, _ in batches])).detach().double().numpy()


@pytest.mark.parametrize("at", [0, 2, 4])
def test_held_out_errors_of_three_layers_in_a_few_lines(at) -> None:
    """Catches cuts chosen or judged on the wrong third, S for C, new inputs' bias, a power unit."""
    (net, batches), rows = digits(), {row["name"]: row for row in audited().layers}
    old, middle, new = (seen_by(net, batches[k::3], at) for k in range(3))
    w, found = net[at].weight.detach().double().numpy(), rows[f"{at}.weight"]["methods"]
    scores = {"magnitude": abs(w), "Wanda": abs(w) * np.sqrt((old**2).mean(0))}
    scores["std + mean"] = abs(w) * old.std(0)
    for method, score in scores.items():
        gone = round(found[method]["removed"] * w.shape[1])

        def error(gone, x, score=score, method=method):
            hole = np.where(score.argsort(1).argsort(1) < gone, w, 0)
            shift = hole @ old.mean(0) if method == "std + mean" else 0
            return ((x @ hole.T - shift) ** 2).sum(1).mean() / (x @ w.T).var(0).sum()

        for part, x in (("calibration", old), ("validation", middle), ("held_out", new)):
            assert error(gone, x) == pytest.approx(found[method][part], rel=1e-4)
        assert error(gone, middle) <= 0.01 < error(gone + 1, middle)
    power = ((new @ w.T) ** 2).sum(1).mean() / (new @ w.T).var(0).sum()
    assert rows[f"{at}.weight"]["power_ratio"] == pytest.approx(power, rel=1e-4)


def test_dice_ranks_columns_and_readjusting_by_their_definitions() -> None:
    """Catches a price on the wrong inputs, axes of the power, columns by norm, no intercept."""
    mix = torch.eye(6).double() + 0.4
    scale = torch.linspace(4, 1, 6).double()
    old, new = ((normal(60 - 10 * k, 6, seed=k).relu() @ mix + 1) * scale for k in range(2))
    w = normal(5, 6, seed=3)
    cutter, judge = Fed(w, old), Fed(w, new)
    unit = (new @ w.mT).var(0, correction=0).sum()

    dice = cutter.cut("dice", 2)
    assert float(dice.touched.double().mean()) * (1 - dice.keep) == pytest.approx(2 / 6)
    by_wanda = (w.square() * old.square().mean(0)).argsort(1).argsort(1)
    assert torch.equal(dice.touched, by_wanda < dice.touched.sum(1, keepdim=True))
    price = (w.square() * new.square().mean(0))[dice.touched].sum() * (1 / dice.keep - 1)
    assert judge.error(dice)[0] == pytest.approx(float(price / unit))

    ranks = cutter.cut("ranks", 2)
    assert torch.linalg.matrix_rank(ranks.weight) == 3
    own = cutter.error(ranks)[0]
    spectrum = torch.linalg.svdvals((old - old.mean(0)) @ w.mT).square()
    assert own == pytest.approx(float(spectrum[3:].sum() / spectrum.sum()))
    assert cutter.saved("ranks", 2) == 0
    assert cutter.saved("ranks", 4) == pytest.approx(1 - 11 / 30)

    assert Fed(normal(9, 4), normal(9, 4)).why_not("ranks") == "not offered: 9 samples, 9 outputs"

    columns = cutter.cut("columns", 1).touched
    assert columns.all(0).sum() == 1
    assert int(columns.all(0).int().argmax()) == int((w.norm(dim=0) * old.std(0)).argmin())
    assert int((w.norm(dim=0) * old.std(0)).argmin()) != int(w.norm(dim=0).argmin())

    made = cutter.cut("readjusted", 2)
    row, gone = 0, made.touched[0]
    design = np.column_stack([old[:, ~gone].numpy(), np.ones(len(old))])
    fit = np.linalg.lstsq(design, (old @ w[row]).numpy(), rcond=None)[0]
    assert made.weight[row][~gone].numpy() == pytest.approx(fit[:-1], rel=0.1)  # damped
    assert not torch.equal(made.weight, w.masked_fill(made.touched, 0.0))
    assert judge.error(made)[0] < judge.error(cutter.cut("std + mean", 2))[0]


def test_readjusting_wants_samples() -> None:
    """Catches the in-sample R² of few samples, by which noise is explained: the mask is honest."""
    w, few = normal(4, 30, seed=4), normal(38, 30, seed=5)
    cutter = Fed(w, few)
    assert cutter.why_not("readjusted") is None
    plain, made = (cutter.cut(name, 10) for name in ("std + mean", "readjusted"))
    assert torch.equal(plain.weight, made.weight)
    assert "30 samples" in str(Fed(w, normal(30, 30)).why_not("readjusted"))


def test_float32_layers_of_many_inputs_are_summed_in_blocks() -> None:
    """Catches blocks of columns that do not belong to each other, or are left out."""
    x, w = normal(20, 1100, seed=6).float() + 3, normal(3, 1100, seed=7)
    seen = Fed(w, x)
    assert torch.allclose(seen.outputs(w), x.double() @ w.mT, atol=1e-4)
    assert torch.allclose(seen.variance, x.double().var(0, correction=0))
    assert torch.equal(seen.mean, x.double().mean(0))


def test_the_largest_share_is_before_the_first_failure() -> None:
    """Catches a share beyond a failing one where errors cancel, and ends in the wrong order."""
    x = normal(400, 1, seed=8) @ torch.ones(1, 10).double() + 0.01 * normal(400, 10, seed=9)
    w = torch.tensor([[1.0, 1.01, 1.02, 1.03, 1.04, -1.05, -1.06, -1.07, -1.08, 9.0]]).double()
    cutter = judge = Fed(w, x)
    (found, low, high), errors = largest(cutter, judge, "magnitude", 0.05)
    assert errors[found] <= 0.05 < judge.error(cutter.cut("magnitude", found + 1))[0]
    assert low <= found <= high
    assert found == 2
    assert judge.error(cutter.cut("magnitude", 9))[0] < 0.05  # what a search from above would say


@torch.no_grad()
def test_a_loaded_module_gives_the_reported_numbers(tmp_path) -> None:
    """Catches biases that are not saved, a mask of another cut, a mean mended on dense inputs."""
    (net, batches), report = digits(), audited()
    report.save(tmp_path / "cut.safetensors")
    cut = mend(network(), tmp_path / "cut.safetensors")  # all weights and biases are in it
    assert accuracy(cut, batches[2::3]) == report.network["metric"]["together"]
    x = torch.cat([x for x, _ in batches[2::3]])
    gap, dense = (cut(x) - net(x)).double(), net(x).double()
    error = float(gap.square().sum(1).mean() / dense.var(0, correction=0).sum())
    assert error == pytest.approx(report.network["outputs"]["error"], rel=1e-4)
    zeros = sum(int((layer.weight == 0).sum()) for layer in cut[::2])
    assert zeros / report.network["covered"] == pytest.approx(report.network["removed"])
    removed = report.tensors["2.weight.removed"]
    assert bool((cut[2].weight[removed] == 0).all())


@torch.no_grad()
def test_all_together_means_are_mended_on_what_is_fed() -> None:
    """Catches biases of the dense network's inputs: after each cut layer the mean is as before."""
    torch.manual_seed(5)
    net = nn.Sequential(nn.Linear(20, 15), nn.ReLU(), nn.Linear(15, 4)).double()
    x = normal(600, 20, seed=20) + 1
    report = audit(net, x.split(100), budget=0.2)
    cut = nn.Sequential(nn.Linear(20, 15), nn.ReLU(), nn.Linear(15, 4)).double()
    cut.load_state_dict({k: v for k, v in report.tensors.items() if "removed" not in k})
    fed = cut[:2](torch.cat(x.split(100)[::3]))  # what the second layer is fed, cut and dense
    assert torch.allclose(cut[2](fed).mean(0), net[2](fed).mean(0))


@torch.no_grad()
def test_one_run_mends_groups_and_recurrent_layers() -> None:
    """Catches the means of another group, of x for h, or of h before its inputs are mended."""
    torch.manual_seed(6)
    net = nn.Sequential(nn.Conv1d(4, 6, 3, groups=2, stride=2), nn.ReLU(), nn.Conv1d(6, 3, 2))
    net, x = plain(net.double()), normal(50, 4, 12, seed=21) + 1
    dense, (found, _) = plain(net), sites(net)
    cuts = {
        site: Fed(site.weight(), normal(9, site.columns)).cut("std + mean", 3) for site in found
    }
    mend_means(cuts, lambda: net(x))
    for at in (0, 2):
        fed = net[:at](x)
        assert torch.allclose(net[at](fed).mean((0, 2)), dense[at](fed).mean((0, 2)))
    assert all(bool((site.weight()[cuts[site].touched] == 0).all()) for site in found)
    rnn = plain(nn.GRU(3, 5, 2).double())
    x, (found, _) = normal(7, 20, 3, seed=22) + 1, sites(rnn)
    whole = {site.name: site.weight() for site in found}
    before = {name: value.clone() for name, value in rnn.state_dict().items()}
    cuts = {
        site: Fed(site.weight(), normal(9, site.columns)).cut("std + mean", 2) for site in found
    }
    mend_means(cuts, lambda: rnn(x))
    fed = capture(rnn, [x], found, generator=dice("fed"))
    for site in found:
        shift = rnn.state_dict()[site.biases[0]] - before[site.biases[0]]
        hole = whole[site.name] - site.weight()
        if "ih" in site.name:  # a state changes once more when its own bias is mended
            assert torch.allclose(shift, hole @ fed[site].rows.mean(0))
        assert bool(shift.any())


def test_the_other_numbers_of_a_row_in_a_few_lines() -> None:
    """Catches r, curves or an error's spread on other inputs, r of all weights or by S for C."""
    (net, batches), rows = digits(), {row["name"]: row for row in audited().layers}
    w, row = net[2].weight.detach().double().numpy(), rows["2.weight"]
    old, middle, new = (seen_by(net, batches[k::3], 2) for k in range(3))
    found, order = row["methods"]["std + mean"], (abs(w) * old.std(0)).argsort(1).argsort(1)

    def each(gone, x):
        hole = np.where(order < gone, w, 0)
        return ((x @ hole.T - hole @ old.mean(0)) ** 2).sum(1)

    for share, error in row["curves"]["std + mean"]:
        right = each(round(share * 48), middle).mean() / (middle @ w.T).var(0).sum()
        assert error == pytest.approx(right, rel=1e-4, abs=1e-12)
    y = new @ w.T
    spread, hurt = ((y - y.mean(0)) ** 2).sum(1), each(found["units"], new)
    rest = (hurt - hurt.mean() / spread.mean() * spread) / spread.mean()
    assert found["standard_error"] == pytest.approx(
        rest.std(ddof=0) / (len(new) - 1) ** 0.5, rel=1e-3
    )
    gone = audited().tensors["2.weight.removed"].numpy()
    hole = np.where(gone, w, 0)
    for name in ("alignment", "alignment_restored"):
        made = new @ hole.T
        damage = made.var(0).sum() if name.endswith("restored") else (made**2).sum(1).mean()
        spread = new.var(0) if name.endswith("restored") else (new**2).mean(0)
        assert row[name] == pytest.approx(damage / (hole**2 * spread).sum(), rel=1e-3)
    best = [one["methods"][one["recommended"]] for one in rows.values()]
    assert audited().network["worst"] == max(one["held_out"] for one in best)
    for one in rows.values():
        more = [
            [of[end] for end in ("removed", "removed_low")]
            for of in (one["methods"]["readjusted"], one["methods"]["std + mean"])
        ]
        more = more[0] > more[1]
        assert one["recommended"] == ("readjusted" if more else "std + mean")


@torch.no_grad()
def test_changed_answers_are_counted() -> None:
    """Catches the share that stays, the smallest output's, or places of maps for answers."""
    net, batches = digits()
    cut = network()
    cut.load_state_dict({k: v for k, v in audited().tensors.items() if "removed" not in k})
    x = torch.cat([x for x, _ in batches[2::3]])
    changed = float((cut(x).argmax(1) != net(x).argmax(1)).double().mean())
    assert audited().network["outputs"]["changed"] == changed
    maps = audit(nn.Conv1d(2, 3, 2), torch.randn(60, 2, 5).split(20), budget=0.3)
    assert "changed" not in maps.network["outputs"]


@torch.no_grad()
def test_without_a_bias_no_mean_is_restored() -> None:
    """Catches a mask with a bias that the layer has no room for."""
    rnn = nn.GRU(4, 3, bias=False, batch_first=True).double()
    batches = normal(90, 6, 4, seed=29).split(10)
    report, held_out = audit(rnn, batches, budget=0.1), batches[2::3]
    for row in report.layers:
        assert row["recommended"] == "Wanda"
        for method, found in row["methods"].items():
            takes = "mean" in KINDS[method]
            assert found["why_not"] == ("not offered: takes no bias" if takes else None)
        made, copy = rnn.state_dict()[row["name"]], plain(rnn)
        gap = made - report.tensors[row["name"]]
        (site,) = [one for one in sites(copy)[0] if one.name == row["name"]]
        x = capture(copy, held_out, [site], generator=dice("all"))[site].rows
        parts = zip((x @ gap.T).chunk(3, 1), (x @ made.T).chunk(3, 1), strict=True)
        right = [float(a.square().mean(0).sum() / b.var(0, correction=0).sum()) for a, b in parts]
        assert list(row["gates"].values()) == pytest.approx(right)
        assert list(row["gates"]) == ["reset", "update", "new"]
    assert set(report.tensors) == {
        name + end for name in ("weight_ih_l0", "weight_hh_l0") for end in ("", ".removed")
    }


@torch.no_grad()
def test_tied_layers_are_saved_with_all_their_biases(tmp_path) -> None:
    """Catches a file with the first use's bias only: loaded, it gave ten times the error said."""

    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(7)
            self.one, self.two = nn.Linear(12, 12), nn.Linear(12, 12)
            self.two.weight = self.one.weight

        def forward(self, x):
            return self.two(self.one(x).relu())

    net, x = Tied().double(), normal(300, 12, seed=23) + 3
    report = audit(net, x.split(50), budget=0.05)
    report.save(tmp_path / "cut.safetensors")
    cut, new = mend(Tied().double(), tmp_path / "cut.safetensors"), torch.cat(x.split(50)[2::3])
    error = (cut(new) - net(new)).square().sum(1).mean() / net(new).var(0, correction=0).sum()
    assert report.network["outputs"]["error"] == pytest.approx(float(error))
    assert "tied" in " ".join(report.layers[0]["warnings"])


@pytest.mark.parametrize("units", [None, 40])
def test_the_standard_error_is_that_of_fresh_inputs(units) -> None:
    """Catches rows of one unit that count as many, and a ratio whose denominator is taken as known.

    Of 300 fresh sets errors spread as much as they say: within 15 %, 3 σ of a spread is 12 %.
    """
    w, lots = normal(3, 8, seed=24), torch.Generator().manual_seed(25)
    cutter = Fed(w, normal(500, 8, seed=26))
    cut, found = cutter.cut("std + mean", 3), []
    for _ in range(300):
        x = torch.randn(400, 8, generator=lots, dtype=torch.float64)
        of = None
        if units:  # ten rows of a unit share most of what they are
            of = torch.arange(units).repeat_interleave(10)
            x = 0.3 * x + torch.randn(units, 8, generator=lots, dtype=torch.float64)[of]
        found.append(Fed(w, x, of).error(cut))
    values, said = torch.tensor(found).double().T
    assert float(said.square().mean().sqrt()) == pytest.approx(float(values.std()), rel=0.15)


def test_one_unit_says_nothing_of_others() -> None:
    """Catches an interval of no width, or none at all, from positions of a single input."""
    x = normal(300, 6, seed=27)
    one = Fed(normal(2, 6, seed=28), x, torch.zeros(300).long())
    (_, low, high), _ = largest(one, one, "magnitude", 0.05)
    assert (low, high) == (0, 6)


@torch.no_grad()
def test_batches_of_all_kinds() -> None:
    """Catches work lost at the end on lengths that differ, keywords, numbers among them."""

    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2)

        def forward(self, scale, words):
            return {"logits": self.head(scale * self.rnn(words)[0])}

    torch.manual_seed(8)
    batches = [{"scale": 1.0, "words": torch.randn(5, 4 + k % 3, 3)} for k in range(9)]
    report = audit(Words(), batches)
    assert len(report.layers) == 3
    assert report.about["held_out_inputs"] == 15
    assert report.network["outputs"]["error"] > 0
    alike = [{"words": torch.randn(5, 4, 3), "scale": torch.ones(5, 1, 1)} for _ in range(9)]
    assert len(audit(Words(), alike).layers) == 3
    with pytest.raises(ValueError, match="outputs whose last axes are alike"):
        audit(nn.Identity(), [torch.ones(2, 3 + k) for k in range(9)])
    with pytest.raises(ValueError, match="a tensor among the outputs, got NoneType"):
        audit(_Nothing(), torch.ones(6, 2).split(1))


class _Nothing(nn.Module):
    def forward(self, _):
        return None


@pytest.mark.parametrize(
    ("forward", "said"),
    [
        (lambda x: x * math.nan, "finite outputs"),
        (lambda x: x * 0, "outputs that vary"),
        (lambda _: "text", "a tensor among the outputs, got str"),
        (lambda x: {"loss": x.sum()}, "a tensor among the outputs, got dict"),
    ],
)
def test_outputs_that_say_nothing_are_refused(forward, said) -> None:
    """Catches an endless search for a tensor, "nan %", and a loss taken for the outputs."""
    net = nn.Linear(3, 2)
    net.register_forward_hook(lambda _, __, out: forward(out))
    with pytest.raises(ValueError, match=said):
        audit(net, torch.randn(6, 3).split(2))


@torch.no_grad()
def test_oddities_are_told() -> None:
    """Catches noise taken for an effect, zeros that were there, a loss as the first output."""
    torch.manual_seed(10)
    net, x = nn.Linear(8, 3), torch.randn(90, 8)
    net.weight[:, 1:5] = 0
    net.register_forward_hook(
        lambda _, __, out: {"loss": out.sum(), "logits": out + 0.1 * torch.rand_like(out)}
    )
    report = audit(net, x.split(10), budget=0.05)
    assert "its outputs are random" in report.sentence
    assert "50% of its weights are zero already" in report.layers[0]["warnings"]
    with pytest.raises(ValueError, match="a finite metric"):
        audit(nn.Linear(8, 3), x.split(10), metric=lambda *_: math.nan)
    with pytest.raises(ValueError, match="Module, got function"):
        audit(functional.relu, x.split(10))


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
def test_weights_that_hooks_make_do_not_stop_an_audit() -> None:
    """Catches a deep copy that PyTorch refuses: old weight_norm, prune."""
    old = nn.utils.weight_norm(nn.Linear(6, 4))
    cut = prune.l1_unstructured(nn.Linear(4, 3), "weight", 0.5)
    report = audit(
        nn.Sequential(old, nn.ReLU(), cut, nn.Linear(3, 2)), torch.randn(90, 6).split(10)
    )
    assert [row["name"] for row in report.layers] == ["3.weight"]
    assert "made by a hook" in {row["name"]: row["why"] for row in report.skipped}["0.weight"]


@torch.no_grad()
def test_packed_sequences_are_mended_by_all_of_them() -> None:
    """Catches a bias that restores the mean of the first sequence, or a tuple that is unpacked."""
    net = nn.GRU(3, 4, batch_first=True).double()
    lengths = [torch.randint(2, 7, (8,)).tolist() for _ in range(6)]
    batches = [
        pack_sequence([normal(n, 3, seed=k) + k for k, n in enumerate(of)], enforce_sorted=False)
        for of in lengths
    ]
    report = audit(net, batches, budget=0.2)
    assert report.about["held_out_inputs"] == 16
    hole = net.weight_ih_l0 - report.tensors["weight_ih_l0"]
    shift = report.tensors["bias_ih_l0"] - net.bias_ih_l0
    assert hole.any()
    assert torch.allclose(shift, hole @ batches[0].data.mean(0))


@torch.no_grad()
def test_a_layer_of_more_outputs_than_samples_has_a_page() -> None:
    """Catches an audit that is lost on its page, and a method of no share among the winners."""
    torch.manual_seed(11)
    report = audit(nn.Linear(20, 512), torch.randn(300, 20).split(50), metric=lambda *_: 0.5)
    assert (
        report.layers[0]["methods"]["ranks"]["why_not"] == "not offered: 100 samples, 512 outputs"
    )
    assert "low-rank factors: not offered" in page(report)
    assert "no layer alone moves it" in report.sentence
    few = audit(nn.Linear(40, 5), torch.randn(90, 40).split(30), budget=0.05)
    assert "; 1 of them saw too few inputs to refit" in few.sentence
    above = few.network["worst"] > 0.05
    assert (", above it" in few.sentence) == above


def test_words_of_the_sentence() -> None:
    """Catches "0 % error", a gain called the worst, groups called layers, 1000 % of a network."""
    torch.manual_seed(9)
    net = nn.Sequential(nn.Conv1d(4, 4, 2, groups=4), nn.Flatten(), nn.Linear(12, 2))
    net[2] = nn.utils.parametrizations.weight_norm(net[2])
    values = iter([0.9, 0.91, 0.97, 0.9])  # dense, alone: the last moves it most, together
    report = audit(
        net, torch.randn(60, 4, 4).split(20), metric=lambda *_: next(values), budget=1e-4
    )
    assert "at 0.01% error" in report.sentence
    assert "in 2 layers" in report.sentence
    assert "2.weight alone, which moves it most, 0.97" in report.sentence
    assert report.network["parameters"] == 4 * 2 + 4 + 24 + 2
    assert "(84% of the network)" in report.sentence


@torch.no_grad()
def test_a_layer_without_a_bias_gets_one(tmp_path) -> None:
    """Catches a mended mean that is lost with load_state_dict."""
    net = nn.Sequential(nn.Linear(12, 8, bias=False), nn.ReLU(), nn.Linear(8, 3)).double()
    x = normal(400, 12, seed=10) + 2
    report = audit(net, x.split(50), budget=0.05)
    report.save(tmp_path / "cut.safetensors")
    assert net[0].bias is None
    again = nn.Sequential(nn.Linear(12, 8, bias=False), nn.ReLU(), nn.Linear(8, 3)).double()
    mend(again, tmp_path / "cut.safetensors")
    assert again[0].bias is not None
    assert {row["name"] for row in report.skipped} == {"2.bias"}  # not a bias that is not there
    new = torch.cat(x.split(50)[2::3])
    error = (again(new) - net(new)).square().sum(1).mean() / net(new).var(0, correction=0).sum()
    assert float(error) == pytest.approx(report.network["outputs"]["error"])


def test_the_module_is_left_as_it_was() -> None:
    """Catches weights that stay cut, hooks, or a network that is switched out of training."""
    net = nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2)).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    report = audit(net, normal(80, 8).float().split(20))
    assert net.training
    assert net[1].training
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert not net[0]._forward_pre_hooks
    assert len(report.layers) == 2


def test_no_layer_is_skipped_silently() -> None:
    """Catches a tensor without a row: an embedding, one never run, a constant layer, a buffer."""

    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.used, self.idle = nn.Embedding(5, 4), nn.Linear(4, 4), nn.Linear(4, 2)
            self.flat = nn.Linear(4, 4)
            nn.init.zeros_(self.flat.weight)

        def forward(self, x):
            return self.used(self.words(x)) + self.flat(self.words(x))

    torch.manual_seed(3)
    report = audit(Odd(), torch.arange(40).remainder(5).view(20, 2).split(5))
    told = {row["tensor"] for row in report.layers} | {row["name"] for row in report.skipped}
    assert told == set(Odd().state_dict())
    why = {row["name"]: row["why"] for row in report.skipped}
    assert "embedding" in why["words.weight"]
    assert "never" in why["idle.weight"]
    assert "do not vary" in why["flat.weight"]
    shown = page(report)
    assert all(name in shown for name in told)


def test_no_hidden_winner_and_no_number_without_its_held_out_twin() -> None:
    """Catches a best method whose rivals are not shown, and errors of calibration inputs alone."""
    for row in audited().layers:
        assert set(row["methods"]) == set(KINDS)
        assert row["recommended"] in ("std + mean", "readjusted")
        for method, found in row["methods"].items():
            assert found["kind"] == KINDS[method]
            assert found["why_not"] or {"held_out", "validation", "calibration"} <= set(found)
            if not found["why_not"]:
                assert found["validation"] <= 0.01
                assert found["held_out"] != found["validation"]
                assert found["removed_low"] <= found["removed"] <= found["removed_high"]
    kinds = {KINDS[name] for name in ("dice", "Wanda", "std + mean", "readjusted")}
    assert len(kinds) == 4
    shown = page(audited())
    assert all(kind in shown for kind in kinds)


def test_an_empty_bound_is_never_green() -> None:
    """Catches V >= 1 called safe, and a promise to a network that no theorem speaks of."""
    found = audited().network["promise"]
    assert found["v_half"] >= 1
    assert found["says"].startswith("empty")
    theorems = r'<p class="(\w+)">(.) Theorems'
    shown = re.search(theorems, page(audited()))
    assert shown
    assert shown.groups() == ("stop", "■")
    conv = nn.Sequential(nn.Conv1d(1, 2, 3))
    said = promise(conv, [torch.ones(2, 3)], [torch.ones(2, 1, 5)], torch.ones(2, 2), 0.01)
    assert said["v_half"] is None
    assert "not given" in said["says"]
    tight = nn.Sequential(nn.Linear(4, 4))  # a bias: V < 1 and not what the theorems speak of
    x = torch.cat([torch.eye(4), -torch.eye(4)]).double()
    said = promise(tight, [torch.eye(4).double()], [x], x, 0.01)
    assert said["v_half"] < 1
    assert "without biases, if all their hypotheses hold" in said["says"]
    net = nn.Sequential(nn.Linear(1, 1, bias=False)).double()
    with torch.no_grad():
        net[0].weight.fill_(1.0)
    signs = torch.tensor([[1.0], [-1.0]]).double().repeat(10, 1)
    shown = re.search(theorems, page(audit(net, signs.split(4))))
    assert shown
    assert shown.group(1) == "look"  # never green: nobody has looked at the hypotheses


def test_v_and_xi_of_a_known_network() -> None:
    """Catches V over the power, or without c1: W = 2 on signs ±1, variance 4, m = 1."""
    net = nn.Sequential(nn.Linear(1, 1, bias=False)).double()
    x = torch.tensor([[1.0], [-1.0]]).double()
    said = promise(net, [2 * torch.ones(1, 1).double()], [x], 2 * x, 0.1)
    assert said["v_half"] == pytest.approx(0.75)
    assert said["xi"] * (1 + said["xi"]) == pytest.approx(0.1)


def test_the_hypotheses_are_those_of_the_audited_theorem() -> None:
    """Catches a promise whose widths nobody held against (13), by hand g δ c1²/c2² at ξ = ½."""
    weights = [normal(40, 30, seed=30), normal(5, 40, seed=31)]
    net, x = nn.Sequential(nn.Linear(30, 40), nn.Linear(40, 5)).double(), normal(20, 30, seed=32)
    rows = promise(net, weights, [x], normal(20, 5, seed=33), 0.1)["hypotheses"]
    ratios = {row["layer"]: row for row in rows if row["equation"] == "(13)"}
    c1 = max(float(torch.linalg.matrix_norm(w, 2)) for w in weights)
    c2 = max(float(w.abs().max()) * math.sqrt(40) for w in weights)
    root = 0.5**2 / (4 + 0.5)  # δ(½) without blocks: ξ²/(4 + ξ)
    for layer, ratio in ((1, 40 / 30), (2, 5 / 40)):
        assert ratios[layer]["left"] == pytest.approx(ratio)
        assert ratios[layer]["right"] == pytest.approx(root * (c1 / c2) ** 2)  # g = 1
        assert not ratios[layer]["holds"]
    assert len(rows) == 3  # and the smallest width


def test_thirty_more_samples_do_not_change_the_verdict() -> None:
    """Catches a share without an interval that covers what a few more inputs would say."""
    net, batches = digits()
    x, y = (torch.cat(parts) for parts in zip(*batches, strict=True))

    def said(n):  # as many for calibration, n to choose the share on
        rows = slice(0, 600), slice(600, 600 + n), slice(1000, 1797)
        report = audit(net, [(x[part], y[part]) for part in rows])
        return {row["name"]: row["methods"]["std + mean"] for row in report.layers}

    few, more = said(120), said(150)
    assert any(one["removed_low"] < one["removed_high"] for one in few.values())
    for name, one in few.items():
        assert one["removed_low"] <= more[name]["removed"] <= one["removed_high"]


def test_warnings() -> None:
    """Catches few samples, a flattering power and a gap to calibration that nobody is told of."""
    net = nn.Sequential(nn.Linear(40, 5)).double()
    x = normal(90, 40, seed=11) + 5
    (row,) = audit(net, x.split(30), budget=0.05).layers
    said = " ".join(row["warnings"])
    assert "30 calibration rows for 40 inputs" in said
    assert "power" in said
    (calm,) = audit(net, normal(6000, 40, seed=12).split(2000), budget=0.05).layers
    assert calm["warnings"] == []
    other = torch.linspace(3, 0.3, 40).double()  # what hardly varied now varies most
    shifted = [normal(200, 40, seed=13) * other.flip(0)]
    shifted += [normal(200, 40, seed=14 + k) * other for k in range(2)]
    (row,) = audit(net, shifted, budget=0.05).layers
    assert "differ" in " ".join(row["warnings"])
    assert mark(row) == "look"
    assert mark(calm) == "good"


def test_the_first_sentence_and_the_metric_first() -> None:
    """Catches counts, shares or inputs that are not those of the rows; a metric named later."""
    report, (_, batches) = audited(), digits()
    weights = sum(row["weights"] for row in report.layers)
    assert weights == 64 * 48 + 48 * 32 + 32 * 10
    assert report.sentence.startswith("Your metric")
    assert f"of {weights:,} weights in 3 layers".replace(",", "\u202f") in report.sentence
    inputs = sum(len(y) for _, y in batches[2::3])
    assert f"measured on {inputs} new inputs" in report.sentence
    metric = report.network["metric"]
    assert metric["dense"] == accuracy(digits()[0], batches[2::3])
    assert set(metric["alone"]) == {row["name"] for row in report.layers}
    parts = [r["methods"][r["recommended"]]["removed"] * r["weights"] for r in report.layers]
    assert report.network["removed"] == pytest.approx(sum(parts) / weights)


@torch.no_grad()
def test_curvature_of_a_loss() -> None:
    """Catches ε or H of other inputs, no ½, a path not by size, a part of w: dense H."""
    net, batches = digits((64, 6, 10))
    told = batches[::3]
    found = audit(net, batches, loss=functional.cross_entropy).network["curvature"]
    x, y = (torch.cat(parts) for parts in zip(*told, strict=True))
    each = torch.tensor([float(functional.cross_entropy(net(a), b)) for a, b in told])
    assert found["epsilon"] == pytest.approx(float(each.std(correction=0)), rel=1e-4)
    flat = torch.cat([net[at].weight.detach().flatten() for at in (0, 2)])
    D = len(flat)

    def loss(w):
        first, last = w[:384].view(6, 64), w[384:].view(10, 6)
        hidden = functional.relu(functional.linear(x, first, net[0].bias))
        return functional.cross_entropy(functional.linear(hidden, last, net[2].bias), y)

    H = torch.autograd.functional.hessian(loss, flat).double()
    order, squares = flat.abs().argsort(), flat.double().square().sort().values.cumsum(0)
    rises, costs = [], []
    for j in range(1, 21):
        gone = order[: -(-j * D // 20)]
        c = torch.zeros(D).double()
        c[gone] = flat[gone].double()
        costs.append(float(c @ H @ c) / 2)
        rises.append(float(loss(flat - c.float()) - loss(flat)))
    assert [rise for _, rise in found["curve"]] == pytest.approx(rises, abs=1e-5)
    shares = [share for share, _ in found["curve"]]
    for name, paid in (("u2", costs), ("measured", rises)):
        passing = [s for s, one in zip(shares, paid, strict=True) if one <= found["epsilon"]]
        assert found[name] == max(passing)
    bends, two = torch.linalg.eigvalsh(H).abs(), 2 * found["epsilon"]
    star = next(j for j in range(1, D + 1) if (two / (squares[j - 1] * bends + two)).sum() < j) / D
    assert found["star"] == pytest.approx(star, abs=0.02)
    noise = math.sqrt(2 / 3) * float(bends.norm()) / D  # of a trace from three vectors of signs
    assert found["bent"] == pytest.approx(float(bends.mean()), abs=3 * noise)
    slope = torch.autograd.functional.jacobian(loss, flat).norm()
    assert found["slope"] == pytest.approx(float(slope), rel=1e-4)
    assert found["trace"] <= found["star"] + 1e-9


def test_a_loss_that_cannot_be_bent_loses_no_row() -> None:
    """Catches hours of work lost at the end: of one batch ε is 0, and the rows stand."""
    net, x = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)), normal(90, 5).float()
    report = audit(net, [(part, part[:, :2]) for part in x.split(30)], loss=functional.mse_loss)
    assert "not given: need 0 < epsilon" in report.network["curvature"]["says"]
    assert len(report.layers) == 2
    assert "not given: need 0" in page(report)


def test_what_is_the_readers_own_is_tried_before_any_work() -> None:
    """Catches a metric, or a loss, whose error comes after the layers are done."""
    calls: list[str] = []

    def broken(*_):
        raise RuntimeError("of the reader's")

    batches = [(part, part[:, 0]) for part in normal(30, 4).float().split(5)]
    for own in ({"metric": broken}, {"loss": broken}):
        with pytest.raises(RuntimeError, match="of the reader's"):
            audit(nn.Linear(4, 2), batches, progress=lambda _, what: calls.append(what), **own)
    assert set(calls) == {"the inputs of all layers"}


def test_json_is_strict_and_complete() -> None:
    """Catches NaN, which is no JSON, and fields that the schema does not name."""
    report = audited()
    data = json.loads(report.json(), parse_constant=lambda text: pytest.fail(text))
    documented = type(report).__doc__ or ""
    assert all(f"``{field}" in documented for field in data)
    for row in data["layers"]:
        assert all(f"``{key}``" in documented or f"…{'.'}{key}" in documented for key in row)


def test_interrupted_it_keeps_what_is_done() -> None:
    """Catches a Ctrl-C that loses the rows before it, or a part that looks like a whole."""
    net, batches = digits()

    def stop(_, what):
        if what == "2.weight":
            raise KeyboardInterrupt

    report = audit(net, batches, progress=stop)
    assert report.partial
    assert [row["name"] for row in report.layers] == ["0.weight"]
    assert {row["name"]: row["why"] for row in report.skipped}["4.weight"] == "interrupted before"
    assert "nterrupted" in report.sentence
    assert "Interrupted" in page(report)


def test_without_inputs_no_error_is_claimed() -> None:
    """Catches a share of the norm that is sold as a share that may go."""

    class Entry:
        def __init__(self, tensor, why_not=None):
            self.values, self.why_not, self.shape = tensor, why_not, tensor.shape
            self.dtype = str(tensor.dtype).removeprefix("torch.")

        def tensor(self, dtype):
            return self.values.to(dtype)

    heavy = normal(60, 50, seed=15) / normal(60, 50, seed=16)
    file = {"w": Entry(normal(40, 50, seed=17)), "cauchy": Entry(heavy.half().float().bfloat16())}
    file["b"] = Entry(torch.ones(4), "one axis: a bias or a scale")
    file["huge"] = Entry(1e200 * normal(20, 60, seed=18))
    file["optimizer.w"] = Entry(torch.ones(5, 5), "a state of the optimizer")
    report = audit_weights(file)
    assert "no error can be known" in report.sentence
    assert "can go" not in report.sentence
    assert report.network["parameters"] == 2000 + 3000 + 4 + 1200  # without the optimizer's
    assert "huge" in {row["name"] for row in report.skipped}
    light, tail = (row["weight"] for row in report.layers)
    assert light["tail"].startswith("not so heavy")
    assert tail["tail"].startswith("heavy")
    assert tail["norm_removed"] > 2 * tail["norm_removed_gaussian"]
    assert light["norm_removed"] == pytest.approx(light["norm_removed_gaussian"], abs=0.03)
    values = torch.linalg.svdvals(normal(40, 50, seed=17))
    assert light["operator_norm"] == pytest.approx(float(values[0]))
    assert light["stable_rank"] == pytest.approx(float((values / values[0]).square().sum()))
    assert report.layers[1]["note"] == "upcast from bfloat16"
    shown = page(report)
    assert "one axis" in shown
    assert mark(report.layers[0]) == "stop"


def test_the_page_stands_alone_and_speaks_in_shapes() -> None:
    """Catches a page that asks another host, colors alone, or a name that is run as HTML."""
    net = nn.Sequential()
    net.add_module("<b>", nn.Linear(6, 3))
    shown = page(audit(net, normal(60, 6).float().split(20)))
    assert "&lt;b&gt;" in shown
    assert "<b>.weight" not in shown
    whole = page(audited())
    assert not re.search(r"""(src|href)=["']?(http|//)|@import|url\(http""", whole)
    assert whole.count("<svg") == 1
    assert whole.count('<table class="main"') == 1
    assert {"●", "▲", "■"} <= set(whole)
    assert "prefers-color-scheme: dark" in whole
    assert "<details" in whole
    assert percent(0.0) != percent(0.00001)


test_refusals = refuses(
    (lambda: audit(nn.Linear(3, 2), torch.ones(4, 3).split(2)), "3 batches"),
    (lambda: audit(nn.Linear(3, 2), torch.ones(6, 3).split(2), budget=1), "0 < budget < 1"),
    (lambda: audit_weights({}).save("cut.safetensors"), "an audit with inputs"),
    (lambda: Fed(torch.ones(2, 3), torch.ones(1, 3)), "N >= 2"),
)
