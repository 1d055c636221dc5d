"""anylane.lane.lookout: a client that has left is looked for while its input is not read."""

from __future__ import annotations

from typing import Any

from anylane import App, Context, Disconnected, Limits, ServerConfig, Timeouts
from anylane.testing import Lockstep

CONFIG = ServerConfig(
    limits=Limits(inbound_high=1000, inbound_low=500, pipeline=100),
    timeouts=Timeouts(look=5, close=3, linger=1, ping=1000),
)
HANDSHAKE = (
    b"GET /%s HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
MESSAGE = b"\x81\xe4\0\0\0\0" + b"x" * 100
CLOSE = b"\x88\x82\0\0\0\0\x03\xe8"


def websocket(seen: list[object], pause: float) -> Any:
    """A wire to a handler that receives a message in so many seconds."""
    app = App()

    @app.websocket("/slow")
    async def slow(ctx: Context) -> None:
        ws = await ctx.accept()
        try:
            while True:
                await ctx.sleep(pause)
                seen.append(await ws.receive())
        except Disconnected as exc:
            seen.append(exc.code)

    wire = Lockstep(app, CONFIG)
    wire.receive(HANDSHAKE % b"slow")
    assert wire.take().startswith(b"HTTP/1.1 101 ")
    return wire


def test_a_handler_that_goes_on_receiving_gets_everything_in_its_own_time():
    seen: list[object] = []
    wire = websocket(seen, 0.25)
    for _ in range(40):
        wire.receive(MESSAGE)
    wire.receive(CLOSE)
    wire.eof()
    wire.advance(60)
    assert seen == ["x" * 100] * 40 + [1000]
    assert wire.take() == b"\x88\x02\x03\xe8"
    assert wire.closed


def test_a_handler_that_receives_nothing_hears_of_the_close_frame_behind_it_all():
    seen: list[object] = []
    wire = websocket(seen, 1000)
    for _ in range(40):
        wire.receive(MESSAGE)
    wire.receive(CLOSE)
    wire.eof()
    wire.advance(5 + 3 + 3 - 0.1)
    assert not seen
    wire.advance(0.2)
    assert seen == [1000]
    assert wire.take() == b"\x88\x02\x03\xe8"
    assert wire.closed


def test_without_a_close_frame_it_hears_so_sooner():
    seen: list[object] = []
    wire = websocket(seen, 1000)
    for _ in range(40):
        wire.receive(MESSAGE)
    wire.eof()
    wire.advance(5 + 3 - 0.1)
    assert not seen
    wire.advance(0.2)
    assert seen == [1006]
    assert wire.closed


def test_a_client_that_stays_is_left_alone():
    seen: list[object] = []
    wire = websocket(seen, 1000)
    for _ in range(40):
        wire.receive(MESSAGE)
    wire.advance(900)
    assert not seen
    assert not wire.closing


def test_nothing_is_looked_for_while_the_reader_would_notice():
    seen: list[object] = []
    wire = websocket(seen, 1.0)
    for _ in range(40):
        wire.receive(MESSAGE)
    wire.advance(100)
    assert len(seen) == 40
    deadline = wire._driver.next_deadline()
    assert deadline is not None and deadline > 900, "the ping"


def test_what_is_lost_is_not_looked_for():
    """Its handler may go on for long."""
    seen: list[object] = []
    app = App()

    @app.post("/")
    async def stubborn(ctx: Context) -> None:
        for _ in range(3):
            try:
                await ctx.sleep(1)
            except Disconnected as exc:
                seen.append(exc)

    wire = Lockstep(app, CONFIG)
    wire.receive(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n" + bytes(2000))
    wire.lose()
    wire.advance(20)
    assert len(seen) == 3
    assert not wire.world.drivers
