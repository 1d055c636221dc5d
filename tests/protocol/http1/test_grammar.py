"""What is a request head, what is refused, and with which status. RFC 9112 §2 to §5."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylane.config.limits import Limits
from anylane.errors import Refused
from anylane.protocol.http1.grammar import check_incomplete, check_trailers, parse_head
from anylane.protocol.request_head import RequestHead

HOST = b"Host: a\r\n"


def head_of(
    line: bytes = b"GET / HTTP/1.1", fields: bytes = HOST, limits: Limits | None = None
) -> RequestHead:
    return parse_head(line + b"\r\n" + fields + b"\r\n", limits or Limits())


def status_of(block: bytes, limits: Limits | None = None) -> int:
    with pytest.raises(Refused) as caught:
        parse_head(block, limits or Limits())
    return caught.value.status


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET / HTTP/1.2", 505),
        (b"GET / HTTP/2.0", 505),
        (b"GET / HTTP/0.9", 505),
        (b"GET / HTTP/9.9", 505),
        (b"GET / http/1.1", 400),
        (b"GET / HTTP/1.10", 400),
        (b"GET / HTTP/1", 400),
        (b"GET /", 400),
        (b"GET  / HTTP/1.1", 400),
        (b"GET /  HTTP/1.1", 400),
        (b"GET\t/\tHTTP/1.1", 400),
        (b" GET / HTTP/1.1", 400),
        (b"GET / HTTP/1.1 ", 400),
        (b"", 400),
        (b"G\x00T / HTTP/1.1", 400),
        (b"G@T / HTTP/1.1", 400),
        (b"GET /\x00 HTTP/1.1", 400),
        (b"GET /\x7f HTTP/1.1", 400),
        (b"GET /\xe9 HTTP/1.1", 400),
        (b"GET /a b HTTP/1.1", 400),
        (b"GET /\r HTTP/1.1", 400),
        (b"GET /#top HTTP/1.1", 400),
        (b"GET http://a/#top HTTP/1.1", 400),
        (b"GET a HTTP/1.1", 400),
        (b"GET * HTTP/1.1", 400),
        (b"GET http://b/ HTTP/1.1", 400),
        (b"GET http://u@a/ HTTP/1.1", 400),
        (b"GET http:///x HTTP/1.1", 400),
        (b"CONNECT / HTTP/1.1", 400),
        (b"CONNECT a HTTP/1.1", 400),
        (b"CONNECT u@a:1 HTTP/1.1", 400),
    ],
)
def test_a_request_line_that_is_refused(line, status):
    assert status_of(line + b"\r\n" + HOST + b"\r\n") == status


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1",
        b"get / HTTP/1.1",
        b"M-SEARCH /%20?a=b&c HTTP/1.1",
        b"GET http://a/x?y HTTP/1.1",
        b"GET HTTP://A HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"CONNECT a:443 HTTP/1.1",
        b"CONNECT [::1]:443 HTTP/1.1",
        b"GET //b/ HTTP/1.1",
    ],
)
def test_a_request_line_that_is_accepted(line):
    method, target, _ = line.split()
    head = head_of(line)
    assert (head.method, head.target, head.version) == (method, target, b"1.1")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        # Line ends and lines (RFC 9112 §2.2, §5.1, §5.2).
        (b"Host: a\nX: b\r\n", 400),
        (b"Host: a\rX: b\r\n", 400),
        (HOST + b"X: b\r\n folded\r\n", 400),
        (HOST + b"X: b\r\n\tfolded\r\n", 400),
        (b" Host: a\r\n", 400),
        (HOST + b"X : b\r\n", 400),
        (HOST + b"X\t: b\r\n", 400),
        (HOST + b"X\r\n", 400),
        (HOST + b": b\r\n", 400),
        (HOST + b"X@: b\r\n", 400),
        (HOST + b"X\xe9: b\r\n", 400),
        (HOST + b"X: \x00\r\n", 400),
        (HOST + b"X: \x01\r\n", 400),
        (HOST + b"X: \x7f\r\n", 400),
        (HOST + b"X: a\rb\r\n", 400),
        # Host (RFC 9112 §3.2).
        (b"", 400),
        (b"Host:\r\n", 400),
        (b"Host: \r\n", 400),
        (HOST + HOST, 400),
        (HOST + b"host: b\r\n", 400),
        (b"Host: a, b\r\n", 400),
        (b"Host: a,b\r\n", 400),
        (b"Host: u@a\r\n", 400),
        (b"Host: a/b\r\n", 400),
        (b"Host: a b\r\n", 400),
        (b"Host: a:b\r\n", 400),
        (b"Host: :\r\n", 400),
        (b"Host: :80\r\n", 400),
        (b"Host: a::\r\n", 400),
        (b"Host: [::1]:x\r\n", 400),
        (b"Host: a:123456\r\n", 400),
        (b"Host: [::1\r\n", 400),
        (b"Host: a%zz\r\n", 400),
        # Framing (RFC 9112 §6).
        (HOST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400),
        (HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", 400),
        (HOST + b"Content-Length: 1\r\nContent-Length: 1\r\n", 400),
        (HOST + b"Content-Length: 1\r\ncontent-length: 2\r\n", 400),
        (HOST + b"Content-Length: 1, 1\r\n", 400),
        (HOST + b"Content-Length: 1,1\r\n", 400),
        (HOST + b"Content-Length:\r\n", 400),
        (HOST + b"Content-Length: +1\r\n", 400),
        (HOST + b"Content-Length: -1\r\n", 400),
        (HOST + b"Content-Length: 0x1\r\n", 400),
        (HOST + b"Content-Length: 1_0\r\n", 400),
        (HOST + b"Content-Length: 1 0\r\n", 400),
        (HOST + b"Content-Length: 1234567890123456789\r\n", 400),
        (HOST + b"Transfer-Encoding: gzip\r\n", 400),
        (HOST + b"Transfer-Encoding: gzip, chunked\r\n", 501),
        (HOST + b"Transfer-Encoding: chunked, chunked\r\n", 400),
        (HOST + b"Transfer-Encoding: identity\r\n", 400),
        (HOST + b"Transfer-Encoding: xchunked\r\n", 400),
        (HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
        (HOST + b"Transfer-Encoding:\r\n", 400),
        # Expect (RFC 9110 §10.1.1).
        (HOST + b"Expect: tea\r\n", 417),
        (HOST + b"Expect: 100-continue\r\nExpect: 100-continue\r\n", 417),
    ],
)
def test_fields_that_are_refused(fields, status):
    assert status_of(b"POST / HTTP/1.1\r\n" + fields + b"\r\n") == status


@pytest.mark.parametrize(
    "host",
    [b"a", b"a:80", b"A.b-c_d~e:65535", b"127.0.0.1", b"[::1]", b"[::ffff:1.2.3.4]:80", b"a%20b"],
)
def test_a_host_that_is_accepted(host):
    assert head_of(fields=b"Host: " + host + b"\r\n").get(b"host") == host


def test_http_1_0_needs_no_host_but_a_sound_one():
    assert head_of(b"GET / HTTP/1.0", b"").version == b"1.0"
    assert status_of(b"GET / HTTP/1.0\r\nHost: a,b\r\n\r\n") == 400
    assert status_of(b"GET http://u@a/ HTTP/1.0\r\n\r\n") == 400


def test_http_1_0_has_no_transfer_encoding():
    assert status_of(b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n") == 400


def test_names_are_lower_cased_and_values_stripped_in_order():
    head = head_of(fields=HOST + b"X-B:  1 \t\r\nx-a:\r\nX-b: \xe9\t2\r\n")
    assert head.headers == [(b"host", b"a"), (b"x-b", b"1"), (b"x-a", b""), (b"x-b", b"\xe9\t2")]


@pytest.mark.parametrize(
    ("fields", "length", "chunked", "has_body"),
    [
        (b"", None, False, False),
        (b"Content-Length: 0\r\n", 0, False, False),
        (b"Content-Length: 7\r\n", 7, False, True),
        (b"Transfer-Encoding: chunked\r\n", None, True, True),
        (b"Transfer-Encoding: Chunked\r\n", None, True, True),
    ],
)
def test_the_framing_of_the_body(fields, length, chunked, has_body):
    head = head_of(b"POST / HTTP/1.1", HOST + fields)
    assert (head.content_length, head.chunked, head.has_body) == (length, chunked, has_body)


@pytest.mark.parametrize(
    ("version", "fields", "keeps"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"Connection: close\r\n", False),
        (b"1.1", b"Connection: Keep-Alive, CLOSE\r\n", False),
        (b"1.1", b"Connection: x\r\nConnection: close\r\n", False),
        (b"1.0", b"", False),
        (b"1.0", b"Connection: keep-alive\r\n", True),
        (b"1.0", b"Connection: keep-alive, close\r\n", False),
    ],
)
def test_which_request_keeps_its_connection(version, fields, keeps):
    assert head_of(b"GET / HTTP/" + version, HOST + fields).keep_alive is keeps


@pytest.mark.parametrize(
    ("version", "fields", "expects"),
    [
        (b"1.1", b"Expect: 100-continue\r\nContent-Length: 1\r\n", True),
        (b"1.1", b"Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n", True),
        (b"1.1", b"Expect: 100-continue\r\n", False),
        (b"1.1", b"Expect: 100-continue\r\nContent-Length: 0\r\n", False),
        (b"1.0", b"Expect: 100-continue\r\nContent-Length: 1\r\n", False),
        (b"1.0", b"Expect: tea\r\nContent-Length: 1\r\n", False),
    ],
)
def test_who_waits_for_100_continue(version, fields, expects):
    assert head_of(b"POST / HTTP/" + version, HOST + fields).expects_continue is expects


SMALL = Limits(target=16, header_field=40, header_section=100, header_count=4, body=10)


def get(target: bytes = b"/", fields: bytes = b"") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n"


@pytest.mark.parametrize(
    ("fits", "over", "status"),
    [
        (get(b"/" * 16), get(b"/" * 17), 414),
        (get(fields=b"X:" + b"x" * 38 + b"\r\n"), get(fields=b"X:" + b"x" * 39 + b"\r\n"), 431),
        (get(fields=b"X: y\r\n" * 3), get(fields=b"X: y\r\n" * 4), 431),
        # Host takes 9 bytes of the section.
        (
            get(fields=(b"X:" + b"x" * 28 + b"\r\n") * 2 + b"X:" + b"x" * 23 + b"\r\n"),
            get(fields=(b"X:" + b"x" * 28 + b"\r\n") * 2 + b"X:" + b"x" * 24 + b"\r\n"),
            431,
        ),
    ],
    ids=["target", "header_field", "header_count", "header_section"],
)
def test_each_limit_holds_at_the_limit_and_refuses_one_over(fits, over, status):
    parse_head(fits, SMALL)
    assert status_of(over, SMALL) == status


@pytest.mark.parametrize(
    ("line", "status"),
    [(b"GET /" + b"x" * 200, 414), (b"G" * 200, 400), (b"G" * 40 + b" /" + b"x" * 200, 400)],
)
def test_an_endless_request_line_is_refused_alike_before_and_after_its_end(line, status):
    with pytest.raises(Refused) as before:
        check_incomplete(bytearray(line), 0, SMALL)
    whole = line + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    with pytest.raises(Refused) as after:
        parse_head(whole, SMALL)
    assert str(before.value.reason) == after.value.reason
    assert before.value.status == after.value.status == status


def test_a_header_section_without_end_is_refused():
    drip = bytearray(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100)
    with pytest.raises(Refused) as caught:
        check_incomplete(drip, 0, SMALL)
    assert caught.value.status == 431


def test_a_bare_lf_is_refused_before_the_head_is_complete():
    with pytest.raises(Refused, match="bare LF"):
        check_incomplete(bytearray(b"GET / HTTP/1.1\n"), 14, Limits())


def test_a_line_end_that_was_cut_between_cr_and_lf_is_no_bare_lf():
    data = bytearray(b"GET / HTTP/1.1\r\n")
    check_incomplete(data, len(data) - 1, Limits())


@pytest.mark.parametrize(
    "name",
    [b"Content-Length", b"Transfer-Encoding", b"Host", b"Connection", b"Trailer", b"Cookie"],
)
def test_a_field_that_must_not_be_a_trailer(name):
    with pytest.raises(Refused, match="not allowed as a trailer"):
        check_trailers(name + b": 1\r\n", Limits())


@pytest.mark.parametrize("block", [b" X: y\r\n", b"X : y\r\n", b"X\r\n", b"X: \x00\r\n"])
def test_trailers_obey_the_rules_of_fields(block):
    with pytest.raises(Refused):
        check_trailers(block, Limits())


@given(st.binary(max_size=200))
def test_whatever_comes_is_parsed_or_refused(data):
    found: object
    try:
        found = parse_head(data + b"\r\n\r\n", SMALL).version
    except Refused as refused:
        found = refused.status
    assert found in (b"1.0", b"1.1", 400, 414, 417, 431, 501, 505)
