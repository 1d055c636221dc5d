"""Every transition of every table happens in some conversation; what never happens is not there."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import pytest

from anylane import App, Limits, ServerConfig, Timeouts
from anylane.protocol.http1 import machine, payload
from anylane.protocol.http1.states import READING, WRITING, ReadEvent, Reading, WriteEvent, Writing
from anylane.protocol.websocket import session as websocket
from anylane.protocol.websocket.phases import PHASES, Phase, PhaseEvent
from anylane.testing import Lockstep

Seen = set[tuple[Enum, Enum]]
Script = list[bytes | float | str]

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
SLOW = b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"
STREAM = b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"
UNREAD = b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"
CHUNKED = b"POST /unread HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def upgrade(path: bytes) -> bytes:
    return (
        b"GET %s HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" % path
    )


HELLO = b"\x81\x81\0\0\0\0x"
GOODBYE = b"\x88\x80\0\0\0\0"

SCRIPTS: list[Script] = [
    [GET, POST, b"hi", UNREAD, b"hi", "eof"],
    [SLOW, "eof", 1.0],
    [SLOW, GET, "eof", 1.0],
    [b"nonsense\r\n\r\n", "eof"],
    [b"GET", "eof"],
    [b"GET", "lose"],
    [POST, "eof"],
    [POST, 30.0],
    [UNREAD, "eof"],
    [UNREAD, "lose"],
    [CHUNKED, b"nonsense\r\n"],
    [STREAM, "lose"],
    [SLOW, "lose"],
    [b"GET / HTTP/1.0\r\n\r\n"],
    [upgrade(b"/ws"), HELLO, GOODBYE, "eof"],
    [upgrade(b"/ws"), "eof"],
    [upgrade(b"/late"), "eof", 1.0],
    [upgrade(b"/slow-ws"), HELLO, GOODBYE, "lose"],
    [upgrade(b"/return"), GOODBYE],
    [upgrade(b"/return"), "eof"],
]


def make_app() -> App:
    app = App()

    @app.get("/")
    @app.post("/unread")
    async def index(ctx):
        return "ok"

    @app.post("/read")
    async def read(ctx):
        return await ctx.request.body()

    @app.get("/slow")
    async def slow(ctx):
        await ctx.sleep(1)

    @app.get("/stream")
    async def stream(ctx):
        async with ctx.stream():
            await ctx.sleep(1)

    @app.websocket("/ws")
    async def ws(ctx):
        async for _ in await ctx.accept():
            pass

    @app.websocket("/slow-ws")
    async def slow_ws(ctx):
        async for _ in await ctx.accept():
            await ctx.sleep(1)

    @app.websocket("/late")
    async def late(ctx):
        await ctx.sleep(1)
        await ctx.accept()

    @app.websocket("/return")
    async def leave(ctx):
        await ctx.accept()

    return app


def play(script: Script, *, express: bool) -> None:
    limits, timeouts = Limits(drain_body=10), Timeouts(keep_alive=100)
    config = ServerConfig(express=express, limits=limits, timeouts=timeouts)
    wire = Lockstep(make_app(), config)
    for step in script:
        if isinstance(step, bytes):
            wire.receive(step)
        elif isinstance(step, str):
            getattr(wire, step)()
        else:
            wire.advance(step)
    wire.advance(1000)
    assert wire.closed


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """What any protocol object goes through while the test runs."""
    transitions: Seen = set()

    class Row(dict[Any, Any]):
        def __init__(self, state: Enum, row: Mapping[Any, Any]) -> None:
            super().__init__(row)
            self.state = state

        def __getitem__(self, event: Enum) -> Any:
            transitions.add((self.state, event))
            return super().__getitem__(event)

    def recording(table: Mapping[Any, Mapping[Any, Any]]) -> dict[Any, Row]:
        return {state: Row(state, row) for state, row in table.items()}

    readings = recording(READING)
    monkeypatch.setattr(payload, "READING", readings)
    monkeypatch.setattr(machine, "READING", readings)
    monkeypatch.setattr(machine, "WRITING", recording(WRITING))
    monkeypatch.setattr(websocket, "PHASES", recording(PHASES))
    return transitions


def entries(table: Mapping[Any, Mapping[Any, Any]]) -> Seen:
    return {(state, event) for state, row in table.items() for event in row}


def test_the_conversations_walk_every_transition_of_every_table(seen):
    for script in SCRIPTS:
        play(script, express=False)
        play(script, express=True)
    everything = entries(READING) | entries(WRITING) | entries(PHASES)
    assert everything - seen == set()


@pytest.mark.parametrize(
    ("table", "states", "events"),
    [
        (READING, Reading, ReadEvent),
        (WRITING, Writing, WriteEvent),
        (PHASES, Phase, PhaseEvent),
    ],
    ids=["reading", "writing", "phases"],
)
def test_each_state_and_each_event_has_its_place(table, states, events):
    assert set(table) == set(states)
    assert {event for row in table.values() for event in row} == set(events)
    reached = {state for row in table.values() for state in row.values()}
    assert set(states) - reached <= {next(iter(states))}


@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_each_conversation_ends(script):
    play(script, express=True)
