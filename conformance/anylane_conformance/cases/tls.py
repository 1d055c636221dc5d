"""TLS: the same conversations, and what only TLS has. The server's layer is one for all lanes."""

from __future__ import annotations

import json
from typing import Any

from anylane_conformance.cases import case
from anylane_conformance.contract.stage import BLOB, KERNEL
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.peer import Peer
from anylane_conformance.harness.websocket_peer import message_event
from anylane_conformance.harness.wires import TlsPeer

CHAPTER = "10 TLS"
SMALL = {"inbound_high": 20_000, "inbound_low": 4_000}
"""Marks far below one read of a socket, so that decrypted input has to be held."""


@case(CHAPTER, "own_tls", tls="none")
def json_over_tls(conversation: Conversation) -> None:
    """Requests follow each other on one connection, and the handler sees that it is https."""
    peer = conversation.connect()
    for _ in range(2):
        assert peer.ask("/").body == b'{"message":"Hello, World!"}'
        peer.post("/json", b'{"a": [1, 2]}')
        assert peer.answer().body == b'{"a":[1,2]}'
    assert seen(peer) == {
        "scheme": "https",
        "version": "TLSv1.3",
        "cipher": True,
        "alpn": None,
        "server_name": "localhost",
        "client": None,
    }


@case(CHAPTER, "own_tls", tls="none", cuts=False)
def alpn_is_agreed_upon(conversation: Conversation) -> None:
    """HTTP/1.1 is chosen of the protocols that a client offers; a client without an offer is served
    too (RFC 7301 §3.2)."""
    assert seen(conversation.connect(alpn=("h2", "http/1.1")))["alpn"] == "http/1.1"
    assert seen(conversation.connect())["alpn"] is None


@case(CHAPTER, "own_tls", tls="none")
def websocket_over_tls(conversation: Conversation) -> None:
    """Messages, pings and the close handshake work over wss (RFC 6455 §10.6)."""
    ws = conversation.websocket("/echo")
    for message in ("text", b"binary", "x" * 200):
        ws.send(message)
        assert ws.receive() == message
    ws.ping(b"p")
    assert ws.pong() == b"p"
    ws.close(1000)
    assert ws.closed(answer=False) == (1000, "")


@case(CHAPTER, tls="none", cuts=False)
def slow_reader_over_tls_is_waited_for(conversation: Conversation) -> None:
    """A handler that sends 20 MB waits for a client that does not read: ciphertext counts toward
    the mark."""
    peer = conversation.connect(receive_buffer=65536)
    peer.hold()
    peer.get("/large")
    ahead = conversation.steady(lambda: conversation.stage.produced)
    conversation.measure("bytes produced over TLS for a client that reads nothing", ahead)
    assert ahead <= KERNEL, f"{ahead} bytes were produced for a client that reads nothing"
    peer.release()
    assert len(peer.answer().body) == BLOB
    assert peer.ask("/").status == 200


@case(CHAPTER, tls="none", limits=SMALL, cuts=False)
def held_upload_goes_on_without_new_input(conversation: Conversation) -> None:
    """A body that was decrypted but held, because its handler reads late, is delivered although no
    further byte comes from the client."""
    peer = conversation.connect()
    helper = conversation.helper()
    for _ in range(2):
        peer.post("/upload-later", b"x" * 200_000)
        assert helper.ask("/notes").body == b"waiting"
        conversation.pause(0.1)
        assert helper.ask("/send/go").status == 200
        assert peer.answer().body == b'{"length":200000}'


@case(CHAPTER, "own_tls", tls="none", limits=SMALL, cuts=False)
def held_messages_go_on_without_new_input(conversation: Conversation) -> None:
    """Messages that were decrypted but held are delivered although no further byte comes from the
    client."""
    ws = conversation.websocket("/receive-later")
    helper = conversation.helper()
    assert helper.ask("/notes").body == b"waiting"
    ws.peer.send(b"".join(ws.frame(message_event(text)) for text in ["x" * 4000] * 50 + [""]))
    conversation.pause(0.1)
    assert helper.ask("/send/go").status == 200
    assert ws.receive() == "received 200000"
    assert ws.closed() == (1000, "")


@case(CHAPTER, "own_tls", tls="required", cuts=False)
def client_certificate_is_required(conversation: Conversation) -> None:
    """The handler knows the certificate of a client; a client without one is refused with an
    alert."""
    assert (
        seen(conversation.connect(certificate=True))["client"]
        == "a client of the conformance suite"
    )
    stranger = conversation.connect()
    assert isinstance(stranger, TlsPeer)
    # In TLS 1.3 the client is done before the server has looked at its certificate.
    stranger.get("/tls")
    assert stranger.rest() == b""
    assert stranger.alert == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    assert_logged_once(conversation, "peer did not return a certificate")


@case(CHAPTER, "own_tls", tls="optional", cuts=False)
def client_certificate_is_optional(conversation: Conversation) -> None:
    """A client is asked for a certificate and served without one."""
    assert (
        seen(conversation.connect(certificate=True))["client"]
        == "a client of the conformance suite"
    )
    assert seen(conversation.connect())["client"] is None


