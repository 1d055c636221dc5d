"""Hooks, connections, background work, and the parts of a request: the same on every lane."""

from __future__ import annotations

import pytest

from anylane_conformance.cases import case
from anylane_conformance.contract import hooks, requests
from anylane_conformance.harness.conversation import Conversation

CHAPTER = "12 framework"


@case(CHAPTER)
def hooks_run_in_the_documented_order(conversation: Conversation) -> None:
    """Hooks run in this order: middleware, request_middleware, handler, out of the middleware
    again, response_middleware."""
    peer = conversation.connect()
    for kind in ("async", "def"):
        answer = peer.ask(f"/hooked/{kind}/7")
        assert answer.body == b"7"
        assert answer.headers["x-order"] == "in request handler out response:NoneType"
    answer = peer.ask("/hooked/async/7?stop")
    assert answer.body == b"stopped"
    assert answer.headers["x-order"] == "in request out response:NoneType"


ALL = "a b1 b2 c".split()
"""The names of the hooks by their order, and by their registration where it is equal."""


@case(CHAPTER, extra=hooks.threefold)
def three_hooks_of_a_kind_run_in_their_order(conversation: Conversation) -> None:
    """Several hooks of one kind run in ascending order over all routers, and as they were
    registered where it is equal; middleware is left in reverse. Answers pass those of the inner
    router first."""
    peer = conversation.connect()
    for kind in ("whole", "stream"):
        answer = peer.ask(f"/three/{kind}")
        assert answer.headers["x-order"].split() == [
            *(f"in-{name}" for name in ALL),
            *(f"request-{name}" for name in ALL),
            "handler",
            *(f"out-{name}" for name in reversed(ALL)),
            *(f"response-{name}" for name in ("b2", "c", "a", "b1")),
        ]


@case(CHAPTER)
def hooks_run_after_an_exception_that_was_dealt_with(conversation: Conversation) -> None:
    """An exception handler's response passes through the response hooks as any other."""
    peer = conversation.connect()
    answer = peer.ask("/hooked/fail")
    assert (answer.status, answer.body) == (418, b"dealt with coffee")
    assert answer.headers["x-order"] == "in request out response:RefusedDrinkError"
    assert [message for level, message in conversation.log if level == "error"] == []


@case(CHAPTER)
def hooks_around_what_was_sent_and_what_is_streamed(conversation: Conversation) -> None:
    """A returned iterator is sent after the hooks; those of the answer see what a handler sends by
    itself before it goes out."""
    peer = conversation.connect()
    answer = peer.ask("/hooked/sent")
    assert answer.body == b"sent"
    assert answer.headers["x-order"] == "in request response:NoneType"
    answer = peer.ask("/hooked/items")
    assert answer.body == b"012"
    assert answer.headers["x-order"] == "in request out response:NoneType"
    ws = conversation.websocket("/hooked/ws")
    assert ws.receive() == "in request response:NoneType"
    assert ws.closed() == (1000, "")


@case(CHAPTER, "own_wire")
def request_error_hook(conversation: Conversation) -> None:
    """A malformed request runs the request-error hooks only."""
    peer = conversation.connect()
    peer.send(b"GET / HTTP/1.1\nHost: a\n\n")
    answer = peer.answer()
    assert answer.status == 400
    assert answer.headers["x-refused"] == "400 bare LF as line end"
    peer.closed()


@case(CHAPTER)
def what_cannot_be_returned_is_logged(conversation: Conversation) -> None:
    """A tuple is answered 500, a value after the response is logged; both lines name handler and
    value."""
    peer = conversation.connect()
    assert peer.ask("/tuple").status == 500
    assert peer.ask("/sent-and-returned").body == b"sent"
    assert peer.ask("/").status == 200
    first, second = [message for level, message in conversation.log if level == "error"]
    assert "of_a_tuple" in first
    assert "(200, 'no')" in first
    assert "sent_and_returned" in second
    assert "'too late'" in second


@case(CHAPTER, "own_connections", extra=hooks.connections)
def connection_hooks(conversation: Conversation) -> None:
    """on_connect runs before the first request, its context variables reach every exchange of its
    connection, and what it raises ends the connection; on_disconnect runs last."""
    helper, peer = conversation.connect(), conversation.connect()
    for _ in range(2):
        assert helper.ask("/connected").body == b"by on_connect, twice"
        assert peer.ask("/connected").body == b"by on_connect, twice"
    turned_away = conversation.helper()
    turned_away.get("/")
    assert turned_away.rest() == b""
    peer.eof()
    peer.closed()
    assert helper.ask("/notes").body == b"disconnected: by on_connect, twice"
    assert [message for level, message in conversation.log if level == "error"] == []


FOR = "X-Forwarded-For: 198.51.100.1, 203.0.113.7, 10.1.2.3"


