"""What arguments must be, and the one exact count."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compressibility.checks import count, decimal, finite, floats, need, not_negative, whole
from tests.compressibility.helpers import refuses

KINDS = [float, str, np.float16, np.float32, np.float64, np.longdouble]


@pytest.mark.parametrize("width", KINDS)
def test_shares_count_as_they_print(width):
    """Catches a product in floats (113 of 0.57 * 200), and shares read through float64."""
    read = Decimal if width is str else width
    for hundredths in range(101):
        share = read(f"{hundredths / 100:.2f}")
        assert [count(share, total) for total in (100, 200, 700)] == [
            hundredths * total // 100 for total in (100, 200, 700)
        ]


@settings(deadline=None, max_examples=50)
@given(share=st.fractions(0, 1), total=st.integers(1, 10**9))
def test_fractions_are_exact(share, total):
    """Catches a Fraction that goes through a float: by the definition of the floor."""
    got = count(share, total)
    assert got <= share * total < got + 1
    assert count(np.int64(share == 1), np.int64(total)) == (share == 1) * total


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1e-7, Fraction(1, 10**7)),
        (np.float32(1e-7), Fraction(1, 10**7)),
        (1 / 3, Fraction(3333333333333333, 10**16)),
        (np.int8(-3), Fraction(-3)),
        (Fraction(2, 7), Fraction(2, 7)),
    ],
)
def test_decimals(value, expected):
    """Catches exponents that are not read, and numbers rounded to fewer digits than they print."""
    assert decimal(value) == expected


test_bad_arguments_are_named = refuses(
    (lambda: need(False, "a sail", 3), "^need a sail, got 3$"),
    (lambda: finite(x=torch.ones(1), y=torch.tensor([math.nan])), "need finite y, got nan"),
    (lambda: finite(x=torch.tensor([-math.inf])), "need finite x"),
    (lambda: floats(w=torch.ones(1).half()), "need w of dtype float32 or float64"),
    (lambda: floats(w=torch.tensor([math.inf])), "need finite w"),
    (lambda: not_negative(a=0.0, b=-1.0), "need 0 <= b < inf, got -1.0"),
    (lambda: not_negative(a=math.nan), "need 0 <= a < inf, got nan"),
    (lambda: not_negative(a=math.inf), "need 0 <= a < inf, got inf"),
    (lambda: whole(n=3, m=0), "need a whole m >= 1, got 0"),
    (lambda: whole(n=2.0), r"need a whole n >= 1, got 2\.0"),
    (lambda: whole(n=True), "need a whole n >= 1, got True"),
    (lambda: whole(n=torch.tensor(2)), "need a whole n >= 1"),
    (lambda: count(True, 3), "need a number .*, got bool"),
    (lambda: count(np.True_, 3), "need a number .*, got bool"),
    (lambda: count("0.5", 3), "need a number .*, got str"),
    (lambda: count(torch.tensor(0.5), 3), "need a number .*, got Tensor"),
    (lambda: count(np.array(0.5), 3), "need a number .*, got ndarray"),
    (lambda: count(math.nan, 3), "need a finite number, got nan"),
    (lambda: count(Decimal("inf"), 3), "need a finite number"),
    (lambda: count(1.0000001, 3), "need 0 <= share <= 1, got 1.0000001"),
    (lambda: count(-0.1, 3), "need 0 <= share <= 1"),
    (lambda: count(0.5, 0), "need a whole total >= 1, got 0"),
    (lambda: count(0.5, 10.0), "need a whole total >= 1"),
)


def test_good_arguments_pass():
    """Catches a limit that is shut out."""
    need(True, "nothing", 0)
    whole(n=1, m=np.int32(7))
    not_negative(a=0, b=1e308)
    floats(w=torch.ones(1), v=torch.ones(1).double())
    assert (count(0, 5), count(1, 5), count(0.0, 5), count(1.0, 5)) == (0, 5, 0, 5)
