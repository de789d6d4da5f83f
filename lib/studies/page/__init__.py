"""What the code of a page imports: claims, regions, published numbers, kept results, types."""

from studies.page.claims import claim, claims
from studies.page.numbers import publish
from studies.page.regions import above, at_least, at_most, below, between, exactly
from studies.page.results import keep, kept
from studies.page.types import need

__all__ = [
    "above",
    "at_least",
    "at_most",
    "below",
    "between",
    "claim",
    "claims",
    "exactly",
    "keep",
    "kept",
    "need",
    "publish",
]
