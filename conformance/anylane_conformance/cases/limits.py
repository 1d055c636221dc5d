"""Limits and deadlines on the wire; tests/whole/test_limits.py has them to the byte."""

from __future__ import annotations

import re
from typing import Any

import wsproto.events as ws_events

from anylane import App, Context
from anylane.lane.server_core import ServerCore
from anylane_conformance.cases import case
from anylane_conformance.contract.stage import Stage
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.peer import Answer, Peer
from anylane_conformance.harness.websocket_peer import raw_frame

CHAPTER = "14 limits"


def refused(conversation: Conversation, data: bytes) -> int:
    """The status of what is refused; the connection ends then."""
    peer = conversation.connect()
    peer.send(data)
    answer = peer.answer()
    assert answer.headers["connection"] == "close"
    peer.closed()
    return answer.status


def accepted(conversation: Conversation, data: bytes) -> Answer:
    """The answer to what is not; the connection goes on."""
    peer = conversation.connect()
    peer.send(data)
    answer = peer.answer()
    assert peer.ask("/").status == 200
    return answer


def get(target: str = "/", *lines: str) -> bytes:
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: a", *lines, "", ""]).encode()


@case(CHAPTER, "own_wire", cuts=False, compare=False)
def floods_of_refusals_write_a_bounded_number_of_lines(conversation: Conversation) -> None:
    """The first refusals of a second are logged one by one, and the others are counted: together
    they are all that there were."""
    for _ in range(300):
        peer = conversation.connect()
        peer.send(b"nonsense\r\n\r\n")
        assert peer.answer().status == 400
    conversation.stop()
    lines = [message for level, message in conversation.log if level == "info"]
    written = [line for line in lines if line.startswith("refused: ")]
    told = [re.match(r"refused requests: ([\d,]+) more in the last ", line) for line in lines]
    counted = sum(int(each[1].replace(",", "")) for each in told if each)
    assert len(written) + counted == 300
    assert len(lines) < 150
    conversation.measure("log lines for 300 refusals", len(lines))


@case(CHAPTER, cuts=False)
def forms_have_a_number_of_fields_and_of_stray_percent_signs(conversation: Conversation) -> None:
    """A form of 2 MB that would cost a second of decoding is refused by what it has too many of:
    fields (413), or `%` that begin no escape (400). One that is well-formed is decoded, and others
    are answered meanwhile."""
    kind = "Content-Type: application/x-www-form-urlencoded"
    size = 2 * 1024 * 1024
    peer, other = conversation.connect(), conversation.connect()
    for unit, status in ((b"&", 413), (b"%", 400), (b"&%", 413), (b"%zz", 400)):
        peer.post("/form-size", (unit * size)[:size], kind)
        assert peer.answer().status == status
        assert other.ask("/").status == 200
    peer.post("/form-size", b"a=" + b"%41" * 600_000, kind)
    assert other.ask("/").status == 200
    assert peer.answer().body == b'{"fields":1,"length":600000}'
    peer.post("/form-size", b"&".join([b"a=%C3%A4"] * 1000), kind)
    assert peer.answer().body == b'{"fields":1000,"length":1000}'


@case(
    CHAPTER,
    cuts=False,
    limits={"target": 100, "header_field": 200, "header_section": 400, "header_count": 6},
)
def head_limits(conversation: Conversation) -> None:
    """A target over its limit is 414; a header line, the sum of them or their number is 431 (RFC
    9110 §15.5.15, RFC 6585 §5)."""
    for fits, over, status in (
        (get("/" + "x" * 99), get("/" + "x" * 100), 414),
        (get("/", "x: " + "y" * 197), get("/", "x: " + "y" * 198), 431),
        (
            get("/", "x: " + "y" * 190, "x: " + "y" * 190),
            get("/", "x: " + "y" * 190, "x: " + "y" * 195),
            431,
        ),
        (get("/", *["x: y"] * 5), get("/", *["x: y"] * 6), 431),
    ):
        assert accepted(conversation, fits).status in (200, 404)
        assert refused(conversation, over) == status


