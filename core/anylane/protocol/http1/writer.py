"""ResponseWriter: one response's bytes, framed for the request that it answers (RFC 9112 §6).

Pure: it returns what to send, and remembers how much of the body is owed.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto

from anylane.protocol.fields import Header
from anylane.protocol.http1.content_length import declared, too_long, too_short, unframed
from anylane.protocol.http1.encoding import JOINED, encode_head, encode_trailers


class Framing(Enum):
    """How the client knows where the body ends."""

    NONE = auto()
    """There is no body on the wire: HEAD, 204, 205, 304. What is written is dropped."""
    LENGTH = auto()
    """By Content-Length."""
    CHUNKED = auto()
    """By the last chunk."""
    UNTIL_CLOSE = auto()
    """By the end of the connection: HTTP/1.0 without a length."""


class ResponseWriter:
    """The response to one request.

    framing: how the body ends, known after `head`.
    keep_alive: whether the connection outlives it. It may be set to False until `head()`.
    """

    __slots__ = ("_head_request", "_old", "_owed", "framing", "keep_alive")

    def __init__(self, method: bytes, version: bytes, keep_alive: bool) -> None:
        self._head_request = method == b"HEAD"
        self._old = version == b"1.0"
        self._owed = 0
        self.framing: Framing = Framing.NONE
        self.keep_alive: bool = keep_alive

    def head(
        self, status: int, headers: Iterable[Header], length: int | None, date: bytes
    ) -> bytes:
        """Return the head. Raises UsageError for headers that contradict the framing.

        length: of the body in bytes, None if it is not known.
        """
        # RFC 9110 §6.4.1: none of these has a body; HEAD and 304 may tell GET's length (§8.6), and
        # 205 tells that there is nothing (§15.3.6).
        bodyless = self._head_request or status in (204, 205, 304)
        lines: list[Header] = [("date", date.decode("ascii"))]
        options: list[str] = []
        for name, value in headers:
            match name.lower():
                case "content-length":
                    length = declared(value, (length or None) if bodyless else length)
                case "transfer-encoding":
                    raise unframed()
                case "connection":
                    options += (option.strip().lower() for option in value.split(","))
                case "date":
                    lines[0] = (name, value)
                case _:
                    lines.append((name, value))
        if status == 205:
            length = 0
        self.keep_alive = self.keep_alive and "close" not in options
        if length is not None and status != 204 and not (status == 304 and length == 0):
            lines.append(("content-length", str(length)))
        elif length is None and status not in (204, 304) and not self._old:
            lines.append(("transfer-encoding", "chunked"))
        self.framing = self._framing(bodyless, length)
        if self.framing is Framing.UNTIL_CLOSE:
            self.keep_alive = False
        self._owed = length or 0
        connection = self._connection(options)
        if connection:
            lines.append(("connection", connection))
        return encode_head(status, lines)

    def _framing(self, bodyless: bool, length: int | None) -> Framing:
        """Return how the client knows where the body ends."""
        if bodyless:
            return Framing.NONE
        if length is not None:
            return Framing.LENGTH
        return Framing.UNTIL_CLOSE if self._old else Framing.CHUNKED

    def _connection(self, options: list[str]) -> str:
        """Return the value of the Connection header.

        Whether the connection persists is decided here; other options are kept.
        """
        kept = [option for option in options if option not in ("close", "keep-alive", "")]
        if not self.keep_alive:
            kept.append("close")
        elif self._old:
            kept.append("keep-alive")
        return ", ".join(kept)

    def data(self, data: bytes) -> tuple[bytes, ...]:
        """Return the chunks for one piece of the body.

        Raises UsageError over the declared length, and nothing is sent then.
        """
        if not data:
            return ()
        match self.framing:
            case Framing.NONE:
                return ()
            case Framing.CHUNKED if len(data) <= JOINED:
                return (b"%x\r\n%b\r\n" % (len(data), data),)
            case Framing.CHUNKED:
                return (b"%x\r\n" % len(data), data, b"\r\n")
            case Framing.UNTIL_CLOSE:
                return (data,)
            case Framing.LENGTH:
                if len(data) > self._owed:
                    raise too_long(len(data), self._owed)
                self._owed -= len(data)
                return (data,)

    def end(self, trailers: Iterable[Header]) -> bytes:
        """Return the end of the body.

        Trailers go out behind chunks only. Raises UsageError if the body is shorter than declared.
        """
        if self.framing is Framing.CHUNKED:
            return encode_trailers(trailers)
        if self.framing is Framing.LENGTH and self._owed:
            raise too_short(self._owed)
        return b""
