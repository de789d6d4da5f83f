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
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from studies.build.project import Project
from tests.book.conftest import ROOT

pytestmark = pytest.mark.browser
PAGES, CHAPTERS = Project(ROOT).toc_pages(), Project(ROOT).chapter_names()
DESK, PHONE = (ViewportSize(width=width, height=900) for width in (1280, 390))
# Keeps, of the elements that are alike, their places and insides included, the first two: of the
# fourteen thousand of a page, each with its colours, axe-core would look at thirteen in vain.
THIN = """() => {
  const times = new Map(), numbers = new Map(), kinds = new Map();
  const number = (text) => numbers.get(text) ?? numbers.set(text, numbers.size + 1).size;
  const own = (e) => [e.tagName, ...[...e.attributes].map((a) =>
    ["class", "style", "role"].includes(a.name) ? `${a.name}=${a.value}` : a.name),
    [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim())].join(" ");
  const inside = (e) => kinds.get(e) ?? kinds.set(e, number(
    own(e) + (e.matches("mjx-container") ? "" : `(${[...e.children].map(inside)})`))).get(e);
  const thin = (e, above) => {
    const like = `${above}/${inside(e)}`, seen = times.get(like) ?? 0;
    times.set(like, seen + 1);
    if (seen >= 2 && !e.matches("dd, dt")) return e.remove();
    [...e.children].forEach((child) => thin(child, number(`${above}/${own(e)}`)));
  };
  [...document.body.children].forEach((e) => thin(e, ""));
}"""
# What scrolls, and keys do not reach: axe-core's rule `scrollable-region-focusable`, its 13 pixels
# too, which takes a second where it looks at every element in its own way.
UNREACHED = """() => [...document.querySelectorAll("body *")].filter((e) => {
  const keys = ":is(a[href], button, input, select, summary, textarea, [tabindex='0'])" +
    ":not([disabled], [type=hidden], [tabindex='-1'])";
  const style = () => getComputedStyle(e);
  const scrolls = e.scrollWidth > e.clientWidth + 13 && /auto|scroll/.test(style().overflowX)
    || e.scrollHeight > e.clientHeight + 13 && /auto|scroll/.test(style().overflowY);
  return scrolls && style().visibility === "visible" && !e.matches(keys) &&
    ![...e.querySelectorAll(keys)].some((inside) => inside.checkVisibility());
}).map((e) => e.outerHTML.slice(0, 200))"""
BOX = '<div style="overflow: auto; width: 9px; white-space: nowrap">a box that scrolls</div>'
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


def serious(page: Page, **options: object) -> list[tuple[str, list[str]]]:
    """What axe-core finds that keeps readers out: contrast, names, roles, keys."""
    options["resultTypes"] = ["violations"]  # the rest takes half of the time
    found = Axe().run(page, options=options).response["violations"]
    found = [v for v in found if v["impact"] in ("serious", "critical")]
    return [(v["id"], [node["html"] for node in v["nodes"]][:3]) for v in found]


@pytest.mark.parametrize("name", PAGES)
def test_page(browser: Browser, site: str, name: str) -> None:
    """Catches console errors, outside requests, raw or broken TeX, pages wider than the screen.

    And what axe-core finds on a dark phone and on a bright desk.
    """
    context = browser.new_context(viewport=PHONE, color_scheme="dark")
    page, problems = context.new_page(), list[str]()
    page.on("request", lambda r: r.url.startswith((site, "data:")) or problems.append(r.url))
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "response", lambda r: problems.append(f"{r.status} {r.url}") if r.status >= 400 else None
    )
    page.goto(f"{site}/book/{name}.html", wait_until="networkidle")
    page.evaluate("() => window.MathJax?.startup?.promise")
    assert page.locator("mjx-merror").count() == 0
    # The tab key stops at a formula only where it scrolls.
    stops = "all => all.filter((e) => e.scrollWidth <= e.clientWidth && !e.matches('.wide')).length"
    assert page.locator("mjx-container[tabindex]").evaluate_all(stops) == 0
    formulas = page.locator(".math").count()
    assert page.locator("mjx-container").count() >= formulas
    assert formulas > 50 or name not in CHAPTERS
    # Opened boxes fade in; in the middle of that their contrast is nobody's fault.
    page.add_style_tag(content="* { animation: none !important; transition: none !important }")
    page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    assert page.evaluate(UNREACHED) == []
    page.evaluate(f"() => document.querySelector('main').insertAdjacentHTML('beforeend', `{BOX}`)")
    assert page.evaluate(UNREACHED) == [BOX]
    page.evaluate("document.querySelector('main').lastElementChild.remove()")
    for viewport, scheme in (PHONE, "dark"), (DESK, "light"):
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(f"document.documentElement.dataset.theme === '{scheme}'")
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    assert problems == []
    page.evaluate(THIN)
    assert serious(page) == []
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    assert serious(page, runOnly=["color-contrast", "link-in-text-block", "target-size"]) == []
    context.close()


