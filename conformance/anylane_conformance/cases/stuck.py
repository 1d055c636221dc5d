"""Handlers that block their thread beyond the deadline: their clients are answered in time."""

from __future__ import annotations

from anylane_conformance.cases import case
from anylane_conformance.contract.endings.stuck import build_stuck
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.peer import Answer, Peer

CHAPTER = "16 interruptions"

CLOSE = {"close": 5.0}
"""Seconds that hooks have, where they are not what blocks."""


def late(peer: Peer, path: str) -> Answer:
    """Ask for this, and return the 503 that comes although the handler is stuck, and the end."""
    answer = peer.ask(path)
    assert answer.status == 503, path
    assert answer.headers["connection"] == "close"
    peer.closed()
    return answer


def lines(conversation: Conversation, level: str) -> list[str]:
    """Return the lines of this level in the server's log."""
    return [message for each, message in conversation.log if each == level]


@case(
    CHAPTER, "parallel_blocking", extra=build_stuck, request_timeout=0.3, timeouts=CLOSE, cuts=False
)
def stuck_def_is_answered_for(conversation: Conversation) -> None:
    """At its deadline a `def` that blocks is answered for with a 503 that the response hooks see,
    and nothing of its own response. What it still does raises Cancelled, and goes nowhere."""
    peer, helper = conversation.connect(), conversation.helper()
    answer = late(peer, "/stuck/def")
    assert answer.headers["x-stamp"] == "here 503"
    assert "x-handler" not in answer.headers
    peer.leave()
    if conversation.has("own_connections"):
        assert conversation.steady(lambda: conversation.stage.life.count("left")) == 1
    conversation.stage.blocker.set()
    assert (
        helper.ask("/notes").body == b"deadline Cancelled Cancelled Cancelled Cancelled Cancelled"
    )
    assert helper.ask("/stuck/quick").body == b"quick"
    assert conversation.stage.kept == [503, 200]
    assert len([line for line in lines(conversation, "warning") if "took longer" in line]) == 1
    assert lines(conversation, "error") == []
    if conversation.has("own_connections"):
        assert conversation.steady(lambda: conversation.stage.life.count("left")) == 1
    conversation.rests(1)


@case(CHAPTER, "parallel_blocking", extra=build_stuck, timeouts=CLOSE, cuts=False)
def stuck_def_is_answered_for_in_the_time_of_its_route(conversation: Conversation) -> None:
    """A `def` that blocks beyond the timeout of its route is answered for then, however much
    longer the server's is."""
    peer = conversation.connect()
    began = conversation.now()
    assert late(peer, "/stuck/soon").headers["x-stamp"] == "here 503"
    assert conversation.now() - began < 8
    conversation.stage.blocker.set()
    assert conversation.helper().ask("/stuck/quick").body == b"quick"
    assert conversation.stage.kept == [503, 200]
    assert len([line for line in lines(conversation, "warning") if "took longer" in line]) == 1
    assert lines(conversation, "error") == []


@case(CHAPTER, "blocking_async", extra=build_stuck, request_timeout=0.3, cuts=False)
def stuck_async_is_answered_for(conversation: Conversation) -> None:
    """Where an `async def` may block its thread, it is answered for as a `def` is."""
    helper = conversation.helper()
    answer = late(conversation.connect(), "/stuck/async")
    assert answer.headers["x-stamp"] == "here 503"
    assert "x-handler" not in answer.headers
    conversation.stage.blocker.set()
    told = b"deadline Cancelled Cancelled Cancelled Cancelled Cancelled"
    assert helper.ask("/notes").body == told
    assert conversation.stage.kept.count(503) == 1
    assert len([line for line in lines(conversation, "warning") if "took longer" in line]) == 1
    assert lines(conversation, "error") == []


