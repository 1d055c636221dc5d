"""A real browser to look at pages with: those of the examples, and the site."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REQUIRED = "REQUIRE_BROWSER"  # set to 1 where a missing browser is a failure


def _missing(what: str) -> None:
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{what}; {REQUIRED}=1 says that it has to be there", pytrace=False)
    pytest.skip(what)


# Not for the session: playwright's loop runs in this thread as long as it is open, and no other
# test could start one of its own.
@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    """A headless Chromium, the system's own: playwright's downloads are not needed."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        _missing("no Chromium: `apt-get install chromium` and the like bring one")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("no playwright: `pip install playwright`, or `pip install --group test`")
        raise
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        yield browser
        browser.close()
