"""Parts that tell of the server: Metrics for Prometheus, Health for probes."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from anylane_conformance.cases import case
from anylane_conformance.cases.gate import FORMS, ask, forms
from anylane_conformance.contract.parts import figures
from anylane_conformance.harness.conversation import Conversation

CHAPTER = "18 parts"

PATIENCE = 10.0
"""Seconds for a figure to appear on a loaded machine: a client may have its answer before it is
counted."""


def scraped(conversation: Conversation) -> dict[str, float]:
    """Return what Prometheus would read, by name and labels."""
    answer = conversation.helper().ask("/metrics", "Connection: close")
    assert answer.status == 200
    lines = answer.body.decode().splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")
    }


def expect(conversation: Conversation, **figures: float) -> None:
    """Read the metrics until they have these figures; the names are without their prefix."""
    end = time.monotonic() + PATIENCE
    while True:
        found = scraped(conversation)
        got = {name: found.get(f"anylane_{name}") for name in figures}
        if got == figures:
            return
        assert time.monotonic() < end, got
        conversation.pause(0.01)


@case(CHAPTER, extra=figures.with_metrics, cuts=False)
def metrics_count_every_form_of_answer(conversation: Conversation) -> None:
    """An answer of any form is counted once, by method, pattern of the route and status. What has
    no route has one label, whatever its path and method."""
    wanted: dict[str, int] = {}
    for form, (data, status) in forms(conversation).items():
        assert ask(conversation, data).startswith(b"HTTP/1.1 %d " % status), form
        method, path = data.split(b" ")[:2]
        route = path.decode().partition("?")[0]
        if status in (404, 405, 426) or method == b"OPTIONS":
            route = "unmatched"
        name = f'method="{method.decode()}",route="{route}",status="{status}"'
        name = f"requests_total{{{name}}}"
        wanted[name] = wanted.get(name, 0) + 1
    for number in range(3):
        line = b"BREW%d /pot/%d HTTP/1.1\r\nHost: a\r\n\r\n" % (number, number)
        assert ask(conversation, line).startswith(b"HTTP/1.1 404 ")
    wanted['requests_total{method="other",route="unmatched",status="404"}'] = 3
    for peer in conversation.peers:  # The sessions among them end here.
        peer.leave()
    expect(conversation, **wanted)
    counted = [name for name in scraped(conversation) if "_requests_total" in name]
    assert len(counted) == len(wanted)


@case(CHAPTER, extra=figures.with_metrics, cuts=False)
def metrics_time_answers_and_streams_to_their_end(conversation: Conversation) -> None:
    """The latency of an answer or stream runs to its last byte. Event streams, WebSockets and raw
    streams last as long as their clients stay, and are not timed."""
    names = ("value", "stream", "events", "socket")
    paths = [f"/form/{name}" for name in names]
    for form in ("a value", "ctx.stream", "ctx.event_stream", "101 of accept"):
        ask(conversation, FORMS[form][0])
    for peer in conversation.peers:
        peer.leave()
    timed = {
        f'request_duration_seconds_count{{method="GET",route="{path}"}}': float(
            name in ("value", "stream")
        )
        for name, path in zip(names, paths, strict=True)
    }
    expect(conversation, **timed)


@case(CHAPTER, "own_connections", extra=figures.with_metrics, cuts=False)
def metrics_show_what_is_open_and_its_bytes(conversation: Conversation) -> None:
    """Connections, requests that run and WebSockets are shown while they are open, and bytes of
    their messages too."""
    ws = conversation.websocket("/echo")
    ws.send("hello")
    assert ws.receive() == "hello"
    # Those that read the metrics have a connection, too, and are not counted otherwise.
    expect(
        conversation,
        websockets_open=1,
        requests_in_progress=1,
        connections_open=2,
        received_bytes_total=5,
        sent_bytes_total=7,
        draining=0,
    )
    ws.close()
    ws.closed(answer=False)
    expect(conversation, websockets_open=0, requests_in_progress=0, connections_open=1)


@case(CHAPTER, extra=figures.with_metrics, cuts=False)
def metrics_show_what_receivers_have_lost(conversation: Conversation) -> None:
    """A room that is watched shows its receivers and the items that they lost."""
    room = conversation.stage.strict
    with room.subscribe():
        for number in range(room.capacity):
            room.send(str(number))
        expect(
            conversation,
            **{
                'broadcast_receivers{room="strict"}': 1,
                'broadcast_lost_total{room="strict"}': 0,
            },
        )
        room.send("one more")
    expect(
        conversation,
        **{'broadcast_receivers{room="strict"}': 0, 'broadcast_lost_total{room="strict"}': 1},
    )


@case(CHAPTER, extra=figures.with_metrics, cuts=False)
def metrics_are_read_by_get_and_head(conversation: Conversation) -> None:
    """The metrics are an answer to GET and HEAD that is not to be kept, in the format that the
    client accepts. Other methods are refused."""
    peer = conversation.helper()  # What it reads differs each time.
    text = peer.ask("/metrics")
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert text.headers["cache-control"] == "no-store"
    assert re.search(rb"^anylane_connections_open [1-9]", text.body, re.MULTILINE)
    openmetrics = peer.ask("/metrics", "Accept: application/openmetrics-text; version=1.0.0")
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
    assert openmetrics.body.endswith(b"# EOF\n")
    peer.get("/metrics", method="HEAD")
    assert peer.answer(to_head=True).status == 200
    peer.get("/metrics", method="PUT")
    refused = peer.answer()
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")


# -- Health ---------------------------------------------------------------------------------------


def told(answer: Any) -> dict[str, Any]:
    """Return what a probe was told."""
    assert answer.headers["cache-control"] == "no-store"
    found = json.loads(answer.body)
    assert isinstance(found, dict)
    return found


@case(CHAPTER, extra=figures.with_health, cuts=False)
def health_tells_real_figures(conversation: Conversation) -> None:
    """A server that lives says so, with what it holds: memory, connections, exchanges, the time
    since it began."""
    peer = conversation.helper()
    first = told(peer.ask("/health"))
    assert (first["status"], first["draining"]) == ("ok", False)
    assert 0 < first["memory"]["resident"] < first["memory"]["limit"]
    assert (first["connections"], first["exchanges"], first["websockets"]) == (1, 1, 0)
    conversation.websocket("/echo")
    conversation.pause(0.05)
    then = told(peer.ask("/health"))
    assert (then["connections"], then["exchanges"], then["websockets"]) == (2, 2, 1)
    assert then["uptime"] >= first["uptime"] + 0.05
    assert [then[each] for each in ("lane", "pid")] == [first[each] for each in ("lane", "pid")]


@case(CHAPTER, extra=figures.with_health, cuts=False)
def a_server_is_ready_while_its_checks_are_well(conversation: Conversation) -> None:
    """A server is ready while each check returns None or True, be it a function that blocks or
    waits. One that is not well makes it 503, and the reason has no text of an exception."""
    peer = conversation.helper()
    ready = peer.ask("/ready")
    found = told(ready)
    assert (ready.status, found["status"]) == (200, "ready")
    assert {each["status"] for each in found["checks"].values()} == {"ok"}
    for which, name, reason in (
        (figures.WITH_A_CONTEXT, "waits", "returned False"),
        (figures.WITHOUT, "plain", "raised ValueError"),
    ):
        conversation.stage.kept = which
        answer = peer.ask("/ready")
        found = told(answer)
        assert (answer.status, found["status"]) == (503, "not ready")
        failed = {key: each for key, each in found["checks"].items() if each["status"] != "ok"}
        assert {key: each["reason"] for key, each in failed.items()} == {name: reason}
        assert b"secret" not in answer.body
        assert peer.ask("/health").status == 200
    conversation.stage.kept = None
    assert peer.ask("/ready").status == 200
    levels = [level for level, message in conversation.log if "health check" in message]
    # One recovers while the other fails, in no order: both run at once.
    assert sorted(levels) == ["info", "info", "warning", "warning"]


@case(CHAPTER, extra=figures.with_late_checks, cuts=False)
def a_check_that_is_late_fails_and_runs_once(conversation: Conversation) -> None:
    """A check that takes longer than it may is not waited for. Probes that come meanwhile share
    its result, and so do those that come soon after."""
    peers = [conversation.helper() for _ in range(5)]
    for peer in peers:
        peer.get("/ready")
    conversation.pause(0.3)
    for peer in peers:
        answer = peer.answer()
        reason = told(answer)["checks"]["waits"]["reason"]
        assert (answer.status, reason) == (503, "took longer than 0.25 s")
    assert peers[0].ask("/ready").status == 503
    assert conversation.stage.produced == 1


@case(
    CHAPTER,
    "parallel_blocking",
    extra=figures.with_a_blocking_check,
    cuts=False,
    config={"max_threads": 1},
)
def a_check_that_blocks_holds_no_thread_of_handlers(conversation: Conversation) -> None:
    """A check that blocks for long delays neither its probe nor a handler, and is not run again
    until it has ended."""
    peer = conversation.helper()
    for _ in range(3):
        answer = peer.ask("/ready")
        assert answer.status == 503
        assert peer.ask("/def/1").status == 200
    assert conversation.stage.produced == 1
    conversation.stage.blocker.set()
    end = time.monotonic() + PATIENCE
    while peer.ask("/ready").status != 200:
        assert time.monotonic() < end
        conversation.pause(0.02)


@case(CHAPTER, "own_drain", extra=figures.with_health, cuts=False)
def a_server_that_drains_lives_and_is_not_ready(conversation: Conversation) -> None:
    """A server that drains is not ready, whatever its checks say, and lives. A client that had
    connected just before can see that."""
    living, ready = conversation.helper(), conversation.helper()
    assert conversation.steady(lambda: conversation.connections) == 2
    conversation.drain()
    for peer, path, status, word in (
        (living, "/health", 200, "ok"),
        (ready, "/ready", 503, "draining"),
    ):
        answer = peer.ask(path)
        assert (answer.status, told(answer)["status"]) == (status, word)
