"""How items of bridged rooms travel: they come out as what went in, or are refused."""

from __future__ import annotations

import datetime as dt
import enum
import json as stdlib_json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylane import UsageError
from anylane_backends.bridges.envelope import (
    MAX_DEPTH,
    OVERHEAD,
    BadEnvelope,
    decode,
    encode,
    sender_of,
)

SENDER = b"0123456789abcdef"

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


def same(one: Any, other: Any) -> bool:
    """Equal, and of equal types all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return [*one] == [*other] and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@given(st.binary() | TEXT | JSON)
def test_an_item_comes_out_as_what_went_in(item: Any) -> None:
    message = encode(item, SENDER)
    sender, found = decode(message)
    assert sender == sender_of(message) == SENDER
    assert same(found, item)


class Colour(enum.StrEnum):
    RED = "red"


class OwnError(BaseException):
    """No Exception."""


class Unspeakable:
    """What cannot be told of."""

    def __repr__(self) -> str:
        raise OwnError("no repr")

    def __str__(self) -> str:
        raise OwnError("no str")


def nested(depth: int) -> Any:
    item: Any = 0
    for _ in range(depth):
        item = [item]
    return item


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ((1, 2), "the item of a bridged room is a tuple"),
        ({"a": [1, {2}]}, r"the item\['a'\]\[1\] of a bridged room is a set"),
        ({"at": dt.date(2026, 1, 1)}, r"the item\['at'\] of a bridged room is a date"),
        ({1: "a"}, "has the key 1; JSON has str keys only"),
        (Colour.RED, "is a Colour"),
        (bytearray(b"a"), "is a bytearray"),
        (object(), "is a object"),
        (Unspeakable(), "is a Unspeakable"),
        ({Unspeakable(): 1}, "has the key <Unspeakable, whose repr raised OwnError>"),
        ([{"a": Unspeakable()}], r"the item\[0\]\['a'\] of a bridged room is a Unspeakable"),
        ("\ud800", "lone surrogate"),
        ({"a": "\ud800"}, "cannot be said in JSON"),
        ({"a": float("nan")}, "cannot be said in JSON"),
        (nested(MAX_DEPTH + 1), "over 64 levels deep"),
    ],
)
def test_what_would_arrive_as_something_else_is_refused(item: Any, expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        encode(item, SENDER)


def test_the_deepest_item_that_is_sent_can_be_read() -> None:
    assert decode(encode(nested(MAX_DEPTH), SENDER))[1] == nested(MAX_DEPTH)


def of(kind: bytes, data: bytes) -> bytes:
    return b"A1" + kind + SENDER + data


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"A1",
        of(b"b", b"")[: OVERHEAD - 1],
        b"A2" + of(b"b", b"x")[2:],
        of(b"x", b"data"),
        of(b"t", b"\xff"),
        of(b"j", b"{"),
        of(b"j", b"NaN"),
        of(b"j", b"[" * 100_000),
        of(b"j", b'"\xff"'),
        stdlib_json.dumps({"kind": "said"}).encode(),
    ],
)
def test_what_no_bridge_has_sent_is_told_from_the_rest(message: bytes) -> None:
    with pytest.raises(BadEnvelope):
        decode(message)


@given(st.binary(max_size=64))
def test_no_bytes_fail_in_another_way(data: bytes) -> None:
    for message in (data, b"A1" + data, *(of(kind, data) for kind in (b"b", b"t", b"j"))):
        try:
            decode(message)
        except BadEnvelope:
            pass
