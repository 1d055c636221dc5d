"""Half-close, reset, slow heads, idle connections."""

from __future__ import annotations

from anylane_conformance.cases import case
from anylane_conformance.lanes import Talk

CHAPTER = "8 disconnects, deadlines"


@case(CHAPTER)
def half_closed_client_gets_its_answer(talk: Talk) -> None:
    """End of input is not disconnection (RFC 9112 §9.6 lets a client close its half)."""
    peer = talk.connect()
    peer.get("/late")
    peer.eof()
    assert peer.answer().body == b"half-closed: True"
    peer.closed()


@case(CHAPTER)
def half_closed_client_gets_all_answers(talk: Talk) -> None:
    """Also the ones to pipelined requests."""
    peer = talk.connect()
    peer.get("/late")
    peer.get("/users/1")
    peer.get("/users/2")
    peer.eof()
    assert peer.answer().status == 200
    assert peer.answer().body == b'{"id":1}'
    assert peer.answer().body == b'{"id":2}'
    peer.closed()


@case(CHAPTER)
def reset_is_noticed(talk: Talk) -> None:
    """A handler that waits hears of a reset at once."""
    helper = talk.helper()
    peer = talk.connect()
    peer.get("/wait")
    assert helper.ask("/notes").body == b"waiting"
    peer.reset()
    assert helper.ask("/notes").body == b"disconnected"


@case(CHAPTER)
def reset_of_a_websocket_is_noticed(talk: Talk) -> None:
    """A WebSocket that is reset ends with 1006."""
    ws = talk.connect().websocket("/wait-message")
    ws.peer.reset()
    assert talk.helper().ask("/notes").body == b"disconnected 1006"


@case(CHAPTER)
def end_of_input_ends_a_stream(talk: Talk) -> None:
    """Once a stream has started, end of input means that the client is gone."""
    peer = talk.connect()
    peer.get("/wait-stream")
    peer.until(b"first\n\r\n")
    peer.eof()
    assert talk.helper().ask("/notes").body == b"disconnected"
    peer.closed()


@case(CHAPTER, timeouts={"head": 0.3}, cuts=False)
def header_drip_is_cut_off(talk: Talk) -> None:
    """A head that comes byte by byte is cut off at its deadline, however steady it is."""
    peer = talk.connect()
    peer.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Drip: ")
    for _ in range(200):
        if not peer.nothing_yet():
            break
        peer.send(b"x")
        talk.pause(0.02)
    answer = peer.answer()
    assert answer.status == 408
    assert answer.headers["connection"] == "close"
    peer.closed()


@case(CHAPTER, timeouts={"keep_alive": 0.3}, cuts=False)
def idle_connection_is_closed(talk: Talk) -> None:
    """An idle connection is closed, before its first request and after its last."""
    peer, silent = talk.connect(), talk.connect()
    assert peer.ask("/").status == 200
    peer.closed()
    silent.closed()


@case(CHAPTER, "virtual_time", timeouts={"keep_alive": 10.0})
def keep_alive_expires_exactly_at_its_deadline(talk: Talk) -> None:
    """Not a moment before, and from the end of the last answer."""
    peer = talk.connect()
    talk.pause(9)
    assert peer.ask("/").status == 200
    talk.pause(9.999)
    assert peer.nothing_yet()
    assert peer.ask("/sleep").body == b"slept"
    talk.pause(9.999)
    assert peer.nothing_yet()
    talk.pause(0.001)
    assert not peer.nothing_yet()
    peer.closed()


@case(CHAPTER, cuts=False)
def answer_survives_what_a_blind_client_still_sends(talk: Talk) -> None:
    """A client that sends megabytes before it looks up gets the early answer (RFC 9112 §9.6)."""
    peer = talk.connect()
    head = b"POST /json HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n"
    # More than the kernels of both sides hold, in one go, and read only then.
    peer.send(head + bytes(8_000_000))
    # Many clients never read what came before a reset.
    assert not peer.refused
    assert peer.answer().status == 413
    peer.closed()
