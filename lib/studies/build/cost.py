"""What a reader's numbers may cost: hours are refused before they are lost to a slip of the hand.

The estimate is simple. How long a chapter takes at its profile's values is known: from its last
run, or from its kept run at the papers' scale, else it is a minute, which few chapters of the book
exceed. Each count that is larger than there multiplies it by its growth, as a loop over it would; a
smaller one divides nothing, as only the chapter knows which of them matter. More than a night is
refused, unless the reader insists (``--force``). The values of a profile are never refused.

Memory is not estimated, which would take the chapter's own algorithm: it is limited, see
`studies.build.surroundings.limit_memory`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.build.paper import PROFILE, read_paper
from studies.build.parameters import Parameters
from studies.build.project import Chapter, Project
from studies.build.runs import executed_path, read_run
from studies.errors import ParameterError, short

NIGHT = 12 * 3600.0  # seconds
MINUTE = 60.0
_UNITS = {"years": 365.25 * 86400, "days": 86400.0, "hours": 3600.0}


def check_time(
    project: Project, chapter: Chapter, profile: str, base: Mapping[str, Any], values: Any
) -> None:
    """Refuse values that would take more than a night, by their growth over the profile's."""
    growth = {name: _growth(chapter.parameters, name, base, values) for name in values}
    grown = {name: factor for name, factor in growth.items() if factor > 1}
    seconds = known_seconds(project, chapter.name, profile)
    for factor in grown.values():
        seconds *= factor
    if seconds <= NIGHT or not grown:
        return
    what = ", ".join(f"{name} = {short(values[name])} (× {grown[name]:.3g})" for name in grown)
    unit = next((unit for unit, long in _UNITS.items() if seconds >= 2 * long), "hours")
    raise ParameterError(
        f"{what} {'is' if len(grown) == 1 else 'are'} refused: by its growth the run would take "
        f"about {seconds / _UNITS[unit]:,.3g} {unit}, and one of more than "
        f"{NIGHT / 3600:.0f} hours needs --force"
    )


def known_seconds(project: Project, chapter: str, profile: str) -> float:
    """How long a chapter takes in a profile, as far as that is known here."""
    if run := read_run(executed_path(project, profile, chapter)):
        return float(run.note["seconds"])
    kept = read_paper(project.book, chapter) if profile == PROFILE else None
    return float(kept.result["seconds"]) if kept else MINUTE


def _growth(
    parameters: Parameters, name: str, base: Mapping[str, Any], values: Mapping[str, Any]
) -> float:
    seeds = parameters[name].type_name == "Seeds"
    return max(1.0, _size(values[name], seeds) / _size(base[name], seeds))


def _size(value: Any, seeds: bool) -> float:
    """A count, the sum of a list of counts, the length of another list; 1 of all else."""
    if isinstance(value, list):
        counts = not seeds and all(isinstance(part, int) for part in value)
        return max(1, sum(value) if counts else len(value))
    return max(1, value) if isinstance(value, int) else 1
