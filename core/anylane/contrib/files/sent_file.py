"""SentFile: the answer that a file makes, and how it goes out (RFC 9110 §13, §14).

What blocks is done in the pool, where one thread at a time has the file: it is opened, judged and,
if it is small, read in one step. A large file is read piece by piece, each when the client has
taken most of what was sent before.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from io import FileIO
from typing import TYPE_CHECKING, Self

from anylane.contrib.files.opening import NotThere
from anylane.contrib.files.ranges import Piece, Range, multipart, parse_ranges
from anylane.errors import HTTPError
from anylane.handling.blocking import Calls, PooledIterator
from anylane.http.semantics.preconditions import Validators, Verdict, is_etag, judge, matches_strong
from anylane.http.semantics.timestamps import format_http_date, parse_http_date
from anylane.log_limit import LogKind

if TYPE_CHECKING:
    from anylane.handling.context import Context
    from anylane.http.headers import Headers
    from anylane.protocol.fields import Header

CHUNK = 256 * 1024
"""Bytes of a file that are read at a time, and so what one download holds beside what waits to be
sent. What is no longer is read with the step that opens the file. See docs/parts/static-files.md
for what other sizes cost."""

NOT_OPENED = LogKind("files that could not be opened")
"""Requests for files that the system does not let us open, or that a handler has named in vain."""


_OF_A_412 = ("etag", "last-modified", "vary")
"""What a failed condition's answer tells of the file."""


