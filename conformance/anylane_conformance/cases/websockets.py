"""WebSocket: echo, control frames, the close handshake."""

from __future__ import annotations

import wsproto.events as ws_events

from anylane import App, Context
from anylane_conformance.cases import case
from anylane_conformance.contract.stage import CHUNK, KERNEL, Stage
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.peer import Peer
from anylane_conformance.harness.websocket_peer import WebSocketPeer, message_event, raw_frame

CHAPTER = "3 WebSocket"


@case(CHAPTER)
def echo(conversation: Conversation) -> None:
    """Text and binary messages come back as they are."""
    ws = conversation.websocket("/echo")
    for message in ("hello", "", "żółw 🐢", b"\x00\xff", b""):
        ws.send(message)
        assert ws.receive() == message
    ws.close()
    assert ws.closed(answer=False) == (1000, "")


@case(CHAPTER)
def fragments_are_joined(conversation: Conversation) -> None:
    """A message in fragments is one message, with control frames between them (RFC 6455 §5.4)."""
    ws = conversation.websocket("/echo")
    ws.peer.send(ws.frame(ws_events.TextMessage("hel", message_finished=False)))
    ws.ping(b"between")
    ws.peer.send(ws.frame(ws_events.TextMessage("lo", message_finished=True)))
    assert ws.pong() == b"between"
    assert ws.receive() == "hello"
    ws.close()
    ws.closed(answer=False)


@case(CHAPTER, "own_frames")
def frames_with_the_handshake_are_not_lost(conversation: Conversation) -> None:
    """Frames sent before the client has seen the 101 are kept (RFC 6455 §4.1 forbids them, networks
    send them)."""
    peer = conversation.connect()
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
def ping_is_answered_while_the_handler_waits(conversation: Conversation) -> None:
    """A pong does not wait for the handler (RFC 6455 §5.5.2)."""
    ws = conversation.websocket("/waiting")
    ws.ping(b"are you there")
    assert ws.pong() == b"are you there"
    assert conversation.helper().ask("/send/now").body == b'{"receivers":1}'
    assert ws.receive() == "now"
    assert ws.closed() == (1000, "")


@case(CHAPTER, "native_cancel")
def ping_is_answered_during_a_foreign_await(conversation: Conversation) -> None:
    """A ping is answered while the handler awaits the event loop's own library."""
    ws = conversation.websocket("/native/gate")
    ws.send("after the gate")
    ws.ping(b"during")
    assert ws.pong() == b"during"
    assert conversation.helper().ask("/native/open").body == b"open"
    assert ws.receive() == "after the gate"
    ws.close()
    ws.closed(answer=False)


@case(CHAPTER, "own_frames")
def close_from_the_client(conversation: Conversation) -> None:
    """A close frame is answered once, with its code, and the handler's loop ends quietly (RFC 6455
    §5.5.1)."""
    ws = conversation.websocket("/echo")
    ws.send("last")
    ws.close(1001, "leaving")
    assert ws.receive() == "last"
    assert ws.closed(answer=False) == (1001, "")
    assert conversation.helper().ask("/notes").body == b"closed 1001"


@case(CHAPTER)
def close_from_the_server(conversation: Conversation) -> None:
    """The server's close frame carries the handler's code and reason; the peer's ends the
    connection."""
    ws = conversation.websocket("/goodbye")
    assert ws.receive() == "goodbye"
    assert ws.closed() == (4000, "enough")


@case(CHAPTER)
def close_that_cannot_be_said(conversation: Conversation) -> None:
    """A code or reason that no close frame can carry is refused before anything has changed: the
    handler has failed, and its session ends with 1011."""
    for how in ("number", "surrogate", "float"):
        ws = conversation.websocket(f"/ws-odd-close/{how}")
        assert ws.closed() == (1011, "")
    errors = [message for level, message in conversation.log if level == "error"]
    assert len(errors) == 3
    assert all("UsageError" in message for message in errors)


@case(CHAPTER)
def failing_handler_closes_with_1011(conversation: Conversation) -> None:
    """A handler that fails ends its session with 1011, internal error (RFC 6455 §7.4.1)."""
    ws = conversation.websocket("/crash")
    ws.send("now")
    assert ws.closed() == (1011, "")


@case(CHAPTER, "denials")
def rejection_is_an_ordinary_response(conversation: Conversation) -> None:
    """A handler that does not accept answers the handshake with a response; the connection goes
    on."""
    peer = conversation.connect()
    peer.handshake("/reject")
    answer = peer.answer()
    assert answer.status == 403
    assert answer.body == b"403 Forbidden: not you\n"
    assert conversation.kept(peer).ask("/").status == 200


