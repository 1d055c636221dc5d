"""The demo's pages in a real browser, on every lane: what a user sees and does."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from time import time
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

AXE = Axe()
FULL = ("asyncio", "trio", "threads")
SMOKE = ("uvloop", "anyio", "curio")
SOON = 10_000  # ms; all waiting is for a condition
REFUSED = re.compile("ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_EMPTY_RESPONSE")
SIZES = {"phone": (390, 844), "small phone": (320, 568), "desktop": (1280, 800)}


@dataclass
class Visitor:
    """Tabs of one browser profile. Whatever their consoles call an error fails the test."""

    context: BrowserContext
    complaints: list[str] = field(default_factory=list)
    outage: bool = False
    """The server goes away in this test, and browsers say so."""

    def open(self, url: str) -> Page:
        tab = self.context.new_page()
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        tab.on("console", self._listen)
        tab.goto(url)
        return tab

    def _listen(self, message: ConsoleMessage) -> None:
        if self.outage and REFUSED.search(message.text):
            return
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text} ({message.location})")

    def join(self, url: str, name: str, room: str = "lobby") -> Page:
        """A tab in the chat, through the dialog that asks for a name."""
        tab = self.open(f"{url}/chat#{room}")
        tab.get_by_label("Your name in the chat").fill(name)
        tab.keyboard.press("Enter")
        connected(tab)
        return tab


def connected(tab: Page) -> None:
    tab.locator("#state[data-state=live]").wait_for()


def say(tab: Page, words: str) -> None:
    tab.get_by_label("Message", exact=True).fill(words)
    tab.keyboard.press("Enter")


def sees(tab: Page, words: str) -> None:
    """A message or a notice with just these words comes up."""
    tab.locator(".said .text, .notice").get_by_text(words, exact=True).first.wait_for()


def until(tab: Page, condition: Callable[[], bool]) -> None:
    """Ask again and again; the pages' policy lets playwright's own way evaluate nothing."""
    for _ in range(SOON // 50):
        if condition():
            return
        tab.wait_for_timeout(50)
    pytest.fail("waited in vain")


def messages(tab: Page) -> list[str]:
    return tab.locator(".said .text").all_inner_texts()


@pytest.fixture
def visitor(browser: Browser) -> Generator[Visitor]:
    with browser.new_context(reduced_motion="reduce") as context:
        context.set_default_timeout(SOON)
        visitor = Visitor(context)
        yield visitor
    assert visitor.complaints == []


@pytest.fixture(scope="module")
def url(request: pytest.FixtureRequest, browser: Browser, demo: Any) -> Generator[str]:
    with demo(request.param) as url:
        yield url


every_lane = pytest.mark.parametrize("url", [*FULL, *SMOKE], indirect=True)
main_lanes = pytest.mark.parametrize("url", FULL, indirect=True)
one_lane = pytest.mark.parametrize("url", FULL[:1], indirect=True)


# -- the start page ---------------------------------------------------------------------------


@every_lane
def test_a_walk_through_the_pages(
    visitor: Visitor, url: str, request: pytest.FixtureRequest
) -> None:
    tab = visitor.open(url)
    lane = request.node.callspec.params["url"]
    tab.locator("#backend").get_by_text(lane, exact=True).wait_for()
    for name, answer in (("hello", '200 {"message":"Hello, world!"}'), ("echo", "there and back")):
        tab.locator(f"#{name} button").click()
        tab.locator(f"#{name}-out").get_by_text(answer).wait_for()
    tab.get_by_label("A stream").fill("1")
    tab.locator("#count button").click()
    tab.locator("#count-out").get_by_text("0 end").wait_for()

    tab.get_by_role("link", name="Open the chat").click()
    tab.get_by_label("Your name in the chat").fill("Ada")
    tab.keyboard.press("Enter")
    connected(tab)
    say(tab, "Hello!")
    sees(tab, "Hello!")
    tab.get_by_role("link", name="Start page").click()
    tab.get_by_role("link", name="Open the dashboard").click()
    connected(tab)
    grows(tab)


# -- the chat ---------------------------------------------------------------------------------


@main_lanes
def test_chat_in_several_tabs(visitor: Visitor, url: str) -> None:
    ada = visitor.join(url, "Ada")
    grace = visitor.join(url, "Grace")
    linus = visitor.join(url, "Linus", room="garden")
    say(ada, "<img src=x onerror=alert(1)> & <b>bold</b>")
    for tab in (ada, grace):
        sees(tab, "<img src=x onerror=alert(1)> & <b>bold</b>")
        assert tab.locator(".said img, .said b").count() == 0
    assert messages(linus) == []
    assert ada.locator("#people bdi").all_inner_texts() == ["Ada", "Grace"]
    ada.get_by_role("link", name="garden, 1 person").wait_for()

    later = visitor.join(url, "Ada")
    sees(later, "<img src=x onerror=alert(1)> & <b>bold</b>")
    assert later.locator("#you").inner_text() == "Ada 2"
    grace.close()
    sees(ada, "Grace left")
    linus.get_by_role("link", name="lobby, 2 people").wait_for()

    linus.get_by_role("link", name="lobby, 2 people").click()
    sees(ada, "Linus joined")
    say(linus, "hello from next door")
    for tab in (ada, later, linus):
        sees(tab, "hello from next door")
    linus.go_back()
    linus.get_by_text("This is the beginning of #garden").wait_for()


@one_lane
def test_a_message_over_the_limit_stays_in_its_field(visitor: Visitor, url: str) -> None:
    tab = visitor.join(url, "Ada", room="workshop")
    field = tab.get_by_label("Message", exact=True)
    field.fill("🙂" * 501)
    tab.get_by_role("alert").get_by_text("a message has at most 500 characters").wait_for()
    assert tab.get_by_role("button", name="Send").is_disabled()
    field.press("Enter")
    field.fill("🙂" * 500)
    field.press("Enter")
    sees(tab, "🙂" * 500)
    assert messages(tab) == ["🙂" * 500]


@pytest.mark.parametrize("lane", FULL)
def test_chat_comes_back_with_the_server(visitor: Visitor, demo: Any, lane: str) -> None:
    visitor.outage = True
    with demo(lane) as url:
        tab = visitor.join(url, "Ada")
        say(tab, "before")
        sees(tab, "before")
    tab.get_by_text("No connection. Next attempt in").wait_for()
    assert tab.get_by_role("button", name="Send").is_disabled()
    tab.get_by_label("Message", exact=True).fill("written meanwhile")
    with demo(lane, int(url.rpartition(":")[2])):
        sees(tab, "Connected again")
        tab.get_by_role("button", name="Send").click()
        sees(tab, "written meanwhile")
        assert messages(tab) == ["before", "written meanwhile"]


# -- the metrics ------------------------------------------------------------------------------


def points(tab: Page) -> int:
    return int(tab.locator("#cpu").get_attribute("data-points") or 0)


def grows(tab: Page) -> None:
    """Samples arrive, and the charts show them."""
    more = points(tab) + 2
    until(tab, lambda: points(tab) >= more)
    assert tab.locator("#cpu .curve").count() >= 1
    assert float(tab.locator("#memory-now").inner_text()) > 5


def noted(tab: Page, words: str) -> str:
    """A line about the connection that matches comes up."""
    line = tab.locator("#log span").filter(has_text=re.compile(words)).first
    line.wait_for()
    return line.inner_text()


@main_lanes
def test_metrics_arrive_and_a_cut_line_is_taken_up(visitor: Visitor, url: str) -> None:
    tab = visitor.open(f"{url}/metrics")
    connected(tab)
    noted(tab, r"Connected; \d+ events? of history")
    grows(tab)
    with tab.expect_request(f"{url}/metrics/events") as again:
        tab.get_by_role("button", name="Cut the line").click()
        noted(tab, "The line is cut")
    assert re.fullmatch("[0-9a-f]+-[0-9]+", again.value.all_headers()["last-event-id"])
    noted(tab, r"Reconnected, [1-9]\d* events? replayed")
    connected(tab)
    assert tab.locator("#log .resync").count() == 0
    work = tab.get_by_role("button", name="Work for two seconds")
    work.click()
    grows(tab)
    until(tab, work.is_enabled)


@pytest.mark.parametrize("lane", FULL)
def test_metrics_begin_anew_with_a_restarted_server(visitor: Visitor, demo: Any, lane: str) -> None:
    visitor.outage = True
    with demo(lane) as url:
        tab = visitor.open(f"{url}/metrics")
        grows(tab)
    noted(tab, "The line is cut")
    stopped = time()
    with demo(lane, int(url.rpartition(":")[2])):
        noted(tab, "Reconnected to a server that was restarted")
        noted(tab, "Resync: another history, the charts begin anew")
        grows(tab)
        assert float(tab.locator("#cpu").get_attribute("data-since") or 0) > stopped


# -- for everybody ----------------------------------------------------------------------------


@one_lane
@pytest.mark.parametrize(("size", "scheme"), [("phone", "light"), ("desktop", "dark")])
@pytest.mark.parametrize("path", ["/", "/chat", "/metrics"])
def test_pages_fit_and_are_accessible(
    browser: Browser, url: str, path: str, size: str, scheme: Any
) -> None:
    with browser.new_context(color_scheme=scheme, reduced_motion="reduce") as context:
        visitor = Visitor(context)
        if path == "/chat":
            tab = visitor.join(url, "Ada")
            say(tab, "https://example.org/" + "long" * 50)
        else:
            tab = visitor.open(url + path)
        for width, height in SIZES.values():
            tab.set_viewport_size({"width": width, "height": height})
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
        width, height = SIZES[size]
        tab.set_viewport_size({"width": width, "height": height})
        faults = AXE.run(tab).response["violations"]
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in faults] == []
