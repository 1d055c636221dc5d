"""The docs page of `app.openapi()` in a real browser, on every lane: below a prefix, offline."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from anylane import App, File, Router, Server, ServerConfig, Upload
from anylane.middleware import BearerAuth

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SOON = 20_000  # ms; all waiting is for a condition
LANES = ("asyncio", "uvloop", "anyio", "trio", "curio", "threads")
SIZES = {"phone": (390, 844), "desktop": (1280, 900)}

# What axe finds in Swagger UI's own elements (5.33): colors, labels, headings and landmarks.
THEIRS = {
    "color-contrast",
    "heading-order",
    "label",
    "nested-interactive",
    "region",
    "scrollable-region-focusable",
    "select-name",
}

INSIDE = "place => document.querySelector(place).closest('.swagger-ui') !== null"


@dataclass
class NewBook:
    """A book that is to be added."""

    title: str
    pages: int = 0
    tags: list[str] = field(default_factory=list)


def shop() -> App:
    """An API with a page, below /v1 of an app without one."""
    api = App()

    @api.post("/books", status=201, tags=["books"])
    async def add(new: NewBook) -> dict[str, Any]:
        """Add a book."""
        return {"title": new.title, "pages": new.pages}

    @api.put("/books/{id:int}/cover", tags=["books"])
    async def cover(id: int, picture: Annotated[Upload, File()]) -> str:
        """Set the cover of a book."""
        return f"{id}: {picture.filename}"

    private = Router(prefix="/private")
    private.use(BearerAuth(lambda token: token if token == "right" else None))

    @private.get("/orders", tags=["orders"])
    async def orders() -> str:
        """Return the orders."""
        return "none yet"

    api.include(private)
    api.openapi(title="Books", version="1.2", tags={"books": "What is sold."})
    outer = App()
    outer.mount("/v1", api)
    return outer


@dataclass
class Reader:
    """A tab. What its console says, and what it asks other hosts for, fails the test."""

    tab: Page
    origin: str
    complaints: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("console", lambda message: self.complaints.append(message.text))
        self.tab.on("request", lambda request: self.loaded.append(request.url))
        self.tab.goto(f"{self.origin}/v1/docs")
        self.tab.locator(".opblock").first.wait_for()

    def check(self) -> None:
        """All went well, and stayed here."""
        assert self.complaints == []
        foreign = [each for each in self.loaded if not each.startswith((self.origin, "data:"))]
        assert foreign == []

    def unfold(self, path: str) -> Any:
        """Open an operation to try it out."""
        block = self.tab.locator(".opblock", has=self.tab.locator(f"[data-path='{path}']"))
        block.locator(".opblock-summary-control").first.click()
        block.get_by_role("button", name="Try it out").click()
        return block

    def execute(self, block: Any) -> tuple[str, str]:
        """Send the request; return status and body."""
        block.get_by_role("button", name="Execute").click()
        answer = block.locator(".live-responses-table .response")
        answer.locator(".microlight, pre").first.wait_for()
        status = answer.locator(".response-col_status").inner_text().split()[0]
        return status, answer.locator("pre").first.inner_text()


@pytest.fixture(scope="module")
def origin(request: pytest.FixtureRequest, browser: Browser) -> Generator[str]:
    server = Server(shop(), ServerConfig(port=0), request.param)
    server.start().wait_ready()
    yield f"http://127.0.0.1:{server.addresses[0][1]}"
    server.shutdown(grace=1)
    server.wait()


every_lane = pytest.mark.parametrize("origin", LANES, indirect=True)
one_lane = pytest.mark.parametrize("origin", LANES[:1], indirect=True)


def opened(browser: Browser, **options: Any) -> Any:
    context = browser.new_context(reduced_motion="reduce", **options)
    context.set_default_timeout(SOON)
    return closing(context)


@every_lane
def test_an_operation_is_tried_out(browser: Browser, origin: str) -> None:
    with opened(browser) as context:
        reader = Reader(context.new_page(), origin)
        shown = reader.tab.locator(".opblock-summary-path").all_inner_texts()
        paths = ["/books", "/books/{id}/cover", "/private/orders"]
        assert [each.replace("\u200b", "") for each in shown] == paths
        block = reader.unfold("/books")
        block.locator("textarea").fill('{"title": "Emma", "pages": 7}')
        status, body = reader.execute(block)
        assert (status, re.sub(r"\s", "", body)) == ("201", '{"title":"Emma","pages":7}')
        assert f"{origin}/v1/books" in reader.loaded
        reader.check()


@one_lane
def test_a_file_is_sent(browser: Browser, origin: str) -> None:
    with opened(browser) as context:
        reader = Reader(context.new_page(), origin)
        block = reader.unfold("/books/{id}/cover")
        block.get_by_placeholder("id").fill("7")
        picture = {"name": "a.png", "mimeType": "image/png", "buffer": b"x"}
        block.locator("input[type=file]").set_input_files(picture)
        assert reader.execute(block) == ("200", "7: a.png")
        reader.check()


@one_lane
def test_a_token_is_sent_and_forgotten(browser: Browser, origin: str) -> None:
    with opened(browser) as context:
        reader = Reader(context.new_page(), origin)
        reader.tab.get_by_role("button", name="Authorize").click()
        dialog = reader.tab.locator(".dialog-ux")
        dialog.locator("input").fill("right")
        dialog.get_by_role("button", name="Apply credentials").click()
        dialog.get_by_role("button", name="Close").click()
        assert reader.execute(reader.unfold("/private/orders")) == ("200", "none yet")
        assert reader.tab.evaluate("localStorage.length + sessionStorage.length") == 0
        reader.check()


@one_lane
@pytest.mark.parametrize(("size", "scheme"), [("phone", "light"), ("desktop", "dark")])
def test_the_page_fits_and_is_accessible(
    browser: Browser, origin: str, size: str, scheme: Any
) -> None:
    with opened(browser, color_scheme=scheme) as context:
        width, height = SIZES[size]
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": height})
        reader = Reader(page, origin)
        assert page.title() == "Books"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert dark == ("rgb(28, 32, 34)" if scheme == "dark" else "rgb(255, 255, 255)")
        faults = Axe().run(page).response["violations"]
        ours = [
            (each["id"], node["html"])
            for each in faults
            for node in each["nodes"]
            if each["id"] not in THEIRS or not page.evaluate(INSIDE, node["target"][0])
        ]
        assert ours == []
        reader.check()
