"""Frames: what is read whatever the cut, and what is written as any peer reads it. RFC 6455 §5."""

from __future__ import annotations

import itertools
import tracemalloc
import zlib
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import FrameProtocol

from anylane import Deflate
from anylane.protocol.websocket.close_codes import CLOSE_CODES
from anylane.protocol.websocket.deflate import Deflater, Inflater, Offer, negotiate
from anylane.protocol.websocket.frame_reader import (
    CloseReceived,
    FrameReader,
    MessageReceived,
    PingReceived,
    PongReceived,
    Violation,
)
from anylane.protocol.websocket.frame_writer import FrameWriter

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
LIMIT = 20
SETTINGS = Deflate(threshold=1, server_max_window_bits=15, client_max_window_bits=15)
AGREED = negotiate([Offer("permessage-deflate")], SETTINGS)
assert AGREED is not None


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    if len(payload) < 126:
        head += bytes([0x80 | len(payload)])
    else:
        head += b"\xfe" + len(payload).to_bytes(2, "big")
    mask = b"\x11\x22\x33\x44"
    return head + mask + bytes(a ^ b for a, b in zip(payload, itertools.cycle(mask)))


def written(writer: FrameWriter, each: str | bytes) -> list[bytes]:
    """Return the chunks of one message, whose counted size must be their real one."""
    out: list[bytes] = []
    assert writer.write(each, out) == sum(map(len, out))
    return out


def deflated(message: bytes) -> bytes:
    deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
    return (deflater.compress(message) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]


def compressed(opcode: int, message: bytes, *cuts: int) -> bytes:
    """Return the frames of a compressed message, cut into fragments."""
    payload = deflated(message)
    parts = [payload[a:b] for a, b in itertools.pairwise([0, *cuts, len(payload)])]
    last = len(parts) - 1
    return b"".join(
        frame(CONT if i else opcode, part, fin=i == last, rsv=0 if i else 4)
        for i, part in enumerate(parts)
    )


def reader(limit: int = LIMIT, *, deflate: bool = True) -> FrameReader:
    assert AGREED is not None
    return FrameReader(limit, Inflater(AGREED) if deflate else None)


def read(data: bytes, *cuts: int, limit: int = LIMIT, deflate: bool = True) -> list[object]:
    """Return everything read, with the violation that ended it as (code, reason)."""
    frames = reader(limit, deflate=deflate)
    found: list[object] = []
    try:
        for a, b in itertools.pairwise([0, *cuts, len(data)]):
            for each in frames.read(data[a:b]):
                found.append(each)
                if isinstance(each, CloseReceived):
                    return found
    except Violation as violation:
        found.append((violation.code, violation.reason))
    return found


def each_byte(data: bytes) -> range:
    return range(1, len(data))


def message(data: str | bytes) -> MessageReceived:
    return MessageReceived(data, len(data.encode() if isinstance(data, str) else data))


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (frame(TEXT, b"hi"), [message("hi")]),
        (frame(BINARY), [message(b"")]),
        (frame(TEXT), [message("")]),
        (frame(TEXT, b"a", fin=False) + frame(CONT, b"b"), [message("ab")]),
        (frame(TEXT, fin=False) + frame(CONT, fin=False) + frame(CONT), [message("")]),
        (
            frame(TEXT, b"\xc3", fin=False) + frame(PING, b"p") + frame(CONT, b"\xa9"),
            [PingReceived(b"p"), message("é")],
        ),
        (frame(PONG, b"p"), [PongReceived(b"p")]),
        (frame(CLOSE), [CloseReceived(1005, "")]),
        (frame(CLOSE, b"\x03\xe8h\xc3\xa9"), [CloseReceived(1000, "hé")]),
        (compressed(TEXT, b"hello"), [message("hello")]),
        (compressed(TEXT, "hé".encode(), 1, 2, 3), [message("hé")]),
        (compressed(TEXT, b"hello", 0, 7) + compressed(BINARY, b""), [message("hello"),
                                                                     message(b"")]),
        (frame(TEXT, rsv=4), [message("")]),
        (compressed(BINARY, bytes(LIMIT), 2), [message(bytes(LIMIT))]),
        (
            compressed(TEXT, b"a") + frame(TEXT, b"plain") + compressed(TEXT, b"b"),
            [message("a"), message("plain"), message("b")],
        ),
    ],
)  # fmt: skip
def test_what_frames_mean_however_they_are_cut(data, found):
    assert read(data) == found
    assert read(data, *each_byte(data)) == found
    for cut in each_byte(data):
        assert read(data, cut) == found


