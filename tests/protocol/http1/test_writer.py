"""How a response is framed for its request, and what never reaches the wire. RFC 9112 §6."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from anylane.errors import UsageError
from anylane.protocol.fields import NO_TRAILERS, check_header, check_status, check_trailer
from anylane.protocol.http1.encoding import JOINED, encode_head, encode_trailers
from anylane.protocol.http1.writer import Framing, ResponseWriter

DATE = b"now"


def head(
    method: bytes = b"GET",
    version: bytes = b"1.1",
    *,
    status: int = 200,
    headers: Iterable[tuple[str, str]] = (),
    length: int | None = None,
    keep_alive: bool = True,
) -> tuple[ResponseWriter, dict[str, str]]:
    writer = ResponseWriter(method, version, keep_alive)
    lines = writer.head(status, headers, length, DATE).decode().split("\r\n")
    assert lines[-2:] == ["", ""]
    fields = [line.split(": ", 1) for line in lines[1:-2]]
    assert len(dict(fields)) == len(fields)
    return writer, {name: value for name, value in fields if name != "date"}


@pytest.mark.parametrize(
    ("request_line", "status", "length", "framing", "fields"),
    [
        ("GET 1.1", 200, 3, Framing.LENGTH, {"content-length": "3"}),
        ("GET 1.1", 200, 0, Framing.LENGTH, {"content-length": "0"}),
        ("GET 1.1", 200, None, Framing.CHUNKED, {"transfer-encoding": "chunked"}),
        (
            "GET 1.0",
            200,
            3,
            Framing.LENGTH,
            {"content-length": "3", "connection": "keep-alive"},
        ),
        ("GET 1.0", 200, None, Framing.UNTIL_CLOSE, {"connection": "close"}),
        ("HEAD 1.1", 200, 3, Framing.NONE, {"content-length": "3"}),
        ("HEAD 1.1", 200, None, Framing.NONE, {"transfer-encoding": "chunked"}),
        ("HEAD 1.0", 200, None, Framing.NONE, {"connection": "keep-alive"}),
        ("GET 1.1", 204, 0, Framing.NONE, {}),
        ("GET 1.1", 204, None, Framing.NONE, {}),
        # RFC 9110 §15.3.6: 205 says that there is nothing.
        ("GET 1.1", 205, 0, Framing.NONE, {"content-length": "0"}),
        ("GET 1.1", 205, 5, Framing.NONE, {"content-length": "0"}),
        ("GET 1.1", 205, None, Framing.NONE, {"content-length": "0"}),
        ("HEAD 1.1", 205, 5, Framing.NONE, {"content-length": "0"}),
        ("GET 1.0", 205, None, Framing.NONE, {"content-length": "0", "connection": "keep-alive"}),
        ("GET 1.1", 304, 0, Framing.NONE, {}),
        ("GET 1.1", 304, None, Framing.NONE, {}),
        ("GET 1.1", 304, 5, Framing.NONE, {"content-length": "5"}),
    ],
)
def test_the_framing_of_each_kind_of_response(request_line, status, length, framing, fields):
    method, version = request_line.encode().split()
    writer, found = head(method, version, status=status, length=length)
    assert (writer.framing, found) == (framing, fields)


@pytest.mark.parametrize(
    ("version", "headers", "keep_alive", "connection"),
    [
        (b"1.1", [], True, None),
        (b"1.1", [], False, "close"),
        (b"1.1", [("Connection", "close")], True, "close"),
        (b"1.1", [("Connection", "Close")], True, "close"),
        (b"1.1", [("Connection", "keep-alive")], False, "close"),
        (b"1.1", [("connection", "keep-alive")], True, None),
        # RFC 9110 §7.8: a sender of Upgrade lists it in Connection.
        (b"1.1", [("connection", "upgrade")], True, "upgrade"),
        (b"1.1", [("connection", "upgrade"), ("connection", "close")], True, "upgrade, close"),
        (b"1.0", [], True, "keep-alive"),
        (b"1.0", [], False, "close"),
    ],
)
def test_one_connection_header_says_what_happens(version, headers, keep_alive, connection):
    writer, found = head(version=version, headers=headers, length=0, keep_alive=keep_alive)
    assert found.get("connection") == connection
    assert writer.keep_alive is (connection in (None, "keep-alive", "upgrade"))


def test_a_date_of_the_handlers_takes_the_place_of_ours():
    writer = ResponseWriter(b"GET", b"1.1", keep_alive=True)
    assert writer.head(200, [("Date", "then")], 0, DATE).count(b"ate: ") == 1


@pytest.mark.parametrize("method_status", [(b"HEAD", 200), (b"GET", 304)])
def test_where_no_body_goes_out_a_handler_may_declare_what_get_would(method_status):
    method, status = method_status
    _, found = head(method, status=status, headers=[("content-length", "99")], length=0)
    assert found["content-length"] == "99"


@pytest.mark.parametrize(
    "headers",
    [
        [("Content-Length", "4")],
        [("Content-Length", "3"), ("content-length", "4")],
        [("Content-Length", "x")],
        [("Content-Length", "-3")],
        [("Content-Length", "\u0663")],
        [("Content-Length", "9" * 5000)],
        [("Transfer-Encoding", "chunked")],
        [("transfer-encoding", "identity")],
        [("X", "a\r\nSet-Cookie: b")],
        [("X", "a\nb")],
        [("X", "a\rb")],
        [("X", "a\0b")],
        [("X\r\nY", "a")],
        [("X", "☃")],
    ],
)
def test_a_head_that_must_not_go_out_is_a_usage_error(headers):
    with pytest.raises(UsageError):
        head(headers=headers, length=3)


def test_data_is_one_chunk_for_one_write():
    writer, _ = head()
    assert writer.data(b"x" * 26) == (b"1a\r\n" + b"x" * 26 + b"\r\n",)
    assert writer.data(b"") == ()  # An empty chunk would be the last one.
    assert writer.end([("X", "y")]) == b"0\r\nX: y\r\n\r\n"


def test_a_large_chunk_is_not_copied_into_its_frame():
    writer, _ = head()
    for size in (JOINED, JOINED + 1):
        data = b"x" * size
        parts = writer.data(data)
        assert b"".join(parts) == b"%x\r\n%b\r\n" % (size, data)
        assert (parts[1:2] == (data,) and parts[1] is data) is (size > JOINED)


def test_a_body_over_its_length_is_refused_and_nothing_of_it_sent():
    writer, _ = head(length=3)
    assert writer.data(b"ab") == (b"ab",)
    with pytest.raises(UsageError, match="longer"):
        writer.data(b"cd")
    assert writer.data(b"c") == (b"c",)
    assert writer.end(()) == b""


def test_a_body_under_its_length_is_refused_at_its_end():
    writer, _ = head(length=3)
    writer.data(b"ab")
    with pytest.raises(UsageError, match="1 bytes are missing"):
        writer.end(())


@pytest.mark.parametrize(
    ("method", "status"), [(b"HEAD", 200), (b"GET", 204), (b"GET", 205), (b"GET", 304)], ids=str
)
def test_what_is_written_where_no_body_belongs_is_dropped(method, status):
    writer, _ = head(method, status=status)
    assert writer.data(b"abc") == ()
    assert writer.end([("X", "y")]) == b""


def test_http_1_0_gets_the_bare_bytes():
    writer, _ = head(version=b"1.0")
    assert writer.data(b"abc") == (b"abc",)
    assert writer.end([("X", "y")]) == b""
    assert not writer.keep_alive


@pytest.mark.parametrize("value", ["a\r", "a\n", "\r\n", "\0", "\x7f", "☃", "a\x0bb"])
def test_a_header_value_that_is_refused(value):
    with pytest.raises(UsageError):
        check_header("x", value)


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r", "a\n", "é", "(a)"])
def test_a_header_name_that_is_refused(name):
    with pytest.raises(UsageError):
        check_header(name, "x")


@pytest.mark.parametrize(("name", "value"), [("x", 3), ("x", None), ("x", b"y"), (b"x", "y")])
def test_a_header_that_is_not_text_is_refused_by_its_name(name, value):
    with pytest.raises(UsageError, match=r"header .*x.* is .*; expected a str"):
        check_header(name, value)


def test_every_character_of_a_value_is_judged_by_rfc_9110():
    # §5.5: HTAB, SP, visible characters and obs-text; alone and beside plain text.
    allowed = {0x09, *range(0x20, 0x7F), *range(0x80, 0x100)}
    for code in range(0x180):
        for value in (chr(code), f"plain {chr(code)} text"):
            if code in allowed:
                check_header("x", value)
            else:
                with pytest.raises(UsageError):
                    check_header("x", value)


def test_values_may_hold_tabs_spaces_and_latin_1():
    check_header("x", "a\t b é")


@pytest.mark.parametrize("status", [0, 100, 199, 1000, -1, "200", 200.5, None])
def test_a_status_that_is_refused(status):
    with pytest.raises(UsageError):
        check_status(status)


def test_an_unknown_status_has_an_empty_reason():
    assert encode_head(299, []) == b"HTTP/1.1 299 \r\n\r\n"


@pytest.mark.parametrize("name", [*NO_TRAILERS, "Content-Length", "SET-COOKIE", "a b"])
def test_what_only_a_header_may_be_is_refused_as_a_trailer(name: str) -> None:
    """RFC 9110 §6.5.1."""
    with pytest.raises(UsageError):
        check_trailer(name, "1")


@pytest.mark.parametrize("name", ["x-digest", "Server-Timing", "etag", "grpc-status"])
def test_other_trailers_are_not(name: str) -> None:
    check_trailer(name, "1")


def test_trailers_are_the_last_door_too():
    with pytest.raises(UsageError):
        encode_trailers([("x", "a\r\nb: c")])
