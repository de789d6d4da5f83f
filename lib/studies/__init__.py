"""The book's machinery; what chapters use of it is imported here."""

from studies.claims import Claim, claim
from studies.publishing import publish
from studies.regions import above, at_least, at_most, below, between, exactly
from studies.results import Kept, kept, record

__all__ = [
    "Claim",
    "Kept",
    "above",
    "at_least",
    "at_most",
    "below",
    "between",
    "claim",
    "exactly",
    "kept",
    "publish",
    "record",
]
