"""The options of routes and routers: each says more than the settings of the server."""

from __future__ import annotations

from anylane_conformance.cases import case
from anylane_conformance.contract.routing.bounds import bounded
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.peer import Answer

CHAPTER = "12 framework"


def declared(path: str, size: int, *headers: str, body: bytes | None = None) -> bytes:
    """A POST that declares so many bytes, with all of them unless others are given."""
    lines = [f"POST {path} HTTP/1.1", "Host: a", f"Content-Length: {size}", *headers, "", ""]
    return "\r\n".join(lines).encode() + (b"x" * size if body is None else body)


def chunked(path: str, *sizes: int) -> bytes:
    """A POST in chunks of these sizes."""
    lines = [f"POST {path} HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", "", ""]
    chunks = [b"%x\r\n%s\r\n" % (size, b"x" * size) for size in sizes]
    return b"".join(["\r\n".join(lines).encode(), *chunks, b"0\r\n\r\n"])


def fits(conversation: Conversation, data: bytes, size: int) -> None:
    """The body is taken whole, and the connection goes on."""
    peer = conversation.connect()
    peer.send(data)
    answer = peer.answer()
    assert (answer.status, answer.body) == (200, b'{"length":%d}' % size)
    assert peer.ask("/").status == 200


def is_over(conversation: Conversation, data: bytes) -> Answer:
    """The body is refused, and the connection ends."""
    peer = conversation.connect()
    peer.send(data)
    answer = peer.answer()
    assert answer.status == 413
    assert answer.headers["connection"] == "close"
    assert answer.headers["x-status"] == "413"
    peer.closed()
    return answer


@case(CHAPTER, extra=bounded, limits={"body": 200}, cuts=False)
def routes_bound_their_own_bodies(conversation: Conversation) -> None:
    """A route's body_limit counts instead of its router's, an inner router's instead of an outer
    one's, and any of them instead of the server's, be it lower or higher."""
    for path, limit in (
        ("/bounded/body", 100),
        ("/bounded/large", 1000),
        ("/bounded/none", 0),
        ("/bounded/inner/body", 20),
        ("/bounded/inner/tiny", 10),
        ("/bounded/pieces", 1000),
    ):
        if limit:
            fits(conversation, declared(path, limit), limit)
            fits(conversation, chunked(path, limit - 5, 5), limit)
        is_over(conversation, declared(path, limit + 1))
        is_over(conversation, chunked(path, limit + 1))
        if limit:
            is_over(conversation, chunked(path, limit, 1))


@case(CHAPTER, extra=bounded, limits={"body": 200})
def bodies_over_a_limit_are_refused_before_they_are_read(conversation: Conversation) -> None:
    """A declared body over its route's limit is an ordinary 413 that response hooks see, without
    100 (Continue), before its handler is called or a byte of it is there (RFC 9110 §10.1.1)."""
    for path, size in (("body", 101), ("large", 1001), ("def", 11), ("none", 1)):
        for expect in ((), ("Expect: 100-continue",)):
            is_over(conversation, declared(f"/bounded/{path}", size, *expect, body=b""))
    assert conversation.stage.said == ["413"] * 8
    peer = conversation.connect()
    peer.send(declared("/bounded/large", 300, "Expect: 100-continue", body=b""))
    assert peer.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
    peer.send(b"x" * 300)
    assert peer.answer().body == b'{"length":300}'


@case(CHAPTER, "own_wire", extra=bounded, limits={"body": 200})
def what_follows_a_body_over_its_limit_is_not_served(conversation: Conversation) -> None:
    """Requests that were pipelined behind a body over its route's limit are not served."""
    hidden = b"GET /bounded/hidden HTTP/1.1\r\nHost: a\r\n\r\n"
    for data in (
        declared("/bounded/inner/tiny", 11),
        chunked("/bounded/inner/tiny", 11),
        chunked("/bounded/inner/tiny", 8, 3),
        # What is not read may look like a request, too.
        declared("/bounded/inner/tiny", len(hidden), body=b""),
        declared("/bounded/inner/tiny", 999, body=b""),
    ):
        is_over(conversation, data + hidden)
    assert "404" not in conversation.stage.said


@case(CHAPTER, extra=bounded, cuts=False)
def nothing_of_a_body_over_its_limit_is_kept(conversation: Conversation) -> None:
    """Clients that send megabytes behind a refused length get the answer (RFC 9112 §9.6), and one
    that its route allows is read whole."""
    for path, size in (("/bounded/body", 8_000_000), ("/bounded/huge", 10_000_001)):
        peer = conversation.connect()
        peer.send(declared(path, size, body=bytes(8_000_000)))
        assert peer.answer().status == 413
        peer.closed()
    fits(conversation, declared("/bounded/huge", 9_000_000), 9_000_000)
    assert conversation.connect().ask("/").status == 200


