"""The express lane of HTTP/1.1: plain, complete, unambiguous request heads, in one pass.

It stands in front of `grammar` and h11, the authorities, and is much quicker. What it takes, they
take with the same meaning. Everything that is odd is left to them, from the first byte of that head
on. It refuses nothing, and its only state is the heads that it remembers.

Three of the memories are here: `Express.block`, `Heads._heads` and `Heads._sections`. All of them,
with what each is worth, are in docs/performance.md, "What is remembered".
"""

from __future__ import annotations

import re

from anylane.cache import RepeatCache
from anylane.config.limits import Limits
from anylane.protocol.http1.grammar import CLOSE, HOST, KEEP_ALIVE
from anylane.protocol.request_head import Fields, RequestHead

_REQUEST_LINE = re.compile(rb"(?!CONNECT )([A-Z]{1,20}) (/[\x21\x22\x24-\x7e]*+) HTTP/1\.1\r\n")
"""No CONNECT, no absolute or asterisk form, no fragment; only HTTP/1.1."""

_LINE = (
    rb"(?:"
    rb"(?![HhCcTtEeUu])[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t\x20-\x7e\x80-\xff]*+\r\n"
    rb"|(?!(?i:host|content-length|connection|transfer-encoding|expect|upgrade):)"
    rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t\x20-\x7e\x80-\xff]*+\r\n"
    rb"|[Hh][Oo][Ss][Tt]:(?(1)(?!))[ \t]*+(" + HOST + rb")[ \t]*+\r\n"
    rb"|(?i:content-length):(?(2)(?!))[ \t]*+([0-9]{1,18})[ \t]*+\r\n"
    rb"|(?i:connection):(?(3)(?!))(?(4)(?!))[ \t]*+(?i:(keep-alive)|(close))[ \t]*+\r\n"
    rb")"
)
"""One alternative for each kind of line. The names that mean something to framing have their own,
which takes only their plainest form, and each only once, as the conditions say. Names that would
make the request odd have none. It is possessive throughout: it never goes back."""

_MOST = 1 << 31
"""Lines that an expression can count: more than there is memory for."""


def _section(count: int) -> re.Pattern[bytes]:
    """Return the expression for a header section of at most so many lines. It counts them at no
    cost; `bytes.count` took 2 % of a browser's request."""
    return re.compile(_LINE + rb"{1,%d}+\r\n" % min(count, _MOST))


_MAX_REMEMBERED = 4096
"""Bytes of a head that are worth their memory while a connection idles. A browser's has 500 to
2,000."""

_MAX_KEPT = 128
"""Heads that a server remembers, and header sections: half a MiB of each if all are as large as
they may be, and as much again for what is made of them."""

_OPTIONS: dict[int | None, frozenset[bytes]] = {None: frozenset(), 3: KEEP_ALIVE, 4: CLOSE}
"""The options of the Connection header, by which of the groups 3 and 4 was there."""

_Section = tuple[Fields, int | None, frozenset[bytes]]
"""What header lines say: themselves, the length of the body, the options of the connection."""

_Found = tuple[bytes, tuple[RequestHead, int]]
"""The bytes of a head, itself, and its size. Connections keep these, not copies of their own."""


class Heads:
    """The plain heads that the connections of a server have sent lately.

    Any thread may ask. What is found is never changed, and a head that two threads learn at once is
    the same head. What clients sent, credentials too, stays in memory until newer heads push it
    out. A head is found only by all of its bytes.
    """

    __slots__ = ("_heads", "_interpreted", "_limits", "_sections", "_shortest")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._interpreted = _section(limits.header_count).fullmatch
        # A section that is no longer than one line may be needs no line measured. A longer one is
        # left to the grammar.
        self._shortest = min(limits.header_section, limits.header_field)
        self._heads: RepeatCache[bytes, _Found] = RepeatCache(_MAX_KEPT)
        self._sections: RepeatCache[bytes, _Section] = RepeatCache(_MAX_KEPT)

    def find(self, block: bytes) -> _Found | None:
        """Return the head in *block*, which ends with a blank line; None if it is not plain."""
        found = self._heads.get(block)
        if found is not None:
            return found
        line = _REQUEST_LINE.match(block)
        if line is None:
            return None
        method, target = line.groups()
        if len(target) > self._limits.target:
            return None
        section = block[line.end() :]
        known = self._sections.get(section)
        said = known or self._interpret(section)
        if said is None:
            return None
        fields, length, options = said
        head = RequestHead(method, target, b"1.1", fields, length, False, False, options)
        found = block, (head, len(block))
        if len(block) <= _MAX_REMEMBERED:
            # A head with new header lines is new itself.
            if known is None:
                self._sections.offer(section, said)
            else:
                self._heads.offer(block, found)
        return found

    def _interpret(self, section: bytes) -> _Section | None:
        """Return what this header section says, or None if it is not plain."""
        fields = self._interpreted(section)
        if fields is None or fields[1] is None or len(section) > self._shortest:
            return None
        length = fields[2]
        size = None if length is None else int(length)
        if size is not None and size > self._limits.body:
            return None
        return Fields(section), size, _OPTIONS[4 if fields[4] else 3 if fields[3] else None]


class Express:
    """Reads the request heads of one connection.

    Clients that keep a connection often send the same head again, so the last one is compared
    before anything is read. That takes 0.1 us instead of 1 (curl) to 6 (browser) on CPython 3.13,
    and requests that are the same share one `RequestHead`. `benchmarks/core.py` guards it.

    heads: shared with other connections that have the same limits; None for its own.
    block: the last head, to be compared; empty if there is none.
    found: what `read` returns for it.
    """

    __slots__ = ("_heads", "block", "found")

    def __init__(self, limits: Limits, heads: Heads | None = None) -> None:
        self._heads = Heads(limits) if heads is None else heads
        self.block: bytes = b""
        self.found: tuple[RequestHead, int] | None = None

    def read(self, data: bytes | bytearray) -> tuple[RequestHead, int] | None:
        """Return the head at the beginning of *data* and its size; None if it is not plain.

        None also for a head that is not complete. Such a head was not read at all.
        """
        # Written out in Reader.receive_data (tests/test_inlined_copies.py).
        if data.startswith(self.block) and self.found is not None:
            return self.found
        end = data.find(b"\r\n\r\n") + 4
        if end < 4:
            return None
        known = self._heads.find(bytes(data[:end]))
        if known is None:
            return None
        block, found = known
        if end <= _MAX_REMEMBERED:
            self.block, self.found = block, found
        return found
