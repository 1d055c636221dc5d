"""Typed handlers: values, faults, answers, and what handlers depend on."""

from __future__ import annotations

import json
from typing import Any

from anylane_conformance.cases import case
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.peer import Peer

CHAPTER = "19 typed handlers"
JSON = "Content-Type: application/json"


def faults(answer: Any) -> list[list[str]]:
    """Return location, field and expectation of each fault that an answer names."""
    assert answer.status == 422
    assert answer.headers["content-type"] == "application/problem+json"
    errors = json.loads(answer.body)["errors"]
    return [[each["location"], each["field"], each["expected"]] for each in errors]


def notes(peer: Peer, count: int) -> list[str]:
    """Return the next so many notes of the stage."""
    return [peer.ask("/notes").body.decode() for _ in range(count)]


def post(peer: Peer, target: str, body: bytes, *headers: str) -> Any:
    """Send a body and return the answer."""
    peer.post(target, body, *headers)
    return peer.answer()


@case(CHAPTER)
def values_of_every_source(conversation: Conversation) -> None:
    """Parameters come from the path, the query, headers and cookies, converted, and have their
    defaults where the client leaves them out."""
    peer = conversation.connect()
    answer = peer.ask(
        "/typed/7/a?q=x%20y&day=2026-11-30&p=3&tag=1&tag=2", "X-Key: 1.5", "Cookie: sid=s"
    )
    assert json.loads(answer.body) == [7, "a", "x y", "2026-11-30", 3, [1, 2], 1.5, "s"]
    assert json.loads(peer.ask("/typed/7/b?q=").body) == [7, "b", "", None, 1, [], 0.5, "none"]
    assert json.loads(peer.ask("/typed-def?n=5").body) == [5, ""]
    assert peer.ask("/typed-inline?n=5").body == b"6"
    assert peer.ask("/typed-read?n=5", "X-B: yes").body == b"[5,true]"
    ws = conversation.websocket("/typed-ws/lobby?n=5")
    assert ws.receive() == "lobby 5"
    ws.closed()


@case(CHAPTER, "denials")
def all_faults_are_named_at_once(conversation: Conversation) -> None:
    """What is missing or wrong is one 422 that names every fault of the request (RFC 9110
    §15.5.21, RFC 9457); the connection goes on."""
    peer = conversation.connect()
    assert faults(peer.ask("/typed/7/c?day=x&p=0&tag=1&tag=y", "X-Key: nan")) == [
        ["path", "name", "one of a, b"],
        ["query", "q", "a text"],
        ["query", "day", "a date such as 2026-11-30"],
        ["query", "p", "an integer at least 1"],
        ["query", "tag", "an integer"],
        ["header", "x-key", "a number"],
    ]
    assert faults(post(peer, "/typed/orders?dry=2", b'{"price": -1, "tags": ["a", 1]}', JSON)) == [
        ["query", "dry", "true or false"],
        ["body", "id", "a value"],
        ["body", "price", "a number >= 0.0"],
        ["body", "tags.1", "a text"],
    ]
    assert faults(peer.ask("/typed-def?n=")) == [["query", "n", "an integer"]]
    assert faults(peer.ask("/typed-read?n=1.0")) == [["query", "n", "an integer"]]
    early = conversation.connect()
    early.handshake("/typed-ws/lobby?n=x")
    assert early.answer().status == 422


@case(CHAPTER)
def bodies_become_models(conversation: Conversation) -> None:
    """A JSON body is read into its model: broken JSON is 400, another media type 415 (RFC 9110
    §15.5.16), a body of the wrong form 422."""
    peer = conversation.connect()
    good = b'{"id": 1, "price": 2.5, "tags": ["a"]}'
    answer = post(peer, "/typed/orders?dry=1", good, JSON)
    assert answer.status == 201
    assert json.loads(answer.body) == {"id": 1, "price": 2.5, "tags": ["a"], "dry": True}
    assert post(peer, "/typed/orders-def", good, JSON).body == b"1"
    assert post(peer, "/typed/orders", good, "Content-Type: a/b+json").status == 201
    for broken in (b"{", b"", b'{"id": 1, "price": NaN}', b"\xef\xbb\xbf{}"):
        assert post(peer, "/typed/orders", broken, JSON).status == 400
    assert post(peer, "/typed/orders", good, "Content-Type: text/plain").status == 415


