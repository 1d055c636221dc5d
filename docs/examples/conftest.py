"""The demo as a user starts it, and a real browser to look at it with."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

DEMO = Path(__file__).with_name("demo.py")
REQUIRED = "REQUIRE_BROWSER"  # set to 1 where a missing browser is a failure

Demo = Callable[..., AbstractContextManager[str]]


@contextmanager
def _running(backend: str, port: int = 0) -> Generator[str]:
    """A process, found by the line that it prints; it has to end by itself and say nothing bad."""
    process = subprocess.Popen(
        [sys.executable, str(DEMO), "--backend", backend, "--port", str(port), "--interval", "0.2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout as output:
        line = output.readline()
        found = re.search(r"http://[\d.:]+", line)
        if found is None:
            pytest.fail(line + output.read())
        assert backend in line
        try:
            yield found[0]
        finally:
            process.send_signal(signal.SIGTERM)
            rest = output.read()
            code = process.wait(10)
        assert (code, "Traceback" in rest) == (0, False), rest


@pytest.fixture(scope="session")
def demo() -> Demo:
    """`with demo(backend, port) as url:`; port 0 is any free one."""
    return _running


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
