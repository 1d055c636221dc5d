"""What a lane does by itself: it serves all its listeners, obeys its settings, rests and ends."""

from __future__ import annotations

import time
from collections.abc import Callable

from anylane_conformance.cases import case
from anylane_conformance.contract import requests
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.peer import Peer

CHAPTER = "17 lane"


@case(CHAPTER, "own_listeners", "real_sockets", config={"bind": ("127.0.0.1:0", "127.0.0.1:0")})
def all_listeners_are_served(conversation: Conversation) -> None:
    """Each of several addresses is accepted from, again and again and side by side, and the server
    ends however many there are."""
    peers = [conversation.connect(listener=number) for number in (0, 1, 1, 0)]
    for peer in peers:
        assert peer.ask("/").status == 200
    for peer in reversed(peers):
        assert peer.ask("/users/1").body == b'{"id":1}'


@case(CHAPTER, cuts=False)
def drained_server_ends_by_itself(conversation: Conversation) -> None:
    """A server that is told to shut down closes the connections on which nothing runs, and ends."""
    peers = [conversation.connect() for _ in range(3)]
    for peer in peers:
        assert peer.ask("/").status == 200
    conversation.drain()
    for peer in peers:
        peer.closed()
    conversation.stop()


# --- the end comes with the answer ---------------------------------------------------------------


def after_a_refusal(peer: Peer) -> None:
    peer.send(b"nonsense\r\n\r\n")
    assert peer.answer().status == 400


def after_the_last_answer(peer: Peer) -> None:
    assert peer.ask("/", "Connection: close").status == 200


def after_a_stream(peer: Peer) -> None:
    assert peer.ask("/count/3", "Connection: close").body == b"0\n1\n2\n"


def after_a_half_close(peer: Peer) -> None:
    assert peer.ask("/").status == 200
    peer.eof()


def after_an_unread_body(peer: Peer) -> None:
    peer.send(b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
    assert peer.answer().status == 404


ENDS = (
    after_a_refusal,
    after_the_last_answer,
    after_a_stream,
    after_a_half_close,
    after_an_unread_body,
)
LATE = 1.0
TRIES = 3


@case(CHAPTER, cuts=False, limits={"drain_body": 1000}, timeouts={"linger": 60.0})
def end_comes_with_the_answer(conversation: Conversation) -> None:
    """The end of a connection follows the last byte of its last answer at once, and waits for no
    deadline (RFC 9112 §9.6)."""
    others = {after_a_refusal: "own_wire", after_a_half_close: "own_connections"}
    for leave in ENDS:
        if leave in others and not conversation.has(others[leave]):
            continue
        late = quickest(conversation, leave)
        assert late < LATE, f"{leave.__name__} the end came {late:.1f} seconds late"


def quickest(conversation: Conversation, leave: Callable[[Peer], None]) -> float:
    """The seconds between an answer and its end. A busy machine is late now and then, a fault
    always."""
    seen = []
    for _ in range(TRIES):
        peer = conversation.helper()
        leave(peer)
        answered = conversation.now()
        peer.closed()
        seen.append(conversation.now() - answered)
        if seen[-1] < LATE:
            break
    return min(seen)


def settled(conversation: Conversation, value: Callable[[], int], wanted: int) -> int:
    """Return the value once it is what is wanted, and has stopped changing. A busy machine may rest
    in between."""
    for _ in range(500):
        if value() >= wanted:
            break
        conversation.pause(0.02)
    return conversation.steady(value)


# --- nothing to do -------------------------------------------------------------------------------

MOMENT = 0.2
RESTING = 0.02
"""The part of one processor that a server may use which has nothing to do. One that rests takes a
thousandth; a loop that spins takes all that it can get, which on a busy machine is a tenth."""


def rests(conversation: Conversation, when: str) -> None:
    """Expect that nothing is computed in at least one of a few moments."""
    seen = []
    for _ in range(TRIES):
        began, used = time.monotonic(), time.process_time()
        conversation.pause(MOMENT)
        seen.append((time.process_time() - used) / (time.monotonic() - began))
        if seen[-1] < RESTING:
            return
    raise AssertionError(f"{when}, {min(seen):.0%} of a processor are used while nothing happens")


@case(
    CHAPTER, "real_sockets", extra=requests.patient, limits={"inbound_high": 8192, "inbound_low": 1}
)
def quiet_server_uses_no_processor(conversation: Conversation) -> None:
    """While nothing happens nothing is computed, whatever the connections wait for: a client, its
    handler, a reader, a writer."""
    rests(conversation, "without a connection")
    silent, kept, ws = (
        conversation.helper(),
        conversation.helper(),
        conversation.websocket("/echo"),
    )
    assert kept.ask("/").status == 200
    rests(conversation, "with idle connections")

    half_closed, unread = conversation.helper(), conversation.helper()
    half_closed.get("/until-told")
    if conversation.has("own_connections"):
        half_closed.eof()
    assert kept.ask("/notes").body == b"waiting"
    rests(conversation, "with a client that has closed its half before its answer")

    unread.post("/left-unread", b"x" * 200_000)
    assert kept.ask("/notes").body == b"waiting"
    rests(conversation, "with a body that is not read")

    reader = conversation.connect(receive_buffer=65536)
    reader.hold()
    reader.get("/large")
    conversation.steady(lambda: conversation.stage.produced)
    rests(conversation, "with a client that does not read")

    reader.reset()
    assert conversation.stage.room.send("go on") == 2
    for peer in (half_closed, unread):
        assert peer.answer().body == b"go on"
    ws.close()
    assert ws.closed(answer=False) == (1000, "")
    for peer in (silent, kept):
        assert peer.ask("/").status == 200


@case(
    CHAPTER,
    "own_connections",
    "real_sockets",
    "plain_wire",
    extra=requests.patient,
    config={"max_connections": 2},
)
def full_server_uses_no_processor(conversation: Conversation) -> None:
    """While clients wait in the backlog of a server that has no place for them, nothing is
    computed."""
    taken = [conversation.connect() for _ in range(2)]
    for peer in taken:
        peer.get("/until-told")
    assert settled(conversation, lambda: len(conversation.stage.said), 2) == 2
    waiting = [conversation.connect() for _ in range(3)]
    for peer in waiting:
        peer.get("/", "Connection: close")
    rests(conversation, "with clients in the backlog")
    assert waiting[0].nothing_yet()
    assert conversation.stage.room.send("go on") == 2
    for peer in taken:
        assert peer.answer().body == b"go on"
        peer.eof()
    for peer in waiting:
        assert peer.answer().status == 200


# --- settings of the lane ------------------------------------------------------------------------


@case(CHAPTER, "parallel_blocking", cuts=False, extra=requests.patient, config={"max_threads": 2})
def max_threads_bounds_what_blocks(conversation: Conversation) -> None:
    """No more handlers block at once than there are to be threads; the others wait their turn."""
    peers = [conversation.connect() for _ in range(4)]
    for peer in peers:
        peer.get("/blocks")
    assert settled(conversation, lambda: conversation.stage.produced, 2) == 2
    conversation.stage.blocker.set()
    for peer in peers:
        assert peer.answer().body == b"unblocked"


@case(CHAPTER, "real_sockets", "plain_wire", "read_size", extra=requests.pieces,
      config={"http_buffer_size": 1024})  # fmt: skip
def http_buffer_size_bounds_a_read(conversation: Conversation) -> None:
    """No more is read from a socket at once than the setting says, so no piece of a body is
    larger."""
    peer = conversation.connect()
    for _ in range(2):
        peer.post("/largest-piece", b"x" * 100_000)
        assert int(peer.answer().body) <= 1024