@case(CHAPTER, cuts=False, limits={"body": 100})
def body_limit(conversation: Conversation) -> None:
    """A body over its limit is 413, whether its size was declared or turns out (RFC 9110
    §15.5.14)."""
    declared = b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s"
    chunked = (
        b"POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"%x\r\n%s\r\n0\r\n\r\n"
    )
    for request in (declared, chunked):
        assert accepted(conversation, request % (100, b"x" * 100)).body == b'{"length":100}'
        assert refused(conversation, request % (101, b"x" * 101)) == 413


@case(CHAPTER, "own_wire", cuts=False, limits={"chunk_overhead": 100})
def chunk_overhead_limit(conversation: Conversation) -> None:
    """A chunked body whose framing is much more than its data is 400; one of honest chunks never
    is."""
    head = b"POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    tiny, end = b"1\r\nx\r\n", b"0\r\n\r\n"
    fits = accepted(conversation, head + tiny * 25 + end)
    assert fits.body == b'{"length":25}'
    honest = accepted(conversation, head + b"5\r\nhello\r\n" * 1000 + end)
    assert honest.body == b'{"length":5000}'
    assert refused(conversation, head + tiny * 26 + end) == 400
    assert refused(conversation, head + b"5;" + b"x" * 100 + b"\r\nhello\r\n" + end) == 400


@case(
    CHAPTER, "own_connections", limits={"pieces_per_turn": 2, "inbound_high": 20, "inbound_low": 5}
)
def chunks_of_one_read_keep_their_order(conversation: Conversation) -> None:
    """Chunks that came in one read are decoded a few at a time, and the body is the same; requests
    and the end of input behind it are seen after it."""
    head = b"POST /%s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"3\r\nabc\r\n" * 7 + b"1;odd=x\r\nd\r\n" * 3 + b"14\r\n" + b"e" * 20 + b"\r\n"
    unread = head % b"unknown" + chunks + b"0\r\n\r\n"
    peer = conversation.connect()
    peer.send(head % b"length" + chunks + b"0\r\nX: y\r\n\r\n" + unread + get())
    peer.eof()
    assert peer.answer().body == b'{"length":44}'
    assert peer.answer().status == 404
    assert peer.answer().status == 200
    peer.closed()


