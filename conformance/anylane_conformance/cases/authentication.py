"""Authentication: which requests pass, what the others are told, and where a token may stand."""

from __future__ import annotations

import base64

import jwt

from anylane_conformance.cases import case
from anylane_conformance.contract.parts.authentication import KEY, build_authentication
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.websocket_peer import WebSocketPeer

CHAPTER = "18 parts"


def token(key: str = KEY, algorithm: str = "HS256", **claims: object) -> str:
    """Return a signed token for this server."""
    return jwt.encode({"sub": "ada", "aud": "me", "iss": "you", **claims}, key, algorithm)


def basic(text: str) -> str:
    return "Authorization: Basic " + base64.b64encode(text.encode()).decode()


@case(CHAPTER, extra=build_authentication, cuts=False)
def a_bearer_token_is_asked_for(conversation: Conversation) -> None:
    """Without a good bearer token there is a 401 that says why in WWW-Authenticate. Several are a
    400, and 403 is apart from it. That holds for functions in the pool and for those that await."""
    peer = conversation.connect()
    for prefix in ("/bearer", "/async"):
        for lines, status, error in (
            ([], 401, None),
            (["Authorization: Basic YTpi"], 401, None),
            (["Authorization: Bearer bad"], 401, "invalid_token"),
            (["Authorization: Bearer unknown"], 401, "invalid_token"),
            (["Authorization: Bearer b ad"], 401, "invalid_token"),
            (["Authorization: Bearer good", "Authorization: Bearer good"], 400, "invalid_request"),
        ):
            answer = peer.ask(f"{prefix}/", *lines)
            assert answer.status == status, lines
            challenge = answer.headers["www-authenticate"]
            assert challenge.startswith('Bearer realm="api"'), lines
            assert (f'error="{error}"' in challenge) if error else ("error" not in challenge)
        for path in (f"{prefix}/", f"{prefix}/stream"):
            answer = peer.ask(path, "Authorization: bearer good")
            assert answer.status == 200
            assert b"ada" in answer.body
        assert peer.ask(f"{prefix}/?access_token=good").status == 401
    banned = peer.ask("/bearer/", "Authorization: Bearer banned")
    assert banned.status == 403
    assert "www-authenticate" not in banned.headers
    assert b"null" in peer.ask("/optional/").body
    assert peer.ask("/optional/", "Authorization: Bearer bad").status == 401


@case(CHAPTER, extra=build_authentication, cuts=False)
def a_refused_body_is_not_read(conversation: Conversation) -> None:
    """A request that is refused for its token is answered before its body has come."""
    peer = conversation.connect()
    peer.send(
        b"POST /bearer/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n"
    )
    assert peer.answer().status == 401


@case(CHAPTER, "parallel_blocking", extra=build_authentication, cuts=False)
def verifying_may_block(conversation: Conversation) -> None:
    """A `def` that verifies runs in the pool: others are served while it blocks."""
    slow, other = conversation.connect(), conversation.connect()
    slow.get("/bearer/", "Authorization: Bearer slow")
    assert other.ask("/async/", "Authorization: Bearer good").status == 200
    assert slow.nothing_yet()
    conversation.stage.blocker.set()
    assert slow.answer().status == 401


@case(CHAPTER, extra=build_authentication, cuts=False)
def a_preflight_needs_no_token(conversation: Conversation) -> None:
    """A CORS preflight passes without credentials, which it never has; other OPTIONS do not."""
    peer = conversation.connect()
    lines = ("Origin: https://a.example", "Access-Control-Request-Method: POST")
    for prefix in ("/bearer", "/basic", "/jwt"):
        peer.get(f"{prefix}/", *lines, method="OPTIONS")
        assert peer.answer().status == 204
        peer.get(f"{prefix}/", lines[0], method="OPTIONS")
        assert peer.answer().status == 401


