"""Answer: one response as the parts that a host is given. It frames nothing; the host does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from anylane.errors import UsageError
from anylane.protocol.channel.outputs import Content, Message, Start, Trailers
from anylane.protocol.fields import Header, check_header, check_trailer
from anylane.protocol.http1.content_length import declared, too_long, too_short, unframed
from anylane.protocol.request_head import RawHeaders, RequestHead


class Answer:
    """The response to one request.

    trailers: whether the host takes Trailers. closes: whether the host is to end its connection
    behind it, as it also is where the headers say so; None if it cannot be told to.
    bodyless: nothing that is written goes out (HEAD, 204, 205, 304), known after `head`.
    ended: the body is complete.
    """

    __slots__ = ("_closes", "_head_request", "_owed", "_trailers", "bodyless", "ended")

    def __init__(self, head: RequestHead | None, *, trailers: bool, closes: bool | None) -> None:
        self._head_request = head is not None and head.method == b"HEAD"
        self._closes = closes
        self._trailers = trailers
        self._owed: int | None = None
        self.bodyless: bool = False
        self.ended: bool = False

    def head(self, status: int, headers: Iterable[Header], length: int | None) -> Start:
        """Return the head. Raise UsageError for headers that contradict the framing or must not go
        on a wire.

        length: of the body in bytes, None if it is not known. What belongs to the connection is
        left out, because the connection is the host's, but for `connection: close`.
        """
        # RFC 9110 §6.4.1, §8.6, §15.3.6, as in `http1.writer`.
        self.bodyless = self._head_request or status in (204, 205, 304)
        lines: list[Header] = []
        for name, value in headers:
            match name.lower():
                case "content-length":
                    length = declared(value, (length or None) if self.bodyless else length)
                case "transfer-encoding":
                    raise unframed()
                case "connection" if self._closes is False:
                    self._closes = "close" in (each.strip() for each in value.lower().split(","))
                case "connection":
                    pass
                case _:
                    lines.append((name, value))
        if status == 205:
            length = 0
        if length is not None and status != 204 and not (status == 304 and length == 0):
            lines.append(("content-length", str(length)))
        if self._closes:
            lines.append(("connection", "close"))
        self._owed = None if self.bodyless else length
        self._trailers = self._trailers and not self.bodyless and length is None
        return Start(status, encoded(lines), self._trailers)

    def content(self, data: bytes) -> Content | None:
        """Return a piece of the body, None if it does not go out. Raise UsageError over the
        declared length; nothing is to be sent then."""
        if not data or self.bodyless:
            return None
        if self._owed is not None:
            if len(data) > self._owed:
                raise too_long(len(data), self._owed)
            self._owed -= len(data)
        return Content(data, more=True)

    def end(self, trailers: Iterable[Header]) -> tuple[Message, ...]:
        """Return the end of the body. Raise UsageError if it is shorter than declared.

        trailers: dropped where the host takes none, as HTTP/1.0 clients and bodies with a length
        have none.
        """
        if self._owed:
            raise too_short(self._owed)
        fields: RawHeaders = []
        if self._trailers:
            lines = list(trailers)
            for name, value in lines:
                check_trailer(name, value)
            fields = encoded(lines)
        self.ended = True
        last = Content(b"", more=False)
        return (last, Trailers(fields)) if self._trailers else (last,)


_plain: dict[tuple[Header, ...], RawHeaders | None] = {}
"""What the heads of plain answers say, but for the length. Most answers say what others did."""

_MAX_PLAIN = 128

_FRAMING = frozenset(("content-length", "transfer-encoding", "connection"))


def plain_start(status: int, headers: Sequence[Header], length: int) -> Start | None:
    """Return the Start of an answer with a body of that length, as `Answer.head` does; None for one
    that is not plain. Raise UsageError for headers that must not go on a wire."""
    if status in (204, 205, 304):
        return None
    key = tuple(headers)
    try:
        lines = _plain[key]
    except KeyError:
        framed = any(name.lower() in _FRAMING for name, _ in key)
        lines = None if framed else encoded(key)
        if len(_plain) >= _MAX_PLAIN:
            _plain.clear()
        _plain[key] = lines
    if lines is None:
        return None
    return Start(status, [*lines, (b"content-length", b"%d" % length)])


def encoded(headers: Iterable[Header]) -> RawHeaders:
    """Return header lines as bytes. Raise UsageError for one that must not go on a wire."""
    lines: RawHeaders = []
    for name, value in headers:
        check_header(name, value)
        lines.append((name.lower().encode("ascii"), value.encode("latin-1")))
    return lines


def without_connection(headers: Iterable[Header]) -> list[Header]:
    """Return the headers for a 101 without those that the host writes itself.

    Raise UsageError for one that would contradict its handshake (RFC 6455 §4.2.2).
    """
    lines = [each for each in headers if each[0].lower() not in _HOST_MAKES]
    for name, _ in lines:
        if name.lower().startswith("sec-websocket-"):
            raise UsageError(f"{name} belongs to the handshake, which the host makes")
    return lines


_HOST_MAKES = frozenset(("connection", "upgrade"))
