"""The express lane of HTTP/1.1: plain, complete, unambiguous requests, in one pass.

It stands in front of `head` and h11, the authorities, and is much quicker than they are. What it
takes, they take with the same meaning; whatever is odd, it leaves to them, from the first byte of
that message on. It refuses nothing and has no state but a memory of the last head.
"""

from __future__ import annotations

import re

from anylane.config import Limits
from anylane.protocol.head import HOST, KEEP_ALIVE, Fields, RequestHead

# No CONNECT, no absolute or asterisk form, no fragment; only HTTP/1.1.
_REQUEST_LINE = re.compile(rb"(?!CONNECT )([A-Z]{1,20}) (/[\x21\x22\x24-\x7e]*+) HTTP/1\.1\r\n")

# One alternative for each kind of line. The names that mean something to framing have their own,
# which takes only their plainest form, and each only once; that is what the conditions say. Those
# that would make the request odd have none. Possessive throughout: it never goes back.
_SECTION = re.compile(
    rb"(?:"
    rb"(?![HhCcTtEeUu])[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t\x20-\x7e\x80-\xff]*+\r\n"
    rb"|(?!(?i:host|content-length|connection|transfer-encoding|expect|upgrade):)"
    rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t\x20-\x7e\x80-\xff]*+\r\n"
    rb"|[Hh][Oo][Ss][Tt]:(?(1)(?!))[ \t]*+(" + HOST + rb")[ \t]*+\r\n"
    rb"|(?i:content-length):(?(2)(?!))[ \t]*+([0-9]{1,18})[ \t]*+\r\n"
    rb"|(?i:connection):(?(3)(?!))[ \t]*+((?i:keep-alive))[ \t]*+\r\n"
    rb")++\r\n"
)

_REMEMBERED = 4096
"""Bytes of a head that are worth their memory while a connection idles; a browser's has 500 to
2,000."""

_NO_OPTIONS: frozenset[bytes] = frozenset()


class Express:
    """Reads request heads of one connection.

    Clients that keep a connection send the same header section with every request of it, and
    often the same request line. So the last of each is remembered, and compared before it is
    read: 0.1 us instead of 1 (curl) to 6 (browser) on CPython 3.13, and one `RequestHead` for all
    requests that are the same. `benchmarks/core.py` guards it.
    """

    __slots__ = ("_content_length", "_fields", "_head", "_limits", "_line", "_options", "_section",
                 "_shortest")  # fmt: skip

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # A section that is no longer than one line may be needs no line counted.
        self._shortest = min(limits.header_section, limits.header_field)
        self._line = self._section = b""
        self._fields: Fields | None = None
        self._head: RequestHead | None = None
        self._content_length: int | None = None
        self._options = _NO_OPTIONS

    def read(self, data: bytes | bytearray) -> tuple[RequestHead, int] | None:
        """The head at the beginning of `data`, and its size; None if it is not plain.

        None also for a head that is not complete: then nobody has looked at it.
        """
        known = self._line
        if (
            self._head is not None
            and data.startswith(known)
            and data.startswith(self._section, len(known))
        ):
            return self._head, len(known) + len(self._section)
        line = _REQUEST_LINE.match(data)
        if line is None:
            return None
        begin = line.end()
        fields, section = self._fields, self._section
        if fields is None or not data.startswith(section, begin):
            end = data.find(b"\r\n\r\n", begin) + 4
            if end < 4:
                return None
            section = bytes(data[begin:end])
            fields = self._learn(section)
            if fields is None:
                return None
        method, target = line.groups()
        if len(target) > self._limits.target:
            return None
        head = RequestHead(
            method, target, b"1.1", fields, self._content_length, False, False, self._options
        )
        if begin + len(section) <= _REMEMBERED:
            self._line, self._head = bytes(data[:begin]), head
        else:
            self._head = None
        return head, begin + len(section)

    def _learn(self, section: bytes) -> Fields | None:
        """What is in this header section, if it is plain; then it is the remembered one."""
        fields = _SECTION.fullmatch(section)
        if fields is None or fields[1] is None:
            return None
        limits = self._limits
        if len(section) > self._shortest or section.count(b"\r\n") - 1 > limits.header_count:
            return None
        length = fields[2]
        size = None if length is None else int(length)
        if size is not None and size > limits.body:
            return None
        self._content_length = size
        self._options = _NO_OPTIONS if fields[3] is None else KEEP_ALIVE
        self._head = self._fields = None
        learnt = Fields(section)
        if len(section) <= _REMEMBERED:
            self._section, self._fields = section, learnt
        return learnt
