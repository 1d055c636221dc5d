"""What comes in and goes out as a value: JSON, fields, cookies, errors. The same on every lane."""

from __future__ import annotations

import pytest

from anylane_conformance.cases import case
from anylane_conformance.contract import answers
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.peer import KEY

CHAPTER = "12 framework"


def _errors(conversation: Conversation) -> list[str]:
    return [message for level, message in conversation.log if level == "error"]


@case(CHAPTER)
def json_that_comes_in(conversation: Conversation) -> None:
    """Integers of any size stay integers. What is not JSON in UTF-8 with finite numbers is 400 (RFC
    8259 §8.1, RFC 7493 §2), whichever library reads it."""
    peer = conversation.connect()
    for whole in (2**63, 2**64, -(2**63) - 1, 2**70):
        peer.post("/json", b'{"n":%d}' % whole)
        assert peer.answer().body == b'{"n":%d}' % whole
    for text in (
        b"{",
        b"NaN",
        b"[-Infinity]",
        b"1e999",
        b'"\\ud800"',
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf1",
        "[1]".encode("utf-16"),
        "[1]".encode("utf-16-le"),
    ):
        peer.post("/json", text)
        assert peer.answer().status == 400, text
    assert _errors(conversation) == []


@case(CHAPTER, cuts=False)
def json_is_nested_within_bounds(conversation: Conversation) -> None:
    """Arrays and objects may be nested 1,024 deep, in and out; one level more is 400."""
    peer = conversation.connect()
    for begin, end in ((b"[", b"]"), (b'{"a":[', b"]}")):
        levels = 1024 // len(end)
        peer.post("/json", begin * levels + end * levels)
        assert peer.answer().body == begin * levels + end * levels
        for text in (begin * (levels + 1) + end * (levels + 1), begin * 20_000):
            peer.post("/json", text)
            assert peer.answer().status == 400
    assert _errors(conversation) == []


@case(CHAPTER)
def json_that_goes_out(conversation: Conversation) -> None:
    """Moments, UUIDs, enums, decimals, dataclasses and large integers have a form in JSON; NaN has
    none, and the log says where it was."""
    peer = conversation.connect()
    expected = (
        '{"datetime":"2026-01-02T03:04:05+00:00","date":"2026-01-02","time":"03:04:05.000060",'
        '"uuid":"00000000-0000-0000-0000-000000000005","enum":"red","price":{"amount":"1.50"},'
        '"whole":1180591620717411303424,"nothing":null}'
    )
    for how in ("returned", "set"):
        assert peer.ask(f"/kinds/{how}").body.decode() == expected
    ws = conversation.websocket("/kinds")
    assert ws.receive() == expected
    assert ws.closed() == (1000, "")
    for how in ("returned", "set"):
        assert peer.ask(f"/nan/{how}").status == 500
    lines = _errors(conversation)
    assert len(lines) == 2
    assert all("['prices'][1]['net']" in line for line in lines)


@case(CHAPTER, extra=answers.with_default)
def json_default_of_the_app(conversation: Conversation) -> None:
    """What JSON has no form for goes through `App(json_default=...)`, wherever it is encoded."""
    peer = conversation.connect()
    assert peer.ask("/point/returned").body == b'[{"x":1},1180591620717411303424]'
    assert peer.ask("/point/def").body == b'{"point":{"x":2}}'
    assert peer.ask("/point/set").body == b'{"x":3}'
    assert b'data: {"x":4}\n' in peer.ask("/point/event").body
    ws = conversation.websocket("/point")
    assert ws.receive() == '{"x":5}'
    assert ws.closed() == (1000, "")


@case(CHAPTER)
def what_a_client_leaves_out_is_its_own_fault(conversation: Conversation) -> None:
    """A field, cookie or header that a handler asks for by name and that is missing is 400, with no
    line of an error in the log."""
    peer = conversation.connect()
    for what in ("query", "cookie", "header"):
        answer = peer.ask(f"/needs/{what}")
        assert answer.status == 400
        assert b"'needed' is missing" in answer.body
    assert peer.ask("/needs/query?needed=x").body == b"x"
    assert peer.ask("/needs/cookie", "Cookie: needed=x").body == b"x"
    assert peer.ask("/needs/header", "Needed: x").body == b"x"
    urlencoded = "Content-Type: application/x-www-form-urlencoded"
    peer.post("/needs/text", b"other=x", urlencoded)
    assert peer.answer().status == 400
    peer.post("/needs/text", b"needed=x", urlencoded)
    assert peer.answer().body == b"X"
    ws = conversation.websocket("/needs/query")
    assert ws.closed() == (1008, "the query parameter 'needed' is missing")
    assert _errors(conversation) == []


