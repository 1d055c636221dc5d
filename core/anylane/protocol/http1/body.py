"""Request bodies: how many of the bytes that come in belong to this request.

h11 decodes; the strict chunk rules stand in front of it. What is behind the last byte of a body is
never fed to h11.
"""

from __future__ import annotations

import re
from enum import Enum, auto

import h11

from anylane.config.limits import Limits
from anylane.errors import Refused
from anylane.protocol.http1.grammar import check_trailers
from anylane.protocol.request_head import RawHeaders, RequestHead

_CHUNK_LINE = re.compile(
    rb"([0-9A-Fa-f]{1,15})"
    rb"(?:;[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
    rb'|"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"))?)*'
)
"""RFC 9112 §7.1.1, without the optional white space that only attackers send."""

_MAX_CHUNK_LINE = 256
"""Bytes of one chunk size line. The longest honest one has 17."""


class _Chunk(Enum):
    """What the next byte of a chunked body is part of."""

    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILERS = auto()
    END = auto()


class Body:
    """Feeds one request body to h11, and says where it ends.

    received: the bytes of body that were decoded.
    complete: whether the last byte was seen.
    trailers: set when it is complete (RFC 9110 §6.5).
    """

    __slots__ = ("_declared", "_held", "_limits", "_parser", "_remaining", "_state", "complete",
                 "received", "trailers")  # fmt: skip

    def __init__(self, head: RequestHead, limits: Limits) -> None:
        self._limits = limits
        self._declared = head.content_length
        self._remaining = head.content_length or 0
        self._state = _Chunk.SIZE if head.chunked else _Chunk.DATA
        self._held = bytearray()
        self.received: int = 0
        self.complete: bool = not head.has_body
        self.trailers: RawHeaders = []
        self._parser = _parser_after(head, limits)

    @property
    def remaining(self) -> int | None:
        """The bytes still to come, or None if the client did not say."""
        return self._remaining if self._declared is not None else None

    def feed(self, data: bytes) -> tuple[list[bytes], bytes]:
        """Take what belongs to the body; return decoded pieces and the rest of the input.

        Raises Refused for malformed framing and for a body that is too large.
        """
        if self._declared is not None:
            mine, rest = data[: self._remaining], data[self._remaining :]
            self._remaining -= len(mine)
        else:
            mine, rest = self._split_chunked(data)
        return self._decode(mine), rest

    def _decode(self, data: bytes) -> list[bytes]:
        """Return what h11 makes of these bytes."""
        pieces: list[bytes] = []
        try:
            self._parser.receive_data(data)
            while True:
                event = self._parser.next_event()
                if isinstance(event, h11.Data):
                    self.received += len(event.data)
                    self._check_size(self.received)
                    pieces.append(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage):
                    self.trailers = list(event.headers)
                    self.complete = True
                    return pieces
                else:
                    return pieces
        except h11.RemoteProtocolError as exc:
            raise Refused(400, str(exc), data) from None

    def _split_chunked(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the bytes of the body, and those behind it.

        `_held` is a line that is not complete yet.
        """
        at = 0
        while at < len(data) and self._state is not _Chunk.END:
            if self._state is _Chunk.DATA:
                step = min(self._remaining, len(data) - at)
                at += step
                self._remaining -= step
                if self._remaining == 0:
                    self._state = _Chunk.DATA_END
                continue
            end = data.find(b"\n", at)
            stop = len(data) if end < 0 else end + 1
            self._held += data[at:stop]
            at = stop
            if self._state is _Chunk.DATA_END:
                self._data_end()
                continue
            self._check_line_length()
            if end >= 0:
                self._line()
        return data[:at], data[at:]

    def _check_size(self, size: int) -> None:
        """Raise Refused for a body of more bytes than there may be."""
        if size > self._limits.body:
            raise Refused(413, f"body is over {self._limits.body} bytes")

    def _check_line_length(self) -> None:
        """Raise Refused if the incomplete line is too long."""
        if self._state is _Chunk.TRAILERS:
            if len(self._held) > self._limits.header_section:
                raise Refused(431, f"trailers are over {self._limits.header_section} bytes")
        elif len(self._held) > _MAX_CHUNK_LINE:
            raise Refused(400, "chunk size line is too long", bytes(self._held))

    def _line(self) -> None:
        """Take a complete line: the size of a chunk, or a trailer."""
        line = bytes(self._held)
        if not line.endswith(b"\r\n"):
            raise Refused(400, "bare LF in chunked framing", line)
        if self._state is _Chunk.SIZE:
            match = _CHUNK_LINE.fullmatch(line[:-2])
            if match is None:
                raise Refused(400, "malformed chunk size line", line)
            self._remaining = int(match[1], 16)
            # A size that can only end in 413 is refused before its bytes come.
            self._check_size(self.received + self._remaining)
            self._state = _Chunk.DATA if self._remaining else _Chunk.TRAILERS
        elif line == b"\r\n" or line.endswith(b"\r\n\r\n"):
            check_trailers(line[:-2], self._limits)
            self._state = _Chunk.END
        else:
            return
        self._held.clear()

    def _data_end(self) -> None:
        """Take the line end behind the data of a chunk."""
        line = bytes(self._held)
        if not b"\r\n".startswith(line):
            raise Refused(400, "chunk data is longer than its size said", line)
        if len(line) == 2:
            self._state = _Chunk.SIZE
            self._held.clear()


class LengthBody:
    """A body with a Content-Length, without h11: there is nothing to decode.

    It has the attributes of `Body`.
    """

    __slots__ = ("complete", "remaining", "trailers")

    def __init__(self, head: RequestHead) -> None:
        self.remaining: int = head.content_length or 0
        self.complete: bool = False
        self.trailers: RawHeaders = []

    def feed(self, data: bytes) -> tuple[list[bytes], bytes]:
        """Take what belongs to the body; return its pieces and the rest of the input."""
        mine, rest = data[: self.remaining], data[self.remaining :]
        self.remaining -= len(mine)
        self.complete = not self.remaining
        return [mine], rest


def _parser_after(head: RequestHead, limits: Limits) -> h11.Connection:
    """Return an h11 connection that has just read *head*."""
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.header_section + 1024)
    if head.has_body:
        framing = (
            b"transfer-encoding: chunked"
            if head.chunked
            else b"content-length: %d" % (head.content_length or 0)
        )
        parser.receive_data(b"POST / HTTP/1.1\r\nhost: a\r\n" + framing + b"\r\n\r\n")
        parser.next_event()
    return parser
