"""What is told of requests while they run: the ids in the lines of a log, and spans."""

from __future__ import annotations

import json
import time
from typing import Any

from anylane_conformance.cases import case
from anylane_conformance.cases.gate import ask, forms, request
from anylane_conformance.cases.web import wait_for, with_header
from anylane_conformance.contract.parts import telemetry
from anylane_conformance.harness.conversation import Conversation

CHAPTER = "18 parts"

RUNS = {
    "/runs/async": ["async", "run_sync", "response hook", "background", "background def"],
    "/runs/def": ["def", "ctx.call", "def again", "response hook"],
    "/runs/items": ["async generator", "response hook", "async generator again"],
    "/runs/def-items": ["generator", "response hook", "generator again"],
    "/runs/events": ["response hook", "event stream"],
}
"""Target -> where the code of the app is that notes something, behind the request hook."""


@case(CHAPTER, "own_connections", extra=telemetry.with_lines, cuts=False)
def lines_have_the_ids_of_connection_and_request(conversation: Conversation) -> None:
    """Each line that is logged for a request has the number of its connection and an id of its own:
    in hooks and handlers, in threads, generators and background work. The hooks of a connection
    have its number alone."""
    stage = conversation.stage
    numbers: set[int] = set()
    for _ in range(2):
        peer = conversation.connect()
        ids: set[str] = set()
        own: set[int] = set()
        for path, places in RUNS.items():
            assert peer.ask(path).status == 200
            records = lines(conversation, len(places) + 1, "request hook", *places)
            assert [each["message"] for each in records] == ["request hook", *places]
            ((number, request_id),) = {
                (each["connection_id"], each["request_id"]) for each in records
            }
            ids.add(request_id)
            own.add(number)
            (hook,) = [each for each in told(stage.said) if each["message"] == "on_connect"]
            assert hook["connection_id"] == number
            assert "request_id" not in hook
        assert len(ids) == len(RUNS)
        assert {each.partition("-")[0] for each in ids} == {str(each) for each in own}
        assert len(own) == 1
        numbers |= own
        stage.said.clear()
    socket = conversation.websocket("/runs/socket")
    for text in ("a", "b"):
        socket.send(text)
        assert socket.receive() == text
    records = [each for each in lines(conversation, 2, "socket") if each["message"] == "socket"]
    assert len({each["request_id"] for each in records}) == 1
    numbers.add(records[0]["connection_id"])
    assert len(numbers) == 3
    stage.said.clear()
    socket.close()
    socket.closed(answer=False)
    for peer in conversation.peers:
        peer.leave()
    left = lines(conversation, 3, "on_disconnect")
    assert {each["connection_id"] for each in left} == numbers
    assert not any("request_id" in each for each in left)


def told(said: list[str]) -> list[dict[str, Any]]:
    """Return the notes that are objects."""
    return [json.loads(each) for each in said if each.startswith("{")]


def lines(conversation: Conversation, count: int, *messages: str) -> list[dict[str, Any]]:
    """Return the last lines with one of these messages, once there are so many."""
    end = time.monotonic() + 10
    while True:
        found = [each for each in told(conversation.stage.said) if each["message"] in messages]
        if len(found) >= count and found[-count]["message"] == messages[0]:
            return found[-count:]
        assert time.monotonic() < end, found
        conversation.pause(0.02)


# --- spans --------------------------------------------------------------------------------------

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def span_of(conversation: Conversation) -> dict[str, Any]:
    """Return the one span that has ended, once it has."""
    (found,) = wait_for(conversation, 1, "{")
    span: dict[str, Any] = json.loads(found)
    conversation.stage.said.clear()
    return span


@case(CHAPTER, extra=telemetry.with_spans, cuts=False)
def spans_tell_of_every_form_of_answer(conversation: Conversation) -> None:
    """An answer of any form has one span, with the method and the pattern of the route as its name,
    with its status, and with the caller's span as its parent. A status from 500 on is an error."""
    asked = forms(conversation)
    for form, (data, status) in asked.items():
        peer = conversation.connect()
        peer.send(with_header(data, f"traceparent: {PARENT}"))
        assert peer.until(b"\r\n\r\n").startswith(b"HTTP/1.1 %d " % status), form
        if status == 101:
            peer.leave()
        span = span_of(conversation)
        method, path = data.decode().split(" ")[:2]
        routed = status not in (404, 405, 426) and method != "OPTIONS"
        assert span["name"] == (f"{method} {path}" if routed else method), form
        assert span["kind"] == "SERVER", form
        assert f"00-{span['trace']}-{span['parent']}-01" == PARENT, form
        attributes = span["attributes"]
        assert attributes["http.response.status_code"] == status, form
        assert attributes["http.request.method"] == method, form
        assert attributes["url.path"] == path, form
        assert attributes.get("http.route") == (path if routed else None), form
        assert span["status"] == ("ERROR" if status >= 500 else "UNSET"), form
        kinds = {"500": ["KeyError"], "500 of a BaseException": ["GeneratorExit"]}
        assert span["exceptions"] == kinds.get(form, []), form
        expected = kinds[form][0] if form in kinds else None
        assert attributes.get("error.type") == expected, form
    counted = conversation.helper().ask("/telemetry").body
    measured = sum(status != 101 for _, status in asked.values())
    assert json.loads(counted) == {"active": 0, "measured": measured}


