"""Requests and their answers on one connection."""

from __future__ import annotations

from anylane.testing.world import DATE
from anylane_conformance.cases import case
from anylane_conformance.harness.conversation import Conversation

CHAPTER = "1 requests"


@case(CHAPTER)
def json_over_keep_alive(conversation: Conversation) -> None:
    """GET and POST with JSON are answered one after the other on one connection."""
    peer = conversation.connect()
    for _ in range(2):
        answer = peer.ask("/")
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.body == b'{"message":"Hello, World!"}'
        peer.post("/json", b'{"a": [1, 2, {"b": null}]}')
        assert peer.answer().body == b'{"a":[1,2,{"b":null}]}'


@case(CHAPTER)
def routed_parameter(conversation: Conversation) -> None:
    """A converted parameter reaches the handler; a value that does not convert is no match."""
    peer = conversation.connect()
    assert peer.ask("/users/42").body == b'{"id":42}'
    assert peer.ask("/users/me").status == 404


@case(CHAPTER)
def not_found_and_not_allowed(conversation: Conversation) -> None:
    """A path without a route is answered 404, a method without one 405 with Allow."""
    peer = conversation.connect()
    assert peer.ask("/nowhere").status == 404
    peer.get("/json")
    answer = peer.answer()
    assert answer.status == 405
    assert answer.headers["allow"] == "OPTIONS, POST"
    peer.get("/json", method="OPTIONS")
    assert peer.answer().status == 204


@case(CHAPTER)
def head_is_get_without_a_body(conversation: Conversation) -> None:
    """HEAD is answered with the head of GET and no body (RFC 9110 §9.3.2)."""
    peer = conversation.connect()
    peer.get("/", method="HEAD")
    answer = peer.answer(to_head=True)
    assert answer.headers["content-length"] == "27"
    assert peer.ask("/").status == 200


@case(CHAPTER)
def failing_handler_disturbs_nobody(conversation: Conversation) -> None:
    """An exception is answered 500; its connection goes on, and so do the others."""
    neighbour, peer = conversation.connect(), conversation.connect()
    assert neighbour.ask("/").status == 200
    for path in ("/boom", "/def-boom"):
        answer = peer.ask(path)
        assert answer.status == 500
        assert b"ValueError" not in answer.body
    assert peer.ask("/").status == 200
    assert neighbour.ask("/").status == 200
    errors = [message for level, message in conversation.log if level == "error"]
    assert len(errors) == 2
    assert "ValueError" in errors[0]
    assert "/boom" in errors[0]


@case(CHAPTER)
def handler_does_not_end_the_server(conversation: Conversation) -> None:
    """SystemExit in a handler is a failure of that handler alone."""
    neighbour, peer = conversation.connect(), conversation.connect()
    assert neighbour.ask("/").status == 200
    for path in ("/exit", "/def-exit"):
        assert peer.ask(path).status == 500
    assert neighbour.ask("/").status == 200


@case(CHAPTER)
def call_is_for_def_handlers(conversation: Conversation) -> None:
    """ctx.call fails in an `async def` handler on every lane alike."""
    peer = conversation.connect()
    assert peer.ask("/call-from-async").status == 500
    assert any("use await" in message for _, message in conversation.log)


@case(CHAPTER)
def http_error_is_its_status(conversation: Conversation) -> None:
    """HTTPError becomes a response: text, or problem+json where JSON is accepted (RFC 9457)."""
    peer = conversation.connect()
    assert peer.ask("/teapot").body == b"418 I'm a Teapot: short and stout\n"
    peer.get("/teapot", "Accept: application/json")
    answer = peer.answer()
    assert answer.headers["content-type"] == "application/problem+json"
    assert b'"detail":"short and stout"' in answer.body


@case(CHAPTER)
def pipelined_requests_are_answered_in_order(conversation: Conversation) -> None:
    """Requests that come together are answered one after the other (RFC 9112 §9.3.2)."""
    peer = conversation.connect()
    for number in range(18):  # More than start in one turn, and few enough to be cut everywhere.
        peer.get(f"/users/{number}")
    for number in range(18):
        assert peer.answer().body == b'{"id":%d}' % number