@case(CHAPTER, "own_connections", cuts=False, limits={"drain_body": 50})
def unread_body_limit(conversation: Conversation) -> None:
    """An unread body is dropped up to a bound; more of it ends the connection."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
    peer = conversation.connect()
    peer.send(head % 50)
    assert peer.answer().status == 405
    peer.send(b"x" * 50)
    assert peer.ask("/").status == 200
    assert refused(conversation, head % 51) == 405


@case(CHAPTER, "own_frames", limits={"message": 20})
def message_limit(conversation: Conversation) -> None:
    """A message over the limit is 1009; what came before it was answered (RFC 6455 §7.4.1)."""
    ws = conversation.websocket("/echo")
    ws.send("x" * 20)
    ws.send("y" * 21)
    assert ws.receive() == "x" * 20
    code, reason = ws.closed(answer=False)
    assert code == 1009
    assert "20" in reason


@case(CHAPTER, "own_frames", limits={"fragments": 3})
def fragment_limit(conversation: Conversation) -> None:
    """A message in more fragments than the limit is 1008, and what came before it was answered (RFC
    6455 §5.4)."""
    ws = conversation.websocket("/echo")
    fragments = [raw_frame(1, b"a", fin=False), raw_frame(0, b"b", fin=False)]
    ws.peer.send(b"".join(fragments) + raw_frame(0, b"c"))
    assert ws.receive() == "abc"
    ws.peer.send(b"".join(fragments) + raw_frame(0, fin=False) + raw_frame(0, b"d"))
    code, reason = ws.closed(answer=False)
    assert code == 1008
    assert "3" in reason


# --- what becomes of a connection when its client does not see it --------------------------------


def telling(app: App, stage: Stage) -> None:
    """Add a note for each connection that has ended, for `GET /notes`."""

    @app.on_disconnect
    def gone(ctx: Context) -> None:
        stage.note("gone")


def refused_and_staying(conversation: Conversation) -> Peer:
    peer = conversation.connect()
    peer.send(b"nonsense\r\n\r\n")
    assert peer.answer().status == 400
    return peer


@case(
    CHAPTER, "own_wire", cuts=False, compare=False, extra=telling, limits={"linger": 5000},
    timeouts={"linger": 100.0},
)  # fmt: skip
def lingering_has_a_limit(conversation: Conversation) -> None:
    """A client that goes on sending after a refusal is read up to a bound, then reset (RFC 9112
    §9.6)."""
    peer = refused_and_staying(conversation)
    peer.send(b"x" * 4900)
    assert not conversation.stage.said
    peer.send(b"x" * 101)
    assert conversation.helper().ask("/notes").body == b"gone"


@case(CHAPTER, "own_wire", cuts=False, extra=telling, timeouts={"linger": 0.3})
def lingering_has_a_deadline(conversation: Conversation) -> None:
    """A client that stays silent after a refusal is disconnected at the deadline."""
    peer = refused_and_staying(conversation)
    conversation.pause(0.4)
    assert conversation.helper().ask("/notes").body == b"gone"
    peer.closed()


@case(
    CHAPTER,
    "own_connections",
    cuts=False,
    compare=False,
    extra=telling,
    timeouts={"write_stall": 0.3},
)
def stalled_reader_is_reset(conversation: Conversation) -> None:
    """A client that stopped reading is reset, so that it does not take a part of the answer for all
    of it."""
    peer = conversation.connect(receive_buffer=4096)
    peer.hold()
    peer.get("/large")
    conversation.pause(0.4)
    assert conversation.helper().ask("/notes").body == b"gone"
    peer.release()
    peer.rest()
    assert peer.transcript.end == "reset"


MUCH = 8_000_000
"""Bytes of an answer: more than a kernel holds for a client that reads slowly."""


def much(app: App, _stage: Stage) -> None:
    @app.post("/much")
    async def answer(ctx: Context) -> bytes:
        return b"x" * MUCH


@case(
    CHAPTER,
    "own_connections",
    cuts=False,
    compare=False,
    extra=much,
    timeouts={"write_stall": 0.5, "linger": 0.3},
)
def slow_reader_is_not_cut_off(conversation: Conversation) -> None:
    """A client that reads slowly and without pause gets its answer whole, also where it is the last
    one, and where our side lingers behind it: what it takes out of the kernel's buffer counts."""
    for fields, body in (
        ("Content-Length: 0", 0),
        ("Content-Length: 0\r\nConnection: close", 0),
        ("Content-Length: 1000000", 1000),
    ):
        peer = conversation.connect(receive_buffer=65536)
        peer.hold()
        peer.send(f"POST /much HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n".encode() + b"x" * body)
        for _ in range(25):
            peer.sip(30_000)
            conversation.pause(0.05)
        if body:
            peer.send(b"x" * body)
        peer.release()
        assert len(peer.answer().body) == MUCH


RATES: dict[str, Any] = {
    "limits": {"body_rate": 1000, "send_rate": 1_000_000},
    "timeouts": {"rate_grace": 0.2, "body": 0.2, "write_stall": 0.2},
    "cuts": False,
    "compare": False,
}


