"""Relays whose room, client or `encode` does what is rare: each ends, or goes on, as it says."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import curio
import pytest
import trio

from anylane import App, Broadcast, Context, Disconnected, EventLog, Server, ServerConfig, Timeouts
from anylane.lane.link import current_link
from anylane.testing import Lockstep
from tests.realtime.test_relay import GET, LANES, UPGRADE
from tests.waiting import eventually

BLOCK = 40_000
"""Bytes of an item: two of them are more than the output's high mark."""


class Store:
    """An EventStore that the test tells what to store."""

    def open(self, log: Any) -> None:
        self.log = log
        log.stands_at("old", 0)

    def append(self, data: str | bytes, event: str | None) -> None:
        raise NotImplementedError


@pytest.mark.parametrize("newest", [1, 30])
def test_a_handler_that_sends_goes_on_when_its_log_begins_anew(newest: int) -> None:
    """It waits for what was logged before, and this will never come in a new epoch."""
    store = Store()
    log = EventLog(store=store)
    app = App()
    room: Broadcast[str] = Broadcast()

    @app.get("/events")
    async def events(ctx: Context) -> None:
        with log.subscribe(ctx) as reader, room.subscribe() as notes:
            async with ctx.event_stream() as events, events.relay(reader):
                async for note in notes:
                    await events.send(note)

    wire = Lockstep(app)
    wire.receive(GET)
    wire.stall()
    for number in range(1, 21):
        store.log.receive("old", number, "x" * BLOCK, None)
    wire.advance(0)
    room.send("own")
    wire.advance(0)  # The handler waits until the client has taken what it was sent.
    for number in range(1, newest + 1):
        store.log.receive("new", number, f"anew {number}", None)
    wire.world.run()
    wire.resume()
    sent = wire.take()
    assert b"data: own\n" in sent
    assert b"data: anew 1\n" in sent


def test_a_busy_room_does_not_hold_up_what_a_handler_sends_to_a_slow_client() -> None:
    """The client takes a little at a time, and the room always has more."""
    room: Broadcast[str] = Broadcast(capacity=1000)
    app = App()

    @app.websocket("/ws")
    async def handler(ctx: Context) -> None:
        ws = await ctx.accept()
        async with ws.relay(room):
            async for text in ws:
                await ws.send(f"own {text!s}")

    wire = Lockstep(app)
    wire.receive(UPGRADE % b"ws")
    wire.stall()
    for number in range(10):
        room.send(f"before {number} " + "x" * BLOCK)
    wire.advance(0)
    wire.receive(b"\x81\x81\0\0\0\0a")
    for number in range(100):
        room.send(f"behind {number} " + "x" * BLOCK)
    sent = b""
    for _ in range(40):
        wire.resume(BLOCK)
        sent += wire.take()
    assert b"own a" in sent
    assert sent.index(b"before 9 ") < sent.index(b"own a")
    wire.resume()
    assert b"behind 99 " in sent + wire.take()


@pytest.mark.parametrize("path", ["/ws", "/events"])
def test_an_awaited_relay_raises_though_an_item_comes_behind_the_clients_end(path: str) -> None:
    room: Broadcast[str] = Broadcast()
    app = App()
    said: list[object] = []

    async def listen(relay: Any) -> None:
        try:
            await relay
            said.append("over")
        except Disconnected as exc:
            said.append(exc.code)
            raise

    @app.websocket("/ws")
    async def of_ws(ctx: Context) -> None:
        ws = await ctx.accept()
        await listen(ws.relay(room))

    @app.get("/events")
    async def of_events(ctx: Context) -> None:
        async with ctx.event_stream() as events:
            await listen(events.relay(room))

    wire = Lockstep(app)
    wire.receive(UPGRADE % b"ws" if path == "/ws" else GET)
    # The handler's turn comes behind that of an item that was sent meanwhile.
    wire._driver.put(ConnectionResetError())
    wire._driver.deliver()
    room.send("late")
    wire.world.run()
    assert said == [1006 if path == "/ws" else None]