@case(CHAPTER, "denials")
def neither_accepted_nor_rejected_is_an_error(conversation: Conversation) -> None:
    """A handler that neither accepts nor rejects is answered for with 500, and the log says so."""
    peer = conversation.connect()
    peer.handshake("/silent")
    assert peer.answer().status == 500
    assert any("has answered the WebSocket handshake" in message for _, message in conversation.log)
    assert conversation.kept(peer).ask("/").status == 200


@case(CHAPTER, "own_wire")
def bad_handshakes_are_refused(conversation: Conversation) -> None:
    """A plain GET and another version are answered 426, a bad key 400 (RFC 6455 §4.2)."""
    peer = conversation.connect()
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


@case(CHAPTER, "own_frames", limits={"message": 1000})
def messages_before_a_violation_are_answered(conversation: Conversation) -> None:
    """A message received before one that is too big is delivered and answered first."""
    ws = conversation.websocket("/echo")
    ws.peer.send(ws.frame(message_event("x" * 1000)) + ws.frame(message_event("x" * 1001)))
    assert ws.receive() == "x" * 1000
    code, _ = ws.closed()
    assert code == 1009


# Cases with many connections are not repeated for every cut: that costs the square of their bytes.

CONT, TEXT, BINARY, CLOSE, PING = 0, 1, 2, 8, 9

VIOLATIONS = {
    "an unmasked frame": (b"\x81\x01x", 1002),
    "a reserved opcode": (raw_frame(3, b"x"), 1002),
    "a reserved bit": (raw_frame(TEXT, b"x", rsv=2), 1002),
    "RSV1 that nothing was agreed upon for": (raw_frame(TEXT, b"x", rsv=4), 1002),
    "a continuation of nothing": (raw_frame(CONT, b"x"), 1002),
    "a message inside of another": (
        raw_frame(TEXT, b"x", fin=False) + raw_frame(TEXT, b"x"),
        1002,
    ),
    "a ping in fragments": (raw_frame(PING, b"x", fin=False), 1002),
    "a length in too many bytes": (b"\x81\xfe\x00\x01\0\0\0\0x", 1002),
    "a close frame of one byte": (raw_frame(CLOSE, b"\x03"), 1002),
    "invalid UTF-8": (raw_frame(TEXT, b"\xc0\x80"), 1007),
    "UTF-8 that is cut short": (raw_frame(TEXT, b"\xe2\x82"), 1007),
    "invalid UTF-8 in a close reason": (raw_frame(CLOSE, b"\x03\xe8\xff"), 1007),
}


@case(CHAPTER, "own_frames", cuts=False)
def what_came_before_a_violation_is_answered(conversation: Conversation) -> None:
    """A violation ends the session after all that came before it has been answered."""
    for name, (bad, code) in VIOLATIONS.items():
        ws = conversation.websocket("/answering")
        ws.peer.send(raw_frame(TEXT, b"first") + bad + raw_frame(TEXT, b"never seen"))
        assert ws.receive() == "first", name
        assert ws.closed(answer=False)[0] == code, name
        assert ws.transcript.messages == ["first"], name
        assert conversation.helper().ask("/notes").body == f"closed {code}".encode(), name


@case(CHAPTER, "own_frames")
def bad_utf8_is_refused_at_its_first_byte(conversation: Conversation) -> None:
    """Invalid UTF-8 ends the session at its first byte, before the frame or message ends (RFC 6455
    §8.1)."""
    ws = conversation.websocket("/answering")
    ws.peer.send(raw_frame(TEXT, b"a\xf0", fin=False) + raw_frame(PING))
    assert ws.pong() == b""
    ws.peer.send(raw_frame(CONT, b"\x80 and more")[:7])
    assert ws.closed(answer=False)[0] == 1007


@case(CHAPTER, "own_frames", limits={"message": 20})
def too_big_is_refused_at_the_header(conversation: Conversation) -> None:
    """A frame that announces more than the limit is not read: 1009; fragments add up (RFC 6455
    §7.4.1)."""
    for frames in (
        [raw_frame(BINARY, bytes(21))[:6]],
        [raw_frame(BINARY, bytes(20), fin=False), raw_frame(CONT, b"x")[:6]],
    ):
        ws = conversation.websocket("/answering")
        ws.peer.send(raw_frame(BINARY, bytes(10), fin=False) + raw_frame(CONT, bytes(10)))
        ws.peer.send(b"".join(frames))
        assert ws.receive() == bytes(20)
        assert ws.closed(answer=False)[0] == 1009