@case(CHAPTER, **RATES)
def body_has_a_minimum_rate(conversation: Conversation) -> None:
    """A body that never stops and never gets anywhere is answered 408."""
    peer = conversation.connect()
    peer.send(b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
    drip(conversation, peer)
    assert peer.answer().status == 408
    peer.closed()


@case(CHAPTER, "own_frames", **RATES)
def message_has_a_minimum_rate(conversation: Conversation) -> None:
    """A message that never stops and never gets anywhere closes with 1008, in one frame or in
    many."""
    for start, piece in (
        (b"\x81\xfe\x03\xe8\0\0\0\0", b"x"),
        (b"\x01\x80\0\0\0\0", b"\x00\x81\0\0\0\0x"),
    ):
        ws = conversation.websocket("/echo")
        ws.peer.send(start)
        drip(conversation, ws.peer, piece)
        assert ws.closed(answer=False) == (1008, "a message came too slowly")


def drip(conversation: Conversation, peer: Peer, piece: bytes = b"x") -> None:
    """Send a small piece again and again, until there is an answer."""
    for _ in range(200):
        if not peer.nothing_yet():
            return
        peer.send(piece)
        conversation.pause(0.02)


@case(CHAPTER, "own_connections", **{**RATES, "extra": much})
def answer_has_a_minimum_rate(conversation: Conversation) -> None:
    """A client that takes less and less of an answer is reset."""
    peer = conversation.connect(receive_buffer=65536)
    peer.hold()
    peer.post("/much", b"")
    for _ in range(20):
        peer.sip(3000)
        conversation.pause(0.05)
    peer.release()
    peer.rest()
    assert peer.transcript.end == "reset"


@case(
    CHAPTER,
    "own_connections",
    "real_sockets",
    "plain_wire",
    config={"linger": 0},
    timeouts={"keep_alive": 0.3},
)
def linger_of_zero_resets(conversation: Conversation) -> None:
    """With SO_LINGER 0 closing is a reset, and what has arrived has arrived.

    Over TLS what has arrived is the close_notify before it, which ends the client's reading in
    order.
    """
    peer = conversation.connect()
    assert peer.ask("/").status == 200
    peer.closed()
    assert peer.transcript.end == "reset"


# --- deadlines -----------------------------------------------------------------------------------


@case(CHAPTER, cuts=False, timeouts={"body": 0.3})
def body_deadline(conversation: Conversation) -> None:
    """A body that does not go on is answered 408, also where the handler streams it (RFC 9110
    §15.5.9)."""
    for target in ("/json", "/length"):
        peer = conversation.connect()
        peer.send(b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n[" % target.encode())
        answer = peer.answer()
        assert answer.status == 408
        assert answer.headers["connection"] == "close"
        peer.closed()


@case(CHAPTER, "own_frames", cuts=False, compare=False, timeouts={"ping": 0.2, "pong": 0.4})
def pings_and_their_pongs(conversation: Conversation) -> None:
    """A quiet client is pinged, and one that does not answer is closed with 1011."""
    ws = conversation.websocket("/echo")
    for _ in range(2):
        ws.peer.send(ws.frame(ws_events.Pong(ws.pinged())))
    assert ws.closed(answer=False) == (1011, "no pong came in time")


@case(CHAPTER, "own_frames", cuts=False, timeouts={"close": 0.3})
def close_that_nobody_answers(conversation: Conversation) -> None:
    """The peer's half of the close handshake has a deadline (RFC 6455 §7.1.1)."""
    ws = conversation.websocket("/goodbye")
    ws.closed(answer=False)


def stoppable(app: App, _stage: Stage) -> None:
    @app.get("/shut-down")
    async def shut_down(ctx: Context) -> str:
        server = ctx.link.host
        assert isinstance(server, ServerCore)
        server.request_shutdown()
        return "draining"


@case(CHAPTER, "own_drain", cuts=False, extra=stoppable, timeouts={"drain": 0.3})
def drain_deadline(conversation: Conversation) -> None:
    """An exchange that still runs when draining has taken too long is aborted."""
    helper, peer = conversation.helper(), conversation.connect()
    peer.get("/wait-stream")
    peer.until(b"first\n\r\n")
    assert helper.ask("/shut-down").status == 200
    peer.closed()
    assert peer.transcript.end == "reset"
