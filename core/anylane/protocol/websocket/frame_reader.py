"""FrameReader: bytes to whole messages and control frames. It keeps no session.

wsproto's decoder parses and unmasks. Our rules stand on top: the order of fragments, messages
joined within a limit, permessage-deflate, UTF-8, close codes. What breaks a rule raises Violation,
after everything that came before it was given out, however the bytes were cut. Data frames that
come whole take an express lane in front of wsproto.
"""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from wsproto.extensions import Extension
from wsproto.frame_protocol import (
    CloseReason,
    FrameDecoder,
    FrameProtocol,
    Opcode,
    ParseFailed,
    RsvBits,
)

from anylane.protocol.websocket.close_codes import NO_STATUS, is_close_code
from anylane.protocol.websocket.deflate import InflateError, Inflater
from anylane.protocol.websocket.masking import ONES, SHORT, apply_mask, key_number, unmask


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A whole message.

    size: bytes, inflated.
    """

    data: str | bytes
    size: int


@dataclass(frozen=True, slots=True)
class PingReceived:
    """A ping (RFC 6455 §5.5.2)."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class PongReceived:
    """A pong (RFC 6455 §5.5.3)."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class CloseReceived:
    """A close frame (RFC 6455 §5.5.1).

    code: 1005 if the frame had none (§7.1.5).
    """

    code: int
    reason: str


Received = MessageReceived | PingReceived | PongReceived | CloseReceived
"""What a reader gives."""


class Violation(Exception):
    """The peer broke a rule.

    code: the code to close with.
    reason: the reason to close with.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


_RSV1 = RsvBits(rsv1=True, rsv2=False, rsv3=False)
_NO_RSV = RsvBits(rsv1=False, rsv2=False, rsv3=False)
_utf8_decoder = codecs.getincrementaldecoder("utf-8")


