"""WebSocket: echo, control frames, the close handshake."""

from __future__ import annotations

import wsproto.events as ws_events

from anylane_conformance.cases import case
from anylane_conformance.lanes import Talk
from anylane_conformance.peer import message_event

CHAPTER = "3 WebSocket"


@case(CHAPTER)
def echo(talk: Talk) -> None:
    """Text and binary messages come back as they are."""
    ws = talk.connect().websocket("/echo")
    for message in ("hello", "", "żółw 🐢", b"\x00\xff", b""):
        ws.send(message)
        assert ws.receive() == message
    ws.close()
    assert ws.closed(answer=False) == (1000, "")


@case(CHAPTER)
def fragments_are_joined(talk: Talk) -> None:
    """A message in fragments is one message, with control frames between them (RFC 6455 §5.4)."""
    ws = talk.connect().websocket("/echo")
    ws.peer.send(ws.frame(ws_events.TextMessage("hel", message_finished=False)))
    ws.ping(b"between")
    ws.peer.send(ws.frame(ws_events.TextMessage("lo", message_finished=True)))
    assert ws.pong() == b"between"
    assert ws.receive() == "hello"
    ws.close()
    ws.closed(answer=False)


@case(CHAPTER)
def frames_with_the_handshake_are_not_lost(talk: Talk) -> None:
    """A client may send before it has seen the 101 (RFC 6455 §4.1 forbids it, networks do it)."""
    from anylane_conformance.peer import WebSocketPeer

    peer = talk.connect()
    ws = WebSocketPeer(peer)
    early = ws.frame(message_event("early")) + ws.frame(message_event("bird"))
    peer.handshake("/echo")
    peer.send(early)
    assert peer.answer().status == 101
    assert ws.receive() == "early"
    assert ws.receive() == "bird"
    ws.close()
    ws.closed(answer=False)


@case(CHAPTER)
def ping_is_answered_while_the_handler_waits(talk: Talk) -> None:
    """A pong does not wait for the handler (RFC 6455 §5.5.2)."""
    ws = talk.connect().websocket("/waiting")
    ws.ping(b"are you there")
    assert ws.pong() == b"are you there"
    assert talk.helper().ask("/send/now").body == b'{"receivers":1}'
    assert ws.receive() == "now"
    assert ws.closed() == (1000, "")


@case(CHAPTER, "native_cancel")
def ping_is_answered_during_a_foreign_await(talk: Talk) -> None:
    """Also while the handler awaits something of the event loop's own library."""
    ws = talk.connect().websocket("/native/gate")
    ws.send("after the gate")
    ws.ping(b"during")
    assert ws.pong() == b"during"
    assert talk.helper().ask("/native/open").body == b"open"
    assert ws.receive() == "after the gate"
    ws.close()
    ws.closed(answer=False)


@case(CHAPTER)
def close_from_the_client(talk: Talk) -> None:
    """A close frame is answered once, with its code; the handler's loop ends quietly."""
    ws = talk.connect().websocket("/echo")
    ws.send("last")
    ws.close(1001, "leaving")
    assert ws.receive() == "last"
    assert ws.closed(answer=False) == (1001, "")
    assert talk.helper().ask("/notes").body == b"closed 1001"


@case(CHAPTER)
def close_from_the_server(talk: Talk) -> None:
    """The handler says goodbye, and the peer's close frame ends the connection."""
    ws = talk.connect().websocket("/goodbye")
    assert ws.receive() == "goodbye"
    assert ws.closed() == (4000, "enough")


@case(CHAPTER)
def failing_handler_closes_with_1011(talk: Talk) -> None:
    """A handler that fails is an internal error (RFC 6455 §7.4.1)."""
    ws = talk.connect().websocket("/crash")
    ws.send("now")
    assert ws.closed() == (1011, "")


@case(CHAPTER)
def rejection_is_an_ordinary_response(talk: Talk) -> None:
    """A handler that does not accept answers the handshake; the connection goes on."""
    peer = talk.connect()
    peer.handshake("/reject")
    answer = peer.answer()
    assert answer.status == 403
    assert answer.body == b"403 Forbidden: not you\n"
    assert peer.ask("/").status == 200


@case(CHAPTER)
def bad_handshakes_are_refused(talk: Talk) -> None:
    """A plain GET, another version and a bad key get 426 or 400 (RFC 6455 §4.2)."""
    peer = talk.connect()
    answer = peer.ask("/echo")
    assert answer.status == 426
    assert answer.headers["upgrade"] == "websocket"
    common = ("Connection: keep-alive, Upgrade", "Upgrade: websocket")
    peer.get("/echo", *common, "Sec-WebSocket-Version: 12", "Sec-WebSocket-Key: AAAA")
    answer = peer.answer()
    assert answer.status == 426
    assert answer.headers["sec-websocket-version"] == "13"
    peer.get("/echo", *common, "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: too short")
    assert peer.answer().status == 400


@case(CHAPTER, limits={"message": 1000})
def messages_before_a_violation_are_answered(talk: Talk) -> None:
    """What was received before a message that is too big is delivered and answered first."""
    ws = talk.connect().websocket("/echo")
    ws.peer.send(ws.frame(message_event("x" * 1000)) + ws.frame(message_event("x" * 1001)))
    assert ws.receive() == "x" * 1000
    code, _ = ws.closed()
    assert code == 1009
