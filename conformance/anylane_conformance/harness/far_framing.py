"""What is left of HTTP/1.1 answers without their framing, which another server has written.

This reads what servers have sent to the suite's clients, and does not judge it: a length that is
wrong shows in the body.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

OWNED = frozenset(("connection", "date", "keep-alive", "server", "transfer-encoding"))
"""The headers that another server adds, changes or leaves out by itself."""

UPGRADE = frozenset(("sec-websocket-accept", "sec-websocket-extensions", "upgrade"))
"""Those of an answer to a WebSocket handshake."""

PROTOCOL = "sec-websocket-protocol"

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Answer:
    """One answer, final or not. body: what has come of it. whole: whether its framing says that it
    was all. rest: what is no answer."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    trailers: Headers = ()
    whole: bool = True
    rest: bytes = field(default=b"", repr=False)


def messages(data: bytes, bodiless: Collection[int], *, handshake: bool = True) -> list[Answer]:
    """Return the answers in what a client has received, as far as they have come.

    100 Continue is left out. bodiless: the offsets of answers to HEAD. handshake: whether a 101 has
    the headers of the application.
    """
    answers: list[Answer] = []
    at = 0
    while at < len(data):
        end = data.find(b"\r\n\r\n", at)
        if end < 0:
            answers.append(Answer(0, whole=False, rest=data[at:]))
            break
        start, body_at = at, end + 4
        line, *lines = data[at:end].decode("latin-1").split("\r\n")
        status, headers = int(line.split(" ")[1]), _headers(lines)
        values = dict(headers)
        body, whole = b"", True
        trailers: Headers = ()
        if start in bodiless or status < 200 or status in (204, 304):
            at = body_at
        elif "chunked" in values.get("transfer-encoding", ""):
            body, trailers, whole, at = _chunked(data, body_at)
        else:
            length = values.get("content-length")
            at = len(data) if length is None else body_at + int(length)
            body, whole = data[body_at:at], at <= len(data)
        if status != 100:
            owned = OWNED | UPGRADE if status == 101 else OWNED
            left = tuple(each for each in headers if each[0] not in owned)
            if status == 101:  # Its server puts the subprotocol among the headers of the app.
                left = tuple(sorted(each for each in left if handshake or each[0] == PROTOCOL))
            answers.append(Answer(status, left, body, trailers, whole))
    return answers


def _headers(lines: list[str]) -> Headers:
    pairs = (line.partition(":") for line in lines)
    return tuple((name.lower(), value.strip()) for name, _, value in pairs)


def _chunked(data: bytes, at: int) -> tuple[bytes, Headers, bool, int]:
    """Return a chunked body that begins at an offset, its trailers, whether it has its last chunk,
    and where it ends."""
    body = b""
    while (end := data.find(b"\r\n", at)) >= 0:
        size = int(data[at:end].partition(b";")[0], 16)
        if not size:
            last = data.find(b"\r\n\r\n", end)
            if last < 0:
                break
            lines = data[end:last].decode("latin-1").split("\r\n")
            return body, _headers([line for line in lines if line]), True, last + 4
        body += data[end + 2 : end + 2 + size]
        at = end + 2 + size + 2
    return body, (), False, len(data)
