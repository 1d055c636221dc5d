"""A driver that is seldom told what stayed of its bytes still lets go of who takes nothing.

uvloop writes at the end of each turn of its loop, so asking it after every write says nothing:
`Driver.tolerance`. Here the transport in memory is asked as seldom.
"""

from __future__ import annotations

import gc

import pytest

from anylane import App, Broadcast, Context, Limits, ServerConfig, Timeouts
from anylane.testing import Lockstep
from anylane.testing.world import LockstepDriver

TOLERANCE = 1000
CONFIG = ServerConfig(
    timeouts=Timeouts(keep_alive=10, write_stall=5, linger=1), limits=Limits(outbound_high=65536)
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When the transport was asked."""
    # Handlers that earlier tests have left end now, and not in the middle of this one.
    gc.collect()
    times: list[float] = []
    unsent = LockstepDriver.unsent

    def ask(self: LockstepDriver) -> int:
        times.append(self.now())
        return unsent(self)

    monkeypatch.setattr(LockstepDriver, "tolerance", TOLERANCE)
    monkeypatch.setattr(LockstepDriver, "unsent", ask)
    return times


room: Broadcast[bytes] = Broadcast()


@pytest.fixture
def wire() -> Lockstep:
    app = App()

    @app.get("/{size:int}")
    async def answer(ctx: Context) -> bytes:
        return b"x" * int(ctx.params["size"])

    @app.get("/stream")
    async def stream(ctx: Context) -> None:
        with room.subscribe() as items:
            async with ctx.stream() as out:
                async for item in items:
                    await out.write(item)

    return Lockstep(app, CONFIG)


def get(size: int, *fields: bytes) -> bytes:
    return b"\r\n".join((b"GET /%d HTTP/1.1" % size, b"Host: a", *fields, b"", b""))


def test_small_answers_are_not_asked_about(asked, wire):
    for _ in range(5):
        wire.receive(get(1))
    assert not asked
    wire.receive(get(TOLERANCE))
    assert asked == [0]
    assert wire.take().count(b"HTTP/1.1 200") == 6


def test_they_add_up_until_somebody_asks(asked, wire):
    size = TOLERANCE // 2 - 150
    for _ in range(2):
        wire.receive(get(size))
    assert not asked
    wire.receive(get(size))
    assert asked == [0]
    wire.receive(get(size))
    assert asked == [0], "what was taken does not count any more"


def test_who_takes_nothing_of_a_small_answer_is_noticed_at_the_next_deadline(asked, wire):
    wire.stall()
    wire.receive(get(1))
    assert not asked
    wire.advance(10)
    assert asked[:1] == [10]
    wire.advance(4.9)
    assert not wire.closed
    wire.advance(0.2)
    assert wire.closed and wire.reset_sent


def test_who_takes_nothing_of_a_large_one_is_noticed_at_once(asked, wire):
    wire.stall()
    wire.receive(get(TOLERANCE))
    wire.advance(4.9)
    assert not wire.closed
    wire.advance(0.2)
    assert wire.closed and wire.reset_sent


def test_who_took_all_of_it_is_idle_and_no_more(asked, wire):
    wire.receive(get(1))
    wire.advance(9.9)
    assert not wire.closed
    wire.advance(0.2)
    assert wire.closed and not wire.reset_sent
    assert b"200 OK" in wire.take()


def test_an_end_is_always_asked_about(asked, wire):
    wire.stall()
    wire.receive(get(1, b"Connection: close", b"X: " + b"y" * 20))
    assert asked
    wire.advance(3)
    wire.resume()
    assert b"200 OK" in wire.take()


def test_without_a_deadline_there_is_no_tolerance(asked, wire):
    """Nobody would ever ask."""
    wire.receive(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
    wire.advance(60)
    asked.clear()
    wire.stall()
    room.send(b"x")
    wire.advance(4.9)
    assert asked[:1] == [60]
    assert not wire.closed
    wire.advance(0.2)
    assert wire.closed and wire.reset_sent


def test_a_mark_below_the_tolerance_is_asked_about(asked):
    """Else what nobody has asked about would hold up a client that has taken all of it."""
    app = App()

    @app.get("/")
    async def answer(ctx: Context) -> None:
        async with ctx.stream() as out:
            for _ in range(5):
                await out.write(b"x" * (TOLERANCE // 4))

    limits = Limits(outbound_high=TOLERANCE // 2, outbound_low=TOLERANCE // 4)
    wire = Lockstep(app, ServerConfig(limits=limits))
    wire.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert wire.take().endswith(b"\r\n0\r\n\r\n")


def test_a_kernel_that_was_given_nothing_is_not_asked_what_its_peer_has(
    monkeypatch: pytest.MonkeyPatch, wire: Lockstep
) -> None:
    """It would be two system calls for each connection that is used once, on a lane that writes in
    the loop's next turn."""
    questions: list[float] = []

    def ask(self: LockstepDriver) -> int:
        questions.append(self.now())
        return 0

    monkeypatch.setattr(LockstepDriver, "unacknowledged", ask)
    wire.stall(kernel=0)
    wire.receive(get(100, b"Connection: close"))
    assert not questions
    wire.resume(50)
    assert questions
