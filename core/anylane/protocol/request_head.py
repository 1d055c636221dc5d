"""RequestHead: one request line and its header fields, as the peer sent them.

Nothing here judges them, and nothing changes one: requests that are the same, byte by byte, share
theirs.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

RawHeaders = list[tuple[bytes, bytes]]
"""Names in lower case and stripped values, in order."""


class Text(NamedTuple):
    """A request line, decoded.

    path: still percent-encoded.
    query: without the `?`.
    """

    method: str
    target: str
    path: str
    query: str


_text = tuple.__new__
"""What a NamedTuple's own `__new__` calls, which is Python code."""


class Fields:
    """The header lines of requests, taken apart on first use, once for all that repeat them.

    section: the bytes that they are in, with the blank line behind them; empty if `headers` were
        given.
    shown: what tier 1 made of them, so that requests that repeat them need not make it again
        (docs/performance.md says what that is worth).
    """

    __slots__ = ("_headers", "section", "shown")

    def __init__(self, section: bytes, headers: RawHeaders | None = None) -> None:
        self.section: bytes = section
        self._headers = headers
        self.shown: Any = None

    @property
    def headers(self) -> RawHeaders:
        """Names in lower case and stripped values, in order."""
        if self._headers is None:
            self._headers = split_section(self.section)
        return self._headers


class RequestHead:
    """A request line and its header fields (RFC 9112 §2.1).

    method: as received.
    target: as received, percent-encoded.
    version: b"1.1" or b"1.0".
    fields: the header fields.
    content_length: bytes; None when the request declares none, and for a chunked body.
    chunked: whether the body is chunked.
    expects_continue: the client waits for `100 Continue` before it sends the body (RFC 9110
        §10.1.1).
    connection: the options of all Connection headers, in lower case (§7.6.1).
    has_body: whether a body follows.
    keep_alive: whether the client would send more requests (RFC 9112 §9.3).
    usual: whether it is HTTP/1.1 and a response to it may have a body.
    leads_to: the route that tier 1 found for it (docs/performance.md says what that is worth).
    """

    __slots__ = ("_text", "chunked", "connection", "content_length", "expects_continue", "fields",
                 "has_body", "keep_alive", "leads_to", "method", "target", "usual",
                 "version")  # fmt: skip

    def __init__(  # noqa: PLR0917  # Made for most requests, and keywords would cost as much again.
        self,
        method: bytes,
        target: bytes,
        version: bytes,
        fields: Fields,
        content_length: int | None = None,
        chunked: bool = False,
        expects_continue: bool = False,
        connection: frozenset[bytes] = frozenset(),
    ) -> None:
        self.method: bytes = method
        self.target: bytes = target
        self.version: bytes = version
        self.fields: Fields = fields
        self.content_length: int | None = content_length
        self.chunked: bool = chunked
        self.expects_continue: bool = expects_continue
        self.connection: frozenset[bytes] = connection
        self.has_body: bool = chunked or bool(content_length)
        # RFC 9112 §9.3: close wins; 1.1 persists by default, 1.0 only when asked to.
        self.keep_alive: bool = b"close" not in connection and (
            version == b"1.1" or b"keep-alive" in connection
        )
        self.usual: bool = version == b"1.1" and method != b"HEAD"
        self.leads_to: Any = None
        self._text: Text | None = None

    @property
    def headers(self) -> RawHeaders:
        """Names in lower case and stripped values, in order."""
        return self.fields.headers

    @property
    def text(self) -> Text:
        """The request line, decoded."""
        if self._text is None:
            target = self.target.decode("ascii")
            path, _, query = target.partition("?")
            if path[:1] not in ("/", "*", ""):
                path = _path_of(path)
            self._text = _text(Text, (self.method.decode("ascii"), target, path, query))
        return self._text

    def get(self, name: bytes) -> bytes | None:
        """Return the first value of that (lower-case) name, or None."""
        for key, value in self.fields.headers:
            if key == name:
                return value
        return None


def authority_of(target: str) -> str | None:
    """Return the authority of an absolute-form target (RFC 9112 §3.2.2), None for another form."""
    scheme, mark, rest = target.partition("://")
    if not mark or "/" in scheme or "?" in scheme:
        return None
    return _AUTHORITY_END.split(rest, maxsplit=1)[0]


_AUTHORITY_END = re.compile("[/?]")


def _path_of(absolute: str) -> str:
    """Return the path of an absolute-form target (RFC 9112 §3.2.2)."""
    rest = absolute.partition("://")[2]
    slash = rest.find("/")
    return rest[slash:] if slash >= 0 else "/"


def split_section(section: bytes) -> RawHeaders:
    """Return the headers of a section that was checked: lines, and a blank one behind them."""
    parts = [line.partition(b":") for line in section[:-4].split(b"\r\n")]
    return [(name.lower(), value.strip(b" \t")) for name, _, value in parts]
