"""What routers say about the errors of their routes, and of what lies below their prefix."""

from __future__ import annotations

import json

from anylane_conformance.cases import case
from anylane_conformance.contract.routing.errors import answered, written
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.peer import Answer

CHAPTER = "12 framework"

HANDSHAKE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


def ask(conversation: Conversation, target: str, *headers: str, method: str = "GET") -> Answer:
    peer = conversation.connect()
    peer.get(target, *headers, method=method)
    return peer.answer()


@case(CHAPTER, extra=written, cuts=False)
def errors_without_a_route_are_written_as_their_router_says(conversation: Conversation) -> None:
    """404, 405, 413 and 426 below the prefix of a router are written as the innermost router says
    that says something."""
    for prefix, kind in (
        ("/written/json", "application/problem+json"),
        ("/written/json/any/unsaid", "application/problem+json"),
        ("/written/json/text", "text/plain; charset=utf-8"),
    ):
        for path, method, headers, status in (
            ("/nowhere", "GET", (), 404),
            ("/page", "DELETE", (), 405),
            ("/page", "GET", ("Content-Length: 6",), 413),
            ("/socket", "GET", (), 426),
            ("/page", "GET", ("Accept: text/plain",), 200),
            ("/nowhere", "GET", ("Accept: text/plain, application/json;q=0.5",), 404),
        ):
            answer = ask(conversation, prefix + path, *headers, method=method)
            assert answer.status == status, (prefix, path)
            if status >= 400:
                assert answer.headers["content-type"] == kind, (prefix, path)
    for outside in ("/written/nowhere", "/written/jsonx/nowhere", "/nowhere"):
        answer = ask(conversation, outside, "Accept: application/json")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8", outside
    answer = ask(conversation, "/written/json/page", method="PUT")
    assert json.loads(answer.body) == {"title": "Method Not Allowed", "status": 405}


@case(CHAPTER, extra=answered, cuts=False)
def routers_answer_the_exceptions_of_their_routes(conversation: Conversation) -> None:
    """The exception handlers of a router come before those of the routers around it and of the
    app; inside one router the nearest class wins. An HTTPError has to be asked for by name."""
    expected = {
        "/answered/inner": {
            "lookup": "inner: LookupError",
            "key": "inner: KeyError",
            "sold-out": "inner: _SoldOutError",
            "value": "panic: ValueError",
            "type": "panic: TypeError",
            "http": "outer: 402",
            "group": "outer: 402",
        },
        "/answered/bare": {
            "lookup": "inner: LookupError",
            "key": "inner: KeyError",
            "value": "app: ValueError",
            "http": "outer: 402",
        },
        "/answered": {
            "lookup": "outer: LookupError",
            "key": "outer: KeyError",
            "index": "outer: IndexError",
            "sold-out": "outer: _SoldOutError",
            "value": "app: ValueError",
            "http": "outer: 402",
        },
    }
    for prefix, kinds in expected.items():
        for how in ("async", "def", "items"):
            for kind, text in kinds.items():
                answer = ask(conversation, f"{prefix}/{how}/{kind}")
                assert answer.body.decode() == text, (prefix, how, kind)
                error = text.partition(": ")[2].replace("402", "HTTPError")
                assert answer.headers["x-error"] == error
    for kind, text in (("sold-out", "_SoldOutError"), ("value", "ValueError")):
        answer = ask(conversation, f"/answered-by-the-app/{kind}")
        assert answer.body.decode() == f"app: {text}"
    assert ask(conversation, "/answered-by-the-app/key").status == 500


@case(CHAPTER, extra=answered, cuts=False)
def routers_answer_what_their_hooks_raise_and_what_has_no_route(
    conversation: Conversation,
) -> None:
    """The exception handlers of a router with a prefix answer what hooks of its routes raise, and
    the 404 and 405 of all that lies below it."""
    assert ask(conversation, "/answered/inner/async/key?guard").body == b"inner: LookupError"
    assert ask(conversation, "/answered/nowhere").body == b"outer: 404"
    assert ask(conversation, "/answered/inner/nowhere?guard").body == b"inner: LookupError"
    assert ask(conversation, "/answered/async/key", method="PUT").body == b"outer: 405"
    assert ask(conversation, "/nowhere").body == b"app: HTTPError"


@case(CHAPTER, extra=answered, cuts=False)
def panic_hook_of_a_router_is_the_last_of_its_own(conversation: Conversation) -> None:
    """A router's handler for Exception is its panic hook: what it answers is logged. If it fails
    itself that is one 500, which no other handler is asked for."""
    assert ask(conversation, "/answered/inner/async/type").body == b"panic: TypeError"
    assert ask(conversation, "/answered/inner/async/twice").status == 500
    refused = ask(conversation, "/answered/inner/async/refuse")
    assert (refused.status, refused.body) == (409, b"409 Conflict: the handler's own\n")
    lines = [message for level, message in conversation.log if level == "error"]
    assert [line.rpartition(": ")[2] for line in lines] == [
        "TypeError()",
        "TypeError('twice')",
        "ArithmeticError()",
        "TypeError('refuse')",
    ]
    assert "panic (" in lines[2]


@case(CHAPTER, "denials", extra=answered, cuts=False)
def routers_answer_for_their_websockets_until_they_are_accepted(
    conversation: Conversation,
) -> None:
    """A router's exception handler rejects a handshake; behind the 101, and once a stream has
    begun, there is nothing to answer any more."""
    answer = ask(conversation, "/answered/inner/socket/key", *HANDSHAKE)
    assert (answer.status, answer.body) == (410, b"inner: KeyError")
    ws = conversation.websocket("/answered/inner/socket/key?accept")
    assert ws.closed()[0] == 1011
    peer = conversation.connect()
    peer.get("/answered/inner/late/key")
    assert peer.answer(to_head=True).status == 200
    assert peer.rest().endswith(b"begun\r\n")
    assert not any("inner: " in message for _, message in conversation.log)
