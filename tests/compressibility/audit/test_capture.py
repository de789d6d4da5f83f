"""Tests of sites and of their inputs: X Wᵀ is what the layer adds its bias to, on every layer."""

from __future__ import annotations

import math
import random
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

from compressibility.audit.capture import capture, plain, sites
from compressibility.dice import dice
from tests.compressibility.audit import test_real as real
from tests.compressibility.helpers import normal, refuses

OLD = pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
CLOSE = {torch.float64: 1e-12, torch.float32: 1e-5}


def seen_in(module, *batches, most=10**6, cap=2**34, seed=0, **more):
    """The inputs of all sites of a plain module, by name and group."""
    module = module.requires_grad_(False)
    found, _ = sites(module)
    seen = capture(module, batches, found, generator=dice("test", seed), cap=cap, most=most, **more)
    return {(site.name, site.group): one.rows for site, one in seen.items()}


def off(got, right):
    """The largest error over the scale of what is right."""
    with torch.no_grad():
        return float((got - right).abs().max() / right.abs().max().clamp(min=1e-30))


def convolution(roll):
    """A convolution of any kind and its maps."""
    axes, groups = roll.choice([1, 1, 2, 2, 2, 3]), roll.choice([1, 1, 2, 3])
    inside, outside = groups * roll.randint(1, 3), groups * roll.randint(1, 3)
    if roll.random() < 0.2:  # depthwise
        groups = inside
        outside = inside * roll.randint(1, 2)
    kernel = [roll.randint(1, 4) for _ in range(axes)]
    gaps = [roll.randint(1, 3) for _ in range(axes)]
    mode = roll.choice(["zeros", "zeros", "circular", "reflect", "replicate"])
    padding = roll.choice(["same", "valid", *([roll.randint(0, 2) for _ in range(axes)],) * 3])
    steps = [1 if padding == "same" else roll.randint(1, 3) for _ in range(axes)]
    dtype = roll.choice([torch.float32, torch.float64])
    conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1](
        *(inside, outside, kernel, steps, padding, gaps, groups, roll.random() < 0.7, mode),
        dtype=dtype,
    )
    maps = torch.randn(2, inside, *(roll.randint(10, 13) for _ in range(axes)), dtype=dtype)
    return conv, maps if roll.random() < 0.8 else maps[0]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_convolutions():
    """A stride, a gap, a pad, a mode, a group or an order of channels that is another's."""
    torch.manual_seed(0)
    roll = random.Random(0)
    for _ in range(120):
        conv, maps = convolution(roll)
        seen, found = seen_in(conv, maps), sites(conv)[0]
        outputs = [seen["weight", s.group].double() @ s.weight().mT for s in found]
        right = conv(maps).detach()
        right = right if right.ndim == maps.ndim == conv.weight.ndim else right[None]
        right = right.movedim(1, -1).flatten(0, -2).double()
        bias = 0 if conv.bias is None else conv.bias.detach()
        assert off(torch.cat(outputs, 1) + bias, right) < CLOSE[maps.dtype], conv
        assert len(found) == conv.groups
        assert {rows.dtype for rows in seen.values()} == {maps.dtype}


def test_patches_are_those_of_unfold():
    """Patches and weights in one wrong order, which their product does not see."""
    conv, maps = nn.Conv2d(4, 6, (2, 3), 2, 1, (3, 1)), torch.randn(3, 4, 9, 8)
    right = functional.unfold(maps, (2, 3), (3, 1), 1, 2).mT.flatten(0, 1)
    assert torch.equal(seen_in(conv, maps)["weight", 0], right)
    assert torch.equal(sites(conv)[0][0].weight(), conv.weight.detach().double().flatten(1))


@pytest.mark.parametrize("shape", [(5,), (7, 5), (2, 3, 5), (2, 3, 4, 5)])
def test_linear(shape):
    """Features that are taken for time; a single input."""
    layer, x = nn.Linear(5, 3).double(), normal(*shape)
    rows = seen_in(layer, x)["weight", 0]
    assert off(functional.linear(rows, layer.weight, layer.bias), layer(x).reshape(-1, 3)) < 1e-14
    keywords = seen_in(layer, {"input": x})
    assert torch.equal(keywords["weight", 0], rows)


