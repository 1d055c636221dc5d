"""Lockstep: virtual time, and everything happens inside the calls of the test."""

from __future__ import annotations

import pytest

from anylane import App, Limits, ServerConfig, UsageError
from anylane.protocol import Closing
from anylane.testing import Lockstep, World
from anylane.testing.client.in_memory import LockstepLane
from anylane.testing.client.log import ClientLog
from anylane.testing.world import DATE, LockstepDriver

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def app_that(handler) -> App:
    app = App()
    app.get("/")(handler)
    return app


async def greet(ctx):
    return "hi"


async def sleep(ctx):
    await ctx.sleep(10)
    return str(ctx.link.now())


def test_an_answer_is_there_when_receive_returns():
    wire = Lockstep(app_that(greet))
    wire.receive(GET)
    assert wire.sent.endswith(b"\r\n\r\nhi")
    assert DATE in wire.sent


def test_take_gives_each_byte_once():
    wire = Lockstep(app_that(greet))
    wire.receive(GET)
    assert wire.take() == wire.sent
    assert wire.take() == b""


def test_time_moves_only_when_told_to():
    wire = Lockstep(app_that(sleep))
    wire.receive(GET)
    wire.advance(9.5)
    assert wire.sent == b""
    wire.advance(0.5)
    assert wire.sent.endswith(b"10.0")


def test_advance_stops_at_every_deadline_on_its_way():
    wire = Lockstep(app_that(sleep))
    wire.receive(GET + GET)
    wire.advance(1000)
    assert wire.sent.count(b"10.0") == wire.sent.count(b"20.0") == 1


def test_a_stalled_client_receives_what_it_reads():
    wire = Lockstep(app_that(greet))
    wire.stall()
    wire.receive(GET)
    assert wire.take() == b""
    wire.resume(4)
    assert wire.take() == b"HTTP"
    wire.resume()
    assert wire.take().endswith(b"hi")


def test_a_connection_ends_behind_what_a_slow_client_reads():
    wire = Lockstep(app_that(greet))
    wire.stall()
    wire.receive(GET.replace(b"Host", b"Connection: close\r\nHost"))
    assert not wire.closed
    wire.resume(40)
    assert not wire.closed
    wire.resume()
    assert wire.closed


def test_the_end_comes_behind_more_than_a_clients_buffers_hold():
    async def large(ctx):
        ctx.response.close_connection()
        return b"x" * 1_000_000

    wire = LockstepLane(app_that(large), None, ClientLog()).connect()
    wire.send(GET)
    received = b""
    while chunk := wire.receive("the end", timeout=1):
        received += chunk
    assert received.endswith(b"\r\n\r\n" + b"x" * 1_000_000)


def test_connections_of_one_world_share_clock_and_server():
    wire = Lockstep(app_that(sleep))
    other = wire.open()
    wire.receive(GET)
    other.advance(10)
    assert wire.sent.endswith(b"10.0")
    assert other.world is wire.world
    assert len(wire.world.server.drivers) == 2


def test_connections_that_are_quiet_cost_nothing(monkeypatch):
    looked = []
    deliver = LockstepDriver.deliver

    def count(driver):
        looked.append(driver)
        return deliver(driver)

    monkeypatch.setattr(LockstepDriver, "deliver", count)
    counts = []
    for others in (0, 50):
        wire = Lockstep(app_that(greet))
        quiet = [wire.open() for _ in range(others)]
        looked.clear()
        wire.receive(GET)
        assert wire.take().endswith(b"hi")
        counts.append(len(looked))
        assert len(quiet) == others
    assert counts[0] == counts[1] > 0


def test_a_client_that_ended_behind_much_is_heard_when_there_is_room():
    """The end waits with what is before it, and comes when the server reads again."""
    app = App()

    @app.post("/")
    async def late(ctx):
        await ctx.sleep(10)
        return str(len(await ctx.request.body()))

    wire = Lockstep(app, ServerConfig(limits=Limits(inbound_high=1_000, inbound_low=100)))
    wire.receive(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\n" + b"x" * 2_000)
    wire.receive(b"x" * 2_000)
    wire.eof()
    assert wire.sent == b""
    wire.advance(10)
    assert wire.sent.endswith(b"\r\n\r\n4000")
    assert wire.closed


def test_half_close_close_and_reset_are_told_apart():
    wire = Lockstep(app_that(greet))
    wire.receive(b"nonsense\r\n\r\n")
    assert (wire.closing, wire.eof_sent, wire.closed) == (Closing.SEND_EOF, True, False)
    wire.eof()
    assert wire.closed
    other = wire.open()
    other.lose()
    assert other.closed


def test_two_runs_send_the_same_bytes():
    def run() -> bytes:
        wire = Lockstep(app_that(sleep))
        wire.receive(GET)
        wire.advance(100)
        return wire.sent

    assert run() == run()


def test_a_foreign_await_is_a_500_and_the_log_names_it():
    import asyncio

    async def foreign(ctx):
        await asyncio.sleep(1)

    wire = Lockstep(app_that(foreign))
    wire.receive(GET)
    assert wire.sent.startswith(b"HTTP/1.1 500 ")
    assert "asyncio" in wire.log[-1].message


def test_a_def_handler_may_block_on_virtual_time():
    def blocking(ctx):
        ctx.call(ctx.sleep, 3)
        return str(ctx.link.now())

    wire = Lockstep(app_that(blocking))
    wire.receive(GET)
    assert wire.sent.endswith(b"3.0")


def test_a_startup_hook_that_waits_is_a_usage_error():
    from anylane.lane.stepping import PARK

    app = app_that(greet)

    @app.on_startup
    async def wait():
        await PARK

    with pytest.raises(UsageError, match="startup"):
        World(app)


def test_lockstep_needs_an_app_or_a_world():
    with pytest.raises(UsageError):
        Lockstep()