@case(CHAPTER)
def forms_become_values(conversation: Conversation) -> None:
    """Fields and files of a form are parameters, converted and checked."""
    peer = conversation.connect()
    urlencoded = "Content-Type: application/x-www-form-urlencoded"
    assert post(peer, "/typed/form", b"n=5&more=x&more=y", urlencoded).body == (
        b'[5,null,["x","y"]]'
    )
    assert faults(post(peer, "/typed/form", b"n=x&file=y", urlencoded)) == [
        ["form", "n", "an integer"]
    ]
    body = (
        b'--x\r\nContent-Disposition: form-data; name="n"\r\n\r\n7\r\n'
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        b"hello\r\n--x--\r\n"
    )
    multipart = "Content-Type: multipart/form-data; boundary=x"
    assert post(peer, "/typed/form", body, multipart).body == b'[7,"hello",[]]'
    assert post(peer, "/typed/form", b"{}", JSON).status == 415


@case(CHAPTER)
def answers_have_the_fields_of_their_annotation(conversation: Conversation) -> None:
    """What goes out has exactly the fields of the annotated type, at every depth; items of an
    iterator are lines of JSON. What does not fit is a 500 that names the field in the log."""
    peer = conversation.connect()
    assert peer.ask("/typed/user").body == b'{"name":"a","age":1}'
    assert peer.ask("/typed/team").body == (
        b'{"lead":{"name":"a","age":0},"members":[{"name":"b","age":0}]}'
    )
    for path in ("/typed/lines", "/typed/lines-def"):
        answer = peer.ask(path)
        assert answer.headers["content-type"] == "application/jsonl"
        assert answer.body == b'{"name":"a","age":0}\n{"name":"b","age":0}\n'
    assert peer.ask("/typed/wrong").status == 500
    assert "['name'] is a int: 5; expected a str" in conversation.log[-1][1]


@case(CHAPTER)
def the_annotation_decides_the_status(conversation: Conversation) -> None:
    """A Response has the fields of its annotation, and its own status and headers. Of a union, the
    member that the value fits decides the status. What fits no member is a 500."""
    peer = conversation.connect()
    answer = peer.ask("/typed/response/found")
    assert (answer.status, answer.headers["location"]) == (201, "/1")
    assert answer.headers["content-type"] == "application/json"
    assert answer.body == b'{"name":"a","age":1}'
    answer = peer.ask("/typed/response/missing")
    assert (answer.status, answer.body) == (404, b'{"detail":"none"}')
    assert peer.ask("/typed/response/wrong").status == 500
    for path in ("/typed/union", "/typed/union-def"):
        answer = peer.ask(f"{path}/found")
        assert (answer.status, answer.body) == (203, b'{"name":"a","age":1}')
        answer = peer.ask(f"{path}/missing")
        assert (answer.status, answer.body) == (404, b'{"detail":"none"}')
        assert peer.ask(f"{path}/wrong").status == 500
        assert "is a int: 5; expected User or Missing" in conversation.log[-1][1]


OPENED = ["open first", "open second"]
CLOSED = ["close second: end", "close first: end"]


@case(CHAPTER, cuts=False)
def dependencies_are_given_back_in_reverse(conversation: Conversation) -> None:
    """Dependencies are made in order and given back in reverse, before the answer's head goes out;
    the handler's failure is raised at their yield."""
    peer, helper = conversation.connect(), conversation.helper()
    for path in ("/depends/whole", "/depends-def/whole"):
        assert peer.ask(f"{path}?n=5").body == b"first5 second"
        assert notes(helper, 4) == OPENED + CLOSED
    for path, status, name in (
        ("/depends/refused", 409, "HTTPError"),
        ("/depends/failing", 500, "KeyError"),
        ("/depends-def/failing", 500, "KeyError"),
    ):
        assert peer.ask(path).status == status
        assert notes(helper, 4) == [*OPENED, f"close second: {name}", f"close first: {name}"]
    assert peer.ask("/depends-teardown").status == 500
    assert notes(helper, 4) == [*OPENED, "close second: ValueError", "close first: ValueError"]
    assert peer.ask("/depends/whole?n=x").status == 422
    assert peer.ask("/depends/whole").status == 200
    assert notes(helper, 4) == OPENED + CLOSED