def by_hand(net, x, begin, layer, way, seen):
    """Outputs (T, B, H) of one layer in one direction, step by step from the inputs captured."""
    end = f"l{layer}{'_reverse' * way}"
    bias = [getattr(net, f"bias_{of}_{end}", torch.zeros(1)) for of in ("ih", "hh")]
    mine = {site.name: site for site in sites(net)[0]}
    from_x, from_h = (
        (seen[f"weight_{of}_{end}", 0] @ mine[f"weight_{of}_{end}"].weight().mT + b).unflatten(
            0, x.shape[:2]
        )
        for of, b in zip(("ih", "hh"), bias, strict=True)
    )
    outputs, number = [], layer * (1 + net.bidirectional) + way
    cell = begin[1][number] if net.mode == "LSTM" else None
    for a, b, h in zip(
        from_x, from_h, seen[f"weight_hh_{end}", 0].unflatten(0, x.shape[:2]), strict=True
    ):
        if net.mode == "LSTM":
            i, f, g, o = (a + b).chunk(4, -1)
            cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
            outputs.append(o.sigmoid() * cell.tanh())
        elif net.mode == "GRU":
            (ra, za, na), (rb, zb, nb) = a.chunk(3, -1), b.chunk(3, -1)
            z = (za + zb).sigmoid()
            outputs.append((1 - z) * (na + (ra + rb).sigmoid() * nb).tanh() + z * h)
        else:
            outputs.append((a + b).tanh() if net.mode == "RNN_TANH" else (a + b).relu())
    out = torch.stack(outputs)
    assert torch.equal(seen[f"weight_hh_{end}", 0][: x.shape[1]], begin[0][number])
    assert off(seen[f"weight_hh_{end}", 0][x.shape[1] :], out[:-1].flatten(0, 1)) < 1e-12
    return out.flip(0) if way else out


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("ways", [1, 2])
@pytest.mark.parametrize("form", ["first", "time", "alone", "started"])
def test_recurrent(kind, ways, form):
    """A gate, a step, a direction, a layer or a first state that is another's."""
    torch.manual_seed(0)
    more = {"nonlinearity": "relu"} if kind is nn.RNN and ways == 2 else {}
    first, started = form == "first", form == "started"
    net = kind(
        3, 4, 2, bias=ways == 2 or started, batch_first=first, bidirectional=ways == 2, **more
    ).double()
    x = normal(6, 2, 3) if form != "alone" else normal(6, 1, 3)
    zeros = torch.zeros(2 * ways, x.shape[1], 4).double()
    begin = (
        (normal(2 * ways, 2, 4, seed=1), normal(2 * ways, 2, 4, seed=2))
        if started
        else (zeros,) * 2
    )
    hx = () if not started else (begin,) if kind is nn.LSTM else (begin[0],)
    fed = x.transpose(0, 1) if first else x[:, 0] if form == "alone" else x
    seen = seen_in(net, {"input": fed} | ({"hx": hx[0]} if hx else {}))
    assert len(seen) == 4 * ways
    right = net(fed, *hx)[0].detach()
    right = right.transpose(0, 1) if first else right[:, None] if form == "alone" else right
    below = x
    for layer in range(2):
        for way in range(ways):
            rows = seen[f"weight_ih_l{layer}{'_reverse' * way}", 0]
            assert off(rows, (below.flip(0) if way else below).flatten(0, 1)) < 1e-12
        below = torch.cat([by_hand(net, x, begin, layer, way, seen) for way in range(ways)], -1)
    assert off(below, right) < 1e-12


def test_packed_sequences():
    """Steps after the end of a short sequence, or another sequence's first state."""
    net = nn.LSTM(3, 4, 2, bidirectional=True).double()
    x, begin = [normal(n, 3, seed=n) for n in (2, 5, 3)], (normal(4, 3, 4), normal(4, 3, 4, seed=1))
    packed = pack_sequence(x, enforce_sorted=False)
    seen = seen_in(net, {"input": packed, "hx": begin})
    right, sizes = pad_packed_sequence(net(packed, begin)[0])
    end = 0
    for at, size in enumerate(sizes.tolist()):
        rows = slice(end, end := end + size)
        out = right[:size, at].detach()
        assert torch.equal(seen["weight_ih_l0_reverse", 0][rows], x[at].flip(0))
        assert torch.equal(seen["weight_hh_l1", 0][rows][0], begin[0][2, at])
        assert off(seen["weight_hh_l1", 0][rows][1:], out[:-1, :4]) < 1e-12
        assert off(seen["weight_hh_l1_reverse", 0][rows][1:], out.flip(0)[:-1, 4:]) < 1e-12
    assert end == len(seen["weight_hh_l1", 0]) == 10