@case(CHAPTER, "own_tls", tls="none")
def close_notify_is_a_half_close(conversation: Conversation) -> None:
    """A close_notify ends one direction only: the answer still comes, and then our own (RFC 8446
    §6.1)."""
    peer = conversation.connect()
    peer.get("/late")
    peer.eof()
    assert peer.answer().body == b"half-closed: True"
    peer.closed()
    assert peer.transcript.end == "eof"


@case(CHAPTER, tls="none", cuts=False)
def truncated_close_is_a_loss(conversation: Conversation) -> None:
    """The end of TCP without a close_notify may be an attacker's: the client counts as gone (RFC
    8446 §6.1)."""
    helper = conversation.helper()
    peer = conversation.connect()
    assert isinstance(peer, TlsPeer)
    peer.get("/wait")
    assert helper.ask("/notes").body == b"waiting"
    peer.cut_short()
    assert helper.ask("/notes").body == b"disconnected"


@case(CHAPTER, "own_tls", tls="none")
def refusal_over_tls_reaches_the_client(conversation: Conversation) -> None:
    """A refusal is followed by a close_notify and the end, although the client goes on sending."""
    peer = conversation.connect()
    peer.send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + b"x" * 100)
    assert peer.answer().status == 400
    peer.closed()
    assert peer.transcript.end == "eof"


@case(CHAPTER, "own_tls", tls="none", cuts=False)
def hostile_handshakes_disturb_nobody(conversation: Conversation) -> None:
    """Garbage, cut, damaged and oversized hellos are ended and logged in one line each at most, and
    other clients are served."""
    from anylane_conformance.harness import certificates

    hello = certificates.hello()
    neighbour = conversation.connect()
    for bad in (
        b"\x00" * 1000,
        b"\x80\x2e\x01\x00\x02" + b"\x00" * 44,  # SSL 2
        b"\x16\x03\x01\xff\xff" + b"\x00" * 70_000,  # a record that is too long
        hello[:5] + b"\xff" * (len(hello) - 5),
        hello.replace(b"localhost", b"local\xff\xfe\x00\x01"),
        hello + b"\x16\x03\x03\x40\x00" + b"\x00" * 16384,
        b"\x15\x03\x01\x00\x02\x02\x28",  # an alert first of all
        hello[:200],
        b"\x16",
    ):
        before = len(conversation.log)
        peer = conversation.bare()
        peer.send(bad)
        peer.eof()
        peer.rest()
        assert neighbour.ask("/").status == 200
        assert len(conversation.log) <= before + 1, conversation.log[before:]
    for size in (0, 1, 100, len(hello)):
        peer = conversation.bare()
        peer.send(hello[:size])
        peer.reset()
    assert seen(conversation.connect())["scheme"] == "https"
    assert {level for level, _ in conversation.log} == {"info"}


@case(CHAPTER, "own_tls", tls="none", cuts=False)
def damaged_record_ends_the_session(conversation: Conversation) -> None:
    """Bytes that the client has not encrypted are never delivered; the handler learns of the
    loss."""
    helper = conversation.helper()
    peer = conversation.connect()
    assert isinstance(peer, TlsPeer)
    peer.get("/wait")
    assert helper.ask("/notes").body == b"waiting"
    peer.wire.send(b"\x17\x03\x03\x00\x20" + b"\x00" * 32)
    assert helper.ask("/notes").body == b"disconnected"
    assert peer.rest() == b""
    assert peer.alert is not None
    assert "BAD_RECORD_MAC" in peer.alert


@case(CHAPTER, "own_tls", tls="none", timeouts={"tls_handshake": 0.3}, cuts=False)
def handshake_has_a_deadline(conversation: Conversation) -> None:
    """A client that is slow with its handshake holds its connection only until the deadline."""
    from anylane_conformance.harness import certificates

    silent, slow = conversation.bare(), conversation.bare()
    for byte in certificates.hello()[:300]:
        if not slow.nothing_yet():
            break
        slow.send(bytes([byte]))
        conversation.pause(0.02)
    assert slow.rest() == b""
    assert silent.rest() == b""
    assert conversation.helper().ask("/").status == 200
    assert [level for level, message in conversation.log if "took too long" in message] == [
        "info"
    ] * 2


@case(CHAPTER, "own_tls", tls="none")
def plain_http_to_the_tls_port(conversation: Conversation) -> None:
    """A client that speaks plain HTTP to the TLS port is told so in plain HTTP, and the log has one
    line."""
    peer = conversation.bare()
    peer.get("/")
    answer = peer.answer()
    assert answer.status == 400
    assert b"https" in answer.body
    peer.closed()
    assert_logged_once(conversation, "not TLS but plain text")


def seen(peer: Peer) -> dict[str, Any]:
    """Return what the handler sees of the session."""
    found: dict[str, Any] = json.loads(peer.ask("/tls").body)
    return found


def assert_logged_once(conversation: Conversation, text: str) -> None:
    assert [text in message for _, message in conversation.log] == [True], conversation.log