def test_on_paper(browser: Browser, site: str) -> None:
    """Catches a dark sheet, a folded proof, a button that nobody can press, a line cut off."""
    context = browser.new_context(viewport={"width": 720, "height": 900}, color_scheme="dark")
    page = context.new_page()
    page.goto(f"{site}/book/wide-networks/pruning.html", wait_until="networkidle")
    page.evaluate("() => window.MathJax?.startup?.promise")
    folded = page.locator(".bd-article details.sd-dropdown:not([open])")
    assert folded.count() > 3
    before = page.evaluate("document.documentElement.dataset.theme")
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    assert folded.count() == 0
    for hidden in (".toggle-button", "details.hide > summary", ".headerlink", ".copybtn"):
        shown = page.locator(f".bd-article {hidden}").evaluate_all(
            "all => all.filter((e) => e.getClientRects().length).length"
        )
        assert shown == 0, hidden
    wide = page.locator(".bd-article :is(pre, div.math)").evaluate_all(
        "all => all.filter((e) => e.scrollWidth > 700).map((e) => e.textContent)"
    )
    assert wide == []
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == before
    assert folded.count() > 3
    context.close()


def test_the_ledger_filters_without_a_server(browser: Browser, checkout: Path) -> None:
    """Catches a filter that needs a server, hides nothing, or leaves empty headings."""
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.goto((checkout / "_build" / "html" / "book" / "ledger.html").as_uri())
    said = page.locator(".ledger-filter output")
    total = page.locator("tr[data-verdict]").count()
    assert said.inner_text() == f"{total} of {total} claims"
    undecided = page.locator("tr[data-verdict=undecided]").count()
    for word in ("holds", "fails"):
        page.get_by_label(word, exact=True).uncheck()
    assert said.inner_text() == f"{undecided} of {total} claims"
    assert page.locator("tr[data-verdict]:visible").count() == undecided
    for box in page.locator(".ledger-claims:visible").all():
        assert box.locator("tr[data-verdict]:visible").count() > 0
    page.close()


def test_on_the_map_a_statement_shows_its_lines(browser: Browser, site: str) -> None:
    """Catches nodes that the keyboard does not reach; a drawing where a phone has no room."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{site}/book/theorems.html")
    node = page.locator("svg.map a[data-label=prop-gcd]").first
    node.focus()
    lines = page.locator("svg.map path.map-on")
    touching = "path[data-from=prop-gcd], path[data-to=prop-gcd]"
    assert lines.count() == node.locator("xpath=..").locator(touching).count()
    assert lines.count() > 3
    page.set_viewport_size({"width": 390, "height": 900})
    assert page.locator(".map-figure:visible").count() == 0
    assert page.locator("#map-prop-gcd").is_visible()
    page.close()


@pytest.mark.parametrize("name", ["four-papers", "four-papers-tall"])
def test_the_drawing_fits_with_any_font(browser: Browser, name: str) -> None:
    """Catches letters beyond their box where the first choice of fonts is not installed."""
    page = browser.new_page()
    drawn = (ROOT / "book" / "_static" / f"{name}.svg").read_text(encoding="utf8")
    for font in ("DejaVu Sans", "DejaVu Serif", "DejaVu Sans Mono", "sans-serif"):
        page.set_content(drawn + f"<style>text {{ font-family: '{font}' !important }}</style>")
        outside = page.evaluate(
            """() => [...document.querySelectorAll("svg > :is(g, .together)")].flatMap((group) => {
              const box = (group.querySelector("rect") ?? group).getBoundingClientRect();
              const texts = group.matches("rect")
                ? document.querySelectorAll("svg > rect.together ~ text")
                : group.querySelectorAll(":scope > text");
              return [...texts].filter((text) => {
                const own = text.getBoundingClientRect();
                return own.left < box.left + 4 || own.right > box.right - 4;
              }).map((text) => text.textContent);
            })"""
        )
        assert outside == [], font
    page.close()