@case(CHAPTER, "own_frames", cuts=False)
def each_close_code_is_valid_or_refused(conversation: Conversation) -> None:
    """A valid close code is echoed, any other is a protocol error: 1002 (RFC 6455 §7.4)."""
    # 1014 is valid too, but wsproto, which reads for this client, does not know it.
    valid = [1000, 1001, 1002, 1003, *range(1007, 1014), 3000, 3999, 4000, 4999]
    refused = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]
    for code in (*valid, *refused):
        ws = conversation.websocket("/answering")
        ws.peer.send(raw_frame(CLOSE, code.to_bytes(2, "big") + b"why"))
        found, _ = ws.closed(answer=False)
        assert found == (code if code in valid else 1002), code


@case(CHAPTER, "own_frames")
def close_without_a_code(conversation: Conversation) -> None:
    """A close frame without a code is answered by one without, and the handler sees 1005 (RFC 6455
    §7.1.5)."""
    ws = conversation.websocket("/answering")
    ws.peer.send(raw_frame(CLOSE))
    assert ws.closed(answer=False)[0] == 1005
    assert conversation.helper().ask("/notes").body == b"closed 1005"


@case(CHAPTER, "own_frames")
def closes_that_cross(conversation: Conversation) -> None:
    """Close frames that cross answer each other: no second one is sent, and data between is dropped
    (RFC 6455 §5.5.1)."""
    ws = conversation.websocket("/bye")
    ws.close_frame()
    ws.peer.send(raw_frame(TEXT, b"\xff") + raw_frame(PING) + raw_frame(CLOSE, b"\x03\xe9"))
    assert ws.closed(answer=False) == (4000, "enough")
    assert ws.transcript.controls == []
    assert conversation.helper().ask("/notes").body == b"closed 1001"


@case(CHAPTER, "own_frames", timeouts={"close": 0.2})
def close_without_an_answer(conversation: Conversation) -> None:
    """The server waits for the peer's close frame up to its deadline, then ends the connection."""
    ws = conversation.websocket("/bye")
    assert ws.closed(answer=False) == (4000, "enough")
    assert conversation.helper().ask("/notes").body == b"closed 1006"


@case(CHAPTER, "own_frames", timeouts={"ping": 0.1, "pong": 10.0}, compare=False)
def pings_measure_the_latency(conversation: Conversation) -> None:
    """A quiet client is pinged, and `ws.latency` is the time that its pong took.

    Transcripts are not compared: the number of pings depends on how fast the machine is.
    """
    ws = conversation.websocket("/latency")
    assert ws.receive() == "None"
    ws.answer_ping()
    assert ws.receive() == "measured: True"
    ws.answer_ping()
    assert ws.receive() == "asked: True"


@case(CHAPTER, "own_frames", timeouts={"ping": 0.1, "pong": 0.2}, compare=False)
def ping_that_nobody_answers(conversation: Conversation) -> None:
    """A client that is silent for longer than the pong deadline is gone: 1011."""
    ws = conversation.websocket("/answering")
    assert ws.closed(answer=False) == (1011, "no pong came in time")
    assert conversation.helper().ask("/notes").body == b"closed 1011"


@case(CHAPTER, timeouts={"ping": 0.3, "pong": 0.5}, cuts=False, compare=False)
def frame_that_arrives_slowly_is_a_sign_of_life(conversation: Conversation) -> None:
    """A client whose frame takes longer than ping and pong together is alive: it can put no pong
    into the middle of a frame (RFC 6455 §5.5)."""
    ws = conversation.websocket("/echo")
    message = "x" * 30_000
    frame = ws.frame(message_event(message))
    for at in range(0, len(frame), 2000):
        ws.peer.send(frame[at : at + 2000])
        conversation.pause(0.1)
    assert ws.receive() == message
    assert ws.transcript.controls == [], "a client that sends is not quiet, so it gets no ping"
    ws.close()
    assert ws.closed(answer=False) == (1000, "")


