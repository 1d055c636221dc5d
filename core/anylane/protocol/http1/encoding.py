"""Response heads on the wire: the only place that puts one together.

It refuses CR, LF and NUL wherever they could split a response in two (CWE-113). It never decides
about framing; `writer` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from anylane.errors import UsageError
from anylane.protocol.fields import PHRASES
from anylane.protocol.request_head import RequestHead

if TYPE_CHECKING:
    from anylane.protocol.fields import Header


_STATUS_LINES: dict[int, bytes] = {
    status: b"HTTP/1.1 %d %s\r\n" % (status, phrase.encode("ascii"))
    for status, phrase in PHRASES.items()
}


def status_line(status: int) -> bytes:
    """Return `HTTP/1.1 200 OK` and its line end. HTTP/1.0 clients get the same (RFC 9110 §6.2)."""
    line = _STATUS_LINES.get(status)
    return line if line is not None else b"HTTP/1.1 %d \r\n" % status


def encode_head(status: int, headers: Iterable[Header]) -> bytes:
    """Return a response head, its blank line included.

    Raises UsageError for a header that must not go on the wire.
    """
    return b"".join((status_line(status), _encode_lines(headers), b"\r\n"))


_FRAMING = frozenset(("content-length", "transfer-encoding", "connection", "date"))

JOINED = 16 * 1024
"""Bytes of a body up to which it is sent in one piece with its head: copying them costs less than
one more piece does."""

_SMALL = 1024

_ENDS = [b"%d\r\n\r\n" % size for size in range(_SMALL)]
"""What is between a beginning and a small body, where the connection is kept."""

_beginnings: dict[tuple[Any, ...], bytes | None] = {}
"""What the heads of this second's responses have in common. docs/performance.md says what that is
worth."""

_MAX_BEGINNINGS = 128


def encode_plain(  # noqa: PLR0917  # Called for each response, and keywords cost time.
    request: RequestHead,
    status: int,
    headers: Sequence[Header],
    body: bytes,
    date: bytes,
    keep_alive: bool,
) -> bytes | None:
    """Return a response whose body is whole, without the body if that is large; None if not plain.

    The bytes are those of ResponseWriter, which knows all the exceptions. What most responses of
    one second have in common is put together once: 0.4 us instead of 0.9 (CPython 3.13).
    """
    # One piece of "The plan of a fast answer" in docs/performance.md.
    if not request.usual:
        return None
    key = date, status, headers if type(headers) is tuple else tuple(headers)
    try:
        beginning = _beginnings[key]
    except KeyError:
        beginning = _begin(date, status, headers)
        if len(_beginnings) >= _MAX_BEGINNINGS:
            _beginnings.clear()
        _beginnings[key] = beginning
    if beginning is None:
        return None
    size = len(body)
    if keep_alive and size < _SMALL:
        return b"".join((beginning, _ENDS[size], body))
    end = b"" if keep_alive else b"connection: close\r\n"
    return b"%b%d\r\n%b\r\n%b" % (beginning, size, end, body if size <= JOINED else b"")


def _begin(date: bytes, status: int, headers: Sequence[Header]) -> bytes | None:
    """Return all of it up to the number of its Content-Length; None if it is not plain."""
    if status in (204, 205, 304) or not _FRAMING.isdisjoint(map(str.lower, dict(headers))):
        return None
    return b"%bdate: %b\r\n%bcontent-length: " % (
        status_line(status),
        date,
        _encode_lines(headers),
    )


def with_defaults(headers: Iterable[Header], defaults: Sequence[Header]) -> list[Header]:
    """Return the headers of an answer, and those of the defaults that it has not set itself."""
    lines = list(headers)
    names = {name.lower() for name, _ in lines}
    return [*lines, *(each for each in defaults if each[0].lower() not in names)]


def encode_trailers(trailers: Iterable[Header]) -> bytes:
    """Return the end of a chunked body: last chunk, trailers, blank line (RFC 9112 §7.1.2)."""
    return b"".join((b"0\r\n", _encode_lines(trailers), b"\r\n"))


def _encode_lines(headers: Iterable[Header]) -> bytes:
    """Return header lines. Raise UsageError for one that must not go on the wire."""
    # Headers are checked where they are set. This is the last place before the wire, so it checks
    # once more. Three scans in C cost less than one regular expression.
    lines = [*map(": ".join, headers), ""]
    text = "\r\n".join(lines)
    if not text.count("\r") == text.count("\n") == len(lines) - 1 or "\0" in text:
        raise UsageError(f"a header holds CR, LF or NUL: {text!r:.200}")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as exc:
        raise UsageError(f"a header is not Latin-1: {text[exc.start : exc.end]!r}") from None
