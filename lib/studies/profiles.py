"""Profiles: named sets of parameter overrides per chapter, in ``book/profiles.yml``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from studies.errors import ParameterError, StudiesError
from studies.parameters import effective
from studies.project import Chapter, Project

DEFAULT = "book"


def load_profile(project: Project, name: str) -> dict[str, dict[str, Any]]:
    """Return the overrides of profile ``name`` by chapter.

    Raises
    ------
    StudiesError
        If there is no such profile, or it names a chapter that does not exist.
    """
    path = project.book / "profiles.yml"
    profiles = yaml.safe_load(path.read_text(encoding="utf8")) or {}
    if name not in profiles:
        raise StudiesError(f"no profile {name}; the profiles are: {', '.join(profiles)}")
    overrides: dict[str, dict[str, Any]] = profiles[name] or {}
    unknown = sorted(set(overrides) - set(project.chapter_names()))
    if unknown:
        raise StudiesError(f"book/profiles.yml: profile {name} names no chapter {unknown[0]}")
    return overrides


def chapter_values(
    chapter: Chapter, profile: str, overrides: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The values that ``chapter`` runs with in a profile, checked."""
    try:
        return effective(chapter.parameters, [overrides.get(chapter.name) or {}])
    except ParameterError as error:
        raise ParameterError(
            f"book/profiles.yml, profile {profile}, chapter {chapter.name}: {error}"
        ) from None