class FileChanged(Exception):
    """A file has become shorter while it was sent: what was announced cannot be kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Representation:
    """A file that is open, and what is said of it.

    content_type, cache_control: the values of these fields. coding: of Content-Encoding. varies:
    whether another Accept-Encoding would get another file.
    """

    file: FileIO
    content_type: str
    coding: str | None = None
    varies: bool = False
    cache_control: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says of the file that it asks for.

    plain: whether there are neither conditions nor ranges to be looked at: it is no GET or HEAD, or
    its handler has chosen another status than 200. etag: a tag that the handler has set. now:
    seconds since 1970. boundary: makes what stands between parts.
    """

    method: str
    headers: Headers
    plain: bool
    etag: str | None
    now: float
    boundary: Callable[[], str]

    @classmethod
    def by(cls, ctx: Context) -> Self:
        """Return what the request of this context asks."""
        request, response = ctx.request, ctx.response
        etag = response.headers.get("etag")
        return cls(
            request.method,
            request.headers,
            request.method not in ("GET", "HEAD") or response.status not in (None, 200),
            etag if etag is not None and is_etag(etag) else None,
            ctx.time(),
            lambda: ctx.link.host.token(16).hex(),
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """How a request is answered.

    status: 200, 206, 304, 412 or 416. headers: all but the framing. length: of the body. body: all
    of it where it has been read, else what comes first. parted: whether it is a
    multipart/byteranges, whatever type the handler has set.
    """

    status: int
    headers: list[Header]
    length: int = 0
    body: bytes = b""
    parted: bool = False


class Reader:
    """Opens a file and reads what is asked for, in the pool: the first item is a Plan, the others
    are what is left of the body.

    `close` may come at any time between two items; after it there are none.
    """

    __slots__ = ("_asked", "_at", "_file", "_find", "_pieces", "closed")

    def __init__(self, find: Callable[[], Representation], asked: Asked) -> None:
        """find: opens the file, or raises."""
        self._find = find
        self._asked = asked
        self._file: FileIO | None = None
        self._pieces: deque[Piece] = deque()
        self._at = Range(0, 0)
        self.closed: bool = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Plan | bytes:
        if self.closed:
            raise StopIteration
        try:
            if self._file is not None:
                return self._read()
            found = self._find()
            self._file = found.file
            return self._plan(found)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file, if it is open."""
        self.closed = True
        if self._file is not None:
            self._file.close()

    def _plan(self, found: Representation) -> Plan:
        asked, seen = self._asked, os.fstat(found.file.fileno())
        current = validators(seen, found.coding, asked.etag)
        headers = described(found, current, plain=asked.plain)
        size, status = seen.st_size, 200
        pieces = [Piece(b"", Range(0, size))]
        if not asked.plain:
            verdict = judge(asked.method, asked.headers, current, now=asked.now)
            if verdict is Verdict.FAILED:
                self.close()
                # Its body is no file: neither the coding of one nor how long it is kept holds.
                return Plan(412, [line for line in headers if line[0] in _OF_A_412])
            if verdict is Verdict.NOT_MODIFIED:
                self.close()
                return Plan(304, headers)
            headers.append(("accept-ranges", "bytes"))
            ranges = wanted_ranges(asked, current, size)
            if ranges == []:
                self.close()
                return Plan(416, [("content-range", f"bytes */{size}")])
            if ranges is not None:
                status, pieces = 206, in_parts(ranges, size, found, headers, asked.boundary)
        if len(pieces) == 1:
            headers.append(("content-type", found.content_type))
        length = sum(piece.length for piece in pieces)
        body = b""
        if not length or (asked.method == "HEAD" and length > CHUNK):
            # What is small is read for HEAD, too: then a part that changes bodies sees the same.
            self.close()
        else:
            self._pieces.extend(pieces)
            body = self._read()
            while len(body) < length <= CHUNK:  # Several small parts.
                body += self._read()
        return Plan(status, headers, length, body, len(pieces) > 1)

    def _read(self) -> bytes:
        """Return the next bytes. Close the file behind the last ones."""
        assert self._file is not None, "a plan was made"
        text, (first, end) = b"", self._at
        if first == end:
            text, (first, end) = self._pieces.popleft()
        data = b""
        if first < end:
            self._file.seek(first)  # Not os.pread(), which Windows does not have.
            data = self._file.read(min(CHUNK, end - first))
            if not data:
                raise FileChanged(
                    f"a file of {end} bytes or more has only {first} now; it was overwritten while "
                    "it was sent. Write another file, and rename it"
                )
        self._at = Range(first + len(data), end)
        if first + len(data) == end and not self._pieces:
            self.close()
        return text + data if text else data


def validators(seen: os.stat_result, coding: str | None, etag: str | None) -> Validators:
    """Return the validators of a file. etag: the tag that a handler has set, None for ours.

    Ours is made of size and modification time in nanoseconds. It is strong: only a file that is
    overwritten in place, within one tick of the file system's clock and to the same size, keeps it.
    Neither inode nor ctime is in it, which would differ between servers that have the same files.
    """
    if etag is None:
        # The coding comes first: `Compression` takes off one that stands at the end.
        variant = "" if coding is None else f"{coding}-"
        etag = f'"{variant}{seen.st_mtime_ns:x}-{seen.st_size:x}"'
    return Validators(etag, seen.st_mtime_ns // 10**9, True)


@lru_cache(maxsize=1024)
def _date(seconds: int) -> str | None:
    """Return a date as header fields write it, None for one before the year 1 or behind 9999."""
    try:
        return format_http_date(seconds)
    except OverflowError:
        return None


def described(found: Representation, current: Validators, *, plain: bool) -> list[Header]:
    """Return what the head says of a file in a 304, too (RFC 9110 §15.4.5)."""
    headers: list[Header] = []
    if not plain:
        assert current.etag is not None, "every file has one"
        headers.append(("etag", current.etag))
        modified = _date(current.modified or 0)
        if modified is not None:
            headers.append(("last-modified", modified))
    if found.cache_control is not None:
        headers.append(("cache-control", found.cache_control))
    if found.varies:
        headers.append(("vary", "accept-encoding"))
    if found.coding is not None:
        headers.append(("content-encoding", found.coding))
    return headers


def wanted_ranges(asked: Asked, current: Validators, size: int) -> list[Range] | None:
    """Return the ranges that are to be sent, None for the whole file (RFC 9110 §14.2).

    Range means nothing with another method than GET. If-Range asks for the whole file if it is
    another one than the client has a part of: by a strong tag, or by exactly this date (§13.1.5).
    """
    lines = asked.headers.get_all("range")
    if asked.method != "GET" or len(lines) != 1:
        return None
    conditions = asked.headers.get_all("if-range")
    if conditions:
        condition = conditions[0].strip(" \t")
        if is_etag(condition):
            same = matches_strong([condition], current.etag)
        else:
            same = parse_http_date(condition, now=asked.now) == current.modified
        if not same or len(conditions) > 1:
            return None
    return parse_ranges(lines[0], size)


def in_parts(
    ranges: list[Range],
    size: int,
    found: Representation,
    headers: list[Header],
    boundary: Callable[[], str],
) -> list[Piece]:
    """Return what the body of a 206 is made of, and add to the headers what tells it."""
    if len(ranges) == 1:
        headers.append(("content-range", ranges[0].content_range(size)))
        return [Piece(b"", ranges[0])]
    mark = boundary()
    headers.append(("content-type", f"multipart/byteranges; boundary={mark}"))
    return multipart(ranges, size, found.content_type, mark)


class SentFile:
    """The body of a response that is a file, or a part of one.

    `begin` opens the file and fills in `ctx.response`; the body goes out when that is sent. The
    file is closed behind its last byte, or by `close`, which the framework calls however the
    exchange ends.
    """

    __slots__ = ("_body", "_length", "_pooled", "_reader")

    def __init__(self, ctx: Context, find: Callable[[], Representation]) -> None:
        """find: opens the file in the pool. It may raise NotThere."""
        self._reader = Reader(find, Asked.by(ctx))
        self._pooled = PooledIterator(ctx.link, self._reader, Calls(ctx.link))
        self._body = b""
        self._length = 0

    async def begin(self, ctx: Context) -> None:
        """Make the file the response. What was set there before stays, the content type too.

        Raise HTTPError 404 for what is no file, 412 for a condition that fails and 416 for ranges
        that are not in it; and what `find` raises.
        """
        if ctx.items is not None:
            await ctx.items.close()
        ctx.items = self
        try:
            plan = await self._pooled.next()
        except NotThere as exc:
            if exc.reason is not None:
                line = f"{ctx.request.target} was answered with 404: {exc.reason}"
                ctx.link.host.log_limit.log(NOT_OPENED, "warning", line)
            raise HTTPError(404) from None
        if plan.status >= 400:
            raise HTTPError(plan.status, headers=plan.headers)
        response = ctx.response
        for name, value in plan.headers:
            if name == "vary":
                response.add_header(name, value)
            elif name not in response.headers or (plan.parted and name == "content-type"):
                response.set_header(name, value)
        if response.status is None or plan.status != 200:
            response.set_status(plan.status)
        if plan.status == 304:
            for name in ("content-type", "content-encoding", "content-disposition"):
                response.remove_header(name)
        elif len(plan.body) == plan.length:
            response.set_body(plan.body)
        else:
            self._body, self._length = plan.body, plan.length
            response.items = self

    async def send(self, ctx: Context) -> None:
        """Send the response. Raise FileChanged if the file has become shorter, and Disconnected if
        the client leaves."""
        async with ctx.stream(length=self._length) as out:
            if ctx.request.method == "HEAD":
                return
            data, left = self._body, self._length
            self._body = b""
            while True:
                await out.write(data)
                left -= len(data)
                if not left:
                    break
                data = b""  # Before the next piece is read, this one has mostly left.
                await ctx.link.flush()
                data = await self._pooled.next()

    async def close(self) -> None:
        """Have the file closed in the pool, behind a read that is still going on. Do nothing if it
        was read to its end."""
        if not self._reader.closed:
            await self._pooled.close()
