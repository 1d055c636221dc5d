"""Applications of other kinds inside of an App: ASGI and WSGI."""

from __future__ import annotations

import json

from anylane_conformance.cases import case
from anylane_conformance.contract.life import foreign
from anylane_conformance.harness.conversation import Conversation

CHAPTER = "18 neighbours"


@case(CHAPTER, extra=foreign.mounted)
def mounted_asgi_application_sees_the_request(conversation: Conversation) -> None:
    """A mounted ASGI application gets the whole path, the prefix as its root_path, and the state
    of its lifespan."""
    peer = conversation.connect()
    answer = peer.ask("/asgi/scope?a=%20b")
    assert json.loads(answer.body) == {
        "method": "GET",
        "path": "/asgi/scope",
        "raw_path": "/asgi/scope",
        "root_path": "/asgi",
        "query": "a=%20b",
        "state": {"life": "begun"},
        "host": "conformance",
    }
    assert answer.headers["content-type"] == "application/json"


@case(CHAPTER, extra=foreign.mounted)
def mounted_asgi_application_answers(conversation: Conversation) -> None:
    """Whole answers, streams, several cookies and trailers go out as a mounted ASGI application
    sends them, and the hooks around it see each."""
    peer = conversation.connect()
    assert peer.ask("/asgi/scope").headers["x-seen"] == "200"
    peer.post("/asgi/echo", b"some body")
    echoed = peer.answer()
    assert (echoed.body, echoed.headers["x-seen"]) == (b"some body", "200")
    cookies = peer.ask("/asgi/cookies")
    assert (cookies.status, cookies.headers["x-seen"]) == (201, "201")
    assert b"a=1" in peer.transcript.http
    assert b"b=2" in peer.transcript.http
    if conversation.has("interim_and_trailers"):
        assert peer.ask("/asgi/trailers").body == b"body"


@case(CHAPTER, extra=foreign.mounted)
def mounted_asgi_application_fails(conversation: Conversation) -> None:
    """What a mounted ASGI application raises, and an answer that it does not give, are a 500 with a
    line in the log."""
    peer = conversation.connect()
    for path in ("/asgi/raises", "/asgi/nothing"):
        assert peer.ask(path).status == 500
    said = conversation.told()
    assert "the neighbour's own" in said
    assert "returned without an answer" in said


@case(CHAPTER, extra=foreign.mounted)
def mounted_asgi_application_holds_websockets(conversation: Conversation) -> None:
    """WebSockets of a mounted ASGI application work: subprotocols, text, bytes, its own close."""
    ws = conversation.websocket("/asgi/ws", "Sec-WebSocket-Protocol: chat")
    ws.send("hi")
    assert ws.receive() == "hi"
    ws.send(b"\0")
    assert ws.receive() == b"\0"
    ws.send("close")
    assert ws.closed() == (4001, "asked to")


@case(CHAPTER, extra=foreign.mounted)
def mounted_wsgi_application_answers(conversation: Conversation) -> None:
    """A mounted WSGI application gets prefix and path apart, reads the body as it comes, and
    streams its answer."""
    peer = conversation.connect()
    answer = peer.ask("/wsgi/environ?x=1")
    assert json.loads(answer.body) == {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "/wsgi",
        "PATH_INFO": "/environ",
        "QUERY_STRING": "x=1",
        "HTTP_HOST": "conformance",
    }
    assert answer.headers["x-seen"] == "200"
    peer.post("/wsgi/echo", b"some body")
    assert peer.answer().body == b"some body"
    assert peer.ask("/wsgi/nowhere").status == 404
    assert peer.ask("/wsgi/raises").status == 500
