"""What the express lane takes, the authorities take too, and mean the same by it.

The authorities are `parse_head` and the h11 in it. Whole connections are compared in
`test_express_connections`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anylane import Limits
from anylane.errors import Refused, UsageError
from anylane.protocol.http1.encoding import JOINED, encode_plain
from anylane.protocol.http1.express import Express, Heads
from anylane.protocol.http1.grammar import parse_head
from anylane.protocol.http1.writer import Framing, ResponseWriter
from anylane.protocol.request_head import Fields, RequestHead
from tests.heads import (
    FEW,
    LIMITS,
    METHODS,
    PLAIN,
    ROOMY,
    TARGETS,
    VALUES,
    heads,
    nearly,
    plain_sections,
)

LARGER = Limits(target=60, header_field=60, header_section=200, header_count=8, body=40)
MORE = settings(max_examples=max(500, settings().max_examples))
"""A head costs little."""
FOLLOWING = b"GET /next HTTP/1.1\r\nHost: b\r\nX: y\r\n\r\n"


def meaning(head: RequestHead, size: int) -> dict[str, Any]:
    """Return all that can be asked of a head, and where the next one begins."""
    said = {
        name: getattr(head, name)
        for name in ("method", "target", "version", "headers", "content_length", "chunked",
                     "expects_continue", "connection", "has_body", "keep_alive")
    }  # fmt: skip
    assert type(head.method) is type(head.target) is bytes, "a view of a buffer is not kept"
    assert {type(each) for pair in head.headers for each in pair} <= {bytes}
    first = {name: head.get(name) for name, _ in reversed(head.headers)}
    return {**said, "first": first, "size": size}


def authorities(data: bytes, limits: Limits) -> dict[str, Any] | str:
    """Return what the authorities say about the message at the beginning of *data*."""
    size = data.find(b"\r\n\r\n") + 4
    if size < 4:
        return "not complete"
    try:
        return meaning(parse_head(data[:size], limits), size)
    except Refused as refused:
        return f"{refused.status} {refused}"


def check(express: Express, data: bytes, limits: Limits) -> bool:
    """Assert that the authorities agree; return whether the lane takes the head."""
    found = express.read(data)
    again = express.read(bytearray(data))
    if found is None:
        assert again is None
        return False
    assert again is not None
    expected = authorities(data, limits)
    assert meaning(*found) == expected
    assert meaning(*again) == expected
    return True


# --- heads ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", PLAIN, ids=["wrk", "curl", "client", "once", "odd", "browser"])
def test_what_clients_send_all_day_is_taken(head):
    express = Express(ROOMY)
    for behind in (b"", FOLLOWING, b"\r\n", b"\0"):
        assert check(express, head + behind, ROOMY)


@given(METHODS, TARGETS, plain_sections())
def test_plain_heads_are_taken(method, target, section):
    """The lane takes plain heads. Without this the other tests here would show nothing."""
    head = method + b" " + target + b" HTTP/1.1\r\n" + section
    odd = method == b"CONNECT" or not (method.isalpha() and method.isupper() and len(method) <= 20)
    odd = odd or not (target[:1] == b"/" and target.isascii() and target.decode().isprintable())
    odd = odd or b"#" in target or b" " in target or not target.isascii()
    assert check(Express(ROOMY), head, ROOMY) is not odd


@MORE
@given(st.lists(heads(), min_size=1, max_size=4), st.sampled_from([LIMITS, LARGER, FEW, ROOMY]))
def test_what_is_taken_means_the_same_to_the_authorities(sent, limits):
    express = Express(limits)
    for number in range(len(sent)):
        check(express, b"".join(sent[number:]), limits)


@MORE
@given(st.data())
def test_a_remembered_head_is_taken_for_no_other(data):
    """Two connections repeat each other's heads, or almost."""
    limits = data.draw(st.sampled_from([LIMITS, LARGER, FEW, ROOMY]))
    sections = [data.draw(plain_sections())]
    for _ in range(data.draw(st.integers(1, 4))):
        sections.append(data.draw(nearly(data.draw(st.sampled_from(sections)))))
    heads = Heads(limits)
    both = Express(limits, heads), Express(limits, heads)
    line = b"POST " + data.draw(st.sampled_from([b"/", b"/a", b"/" + b"x" * 19])) + b" HTTP/1.1\r\n"
    sent = [line + section for section in sections]
    for number, head in enumerate(sent):
        check(both[number % 2], head, limits)
        check(data.draw(st.sampled_from(both)), b"".join(sent[number:]), limits)


