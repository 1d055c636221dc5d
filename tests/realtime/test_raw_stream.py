"""ctx.take_over: the raw stream after a 101 or a CONNECT."""

from __future__ import annotations

from typing import Any

import pytest

from anylane import App, Context, Disconnected, ServerConfig, UsageError
from anylane.config.limits import Limits
from anylane.testing import Lockstep

UPGRADE = b"GET /raw HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: shout, x\r\n\r\n"


def shouting(seen: list[Any]) -> App:
    app = App()
    app.response_middleware(lambda ctx: seen.append(f"response {ctx.response.status}"))

    @app.get("/raw")
    @app.route("/", methods=["CONNECT"])
    async def handler(ctx: Context) -> None:
        raw = await ctx.take_over()
        try:
            async for data in raw:
                if data == b"quit":
                    await raw.close()
                    return
                await raw.write(data.upper())
            await raw.write(b"BYE")
        except Disconnected as exc:
            seen.append(exc.reason)
            raise

    return app


def test_an_upgrade_switches_to_raw_bytes() -> None:
    seen: list[Any] = []
    wire = Lockstep(shouting(seen))
    wire.receive(UPGRADE + b"early")
    head, _, body = wire.take().partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"HTTP/1.1 101 Switching Protocols",
        b"upgrade: shout",
        b"connection: Upgrade",
    ]
    assert body == b"EARLY"
    wire.receive(b"GET / HTTP/1.1\n\n")
    assert wire.take() == b"GET / HTTP/1.1\n\n"
    wire.eof()
    assert wire.take() == b"BYE" and wire.closed
    assert seen == ["response 101"] and not wire.log


def test_connect_is_answered_without_framing() -> None:
    wire = Lockstep(shouting([]))
    wire.receive(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n")
    assert wire.take() == b"HTTP/1.1 200 OK\r\n\r\n"
    wire.receive(b"x")
    assert wire.take() == b"X"


def test_closing_lingers_until_the_peer_has_closed() -> None:
    wire = Lockstep(shouting([]))
    wire.receive(UPGRADE)
    wire.receive(b"quit")
    assert wire.eof_sent and not wire.closed
    wire.receive(b"ignored")
    wire.eof()
    assert wire.closed


def test_a_peer_that_is_gone_is_disconnected() -> None:
    seen: list[Any] = []
    wire = Lockstep(shouting(seen))
    wire.receive(UPGRADE)
    wire.lose()
    assert seen == ["response 101", "connection reset by peer"] and not wire.log


def test_who_asks_for_no_upgrade_gets_426() -> None:
    wire = Lockstep(shouting([]))
    wire.receive(b"GET /raw HTTP/1.1\r\nHost: a\r\n\r\n")
    assert wire.sent.startswith(b"HTTP/1.1 426 ")


def test_the_deadline_of_handlers_ends_with_the_switch() -> None:
    wire = Lockstep(shouting([]))
    wire.receive(UPGRADE)
    wire.advance(3600)
    wire.take()
    wire.receive(b"still here")
    assert wire.take() == b"STILL HERE"


def test_there_is_no_response_any_more() -> None:
    app = App()
    seen: list[Any] = []

    @app.get("/raw")
    async def handler(ctx: Context) -> None:
        await ctx.take_over()
        for attempt in (ctx.send, ctx.take_over):
            with pytest.raises(UsageError):
                await attempt()
        seen.append("refused")

    wire = Lockstep(app)
    wire.receive(UPGRADE)
    assert seen == ["refused"]


def test_backpressure_both_ways() -> None:
    app = App()
    counts = {"read": 0, "written": 0}

    @app.get("/raw")
    async def handler(ctx: Context) -> None:
        raw = await ctx.take_over()
        await ctx.sleep(10)
        while counts["read"] < 100_000:
            counts["read"] += len(await raw.read())
        while True:
            await raw.write(b"x" * 10_000)
            counts["written"] += 10_000

    wire = Lockstep(app, ServerConfig(limits=Limits(inbound_high=10_000, inbound_low=1_000)))
    wire.receive(UPGRADE)
    for _ in range(100):
        wire.receive(b"y" * 1_000)
    assert not wire.world.drivers[0].connection.wants_read
    wire.stall()
    wire.advance(11)
    assert counts["read"] == 100_000
    assert 60_000 < counts["written"] < 100_000