@case(CHAPTER, extra=bounded, limits={"body": 200}, cuts=False)
def requests_without_a_route_say_so_whatever_they_send(conversation: Conversation) -> None:
    """A request without a route is answered 404 or 405, however large the body that it declares;
    the connection ends where the body is not worth reading."""
    for path, status in (("/bounded/nowhere", 404), ("/timed/short", 405)):
        for data in (
            declared(path, 10**17, body=b""),
            declared(path, 201, "Expect: 100-continue", body=b""),
            declared(path, 201),
            *([chunked(path, 201)] if conversation.has("own_wire") else []),
        ):
            peer = conversation.connect()
            peer.send(data)
            assert peer.answer().status == status
            peer.closed()
        peer = conversation.connect()
        peer.send(declared(path, 200))
        assert peer.answer().status == status
        assert peer.ask("/").status == 200


@case(CHAPTER, "own_wire", extra=bounded, limits={"body": 200}, cuts=False)
def unread_bodies_are_bounded_by_their_route(conversation: Conversation) -> None:
    """A handler that reads no body is not called for one that says it is over the limit, and
    answers before one that is in chunks."""
    is_over(conversation, declared("/bounded/unread", 101))
    peer = conversation.connect()
    peer.send(chunked("/bounded/unread", 101))
    assert peer.answer().body == b"unread"
    peer.closed()


@case(CHAPTER, extra=bounded, request_timeout=0.6, cuts=False)
def routes_bound_their_own_time(conversation: Conversation) -> None:
    """A route's timeout counts instead of its router's, and any of them instead of the server's
    request_timeout, be it shorter or longer."""
    for path, seconds in (
        ("/timed/default", 5),
        ("/timed/short", 0.5),
        ("/bounded/short", 3),
    ):
        peer = conversation.connect()
        assert peer.ask(f"{path}?for={seconds}").status == 503, path
        peer.closed()
    for path in ("/timed/long", "/bounded/timed"):
        peer = conversation.connect()
        peer.get(f"{path}?for=1")
        conversation.pause(1.1)
        assert peer.answer().body == b"slept", path
        assert peer.ask("/timed/short?for=0").body == b"slept"
    warnings = [message for level, message in conversation.log if level == "warning"]
    assert len(warnings) == 3
    assert "took longer than 0.6 seconds" in warnings[0]
    assert all("took longer than 0.1 seconds" in message for message in warnings[1:])


@case(CHAPTER, "native_cancel", extra=bounded, cuts=False)
def time_of_a_route_ends_a_foreign_await(conversation: Conversation) -> None:
    """The timeout of a route cancels a handler that awaits the event loop's own library, long
    before the server's would."""
    peer = conversation.connect()
    began = conversation.now()
    assert peer.ask("/timed/foreign").status == 503
    assert conversation.now() - began < 8
    peer.closed()


@case(CHAPTER, extra=bounded, cuts=False)
def time_of_a_route_ends_a_def_handler(conversation: Conversation) -> None:
    """The timeout of a route interrupts a `def` handler that waits for `ctx`."""
    peer = conversation.connect()
    assert peer.ask("/timed/def").status == 503
    peer.closed()


@case(CHAPTER, "denials", extra=bounded, request_timeout=0.5, cuts=False)
def routes_of_websockets_bound_their_handshake(conversation: Conversation) -> None:
    """The timeout of a WebSocket's route is that of its handshake, and of nothing behind it."""
    late = conversation.connect()
    late.handshake("/timed/socket?before=3&behind=0")
    conversation.pause(0.2)
    assert late.answer().status == 503
    ws = conversation.websocket("/timed/socket?before=0&behind=0.8")
    conversation.pause(0.9)
    assert ws.receive() == "still here"
    assert ws.closed() == (1000, "")


@case(CHAPTER, extra=bounded, request_timeout=0.2, cuts=False)
def uploads_begin_the_time_of_their_route_anew(conversation: Conversation) -> None:
    """The timeout of a route begins anew with each piece of a body that its handler waits for."""
    peer = conversation.connect()
    peer.send(declared("/timed/upload", 3, body=b""))
    for _ in range(3):
        conversation.pause(0.3)
        peer.send(b"x")
    assert peer.answer().body == b"3"
