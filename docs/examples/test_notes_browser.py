"""The notes in a real browser: what a user sees and does, on a desktop and on a phone."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import notes
import pytest
from axe_playwright_python.sync_playwright import Axe
from notes import users

from anylane import Server, ServerConfig

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

SOON = 10_000  # ms; all waiting is for a condition
SIZES = {"phone": (390, 844), "small phone": (320, 568), "desktop": (1280, 800)}
REFUSED = re.compile(r"status of (404|422)")  # browsers call an answer an error that is a page too


def chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


PNG = (
    b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0))
    + chunk(b"IDAT", zlib.compress(4 * (b"\0" + 12 * b"\x80")))
    + chunk(b"IEND", b"")
)


@dataclass
class Visitor:
    """A browser profile. Whatever its console calls an error fails the test."""

    context: BrowserContext
    url: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str = "/") -> Page:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.goto(self.url + path)
        return page

    def sign_up(self, name: str) -> Page:
        page = self.open("/signup")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(f"password of {name}")
        page.get_by_role("button", name="Sign up").click()
        live(page)
        return page

    def check(self) -> None:
        assert [each for each in self.complaints if not REFUSED.search(each)] == []


def live(page: Page) -> None:
    page.locator("#state[data-state=live]").wait_for()


def write(page: Page, title: str, text: str, picture: bytes | None = None) -> None:
    page.locator("summary").click()
    page.get_by_label("Title").fill(title)
    page.get_by_label("Text").fill(text)
    if picture:
        file: Any = {"name": "a.png", "mimeType": "image/png", "buffer": picture}
        page.locator("#picture").set_input_files(file)
        page.get_by_alt_text("The picture that you chose").wait_for()
    page.get_by_role("button", name="Save the note").click()
    page.get_by_role("link", name=title).wait_for()
    live(page)


@pytest.fixture(scope="module")
def url(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NOTES_FILE", str(tmp_path_factory.mktemp("notes") / "notes.sqlite3"))
        patch.setattr(users, "COST", {"n": 2, "r": 1, "p": 1})
        server = Server(notes.app, ServerConfig(port=0))
        server.start().wait_ready()
        yield f"http://127.0.0.1:{server.addresses[0][1]}"
        server.shutdown(grace=1)
        server.wait()


def visitor(browser: Browser, url: str, **options: Any) -> Visitor:
    context = browser.new_context(reduced_motion="reduce", **options)
    context.set_default_timeout(SOON)
    return Visitor(context, url)


def test_a_note_comes_up_on_a_second_screen(browser: Browser, url: str) -> None:
    ada = visitor(browser, url)
    with ada.context:
        page = ada.sign_up("Ada")
        page.get_by_role("heading", name="No notes yet").wait_for()
        second = ada.open()
        live(second)

        write(page, "<b>Tea</b>", "two\nbags", PNG)
        second.get_by_role("link", name="<b>Tea</b>").wait_for()
        second.get_by_text("“<b>Tea</b>” is saved").wait_for()
        assert second.locator(".note b").count() == 0
        width = second.locator(".note img").evaluate("picture => picture.decode().then(() => 4)")
        assert width == 4

        page.get_by_role("link", name="<b>Tea</b>").click()
        page.get_by_label("Title").fill("Coffee")
        page.get_by_label("Remove the picture").check()
        page.get_by_role("button", name="Save").click()
        second.get_by_role("link", name="Coffee").wait_for()
        assert second.locator(".note img").count() == 0

        second.get_by_role("link", name="Coffee").click()
        second.get_by_role("button", name="Delete …").click()
        second.get_by_role("button", name="Keep it").click()
        second.get_by_role("button", name="Delete …").click()
        second.get_by_role("button", name="Delete it").click()
        page.get_by_role("heading", name="No notes yet").wait_for()

        page.get_by_role("button", name="Log out").click()
        page.get_by_role("button", name="Log in").wait_for()
        ada.check()


def test_two_talk(browser: Browser, url: str) -> None:
    eve, bob = visitor(browser, url), visitor(browser, url)
    with eve.context, bob.context:
        eve.sign_up("Eve")
        bob.sign_up("Bob")
        hers, his = eve.open("/chat"), bob.open("/chat")
        hers.get_by_text("Connected").wait_for()
        his.get_by_text("Connected").wait_for()
        words = "<img src=x onerror=alert(1)> hello"
        hers.get_by_label("Message", exact=True).fill(words)
        hers.keyboard.press("Enter")
        for page in (hers, his):
            page.locator(".text").get_by_text(words, exact=True).wait_for()
        assert his.locator(".log img").count() == 0
        his.close()
        later = bob.open("/chat")
        later.locator(".text").get_by_text(words, exact=True).wait_for()
        for each in (eve, bob):
            each.check()


@pytest.mark.parametrize(("size", "scheme"), [("phone", "light"), ("desktop", "dark")])
def test_pages_fit_and_are_accessible(browser: Browser, url: str, size: str, scheme: Any) -> None:
    def check(page: Page) -> None:
        page.wait_for_load_state()  # A click goes on before the next page has its style.
        for width, height in (*SIZES.values(), SIZES[size]):
            page.set_viewport_size({"width": width, "height": height})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, page.url
        faults = Axe().run(page).response["violations"]
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in faults] == []

    guest = visitor(browser, url, color_scheme=scheme)
    with guest.context:
        page = guest.open("/signup")
        check(page)
        page.goto(f"{url}/login")
        check(page)
        page.get_by_label("Name").fill("nobody")
        page.get_by_label("Password").fill("not this one")
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("alert").wait_for()
        check(page)

        page = guest.sign_up(f"guest.{size}")
        check(page)
        page.goto(f"{url}/?q=zebra")
        check(page)
        page.goto(url)
        write(page, "long" * 30, "https://example.org/" + "long" * 50, PNG)
        page.locator("summary").click()
        check(page)
        page.get_by_role("link", name="longlong").click()
        check(page)
        page.get_by_role("button", name="Delete …").click()
        check(page)
        page.goto(f"{url}/chat")
        live(page)
        page.get_by_label("Message", exact=True).fill("long" * 50)
        page.keyboard.press("Enter")
        page.get_by_text("long" * 50).last.wait_for()
        check(page)
        page.goto(f"{url}/notes/9999")
        page.get_by_role("heading", name="Not here").wait_for()
        check(page)
        guest.check()