@case(CHAPTER, extra=build_authentication, cuts=False)
def a_name_and_a_password_are_asked_for(conversation: Conversation) -> None:
    """BasicAuth names its realm and UTF-8 in its challenge, and takes names and passwords in it."""
    peer = conversation.connect()
    answer = peer.ask("/basic/", basic("ada:l\xf6velace"))
    assert answer.status == 200
    assert b"ada" in answer.body
    for line in (
        "Accept: */*",
        basic("ada:lovelace"),
        basic("eve:l\xf6velace"),
        basic("ada"),
        "Authorization: Basic !",
        "Authorization: Bearer YWRh",
    ):
        answer = peer.ask("/basic/", line)
        assert answer.status == 401, line
        assert answer.headers["www-authenticate"] == 'Basic realm="the engine", charset="UTF-8"'


@case(CHAPTER, extra=build_authentication, cuts=False)
def a_signed_token_is_asked_for(conversation: Conversation) -> None:
    """JWTAuth takes tokens by their signature, algorithm, audience, issuer, claims and times, and
    says in its challenge what is wrong."""
    peer = conversation.connect()
    answer = peer.ask("/jwt/", f"Authorization: Bearer {token(exp=10**12, nbf=-1, iat=-1)}")
    assert answer.status == 200
    assert b'"sub":"ada"' in answer.body.replace(b" ", b"")
    for bad, error in (
        (token(exp=-1), "the token has expired"),
        (token(nbf=10**12), "the token is not valid yet"),
        (token(iat=10**12), "the token is not valid yet"),
        (token(aud="another"), "the token is for another audience"),
        (token(iss="another"), "the token is from another issuer"),
        (token(sub=None), "the token lacks a claim"),
        (token(KEY + "x"), "the token is not valid"),
        (token(KEY * 2, "HS512"), "the token is signed with another algorithm"),
        (token("", "none"), "the token is signed with another algorithm"),
        ("a.b.c", "the token is malformed"),
    ):
        answer = peer.ask("/jwt/", f"Authorization: Bearer {bad}")
        assert answer.status == 401, error
        assert answer.headers["www-authenticate"].endswith(f'error_description="{error}"')
        assert bad.encode() not in answer.body
    assert all(token()[:20] not in message for _, message in conversation.log)


@case(CHAPTER, "denials", extra=build_authentication)
def a_handshake_is_refused_without_a_token(conversation: Conversation) -> None:
    """A WebSocket handshake without a good token gets an ordinary 401, and the connection stays."""
    peer = conversation.connect()
    for line in (
        "Accept: */*",
        "Sec-WebSocket-Protocol: bearer",
        "Sec-WebSocket-Protocol: bearer, bad",
        "Sec-WebSocket-Protocol: good, bearer",
    ):
        peer.handshake("/async/ws", line)
        answer = peer.answer()
        assert answer.status == 401
        assert "www-authenticate" in answer.headers
        assert "sec-websocket-protocol" not in answer.headers
        peer = conversation.kept(peer)
    peer.handshake("/async/ws", "Sec-WebSocket-Protocol: bearer, good, bearer, bad")
    assert peer.answer().status == 400
    peer = conversation.kept(peer)
    assert peer.ask("/async/", "Authorization: Bearer good").status == 200


@case(CHAPTER, extra=build_authentication, cuts=False)
def a_token_among_the_subprotocols(conversation: Conversation) -> None:
    """A handshake may carry its token behind the subprotocol `bearer`. The answer is the route's
    own subprotocol where one is offered, else `bearer`, and never the token."""
    several = ["Sec-WebSocket-Protocol: bearer", "Sec-WebSocket-Protocol: good"]
    one = ["Sec-WebSocket-Protocol: bearer, good"]
    for lines, chosen in (
        (["Authorization: Bearer good"], None),
        (["Authorization: Bearer good", "Sec-WebSocket-Protocol: chat"], "chat"),
        (["Sec-WebSocket-Protocol: bearer, good"], "bearer"),
        (several if conversation.has("own_wire") else one, "bearer"),
        (["Sec-WebSocket-Protocol: bearer, good, chat"], "chat"),
        (["Sec-WebSocket-Protocol: chat, bearer, good"], "chat"),
    ):
        peer = conversation.connect()
        peer.handshake("/async/ws", *lines)
        answer = peer.answer()
        assert answer.status == 101, lines
        assert answer.headers.get("sec-websocket-protocol") == chosen, lines
        socket = WebSocketPeer(peer)
        assert socket.receive() == "ada"
        assert socket.closed() == (1000, "")