@pytest.mark.parametrize(
    ("data", "code"),
    [
        # The length that a header announces is too much, before a byte of it came.
        (frame(TEXT, bytes(LIMIT + 1))[:6], 1009),
        (frame(TEXT, b"x", fin=False) + frame(CONT, bytes(LIMIT))[:6], 1009),
        (compressed(BINARY, bytes(LIMIT + 1)), 1009),
        (compressed(BINARY, bytes(LIMIT + 1), 2, 3), 1009),
        (compressed(BINARY, bytes(100_000)), 1009),
        # What comes first counts, in the same piece of input too.
        (compressed(TEXT, b"\xff" + b"x" * LIMIT), 1007),
        (compressed(TEXT, b"x" * LIMIT + b"\xff"), 1009),
        (compressed(TEXT, b"x" * (LIMIT - 1) + "é".encode()), 1009),
        (compressed(TEXT, b"\xc3"), 1007),
        (compressed(TEXT, b"ab\xff", 1, 2), 1007),
        (frame(TEXT, b"\xff\xff", rsv=4), 1007),
        # RFC 7692 §6: RSV1 is for the first frame of a message.
        (frame(TEXT, b"x", fin=False) + frame(CONT, b"x", rsv=4), 1002),
        (frame(PING, b"x", rsv=4), 1002),
        (frame(CLOSE, rsv=4), 1002),
        (frame(TEXT, b"x", rsv=2), 1002),
        (frame(TEXT, b"x", rsv=5), 1002),
        (frame(CONT, b"x"), 1002),
        (frame(TEXT, b"x", fin=False) + frame(TEXT, b"\xff" * 99, rsv=4), 1002),
        (frame(TEXT, b"x", fin=False) + frame(BINARY, b"x"), 1002),
        (frame(CLOSE, b"x"), 1002),
        (frame(CLOSE, b"\x03\xe8\xff"), 1007),
    ],
)
def test_what_is_refused_however_it_is_cut(data, code):
    data = frame(TEXT, b"before") + data
    found = read(data)
    assert found[0] == message("before")
    assert found[1:] and found[1][0] == code  # type: ignore[index]
    assert read(data, *each_byte(data)) == found
    for cut in each_byte(data):
        assert read(data, cut) == found


def test_rsv1_is_refused_where_nothing_was_agreed():
    assert read(frame(TEXT, b"x", rsv=4), deflate=False)[0][0] == 1002  # type: ignore[index]


@pytest.mark.parametrize("code", range(990, 1020))
@pytest.mark.parametrize("more", [0, 2000, 3990])
def test_each_close_code_is_read_or_refused(code, more):
    code += more
    [found] = read(frame(CLOSE, code.to_bytes(2, "big")))
    legal = code in CLOSE_CODES or 3000 <= code <= 4999
    assert found == CloseReceived(code, "") if legal else found[0] == 1002  # type: ignore[index]


def test_bad_utf8_is_seen_at_its_first_byte():
    frames = reader()
    for good in (frame(TEXT, b"\xf0", fin=False), frame(CONT, b"x" * 8)[:6]):
        assert list(frames.read(good)) == []
    with pytest.raises(Violation, match="1007"):
        list(frames.read(b"\x00"))