def test_no_more_heads_are_remembered_than_are_worth_it():
    heads = Heads(ROOMY)
    most = 0
    for number in range(300):
        section = b"Host: a\r\nX: %d\r\n\r\n" % number
        for size in (10, 10, 10, 10, 5000):
            assert check(
                Express(ROOMY, heads), b"GET /%b HTTP/1.1\r\n%b" % (b"x" * size, section), ROOMY
            )
        assert 0 < len(heads._heads) <= 128
        assert 0 < len(heads._sections) <= 128
        most = max(most, len(heads._heads))
    assert most == 128


def test_heads_that_never_come_again_take_no_place_from_those_that_do():
    heads = Heads(ROOMY)
    often = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"

    def ask(head: bytes) -> RequestHead:
        found = Express(ROOMY, heads).read(head)
        assert found is not None
        return found[0]

    kept = [ask(often) for _ in range(4)][-1]
    assert ask(often) is kept
    for number in range(1000):
        ask(b"GET / HTTP/1.1\r\nHost: a\r\nX: %d\r\n\r\n" % number)
        ask(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
    assert ask(often) is kept
    assert len(heads._heads) == len(heads._sections) == 1


def test_a_section_too_large_to_be_remembered_takes_nothing_from_one_that_is():
    small = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
    large = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nX: %b\r\n\r\n" % (b"y" * 5000)
    express = Express(ROOMY)
    for head in (small, large, small, large, large):
        assert check(express, head, ROOMY)


SPECIAL = [(name, value) for name, values in VALUES.items() for value in dict.fromkeys(values)]


@pytest.mark.parametrize("spell", [bytes.lower, bytes.upper, bytes.title])
def test_each_line_that_means_something(spell):
    """Odd lines stand in front of plain ones, behind them, and instead of them."""
    plain = [b"Host: a", b"Content-Length: 3", b"Connection: keep-alive", b"X: y"]
    taken = 0
    for name, value in SPECIAL:
        for line in (b":%b", b": %b", b":\t%b \t", b" :%b", b":\r\n %b"):
            odd = spell(name) + line % value
            for kept in (plain, plain[:1], plain[1:], plain[::2], [plain[0], plain[3]]):
                for fields in ([odd, *kept], [*kept, odd]):
                    head = b"\r\n".join((b"POST / HTTP/1.1", *fields, b"", b""))
                    taken += check(Express(ROOMY), head, ROOMY)
    assert taken > len(SPECIAL)


BYTES = [byte for byte in range(256) if not chr(byte).isalnum() or chr(byte) in "09azAZ\xff"]
"""One letter means as much as another."""


@pytest.mark.parametrize("head", [PLAIN[0], PLAIN[2], PLAIN[3]], ids=["wrk", "client", "once"])
def test_one_byte_away_from_plain(head):
    """Every byte is put at every place, instead of what is there and in front of it, or left
    out."""
    variants = [head[:at] + head[at + 1 :] for at in range(len(head))]
    for at in range(len(head)):
        for byte in BYTES:
            put = head[:at] + bytes([byte])
            variants += put + head[at:], put + head[at + 1 :]
    taken = 0
    for variant in dict.fromkeys(variants):
        used = Express(ROOMY)
        used.read(head)
        found, again = Express(ROOMY).read(variant), used.read(bytearray(variant))
        assert (found is None) is (again is None)
        if found is not None and again is not None:
            taken += 1
            assert meaning(*found) == meaning(*again) == authorities(variant, ROOMY)
    assert taken > len(head)


@pytest.mark.parametrize("where", ["target", "header_field", "header_section", "header_count",
                                   "body"])  # fmt: skip
def test_each_limit_is_met_exactly(where):
    """Heads grow over each limit byte by byte; what the lane takes, the authorities take."""
    limits = Limits(**{where: 60})
    taken = 0
    for size in range(100):
        target = b"/" + b"x" * size if where == "target" else b"/"
        length = b"Content-Length: %d\r\n" % size if where == "body" else b""
        count = size if where == "header_count" else 1
        value = b"y" * size if where in ("header_field", "header_section") else b"y"
        fields = b"Host: a\r\n" + length + b"X: %b\r\n" % value * count
        head = b"POST %b HTTP/1.1\r\n%b\r\n" % (target, fields)
        taken += check(Express(limits), head, limits)
        assert check(Express(ROOMY), head, ROOMY) is (count < 100)
    assert 0 < taken < 100


@pytest.mark.parametrize("most", [1, 2**31, 2**32 - 1, 2**32, 10**12])
def test_any_number_of_lines_may_be_allowed(most):
    head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    assert Express(Limits(header_count=most)).read(head) is not None


# --- response heads ------------------------------------------------------------------------------


NAMES = st.sampled_from(
    ["x", "Content-Type", "Set-Cookie", "Date", "date", "Connection", "CONNECTION", "Vary",
     "Content-Length", "content-length", "Transfer-Encoding", "transfer-encoding", "Trailer"]
)  # fmt: skip
CONTENTS = st.sampled_from(
    ["", "y", "close", "keep-alive", "0", "3", "text/plain", "é", "a\tb", " z "]
)
UNSENDABLE = st.sampled_from(["a\r\nb: c", "a\n", "\r", "\0", "→"])


@given(
    st.tuples(
        st.sampled_from([b"GET", b"HEAD", b"POST", b"CONNECT"]), st.sampled_from([b"1.1", b"1.0"])
    ),
    st.sampled_from([200, 201, 204, 205, 206, 299, 301, 304, 404, 418, 500, 599, 999]),
    st.lists(st.tuples(NAMES, CONTENTS | CONTENTS | CONTENTS | UNSENDABLE), max_size=4),
    st.integers(0, 5) | st.sampled_from([JOINED, JOINED + 1]),
    st.sampled_from([b"now", b"then"]),
    st.booleans(),
)
def test_a_plain_response_is_the_writers(  # noqa: PLR0917  # hypothesis fills them in
    request_line, status, headers, length, date, keep_alive
):
    method, version = request_line
    body = b"x" * length
    request = RequestHead(method, b"/", version, Fields(b"", []))
    writer = ResponseWriter(method, version, keep_alive)
    found = told(lambda: encode_plain(request, status, headers, body, date, keep_alive))
    if found is None:
        return
    expected = told(lambda: writer.head(status, headers, length, date))
    if isinstance(expected, bytes) and length <= JOINED:
        expected += body
    assert found == expected
    if isinstance(found, bytes):
        assert writer.keep_alive is keep_alive and writer.framing is Framing.LENGTH
        assert b"".join(writer.data(body)) == body
        assert writer.end(()) == b""


@pytest.mark.parametrize("status", [200, 404, 500])
@pytest.mark.parametrize("headers", [[], [("content-type", "text/plain"), ("x", "y")]])
@pytest.mark.parametrize("keep_alive", [True, False])
def test_most_responses_are_plain(status, headers, keep_alive):
    request = RequestHead(b"GET", b"/", b"1.1", Fields(b"", []))
    assert encode_plain(request, status, headers, b"abc", b"now", keep_alive) is not None


def told(encode: Callable[[], bytes | None]) -> bytes | str | None:
    try:
        return encode()
    except UsageError as exc:
        return str(exc).partition(":")[0]  # Behind it are the lines that were being put together.
