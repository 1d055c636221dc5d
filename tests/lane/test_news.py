"""A handler is run again only when something happened to its own exchange."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from anylane import App, Context, Limits, ServerConfig
from anylane.testing import Lockstep
from anylane.testing.world import LockstepLink

GET = b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n"
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
MESSAGE = b"\x81\x81\0\0\0\0x"
PING = b"\x89\x80\0\0\0\0"


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A name for each time that a handler is run, by the route that it is for."""
    seen: list[str] = []
    resume = LockstepLink.resume

    def counted(link: LockstepLink) -> None:
        head = link.exchange.head
        seen.append("" if head is None else head.target.decode())
        resume(link)

    monkeypatch.setattr(LockstepLink, "resume", counted)
    return seen


@pytest.fixture
def connect() -> Iterator[Callable[..., Any]]:
    """Makes connections to the app, which are lost at the end: no handler is left suspended."""
    wires: list[Lockstep] = []

    def make(**config: Any) -> Any:
        wires.append(Lockstep(app(), ServerConfig(**config)))
        return wires[-1]

    yield make
    for wire in wires:
        wire.lose()


def app() -> App:
    app = App()

    @app.get("/sleep")
    async def sleep(ctx: Context) -> str:
        await ctx.sleep(10)
        return "slept"

    @app.post("/body")
    async def body(ctx: Context) -> bytes:
        return await ctx.request.body()

    @app.get("/large")
    async def large(ctx: Context) -> None:
        async with ctx.stream() as out:
            for _ in range(3):
                await out.write(b"x" * 1000)

    @app.websocket("/ws")
    async def ws(ctx: Context) -> None:
        socket = await ctx.accept()
        async for message in socket:
            await socket.send(message)

    return app


def test_pipelined_input_does_not_run_a_handler_that_sleeps(steps: list[str], connect: Any) -> None:
    wire = connect()
    wire.receive(GET % b"sleep")
    assert steps == ["/sleep"]
    for _ in range(3):
        wire.receive(GET % b"sleep")
    assert steps == ["/sleep"]
    wire.advance(10)
    assert steps == ["/sleep", "/sleep", "/sleep"]  # It went on and ended; the next one began.


def test_a_timer_of_the_connection_does_not_run_a_handler_that_sleeps(
    steps: list[str], connect: Any
) -> None:
    wire = connect()
    wire.receive(GET % b"sleep")
    wire._driver.timeout()
    wire._driver.writable()
    wire._driver.pump()
    assert steps == ["/sleep"]


def test_each_piece_of_a_body_runs_the_handler_that_waits_for_it_once(
    steps: list[str], connect: Any
) -> None:
    wire = connect()
    wire.receive(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n")
    for number, piece in enumerate((b"a", b"b", b"c")):
        assert len(steps) == 1 + number
        wire.receive(piece)
    assert len(steps) == 4
    assert wire.sent.endswith(b"abc")


def test_what_came_with_the_head_is_no_news_for_a_handler_that_has_read_it(
    connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[bool] = []
    park = LockstepLink.park

    async def counted(link: LockstepLink) -> None:
        waits.append(link.latched)
        await park(link)

    monkeypatch.setattr(LockstepLink, "park", counted)
    wire = connect(express=False)
    wire.receive(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na")
    assert waits == [False]


def test_a_body_that_came_with_its_head_runs_the_handler_once(
    steps: list[str], connect: Any
) -> None:
    wire = connect(express=False)
    wire.receive(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
    assert len(steps) == 1


def test_a_control_frame_does_not_run_the_handler_of_a_websocket(
    steps: list[str], connect: Any
) -> None:
    wire = connect()
    wire.receive(UPGRADE)
    before = len(steps)
    for _ in range(3):
        wire.receive(PING)
    assert len(steps) == before
    wire.receive(MESSAGE)
    assert len(steps) == before + 1


def test_a_handler_that_waits_for_room_goes_on_when_there_is_room(
    steps: list[str], connect: Any
) -> None:
    wire = connect(limits=Limits(outbound_high=500, outbound_low=100))
    wire.stall()
    wire.receive(GET % b"large")
    assert steps == ["/large"]
    wire.resume(300)  # Some room, but not down to the low mark.
    assert steps == ["/large"]
    wire.resume()
    assert wire.sent.count(b"x" * 1000) == 3