@pytest.mark.parametrize("path", ["/ws", "/events"])
@pytest.mark.parametrize("lane", LANES)
def test_what_encode_raises_is_logged_though_the_handler_awaits_something_foreign(
    lane: str, path: str
) -> None:
    """It is cancelled natively because its client is gone, and why that is gone is its failure."""
    room: Broadcast[str] = Broadcast()
    app = App()
    log: list[str] = []

    def encode(item: str) -> str:
        raise ValueError(f"no form of {item}")

    @app.websocket("/ws")
    async def of_ws(ctx: Context) -> None:
        ws = await ctx.accept()
        async with ws.relay(room, encode):
            await sleep(lane)

    @app.get("/events")
    async def of_events(ctx: Context) -> None:
        async with ctx.event_stream() as events, events.relay(room, encode):
            await sleep(lane)

    config = ServerConfig(port=0, timeouts=Timeouts(close=0.2))
    server = Server(app, config, lane, log=lambda level, text, exc: log.append(f"{text} {exc!r}"))
    server.start().wait_ready()
    address = server.addresses[0][:2]
    try:
        with socket.create_connection(address) as client:
            client.sendall(UPGRADE % b"ws" if path == "/ws" else GET)
            eventually(lambda: room.receivers == 1)
            room.send("this")
            eventually(lambda: room.receivers == 0)
            eventually(lambda: any("no form of this" in line for line in log), 3)
    finally:
        server.shutdown()
        assert server.wait(10)


async def sleep(lane: str) -> None:
    """Wait long by the lane's own library."""
    match lane:
        case "trio":
            await trio.sleep(100)
        case "curio":
            await curio.sleep(100)
        case "threads":
            await current_link.get().wait()
        case _:
            await asyncio.sleep(100)


def test_a_close_comes_behind_what_the_room_was_sent_before() -> None:
    room: Broadcast[str] = Broadcast()
    app = App()

    @app.websocket("/ws")
    async def handler(ctx: Context) -> None:
        ws = await ctx.accept()
        async with ws.relay(room):
            room.send("bye")
            await ws.close(4000)

    wire = Lockstep(app)
    wire.receive(UPGRADE % b"ws")
    assert wire.sent.endswith(b"\x81\x03bye\x88\x02\x0f\xa0")


@pytest.mark.parametrize("lane", ["asyncio", "uvloop", "trio", "curio"])
def test_a_peer_that_has_closed_sees_the_end_when_its_relay_gives_up(lane: str) -> None:
    """Its handler awaits something foreign meanwhile, and pumps nothing."""
    room: Broadcast[str] = Broadcast()
    app = App()

    @app.websocket("/ws")
    async def handler(ctx: Context) -> None:
        ws = await ctx.accept()
        async with ws.relay(room, lambda item: 1 // 0):
            await sleep(lane)

    config = ServerConfig(port=0, timeouts=Timeouts(drain=0.2))
    server = Server(app, config, lane, log=lambda *_: None)
    server.start().wait_ready()
    try:
        with socket.create_connection(server.addresses[0][:2]) as client:
            client.settimeout(1.0)
            # A message that is not taken, so that the close frame is not answered yet.
            client.sendall(UPGRADE % b"ws" + b"\x81\x81\0\0\0\0a\x88\x80\0\0\0\0")
            eventually(lambda: room.receivers == 1)
            room.send("bad")
            while client.recv(4096):
                pass
    finally:
        server.shutdown()
        assert server.wait(10)


@pytest.mark.parametrize("path", ["/ws", "/events"])
@pytest.mark.parametrize("slow", [False, True])
def test_an_aborted_server_ends_its_relays(path: str, slow: bool) -> None:
    """Also one that is held, because its client reads nothing."""
    app, room = App(), Broadcast[Any]()
    ends: list[str] = []

    @app.websocket("/ws")
    async def ws(ctx: Context) -> None:
        try:
            ws = await ctx.accept()
            await ws.relay(room)
        finally:
            ends.append("ws")

    @app.get("/events")
    async def events(ctx: Context) -> None:
        try:
            async with ctx.event_stream() as events:
                await events.relay(room)
        finally:
            ends.append("events")

    wire = Lockstep(app)
    wire.receive(UPGRADE % b"ws" if path == "/ws" else GET)
    if slow:
        wire.stall()
    for _ in range(5):
        room.send("x" * BLOCK)
    wire.advance(0)
    assert room.receivers == 1
    wire.world.server.abort()
    wire.advance(0)
    assert ends == [path[1:]] and wire.closed
    assert not room.receivers and not room._waiters._runtimes
