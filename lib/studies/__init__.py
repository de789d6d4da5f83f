"""The book's machinery; what chapters use of it is imported here."""

from studies.claims import Claim, claim
from studies.publishing import publish
from studies.regions import above, at_least, at_most, below, between, exactly

__all__ = [
    "Claim",
    "above",
    "at_least",
    "at_most",
    "below",
    "between",
    "claim",
    "exactly",
    "publish",
]
