"""anylane.protocol.pace, and the connection that holds its peer to one."""

from __future__ import annotations

from typing import Any

import pytest

from anylane import App, Context, Limits, ServerConfig, Timeouts
from anylane.protocol.pace import Pace
from anylane.protocol.timers import Timer, Timers
from anylane.testing import Lockstep


def pace(rate: int = 8) -> tuple[Timers, Pace]:
    timers = Timers()
    made = Pace(timers, Timer.BODY, rate=rate, grace=2, pause=4)
    made.begin(0)
    return timers, made


def test_each_piece_has_its_pause() -> None:
    timers, peer = pace()
    assert timers.next() == 4
    peer.moved(100, 3)
    assert timers.next() == 7


def test_small_pieces_earn_what_they_are_worth() -> None:
    timers, peer = pace()
    for second in range(1, 6):
        peer.moved(1, second)
    assert timers.next() == 6 + 5 / 8


def test_much_at_once_earns_no_more_than_a_pause_and_the_grace() -> None:
    timers, peer = pace()
    peer.moved(1_000_000, 1)
    for second in range(2, 7):
        peer.moved(1, second)
    assert timers.next() == 7 + 5 / 8


def test_without_a_rate_there_is_the_pause_alone() -> None:
    timers, peer = pace(rate=0)
    for second in range(100):
        peer.moved(1, second)
    assert timers.next() == 99 + 4


def test_it_can_begin_anew() -> None:
    timers, peer = pace()
    peer.begin(100)
    assert timers.next() == 104
    peer.moved(1, 103)
    assert timers.next() == 106 + 1 / 8


# --- what is not counted against the peer ---------------------------------------------------------


def serve(**limits: int) -> Any:
    app = App()

    @app.post("/sleeps")
    async def sleeps(ctx: Context) -> str:
        await ctx.sleep(100)
        await ctx.request.body()
        return "read"

    @app.get("/ticks")
    async def ticks(ctx: Context) -> None:
        async with ctx.stream() as out:
            while True:
                await out.write("x")
                await ctx.sleep(3)

    @app.get("/large")
    @app.post("/large")
    async def large(ctx: Context) -> bytes:
        return b"x" * 10_000

    timeouts = Timeouts(body=2, write_stall=2, rate_grace=1, linger=2)
    config = ServerConfig(limits=Limits(**limits), timeouts=timeouts, request_timeout=1000)
    return Lockstep(app, config)


def test_a_body_that_we_do_not_read_is_not_slow() -> None:
    wire = serve(inbound_high=1000, inbound_low=500)
    wire.receive(b"POST /sleeps HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n" + bytes(1500))
    wire.advance(101)
    wire.receive(bytes(500))
    assert wire.take().startswith(b"HTTP/1.1 200 ")


def test_a_stream_that_produces_slowly_has_no_slow_reader() -> None:
    wire = serve()
    wire.receive(b"GET /ticks HTTP/1.1\r\nHost: a\r\n\r\n")
    wire.advance(1000)
    assert not wire.closing


@pytest.mark.parametrize("kernel", [0, 3_000, 1 << 20])
@pytest.mark.parametrize("fields", [b"", b"Connection: close\r\n", b"Content-Length: 500000\r\n"])
def test_a_reader_that_keeps_its_rate_gets_an_answer_whole(kernel: int, fields: bytes) -> None:
    """Wherever it waits, and also where it is the last one and our side lingers behind it."""
    wire = serve()
    wire.stall(kernel)
    wire.receive(b"POST /large HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n")
    for _ in range(18):
        wire.advance(1)
        wire.resume(500)
        assert not wire.closed or fields.startswith(b"Connection")
        assert not wire.reset_sent
    wire.resume()
    assert wire.take().endswith(b"x" * 10_000)


@pytest.mark.parametrize("kernel", [0, 3_000])
def test_a_reader_that_does_not_is_reset(kernel: int) -> None:
    wire = serve()
    wire.stall(kernel)
    wire.receive(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
    for _ in range(20):
        wire.advance(1)
        wire.resume(100)
    assert wire.reset_sent


def test_nobody_lingers_for_ever_over_a_last_answer() -> None:
    """Our kernel has all of it, and the client drips."""
    wire = serve()
    wire.stall(1 << 20)
    wire.receive(b"POST /large HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n")
    for _ in range(20):
        wire.advance(1)
        wire.resume(10)
    assert wire.closed


def test_a_client_that_has_all_of_it_lingers_no_longer_than_before() -> None:
    wire = serve()
    wire.receive(b"POST /large HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n")
    wire.advance(1.9)
    assert not wire.closed
    wire.advance(0.2)
    assert wire.closed and not wire.reset_sent
