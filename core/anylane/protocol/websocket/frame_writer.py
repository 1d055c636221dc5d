"""FrameWriter: messages and control frames as bytes (RFC 6455 §5.2).

A server never masks, and this one never fragments.
"""

from __future__ import annotations

import struct
from collections.abc import Hashable

from wsproto.frame_protocol import Opcode

from anylane.protocol.websocket.close_codes import NO_STATUS
from anylane.protocol.websocket.deflate import Deflater


class FrameWriter:
    """Writes what one server sends.

    deflater: if permessage-deflate was agreed upon.
    threshold: bytes from which a message is compressed.
    """

    __slots__ = ("_deflater", "_threshold")

    def __init__(self, deflater: Deflater | None = None, threshold: int = 1) -> None:
        self._deflater = deflater
        self._threshold = threshold

    @property
    def framing(self) -> Hashable:
        """Return what the frame of a message depends on, besides the message; None if it depends
        on the messages before."""
        if self._deflater is None:
            return ()
        parameters = self._deflater.parameters
        return None if parameters is None else (*parameters, self._threshold)

    def write(self, message: str | bytes, out: list[bytes]) -> int:
        """Append the chunks of a message's frame to *out*, and return how many bytes they are.

        A large payload is not copied behind its header.
        """
        if isinstance(message, str):
            first, payload = _TEXT, message.encode()
        else:
            first, payload = _BINARY, message
        length = len(payload)
        if self._deflater is not None and length >= self._threshold:
            first |= _RSV1_BIT
            payload = self._deflater.deflate(payload)
            length = len(payload)
        if length <= _MAX_CONTROL:
            out.append(_HEADERS[first][length] + payload)
            return length + 2
        header = _header(first, length)
        if length <= _MAX_JOINED:
            out.append(header + payload)
        else:
            out += (header, payload)
        return len(header) + length

    def ping(self, payload: bytes) -> bytes:
        """Return a ping."""
        return _header(_FIN | Opcode.PING, len(payload)) + payload

    def pong(self, payload: bytes) -> bytes:
        """Return a pong."""
        return _header(_FIN | Opcode.PONG, len(payload)) + payload

    def close(self, code: int, reason: str = "") -> bytes:
        """Return a close frame.

        1005 stands for one without a code (RFC 6455 §7.1.5), and so without a reason. A longer
        reason than fits is cut.
        """
        payload = b""
        if code != NO_STATUS:
            text = reason.encode("utf-8")[: _MAX_CONTROL - 2]
            # Cut between two characters (RFC 6455 §5.5.1).
            text = text.decode("utf-8", "ignore").encode("utf-8")
            payload = code.to_bytes(2, "big") + text
        return _header(_FIN | Opcode.CLOSE, len(payload)) + payload


_FIN, _RSV1_BIT = 0x80, 0x40

_MAX_CONTROL = 125
"""Bytes that a control frame may carry (RFC 6455 §5.5)."""

_MAX_JOINED = 16 * 1024
"""Bytes of a payload up to which one chunk is cheaper than two."""

_TEXT, _BINARY = _FIN | int(Opcode.TEXT), _FIN | int(Opcode.BINARY)

_HEADERS = {
    first: tuple(bytes((first, length)) for length in range(_MAX_CONTROL + 1))
    for first in (_TEXT, _BINARY, _TEXT | _RSV1_BIT, _BINARY | _RSV1_BIT)
}
"""The headers of short messages. Looking one up takes a fifth of making it."""


def _header(first: int, length: int) -> bytes:
    """Return the header of a frame, with the length in the fewest bytes (RFC 6455 §5.2)."""
    if length <= _MAX_CONTROL:
        return bytes((first, length))
    if length <= 0xFFFF:
        return struct.pack("!BBH", first, 126, length)
    return struct.pack("!BBQ", first, 127, length)
