"""Ranges: the parts of a file that a client asks for, and how several of them are sent.

Pure: it reads the value of a Range field and counts bytes (RFC 9110 §14).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from anylane.http.parameters import split_list

MAX_RANGES = 16
"""Ranges of one request. More are a sign of an attack or of a broken client, and the whole file is
sent, as if none had been asked for (RFC 9110 §14.2). PDF readers ask for some five at a time."""

_MAX_DIGITS = 18
"""Digits of a position: no file is that large, and Python takes long for very long numbers."""

_RANGE = re.compile(r"([0-9]*)-([0-9]*)")


class Range(NamedTuple):
    """Some bytes of a file."""

    first: int
    """The position of the first one, from 0."""
    end: int
    """The position behind the last one."""

    def content_range(self, size: int) -> str:
        """Return the value of Content-Range. size: of the whole file (RFC 9110 §14.4)."""
        return f"bytes {self.first}-{self.end - 1}/{size}"


def parse_ranges(value: str, size: int) -> list[Range] | None:
    """Return the ranges that are asked for, in the order in which they are to be sent.

    value: of the field Range. size: of the file, in bytes.

    None says that the field is to be ignored: another unit, what cannot be read, and more ranges
    than `MAX_RANGES`. An empty list says that the file has none of the ranges: 416. Ranges that
    overlap become one, and then all are in ascending order, so no byte is sent twice.
    """
    unit, _, specs = value.partition("=")
    if unit.strip().lower() != "bytes":
        return None
    if specs.count(",") > 2 * MAX_RANGES:
        return None
    elements = split_list(specs)
    if not elements or len(elements) > MAX_RANGES:
        return None
    found: list[Range] = []
    for element in elements:
        match = _RANGE.fullmatch(element)
        if match is None or element == "-":
            return None
        first, last = match.groups()
        if not first:
            length = min(_position(last), size)
            if size == 0 and _position(last):
                return None  # All of nothing, which Content-Range cannot say.
            if length:
                found.append(Range(size - length, size))
            continue
        begin = _position(first)
        if last and _position(last) < begin:
            return None
        if begin < size:
            found.append(Range(begin, min(_position(last) + 1, size) if last else size))
    return _without_overlaps(found)


def _position(digits: str) -> int:
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= _MAX_DIGITS else 10**_MAX_DIGITS


def _without_overlaps(ranges: list[Range]) -> list[Range]:
    """Return the same ranges if no two of them overlap, else the fewest that cover them all."""
    joined: list[Range] = []
    for each in sorted(ranges):
        if joined and each.first < joined[-1].end:
            joined[-1] = Range(joined[-1].first, max(joined[-1].end, each.end))
        else:
            joined.append(each)
    return ranges if len(joined) == len(ranges) else joined


class Piece(NamedTuple):
    """Something to be sent: text that stands between parts, then some bytes of the file."""

    text: bytes
    """What is sent first."""
    range: Range
    """The bytes of the file that come behind it, perhaps none."""

    @property
    def length(self) -> int:
        """How many bytes are sent."""
        return len(self.text) + self.range.end - self.range.first


def multipart(
    ranges: list[Range], size: int, content_type: str | None, boundary: str
) -> list[Piece]:
    """Return what a body of the type multipart/byteranges is made of (RFC 9110 §14.6).

    size: of the whole file. content_type: of each part. boundary: what stands between the parts,
    and nowhere in the file.
    """
    kind = "" if content_type is None else f"content-type: {content_type}\r\n"
    pieces = [
        Piece(
            f"{'' if index == 0 else chr(13) + chr(10)}--{boundary}\r\n{kind}"
            f"content-range: {each.content_range(size)}\r\n\r\n".encode("latin-1"),
            each,
        )
        for index, each in enumerate(ranges)
    ]
    return [*pieces, Piece(f"\r\n--{boundary}--\r\n".encode(), Range(0, 0))]
