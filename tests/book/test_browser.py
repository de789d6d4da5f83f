"""The rendered pages in a real browser, at desk and phone width, light and dark."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, sync_playwright

from studies.build.project import Project
from tests.book.conftest import ROOT

pytestmark = pytest.mark.browser
PAGES, CHAPTERS = Project(ROOT).toc_pages(), Project(ROOT).chapter_names()
# What axe-core finds on one viewport or colour scheme and not on the other; the rest is found once.
VIEW = ["color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size"]
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, or a skip where there is none and none is required."""
    program = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if program is None:
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail("REQUIRE_BROWSER=1, but there is no chromium on the path")
        pytest.skip("no chromium on the path")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(checkout: Path) -> Iterator[str]:
    """The address of the rendered book, served from here."""
    handler = functools.partial(_Quiet, directory=str(checkout / "_build" / "html"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_page(browser: Browser, site: str, name: str, width: int, scheme: str) -> None:
    """Catches console errors, outside requests, raw or broken TeX, pages wider than the screen.

    And what axe-core finds: contrast, names, roles, regions.
    """
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page, problems = context.new_page(), list[str]()
    page.on("request", lambda r: r.url.startswith((site, "data:")) or problems.append(r.url))
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "response", lambda r: problems.append(f"{r.status} {r.url}") if r.status >= 400 else None
    )
    page.goto(f"{site}/book/{name}.html", wait_until="networkidle")
    page.evaluate("() => window.MathJax?.startup?.promise")
    assert problems == []
    assert page.locator("mjx-merror").count() == 0
    formulas = page.locator(".math").count()
    assert page.locator("mjx-container").count() >= formulas
    assert formulas > 50 or name not in CHAPTERS
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # Opened boxes fade in; in the middle of that their contrast is nobody's fault.
    page.add_style_tag(content="* { animation: none !important; transition: none !important }")
    page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    options: dict[str, object] = {"resultTypes": ["violations"]}  # the rest takes half of the time
    if scheme == "dark":
        options["runOnly"] = {"type": "rule", "values": VIEW}
    found = Axe().run(page, options=options).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert serious == [], [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in serious]
    context.close()
