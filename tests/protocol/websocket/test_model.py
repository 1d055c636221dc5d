"""Frame sequences of all kinds, cut and damaged, against a small model of what they mean.

The model shares no code with the server: frames are encoded here, and what is to be answered is
read off the list of steps that they were made of. RFC 6455, RFC 7692.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anylane import App, Context, Deflate, Disconnected, Limits, ServerConfig
from anylane.testing import Lockstep

settings.register_profile("deep", max_examples=5000, deadline=None)
if os.environ.get("HYPOTHESIS_PROFILE") == "deep":
    settings.load_profile("deep")

LIMIT = 40
CONFIGS = [
    ServerConfig(limits=limits, deflate=Deflate(threshold=10))
    for limits in (
        Limits(message=LIMIT),
        Limits(message=LIMIT, pieces_per_turn=1),
        Limits(message=LIMIT, pieces_per_turn=3, inbound_high=150, inbound_low=100),
        Limits(message=LIMIT, inbound_high=30, inbound_low=1),
    )
]
"""How much of a read is decoded in one turn must change nothing that can be seen."""

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
)
CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


# -- what a client does ---------------------------------------------------------------------------


@dataclass
class Message:
    """between: a ping's payload for each place between two fragments, or None."""

    content: str | bytes
    compressed: bool
    cuts: list[int]
    between: list[bytes | None]

    @property
    def data(self) -> bytes:
        return self.content.encode() if isinstance(self.content, str) else self.content


@dataclass
class Ping:
    payload: bytes


@dataclass
class Pong:
    payload: bytes


@dataclass
class Close:
    code: int | None
    reason: str


@dataclass
class Fault:
    """A frame that breaks a rule, alone. code: that it is answered with."""

    frame: bytes
    code: int


Step = Message | Ping | Pong | Close | Fault


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
    mask = bytes((7, 99, 200, 13))
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    body = bytes(byte ^ mask[i & 3] for i, byte in enumerate(payload))
    return bytes([fin << 7 | rsv << 4 | opcode]) + length + mask + body


class Encoder:
    """One client's frames: its compression remembers what it has sent."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(6, zlib.DEFLATED, -12)

    def encode(self, step: Step) -> bytes:
        match step:
            case Message():
                return self._message(step)
            case Ping():
                return frame(PING, step.payload)
            case Pong():
                return frame(PONG, step.payload)
            case Close():
                code = b"" if step.code is None else step.code.to_bytes(2, "big")
                return frame(CLOSE, code + step.reason.encode() if code else b"")
            case Fault():
                return step.frame

    def _message(self, message: Message) -> bytes:
        data = message.data
        if message.compressed:
            data = self._deflate.compress(data) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
            # Without a byte to compress zlib writes no second empty block: RFC 7692 §7.2.3.6.
            data = data[:-4] if data else b"\0"
        places = sorted({min(cut, len(data)) for cut in message.cuts})
        parts = [data[a:b] for a, b in pairwise([0, *places, len(data)])]
        opcode = TEXT if isinstance(message.content, str) else BINARY
        out = b""
        for index, part in enumerate(parts):
            first, last = index == 0, index == len(parts) - 1
            rsv = 4 if first and message.compressed else 0
            out += frame(opcode if first else CONT, part, fin=last, rsv=rsv)
            if not last and (payload := message.between[index % len(message.between)]) is not None:
                out += frame(PING, payload)
        return out

    def pings_in(self, message: Message) -> list[bytes]:
        """Told by the frames themselves; a copy of the compressor leaves ours as it was."""
        twin = Encoder()
        twin._deflate = self._deflate.copy()
        encoded, found = twin._message(message), []
        while encoded:
            size = encoded[1] & 0x7F
            assert size < 126
            if encoded[0] & 0xF == PING:
                mask = encoded[2:6]
                found.append(bytes(b ^ mask[i & 3] for i, b in enumerate(encoded[6 : 6 + size])))
            encoded = encoded[6 + size :]
        return found


# -- what it means --------------------------------------------------------------------------------


@dataclass
class Outcome:
    """close: what the close frame says, None for one without a code, absent without one."""

    messages: list[str | bytes] = field(default_factory=list)
    pongs: list[bytes] = field(default_factory=list)
    close: Any = "absent"


def predict(steps: list[Step]) -> Outcome:
    outcome = Outcome()
    encoder = Encoder()
    for step in steps:
        match step:
            case Message():
                if len(step.data) > LIMIT:
                    outcome.close = 1009
                    return outcome
                outcome.pongs += encoder.pings_in(step)
                outcome.messages.append(step.content)
            case Ping():
                outcome.pongs.append(step.payload)
            case Pong():
                pass
            case Close():
                outcome.close = step.code
                return outcome
            case Fault():
                outcome.close = step.code
                return outcome
        encoder.encode(step)
    return outcome


# -- what the server does -------------------------------------------------------------------------


def play(pieces: list[bytes], config: ServerConfig = CONFIGS[0]) -> tuple[Outcome, list[object]]:
    """The client's view, and what the handler saw."""
    seen: list[object] = []
    app = App()

    @app.websocket("/")
    async def echo(ctx: Context) -> None:
        ws = await ctx.accept()
        try:
            while True:
                message = await ws.receive()
                seen.append(message)
                await ws.send(message)
        except Disconnected as exc:
            seen.append(exc.code)
            raise

    wire = Lockstep(app, config)
    wire.receive(HANDSHAKE)
    for piece in pieces:
        wire.receive(piece)
    wire.eof()
    assert [record.error for record in wire.log if record.level == "error"] == []
    assert wire.closed
    return read(wire.take().partition(b"\r\n\r\n")[2]), seen


