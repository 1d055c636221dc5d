"""The gate for answers: response hooks see each of them, once, before its head goes out."""

from __future__ import annotations

from anylane_conformance.cases import case
from anylane_conformance.contract.answers import stamped
from anylane_conformance.harness.conversation import Conversation

CHAPTER = "12 framework"

HANDSHAKE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)

DEFAULT = {"headers": (("x-default", "everywhere"),)}


def request(path: str, *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: a", *headers, "", ""]).encode()


CHUNKED = request("/form/body", "Transfer-Encoding: chunked", method="POST")

FORMS = {
    "a value": (request("/form/value"), 200),
    "the value of a def": (request("/form/def"), 200),
    "nothing": (request("/form/nothing"), 204),
    "a Response": (request("/form/response"), 203),
    "an iterator": (request("/form/items"), 200),
    "ctx.send": (request("/form/send"), 200),
    "ctx.stream": (request("/form/stream"), 200),
    "ctx.event_stream": (request("/form/events"), 200),
    "HTTPError": (request("/form/error"), 402),
    "404": (request("/form/nowhere"), 404),
    "405": (request("/form/value", method="DELETE"), 405),
    "OPTIONS": (request("/form/value", method="OPTIONS"), 204),
    "413 of a declared length": (
        request("/form/body", "Content-Length: 9999999", method="POST"),
        413,
    ),
    "413 in a body": (CHUNKED + b"ffffff\r\n", 413),
    "400 in a body": (CHUNKED + b"x\r\n", 400),
    "426": (request("/form/socket"), 426),
    "a refused origin": (request("/form/socket", *HANDSHAKE, "Origin: https://evil"), 403),
    "500": (request("/form/fail"), 500),
    "500 of a BaseException": (request("/form/base"), 500),
    "101 of accept": (request("/form/socket", *HANDSHAKE), 101),
    "101 of take_over": (request("/form/raw", "Connection: Upgrade", "Upgrade: x"), 101),
}
"""Each form of an answer: what is sent for it, and the status."""

NEEDS = {
    "413 in a body": "own_wire",  # It is refused by the size of a chunk that has not come.
    "400 in a body": "own_wire",
    "a refused origin": "denials",
    "101 of accept": "handshake_headers",
    "101 of take_over": "own_connections",
}
"""What a lane must have for some of them."""


def forms(conversation: Conversation) -> dict[str, tuple[bytes, int]]:
    """Return the forms that an answer can have on the lane of the conversation."""
    return {
        name: each
        for name, each in FORMS.items()
        if name not in NEEDS or conversation.has(NEEDS[name])
    }


def ask(conversation: Conversation, data: bytes) -> bytes:
    """Send one request on a connection of its own, and return the head of its answer."""
    peer = conversation.connect()
    peer.send(data)
    return peer.until(b"\r\n\r\n")


def status_seen(conversation: Conversation) -> list[str]:
    seen = list(conversation.stage.said)
    conversation.stage.said.clear()
    return seen


@case(CHAPTER, extra=stamped, config=DEFAULT, cuts=False)
def response_hooks_see_every_form_of_answer(conversation: Conversation) -> None:
    """The response hooks see an answer of any form once, with its status, before its head goes
    out. It has the default headers."""
    for form, (data, status) in forms(conversation).items():
        head = ask(conversation, data)
        assert head.startswith(b"HTTP/1.1 %d " % status), form
        assert b"\r\nx-status: %d\r\n" % status in head, form
        assert b"\r\nx-default: everywhere\r\n" in head, form
        assert status_seen(conversation) == [str(status)], form
    if not conversation.has("own_wire"):
        return
    head = ask(conversation, b"nonsense\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"\r\nx-default: everywhere\r\n" in head
    assert status_seen(conversation) == []


@case(CHAPTER, extra=stamped, request_timeout=0.5, timeouts={"body": 0.25}, cuts=False)
def response_hooks_see_answers_to_what_is_late(conversation: Conversation) -> None:
    """The 408 of a body that does not come and the 503 of a handler that takes too long are
    answers like any other."""
    for data, status in (
        (request("/form/body", "Content-Length: 9", method="POST"), 408),
        (request("/form/late"), 503),
    ):
        peer = conversation.connect()
        peer.send(data)
        conversation.pause(0.75)
        head = peer.until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert b"\r\nx-status: %d\r\n" % status in head
        assert status_seen(conversation) == [str(status)]


@case(CHAPTER, extra=stamped, request_timeout=0.2, cuts=False)
def response_hooks_may_refuse_the_503_of_a_deadline(conversation: Conversation) -> None:
    """An HTTPError out of a response hook is sent in the place of the 503, too, and any other
    failure is a logged 500."""
    for query, status in (("refuse", 409), ("break", 500)):
        peer = conversation.connect()
        peer.send(request(f"/form/late?{query}"))
        assert peer.until(b"\r\n\r\n").startswith(b"HTTP/1.1 %d " % status)
    assert conversation.helper().ask("/form/value").status == 200
    broken = [message for level, message in conversation.log if level == "error"]
    assert len(broken) == 1
    assert "stamp (" in broken[0]


@case(CHAPTER, extra=stamped, cuts=False)
def response_hooks_may_refuse_every_form_of_answer(conversation: Conversation) -> None:
    """An HTTPError out of a response hook is sent in the place of the answer, and any other
    failure is a 500."""
    paths = ("value", "response", "items", "send", "stream", "events", "error", "nowhere", "raw")
    for path in paths:
        for query, status in (("refuse", 409), ("break", 500)):
            data = request(f"/form/{path}?{query}", "Connection: Upgrade", "Upgrade: x")
            assert ask(conversation, data).startswith(b"HTTP/1.1 %d " % status), path
    denials = conversation.has("denials")
    for query, status in (("refuse", 409), ("break", 500)) if denials else ():
        head = ask(conversation, request(f"/form/socket?{query}", *HANDSHAKE))
        assert head.startswith(b"HTTP/1.1 %d " % status)
    broken = [message for level, message in conversation.log if level == "error"]
    assert len(broken) == len(paths) + denials
    assert all("stamp (" in message for message in broken)
