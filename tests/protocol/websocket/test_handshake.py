"""Which requests may open a WebSocket, and what the answer says (RFC 6455 §4)."""

from __future__ import annotations

import pytest
from wsproto.utilities import generate_accept_token, generate_nonce

from anylane.config.limits import Limits
from anylane.errors import Refused, UsageError
from anylane.protocol.http1.grammar import parse_head
from anylane.protocol.request_head import RequestHead
from anylane.protocol.websocket.handshake import accept_headers, is_websocket, read_handshake

GOOD = {
    "Host": "a",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def head_of(line: str = "GET / HTTP/1.1", **changes: str | None) -> RequestHead:
    fields = GOOD | {name.replace("_", "-"): value for name, value in changes.items()}
    lines = [line, *(f"{name}: {value}" for name, value in fields.items() if value is not None)]
    return parse_head(("\r\n".join(lines) + "\r\n\r\n").encode(), Limits())


def test_the_example_of_the_rfc():
    handshake = read_handshake(head_of())
    assert accept_headers(handshake, None) == [
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ]


def test_wsproto_computes_the_same_answer():
    key = generate_nonce()
    handshake = read_handshake(head_of(Sec_WebSocket_Key=key.decode()))
    assert ("sec-websocket-accept", generate_accept_token(key).decode()) in accept_headers(
        handshake, None
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"Upgrade": "WebSocket"},
        {"Upgrade": "h2c, websocket"},
        {"Connection": "keep-alive, upgrade"},
    ],
)
def test_what_counts_as_a_websocket_request(changes):
    head = head_of(**changes)
    assert is_websocket(head)
    read_handshake(head)


KEY = "Sec_WebSocket_Key"
VERSION = "Sec_WebSocket_Version"


@pytest.mark.parametrize(
    ("line", "changes", "status"),
    [
        ("GET / HTTP/1.1", {"Upgrade": None}, 426),
        ("GET / HTTP/1.1", {"Upgrade": "h2c"}, 426),
        ("GET / HTTP/1.1", {"Connection": None}, 426),
        ("GET / HTTP/1.1", {"Connection": "close"}, 426),
        ("GET / HTTP/1.1", {VERSION: None}, 426),
        ("GET / HTTP/1.1", {VERSION: "8"}, 426),
        ("GET / HTTP/1.1", {VERSION: "13, 8"}, 426),
        ("POST / HTTP/1.1", {}, 405),
        ("get / HTTP/1.1", {}, 405),
        ("GET / HTTP/1.0", {}, 400),
        ("GET / HTTP/1.1", {"Content_Length": "1"}, 400),
        ("GET / HTTP/1.1", {"Transfer_Encoding": "chunked"}, 400),
        ("GET / HTTP/1.1", {KEY: None}, 400),
        ("GET / HTTP/1.1", {KEY: ""}, 400),
        ("GET / HTTP/1.1", {KEY: "x" * 24}, 400),
        ("GET / HTTP/1.1", {KEY: "dGhlIHNhbXBsZSBub25jZQ"}, 400),
        ("GET / HTTP/1.1", {KEY: "dGhlIHNhbXBsZSBub25jZ!=="}, 400),
        ("GET / HTTP/1.1", {KEY: "dGhlIHNhbXBsZSBub25jZSE="}, 400),
    ],
)
def test_a_handshake_that_is_refused(line, changes, status):
    with pytest.raises(Refused) as caught:
        read_handshake(head_of(line, **changes))
    assert caught.value.status == status


def test_a_refusal_says_what_would_be_accepted():
    with pytest.raises(Refused) as caught:
        read_handshake(head_of(Sec_WebSocket_Version="8"))
    headers = dict(caught.value.headers)
    assert headers["Sec-WebSocket-Version"] == "13"
    # RFC 9110 §7.8: a sender of Upgrade lists it in Connection.
    assert (headers["Upgrade"], headers["Connection"]) == ("websocket", "upgrade")


def test_subprotocols_keep_the_clients_order_over_all_headers():
    handshake = read_handshake(head_of(Sec_WebSocket_Protocol="b, a,,c"))
    assert handshake.subprotocols == ("b", "a", "c")
    assert ("sec-websocket-protocol", "a") in accept_headers(handshake, "a")


def test_a_subprotocol_that_nobody_offered_is_a_usage_error():
    with pytest.raises(UsageError, match="offered"):
        accept_headers(read_handshake(head_of()), "a")
