"""Templates: pages that are rendered whole or streamed, and those that fail."""

from __future__ import annotations

from anylane_conformance.cases import case
from anylane_conformance.contract.parts.templates import serve_pages
from anylane_conformance.contract.stage import KERNEL
from anylane_conformance.harness.conversation import Conversation

CHAPTER = "18 parts"

PAGE = b"<title>&lt;b&gt;</title>/page/def GET &lt;kept&gt;"

ROWS = "".join(f"<li>row {number} &amp; more of it</li>" for number in range(10_000)).encode()


@case(CHAPTER, extra=serve_pages, cuts=False)
def page_is_rendered(conversation: Conversation) -> None:
    """A page of an `async def` and of a `def` is escaped, knows ctx, the request and the paths of
    routes, and has the type of its name; HEAD is GET without the body."""
    peer = conversation.connect()
    page = peer.ask("/page/async")
    assert (page.status, page.body) == (200, PAGE)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    page = peer.ask("/page/def")
    assert (page.status, page.body) == (203, PAGE)
    peer.get("/page/rows", method="HEAD")
    head = peer.answer(to_head=True)
    assert (head.status, head.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert peer.ask("/page/async").body == PAGE


@case(CHAPTER, extra=serve_pages, cuts=False)
def page_is_streamed(conversation: Conversation) -> None:
    """A page may be sent while it is made; what it iterates over is closed at its end."""
    peer = conversation.connect()
    page = peer.ask("/page/rows")
    assert page.status == 200
    assert page.headers["transfer-encoding"] == "chunked"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.body == b"<ul>" + ROWS + b"</ul>"
    assert conversation.stage.said == ["rows ended"]


@case(CHAPTER, extra=serve_pages, cuts=False)
def failing_page_is_told_by_template_and_line(conversation: Conversation) -> None:
    """A template that fails is a 500 whose log line names template and line, and nothing of that
    is sent; one that fails when a part of it was sent ends the connection."""
    peer = conversation.connect()
    for path in ("/page/typo", "/page/early"):
        answer = peer.ask(path)
        assert (answer.status, answer.body) == (500, b"500 Internal Server Error\n")
    late = conversation.connect()
    late.get("/page/late")
    assert late.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    assert not late.rest().endswith(b"0\r\n\r\n")
    lines = [line for level, line in conversation.log if level == "error"]
    assert len(lines) == 3
    for line, place in zip(lines, ("typo.html", "typo.html", "late.html"), strict=True):
        assert f"in the template {place}, line 2" in line


@case(CHAPTER, extra=serve_pages, cuts=False, compare=False)
def page_is_made_no_faster_than_it_is_read(conversation: Conversation) -> None:
    """An endless page waits for a client that does not read, and ends when that has left."""
    peer = conversation.connect(receive_buffer=65536)
    peer.hold()
    peer.get("/page/endless")
    ahead = conversation.steady(lambda: conversation.stage.produced)
    assert 0 < ahead * len("<li>row 0 &amp; more of it</li>") <= KERNEL
    peer.reset()
    assert conversation.steady(lambda: len(conversation.stage.said)) == 1
