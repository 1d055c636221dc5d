"""WebSocket compression: permessage-deflate, agreed upon and bounded. RFC 7692."""

from __future__ import annotations

import zlib

import wsproto.events as ws_events

from anylane import Deflate
from anylane_conformance.cases import case
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.websocket_peer import WebSocketPeer, message_event, raw_frame

CHAPTER = "3 WebSocket compression"

OFFER = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
CONT, TEXT, BINARY, CLOSE, PING = 0, 1, 2, 8, 9
RSV1 = 4
FLUSH = b"\x00\x00\xff\xff"
"""What a sender takes away at the end of a message, and only there."""


def deflated(message: bytes) -> bytes:
    """Return a message as the payload of a compressed frame."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -12)
    return (deflater.compress(message) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]


@case(CHAPTER)
def compressed_echo(conversation: Conversation) -> None:
    """Compression that browsers offer is agreed upon, and messages come back as they are, short
    ones plain."""
    ws = conversation.websocket("/echo", OFFER)
    if conversation.has("own_frames"):
        agreed = "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"
        assert ws.extensions == agreed
    for message in ("hello " * 30, "hello " * 30, "", "żółw 🐢", b"\x00\xff" * 100, b""):
        ws.send(message)
        assert ws.receive() == message
    ws.close()
    assert ws.closed(answer=False) == (1000, "")


@case(CHAPTER, "own_frames", limits={"pieces_per_turn": 2, "inbound_high": 900, "inbound_low": 90})
def frames_of_one_read_keep_their_order(conversation: Conversation) -> None:
    """Frames that came in one read are decoded a few at a time, and are answered as if each had
    come alone: messages that unfold, fragments, pings, and a close frame behind them."""
    ws = conversation.websocket("/echo", OFFER)
    frames, texts = [], []
    for number in range(6):
        texts += [f"{number}" * 600, f"plain {number}", f"in parts {number}"]
        parts = (f"in parts {number}"[at : at + 3].encode() for at in (0, 3, 6, 9))
        first, *middle, last = parts
        frames += [
            raw_frame(TEXT, deflated(texts[-3].encode()), rsv=RSV1),
            raw_frame(TEXT, texts[-2].encode()),
            raw_frame(TEXT, first, fin=False),
            *(raw_frame(CONT, part, fin=False) for part in middle),
            raw_frame(PING, b"%d" % number),
            raw_frame(CONT, last),
        ]
    ws.peer.send(b"".join(frames) + raw_frame(CLOSE, b"\x03\xe8"))
    for text in texts:
        assert ws.receive() == text
    assert [ws.pong() for _ in range(6)] == [b"%d" % number for number in range(6)]
    assert ws.closed(answer=False) == (1000, "")


@case(CHAPTER, "own_frames")
def compressed_on_the_wire(conversation: Conversation) -> None:
    """Messages from the threshold on are deflated, and refer to earlier ones (RFC 7692 §7.2)."""
    peer = conversation.connect()
    WebSocketPeer.open(peer, "/echo", OFFER)
    text = b"the quick brown fox jumps over the lazy dog. " * 3
    sizes = []
    for message in (text, text, text[:127]):
        peer.send(raw_frame(TEXT, deflated(message), rsv=RSV1))
        first, size = peer.exactly(2)
        sizes.append(size if first == 0xC1 else None)
        peer.exactly(size if size < 126 else int.from_bytes(peer.exactly(2), "big"))
    assert sizes[0] is not None
    assert sizes[1] is not None
    assert 3 * sizes[1] < sizes[0] < 70
    assert sizes[2] is None


@case(CHAPTER, "own_frames")
def compressed_fragments(conversation: Conversation) -> None:
    """Only the first frame says that a message is compressed, and control frames never are (RFC
    7692 §6)."""
    ws = conversation.websocket("/echo", OFFER)
    payload = deflated("hęllo".encode())
    ws.peer.send(raw_frame(TEXT, payload[:1], fin=False, rsv=RSV1))
    ws.ping(b"between")
    ws.peer.send(raw_frame(CONT, fin=False) + raw_frame(CONT, payload[1:4], fin=False))
    assert ws.pong() == b"between"
    ws.peer.send(raw_frame(CONT, payload[4:]))
    ws.peer.send(raw_frame(TEXT, deflated(b""), rsv=RSV1))
    assert ws.receive() == "hęllo"
    assert ws.receive() == ""
    ws.close()
    ws.closed(answer=False)


FRESH = Deflate(server_no_context_takeover=True, client_no_context_takeover=True, threshold=1)


@case(CHAPTER, "own_frames", config={"deflate": FRESH})
def without_context_takeover(conversation: Conversation) -> None:
    """Without context takeover each message is compressed by itself, in both directions (RFC 7692
    §7.1.1)."""
    ws = conversation.websocket("/echo", OFFER)
    assert ws.extensions is not None
    assert "server_no_context_takeover; client_no_context_takeover" in ws.extensions
    for _ in range(3):
        ws.send("again and again")
        assert ws.receive() == "again and again"
    ws.close()
    ws.closed(answer=False)


@case(CHAPTER, "own_frames", config={"deflate": Deflate(enabled=False)})
def switched_off(conversation: Conversation) -> None:
    """Compression that the server has switched off is not agreed upon, and RSV1 is then a
    violation."""
    ws = conversation.websocket("/echo", OFFER)
    assert ws.extensions is None
    ws.send("hello")
    assert ws.receive() == "hello"
    ws.peer.send(raw_frame(TEXT, deflated(b"hello"), rsv=RSV1))
    assert ws.closed(answer=False)[0] == 1002


@case(CHAPTER, "own_frames", cuts=False)
def offers_are_met_or_declined(conversation: Conversation) -> None:
    """The first offer that can be met is taken; a malformed header fails the handshake (RFC 7692
    §5.1)."""
    name = "permessage-deflate"
    for offer, answered in {
        f"{name}; unknown, {name}; server_max_window_bits=10": f"{name}; server_max_window_bits=10",
        f"{name}; server_max_window_bits=16": None,
        f"{name}; client_max_window_bits=08": None,
        f"{name}; server_no_context_takeover; server_no_context_takeover": None,
        "permessage-bzip2": None,
    }.items():
        ws = conversation.websocket("/echo", f"Sec-WebSocket-Extensions: {offer}")
        assert ws.extensions == answered, offer
    peer = conversation.connect()
    peer.handshake("/echo", "Sec-WebSocket-Extensions: permessage-deflate;")
    assert peer.answer().status == 400


@case(CHAPTER, "own_frames", limits={"message": 1000}, cuts=False)
def inflate_bomb(conversation: Conversation) -> None:
    """A message that inflates to more than the limit is 1009; what came before it is answered."""
    bombs = {
        "in one frame": raw_frame(BINARY, deflated(bytes(60_000)), rsv=RSV1),
        "one byte over": raw_frame(BINARY, deflated(bytes(1001)), rsv=RSV1),
        "in fragments": raw_frame(BINARY, deflated(bytes(600)) + FLUSH, rsv=RSV1, fin=False)
        + raw_frame(CONT, deflated(bytes(600))),
    }
    for name, bomb in bombs.items():
        ws = conversation.websocket("/answering", OFFER)
        ws.peer.send(raw_frame(BINARY, deflated(bytes(1000)), rsv=RSV1) + bomb)
        assert ws.receive() == bytes(1000), name
        assert ws.closed(answer=False) == (1009, "message is over 1000 bytes"), name
    assert conversation.helper().ask("/").status == 200


@case(CHAPTER, "own_frames", cuts=False)
def compressed_violations(conversation: Conversation) -> None:
    """A message that cannot be inflated, or holds bad UTF-8, is 1007; RSV1 in the wrong place is
    1002."""
    bad = {
        "not deflated": (raw_frame(BINARY, b"\xff\xff\xff", rsv=RSV1), 1007),
        "bad UTF-8": (raw_frame(TEXT, deflated(b"a\xff"), rsv=RSV1), 1007),
        "UTF-8 cut short": (raw_frame(TEXT, deflated(b"\xe2\x82"), rsv=RSV1), 1007),
        "RSV1 on a continuation": (
            raw_frame(TEXT, b"a", fin=False) + raw_frame(CONT, b"b", rsv=RSV1),
            1002,
        ),
        "RSV1 on a ping": (raw_frame(PING, rsv=RSV1), 1002),
        "RSV2": (raw_frame(TEXT, b"a", rsv=2), 1002),
    }
    for name, (frames, code) in bad.items():
        ws = conversation.websocket("/answering", OFFER)
        ws.peer.send(raw_frame(TEXT, b"first") + frames + raw_frame(TEXT, b"never seen"))
        assert ws.receive() == "first", name
        assert ws.closed(answer=False)[0] == code, name


@case(CHAPTER, "own_frames")
def compressed_with_the_handshake(conversation: Conversation) -> None:
    """Compressed frames that came before the handshake was answered are kept, as plain ones are."""
    peer = conversation.connect()
    peer.handshake("/echo", OFFER)
    peer.send(raw_frame(TEXT, deflated(b"early"), rsv=RSV1))
    ws = WebSocketPeer(peer, peer.answer().headers["sec-websocket-extensions"])
    assert ws.receive() == "early"
    ws.peer.send(ws.frame(message_event("later" * 50)))
    assert ws.receive() == "later" * 50
    ws.peer.send(ws.frame(ws_events.CloseConnection(1000)))
    ws.closed(answer=False)