def sending_much(app: App, _stage: Stage) -> None:
    @app.websocket("/send-much")
    async def send_much(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.receive()
        for _ in range(60):
            await ws.send(CHUNK)
        await ws.send(await ws.receive())


@case(
    CHAPTER,
    "own_frames",
    timeouts={"ping": 0.2, "pong": 0.4},
    cuts=False,
    compare=False,
    extra=sending_much,
)
def ping_behind_our_own_data_is_waited_for(conversation: Conversation) -> None:
    """A client that reads slowly finds our ping behind all that was sent before. What it takes of
    that meanwhile is a sign of life."""
    ws = conversation.websocket("/send-much", receive_buffer=65536)
    ws.peer.hold()
    ws.send("go")
    for _ in range(30):
        ws.peer.sip(40_000)
        conversation.pause(0.05)
    ws.peer.release()
    for _ in range(60):
        assert ws.receive() == CHUNK
    ws.answer_ping()
    ws.send("last")
    assert ws.receive() == "last"
    assert ws.closed() == (1000, "")


@case(CHAPTER, "own_drain")
def drain_closes_with_1001(conversation: Conversation) -> None:
    """A server that shuts down answers what was asked before and closes with 1001 (RFC 6455
    §7.4.1)."""
    ws = conversation.websocket("/answering")
    ws.send("hello")
    assert ws.receive() == "hello"
    conversation.drain()
    assert ws.closed() == (1001, "the server is shutting down")


@case(CHAPTER, limits={"inbound_high": 2000, "inbound_low": 500}, cuts=False)
def messages_are_held_back_and_none_is_lost(conversation: Conversation) -> None:
    """Reading pauses over the high mark and goes on at the low one; all messages stay in order."""
    ws = conversation.websocket("/receive-later")
    helper = conversation.helper()
    assert helper.ask("/notes").body == b"waiting"
    ws.peer.send(b"".join(ws.frame(message_event(text)) for text in ["x" * 100] * 500 + [""]))
    conversation.pause(0.05)
    assert helper.ask("/send/go").status == 200
    assert ws.receive() == "received 50000"
    assert ws.closed() == (1000, "")


@case(CHAPTER, cuts=False, compare=False)
def messages_that_are_not_received_are_held_up(conversation: Conversation) -> None:
    """Messages that their handler does not receive stay in the kernel, but for what the mark
    allows: a lane that goes on reading would take all of them."""
    ws = conversation.websocket("/waiting")
    taken = ws.peer.press(ws.frame(message_event(CHUNK)) * 500)
    conversation.measure("bytes taken of messages that are not received", taken)
    assert taken <= 2 * KERNEL, f"{taken} bytes were taken of messages that are not received"
    assert conversation.helper().ask("/send/go").status == 200
    ws.peer.reset()


@case(CHAPTER, timeouts={"write_stall": 0.3}, cuts=False)
def send_waits_for_a_slow_client_and_not_for_ever(conversation: Conversation) -> None:
    """`send` waits for a client that does not read, until the write-stall deadline ends the
    session."""
    ws = conversation.websocket("/flood", receive_buffer=65536)
    ws.peer.hold()
    ws.send("go")
    assert conversation.helper().ask("/notes").body == b"disconnected"
    # What the kernel's buffers of both sides took, and the mark.
    assert conversation.stage.produced * 65536 < 20_000_000


@case(CHAPTER, cuts=False)
def subprotocol_is_the_clients_first_choice(conversation: Conversation) -> None:
    """The subprotocol is the client's first that the route speaks, and may be none (RFC 6455
    §4.2.2)."""
    offer = "Sec-WebSocket-Protocol: "
    several = [offer + "other, chat.v1", offer + "chat.v2"]
    one = [offer + "other, chat.v1, chat.v2"]
    for lines, chosen in (
        (several if conversation.has("own_wire") else one, "chat.v1"),
        ([offer + "other"], None),
        ([], None),
    ):
        peer = conversation.connect()
        peer.handshake("/protocols", *lines)
        answer = peer.answer()
        assert answer.status == 101
        assert answer.headers.get("sec-websocket-protocol") == chosen


@case(CHAPTER, "denials", cuts=False)
def other_origins_are_turned_away(conversation: Conversation) -> None:
    """A page of another site is answered 403 before the handler runs (RFC 6455 §10.2)."""
    for origin, status in (
        ("https://good.example", 101),
        ("http://conformance", 101),
        ("https://evil.example", 403),
        ("null", 403),
    ):
        assert _status(conversation.connect(), "/members", f"Origin: {origin}") == status
    assert _status(conversation.connect(), "/members") == 403


def _status(peer: Peer, path: str, *headers: str) -> int:
    peer.handshake(path, *headers)
    return peer.answer().status