@case(CHAPTER, cuts=False)
def streams_and_websockets_keep_their_dependencies(conversation: Conversation) -> None:
    """Dependencies of a stream, an event stream and a WebSocket are given back when it ends, also
    where the client leaves."""
    helper = conversation.helper()
    assert conversation.connect().ask("/depends-items").body == b"first0 second"
    assert notes(helper, 5) == [*OPENED, "item", *CLOSED]
    reader = conversation.connect()
    reader.get("/depends-events")
    reader.until(b"second")
    assert notes(helper, 2) == OPENED
    reader.leave()
    assert notes(helper, 2) == ["close second: Disconnected", "close first: Disconnected"]
    ws = conversation.websocket("/depends-ws")
    ws.send("hi")
    assert ws.receive() == "first0 second 'hi'"
    assert notes(helper, 2) == OPENED
    ws.close()
    ws.closed(answer=False)
    ended = notes(helper, 2)
    if conversation.has("own_frames"):
        assert ended == CLOSED


@case(CHAPTER, request_timeout=0.3, cuts=False)
def an_interrupted_handler_gives_back(conversation: Conversation) -> None:
    """The interruption of a handler is raised at the yield of its dependencies, and what they do
    behind it may wait."""
    peer, helper = conversation.connect(), conversation.helper()
    assert peer.ask("/depends-stuck").status == 503
    assert notes(helper, 3) == ["open patient", "gave back", "close patient: interruption"]


@case(CHAPTER, "parallel_blocking", request_timeout=0.3, timeouts={"close": 5.0}, cuts=False)
def what_a_thread_uses_is_given_back_behind_it(conversation: Conversation) -> None:
    """A function that blocks beyond the deadline keeps what its handler was given until it ends.
    The client does not wait for that."""
    for path in ("/depends-blocked", "/depends-blocked-async"):
        peer, helper = conversation.connect(), conversation.helper()
        assert peer.ask(path).status == 503
        assert notes(helper, 1) == ["open lent"]
        conversation.pause(0.1)
        assert [*conversation.stage.said] == []
        conversation.stage.blocker.set()
        assert notes(helper, 2) == ["use lent", "close lent: interruption"]
        conversation.stage.blocker.clear()


@case(CHAPTER, timeouts={"close": 0.2}, cuts=False)
def giving_back_has_its_time(conversation: Conversation) -> None:
    """All that is given back for one request has `Timeouts.close` together; what is cut off then is
    logged, and the connection goes on."""
    peer = conversation.connect()
    for _ in range(2):
        answer = peer.ask("/depends-stubborn")
        assert (answer.status, answer.body) == (200, b"more stubborn")
    cut_off = [message for _, message in conversation.log if "was cut off" in message]
    assert len(cut_off) == 4


@case(CHAPTER, "own_connections", cuts=False)
def the_scope_response_ends_behind_the_last_byte(conversation: Conversation) -> None:
    """What lives as long as the response is given back behind its last byte, and before the next
    request of the connection is begun."""
    peer, helper = conversation.connect(), conversation.helper()
    peer.send(b"GET /depends-late HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
    assert [peer.answer().body, peer.answer().body] == [b"late", b"late"]
    assert notes(helper, 4) == ["open late", "close late: end"] * 2


@case(CHAPTER, cuts=False)
def slow_readers_hold_no_dependency(conversation: Conversation) -> None:
    """Of a pool of two connections, ten clients that do not read their answers hold none: each
    was given back before the head went out."""
    readers = [conversation.connect(receive_buffer=4096) for _ in range(10)]
    for reader in readers:
        reader.hold()
        reader.get("/depends-pool")
    for reader in readers:
        reader.release()
        answer = reader.answer()
        assert (answer.status, len(answer.body)) == (200, 65536 * 32)
