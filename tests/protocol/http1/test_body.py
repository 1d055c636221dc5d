"""Where a request body ends, and which chunk tricks are refused. RFC 9112 §6 and §7."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylane.config.limits import Limits
from anylane.errors import Refused
from anylane.protocol.http1.body import Body, LengthBody
from anylane.protocol.http1.grammar import parse_head

LIMITS = Limits(body=20, header_section=100, header_count=3)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
NEXT = b"GET /next HTTP/1.1\r\n"


def body_of(field: bytes = CHUNKED, *, express: bool = True, limits: Limits = LIMITS) -> Body:
    head = parse_head(b"POST / HTTP/1.1\r\nHost: a\r\n" + field + b"\r\n", limits)
    return Body(head, limits, express=express)


def feed(body: Body, pieces: list[bytes], most: int = 1000) -> tuple[bytes, bytes]:
    """Return what was decoded, and what is behind the body."""
    decoded, rest = b"", b""
    for piece in pieces:
        rest += piece
        while rest and not (body.complete or body.over):
            chunks, rest = body.feed(rest, most)
            decoded += b"".join(chunks)
    return decoded, rest


def allowed(body: Body | LengthBody, limit: int) -> bool:
    body.allow(limit)
    return not body.over


def each_byte(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def test_content_length_takes_its_bytes_and_leaves_the_next_request():
    body = body_of(b"Content-Length: 5\r\n")
    assert body.remaining == 5
    assert feed(body, [b"he", b"llo" + NEXT]) == (b"hello", NEXT)
    assert body.complete


GOOD = [
    (b"0\r\n\r\n", b""),
    (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    (b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2),
    (b"0005\r\nhello\r\n000\r\n\r\n", b"hello"),
    (b"5;a\r\nhello\r\n0;b=c\r\n\r\n", b"hello"),
    (b'5;a="x;\\"\t y";b=1\r\nhello\r\n0\r\n\r\n', b"hello"),
    (b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n"),
    (b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n"),
    (b"1\r\na\r\n0\r\nX: y\r\n\r\n", b"a"),
]


@pytest.mark.parametrize(("wire", "decoded"), GOOD)
@pytest.mark.parametrize("cut", [lambda data: [data], each_byte], ids=["whole", "each byte"])
def test_chunks_are_decoded_and_the_next_request_is_left(wire, decoded, cut):
    body = body_of()
    assert body.remaining is None
    found, rest = feed(body, cut(wire + NEXT))
    assert (found, rest, body.complete) == (decoded, NEXT, True)


BAD = [
    (b"5 \r\nhello\r\n", 400),
    (b" 5\r\nhello\r\n", 400),
    (b"\t5\r\n", 400),
    (b"5\nhello\r\n", 400),
    (b"5\rhello\r\n", 400),
    (b"5\r\nhello\n0\r\n\r\n", 400),
    (b"5\r\nhelloo\r\n", 400),
    (b"5\r\nhello0\r\n\r\n", 400),
    (b"5\r\nhell\r\n0\r\n\r\n", 400),
    (b"5\r\nhello\r\r\n", 400),
    (b"0x5\r\nhello\r\n", 400),
    (b"+5\r\nhello\r\n", 400),
    (b"-5\r\n", 400),
    (b"5_0\r\n", 400),
    (b"g\r\n", 400),
    (b"\r\n", 400),
    (b";a\r\n", 400),
    (b"5;\r\n", 400),
    (b"5; a=b\r\n", 400),
    (b"5 ;a=b\r\n", 400),
    (b"5;a=\r\n", 400),
    (b"5;a=b c\r\n", 400),
    (b'5;a="b\r\n', 400),
    (b"5;a=\x00\r\n", 400),
    (b"5;a\x7f\r\n", 400),
    (b"1234567890123456\r\n", 400),
    (b"5;" + b"a" * 300 + b"\r\n", 400),
    (b"0\r\nX: y\n\r\n", 400),
    (b"0\r\nX : y\r\n\r\n", 400),
    (b"0\r\n X: y\r\n\r\n", 400),
    (b"0\r\nContent-Length: 5\r\n\r\n", 400),
    (b"0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (b"0\r\n" + b"X: y\r\n" * 4 + b"\r\n", 431),
    (b"0\r\nX: " + b"y" * 100 + b"\r\n\r\n", 431),
]

OVER = b"5\r\nhello\r\n10\r\n" + b"x" * 16 + b"\r\n0\r\n\r\n"
"""One byte more than the limit."""


@pytest.mark.parametrize(("wire", "status"), BAD)
def test_a_trick_is_refused_alike_whole_and_cut_at_each_byte(wire, status):
    reasons = []
    for pieces in ([wire], each_byte(wire)):
        with pytest.raises(Refused) as caught:
            feed(body_of(), pieces)
        assert caught.value.status == status
        reasons.append(caught.value.reason)
    assert reasons[0] == reasons[1]


def test_the_body_limit_counts_what_was_decoded():
    assert feed(body_of(), [b"14\r\n" + b"x" * 20 + b"\r\n0\r\n\r\n"])[0] == b"x" * 20


@pytest.mark.parametrize("size", [b"15", b"100000005", b"f" * 15])
@pytest.mark.parametrize("express", [True, False])
def test_nothing_is_taken_of_a_chunk_that_cannot_fit(size, express):
    body = body_of(express=express)
    line = size + b"\r\n"
    assert body.feed(line + b"x" * 21) == ([], b"x" * 21)
    assert body.over
    assert not body.complete
    assert body.received == 0
    assert body.feed(b"x" * 21) == ([], b"x" * 21)


@pytest.mark.parametrize("express", [True, False])
@pytest.mark.parametrize("cut", [lambda data: [data], each_byte], ids=["whole", "each byte"])
def test_a_body_that_is_allowed_more_goes_on_where_it_stopped(express, cut):
    body = body_of(express=express)
    decoded, rest = feed(body, cut(OVER + NEXT))
    assert (decoded, body.over, body.complete) == (b"hello", True, False)
    assert [allowed(body, limit) for limit in (20, 21)] == [False, True]
    assert feed(body, [rest]) == (b"x" * 16, NEXT)
    assert body.complete


@pytest.mark.parametrize("express", [True, False])
def test_a_body_may_be_allowed_less_than_has_come(express):
    body = body_of(express=express)
    assert feed(body, [b"5\r\nhello\r\n5\r\nhe"])[0] == b"hellohe"
    assert [allowed(body, limit) for limit in (10, 9, 0)] == [True, False, False]


@pytest.mark.parametrize("express", [True, False])
def test_a_declared_length_is_over_before_a_byte_comes(express):
    head = parse_head(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 21\r\n\r\n", LIMITS)
    body = LengthBody(head, LIMITS.body) if express else Body(head, LIMITS, express=False)
    assert body.over
    assert allowed(body, 21)
    assert body.feed(b"x" * 30) == ([b"x" * 21], b"x" * 9)
    assert body.complete


def test_trailers_are_kept_lower_cased_in_order():
    body = body_of()
    feed(body, [b"0\r\nX-B: 1\r\nx-a: 2\r\n\r\n"])
    assert body.trailers == [(b"x-b", b"1"), (b"x-a", b"2")]


@given(st.lists(st.binary(min_size=1, max_size=5), max_size=4), st.data())
def test_the_cut_does_not_matter(chunks, data):
    wire = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    cuts = sorted(data.draw(st.sets(st.integers(1, len(wire) + len(NEXT)))))
    both = wire + NEXT
    pieces = [both[a:b] for a, b in zip([0, *cuts], [*cuts, len(both)], strict=True)]
    body = body_of()
    decoded, _ = feed(body, pieces)
    assert decoded == b"".join(chunks)
    assert body.complete


CHUNKS = st.one_of(
    *[st.sampled_from([wire for wire, *_ in table]) for table in (GOOD, BAD, [(OVER,)])],
    st.builds(
        lambda size, zeros, chunk, end: b"0" * zeros + size(len(chunk)) + b"\r\n" + chunk + end,
        st.sampled_from([lambda size: b"%x" % size, lambda size: b"%X;a" % size]),
        st.integers(0, 9),
        st.binary(min_size=1, max_size=12),
        st.sampled_from([b"\r\n"] * 6 + [b"\n", b"\r", b"", b"x\r\n"]),
    ),
)
SMALL = Limits(body=20, header_section=100, header_count=3, chunk_overhead=12)


@given(st.lists(CHUNKS, max_size=6), st.data(), st.integers(1, 3), st.sampled_from([LIMITS, SMALL]))
def test_the_express_lane_is_indistinguishable(parts, data, most, limits):
    """Also where it hands over to h11 and back, however the bytes were cut, whatever the budget."""
    wire = (
        b"".join(parts)
        + data.draw(st.sampled_from([b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b""]))
        + NEXT
    )
    cuts = sorted(data.draw(st.sets(st.integers(1, len(wire)), max_size=5)))
    pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    found = []
    for express, step in ((True, 1000), (False, 1000), (True, most), (False, most)):
        body = body_of(express=express, limits=limits)
        try:
            told: object = feed(body, pieces, step)
        except Refused as refused:
            told = refused.status, refused.reason
        found.append((told, body.complete, body.received, body.trailers))
    assert found == found[:1] * 4


def test_so_many_chunks_are_taken_at_a_time():
    wire = b"1\r\na\r\n" * 3 + b"1;x\r\nb\r\n" * 3 + b"0\r\n\r\n"
    for express in (True, False):
        body = body_of(express=express)
        assert body.feed(wire, 2) == ([b"aa"], wire[12:])
        assert body.feed(wire[12:], 2) == ([b"ab"], wire[26:])
        assert body.feed(wire[26:], 9) == ([b"bb"], b"")
        assert body.complete


def test_plain_chunks_need_no_h11(monkeypatch: pytest.MonkeyPatch):
    body = body_of()
    monkeypatch.setattr("h11.Connection", None)
    wire = b"A\r\n0123456789\r\n1\r\na\r\n0\r\n\r\n"
    assert feed(body, [wire + NEXT]) == (b"0123456789a", NEXT)


@pytest.mark.parametrize("express", [True, False])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_framing_may_take_so_much_more_than_its_data(express, size):
    limits = Limits(body=10_000, chunk_overhead=100)
    over = 5 - size
    chunk = b"%x\r\n%s\r\n" % (size, b"x" * size)
    fits = chunk * (100 // over)
    assert feed(body_of(express=express, limits=limits), [fits + b"0\r\n\r\n"])[1] == b""
    with pytest.raises(Refused, match="chunk framing") as caught:
        feed(body_of(express=express, limits=limits), [fits + chunk])
    assert caught.value.status == 400


@pytest.mark.parametrize("express", [True, False])
def test_honest_chunks_never_take_too_much(express):
    limits = Limits(chunk_overhead=1)
    wire = b"5\r\nabcde\r\n" * 5000 + b"10\r\n0123456789abcdef\r\n" * 5000
    assert len(feed(body_of(express=express, limits=limits), [wire])[0]) == 5000 * 21


@given(st.binary(max_size=300))
def test_whatever_comes_is_decoded_or_refused(data):
    refused: int | None = None
    decoded = b""
    try:
        decoded, _ = feed(body_of(), [data])
    except Refused as exc:
        refused = exc.status
    assert refused in (None, 400, 413, 431)
    assert len(decoded) <= LIMITS.body
