"""anylane.protocol.websocket.liveness: who is alive, and who is not."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from wsproto.frame_protocol import FrameProtocol, Opcode

from anylane import App, Context, Limits, ServerConfig, Timeouts
from anylane.testing import Lockstep

CONFIG = ServerConfig(
    limits=Limits(body_rate=0), timeouts=Timeouts(ping=5, pong=6, write_stall=400, linger=1)
)
LITTLE = Limits(inbound_high=100, inbound_low=10)
HANDSHAKE = (
    b"GET /%s HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
MESSAGE = b"\x81\x81\0\0\0\0x"


def app() -> App:
    app = App()

    @app.websocket("/wait")
    async def wait(ctx: Context) -> None:
        ws = await ctx.accept()
        async for _ in ws:
            pass

    @app.websocket("/large")
    async def large(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.send(b"x" * 10_000)
        await ws.receive()

    @app.websocket("/ticks")
    async def ticks(ctx: Context) -> None:
        ws = await ctx.accept()
        while True:
            await ctx.sleep(0.5)
            await ws.send("tick")

    @app.websocket("/asks")
    async def asks(ctx: Context) -> None:
        ws = await ctx.accept()
        while True:
            try:
                async with ctx.timeout(0.5):
                    await ws.ping()
            except TimeoutError:
                pass

    return app


def connect(path: bytes, *, kernel: int | None = None) -> Any:
    """A wire to a WebSocket. kernel: the client takes the 101 and nothing behind it, and our kernel
    holds so many bytes."""
    wire = Lockstep(app(), CONFIG)
    if kernel is not None:
        wire.stall(kernel)
    wire.receive(HANDSHAKE % path)
    if kernel is not None:
        wire.resume(len(b"HTTP/1.1 101 "))
    assert wire.take().startswith(b"HTTP/1.1 101 ")
    return wire


def seen(wire: Any) -> list[str]:
    client = FrameProtocol(client=True, extensions=[])
    data = wire.take()
    client.receive_bytes(data.partition(b"\r\n\r\n")[2] or data)
    return [
        f"close {int(each.payload[0])}" if each.opcode is Opcode.CLOSE else each.opcode.name
        for each in client.received_frames()
    ]


def test_traffic_puts_the_ping_off():
    wire = connect(b"wait")
    for _ in range(10):
        wire.advance(4)
        wire.receive(MESSAGE)
    assert seen(wire) == []
    wire.advance(4)
    assert seen(wire) == []
    wire.advance(1)
    assert seen(wire) == ["PING"]


def test_our_own_messages_do_not_put_it_off():
    """They are no sign of life."""
    wire = connect(b"ticks")
    wire.advance(5)
    assert "PING" in seen(wire)


def test_a_client_that_goes_on_sending_is_alive_without_a_pong():
    wire = connect(b"wait")
    wire.advance(5)
    assert seen(wire) == ["PING"]
    for _ in range(10):
        wire.advance(5)
        wire.receive(MESSAGE)
    assert seen(wire) == []
    wire.advance(6)
    assert seen(wire) == ["close 1011"]


def test_a_frame_that_goes_on_arriving_is_a_sign_of_life():
    wire = connect(b"wait")
    wire.receive(b"\x81\xfe" + struct.pack("!H", 1000) + bytes(4))
    wire.advance(4)
    for _ in range(10):
        wire.receive(b"x" * 50)
        wire.advance(4)
    assert seen(wire) == []


@pytest.mark.parametrize("kernel", [0, 5_000, 1 << 20])
def test_a_client_that_goes_on_reading_is_alive(kernel: int):
    """Wherever the data in front of our ping is: with us, or in our kernel."""
    wire = connect(b"large", kernel=kernel)
    for _ in range(8):
        wire.resume(1000)
        wire.advance(5)
    assert not wire.eof_sent
    wire.resume()
    assert seen(wire) == ["BINARY", "PING"]
    wire.advance(12)
    assert seen(wire) == ["close 1011"], "now it has our ping, and does not answer"


@pytest.mark.parametrize("path", [b"wait", b"large", b"ticks"])
@pytest.mark.parametrize("kernel", [0, 1 << 20])
def test_a_client_that_takes_nothing_and_sends_nothing_is_dead(path: bytes, kernel: int):
    """After ping and pong, however much our kernel takes of what is written for it."""
    wire = connect(path, kernel=kernel)
    wire.advance(10.9)
    assert not wire.eof_sent and not wire.closed
    closing = wire.closing
    wire.advance(0.2)
    assert not closing and wire.closing


def test_a_client_whose_kernel_alone_is_alive_is_dead():
    """It acknowledges what we send now and then, and no program reads it."""
    wire = connect(b"ticks")
    wire.advance(11)
    assert seen(wire)[-1] == "close 1011"


def test_pings_go_on_while_nothing_is_read():
    """A reset that answers one is the only news of a program that has ended."""
    wire = Lockstep(app(), ServerConfig(limits=LITTLE, timeouts=CONFIG.timeouts))
    wire.receive(HANDSHAKE % b"ticks")
    wire.receive(MESSAGE * 20)
    wire.advance(26)
    assert seen(wire).count("PING") == 5
    assert not wire.closing, "no pong is waited for"


def test_pings_that_are_never_answered_do_not_pile_up():
    wire = connect(b"asks")
    for _ in range(300):
        wire.advance(1)
        wire.receive(MESSAGE)
    session = wire._driver.connection._protocol
    assert len(session._life._pings) == 64
    assert not wire.closing