@case(CHAPTER)
def text_for_a_file_and_a_file_for_text(conversation: Conversation) -> None:
    """A client that sends text where the handler reads a file, or a file for text, gets 400."""
    pytest.importorskip("multipart")
    peer = conversation.connect()
    begin = b'--b\r\nContent-Disposition: form-data; name="needed"'
    text, file = (
        begin + b"\r\n\r\nabc\r\n--b--\r\n",
        begin + b'; filename="f"\r\n\r\nabc\r\n--b--\r\n',
    )
    for what, body, status in (
        ("file", text, 400),
        ("file", file, 200),
        ("text", file, 400),
        ("text", text, 200),
    ):
        peer.post(f"/needs/{what}", body, "Content-Type: multipart/form-data; boundary=b")
        assert peer.answer().status == status
    peer.post("/needs/file", b"needed=x", "Content-Type: application/x-www-form-urlencoded")
    assert peer.answer().status == 400
    assert _errors(conversation) == []


@case(CHAPTER)
def message_that_is_not_json(conversation: Conversation) -> None:
    """`receive_json` raises a ValueError for what is not JSON. A handler that lets it pass closes
    with 1007 (RFC 6455 §7.4.1) and no error in the log; one that catches it closes as it likes."""
    for message in ("{", "NaN", "[1e999]", b"\xff"):
        ws = conversation.websocket("/needs/json")
        ws.send('{"n": 18446744073709551616}')
        assert ws.receive() == '{"n":18446744073709551616}'
        ws.send(message)
        code, reason = ws.closed()
        assert code == 1007
        assert reason.startswith("the message is not JSON: ")
    ws = conversation.websocket("/needs/number")
    ws.send("one")
    assert ws.closed() == (4001, "a number, please")
    assert _errors(conversation) == []


@case(CHAPTER)
def errors_as_the_client_wants_them(conversation: Conversation) -> None:
    """An HTTPError is problem+json or text by the weights of Accept, all lines together (RFC 9110
    §12.5.1). Without a preference it is JSON for data and where JSON is spoken."""
    peer = conversation.connect()
    json, text = "application/problem+json", "text/plain; charset=utf-8"
    for accept, expected in (
        ((), text),
        (("Accept: */*",), text),
        (("Accept: application/json",), json),
        (("Accept: application/json;q=0.1, text/plain",), text),
        (("Accept: text/plain;q=0.5", "Accept: application/json"), json),
        (("Accept: application/json;q=0, */*",), text),
        (("Accept: application/json, text/plain, */*",), json),
    ):
        answer = peer.ask("/errors/auto", *accept)
        assert answer.status == 409
        assert answer.headers["content-type"] == expected, accept
    for target, wanted, expected in (
        ("/errors/auto?detail", "*/*", json),
        ("/errors/auto?detail", "text/plain", text),
        ("/errors/speaks-json", "*/*", json),
        ("/errors/speaks-json", "text/plain, */*;q=0.1", text),
    ):
        answer = peer.ask(target, f"Accept: {wanted}")
        assert answer.headers["content-type"] == expected, target
    peer.post("/errors/auto", b"{}", "Content-Type: application/json; charset=utf-8")
    assert peer.answer().headers["content-type"] == json


@case(CHAPTER)
def errors_as_a_router_wants_them(conversation: Conversation) -> None:
    """`Router(errors=...)` decides whatever the client accepts; the innermost one that says
    something does."""
    peer = conversation.connect()
    kinds = {"json": "application/problem+json", "text": "text/plain; charset=utf-8"}
    for outer, other in (("json", "text"), ("text", "json")):
        for accept in ("Accept: application/json", "Accept: text/plain"):
            for path, expected in (
                ("outer", outer),
                ("inner/none", outer),
                ("other/none", other),
            ):
                answer = peer.ask(f"/errors/{outer}/{path}", accept)
                assert answer.headers["content-type"] == kinds[expected]


@case(CHAPTER, extra=answers.in_json)
def errors_as_the_app_wants_them(conversation: Conversation) -> None:
    """`App(errors="json")` holds for requests without a route and for failures too."""
    peer = conversation.connect()
    for target, status in (
        ("/nowhere", 404),
        ("/json", 405),
        ("/boom", 500),
        ("/errors/auto", 409),
    ):
        answer = peer.ask(target, "Accept: text/plain")
        assert (answer.status, answer.headers["content-type"]) == (
            status,
            "application/problem+json",
        )
    assert peer.ask("/as-text/fail").body == b"409 Conflict: no\n"
    if not conversation.has("own_wire"):
        return
    peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n folded: yes\r\n\r\n")
    answer = peer.answer()
    assert answer.headers["content-type"] == "application/problem+json"
    peer.closed()


@case(CHAPTER)
def cookies_hold_any_text(conversation: Conversation) -> None:
    """A value goes out percent-encoded where a cookie cannot hold it (RFC 6265 §4.1.1), and comes
    back as it was; no byte of a name or a value is lost."""
    peer = conversation.connect()
    wire = "a=two%2C%20w%C3%B6rds%3B%2050%25"
    assert peer.ask("/cookie/set").headers["set-cookie"] == wire
    assert peer.ask("/cookie/read", f"Cookie: {wire}").body.decode() == '{"a":"two, wörds; 50%"}'
    # In UTF-8, "à" ends with the byte 0xA0.
    assert peer.ask("/cookie/read", "Cookie: a=à; b=1").body.decode() == '{"a":"à","b":"1"}'
    peer.send(b"GET /cookie/read HTTP/1.1\r\nHost: a\r\nCookie: \xa0__Host-x=1\r\n\r\n")
    assert peer.answer().body.decode() == '{"\xa0__Host-x":"1"}'
    assert peer.ask("/cookie/refused").status == 500
    assert "__Host- needs secure=True" in _errors(conversation)[0]


