"""Masking gives the same with the package websockets and without it. RFC 6455 §5.3."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.speedups import apply_mask as of_websockets

from anylane.protocol.websocket import frame_reader, masking
from anylane.protocol.websocket.frame_reader import FrameReader

OPTIONS = {"websockets": of_websockets, "alone": None}


@pytest.fixture(params=OPTIONS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    found = OPTIONS[request.param]
    for module in (masking, frame_reader):
        monkeypatch.setattr(module, "apply_mask", lambda: found)
    return str(request.param)


def masked(data: bytes, key: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(data, itertools.cycle(key), strict=False))


def messages(data: bytes) -> list[bytes | str]:
    found: deque[tuple[str | bytes, int]] = deque()
    reader = FrameReader(1 << 20)
    assert reader.read_plain(data, found, 100)[0] == len(data)
    return [message for message, _ in found]


@pytest.mark.parametrize("key", [b"\0\0\0\0", b"\0\0\0\1", b"\0\xff\0\0", b"\xff" * 4])
@pytest.mark.parametrize("size", [*range(10), 63, 64, 65, 125, 126, 127, 699, 700, 65_535, 65_536])
@pytest.mark.usefixtures("way")
def test_each_size_and_key(size: int, key: bytes) -> None:
    payload = bytes(n * 7 & 0xFF for n in range(size))
    if size < 126:
        length = bytes((0x80 | size,))
    else:
        short = size < 65_536
        length = b"\xfe" + size.to_bytes(2) if short else b"\xff" + size.to_bytes(8)
    assert messages((b"\x82" + length + key + masked(payload, key)) * 2) == [payload] * 2


@pytest.mark.hypothesis
@given(st.binary(max_size=2000), st.binary(min_size=4, max_size=4), st.binary(max_size=9))
def test_both_ways_are_one(data: bytes, key: bytes, before: bytes) -> None:
    frame = before + key + data
    begin = len(before) + 4
    assert bytes(masking.unmask(frame, begin, len(frame))) == of_websockets(data, key)
    assert masking.unmask(frame, begin, len(frame)) == masked(data, key)


def test_it_is_used_where_it_is_there() -> None:
    masking.apply_mask.cache_clear()
    assert masking.apply_mask() is of_websockets


@pytest.fixture
def instead(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Have something else imported in its place."""

    def put(found: object) -> None:
        def load(name: str) -> ModuleType:
            if isinstance(found, Exception):
                raise found
            return SimpleNamespace(apply_mask=found)  # type: ignore[return-value]

        monkeypatch.setattr(masking, "import_module", load)
        masking.apply_mask.cache_clear()

    yield put
    masking.apply_mask.cache_clear()


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(ImportError("no websockets"), id="it is not installed"),
        pytest.param(ImportError("does not support subinterpreters"), id="not in an interpreter"),
        pytest.param(None, id="there is no such function"),
        pytest.param(lambda data, key, more: data, id="it takes something else"),
        pytest.param(lambda data, key: data, id="it gives something else"),
        pytest.param(lambda data, key: masked(data[:-1], key), id="it forgets the end"),
    ],
)
def test_what_cannot_be_used_is_left(instead: Any, found: object) -> None:
    instead(found)
    assert masking.apply_mask() is None
    assert masking.unmask(b"\1\2\3\4\1\2\3\5", 4, 8) == b"\0\0\0\1"