def test_the_lane_takes_no_messages_that_are_to_be_skipped():
    frames = reader()
    assert frames.read_plain(frame(TEXT, b"x"), deque(), 9) != (0, 0)
    frames.skip_messages()
    assert frames.read_plain(frame(TEXT, b"x"), deque(), 9) == (0, 0)


def test_skipped_messages_are_neither_kept_nor_checked_and_controls_still_count():
    frames = reader()
    list(frames.read(frame(TEXT, b"begun", fin=False)))
    frames.skip_messages()
    data = frame(CONT, b"\xff" * 99) + frame(BINARY, bytes(99)) + frame(TEXT, b"\xff", rsv=4)
    assert list(frames.read(data + frame(PING))) == [PingReceived(b"")]
    with pytest.raises(Violation, match="1002"):
        list(frames.read(frame(CONT)))


MESSAGES = st.one_of(st.text(max_size=200), st.binary(max_size=70_000))


@given(st.lists(MESSAGES, max_size=4), st.booleans(), st.binary(max_size=125))
def test_wsproto_reads_what_we_write(messages, deflate, payload):
    assert AGREED is not None
    client = PerMessageDeflate()
    client.finalize(AGREED.header)
    peer = FrameProtocol(client=True, extensions=[client] if deflate else [])
    writer = FrameWriter(Deflater(AGREED, SETTINGS) if deflate else None, SETTINGS.threshold)
    for each in messages:
        peer.receive_bytes(b"".join(written(writer, each)))
        parts = [received.payload for received in peer.received_frames()]
        assert (each[:0].join(parts) if parts else each) == each
        assert parts or not each
    peer.receive_bytes(writer.ping(payload) + writer.pong(payload) + writer.close(1000, "hé" * 60))
    ping, pong, close = peer.received_frames()
    assert (ping.payload, pong.payload) == (payload, payload)
    assert close.payload == (1000, "hé" * 41)


@given(st.lists(MESSAGES, max_size=4), st.booleans())
def test_we_read_what_wsproto_writes(messages, deflate):
    assert AGREED is not None
    client = PerMessageDeflate()
    client.finalize(AGREED.header)
    peer = FrameProtocol(client=True, extensions=[client] if deflate else [])
    frames = reader(1 << 20)
    for each in messages:
        assert list(frames.read(bytes(peer.send_data(each)))) == [message(each)]


