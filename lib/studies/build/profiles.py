"""Profiles: named sets of parameter overrides per chapter, in ``book/profiles.yml``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from studies.build.parameters import effective
from studies.build.project import Chapter, Project
from studies.errors import ParameterError, StudiesError, one_line

DEFAULT = "book"
# profile → chapter → parameter → value; an empty entry overrides nothing.
_Profiles = TypeAdapter(dict[str, dict[str, dict[str, Any] | None] | None])


def load_profile(project: Project, name: str) -> dict[str, dict[str, Any]]:
    """Return the overrides of profile ``name`` by chapter.

    Raises
    ------
    StudiesError
        If there is no such profile, or it names a chapter that does not exist.
    """
    profiles = _profiles(project)
    if name not in profiles:
        raise StudiesError(f"no profile {name}; the profiles are: {', '.join(profiles)}")
    overrides = {chapter: values or {} for chapter, values in (profiles[name] or {}).items()}
    unknown = sorted(set(overrides) - set(project.chapter_names()))
    if unknown:
        raise StudiesError(f"book/profiles.yml: profile {name} names no chapter {unknown[0]}")
    return overrides


def profile_names(project: Project) -> list[str]:
    """All profiles, in the file's order."""
    return list(_profiles(project))


def _profiles(project: Project) -> dict[str, dict[str, dict[str, Any] | None] | None]:
    path = project.book / "profiles.yml"
    try:
        return _Profiles.validate_python(yaml.safe_load(path.read_text(encoding="utf8")) or {})
    except OSError as error:
        raise StudiesError(f"book/profiles.yml cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise StudiesError(f"book/profiles.yml is no YAML: {one_line(error)}") from None
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise StudiesError(
            f"book/profiles.yml, {place}: need profile: {{chapter: {{parameter: value}}}}"
        ) from None


def chapter_values(
    chapter: Chapter, profile: str, overrides: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The values that ``chapter`` runs with in a profile, checked."""
    try:
        return effective(chapter.parameters, [overrides.get(chapter.name, {})])
    except ParameterError as error:
        raise ParameterError(
            f"book/profiles.yml, profile {profile}, chapter {chapter.name}: {error}"
        ) from None
