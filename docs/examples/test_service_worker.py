"""The page whose service worker is an App in Pyodide, in a real browser."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from anylane import Server, ServerConfig
from tools import pyodide

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

START = 120_000  # ms; a browser compiles the interpreter first, and machines are busy
SOON = 20_000


ALONE = "async () => (await (await fetch('/app/about')).json()).listening === 1"
"""Whether one page alone follows the changes: the handlers of those that left have ended."""

ABORTED = """async () => {
    const stop = new AbortController();
    const answer = await fetch("/app/changes", { signal: stop.signal });
    await answer.body.getReader().read();
    const { listening } = await (await fetch("/app/about")).json();
    stop.abort();
    return listening;
}"""
"""Follow them once more, and leave. Gives how many follow them meanwhile."""


@pytest.fixture(scope="module")
def url(browser: Browser) -> Generator[str]:
    why = pyodide.missing({})
    if why is not None:
        if os.environ.get(pyodide.DEMANDED) == "1":
            pytest.fail(why, pytrace=False)
        pytest.skip(why)
    os.environ["PYODIDE"] = str(pyodide.distribution())
    from service_worker.serve import app

    server = Server(app, ServerConfig(port=0)).start().wait_ready()
    yield server.urls[0]
    server.shutdown()
    assert server.wait(10)


@pytest.fixture
def complaints() -> Generator[list[str]]:
    """What the consoles of the pages say. Nothing is what they should."""
    said: list[str] = []
    yield said
    assert said == []


def test_an_app_in_a_service_worker_answers_its_pages(
    browser: Browser, url: str, complaints: list[str]
) -> None:
    with browser.new_context() as context:

        def opened() -> Page:
            page = context.new_page()
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("console", lambda message: complaints.append(message.text))
            page.goto(url)
            page.locator("#state[data-state=live]").wait_for(timeout=START)
            page.locator("#send:enabled").wait_for(timeout=SOON)
            return page

        first = opened()
        assert first.locator("#state").inner_text() == "CPython 3.14.2 on emscripten"
        first.get_by_label("A line for all pages").fill("ä & <b>bold</b>")
        first.get_by_role("button", name="Send").click()
        line = first.get_by_role("list", name="Lines").get_by_text("ä & <b>bold</b>", exact=True)
        line.wait_for(timeout=SOON)

        # A second page sees what was written, and each hears of the other by its event stream.
        second = opened()
        assert second.get_by_role("listitem").all_inner_texts() == ["ä & <b>bold</b>"]
        second.get_by_label("A line for all pages").fill("from the second")
        second.keyboard.press("Enter")
        for page in (first, second):
            page.get_by_role("listitem").get_by_text("from the second", exact=True).wait_for(
                timeout=SOON
            )

        second.close()
        first.wait_for_function(ALONE, timeout=SOON)
        assert first.evaluate(ABORTED) == 2
        first.wait_for_function(ALONE, timeout=SOON)
