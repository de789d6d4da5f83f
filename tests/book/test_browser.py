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
from playwright.sync_api import Browser, Page, sync_playwright

from studies.project import Project
from tests.book.conftest import ROOT

pytestmark = pytest.mark.browser
PAGES = Project(ROOT).toc_pages()
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


@pytest.fixture(params=[(1280, "light"), (390, "dark")], ids=["desk-light", "phone-dark"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A fresh window."""
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_page_is_clean(page: Page, site: str, name: str) -> None:
    """Catches console errors, requests to other hosts, TeX errors, pages wider than the screen."""
    outside: list[str] = []
    complaints: list[str] = []
    page.on(
        "request", lambda r: None if r.url.startswith((site, "data:")) else outside.append(r.url)
    )
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "response", lambda r: complaints.append(f"{r.status} {r.url}") if r.status >= 400 else None
    )
    page.goto(f"{site}/book/{name}.html", wait_until="networkidle")
    page.evaluate("() => window.MathJax?.startup?.promise")
    assert outside == []
    assert complaints == []
    assert page.locator("mjx-merror").count() == 0
    width = page.viewport_size["width"] if page.viewport_size else 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_formulas_are_typeset(page: Page, site: str) -> None:
    """Catches a MathJax that was not staged: raw TeX would stand on the page."""
    page.goto(f"{site}/book/wide-networks/greedy-compression.html", wait_until="networkidle")
    page.evaluate("() => MathJax.startup.promise")
    assert page.locator("mjx-container").count() > 50


@pytest.mark.parametrize("name", PAGES)
def test_accessibility(page: Page, site: str, name: str) -> None:
    """Catches what axe-core finds: contrast, names, roles, regions."""
    page.goto(f"{site}/book/{name}.html", wait_until="networkidle")
    page.evaluate("() => window.MathJax?.startup?.promise")
    # Opened boxes fade in; in the middle of that their contrast is nobody's fault.
    page.add_style_tag(content="* { animation: none !important; transition: none !important }")
    page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    found = Axe().run(page).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert serious == [], [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in serious]