class FrameReader:
    """Reads what one client sends.

    limit: bytes of one message, inflated.
    fragments: those of one message.
    inflater: if permessage-deflate was agreed upon.
    express: whether plain frames are read directly.
    frames: those that `read` has decoded, and pieces of one.
    """

    __slots__ = ("_between", "_compressed", "_decoder", "_express", "_fragments", "_header",
                 "_inflater", "_limit", "_most", "_open", "_parts", "_size", "_skip", "_utf8",
                 "frames")  # fmt: skip

    def __init__(
        self,
        limit: int,
        inflater: Inflater | None = None,
        *,
        fragments: int = 1 << 40,
        express: bool = True,
    ) -> None:
        self._limit = limit
        self._most = fragments
        self._fragments = 0
        self._inflater = inflater
        self._express = express
        self.frames: int = 0
        self._between = True
        self._header = _HeaderRules(self)
        self._decoder: FrameDecoder | None = None
        self._open = False
        self._skip = False
        self._compressed = False
        self._size = 0
        self._parts: list[Any] = []
        self._utf8: codecs.IncrementalDecoder | None = None

    @property
    def unfinished(self) -> bool:
        """Whether more has to come: of a frame, or of a message in fragments."""
        return not self._between or self._open

    def skip_messages(self) -> None:
        """Neither keep nor check messages from here on: they are not needed any more."""
        self._skip = True
        self._parts.clear()

    def read_plain(
        self, data: bytes, messages: deque[tuple[str | bytes, int]], most: int
    ) -> tuple[int, int]:
        """Read the whole, plain messages at the beginning of *data*, each in one frame.

        This is the express lane. The messages, so many at most, are appended to *messages*, with
        their sizes in bytes. Returns how many bytes of *data* were read, and the sum of the sizes.
        Raises nothing: what it does not take is for `read_frame` or `read`. 0.7 us for a small
        message, where wsproto takes 9 (CPython 3.13); `benchmarks/core.py` guards it.
        """
        if not self._between or not self._express or self._skip or self._open:
            return 0, 0
        at = total = 0
        apply = apply_mask()
        whole, limit = len(data), self._limit
        for _ in range(most):
            if whole - at < 6:
                break
            kind = data[at]
            length = data[at + 1] - 0x80  # Below 0: not masked.
            if (kind != _PLAIN_TEXT and kind != _PLAIN_BINARY) or length < 0:  # noqa: PLR1714
                break
            if length < SHORT:
                end = at + 6 + length
                if end > whole or length > limit:
                    break
                payload: bytes | bytearray
                if apply is not None:
                    payload = apply(data[at + 6 : end], data[at + 2 : at + 6])
                else:
                    # The key and what it masks are one number. The key, repeated from its own
                    # place on, then leaves 0 of itself. That is a slice less than in `unmask`.
                    number = key_number(data[at + 2 : end])
                    pad = (number >> 8 * length) * ONES[length]
                    if length & 3:
                        pad >>= 32 - 8 * (length & 3)
                    payload = (number ^ pad).to_bytes(length)
            else:
                begin, length = _payload_at(data, at)
                end = begin + length
                if not begin or end > whole or length > limit:
                    break
                payload = unmask(data, begin, end)
            if kind == _PLAIN_TEXT:
                try:
                    messages.append((payload.decode(), length))
                except UnicodeDecodeError:
                    break
            else:
                messages.append((bytes(payload), length))
            total += length
            at = end
        return at, total

    def read_frame(self, data: bytes, at: int) -> tuple[str | bytes | None, int, int] | None:
        """Read one whole data frame at *at*, even a compressed one or a fragment.

        This is the rest of the express lane. Returns the message that it completes or None, the
        size of that in bytes, and where the frame ends. Returns None for anything else; `read`
        takes it from *at* on. Raises Violation, the same as `read` would.
        """
        if not self._between or not self._express or self._skip:
            return None
        begin, length = _payload_at(data, at)
        end = begin + length
        if not begin or end > len(data) or data[at] not in _DATA:
            return None
        opcode, rsv1, final = _DATA[data[at]]
        if (rsv1 and self._inflater is None) or self.check_header(opcode, rsv1, length) is not None:
            return None
        self._header.rsv1 = rsv1
        whole = self._add(opcode, bytes(unmask(data, begin, end)), final=final)
        self._fragments += 1
        return (None, 0, end) if whole is None else (whole.data, whole.size, end)

    def next_slice(self, data: bytes, at: int) -> int:
        """Return where the bytes end that `read` is to be given next: with the frame at *at*, where
        that is known.

        wsproto copies for each frame all that is behind it, so its work grows with the square of
        the number of frames that it is given at once.
        """
        decoder = self._decoder
        if self._between:
            begin, length = _payload_at(data, at)
            return begin + length if begin else at + _SLICE
        if decoder is None or decoder.header is None:
            return at + _SLICE
        left = decoder.header.payload_len - decoder.payload_consumed - len(decoder.buffer)
        return at + max(left, 1)

    def read(self, data: bytes) -> Iterator[Received]:
        """Yield what is complete with these bytes, in order.

        Each frame, or piece of one, adds 1 to `frames`. Raises Violation. It must not be called
        again after that, nor after a close frame.
        """
        decoder = self._decoder
        if decoder is None:
            decoder = self._decoder = FrameDecoder(client=False, extensions=[self._header])
        decoder.receive_bytes(data)
        self._between = False
        try:
            while (frame := decoder.process_buffer()) is not None:
                opcode, payload, finished, final = frame
                self.frames += 1
                assert isinstance(payload, bytes)
                match opcode:
                    case Opcode.PING:
                        yield PingReceived(payload)
                    case Opcode.PONG:
                        yield PongReceived(payload)
                    case Opcode.CLOSE:
                        yield _close_received(payload)
                        return
                    case _:
                        message = self._add(opcode, payload, final=finished and final)
                        self._fragments += finished
                        if message is not None:
                            yield message
            self._between = not (decoder.header or len(decoder.buffer))
        except ParseFailed as exc:
            raise Violation(int(exc.code), self._header.fault or str(exc)) from None

    def allowed_rsv(self, opcode: Opcode) -> RsvBits:
        """Return the reserved bits that a frame may have.

        RSV1 is for the first frame of a message, once it was agreed upon (RFC 7692 §6).
        """
        if self._inflater is None or opcode is Opcode.CONTINUATION:
            return _NO_RSV
        return _RSV1

    def check_header(self, opcode: Opcode, rsv1: bool, length: int) -> Violation | None:
        """Return what is wrong with a data frame, before a byte of its payload was read."""
        if self._open is not (opcode is Opcode.CONTINUATION):
            expected = "a continuation" if self._open else "the first frame of a message"
            return Violation(_PROTOCOL_ERROR, f"expected {expected}, got {opcode.name}")
        if self._open and self._fragments >= self._most and not self._skip:
            return Violation(_POLICY, f"message is in over {self._most} fragments")
        if self._skip or (self._compressed if self._open else rsv1):
            return None
        before = self._size if self._open else 0
        return self._too_big() if before + length > self._limit else None

    def _too_big(self) -> Violation:
        return Violation(_TOO_BIG, f"message is over {self._limit} bytes")

    def _add(self, opcode: Opcode, payload: bytes, *, final: bool) -> MessageReceived | None:
        """Add a piece of a message, not always a whole frame. Return a message that is complete."""
        if not self._open:
            self._compressed = self._header.rsv1
            self._size = self._fragments = 0
            self._utf8 = _utf8_decoder() if opcode is Opcode.TEXT else None
        self._open = not final
        if self._skip:
            return None
        if self._compressed:
            payload = self._inflate(payload, final=final)
        self._size += len(payload)
        part = payload if self._utf8 is None else self._decode(payload, final=final)
        if not final:
            if part:
                self._parts.append(part)
                if len(self._parts) == _MAX_PARTS:
                    self._parts = [part[:0].join(self._parts)]
            return None
        if self._parts:
            self._parts.append(part)
            part = part[:0].join(self._parts)
            self._parts.clear()
        return MessageReceived(part, self._size)

    def _inflate(self, payload: bytes, *, final: bool) -> bytes:
        """Inflate a piece. It never allocates more than the message may have left, and one byte."""
        inflater, left = self._inflater, self._limit - self._size
        assert inflater is not None
        try:
            data = inflater.inflate(payload, left + 1)
            if final and len(data) <= left:
                data += inflater.end(left + 1 - len(data))
        except InflateError:
            raise Violation(_INVALID_DATA, _BAD_COMPRESSED) from None
        if len(data) > left:
            # The fault that comes first is answered first, even if both came in one piece.
            if self._utf8 is not None:
                self._decode(data[:left], final=False)
            raise self._too_big()
        return data

    def _decode(self, data: bytes, *, final: bool) -> str:
        """Decode a piece of text. Raise Violation if it is not UTF-8."""
        assert self._utf8 is not None
        try:
            return self._utf8.decode(data, final)
        except UnicodeDecodeError:
            # zlib does not give out what it had before a fault, so how the bytes were cut would
            # decide which of the two faults is seen. Both have one reason instead.
            reason = _BAD_COMPRESSED if self._compressed else "invalid UTF-8"
            raise Violation(_INVALID_DATA, reason) from None