def read(data: bytes) -> Outcome:
    """What the server sent: whole frames, each a whole message, and nothing behind a close."""
    outcome = Outcome()
    inflate = zlib.decompressobj(-12)
    while data:
        assert outcome.close == "absent", "something came after the close frame"
        first, size, start = data[0], data[1], 2
        assert size < 126
        payload = data[start : start + size]
        assert len(payload) == size, "a frame was cut in half"
        data = data[start + size :]
        if first & 0x40:
            payload = inflate.decompress(payload + b"\0\0\xff\xff")
        match first & ~0x40:
            case 0x81:
                outcome.messages.append(payload.decode())
            case 0x82:
                outcome.messages.append(payload)
            case 0x8A:
                outcome.pongs.append(payload)
            case 0x88:
                outcome.close = int.from_bytes(payload[:2], "big") if payload else None
            case _:
                raise AssertionError(f"unexpected frame {first:#x}")
    return outcome


CONTENT = st.one_of(
    st.text(max_size=12),
    st.binary(max_size=12),
    st.sampled_from(["x" * LIMIT, b"\0" * LIMIT, "é" * (LIMIT // 2), "again and again " * 2]),
    st.sampled_from(["x" * (LIMIT + 1), bytes(100), "é" * (LIMIT // 2) + "x"]),
)
PAYLOAD = st.binary(max_size=20)
MESSAGE = st.builds(
    Message,
    CONTENT,
    st.booleans(),
    st.lists(st.integers(0, 30), max_size=3),
    st.lists(st.none() | PAYLOAD, min_size=1, max_size=3),
)
FAULT = st.sampled_from(
    [
        Fault(frame(TEXT, b"\xff"), 1007),
        Fault(frame(TEXT, b"a\xe2\x82"), 1007),
        Fault(frame(TEXT, b"\xed\xa0\x80", fin=False), 1007),
        Fault(frame(BINARY, b"\xff" * 9, rsv=4), 1007),
        Fault(frame(CONT, b"a"), 1002),
        Fault(frame(TEXT, b"a", fin=False) + frame(BINARY, b"b"), 1002),
        Fault(frame(TEXT, b"a", fin=False) + frame(CONT, b"b", rsv=4), 1002),
        Fault(frame(PING, b"a", fin=False), 1002),
        Fault(frame(PONG, rsv=4), 1002),
        Fault(frame(PING, bytes(126)), 1002),
        Fault(frame(5), 1002),
        Fault(frame(15), 1002),
        Fault(frame(TEXT, rsv=1), 1002),
        Fault(b"\x81\x01a", 1002),
        Fault(frame(CLOSE, b"a"), 1002),
        Fault(frame(CLOSE, b"\x03\xed"), 1002),
        Fault(frame(CLOSE, b"\x03\xe8\xff"), 1007),
        Fault(frame(BINARY, bytes(LIMIT + 1)), 1009),
    ]
)
CLOSES = st.builds(
    Close, st.none() | st.sampled_from([1000, 1001, 1014, 3000, 4999]), st.text(max_size=9)
)
STEPS = st.lists(
    st.one_of(MESSAGE, MESSAGE, st.builds(Ping, PAYLOAD), st.builds(Pong, PAYLOAD), CLOSES, FAULT),
    max_size=8,
)
CUTS = st.lists(st.integers(0, 600), max_size=6)


def encoded(steps: list[Step]) -> bytes:
    encoder = Encoder()
    return b"".join(encoder.encode(step) for step in steps)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({min(cut, len(data)) for cut in cuts})
    return [data[a:b] for a, b in pairwise([0, *places, len(data)])]


@settings(deadline=None)
@given(STEPS, CUTS, st.sampled_from(CONFIGS))
def test_what_is_delivered_and_answered_is_what_the_model_says(steps, cuts, config):
    expected = predict(steps)
    found, seen = play(pieces(encoded(steps), cuts), config)
    assert found.messages == expected.messages == seen[:-1]
    assert found.close == expected.close
    # A ping inside of a message that turned out too big may have been answered before.
    assert found.pongs[: len(expected.pongs)] == expected.pongs
    if expected.close != 1009:
        assert found.pongs == expected.pongs
    code = {"absent": 1006, None: 1005}.get(expected.close, expected.close)
    assert seen[-1] == code


@settings(deadline=None)
@given(STEPS, CUTS, st.integers(0, 600), st.integers(1, 255), st.sampled_from(CONFIGS))
def test_damage_costs_nothing_that_came_before_it(steps, cuts, at, flip, config):
    data = bytearray(encoded(steps))
    if not data:
        return
    at %= len(data)
    data[at] ^= flip
    found, seen = play(pieces(bytes(data), cuts), config)
    # Whole steps in front of the damaged byte are answered as ever.
    encoder, intact, size = Encoder(), [], 0
    for step in steps:
        size += len(encoder.encode(step))
        if size > at:
            break
        intact.append(step)
    before = predict(intact)
    assert found.messages[: len(before.messages)] == before.messages
    assert found.pongs[: len(before.pongs)] == before.pongs
    assert seen[: len(before.messages)] == before.messages
    if before.close != "absent":
        assert (found.messages, found.close) == (before.messages, before.close)


@pytest.mark.parametrize("rest", [b"", b"\xff" * 50])
def test_noise_is_answered_with_one_close_frame_or_none(rest):
    for first in range(256):
        found, _ = play([bytes([first, 0x85]) + rest])
        assert found.close in ("absent", 1002, 1007, 1009)