@case(
    CHAPTER,
    "parallel_blocking",
    extra=build_stuck,
    request_timeout=0.3,
    config={"max_threads": 2},
    cuts=False,
)
def all_threads_are_stuck(conversation: Conversation) -> None:
    """With all threads stuck each client still gets its 503 in time, also one that waits for a
    thread, whose handler never begins. New requests are answered once a thread comes back."""
    peers = [conversation.connect() for _ in range(4)]
    for peer in peers:
        peer.get("/stuck/def")
    for peer in peers:
        answer = peer.answer()
        assert answer.status == 503
        assert answer.headers["x-stamp"].endswith(" 503")
        peer.closed()
    conversation.stage.blocker.set()
    helper = conversation.helper()
    assert helper.ask("/stuck/quick").body == b"quick"
    noted = [text for text in conversation.stage.said if text.startswith("deadline")]
    assert len(noted) <= 2
    assert conversation.stage.kept.count(503) == 4
    assert lines(conversation, "error") == []


@case(
    CHAPTER,
    "parallel_blocking",
    extra=build_stuck,
    request_timeout=0.5,  # What is asked afterwards has it, too, on a busy machine.
    timeouts={"close": 0.4},
    cuts=False,
)
def stuck_hook_is_answered_for(conversation: Conversation) -> None:
    """Where the hooks block, too, the bare 503 goes out when `Timeouts.close` is over."""
    answer = late(conversation.connect(), "/stuck/def?hook")
    assert "x-stamp" not in answer.headers
    assert answer.body == b""
    conversation.stage.blocker.set()
    assert conversation.helper().ask("/stuck/quick").body == b"quick"


@case(
    CHAPTER,
    "parallel_blocking",
    extra=build_stuck,
    request_timeout=0.5,  # What is asked afterwards has it, too, on a busy machine.
    timeouts={"close": 0.4},
    cuts=False,
)
def stuck_cleaning_up_is_answered_for(conversation: Conversation) -> None:
    """What a handler does in `finally` and the hooks share `Timeouts.close`. When it is over, the
    bare 503 goes out."""
    answer = late(conversation.connect(), "/stuck/finally")
    assert "x-stamp" not in answer.headers
    assert answer.body == b""
    conversation.stage.blocker.set()
    assert conversation.helper().ask("/stuck/quick").body == b"quick"


@case(CHAPTER, "parallel_blocking", extra=build_stuck, request_timeout=0.3, cuts=False)
def stuck_handler_of_an_upload_is_answered_for(conversation: Conversation) -> None:
    """The 503 reaches a client in the middle of its next request, and one behind an upload."""
    peer, helper = conversation.connect(), conversation.helper()
    peer.send(b"POST /stuck/upload HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
    peer.send(b"some body")
    assert helper.ask("/notes").body == b"read 9"
    peer.send(b"GET /stuck/quick HTTP/1.1\r\nHo")
    answer = peer.answer()
    assert answer.status == 503
    assert answer.headers["x-stamp"] == "here 503"
    peer.closed()
    conversation.stage.blocker.set()
    assert lines(conversation, "error") == []


@case(CHAPTER, "parallel_blocking", extra=build_stuck, request_timeout=0.3, cuts=False)
def stuck_handler_fails_later(conversation: Conversation) -> None:
    """What a handler raises after it was answered for reaches no client, and ends no connection but
    its own."""
    helper = conversation.helper()
    assert late(conversation.connect(), "/stuck/fails").headers["x-stamp"] == "here 503"
    conversation.stage.blocker.set()
    assert helper.ask("/notes").body == b"back"
    assert helper.ask("/stuck/quick").body == b"quick"
    assert conversation.stage.kept.count(503) == 1


@case(
    CHAPTER,
    "parallel_blocking",
    extra=build_stuck,
    request_timeout=0.4,
    config={"max_threads": 1},
    cuts=False,
)
def interrupted_handler_needs_no_free_thread(conversation: Conversation) -> None:
    """A handler that waits is interrupted and answered for in time, although all threads are stuck
    meanwhile."""
    waiting, blocking = conversation.connect(), conversation.connect()
    waiting.get("/stuck/sleeps")
    assert conversation.helper().ask("/notes").body == b"sleeps"
    blocking.get("/stuck/def")
    for peer in (waiting, blocking):
        answer = peer.answer()
        assert answer.status == 503
        assert answer.headers["x-stamp"] == "here 503"
        peer.closed()
    conversation.stage.blocker.set()
    assert lines(conversation, "error") == []
