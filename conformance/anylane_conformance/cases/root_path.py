"""Prefixes that a proxy in front takes off the path."""

from __future__ import annotations

import json
from typing import Any

from anylane_conformance.cases import case
from anylane_conformance.contract.routing.addresses import addressed, below_a_prefix
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.peer import Peer

CHAPTER = "12 framework"

FORWARDED: dict[str, Any] = {
    "root_path": "forwarded",
    "proxy_headers": True,
    "forwarded_allow_ips": ("127.0.0.1", "192.0.2.1"),
}


def asked(peer: Peer, path: str, *lines: str) -> Any:
    """Return the JSON of an answer."""
    return json.loads(peer.ask(path, *lines).body)


@case(CHAPTER, extra=addressed, cuts=False, config={"root_path": "/api/v%31"}, compare=False)
def addresses_begin_with_the_root_path(conversation: Conversation) -> None:
    """With root_path the path is as the proxy sends it, and every address that the app names begins
    with the prefix, percent-encoded as it is written. The prefix is never taken off a path."""
    http, ws = ("https", "wss") if conversation.tls else ("http", "ws")
    peer = conversation.connect()
    path = "/addressed/self"
    assert asked(peer, path) == ["/api/v%31", path, path, "/api/v%31/addressed/self"]
    assert asked(peer, "/addressed/of") == [
        f"{http}://conformance/api/v%31/addressed/page/a%20b",
        f"{http}://files.example/api/v%31/elsewhere/page/x",
        f"{ws}://conformance/api/v%31/addressed/socket",
    ]
    answer = peer.ask("/addressed/moved")
    assert (answer.status, answer.headers["location"]) == (303, "/api/v%31/addressed/self")
    assert peer.ask("/api/v1/addressed/self").status == 404


@case(CHAPTER, extra=below_a_prefix, cuts=False, config={"root_path": "/api/"}, compare=False)
def what_is_made_of_addresses_has_the_root_path(conversation: Conversation) -> None:
    """A mounted app, its description and a redirect to https name what the client asks for; which
    paths are exempt from one is the app's own matter."""
    scheme = "https" if conversation.tls else "http"
    peer = conversation.connect()
    assert asked(peer, "/inner/page") == [
        "/inner/page", "/api/inner/page", f"{scheme}://conformance/api/addressed/self",
    ]  # fmt: skip
    assert asked(peer, "/inner/openapi.json")["servers"] == [{"url": "/api/inner"}]
    assert asked(peer, "/addressed/self")[0] == "/api"
    if not conversation.tls:
        answer = peer.ask("/addressed/of?a=b")
        assert answer.headers["location"] == "https://conformance/api/addressed/of?a=b"


@case(CHAPTER, extra=addressed, config=FORWARDED)
def a_proxy_can_say_the_root_path(conversation: Conversation) -> None:
    """With root_path = "forwarded" it is what X-Forwarded-Prefix of a believed proxy says, the
    right-most if there are several; what is no path, or could be taken for another one, is none."""
    peer = conversation.connect()
    path = "/addressed/self"
    for said, found in (
        (("/api",), "/api"),
        (("/api/",), "/api"),
        (("/theirs, /api/v1",), "/api/v1"),
        (("/theirs", "/api"), "/api"),
        (("/",), ""),
        ((), ""),
        (("//evil.example",), ""),
        (("/\\evil.example",), ""),
        (("https://evil.example",), ""),
        (("api",), ""),
        (("/a//b",), ""),
        (("/a/../b",), ""),
        (("/%2e%2E/b",), ""),
        (("/a%2Fb",), ""),
        (("/a?b",), ""),
        (("/a b",), ""),
        (("/a%zz",), ""),
        (("/<script>",), ""),
        (("/" + "x" * 255,), "/" + "x" * 255),
        (("/" + "x" * 256,), ""),
    ):
        lines = [f"X-Forwarded-Prefix: {each}" for each in said]
        assert asked(peer, path, *lines) == [found, path, path, found + path]


@case(
    CHAPTER,
    extra=addressed,
    config={**FORWARDED, "forwarded_allow_ips": ("198.51.100.0/24", "unix")},
)
def nobody_else_says_the_root_path(conversation: Conversation) -> None:
    """X-Forwarded-Prefix of a peer that is no proxy of ours is only a header."""
    path = "/addressed/self"
    found = asked(conversation.connect(), path, "X-Forwarded-Prefix: /api")
    assert found == ["", path, path, path]


@case(CHAPTER, extra=addressed, config={**FORWARDED, "root_path": ""})
def a_prefix_counts_only_where_it_is_asked_for(conversation: Conversation) -> None:
    """Without root_path = "forwarded" X-Forwarded-Prefix is ignored with proxy_headers, too: most
    proxies pass it on as clients send it."""
    path = "/addressed/self"
    found = asked(conversation.connect(), path, "X-Forwarded-Prefix: /api")
    assert found == ["", path, path, path]
