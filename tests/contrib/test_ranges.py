"""Which parts of a file a Range field asks for, and how they are put together."""

from __future__ import annotations

import email
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylane.contrib.files.ranges import MAX_RANGES, Range, multipart, parse_ranges


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("bytes=0-0", [(0, 1)]),
        ("bytes=0-9", [(0, 10)]),
        ("bytes=0-99", [(0, 10)]),
        ("bytes=9-", [(9, 10)]),
        ("bytes=-1", [(9, 10)]),
        ("bytes=-10", [(0, 10)]),
        ("bytes=-11", [(0, 10)]),
        ("bytes=007-0008", [(7, 9)]),
        ("BYTES=1-2", [(1, 3)]),
        ("bytes=1-2, 4-5", [(1, 3), (4, 6)]),
        ("bytes=4-5,1-2", [(4, 6), (1, 3)]),
        ("bytes=,1-2 ,, 4-5,", [(1, 3), (4, 6)]),
        ("bytes=0-1,2-3", [(0, 2), (2, 4)]),
        ("bytes=0-2,2-3", [(0, 4)]),
        ("bytes=5-6,0-8", [(0, 9)]),
        ("bytes=8-,0-1,7-8", [(0, 2), (7, 10)]),
        ("bytes=1-1,1-1", [(1, 2)]),
        ("bytes=1-2,50-60", [(1, 3)]),
        ("bytes=10-", []),
        ("bytes=10-11,-0", []),
        ("bytes=-0", []),
        (f"bytes={'9' * 5000}-{'9' * 5000}", []),
        (f"bytes=0-{'9' * 5000}", [(0, 10)]),
        (f"bytes=-{'9' * 5000}", [(0, 10)]),
        ("bytes=2-1", None),
        ("bytes=0-1,2-1", None),
        ("bytes=0-1,x", None),
        ("bytes=--1", None),
        ("bytes=-", None),
        ("bytes=", None),
        ("bytes=,", None),
        ("bytes", None),
        ("bytes=0", None),
        ("bytes= 0 - 1", None),
        ("bytes=+0-1", None),
        ("bytes=0x0-1", None),
        ("bytes=٣-٤", None),
        ("items=0-1", None),
        ("", None),
    ],
)
def test_a_range_field_of_ten_bytes(value: str, expected: list[tuple[int, int]] | None) -> None:
    assert parse_ranges(value, 10) == expected


def test_ranges_of_nothing() -> None:
    assert parse_ranges("bytes=0-", 0) == []
    assert parse_ranges("bytes=-5", 0) is None  # All of it, which no Content-Range can say.
    assert parse_ranges("bytes=-0", 0) == []


def test_at_most_so_many_ranges_are_looked_at() -> None:
    many = [f"{2 * n}-{2 * n}" for n in range(MAX_RANGES + 1)]
    found = parse_ranges("bytes=" + ",".join(many[:-1]), 1000)
    assert found is not None
    assert len(found) == MAX_RANGES
    assert parse_ranges("bytes=" + ",".join(many), 1000) is None


def test_ten_thousand_tiny_ranges_take_no_time() -> None:
    value = "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 20_000, 2))
    began = time.perf_counter()
    for _ in range(100):
        assert parse_ranges(value, 10**9) is None
    assert time.perf_counter() - began < 1.0


specs = st.one_of(
    st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda each: f"{each[0]}-{each[1]}"),
    st.integers(0, 30).map(lambda first: f"{first}-"),
    st.integers(0, 30).map(lambda last: f"-{last}"),
)


@given(st.lists(specs, min_size=1, max_size=6), st.integers(0, 25))
def test_each_byte_that_is_asked_for_comes_once(asked: list[str], size: int) -> None:
    found = parse_ranges("bytes=" + ",".join(asked), size)
    wanted: set[int] = set()
    for each in asked:
        first, _, last = each.partition("-")
        if first and last and int(last) < int(first):
            assert found is None
            return
        if first:
            wanted |= {*range(int(first), int(last) + 1 if last else size)} & {*range(size)}
        else:
            wanted |= {*range(max(0, size - int(last)), size)}
    if found is None:
        assert size == 0
        return
    sent = [at for each in found for at in range(each.first, each.end)]
    assert sorted(sent) == sorted(wanted)
    assert all(each.first < each.end for each in found)
    assert len(found) <= len(asked)


def body(content: bytes, ranges: list[Range], boundary: str) -> bytes:
    pieces = multipart(ranges, len(content), "text/plain", boundary)
    made = b"".join(each.text + content[each.range.first : each.range.end] for each in pieces)
    assert len(made) == sum(each.length for each in pieces)
    return made


def test_parts_are_read_by_another_parser() -> None:
    content = bytes(range(256))
    made = body(content, [Range(200, 256), Range(0, 3)], "xyz")
    message = email.message_from_bytes(
        b'Content-Type: multipart/byteranges; boundary="xyz"\r\n\r\n' + made
    )
    _, *parts = message.walk()
    assert [part["content-range"] for part in parts] == ["bytes 200-255/256", "bytes 0-2/256"]
    assert [part["content-type"] for part in parts] == ["text/plain"] * 2
    assert made.split(b"\r\n\r\n")[1].startswith(content[200:])


@given(st.binary(min_size=1, max_size=60), st.lists(specs, min_size=2, max_size=MAX_RANGES))
def test_several_parts_are_never_much_more_than_the_file(content: bytes, asked: list[str]) -> None:
    found = parse_ranges("bytes=" + ",".join(asked), len(content))
    if found and len(found) > 1:
        assert len(body(content, found, "b" * 32)) <= len(content) + 150 * (len(found) + 1)
