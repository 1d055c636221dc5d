"""Sessions and CSRF: what goes out with an answer, and which requests are another site's."""

from __future__ import annotations

import json

from anylane_conformance.cases import case
from anylane_conformance.contract.parts.sessions import build_sessions
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.peer import Answer, Peer
from anylane_conformance.harness.websocket_peer import WebSocketPeer

CHAPTER = "18 parts"

WAYS = ("/cookie", "/store")


def cookie(answer: Answer, name: str = "session") -> str:
    """Return the Cookie line of a client that got this answer."""
    line = answer.headers["set-cookie"]
    assert line.removeprefix("__Host-").startswith(f"{name}="), line
    return "Cookie: " + line.partition(";")[0]


def number(peer: Peer, prefix: str, line: str) -> int:
    answer = peer.ask(f"{prefix}/def", line)
    assert answer.status == 200
    found: int = json.loads(answer.body)["n"]
    return found


@case(CHAPTER, extra=build_sessions, cuts=False, compare=False)
def a_session_is_kept(conversation: Conversation) -> None:
    """A session is the client's at its next request. Its cookie is set only with a change, with
    Vary and Cache-Control. A request that does not look at its session has none of these."""
    peer = conversation.connect()
    for prefix in WAYS:
        first = peer.ask(f"{prefix}/count")
        assert first.body.replace(b" ", b"") == b'{"n":1}'
        line = first.headers["set-cookie"]
        attributes = "HttpOnly; Max-Age=1209600; Path=/; SameSite=Lax"
        assert line.startswith("__Host-") == conversation.tls
        assert line.partition("; ")[2] == attributes + ("; Secure" if conversation.tls else "")
        assert (first.headers["vary"], first.headers["cache-control"]) == ("Cookie", "private")
        second = peer.ask(f"{prefix}/count", cookie(first))
        assert second.body.replace(b" ", b"") == b'{"n":2}'
        kept = cookie(second)
        read = peer.ask(f"{prefix}/def", kept)
        assert read.headers["vary"] == "Cookie"
        assert "set-cookie" not in read.headers
        assert number(peer, prefix, kept) == 2
        untouched = peer.ask(f"{prefix}/untouched", kept)
        assert not {"set-cookie", "vary", "cache-control"} & set(untouched.headers)


@case(CHAPTER, extra=build_sessions, cuts=False, compare=False)
def a_session_of_a_failure_is_not_kept(conversation: Conversation) -> None:
    """What a handler has changed goes out with an HTTPError of the client's, and is dropped with a
    failure of ours. An empty session has no cookie."""
    peer = conversation.connect()
    for prefix in WAYS:
        kept = cookie(peer.ask(f"{prefix}/count"))
        for path in ("fail", "error/503"):
            answer = peer.ask(f"{prefix}/{path}", kept)
            assert answer.status >= 500
            assert "set-cookie" not in answer.headers
            assert number(peer, prefix, kept) == 1
        answer = peer.ask(f"{prefix}/error/409", kept)
        assert answer.status == 409
        assert number(peer, prefix, cookie(answer)) == 100
        cleared = peer.ask(f"{prefix}/clear", cookie(answer))
        assert cookie(cleared).endswith("session=")
        assert "Max-Age=0" in cleared.headers["set-cookie"]


@case(CHAPTER, extra=build_sessions, cuts=False, compare=False)
def a_changed_cookie_is_no_session(conversation: Conversation) -> None:
    """A cookie that was changed, cut, or made for something else begins an empty session."""
    peer = conversation.connect()
    name = "__Host-session" if conversation.tls else "session"
    for prefix, other in (WAYS, WAYS[::-1]):
        kept = cookie(peer.ask(f"{prefix}/count"))
        foreign = cookie(peer.ask(f"{other}/count"))
        for line in (kept[:-1], kept + "x", foreign, f"Cookie: {name}=", f"Cookie: {name}=a.b.c"):
            assert number(peer, prefix, line) == 0, line
        assert number(peer, prefix, kept) == 1
    assert all(level != "error" for level, _ in conversation.log)