def test_a_message_below_the_threshold_is_not_compressed():
    assert AGREED is not None
    settings = Deflate(threshold=10)
    writer = FrameWriter(Deflater(AGREED, settings), settings.threshold)
    assert written(writer, "x" * 9) == [b"\x81\x09" + b"x" * 9]
    assert written(writer, "x" * 10)[0][0] == 0xC1
    assert written(writer, "é" * 5)[0][0] == 0xC1  # In bytes.
    assert written(writer, b"") == [b"\x82\x00"]


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (125, b"\x82\x7d"),
        (126, b"\x82\x7e\x00\x7e"),
        (65_535, b"\x82\x7e\xff\xff"),
        (65_536, b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_the_length_is_written_in_the_fewest_bytes(size, head):
    assert b"".join(written(FrameWriter(), bytes(size))) == head + bytes(size)


@pytest.mark.parametrize("size", [*range(134), 255, 256, *range(696, 705), 4099, 65_535, 65_536])
def test_the_lane_unmasks_as_wsproto_does(size):
    payload = bytes(n * 7 & 0xFF for n in range(size))
    peer = FrameProtocol(client=True, extensions=[])
    data = bytes(peer.send_data(payload))
    messages: deque[tuple[str | bytes, int]] = deque()
    assert reader(1 << 20).read_plain(data * 2, messages, 9) == (2 * len(data), 2 * size)
    assert list(messages) == [(payload, size)] * 2
    assert {type(message) for message, _ in messages} == {bytes}


@pytest.mark.parametrize("key", [b"\0\0\0\0", b"\0\0\0\1", b"\0\xff\0\0", b"\xff" * 4])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 125, 126, 700])
def test_any_key_is_a_key(key, size):
    # The key is read as part of a number, in which zeros in front say nothing.
    payload = bytes(n * 7 & 0xFF for n in range(size))
    length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    masked = bytes(a ^ b for a, b in zip(payload, itertools.cycle(key)))
    messages: deque[tuple[str | bytes, int]] = deque()
    reader(1 << 20).read_plain(b"\x82" + length + key + masked, messages, 9)
    assert list(messages) == [(payload, size)]


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(frame(PING, b"?"), id="a control frame"),
        pytest.param(frame(TEXT, b"x", fin=False), id="a fragment"),
        pytest.param(compressed(TEXT, b"x"), id="compressed"),
        pytest.param(frame(TEXT, b"x" * (LIMIT + 1)), id="over the limit"),
        pytest.param(frame(TEXT, b"x" * 200), id="over the limit, and no short frame"),
        pytest.param(frame(TEXT, b"\xff"), id="invalid UTF-8"),
        pytest.param(frame(TEXT, b"x", rsv=1), id="a reserved bit"),
        pytest.param(b"\x81\x01x", id="not masked"),
        pytest.param(b"\x81\xfe\x00\x0512340123456", id="a length in more bytes than it needs"),
        pytest.param(
            b"\x81\xff" + (5).to_bytes(8) + b"123401234",
            id="a length in many more bytes than it needs",
        ),
        pytest.param(frame(TEXT, b"half of it")[:9], id="half a frame"),
        pytest.param(b"\x81", id="a byte"),
    ],
)
def test_the_lane_takes_what_is_plain_in_front_of_what_is_not(odd):
    whole = frame(TEXT, "é".encode()) + frame(BINARY, b"\x00" * LIMIT)
    messages: deque[tuple[str | bytes, int]] = deque()
    assert reader(LIMIT).read_plain(whole + odd, messages, 9) == (len(whole), LIMIT + 2)
    assert list(messages) == [("é", 2), (b"\x00" * LIMIT, LIMIT)]


def test_the_lane_takes_nothing_between_the_fragments_of_a_message():
    frames = reader()
    first = frame(TEXT, b"a", fin=False)
    assert frames.read_frame(first, 0) == (None, 0, len(first))
    assert frames.read_plain(frame(TEXT, b"b"), deque(), 9) == (0, 0)
    [found] = frames.read(frame(CONT, b"c"))
    assert found == message("ac")


def test_the_lane_takes_nothing_for_a_frame_in_the_middle_of_another():
    frames, inner = reader(), frame(TEXT, b"b")
    # Masked with nothing, so that the payload looks like what it is.
    begun = bytes((0x82, 0x80 | len(inner))) + bytes(4)
    assert list(frames.read(begun)) == []
    assert frames.read_plain(inner, deque(), 9) == (0, 0)
    assert frames.read_frame(inner, 0) is None
    assert list(frames.read(inner)) == [message(inner)]


@pytest.mark.parametrize("size", [10, 800])
def test_a_message_in_fragments_is_bytes_and_nothing_like_them(size):
    frames, payload = reader(1 << 20), bytes(size)
    parts = [frame(BINARY, payload, fin=False), frame(CONT, payload)]
    found = [frames.read_frame(part, 0) for part in parts]
    assert found == [(None, 0, len(parts[0])), (2 * payload, 2 * size, len(parts[1]))]
    assert found[1] is not None
    assert type(found[1][0]) is bytes


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_small_fragments_cost_no_multiple_of_their_message(opcode):
    frames = reader(400_000, deflate=False)
    data = frame(CONT, b"ab", fin=False) * 1000
    tracemalloc.start()
    try:
        list(frames.read(frame(opcode, fin=False)))
        for _ in range(20):
            list(frames.read(data))
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size < 200_000
    [found] = frames.read(frame(CONT, b"end"))
    assert found == message("ab" * 20_000 + "end" if opcode == TEXT else b"ab" * 20_000 + b"end")
