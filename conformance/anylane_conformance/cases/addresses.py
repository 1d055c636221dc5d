"""Where things are found: absolute URLs of routes, and the names under which answers are saved."""

from __future__ import annotations

import json

from anylane_conformance.cases import case
from anylane_conformance.contract.routing.addresses import addressed
from anylane_conformance.harness.conversation import Conversation

CHAPTER = "12 framework"


@case(CHAPTER, extra=addressed, cuts=False, compare=False)
def absolute_urls_are_those_of_the_request(conversation: Conversation) -> None:
    """ctx.url_for takes scheme, name and port from the request; the name of a router's host stands
    in the place of the request's, and WebSockets have their own scheme (RFC 6455 §3)."""
    http, ws = ("https", "wss") if conversation.tls else ("http", "ws")
    for sent, name, port in (
        ("shop.example", "shop.example", ""),
        ("shop.example:8443", "shop.example", ":8443"),
        ("shop.example:", "shop.example", ""),
        ("[::1]:80", "[::1]", ":80"),
        ("[2001:db8::1]", "[2001:db8::1]", ""),
    ):
        peer = conversation.connect()
        peer.send(f"GET /addressed/of HTTP/1.1\r\nHost: {sent}\r\n\r\n".encode())
        assert json.loads(peer.answer().body) == [
            f"{http}://{name}{port}/addressed/page/a%20b",
            f"{http}://files.example{port}/elsewhere/page/x",
            f"{ws}://{name}{port}/addressed/socket",
        ]


@case(
    CHAPTER,
    extra=addressed,
    cuts=False,
    compare=False,
    config={"proxy_headers": True, "forwarded_allow_ips": ("*",)},
)
def absolute_urls_are_those_of_the_client_behind_a_proxy(conversation: Conversation) -> None:
    """Behind a proxy that is believed, ctx.url_for has the scheme that it says, and the Host that
    it passes on. X-Forwarded-Host counts nothing: most proxies pass it on as clients send it."""
    peer = conversation.connect()
    peer.send(
        b"GET /addressed/of HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-Proto: https\r\n"
        b"X-Forwarded-Host: evil.example\r\n\r\n"
    )
    assert json.loads(peer.answer().body) == [
        "https://shop.example/addressed/page/a%20b",
        "https://files.example/elsewhere/page/x",
        "wss://shop.example/addressed/socket",
    ]


@case(CHAPTER, extra=addressed, cuts=False)
def names_of_attachments_never_break_out(conversation: Conversation) -> None:
    """response.attachment() writes any name so that every client saves the file under it or near
    it, and that it ends no header, no quoted string and names no folder (RFC 6266, RFC 8187)."""
    peer = conversation.connect()
    for query, value in (
        ("as=a.txt", 'attachment; filename="a.txt"'),
        ("as=a.txt&inline", 'inline; filename="a.txt"'),
        ("", "attachment"),
        ("as=..%2F..%2Fetc%2Fpasswd", 'attachment; filename="passwd"'),
        ("as=..%5Cevil.exe", 'attachment; filename="evil.exe"'),
        ("as=a%0D%0Aset-cookie:%20x%3D1", 'attachment; filename="a__set-cookie: x=1"'),
        ("as=a%22b", "attachment; filename=\"a_b\"; filename*=UTF-8''a%22b"),
        ("as=%E2%82%AC.txt", "attachment; filename=\"_.txt\"; filename*=UTF-8''%E2%82%AC.txt"),
    ):
        answer = peer.ask(f"/addressed/saved?{query}")
        assert answer.headers["content-disposition"] == value
        assert "set-cookie" not in answer.headers
