"""Tests of profiles."""

from __future__ import annotations

import pytest

from studies.build.profiles import chapter_values, load_profile, load_profiles
from studies.build.project import Project
from studies.errors import StudiesError


def test_profiles_override_defaults(bare: Project) -> None:
    """Overrides of another chapter or profile; an empty entry taken for an error."""
    assert list(load_profiles(bare)) == ["smoke", "book", "paper"]
    assert load_profile(bare, "book") == {}
    paper = load_profile(bare, "paper")
    assert paper == {"part/alpha": {"draws": 8}, "part/beta": {}}
    alpha, beta = bare.chapters()
    expected = {"p": 0.3, "draws": 8, "seeds": [0, 1, 2]}
    assert chapter_values(alpha, "paper", paper) == expected
    assert chapter_values(beta, "paper", paper) == {"share": 0.5}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("smoke:\n", "no profile book; the profiles are: smoke"),
        ("", "no profile book; the profiles are: "),
        ("book: {part/gamma: {p: 1}}", "book/profiles.yml: profile book names no chapter part/gam"),
        ("book: [part/alpha]", "book/profiles.yml, book: need profile: {chapter: {parameter"),
        ("book: {part/alpha: 3}", "book/profiles.yml, book.part/alpha: need profile: "),
        ("[book]", "book/profiles.yml, : need profile: "),
        ("book: {", "book/profiles.yml is no YAML: while parsing"),
    ],
)
def test_bad_profiles(bare: Project, text: str, said: str) -> None:
    """A traceback for a typo, or an override that no chapter ever gets."""
    (bare.book / "profiles.yml").write_text(text)
    with pytest.raises(StudiesError) as caught:
        load_profile(bare, "book")
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_no_profiles_at_all(bare: Project) -> None:
    """A traceback where the file is missing."""
    (bare.book / "profiles.yml").unlink()
    with pytest.raises(StudiesError, match=r"profiles\.yml cannot be read: No such file"):
        load_profile(bare, "book")
