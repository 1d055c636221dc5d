"""Half-close, reset, slow heads, bodies and readers, idle connections."""

from __future__ import annotations

from anylane_conformance.cases import case
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.peer import Peer

CHAPTER = "8 disconnects, deadlines"


@case(CHAPTER, "own_connections")
def half_closed_client_gets_its_answer(conversation: Conversation) -> None:
    """End of input is not disconnection: a client may close its half (RFC 9112 §9.6)."""
    peer = conversation.connect()
    peer.get("/late")
    peer.eof()
    assert peer.answer().body == b"half-closed: True"
    peer.closed()


@case(CHAPTER, "own_connections")
def half_closed_client_gets_all_answers(conversation: Conversation) -> None:
    """A client that closes its half behind pipelined requests gets all answers."""
    peer = conversation.connect()
    peer.get("/late")
    peer.get("/users/1")
    peer.get("/users/2")
    peer.eof()
    assert peer.answer().status == 200
    assert peer.answer().body == b'{"id":1}'
    assert peer.answer().body == b'{"id":2}'
    peer.closed()


@case(CHAPTER)
def reset_is_noticed(conversation: Conversation) -> None:
    """A handler that waits learns of a reset at once."""
    helper = conversation.helper()
    peer = conversation.connect()
    peer.get("/wait")
    assert helper.ask("/notes").body == b"waiting"
    peer.reset()
    assert helper.ask("/notes").body == b"disconnected"


@case(CHAPTER, "own_frames")
def reset_of_a_websocket_is_noticed(conversation: Conversation) -> None:
    """A WebSocket that is reset ends with 1006 (RFC 6455 §7.1.5)."""
    ws = conversation.websocket("/wait-message")
    ws.peer.reset()
    assert conversation.helper().ask("/notes").body == b"disconnected 1006"


def reset_behind_a_half_close(conversation: Conversation) -> Peer:
    """Reset a client behind its half-close; return where its handler leaves notes."""
    helper = conversation.helper()
    peer = conversation.connect()
    peer.get("/half-closed")
    peer.eof()
    assert helper.ask("/notes").body == b"half-closed"
    peer.reset()
    return helper


@case(CHAPTER, "own_connections", "reset_after_eof", compare=False)
def reset_of_a_half_closed_client_is_noticed(conversation: Conversation) -> None:
    """A reset behind a half-close is noticed before anything is written."""
    helper = reset_behind_a_half_close(conversation)
    assert helper.ask("/notes").body == b"disconnected"


@case(CHAPTER, "own_connections", compare=False)
def half_closed_client_that_resets_is_let_go(conversation: Conversation) -> None:
    """A client that resets behind its half-close is gone when it is answered at the latest, because
    the kernel tells then; others notice nothing."""
    helper = reset_behind_a_half_close(conversation)
    assert helper.ask("/notes").body in {b"disconnected", b"slept"}
    assert helper.ask("/").status == 200
    conversation.rests(1)
    assert not [message for level, message in conversation.log if level == "error"]


@case(CHAPTER)
def end_of_input_ends_a_stream(conversation: Conversation) -> None:
    """End of input after a stream has started means that the client is gone."""
    peer = conversation.connect()
    peer.get("/wait-stream")
    peer.until(b"first\n\r\n")
    peer.eof()
    assert conversation.helper().ask("/notes").body == b"disconnected"
    peer.closed()


@case(CHAPTER, "own_wire", timeouts={"head": 0.3}, cuts=False)
def header_drip_is_cut_off(conversation: Conversation) -> None:
    """A head that comes byte by byte is answered 408 at its deadline, however steady it is."""
    peer = conversation.connect()
    peer.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Drip: ")
    for _ in range(200):
        if not peer.nothing_yet():
            break
        peer.send(b"x")
        conversation.pause(0.02)
    answer = peer.answer()
    assert answer.status == 408
    assert answer.headers["connection"] == "close"
    peer.closed()


