"""A client that is gone, at every byte and in every phase: handlers end, and nothing is left."""

from __future__ import annotations

import gc
from collections import Counter
from typing import Any

import pytest

from anylane import App, Context, Disconnected
from anylane.handling.context import Context as ContextType
from anylane.protocol import Connection
from anylane.protocol.exchange import Exchange
from anylane.testing import Lockstep, World
from anylane.testing.world import LockstepDriver, LockstepLink
from tests.conversations import CONFIG, LONG

KEPT = (Connection, Exchange, ContextType, LockstepDriver, LockstepLink)
SCRIPT = (
    b"\r\nGET /plain HTTP/1.1\r\nHost: a\r\n\r\n"
    b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
)
PHASES = (
    b"POST /sleep HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /sleep HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel",
    b"POST /sleep HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /answered HTTP/1.1\r\nHost: a\r\n\r\n" + SCRIPT,
)
"""What a handler is busy with when its client leaves."""
SENT = [*(SCRIPT[:at] for at in range(len(SCRIPT))), *(SCRIPT + phase for phase in PHASES)]


class Handlers:
    """An app whose every handler is counted in and out."""

    def __init__(self) -> None:
        self.begun: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.app = app = App()

        @app.middleware
        async def count(ctx: Context, call_next: Any) -> None:
            self.begun[ctx.request.path] += 1
            try:
                await call_next()
            finally:
                self.ended[ctx.request.path] += 1

        @app.get("/plain")
        async def plain(ctx: Context) -> str:
            return "plain"

        @app.post("/body")
        async def body(ctx: Context) -> bytes:
            return await ctx.request.body()

        @app.post("/sleep")
        async def sleep(ctx: Context) -> str:
            await ctx.sleep(10)
            return "slept"

        @app.get("/stream")
        async def stream(ctx: Context) -> None:
            async with ctx.stream() as out:
                for _ in range(20):
                    await out.write("x" * 50)
                    await ctx.sleep(1)

        @app.get("/answered")
        async def answered(ctx: Context) -> None:
            ctx.response.set_text("answered")
            await ctx.send()
            await ctx.sleep(10)


def lose(wire: Lockstep) -> None:
    wire.lose()


def close(wire: Lockstep) -> None:
    wire.eof()
    wire.advance(100)  # It is still answered.


def close_then_reset(wire: Lockstep) -> None:
    wire.eof()
    wire.lose()


def time_out(wire: Lockstep) -> None:
    wire.advance(4 * LONG)


def stop_reading(wire: Lockstep) -> None:
    wire.stall()
    wire.advance(4 * LONG)


LEAVES = [lose, close, close_then_reset, time_out, stop_reading]


def kept() -> Counter[type]:
    gc.collect()
    return Counter(type(each) for each in gc.get_objects() if isinstance(each, KEPT))


@pytest.mark.parametrize("wait", [0, 2.5])
@pytest.mark.parametrize("leave", LEAVES)
def test_whenever_a_client_leaves_its_handler_ends_and_nothing_is_left(leave: Any, wait: float):
    before = kept()
    handlers = Handlers()
    world = World(handlers.app, CONFIG)
    for sent in SENT:
        visit(world, sent, wait, leave)
        assert not world.drivers and not world.runnable and world.deadlines.next() is None, sent
    assert handlers.begun == handlers.ended
    assert handlers.begun.keys() == {"/plain", "/body", "/sleep", "/stream", "/answered"}
    assert [record for record in world.log if record.level == "error"] == []
    del world, handlers
    assert not kept() - before  # Less is no leak: what an earlier test left may go meanwhile.


def visit(world: World, sent: bytes, wait: float, leave: Any) -> None:
    """A client that sends this, stays so long, and leaves; and a neighbour who does not."""
    neighbour, wire = Lockstep(world=world), Lockstep(world=world)
    neighbour.receive(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel")
    wire.receive(sent)
    wire.advance(wait)
    leave(wire)
    assert wire.closed, sent
    if leave not in (time_out, stop_reading):
        neighbour.receive(b"lo")
        assert neighbour.take().endswith(b"\r\n\r\nhello"), sent
    neighbour.lose()


@pytest.mark.parametrize("leave", LEAVES)
def test_a_client_that_leaves_while_we_linger_leaves_nothing(leave: Any):
    before = kept()
    world = World(Handlers().app, CONFIG)
    wire = Lockstep(world=world)
    wire.receive(b"nonsense\r\n\r\n" + b"x" * 1000)
    assert wire.eof_sent
    leave(wire)
    assert wire.closed
    assert not world.drivers and world.deadlines.next() is None
    del wire, world
    assert not kept() - before  # Less is no leak: what an earlier test left may go meanwhile.


def test_a_handler_that_is_lost_hears_of_it_at_its_next_use_of_ctx():
    seen: list[str] = []
    app = App()

    @app.get("/")
    async def stubborn(ctx: Context) -> None:
        for _ in range(2):
            try:
                await ctx.sleep(10)
            except Disconnected as exc:
                seen.append(str(exc))

    wire = Lockstep(app, CONFIG)
    wire.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    wire.lose()
    assert len(seen) == 2, "swallowed once, it is raised again"
    assert not wire.world.drivers


def test_a_connection_that_stays_keeps_nothing_of_the_requests_behind_it():
    wire = Lockstep(Handlers().app, CONFIG)
    request = b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    wire.receive(request)
    before = kept()
    for _ in range(50):
        wire.receive(request)
    assert wire.sent.count(b"hello") == 51
    assert not kept() - before  # Less is no leak: what an earlier test left may go meanwhile.