@case(CHAPTER, extra=telemetry.with_spans, cuts=False)
def spans_are_current_wherever_their_handlers_run(conversation: Conversation) -> None:
    """The span of a request is the current one in its hooks, its handler, its threads, its
    generators and its background work, and in no other request's."""
    peer = conversation.connect()
    for path, places in RUNS.items():
        assert peer.ask(path).status == 200
        notes = [f"{place} " for place in places]
        for note in notes:
            wait_for(conversation, 1, note)
        said = list(conversation.stage.said)
        span = span_of(conversation)
        assert span["name"] == f"GET {path}"
        assert span["parent"] is None
        for note in ("request hook ", *notes):
            assert f"{note}{span['span']}" in said, (path, said)
    socket = conversation.websocket("/runs/socket", f"traceparent: {PARENT}")
    for text in ("a", "b"):
        socket.send(text)
        assert socket.receive() == text
    said = list(conversation.stage.said)
    assert not any(each.startswith("{") for each in said), "it ends with the WebSocket"
    socket.close()
    socket.closed(answer=False)
    span = span_of(conversation)
    assert said[-2:] == [f"socket {span['span']}"] * 2
    assert f"00-{span['trace']}-{span['parent']}-01" == PARENT


@case(
    CHAPTER,
    extra=telemetry.with_spans,
    request_timeout=0.5,
    timeouts={"body": 0.25},
    cuts=False,
)
def spans_tell_of_what_is_late(conversation: Conversation) -> None:
    """The 408 of a body that does not come, and the 503 of a handler that takes too long, have
    spans, the second one of an error."""
    for data, status in (
        (request("/form/body", "Content-Length: 9", method="POST"), 408),
        (request("/form/late"), 503),
    ):
        peer = conversation.connect()
        peer.send(data)
        conversation.pause(0.75)
        assert peer.until(b"\r\n\r\n").startswith(b"HTTP/1.1 %d " % status)
        span = span_of(conversation)
        assert span["attributes"]["http.response.status_code"] == status
        assert span["attributes"].get("error.type") == ("503" if status == 503 else None)
        assert span["status"] == ("ERROR" if status == 503 else "UNSET")


@case(CHAPTER, extra=telemetry.with_spans, cuts=False, compare=False)
def spans_end_when_clients_leave(conversation: Conversation) -> None:
    """The span of a request ends although its client resets the connection, in the middle of a body
    or of a WebSocket's message, and the request does not count as one that runs any more."""
    half = request("/form/body", "Content-Length: 9", method="POST") + b"abc"
    peer = conversation.connect()
    peer.send(half)
    conversation.pause(0.1)
    peer.reset()
    span = span_of(conversation)
    assert span["name"] == "POST /form/body"
    assert span["attributes"]["error.type"] == "disconnected"
    assert span["status"] == "UNSET"
    socket = conversation.websocket("/runs/socket")
    socket.peer.send(b"\x81")
    socket.peer.reset()
    span = span_of(conversation)
    assert span["attributes"]["http.response.status_code"] == 101
    assert "error.type" not in span["attributes"]
    counted = json.loads(conversation.helper().ask("/telemetry").body)
    assert counted["active"] == 0


def _unknown(number: int) -> bytes:
    return request(f"/pot/{number}", method=f"BREW{number}")


@case(CHAPTER, extra=telemetry.with_spans, cuts=False)
def spans_have_names_that_no_client_makes_up(conversation: Conversation) -> None:
    """What has no route, or an unknown method, has one name whatever the client has sent."""
    for number in range(2):
        assert ask(conversation, _unknown(number)).startswith(b"HTTP/1.1 404 ")
        span = span_of(conversation)
        assert span["name"] == "HTTP"
        assert span["attributes"]["http.request.method"] == "_OTHER"
        assert span["attributes"]["http.request.method_original"] == f"BREW{number}"
        assert "http.route" not in span["attributes"]
