"""Named dice: the same wherever they are thrown, and no two alike."""

import itertools

import numpy as np
import pytest
import torch

from compressibility.dice import dice, uniforms


def test_a_name_is_one_stream_for_ever():
    """Catches a seed that depends on the process, the platform or what was drawn before."""
    before = torch.get_rng_state()
    assert dice("ladder", 100, 0).initial_seed() == 12288132657447464090
    assert torch.equal(torch.rand(5, generator=dice("a")), torch.rand(5, generator=dice("a")))
    assert torch.equal(torch.get_rng_state(), before)


def test_names_do_not_collide():
    """Catches parts that are joined: 12 and 3 against 1 and 23, a number against its text."""
    names = [("a", 12, 3), ("a", 1, 23), ("a", 123), ("a", "12", 3), ("a12", 3), ("a,", 12, 3)]
    names += [tuple(name) for name in itertools.product("ab", range(20))]
    first = {tuple(uniforms((2,), dice(*name)).tolist()) for name in names}
    assert len(first) == len(names)


def test_a_word_in_the_environment_gives_other_dice(monkeypatch):
    """Catches a repetition of the book with the dice of the book, or one that meets other names."""
    names = [("ladder", 100, 0), ("a",), ("a", "a")]
    first = [dice(*name).initial_seed() for name in names]
    for word in ("100", "a"):
        monkeypatch.setenv("COMPRESSIBILITY_DICE", word)
        first += [dice(*name).initial_seed() for name in names]
        assert dice("a").initial_seed() == first[-2]  # and the same each time
    assert len(set(first)) == 9
    monkeypatch.setenv("COMPRESSIBILITY_DICE", "")
    assert dice("a").initial_seed() == first[1]


def test_uniforms_are_float64_in_the_unit_interval():
    """Catches single precision, another order of the stream, or numbers outside [0, 1)."""
    drawn = uniforms((40, 50), dice("uniforms"))
    assert drawn.dtype == torch.float64
    assert 0 <= drawn.min() < 0.01 < 0.99 < drawn.max() < 1
    assert torch.equal(drawn[:1], uniforms(torch.Size([1, 50]), dice("uniforms")))
    assert abs(drawn.mean().item() - 0.5) < 5 / np.sqrt(12 * 2000)


@pytest.mark.parametrize("name", [(), (1.5,), (True,), ("a", None), (np.float64(1),)])
def test_other_names_are_refused(name):
    """Catches a name that another machine may write otherwise."""
    with pytest.raises(ValueError, match="need a name"):
        dice(*name)