@case(
    CHAPTER,
    extra=requests.proxied,
    config={"proxy_headers": True, "forwarded_allow_ips": ("127.0.0.1", "192.0.2.1", "10.0.0.0/8")},
)
def a_proxy_that_is_believed(conversation: Conversation) -> None:
    """The client is the right-most address that is no proxy's, the scheme what the nearest proxy
    says, and the host stays Host; values that cannot be read change nothing."""
    peer = conversation.connect()
    for scheme in ("http", "https"):
        said = (FOR, f"X-Forwarded-Proto: {scheme}", "X-Forwarded-Host: b")
        whose = f'[["203.0.113.7",0],"{scheme}","conformance"]'
        assert peer.ask("/whose", *said).body == whose.encode()
        ws = conversation.websocket("/whose", *said)
        assert ws.receive() == whose
        assert ws.closed() == (1000, "")
    for unread in ((), ("X-Forwarded-For: unknown", "X-Forwarded-Proto: gopher")):
        assert peer.ask("/whose?own", *unread).body == b'["peer","own","conformance"]'


@case(
    CHAPTER,
    extra=requests.proxied,
    config={"proxy_headers": True, "forwarded_allow_ips": ("198.51.100.0/24", "unix")},
)
def anybody_else_is_not_believed(conversation: Conversation) -> None:
    """X-Forwarded-For and X-Forwarded-Proto of a peer that is no proxy of ours are only headers."""
    peer = conversation.connect()
    for scheme in ("http", "https"):
        answer = peer.ask("/whose?own", FOR, f"X-Forwarded-Proto: {scheme}")
        assert answer.body == b'["peer","own","conformance"]'


@case(CHAPTER, "own_drain", config={"proxy_headers": True}, compare=False)
def a_drain_answers_the_next_request_of_a_proxy(conversation: Conversation) -> None:
    """With proxy_headers a drain leaves an idle connection a moment: a proxy sends the request of
    any client there, and no request that has an effect is ever repeated (RFC 9110 §9.2.2)."""
    peer, idle = conversation.connect(), conversation.connect()
    for each in (peer, idle):
        assert each.ask("/").status == 200
    conversation.drain()
    answer = peer.ask("/users/7")
    while "connection" not in answer.headers:  # The lane has not heard of the drain yet.
        assert answer.status == 200
        answer = peer.ask("/users/7")
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    peer.closed()
    idle.closed()


@case(CHAPTER, extra=hooks.lifespan)
def lifespan_around_everything(conversation: Conversation) -> None:
    """A lifespan is entered in order before the first request and left in reverse after the last; a
    group of tasks in it stays alive, and context variables that it sets are seen."""
    peer = conversation.connect()
    assert peer.ask("/started").body == b"by the lifespan"
    begun = [step for step in conversation.stage.life if step != "task"]
    assert begun == ["worker 0 of 1", "enter", "startup"]  # However they were registered.
    conversation.stop()
    assert conversation.stage.life[-2:] == ["shutdown", "leave"]
    assert conversation.log == []


@case(CHAPTER)
def background_runs_after_the_response(conversation: Conversation) -> None:
    """Background work delays neither the response nor the next request; its failure is only
    logged."""
    peer, helper = conversation.connect(), conversation.helper()
    assert peer.ask("/background/async").body == b"answered"
    assert peer.ask("/").status == 200
    assert helper.ask("/notes").body == b"background async"
    assert peer.ask("/background/fail").body == b"answered"
    assert helper.ask("/notes").body == b"background async"
    (message,) = [message for level, message in conversation.log if level == "error"]
    assert "in the background" in message


@case(CHAPTER, "parallel_blocking", cuts=False)
def background_that_blocks_delays_nobody(conversation: Conversation) -> None:
    """A `def` in the background blocks a thread, not its connection."""
    peer = conversation.connect()
    assert peer.ask("/background/def").body == b"answered"
    assert peer.ask("/").status == 200
    assert peer.ask("/unblock").status == 200
    assert conversation.helper().ask("/notes").body == b"background def"


@case(CHAPTER, "parallel_blocking", cuts=False)
def background_that_fills_its_threads_delays_no_handler(conversation: Conversation) -> None:
    """While more functions block in the background than there are threads, `async def` handlers and
    `def` handlers are answered, on open connections and on new ones."""
    crowd(conversation, 20)


@case(CHAPTER, "parallel_blocking", cuts=False, config={"max_threads": 1})
def background_never_takes_the_only_thread(conversation: Conversation) -> None:
    """With one thread for handlers, background work that blocks leaves it to them."""
    crowd(conversation, 3)


