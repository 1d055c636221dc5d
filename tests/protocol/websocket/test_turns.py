"""What one read holds is decoded up to the mark, a few frames at a time; others come between."""

from __future__ import annotations

import zlib
from typing import Any

import pytest

from anylane import App, Context, Limits, ServerConfig, Timeouts
from anylane.errors import Disconnected
from anylane.protocol.interfaces import Closing
from anylane.protocol.websocket.deflate import Inflater
from anylane.testing import Lockstep, World

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MEGABYTE = 1 << 20
TURN = 4
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([fin << 7 | rsv << 4 | opcode]) + length + bytes(4) + payload


def unfolding(size: int) -> bytes:
    """A frame of about a thousandth of the size of its message."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    payload = deflate.compress(bytes(size)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return frame(BINARY, payload[:-4], rsv=4)


class Side:
    """A client, and the handler on the other side, which receives when it is told to."""

    def __init__(self, early: bytes = b"", **settings: Any) -> None:
        self.seen: list[object] = []
        self.receives = False
        app = App()

        @app.websocket("/")
        async def receive(ctx: Context) -> None:
            ws = await ctx.accept()
            while not self.receives:
                await ctx.sleep(1)
            try:
                while True:
                    message = await ws.receive()
                    self.seen.append(len(message) if len(message) > 9 else message)
            except Disconnected as exc:
                self.seen.append(exc.code)

        @app.get("/")
        async def home(ctx: Context) -> str:
            return "neighbour"

        express = settings.pop("express", True)
        timeouts = Timeouts(**{name: settings.pop(name) for name in ("ping",) if name in settings})
        limits = Limits(**{"pieces_per_turn": TURN, **settings})
        config = ServerConfig(express=express, limits=limits, timeouts=timeouts)
        self.world = World(app, config)
        self.wire = Lockstep(world=self.world)
        self.wire.receive(HANDSHAKE + early)
        assert self.wire.take().startswith(b"HTTP/1.1 101 ")

    def frames_sent(self) -> list[int]:
        """The opcodes of short frames."""
        data, found = self.wire.take(), []
        while data:
            found.append(data[0] & 15)
            data = data[2 + data[1] :]
        return found


@pytest.fixture(params=[True, False], ids=["express", "authorities"])
def express(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def inflated(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The size of each piece that was inflated."""
    sizes: list[int] = []
    real = Inflater.inflate

    def inflate(self: Inflater, data: bytes, limit: int) -> bytes:
        piece = real(self, data, limit)
        sizes.append(len(piece))
        return piece

    monkeypatch.setattr(Inflater, "inflate", inflate)
    return sizes


def test_inflating_stops_at_the_mark(express: bool, inflated: list[int]) -> None:
    side = Side(express=express, pieces_per_turn=1000)
    side.wire.receive(unfolding(MEGABYTE) * 200)
    assert sum(inflated) <= 2 * MEGABYTE
    side.wire.receive(unfolding(MEGABYTE))
    assert side.wire.unread > 0
    side.receives = True
    side.wire.advance(1)
    assert side.seen == [MEGABYTE] * 201
    assert side.wire.unread == 0


def test_small_ones_stop_at_it_too(express: bool, inflated: list[int]) -> None:
    side = Side(express=express, inbound_high=10_000, inbound_low=100, pieces_per_turn=1000)
    side.wire.receive(unfolding(1000) * 200)
    assert sum(inflated) <= 12_000
    side.receives = True
    side.wire.advance(1)
    assert side.seen == [1000] * 200


