"""Rate limits: how many requests pass, and what the others are told."""

from __future__ import annotations

from anylane_conformance.cases import case
from anylane_conformance.contract.parts.throttling import build_throttling
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.websocket_peer import WebSocketPeer

CHAPTER = "18 parts"


def left(field: str) -> int:
    """Return how many more requests a RateLimit field allows."""
    name, _, parameters = field.partition(";")
    assert name == '"default"'
    assert parameters.startswith("r=")
    return int(parameters[2:].partition(";")[0])


@case(CHAPTER, "handshake_headers", extra=build_throttling, cuts=False, compare=False)
def so_many_requests_pass(conversation: Conversation) -> None:
    """As many requests of a client pass as the rate says, of any form, over all its connections.
    One more is a 429 that says when to come again. Preflights do not count, handshakes do."""
    peer, other = conversation.connect(), conversation.connect()
    peer.get(
        "/limited/", "Origin: http://a", "Access-Control-Request-Method: PUT", method="OPTIONS"
    )
    answer = peer.answer()
    assert answer.status == 204
    assert "ratelimit" not in answer.headers
    for count, path in enumerate(("", "def", "stream", "nowhere")):
        answer = (peer, other)[count % 2].ask(f"/limited/{path}")
        assert answer.status == (404 if path == "nowhere" else 200)
        assert answer.headers["ratelimit-policy"] == '"default";q=5;w=3600'
        assert left(answer.headers["ratelimit"]) == 4 - count
    other.handshake("/limited/ws")
    answer = other.answer()
    assert answer.status == 101
    assert left(answer.headers["ratelimit"]) == 0
    assert WebSocketPeer(other).closed() == (1000, "")
    for _ in range(2):
        answer = peer.ask("/limited/")
        assert answer.status == 429
        assert 700 <= int(answer.headers["retry-after"]) <= 720
        assert left(answer.headers["ratelimit"]) == 0
    peer.handshake("/limited/ws")
    assert peer.answer().status == 429


@case(CHAPTER, extra=build_throttling, cuts=False, compare=False)
def the_next_request_passes_when_it_was_told(conversation: Conversation) -> None:
    """A client that waits for as long as Retry-After says is answered."""
    peer = conversation.connect()
    statuses = [peer.ask("/short").status for _ in range(20)]
    assert statuses[0] == 200
    assert 429 in statuses
    answer = peer.ask("/short")
    while answer.status != 429:
        answer = peer.ask("/short")
    assert answer.headers["retry-after"] == "1"
    conversation.pause(1)
    assert peer.ask("/short").status == 200