@case(CHAPTER, timeouts={"body": 0.3}, cuts=False)
def slow_body_is_cut_off(conversation: Conversation) -> None:
    """A body that stops in the middle is answered 408 at its deadline."""
    peer = conversation.connect()
    peer.send(b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
    answer = peer.answer()
    assert answer.status == 408
    assert answer.headers["connection"] == "close"
    peer.closed()


@case(CHAPTER, timeouts={"body": 0.3, "rate_grace": 0.4}, request_timeout=0.5, cuts=False)
def body_drip_meets_the_deadline(conversation: Conversation) -> None:
    """A body that never stops and never ends is the client's delay: it is cut off with 408 for its
    rate, and not with 503 for its handler."""
    peer = conversation.connect()
    peer.send(b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(200):
        if not peer.nothing_yet():
            break
        peer.send(b"x")
        conversation.pause(0.02)
    assert peer.answer().status == 408
    peer.closed()


@case(CHAPTER, timeouts={"write_stall": 0.3}, cuts=False, compare=False)
def stalled_reader_is_cut_off(conversation: Conversation) -> None:
    """A client that reads nothing of a long answer is given up.

    Transcripts are not compared: how much was sent may differ.
    """
    neighbour, peer = conversation.connect(), conversation.connect(receive_buffer=65536)
    peer.hold()
    peer.post("/leave/stream", b"")
    helper = conversation.helper()
    assert helper.ask("/notes").body == b"in stream"
    assert helper.ask("/notes").body == b"left stream"
    assert neighbour.ask("/").status == 200
    peer.release()
    assert not peer.rest().endswith(b"0\r\n\r\n"), "the answer is not to look whole"


@case(CHAPTER, "own_connections", timeouts={"keep_alive": 1.0}, cuts=False)
def flood_of_silent_connections_goes_away(conversation: Conversation) -> None:
    """Clients that connect and send nothing are disconnected, and delay no others meanwhile."""
    silent = [conversation.connect() for _ in range(200)]
    peer = conversation.connect()
    for _ in range(3):
        assert peer.ask("/").status == 200
    for each in silent:
        each.closed()


PHASES = ("body", "sleep", "stream", "answered")


@case(CHAPTER, cuts=False, compare=False)
def reset_at_each_phase_of_a_handler(conversation: Conversation) -> None:
    """A handler ends and cleans up when its client resets: while it waits for the body, sleeps,
    sends, and after its answer."""
    neighbour, helper = conversation.connect(), conversation.helper()
    neighbour.send(b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
    phases = PHASES if conversation.has("own_connections") else PHASES[:-1]
    for phase in phases:
        peer = conversation.connect(receive_buffer=65536)
        peer.hold()
        if phase == "body":
            peer.send(b"POST /leave/body HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhell")
        else:
            peer.post(f"/leave/{phase}", b"")
        assert helper.ask("/notes").body == f"in {phase}".encode()
        peer.reset()
        assert helper.ask("/notes").body == f"left {phase}".encode()
    neighbour.send(b"world")
    assert neighbour.answer().body == b'{"length":10}'
    conversation.rests(2)
    assert not [message for level, message in conversation.log if level == "error"]


@case(CHAPTER, "own_connections", cuts=False)
def end_of_input_at_each_phase_of_a_handler(conversation: Conversation) -> None:
    """At end of input a body cut short is answered 400, an answer is still sent, and a stream
    ends."""
    helper = conversation.helper()
    peer = conversation.connect()
    peer.send(b"POST /leave/body HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhell")
    assert helper.ask("/notes").body == b"in body"
    peer.eof()
    assert helper.ask("/notes").body == b"left body"
    assert peer.answer().status == 400
    peer.closed()

    peer = conversation.connect()
    peer.get("/late")
    peer.eof()
    assert peer.answer().body == b"half-closed: True"
    peer.closed()

    peer = conversation.connect()
    peer.get("/wait-stream")
    peer.until(b"first\n\r\n")
    peer.eof()
    assert helper.ask("/notes").body == b"disconnected"
    peer.closed()
    conversation.rests(1)


REQUESTS = (
    b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
    b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    b"POST /nowhere HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n0\r\nX: y\r\n\r\n"
)
STEPS = (0, 2, 5, 30, 39, 60, 92, 95, 110, 160, 170, len(REQUESTS))
"""Within an empty line, a line, a head, between head and body, in a body, at boundaries."""


@case(CHAPTER, "own_wire", cuts=False, compare=False)
def reset_at_each_step_of_a_connection(conversation: Conversation) -> None:
    """A client that vanishes at any step, lingering too, leaves nothing behind and disturbs no
    others."""
    neighbour = conversation.connect()
    assert neighbour.ask("/").status == 200
    for at in STEPS:
        peer = conversation.connect()
        peer.send(REQUESTS[:at])
        peer.reset()
        assert neighbour.ask("/").status == 200
    lingering = conversation.connect()
    lingering.send(b"nonsense\r\n\r\n")
    assert lingering.answer().status == 400
    lingering.reset()
    conversation.rests(1)
    assert neighbour.ask("/").status == 200
    assert not [message for level, message in conversation.log if level == "error"]


@case(CHAPTER, "own_connections", timeouts={"keep_alive": 0.3}, cuts=False)
def idle_connection_is_closed(conversation: Conversation) -> None:
    """An idle connection is closed, before its first request and after its last."""
    peer, silent = conversation.connect(), conversation.connect()
    assert peer.ask("/").status == 200
    peer.closed()
    silent.closed()


@case(CHAPTER, "own_connections", "virtual_time", timeouts={"keep_alive": 10.0})
def keep_alive_expires_exactly_at_its_deadline(conversation: Conversation) -> None:
    """Keep-alive runs from the end of the last answer and expires not a moment before its
    deadline."""
    peer = conversation.connect()
    conversation.pause(9)
    assert peer.ask("/").status == 200
    conversation.pause(9.999)
    assert peer.nothing_yet()
    assert peer.ask("/sleep").body == b"slept"
    conversation.pause(9.999)
    assert peer.nothing_yet()
    conversation.pause(0.001)
    assert not peer.nothing_yet()
    peer.closed()


@case(CHAPTER, "own_connections", cuts=False)
def answer_survives_what_a_blind_client_still_sends(conversation: Conversation) -> None:
    """A client that sends megabytes before it reads gets the early answer (RFC 9112 §9.6)."""
    peer = conversation.connect()
    head = b"POST /json HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n"
    # More than the kernels of both sides hold, in one go, and read only then.
    peer.send(head + bytes(8_000_000))
    # Many clients never read what came before a reset.
    assert not peer.refused
    assert peer.answer().status == 413
    peer.closed()
