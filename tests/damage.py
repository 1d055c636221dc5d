"""What can happen to valid bytes on their way: at random, and where it hurts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy[Any]], Any]

GRAMMAR = [
    (re.compile(rb"(?<=Content-Length: )\d+", re.IGNORECASE), [
        b"0", b"1", b"99999999999999999999", b"-1", b"+4", b"4, 4", b"0x4", b"", b" 4", b"4 4",
    ]),
    (re.compile(rb"chunked"), [
        b"identity", b"Chunked", b"chunked, chunked", b"x", b"\x0bchunked", b"chunked;a=b", b"",
    ]),
    (re.compile(rb"(?<=\r\n)[0-9a-f]+(?=[;\r])"), [
        b"0", b"1", b"7f", b"0x1", b"-1", b"ffffffffffffffff", b"", b" 1", b"1 ", b"1;", b"00",
    ]),
    (re.compile(rb"\r\n"), [
        b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\r\n", b"\r\n ", b"\r\n\t", b"", b"\0\r\n",
    ]),
    (re.compile(rb"HTTP/1\.[01]"), [
        b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2.0", b"HTTP/0.9", b"http/1.1", b"HTTP/1.1 ", b"",
    ]),
    (re.compile(rb"Host: a"), [
        b"Host: b", b"Host: a\r\nHost: a", b"Host : a", b"Host:", b"X: y",
        b"Host: a\r\nContent-Length: 5", b"Host: a\r\nTransfer-Encoding: chunked",
        b"Host: a\r\nConnection: close", b"Host: a\r\nExpect: 100-continue",
        b"Host: a\r\nUpgrade: h2c\r\nConnection: upgrade",
    ]),
    (re.compile(rb"GET|POST|HEAD"), [b"GET", b"HEAD", b"POST", b"OPTIONS", b"CONNECT", b"G ET"]),
    (re.compile(rb"(?<= )/[a-z]+(?= )"), [
        b"*", b"/", b"http://a/both", b"http://b/both", b"a:1", b"/both#x", b"/%0d%0a", b"//",
    ]),
]  # fmt: skip
"""Where framing hangs on few bytes, and what to put there instead."""


@st.composite
def damaged(draw: Draw, data: bytes, other: bytes = b"") -> bytes:
    """One to three kinds of damage. other: a second conversation, to be spliced in."""
    for _ in range(draw(st.integers(1, 3))):
        data = _damage(draw, data, other)
    return data


def _damage(draw: Draw, data: bytes, other: bytes) -> bytes:
    at = draw(st.integers(0, len(data)))
    end = min(len(data), at + draw(st.sampled_from([1, 1, 2, 10, 100])))
    match draw(st.integers(0, 9)):
        case 0:
            inserted: bytes = draw(st.binary(min_size=1, max_size=4))
            return data[:at] + inserted + data[at:]
        case 1:
            flip = bytes([data[at] ^ 1 << draw(st.integers(0, 7))]) if at < len(data) else b""
            return data[:at] + flip + data[at + 1 :]
        case 2:
            return data[:at] + data[end:]
        case 3:
            return data[:end] + data[at:]
        case 4:
            return data[:at]
        case 5:
            return data[:at] + other[draw(st.integers(0, len(other))) :]
        case _:
            pattern, instead = draw(st.sampled_from(GRAMMAR))
            found = list(pattern.finditer(data))
            if not found:
                return data
            hit = draw(st.sampled_from(found))
            put: bytes = draw(st.sampled_from(instead))
            return data[: hit.start()] + put + data[hit.end() :]