def test_rows_know_their_inputs():
    """Positions or time steps that pass for inputs of their own; batches that start anew."""
    net = nn.Sequential(nn.Conv1d(1, 2, 2), nn.Flatten(), nn.Linear(6, 3))
    x = torch.arange(5.0)[:, None, None].expand(5, 1, 4)  # each input's values are its number
    seen = capture(net, x.split(3), sites(net)[0], generator=dice("units"))
    conv, last = seen.values()
    assert torch.equal(conv.units, conv.rows[:, 0].long())
    assert torch.equal(last.units, torch.arange(5))
    rnn = nn.GRU(1, 2, batch_first=True)
    for batch in (
        x[:, 0, :, None],
        {"input": pack_sequence([x[k, 0, : 4 - k // 2, None] for k in range(5)])},
    ):
        rows, units = next(iter(capture(rnn, [batch], sites(rnn)[0], generator=dice("u")).values()))
        assert torch.equal(units, rows[:, 0].long())
    flat = nn.Linear(4, 2)
    pair = capture(
        flat, [{"input": x[:, 0].repeat_interleave(2, 0)}], sites(flat)[0], generator=dice("f")
    )
    assert len(next(iter(pair.values())).units.unique()) == 10


def test_a_layer_that_runs_twice_is_seen_twice():
    """Only the last call's inputs; a name of its own for one module under two names."""
    layer = nn.Linear(3, 3)
    net = nn.Sequential(layer, nn.ReLU(), layer)
    x = torch.randn(4, 3)
    rows = seen_in(net, x)["0.weight", 0]
    assert torch.equal(rows, torch.cat([x, layer(x).relu().detach()]))
    assert sites(net)[1]["2.weight"] == "the same tensor as 0.weight"


def test_samples_are_uniform_without_replacement_in_order():
    """The first rows, the last ones, one row twice, batches of equal weight, or any order."""
    layer, x = nn.Linear(1, 1).double(), torch.arange(60.0).double()[:, None]
    found, counts = sites(layer)[0], torch.zeros(60)
    for seed in range(500):
        batches = x[:40], x[40:41], x[41:]
        ((rows, units),) = capture(
            layer, batches, found, generator=dice("u", seed), most=12
        ).values()
        assert torch.equal(units, rows[:, 0].long())
        assert bool((rows.diff(dim=0) > 0).all())
        assert len(rows) == 12
        counts[rows[:, 0].long()] += 1
    sd = math.sqrt(500 * 0.2 * 0.8)
    assert float((counts - 100).abs().max()) < 4.5 * sd
    assert 0.6 < float((counts - 100).square().mean()) / sd**2 < 1.5


def test_samples_depend_on_the_seed_only():
    """Rows that change with the sites asked for; one generator for two seeds, or for two calls."""
    net, x = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)), torch.randn(50, 3)
    found = sites(net)[0]
    both, last, other = (
        capture(net, [x], wanted, generator=dice("s", seed), most=10)[found[1]].rows
        for wanted, seed in ((found, 0), (found[1:], 0), (found, 1))
    )
    assert torch.equal(both, last)
    assert not torch.equal(both, other)
    lots = dice("s", 0)
    again = (capture(net, [x], found, generator=lots, most=10)[found[1]] for _ in range(2))
    one, two = (seen.rows for seen in again)
    assert not torch.equal(one, two)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_memory_is_bounded():
    """A cap for each site and not for all; room that small layers leave, wasted; all unfolded."""
    net = nn.Sequential(nn.Conv1d(1, 40, 64, padding="same"), nn.Conv1d(40, 1, 64, padding="same"))
    x = torch.randn(2, 1, 4000)
    seen = seen_in(net, *x.split(1), cap=2**22, most=300)
    assert sum(rows.numel() * 4 for rows in seen.values()) <= 2**22
    assert [len(rows) for rows in seen.values()] == [300, 300]
    seen = seen_in(net, *x.split(1), cap=2**20, most=300)
    assert [len(rows) for rows in seen.values()] == [300, (2**20 - 300 * 256) // (40 * 256)]
    wide = nn.Conv1d(512, 1, 64)  # all patches would take 512 · 64 · 1000 · 4 bytes: 131 MB
    with torch.profiler.profile(profile_memory=True) as profile:
        seen_in(wide, torch.randn(1, 512, 1063), cap=2**22)
    assert max(event.cpu_memory_usage for event in profile.events()) < 2**24


class _Sometimes(nn.Module):
    """Batch normalization, a layer that is never run, and an error on demand."""

    def __init__(self):
        super().__init__()
        self.one, self.norm, self.drop = nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout()
        self.two, self.never = nn.Linear(4, 2), nn.Linear(2, 2)

    def forward(self, x):
        self.modes = [part.training for part in self.modules()], torch.is_grad_enabled()
        out = self.two(self.drop(self.norm(self.one(x))))
        assert bool((x < 90).all()), "an error on demand"
        return out


def state_of(module):
    """All that a pass could change, and the training flags, and the hooks."""
    flags = [part.training for part in module.modules()]
    hooks = [len(part._forward_pre_hooks) + len(part._forward_hooks) for part in module.modules()]
    kinds = [type(part) for part in module.modules()]
    values = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    return (flags, hooks, kinds), values


def unchanged(module, before):
    now = state_of(module)
    same = all(torch.equal(now[1][name], before[1][name]) for name in before[1])
    return now[0] == before[0] and list(now[1]) == list(before[1]) and same


def test_the_module_is_as_before():
    """Batch statistics that move, flags that are lost, hooks that stay after an error."""
    own = _Sometimes()
    own.one.eval()
    whole, net = state_of(own), plain(own)
    before = state_of(net)
    seen = seen_in(net, torch.randn(5, 3))
    assert net.modes[0] == [False] * 6
    assert [name for name, _ in seen] == ["one.weight", "two.weight"]  # the others are not reached
    assert not any(rows.requires_grad for rows in seen.values())
    assert off(seen["two.weight", 0], net.norm(net.one(seen["one.weight", 0]))) < 1e-6
    assert unchanged(net, before)
    with pytest.raises(AssertionError, match="on demand"):
        seen_in(net, torch.full((2, 3), 99.0))
    assert unchanged(net, before)
    assert unchanged(own, whole)
    assert not hasattr(own, "modes")
    assert torch.is_grad_enabled()


class _Own(nn.Linear):
    """A layer that multiplies by something else."""

    def forward(self, x):
        return functional.linear(x, self.weight - self.weight.mean(1, keepdim=True))


class _Standard(nn.Conv2d):
    """A convolution that multiplies by something else."""

    def _conv_forward(self, x, weight, bias):
        return super()._conv_forward(x, weight / weight.std(), bias)


class _Odd(nn.Module):
    """A module of all kinds of entries."""

    def __init__(self):
        super().__init__()
        self.emb, self.up = nn.Embedding(5, 4), nn.ConvTranspose2d(2, 2, 3)
        self.att, self.own, self.std = nn.MultiheadAttention(4, 2), _Own(3, 3), _Standard(2, 2, 3)
        self.proj, self.cell = nn.LSTM(4, 4, proj_size=2), nn.GRUCell(3, 4)
        self.hurt, self.none, self.lazy = nn.Linear(3, 3), nn.Linear(0, 3), nn.LazyLinear(3)
        self.head, self.half = nn.Linear(4, 5, bias=False), nn.Linear(3, 3).bfloat16()
        self.meta, self.scale = nn.Linear(3, 3, device="meta"), nn.PReLU(3)
        self.head.weight = self.emb.weight
        self.hurt.weight.data[1, 1] = math.nan
        self.bits = nn.Linear(3, 3)
        self.bits.weight = nn.Parameter(torch.ones(3, 3, dtype=torch.int8), requires_grad=False)
        self.bits.register_buffer("sparse", torch.eye(3).to_sparse())
        self.free = nn.Parameter(torch.ones(3, 3))

    def get_extra_state(self):
        return {"version": 1}


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_each_entry_is_a_site_or_says_why_not():
    """A layer that is skipped without a word, or one taken for a matrix that it is not."""
    odd = _Odd()
    found, why = sites(odd)
    assert {s.name: s.note for s in found} == {
        "head.weight": "tied with emb.weight",
        "half.weight": "upcast from bfloat16",
    }
    entries = set(odd.state_dict())
    assert {s.name for s in found} | set(why) == entries
    assert {s.name for s in found} & set(why) == set()
    words = {
        "emb.weight": "the same tensor as head.weight",
        "up.weight": "transposed convolution",
        "att.in_proj_weight": "MultiheadAttention",
        "att.out_proj.weight": "MultiheadAttention",
        "own.weight": "_Own has a forward of its own",
        "std.weight": "_Standard has a _conv_forward of its own",
        "proj.weight_ih_l0": "proj_size",
        "proj.weight_hr_l0": "proj_size",
        "cell.weight_ih": "GRUCell is none of Linear, ",
        "hurt.weight": "nan or infinity",
        "none.weight": "empty",
        "lazy.weight": "no dense",
        "meta.weight": "no dense",
        "scale.weight": "one axis",
        "hurt.bias": "one axis",
        "bits.weight": "int8: no dense",
        "bits.sparse": "no dense",
        "free": "_Odd is none of",
        "_extra_state": "dict: no dense",
    }
    assert {name: word in why[name] for name, word in words.items()} == dict.fromkeys(words, True)
    assert "embedding" in sites(nn.Embedding(3, 2))[1]["weight"]


def test_sites_say_what_they_are():
    """A bias or a gate of another matrix; a bias that is not there."""
    net = nn.ModuleList([nn.GRU(3, 4, bias=False), nn.LSTM(3, 4), nn.Conv1d(4, 6, 2, groups=2)])
    found = sites(net)[0]
    assert [(s.name, s.rows, s.columns, s.biases) for s in found] == [
        ("0.weight_ih_l0", 12, 3, ()),
        ("0.weight_hh_l0", 12, 4, ()),
        ("1.weight_ih_l0", 16, 3, ("1.bias_ih_l0",)),
        ("1.weight_hh_l0", 16, 4, ("1.bias_hh_l0",)),
        ("2.weight", 3, 4, ("2.bias",)),
        ("2.weight", 3, 4, ("2.bias",)),
    ]
    assert found[0].gates == ("reset", "update", "new")
    assert found[3].gates == ("input", "forget", "cell", "output")
    assert sites(plain(nn.Linear(2, 2, bias=False)))[0][0].biases == ("bias",)


def test_half_precision_is_upcast():
    """Inputs in the precision of the module, whose moments would be rounded."""
    for dtype in (torch.bfloat16, torch.float16):
        net, x = (
            nn.Conv1d(2, 3, 3, padding=1, padding_mode="reflect").to(dtype),
            torch.randn(2, 2, 9).to(dtype),
        )
        (site,) = sites(net)[0]
        rows = seen_in(net, x)["weight", 0]
        assert (rows.dtype, site.weight().dtype) == (torch.float32, torch.float64)
        right = net(x).mT.flatten(0, 1).float() - net.bias.float()
        assert off(rows @ site.weight().float().mT, right) < 0.02


def pruned_net(kind):
    """A module whose weights are made of other tensors at each call."""
    torch.manual_seed(0)
    conv = nn.Conv1d(4, 6, 3, groups=2).double()
    if kind == "plain":
        return conv
    if kind == "weight_norm":
        return parametrizations.weight_norm(conv)
    if kind == "two":
        parametrizations.weight_norm(conv)
        return parametrizations.spectral_norm(conv)
    if kind == "old":
        return nn.utils.weight_norm(conv)
    if kind == "old spectral":
        return nn.utils.spectral_norm(conv)
    prune.l1_unstructured(conv, "weight", 0.5)
    return prune.random_unstructured(conv, "weight", 0.2)


KINDS = ["plain", "weight_norm", "two"]


@OLD
@pytest.mark.parametrize("kind", ["old", "old spectral", "pruned"])
def test_weights_that_old_hooks_make_say_so(kind):
    """A weight that a hook makes again at each call, taken for one that can be changed."""
    net = pruned_net(kind)
    found, why = sites(net)
    assert found == []
    assert set(why) == set(net.state_dict()) | {"weight"}
    assert "made by a hook at each call" in why["weight"]


@pytest.mark.parametrize("kind", KINDS)
def test_weights_that_are_made(kind):
    """The parts in place of their product, a product of old parts, a step of power iteration."""
    net, x = pruned_net(kind), normal(2, 4, 8)
    with torch.no_grad():  # as load_state_dict does, with no call after it
        for part in (*net.parameters(), *net.buffers()):
            part.mul_(1.5 if part.ndim > 1 else 1)
    net.train()
    before, copy = state_of(net), plain(net)
    assert unchanged(net, before)
    assert set(copy.state_dict()) == {"weight", "bias"}
    found, why = sites(copy)
    assert [s.name for s in found] == ["weight", "weight"]
    assert set(why) == {"bias"}
    seen = seen_in(copy, x)
    right = (net.eval()(x) - net.bias[:, None]).mT.flatten(0, 1)
    got = [seen["weight", s.group] @ s.weight().mT for s in found]
    assert off(torch.cat(got, 1), right) < 1e-12


@pytest.mark.parametrize("kind", KINDS)
def test_other_weights_are_put_in_and_taken_out(kind):
    """One group's change lost with the other's, a bias that stays, a weight that is made again."""
    net, x = plain(pruned_net(kind)), normal(2, 4, 8)
    still, before = net(x), state_of(net)
    a, b, shift = normal(3, 6, seed=1), normal(3, 6, seed=2), torch.tensor([1.0, 0.0, -2.0])
    one, two = sites(net)[0]
    with one.with_weight(a), two.with_weight(b, shift):
        both = torch.cat([a, b]).view(6, 2, 3)
        assert off(net(x), functional.conv1d(x, both, net.bias, groups=2)) < 1e-12
        assert torch.equal(net.bias[:3], before[1]["bias"][:3])
        assert off(net.bias[3:] - shift, before[1]["bias"][3:]) < 1e-12
        assert torch.equal(one.weight(), a)
        assert torch.equal(two.weight(), b)
    assert torch.equal(net(x), still)
    assert unchanged(net, before)
    with pytest.raises(ZeroDivisionError), two.with_weight(b):
        raise ZeroDivisionError
    assert torch.equal(net(x), still)
    assert unchanged(net, before)


def test_recurrent_weights_are_put_in():
    """A weight that the recurrent layer does not look at; a bias of the other matrix."""
    net, x = nn.GRU(3, 4, bidirectional=True).double(), normal(5, 2, 3)
    other, dense = nn.GRU(3, 4, bidirectional=True).double(), net(x)[0]
    with torch.no_grad():
        other.load_state_dict(net.state_dict())
        other.weight_hh_l0_reverse.mul_(2)
        other.bias_hh_l0_reverse.add_(0.5)
    site = sites(net)[0][3]
    with site.with_weight(2 * site.weight(), torch.full((12,), 0.5)):
        assert off(net(x)[0], other(x)[0]) < 1e-14
    assert torch.equal(net(x)[0], dense)
    bare = nn.utils.parametrizations.weight_norm(nn.LSTM(3, 4).double(), "weight_hh_l0")
    bare = plain(bare)
    site = sites(bare)[0][1]
    seen, twice = seen_in(bare, x)["weight_hh_l0", 0], nn.LSTM(3, 4).double()
    names = {"weight_hh_l0": site.weight()}
    twice.load_state_dict(
        {name: names.get(name, getattr(bare, name)) for name in twice.state_dict()}
    )
    assert off(seen[2:], twice(x)[0][:-1].flatten(0, 1)) < 1e-12
    with torch.no_grad():
        twice.weight_hh_l0.zero_()
    with site.with_weight(torch.zeros(16, 4)):
        assert off(bare(x)[0], twice(x)[0]) < 1e-14


def test_a_bias_where_there_is_none():
    """A shift that is forgotten, or a bias that stays; a layer that is stored channels last."""
    own = nn.Conv2d(2, 3, 2, bias=False).double().to(memory_format=torch.channels_last)
    net = plain(own)
    x, (site,) = normal(1, 2, 4, 4), sites(net)[0]
    before, shift = state_of(net), torch.tensor([1.0, 2.0, 3.0])
    matrix = site.weight() * (torch.arange(8) % 2)
    with site.with_weight(matrix, shift):
        right = functional.conv2d(x, matrix.view(3, 2, 2, 2), shift.double())
        assert off(net(x), right) < 1e-14
    assert unchanged(net, before)
    assert own.bias is None
    assert not bool(net.bias.any())
    matrix.zero_()
    assert bool(site.weight().any())  # a copy


def test_tied_weights():
    """Inputs of the first use alone, a bias shifted twice, a use that keeps the dense weight."""
    net = nn.Sequential(nn.Linear(3, 3).double(), nn.Tanh(), nn.Linear(3, 3).double())
    net[2].weight, x = net[0].weight, normal(6, 3)
    (site,) = sites(net)[0]
    assert (site.name, site.note) == ("0.weight", "tied with 2.weight")
    rows = seen_in(net, x)["0.weight", 0]
    assert torch.equal(rows, torch.cat([x, net[:2](x).detach()]))
    matrix, shift = torch.eye(3).double(), torch.ones(3).double()
    with site.with_weight(matrix, shift):
        right = (x + net[0].bias).tanh() + net[2].bias
        assert off(net(x), right) < 1e-14
        assert not torch.equal(net[0].bias, net[2].bias)
    net[2].bias, old = net[0].bias, net[0].bias.detach().clone()
    with site.with_weight(matrix, shift):
        assert torch.equal(net[0].bias, old + 1)
    assert torch.equal(net[0].bias, old)
    memory = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    memory[1].weight = nn.Parameter(memory[0].weight.data)  # two parameters, one memory
    assert [s.note for s in sites(memory)[0]] == ["tied with 1.weight"]


def site_of(module):
    return sites(module)[0][0]


def put(module, *what):
    with site_of(module).with_weight(*what):
        pass


def asked(module, x, **more):
    return capture(module, [x], sites(module)[0], generator=dice("x"), **more)


LAYER, X = nn.Linear(3, 2), torch.ones(4, 3)
test_refusals = refuses(
    (lambda: put(LAYER, torch.ones(3, 2)), r"need \(2, 3\) for weight, got \(3, 2\)"),
    (lambda: put(nn.GRU(3, 2, bias=False), torch.ones(6, 3), torch.ones(6)), "biases in the layer"),
    (lambda: asked(LAYER, X, cap=11), "one row of weight, 12 bytes, got 11"),
    (lambda: asked(LAYER, X, most=0), "a whole most"),
    (lambda: asked(LAYER, X * math.inf), "finite inputs of weight"),
)


REAL = {
    real.CREPE: (lambda: real.Crepe(*real.TINY), (4, 1024), 7),
    real.ONET: (real.Onet, (4, 3, 48, 48), 8),
    real.VOICE: (real.Voice, (4, 60, 40), 7),
}


@pytest.mark.parametrize("path", REAL)
def test_published_networks(path):
    """A real layer whose outputs are not those of its inputs and its matrix."""
    package, _, inside = path.partition("/")
    if (spec := find_spec(package)) is None:
        pytest.skip(f"{package} is not installed")
    make, shape, count = REAL[path]
    file = Path(spec.submodule_search_locations[0]) / inside
    state = torch.load(file, weights_only=True, map_location="cpu")
    net = make().eval()
    net.load_state_dict(state.get("model_state", state), strict=make is not real.Voice)
    found = sites(net)[0]
    outputs = {}

    def keep(module, _, output):
        outputs[module] = output

    for site in found:
        site.uses[0][0].register_forward_hook(keep)
    x = torch.randn(*shape, generator=dice("published"))
    seen = capture(net, x.split(2), found, generator=dice("rows"), most=10**6)
    assert len(seen) == len(found) == count
    net.eval()(x)
    for site, (rows, _) in seen.items():
        owner, _ = site.uses[0]
        if not isinstance(owner, nn.LSTM):
            got = rows.double() @ site.weight().mT + owner.bias.double()
            right = outputs[owner].movedim(1, -1).flatten(0, -2).double()
            assert off(got, right) < 1e-5
    if make is real.Voice:
        last = seen[next(s for s in found if s.name == "lstm.weight_hh_l2")].rows.view(
            2, 60, 2, 256
        )
        right = outputs[net.lstm][0].unflatten(0, (2, 2)).transpose(1, 2)
        assert off(last[:, 1:], right[:, :-1]) < 1e-5
