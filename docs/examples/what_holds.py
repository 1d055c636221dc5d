"""What docs/hosts.md asks of each host of one_app.py, and where it does not hold."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol


class Host(Protocol):
    """A host, as its clients see it."""

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
        """Send a request; return the status, the headers and the body of the answer."""
        ...

    def echo(self, message: str) -> str:
        """Send a message over a WebSocket, and return what comes back."""
        ...

    def events_after(self, *tell: Callable[[], object]) -> list[str]:
        """Join the room, call one function after the other, and return the events that come of
        each."""
        ...

    def leave(self) -> None:
        """Leave in the middle of an answer that never ends."""


def eventually(host: Host, what: str) -> None:
    """Wait until the app has seen something."""
    end = time.monotonic() + 10
    while what not in json.loads(host.ask("GET", "/seen")[2]):
        assert time.monotonic() < end, f"{what} was not seen"
        time.sleep(0.02)


def routes(host: Host) -> None:
    status, headers, body = host.ask("GET", "/hello/Ada")
    assert (status, json.loads(body)) == (200, {"hello": "Ada"})
    assert headers["x-app"] == "one"
    assert host.ask("GET", "/nowhere")[0] == 404


def plain_functions(host: Host) -> None:
    assert host.ask("GET", "/def")[2] == b"done"


def bodies(host: Host) -> None:
    assert json.loads(host.ask("POST", "/count", b"x" * 300_000)[2]) == {"bytes": 300_000}


def streams(host: Host) -> None:
    body = host.ask("GET", "/lines")[2]
    assert body.splitlines()[::999] == [b"line 0", b"line 999"]


def event_streams(host: Host) -> None:
    status, headers, body = host.ask("GET", "/events")
    assert headers["content-type"] == "text/event-stream"
    assert (status, body) == (200, b"data: 0\n\ndata: 1\n\ndata: 2\n\n")


def websockets(host: Host) -> None:
    assert host.echo("ä") == "ä"


def deadlines(host: Host) -> None:
    assert host.ask("GET", "/slow")[0] == 503


def life(host: Host) -> None:
    assert json.loads(host.ask("GET", "/seen")[2])[0] == "begun"


def background(host: Host) -> None:
    assert host.ask("POST", "/later")[2] == b"soon"
    eventually(host, "later")


def departures(host: Host) -> None:
    host.leave()
    eventually(host, "left")


def rooms(host: Host) -> None:
    # Often enough to come to each of several workers.
    tell = [partial(host.ask, "POST", "/room", b"%d" % number) for number in range(9)]
    assert host.events_after(*tell) == [*"012345678"]


def awaiting(library: str) -> Callable[[Host], None]:
    def check(host: Host) -> None:
        assert host.ask("GET", f"/await/{library}")[2] == b"awaited"

    return check


ROWS: dict[str, Callable[[Host], None]] = {
    "routes, parameters, JSON, hooks": routes,
    "`def` handlers": plain_functions,
    "a body read piece by piece": bodies,
    "an answer sent piece by piece": streams,
    "event streams": event_streams,
    "WebSockets": websockets,
    "a handler that takes too long is a 503": deadlines,
    "startup hooks, state": life,
    "background work, seen by a later request": background,
    "a client that leaves ends its handler, seen by a later request": departures,
    "clients share rooms and state": rooms,
    "a handler may await asyncio": awaiting("asyncio"),
    "a handler may await trio": awaiting("trio"),
    "a handler may await curio": awaiting("curio"),
}

LANES = ("asyncio", "uvloop", "anyio", "trio", "curio", "threads", "in memory")

NAMES = (*LANES, "ASGI", "Pyodide", "interpreters", "stdio")
"""The hosts, as the table calls them."""

ASYNCIO = ("asyncio", "uvloop", "anyio", "ASGI", "Pyodide", "interpreters", "stdio")
"""Hosts that run asyncio's loop."""

NO: dict[tuple[str, str], str] = {
    **{
        (f"a handler may await {library}", host): "its loop is not running"
        for library, own in (("asyncio", ASYNCIO), ("trio", ("trio",)), ("curio", ("curio",)))
        for host in NAMES
        if host not in own
    },
    **dict.fromkeys(
        [
            ("background work, seen by a later request", "stdio"),
            ("a client that leaves ends its handler, seen by a later request", "stdio"),
            ("clients share rooms and state", "stdio"),
        ],
        "a process for each connection",
    ),
    ("WebSockets", "Pyodide"): "a fetch event is none; 426",
    ("clients share rooms and state", "interpreters"): "a memory for each, as for each process",
}
"""The cells that do not hold, and why. Each is tried, and has to fail."""