def crowd(conversation: Conversation, jobs: int) -> None:
    """Leave so many jobs that block, and see that nothing waits for them and none is lost."""
    peer = conversation.connect()
    for _ in range(jobs):
        assert peer.ask("/background/def").body == b"answered"
    for other in (peer, conversation.connect()):
        assert other.ask("/").status == 200
        assert other.ask("/def/7").body == b'{"n":7}'
        assert other.ask("/run-sync").body == b"(3, 2)"
    assert conversation.stage.said == []
    assert peer.ask("/unblock").status == 200
    helper = conversation.helper()
    for _ in range(jobs):
        assert helper.ask("/notes").body == b"background def"


@case(CHAPTER, "exact_marks", cuts=False)
def background_waits_for_the_last_byte(conversation: Conversation) -> None:
    """Background work begins after the last byte of the response, also for a client that is slow to
    read."""
    peer = conversation.connect(receive_buffer=4096)
    peer.hold()
    peer.get("/background/large")
    conversation.steady(lambda: len(conversation.stage.said))
    assert conversation.stage.said == []
    peer.release()
    assert len(peer.answer().body) == 5_000_000
    assert conversation.helper().ask("/notes").body == b"background async"


@case(CHAPTER, "own_wire")
def request_trailers(conversation: Conversation) -> None:
    """Trailers behind a chunked body are in request.trailers (RFC 9110 §6.5)."""
    peer = conversation.connect()
    peer.send(
        b"POST /trailers HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n0\r\nX-Digest: abc\r\n\r\n"
    )
    assert peer.answer().body == b'{"x-digest":"abc"}'


@case(CHAPTER)
def cookies(conversation: Conversation) -> None:
    """Malformed cookies hide no other, and a cookie is set with its attributes (RFC 6265 §4)."""
    peer = conversation.connect()
    peer.get("/cookies", 'Cookie: a=1; broken; {"x": 1}; b="two words"', "Cookie: c=3; a=later")
    answer = peer.answer()
    assert answer.body == b'{"a":"1","b":"two words","c":"3"}'
    attributes = set(answer.headers["set-cookie"].split("; "))
    assert attributes == {"seen=yes", "Max-Age=60", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"}


@case(CHAPTER, "interim_and_trailers")
def early_hints_and_trailers(conversation: Conversation) -> None:
    """103 is sent before the answer (RFC 8297), trailers behind its chunks (RFC 9112 §7.1.2)."""
    peer = conversation.connect()
    peer.get("/hints")
    hints = peer.until(b"\r\n\r\n")
    assert hints.startswith(b"HTTP/1.1 103 ")
    assert b"link: </style.css>; rel=preload; as=style\r\n" in hints
    assert peer.answer().body == b"page"
    peer.get("/with-trailer")
    assert peer.until(b"x-digest: abc\r\n\r\n").endswith(b"0\r\nx-digest: abc\r\n\r\n")


@case(CHAPTER)
def sent_before_the_handler_ends(conversation: Conversation) -> None:
    """`await ctx.send()` sends the answer at once; the next request waits for the handler to
    end."""
    peer = conversation.connect()
    peer.get("/early")
    peer.get("/")
    assert peer.answer().body == b"early"
    assert peer.answer().status == 200


@case(CHAPTER)
def urlencoded_form(conversation: Conversation) -> None:
    """A URL-encoded form gives its fields in order, several of one name too."""
    peer = conversation.connect()
    kind = "Content-Type: application/x-www-form-urlencoded"
    peer.post("/form", b"a=1&b=%C3%A4+b&a=2&empty=", kind)
    assert peer.answer().body == '[["a","1"],["b","ä b"],["a","2"],["empty",""]]'.encode()


@case(CHAPTER)
def multipart_form(conversation: Conversation) -> None:
    """A multipart form gives fields and files, wherever the network cuts them (RFC 7578)."""
    pytest.importorskip("multipart")
    peer = conversation.connect()
    body = (
        b'--b\r\nContent-Disposition: form-data; name="title"\r\n\r\nHello\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.bin"\r\n'
        b"Content-Type: application/x-test\r\n\r\n\r\n--\0--\r\n--b--\r\n"
    )
    peer.post("/form", body, "Content-Type: multipart/form-data; boundary=b")
    assert peer.answer().body == b'[["title","Hello"],["file",["x.bin",7]]]'


@case(CHAPTER, "own_connections")
def taken_over(conversation: Conversation) -> None:
    """After a 101 the connection is the handler's, early bytes included, up to a half-close (RFC
    9110 §7.8)."""
    peer = conversation.connect()
    peer.get("/raw", "Connection: Upgrade", "Upgrade: echo")
    assert peer.answer().headers["upgrade"] == "echo"
    peer.send(b"no HTTP at all\n")
    assert peer.exactly(15) == b"no HTTP at all\n"
    peer.eof()
    assert peer.rest() == b" 15 bytes"