@pytest.mark.parametrize(
    "flood",
    [frame(TEXT), frame(PING), frame(TEXT, b"a", fin=False) + frame(CONT, b"b") * 3, unfolding(9)],
    ids=["empty messages", "pings", "fragments", "compressed"],
)
def test_others_have_their_turn_within_one_read(express: bool, flood: bytes) -> None:
    """The neighbour's request came later, and is answered before the flood is at its end."""
    flood = flood.replace(frame(CONT, b"b") * 3, frame(CONT, b"b", fin=False) * 2 + frame(CONT))
    side = Side(express=express)
    side.receives = True
    side.world.advance(1)
    neighbour = side.wire.open()
    side.wire._driver.put(flood * 100 + frame(PING, b"last"))
    neighbour._driver.put(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    rounds = 0
    while not b"".join(neighbour._driver.sent):
        assert side.world.turn()
        rounds += 1
    assert b"last" not in b"".join(side.wire._driver.sent)
    side.world.run()
    assert b"last" in b"".join(side.wire._driver.sent)
    assert rounds < 20


def test_a_rest_is_never_overtaken(express: bool) -> None:
    """By what comes later, by the end of input, or by a close frame in it."""
    side = Side(express=express, inbound_high=64, inbound_low=1)
    side.wire.receive(b"".join(frame(TEXT, b"%d" % n) for n in range(9)) + frame(PING))
    side.wire._driver.receive(frame(TEXT, b"stray"))  # The transport had it in its hands.
    side.wire.eof()
    assert side.frames_sent() == []
    side.receives = True
    side.wire.advance(1)
    assert side.seen == [*"012345678", "stray", 1006]


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (frame(CLOSE, b"\x03\xe8"), 1000),
        (frame(TEXT, b"\xff"), 1007),
        (frame(3), 1002),
        (b"", 1006),
    ],
)
def test_the_end_comes_behind_the_rest(express: bool, end: bytes, code: int) -> None:
    side = Side(express=express)
    side.receives = True
    side.wire.advance(1)
    side.wire._driver.put(b"".join(frame(TEXT, b"%d" % n) for n in range(30)) + end)
    side.wire.eof()
    assert side.seen == [*(str(n) for n in range(30)), code]
    assert side.wire.closed


def test_frames_that_came_before_accept_are_budgeted_too(
    express: bool, inflated: list[int]
) -> None:
    side = Side(unfolding(MEGABYTE) * 9 + frame(CLOSE), express=express)
    assert sum(inflated) <= 2 * MEGABYTE
    side.receives = True
    side.wire.advance(1)
    assert side.seen == [MEGABYTE] * 9 + [1005]


def test_our_close_finds_the_peers_in_the_rest(express: bool, inflated: list[int]) -> None:
    side = Side(express=express)
    side.wire.receive(unfolding(MEGABYTE) * 9 + frame(CLOSE, b"\x03\xe9"))
    before = sum(inflated)
    side.world.server.shutdown()
    side.wire.advance(0.5)  # The handler receives nothing yet.
    assert side.wire.closing is Closing.SEND_EOF
    assert sum(inflated) == before
    side.receives = True
    side.wire.eof()
    side.wire.advance(1)
    assert side.wire.closed


@pytest.mark.parametrize("how", [Lockstep.lose, lambda wire: wire.world.server.abort()])
def test_a_lost_connection_drops_its_rest(express: bool, how: Any, inflated: list[int]) -> None:
    side = Side(express=express)
    side.wire.receive(unfolding(MEGABYTE) * 9)
    before = sum(inflated)
    how(side.wire)
    side.receives = True
    side.wire.advance(1)
    assert sum(inflated) == before
    assert side.world.drivers == []


def test_a_pong_in_the_rest_is_seen_before_its_deadline_is_judged(express: bool) -> None:
    side = Side(express=express, ping=5.0)
    side.wire.advance(5)
    ping = side.wire.take()
    assert ping[0] == 0x80 | PING
    side.wire.receive(unfolding(MEGABYTE) * 9 + frame(PONG, ping[2:]))
    side.wire.advance(100)  # It cannot be seen before the handler receives.
    side.receives = True
    side.wire.advance(1)
    assert side.seen == [MEGABYTE] * 9
    side.wire.advance(10)
    assert side.wire.closing is Closing.NO