@case(CHAPTER)
def chunked_upload(conversation: Conversation) -> None:
    """A chunked body is read to its end, and what follows is the next request (RFC 9112 §7.1)."""
    peer = conversation.connect()
    peer.send(
        b"POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nX-Trailer: yes\r\n\r\n"
    )
    peer.get("/")
    assert peer.answer().body == b'{"length":11}'
    assert peer.answer().status == 200


@case(CHAPTER)
def continue_only_when_the_body_is_read(conversation: Conversation) -> None:
    """100 Continue is sent when the handler reads the body, and not when it does not (RFC 9110
    §10.1.1)."""
    peer = conversation.connect()
    expect = "Expect: 100-continue"
    peer.send(f"POST /json HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n{expect}\r\n\r\n".encode())
    assert peer.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
    peer.send(b"42")
    assert peer.answer().body == b"42"
    peer.send(f"POST /boom HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n{expect}\r\n\r\n".encode())
    answer = peer.answer()
    assert answer.status == 405
    assert answer.headers["connection"] == "close"
    peer.closed()


@case(CHAPTER, "own_wire")
def http_1_0_closes_unless_asked(conversation: Conversation) -> None:
    """A connection of HTTP/1.0 persists only where the client asks for it (RFC 9112 §9.3)."""
    peer = conversation.connect()
    peer.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert peer.answer().headers["connection"] == "keep-alive"
    peer.send(b"GET /count/2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    answer = peer.answer()
    assert answer.body == b"0\n1\n"
    assert answer.headers["connection"] == "close"


@case(CHAPTER, "own_wire")
def malformed_request_is_refused(conversation: Conversation) -> None:
    """A request that two parsers could read in two ways is answered 400, once, and the connection
    ends."""
    for head in (
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n folded: yes\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ):
        peer = conversation.connect()
        peer.send(head)
        answer = peer.answer()
        assert answer.status == 400
        assert answer.headers["connection"] == "close"
        peer.closed()


@case(CHAPTER)
def context_variables_do_not_leak(conversation: Conversation) -> None:
    """Each exchange runs in a context of its own, on one connection too."""
    peer = conversation.connect()
    for path in ("/variable", "/variable", "/variable?pipelined", "/variable?pipelined"):
        peer.get(path)
        if "pipelined" not in path:
            assert peer.answer().body == b"unset"
    assert peer.answer().body == b"unset"
    assert peer.answer().body == b"unset"


@case(CHAPTER, "own_connections", "real_sockets", "plain_wire", config={"max_connections": 2})
def too_many_connections_wait(conversation: Conversation) -> None:
    """At max_connections, where no connection is idle, accepting pauses; a client that comes then
    waits and is not dropped."""
    first, second = conversation.websocket("/echo"), conversation.websocket("/echo")
    third = conversation.connect()
    third.get("/")
    assert conversation.steady(lambda: int(third.nothing_yet())) == 1
    first.close()
    assert first.closed(answer=False) == (1000, "")
    first.peer.eof()
    assert third.answer().status == 200
    second.send("still here")
    assert second.receive() == "still here"


DATED = (
    ("/", 200),
    ("/def/1", 200),
    ("/count/3", 200),
    ("/iterate", 200),
    ("/sync-iterator", 200),
    ("/early", 200),
    ("/nowhere", 404),
    ("/json", 405),
    ("/teapot", 418),
    ("/boom", 500),
)


@case(CHAPTER, "own_wire")
def every_answer_has_a_date(conversation: Conversation) -> None:
    """Each answer says when it was made, whole or streamed, good or bad, once (RFC 9110 §6.6.1)."""
    peer = conversation.connect()
    for target, status in DATED:
        answer = peer.ask(target)
        assert (answer.status, answer.headers.get("date")) == (status, DATE.decode()), target
    peer.get("/json", method="OPTIONS")
    assert peer.answer().headers["date"] == DATE.decode()
    peer.get("/", method="HEAD")
    assert peer.answer(to_head=True).headers["date"] == DATE.decode()
    peer.send(b"nonsense\r\n\r\n")
    answer = peer.answer()
    assert (answer.status, answer.headers.get("date")) == (400, DATE.decode())
    assert peer.transcript.http.lower().count(b"\r\ndate:") == len(DATED) + 3
    events = conversation.connect().ask("/events/fields")
    assert events.headers.get("date") == DATE.decode()
