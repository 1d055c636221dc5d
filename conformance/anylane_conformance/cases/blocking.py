"""`def` handlers."""

from __future__ import annotations

from anylane_conformance.cases import case
from anylane_conformance.harness.conversation import Conversation

CHAPTER = "7 def handlers"


@case(CHAPTER)
def def_handler(talk: Conversation) -> None:
    """A plain function returns JSON like any other, inline too."""
    peer = talk.connect()
    assert peer.ask("/def/7").body == b'{"n":7}'
    assert peer.ask("/inline").body == b"inline"
    peer.post("/def", b'{"read": "in advance"}')
    assert peer.answer().body == b'{"read":"in advance"}'


@case(CHAPTER, cuts=False)
def blocking_for_a_while(talk: Conversation) -> None:
    """A function that blocks for 0.3 s is answered when it is done."""
    peer = talk.connect()
    assert peer.ask("/nap").body == b"rested"


@case(CHAPTER, "parallel_blocking", cuts=False)
def blocking_disturbs_nobody(talk: Conversation) -> None:
    """While one handler blocks its thread, fifty other requests are answered."""
    blocked, others = talk.connect(), [talk.connect() for _ in range(5)]
    blocked.get("/block")
    for _ in range(10):
        for peer in others:
            assert peer.ask("/").status == 200
    assert blocked.nothing_yet()
    assert others[0].ask("/unblock").status == 200
    assert blocked.answer().body == b"unblocked"


@case(CHAPTER)
def call_from_a_def_handler(talk: Conversation) -> None:
    """ctx.call awaits for a function, and hands results and exceptions back."""
    peer = talk.connect()
    assert peer.ask("/call").body == b"called 42"
    assert peer.ask("/call-fails").body == b"caught 'inside'"
    assert peer.ask("/run-sync").body == b"(3, 2)"


@case(CHAPTER, "parallel_blocking", cuts=False)
def disconnect_is_seen_while_blocking(talk: Conversation) -> None:
    """A function that blocks can see `ctx.disconnected` turn true meanwhile."""
    helper = talk.helper()
    peer = talk.connect()
    peer.get("/watch")
    assert helper.ask("/notes").body == b"watching"
    peer.reset()
    assert helper.ask("/notes").body == b"disconnected: True"


@case(CHAPTER, "parallel_blocking", "concurrent_input", cuts=False)
def ping_is_answered_while_a_function_blocks(talk: Conversation) -> None:
    """A WebSocket handler waits for a function in the pool; pings are answered meanwhile."""
    ws = talk.connect().websocket("/blocked")
    ws.ping(b"during")
    assert ws.pong() == b"during"
    assert talk.helper().ask("/unblock").status == 200
    assert ws.receive() == "unblocked: True"
    assert ws.closed() == (1000, "")
