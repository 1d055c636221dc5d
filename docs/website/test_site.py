"""The built site: every page can be reached, no link leads nowhere, no other server is asked."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

from anylane import Server, ServerConfig
from anylane.testing import TestClient
from docs.website.build import app_of
from docs.website.pages import DOCS, OUTSIDE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request

AXE = Axe()
LOOKED_AT = (
    "index.html",
    "tutorial.html",
    "from-other-frameworks.html",
    "parts/cors.html",
    "configuration.html",
    "states.html",
    "api/anylane.html",
    "api/anylane.Context.html",
    "api/anylane.middleware.CORS.html",
    "source/docs/examples/web.py.html",
)


@dataclass
class Read(HTMLParser):
    """What a page has: its links, those in its sidebar, its anchors, and what it loads."""

    text: str
    links: list[str] = field(default_factory=list)
    sidebar: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    loaded: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element names."""
        given = {name: value or "" for name, value in attrs}
        self.anchors.add(given.get("id", ""))
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
            if "reference internal" in given.get("class", "") and not self._in_article():
                self.sidebar.append(given["href"])
        if tag == "link" and given.get("rel") not in ("next", "prev", "canonical"):
            self.loaded.append(given.get("href", ""))
        self.loaded += [
            given[name] for name in ("src", "srcset", "data", "action") if name in given
        ]

    def _in_article(self) -> bool:
        line, _ = self.getpos()
        return line > self._article_from

    @property
    def _article_from(self) -> int:
        return self.text.partition('<div class="main">')[0].count("\n") + 1


@cache
def read(path: Path) -> Read:
    return Read(path.read_text(encoding="utf-8"))


def pages(html: Path) -> Iterator[Path]:
    """Give the pages that were written by somebody: all but the search's."""
    return (path for path in html.glob("**/*.html") if path.name != "search.html")


def target(page: Path, link: str) -> tuple[Path, str]:
    """Return the file and the anchor that a link of a page leads to."""
    parts = urlsplit(link)
    return Path(os.path.normpath(page.parent / unquote(parts.path))) if parts.path else page, (
        unquote(parts.fragment)
    )


def test_every_page_of_the_documentation_is_built(html: Path) -> None:
    expected = {path.relative_to(DOCS).with_suffix(".html") for path in DOCS.glob("**/*.md")}
    expected |= {Path(name).with_suffix(".html") for name in OUTSIDE.values()}
    assert expected <= {path.relative_to(html) for path in pages(html)}


def test_every_page_can_be_reached_by_the_navigation(html: Path) -> None:
    reached: set[Path] = set()
    waiting = [html / "index.html"]
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            waiting += [target(page, link)[0] for link in read(page).sidebar]
    by_text = {target(page, link)[0] for page in reached for link in read(page).links}
    rest = set(pages(html)) - reached
    # Source files are not in the navigation: a page about them links to them.
    assert {path for path in rest if not path.is_relative_to(html / "source")} == set()
    for path in rest:
        folder = path.parent.with_suffix(path.parent.suffix + ".html")
        assert path in by_text or folder in by_text, path


def test_no_link_within_the_site_leads_nowhere(html: Path) -> None:
    missing: list[str] = []
    count = 0
    for page in pages(html):
        for link in read(page).links:
            if urlsplit(link).scheme:
                continue
            found, anchor = target(page, link)
            count += 1
            if not found.is_file() or (anchor and anchor not in read(found).anchors):
                missing.append(f"{page.relative_to(html)}: {link}")
    assert missing == []
    assert count > 10_000


def test_nothing_is_loaded_from_another_server(html: Path) -> None:
    for page in html.glob("**/*.html"):
        for loaded in read(page).loaded:
            parts = urlsplit(loaded)
            assert not parts.netloc, f"{page}: {loaded}"
            assert parts.scheme in ("", "data"), f"{page}: {loaded}"
    for style in html.glob("**/*.css"):
        for url in re.findall(r"url\(['\"]?([^)'\"]+)", style.read_text(encoding="utf-8")):
            assert not urlsplit(url).netloc, f"{style}: {url}"


def test_what_make_docs_serves_is_the_site(html: Path) -> None:
    client = TestClient(app_of(html))
    assert "<title>" in client.get("/").text
    assert client.get("/parts/cors.html").status == 200
    assert client.get("/parts/").headers["content-type"] == "text/html; charset=utf-8"


# --- in a browser ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def url(html: Path) -> Iterator[str]:
    """Where the site is served, as `make docs` does it."""
    config = ServerConfig(host="127.0.0.1", port=0)
    server = Server(app_of(html), config).start().wait_ready()
    yield server.urls[0]
    server.shutdown(grace=0)
    assert server.wait(10)


@pytest.fixture
def tab(browser: Browser, url: str) -> Iterator[Page]:
    """A tab in which an error of a page, or a request to another server, fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    complaints: list[str] = []

    def ask(request: Request) -> None:
        if not request.url.startswith((url, "data:")):
            complaints.append(f"asks for {request.url}")

    page.on("request", ask)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


def search(tab: Page, first: str) -> None:
    tab.goto(first)
    tab.locator(".sidebar-search").first.fill("preflight")
    tab.keyboard.press("Enter")
    result = tab.locator("#search-results li a", has_text="CORS").first
    result.click()
    tab.wait_for_url(re.compile("cors", re.IGNORECASE))


def test_the_search_finds_a_page(url: str, tab: Page) -> None:
    search(tab, f"{url}/index.html")


def test_the_search_needs_no_server(html: Path, browser: Browser) -> None:
    context = browser.new_context()
    search(context.new_page(), (html / "index.html").as_uri())
    context.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_pages_are_accessible(url: str, tab: Page, width: int, scheme: Any) -> None:
    tab.emulate_media(color_scheme=scheme)
    tab.set_viewport_size({"width": width, "height": 900})
    found: list[str] = []
    for name in LOOKED_AT:
        tab.goto(f"{url}/{name}")
        for violation in AXE.run(tab).response["violations"]:
            if violation["impact"] in ("serious", "critical"):
                nodes = [node["html"][:160] for node in violation["nodes"][:3]]
                found.append(f"{name}: {violation['id']}: {nodes}")
    assert found == []


def test_no_page_is_wider_than_a_phone(url: str, tab: Page) -> None:
    tab.set_viewport_size({"width": 360, "height": 800})
    wide = []
    for name in LOOKED_AT:
        tab.goto(f"{url}/{name}")
        if tab.evaluate("document.documentElement.scrollWidth") > 360:
            wide.append(name)
    assert wide == []