def _payload_at(data: bytes, at: int) -> tuple[int, int]:
    """Return where the payload of the masked frame at *at* begins, and its length.

    0 stands for a frame that is not masked, or not complete up to its payload.
    """
    head = data[at : at + 10]
    if len(head) < 6 or head[1] < 0x80:
        return 0, 0
    length = head[1] - 0x80
    if length < 126:
        return at + 6, length
    if length == 126:
        length = (head[2] << 8) + head[3]
        return (at + 8, length) if length > 125 else (0, 0)
    length = int.from_bytes(head[2:], "big")
    return (at + 14, length) if len(head) == 10 and length > 0xFFFF else (0, 0)


_PLAIN_TEXT, _PLAIN_BINARY = 0x81, 0x82

_DATA = {
    opcode | (rsv1 and 0x40) | (final and 0x80): (opcode, rsv1, final)
    for opcode in (Opcode.CONTINUATION, Opcode.TEXT, Opcode.BINARY)
    for rsv1 in (False, True)
    for final in (False, True)
    if not (rsv1 and opcode is Opcode.CONTINUATION)
}
"""First bytes of data frames, and what they say (RFC 6455 §5.2, RFC 7692 §6)."""

_SLICE = 1024
"""Bytes that wsproto is given where it is not known where a frame ends."""

_MAX_PARTS = 1024
"""Fragments that are held apart. Each costs 50 bytes of memory besides its own."""

_PROTOCOL_ERROR = int(CloseReason.PROTOCOL_ERROR)
_INVALID_DATA = int(CloseReason.INVALID_FRAME_PAYLOAD_DATA)
_POLICY = int(CloseReason.POLICY_VIOLATION)
_TOO_BIG = int(CloseReason.MESSAGE_TOO_BIG)
_BAD_COMPRESSED = "invalid compressed data, or invalid UTF-8 in it"


class _HeaderRules(Extension):
    """The place where wsproto lets us look at the header of a frame.

    wsproto asks again if the masking key had not come yet, so nothing that lasts is done here.

    rsv1: of the latest header.
    fault: what was wrong with it.
    """

    name = ""

    def __init__(self, reader: FrameReader) -> None:
        self._reader = reader
        self.rsv1 = False
        self.fault = ""

    def offer(self) -> bool:
        return False

    def frame_inbound_header(
        self,
        proto: FrameDecoder | FrameProtocol,  # noqa: ARG002
        opcode: Opcode,
        rsv: RsvBits,
        payload_length: int,
    ) -> CloseReason | RsvBits:
        if opcode.iscontrol():
            return _NO_RSV
        self.rsv1 = rsv.rsv1
        allowed = self._reader.allowed_rsv(opcode)
        if rsv.rsv1 and not allowed.rsv1:
            return allowed  # wsproto refuses it.
        violation = self._reader.check_header(opcode, rsv.rsv1, payload_length)
        if violation is None:
            return allowed
        self.fault = violation.reason
        return CloseReason(violation.code)


def _close_received(payload: bytes) -> CloseReceived:
    """Return what a close frame says (RFC 6455 §5.5.1). Raise Violation if it is malformed."""
    if not payload:
        return CloseReceived(NO_STATUS, "")
    if len(payload) == 1:
        raise Violation(_PROTOCOL_ERROR, "a close frame with one byte: expected none, or a code")
    code = int.from_bytes(payload[:2], "big")
    if not is_close_code(code):
        raise Violation(_PROTOCOL_ERROR, f"close code {code} is not for the wire")
    try:
        return CloseReceived(code, payload[2:].decode("utf-8"))
    except UnicodeDecodeError:
        raise Violation(_INVALID_DATA, "invalid UTF-8 in the close reason") from None