@case(CHAPTER)
def redirects_to_any_text(conversation: Conversation) -> None:
    """Location has what RFC 3986 allows; the rest is percent-encoded. The status is 303."""
    peer = conversation.connect()
    for query, location in (
        ("/caf%C3%A9", "/caf%C3%A9"),
        ("/%E6%97%A5%E6%9C%AC", "/%E6%97%A5%E6%9C%AC"),
        ("/a+b", "/a%20b"),
        ("/a%2520b", "/a%20b"),
        ("/100%25", "/100%25"),
        ("/a%0D%0AX-Evil:+1", "/a%0D%0AX-Evil:%201"),
        ("https://example.com/a%3Fb%3Dc%23d", "https://example.com/a?b=c#d"),
    ):
        answer = peer.ask(f"/moved?to={query}")
        assert (answer.status, answer.headers["location"]) == (303, location)


@case(CHAPTER)
def reset_content_has_none(conversation: Conversation) -> None:
    """205 has no body, and says so with Content-Length: 0 (RFC 9110 §15.3.6)."""
    peer = conversation.connect()
    for path in ("whole", "streamed"):
        peer.post(f"/reset/{path}", b"")
        answer = peer.answer()
        assert (answer.status, answer.headers["content-length"], answer.body) == (205, "0", b"")
        assert "transfer-encoding" not in answer.headers
    assert peer.ask("/").status == 200


@case(CHAPTER)
def trailers_that_would_be_headers(conversation: Conversation) -> None:
    """A field for framing, routing, authentication or the like is refused where it is set (RFC 9110
    §6.5.1)."""
    peer = conversation.connect()
    assert peer.ask("/bad-trailer").status == 500
    assert "content-length cannot be a trailer" in _errors(conversation)[0]


@case(CHAPTER)
def host_of_a_request(conversation: Conversation) -> None:
    """An empty port is allowed (RFC 3986 §3.2.3). Without Host, which HTTP/1.0 need not send, the
    authority of an absolute target counts (RFC 9112 §3.3)."""
    peer = conversation.connect()
    for host in ("example.com:", "example.com", "example.com:80", "[::1]:"):
        peer.send(f"GET /host HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert peer.answer().body == f'["{host}","/host"]'.encode()
    peer.send(b"GET /host/routed HTTP/1.1\r\nHost: B.example:\r\n\r\n")
    assert peer.answer().body == b'["B.example:"]'
    if not conversation.has("own_wire"):
        return
    for target, body in (
        ("http://b.example:80/host?x", b'["b.example:80","/host"]'),
        ("http://b.example/host/routed", b'["b.example"]'),
        ("/host", b'[null,"/host"]'),
    ):
        peer = conversation.connect()
        peer.send(f"GET {target} HTTP/1.0\r\n\r\n".encode())
        assert peer.answer().body == body
        peer.closed()


@case(CHAPTER, "denials")
def same_origin_with_and_without_its_port(conversation: Conversation) -> None:
    """A port that is the default of the origin's scheme is the same as none (RFC 6454 §4)."""
    for host, origin, status in (
        ("example.com:443", "https://example.com", 101),
        ("example.com", "https://example.com", 101),
        ("EXAMPLE.com:", "https://example.com", 101),
        ("example.com:80", "http://example.com", 101),
        ("[::1]:443", "https://[::1]", 101),
        ("example.com:8443", "https://example.com:8443", 101),
        ("example.com:80", "https://example.com", 403),
        ("example.com", "https://example.com:8443", 403),
        ("example.com:443", "https://example.com.evil.example", 403),
    ):
        peer = conversation.connect()
        peer.send(
            f"GET /same-origin HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {KEY}\r\n\r\n".encode()
        )
        answer = peer.answer()
        assert answer.status == status, (host, origin)
        peer.eof()


@case(CHAPTER)
def errors_are_raised_and_returned_anywhere(conversation: Conversation) -> None:
    """An HTTPError may be returned instead of raised, by exception handlers too. It begins with a
    clean response."""
    peer = conversation.connect()
    answer = peer.ask("/errors/returned")
    assert (answer.status, answer.body) == (409, b"409 Conflict: returned\n")
    assert answer.headers["x-kept"] == "yes"
    for how in ("raised", "returned"):
        answer = peer.ask(f"/errors/handled/{how}")
        assert (answer.status, answer.body) == (410, f"410 Gone: {how}\n".encode())
        assert "x-lost" not in answer.headers
    assert _errors(conversation) == []