@case(CHAPTER, "handshake_headers", extra=build_sessions, cuts=False, compare=False)
def a_session_goes_out_with_the_head(conversation: Conversation) -> None:
    """What is changed before a stream or a handshake goes out with its head. After that only a
    store can keep more."""
    for prefix, said, after in (("/cookie", b"too late", (50, 51)), ("/store", b"saved", (51, 70))):
        peer = conversation.connect()
        answer = peer.ask(f"{prefix}/stream")
        assert answer.body == said
        kept = cookie(answer)
        assert number(peer, prefix, kept) == after[0]
        peer.handshake(f"{prefix}/ws", kept)
        answer = peer.answer()
        assert answer.status == 101
        if prefix == "/cookie":
            kept = cookie(answer)
        else:
            kept = cookie(answer) if "set-cookie" in answer.headers else kept
        websocket = WebSocketPeer(peer)
        assert websocket.receive() == said.decode()
        assert websocket.closed() == (1000, "")
        assert number(conversation.connect(), prefix, kept) == after[1]


@case(CHAPTER, extra=build_sessions, cuts=False)
def a_request_of_another_site_is_refused(conversation: Conversation) -> None:
    """A request that may change something needs Sec-Fetch-Site or Origin of our own, and where a
    browser sends neither, a token."""
    peer = conversation.connect()
    own = "https://conformance" if conversation.tls else "http://conformance"
    for lines, status in (
        (("Sec-Fetch-Site: same-origin",), 200),
        ((f"Origin: {own}",), 200),
        (("Sec-Fetch-Site: cross-site",), 403),
        (("Sec-Fetch-Site: same-site", f"Origin: {own}"), 403),
        (("Origin: http://evil",), 403),
        (("Origin: null",), 403),
        ((f"Origin: {own}", f"Origin: {own}"), 403),
        (("Accept: */*",), 403),
    ):
        peer.post("/csrf/json", b'{"a": 1}', "Content-Type: application/json", *lines)
        assert peer.answer().status == status, lines
        assert peer.ask("/csrf/untouched", *lines).status == 200


@case(CHAPTER, extra=build_sessions, cuts=False, compare=False)
def a_form_has_a_token(conversation: Conversation) -> None:
    """Where a browser does not say which page asks, the token of our own page lets a form pass, in
    a field or in a header; the handler reads the form and the body as ever."""
    form = "Content-Type: application/x-www-form-urlencoded"
    for prefix, name in (("/csrf", "csrf"), ("/both", "session")):
        peer = conversation.connect()
        page = peer.ask(f"{prefix}/form")
        token, kept = page.body.decode(), cookie(page, name)
        assert (page.headers["vary"], page.headers["cache-control"]) == ("Cookie", "private")
        body = f"field=x&csrf_token={token}".encode()
        peer.post(f"{prefix}/form", body, form, kept)
        answer = peer.answer()
        assert answer.status == 200
        assert json.loads(answer.body) == {"field": "x", "body": len(body)}
        peer.post(f"{prefix}/form", b"field=x", form, kept, f"X-CSRF-Token: {token}")
        assert peer.answer().status == 200
        for lines, sent in (
            ((form, kept), b"field=x"),
            ((form,), body),
            ((form, kept), body[:-1]),
            ((form, kept), b"field=x&csrf_token=" + b"A" * 86),
            ((form, kept, "Sec-Fetch-Site: cross-site"), body),
        ):
            peer.post(f"{prefix}/form", sent, *lines)
            assert peer.answer().status == 403


@case(CHAPTER, "denials", extra=build_sessions)
def a_handshake_of_another_site_is_refused(conversation: Conversation) -> None:
    """CSRF takes a WebSocket handshake for a request that may change something: its Origin has to
    be the host's."""
    own = "https://conformance" if conversation.tls else "http://conformance"
    peer = conversation.connect()
    for line in ("Origin: http://evil", "Origin: null", "Sec-Fetch-Site: same-origin"):
        peer.handshake("/csrf/ws", line)
        assert peer.answer().status == 403
        peer = conversation.kept(peer)
    peer.handshake("/csrf/ws", f"Origin: {own}")
    assert peer.answer().status == 101
    websocket = WebSocketPeer(peer)
    assert websocket.receive() == ""
    assert websocket.closed() == (1000, "")
