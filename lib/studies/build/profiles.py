"""Profiles: named sets of parameter overrides per chapter, in ``book/profiles.yml``."""

from __future__ import annotations

from typing import Annotated, Any

import yaml
from pydantic import BeforeValidator, TypeAdapter, ValidationError

from studies.build.parameters import effective
from studies.build.project import Chapter, Project
from studies.errors import ParameterError, StudiesError, one_line

DEFAULT = "book"
_EMPTY = BeforeValidator(lambda entry: {} if entry is None else entry)  # it overrides nothing
Overrides = dict[str, Annotated[dict[str, Any], _EMPTY]]  # chapter → parameter → value
_Profiles = TypeAdapter(Annotated[dict[str, Annotated[Overrides, _EMPTY]], _EMPTY])


def load_profile(project: Project, name: str) -> Overrides:
    """Return the overrides of a profile; a StudiesError if it is unknown, or a chapter in it."""
    profiles = load_profiles(project)
    if name not in profiles:
        raise StudiesError(f"no profile {name}; the profiles are: {', '.join(profiles)}")
    overrides = profiles[name]
    if unknown := sorted(set(overrides) - set(project.chapter_names())):
        raise StudiesError(f"book/profiles.yml: profile {name} names no chapter {unknown[0]}")
    return overrides


def load_profiles(project: Project) -> dict[str, Overrides]:
    """The overrides of all profiles, in the file's order."""
    path = project.book / "profiles.yml"
    try:
        return _Profiles.validate_python(yaml.safe_load(path.read_text(encoding="utf8")))
    except OSError as error:
        raise StudiesError(f"book/profiles.yml cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise StudiesError(f"book/profiles.yml is no YAML: {one_line(error)}") from None
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise StudiesError(
            f"book/profiles.yml, {place}: need profile: {{chapter: {{parameter: value}}}}"
        ) from None


def chapter_values(chapter: Chapter, profile: str, overrides: Overrides) -> dict[str, Any]:
    """The values that ``chapter`` runs with in a profile, checked."""
    try:
        return effective(chapter.parameters, [overrides.get(chapter.name, {})])
    except ParameterError as error:
        raise ParameterError(
            f"book/profiles.yml, profile {profile}, chapter {chapter.name}: {error}"
        ) from None
