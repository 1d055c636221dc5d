"""The PROXY protocol: connections whose client a header in front of their first byte names."""

from __future__ import annotations

import json
from ipaddress import ip_address
from typing import Any

from anylane.protocol.layers.crc32c import crc32c
from anylane_conformance.cases import case
from anylane_conformance.contract.requests import named
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.peer import Peer

CHAPTER = "12 framework"

BELIEVED: dict[str, Any] = {
    "proxy_protocol": True,
    "forwarded_allow_ips": ("127.0.0.1", "192.0.2.1"),
}
V1 = b"PROXY TCP4 198.51.100.7 203.0.113.1 4711 443\r\n"
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def v2(
    command: int = 1,
    family: int = 0x11,
    block: bytes | None = None,
    attributes: bytes = b"",
    *,
    version: int = 2,
) -> bytes:
    """Return a header of version 2. block: its addresses; those of V1 without it."""
    if block is None:
        block = addresses("198.51.100.7", "203.0.113.1", 4711, 443)
    block += attributes
    size = len(block).to_bytes(2, "big")
    return SIGNATURE + bytes([version << 4 | command, family]) + size + block


def addresses(source: str, destination: str, *ports: int) -> bytes:
    """Return the addresses and ports of a header, packed."""
    hosts = ip_address(source).packed + ip_address(destination).packed
    return hosts + b"".join(port.to_bytes(2, "big") for port in ports)


def tlv(kind: int, value: bytes) -> bytes:
    """Return one attribute."""
    return bytes([kind]) + len(value).to_bytes(2, "big") + value


def checked(header: bytes, at: int) -> bytes:
    """Return a header with its checksum filled in, which begins at that offset."""
    return header[:at] + crc32c(header).to_bytes(4, "big") + header[at + 4 :]


def asked(peer: Peer, path: str = "/named") -> dict[str, Any]:
    """Return what a handler knows of the client."""
    found: dict[str, Any] = json.loads(peer.ask(path).body)
    return found


@case(CHAPTER, "own_connections", extra=named, config=BELIEVED)
def a_proxy_header_names_the_client(conversation: Conversation) -> None:
    """With proxy_protocol the client and our end of its connection are those of the header, in
    either version, for every request of the connection."""
    known = {"client": ["198.51.100.7", 4711], "server": ["203.0.113.1", 443]}
    v6 = addresses("2001:db8::7", "2001:db8::1", 1, 65535)
    known6 = {"client": ["2001:db8::7", 1], "server": ["2001:db8::1", 65535]}
    unix = b"/run/client".ljust(108, b"\x00") + b"/run/server".ljust(108, b"\x00")
    for header, version, expected in (
        (V1, 1, known),
        (b"PROXY TCP6 2001:db8::7 2001:DB8:0::1 1 65535\r\n", 1, known6),
        (v2(), 2, known),
        (v2(family=0x21, block=v6), 2, known6),
        (v2(family=0x31, block=unix), 2, {"client": "/run/client", "server": "/run/server"}),
    ):
        peer = conversation.connect(preface=header)
        for _ in range(2):
            assert asked(peer) == {**expected, "proxied": version}
    ws = conversation.websocket("/named", preface=V1)
    assert json.loads(ws.receive()) == {**known, "proxied": 1}
    assert ws.closed() == (1000, "")


@case(CHAPTER, "own_connections", extra=named, config={**BELIEVED, "proxy_headers": True})
def a_proxy_that_speaks_for_itself(conversation: Conversation) -> None:
    """Where the header says LOCAL or UNKNOWN, or has no addresses, the real ones count, and what
    else it says is passed over. The client is not known, so X-Forwarded-For is not believed."""
    for header, version in (
        (b"PROXY UNKNOWN\r\n", 1),
        (b"PROXY UNKNOWN ffff::1 and whatever\r\n", 1),
        (v2(0, 0, b""), 2),
        (v2(0, 0x7F, b"what is in it is discarded"), 2),
        (v2(1, 0, b"so is this"), 2),
    ):
        peer = conversation.connect(preface=header)
        for said in ((), ("X-Forwarded-For: 192.0.2.66",)):
            assert json.loads(peer.ask("/named", *said).body) == {
                "client": "its own",
                "server": "its own",
                "proxied": version,
            }


@case(CHAPTER, "own_connections", extra=named, config=BELIEVED)
def attributes_of_a_proxy_header(conversation: Conversation) -> None:
    """ALPN, server name, unique id and TLS of a header of version 2 are shown, a checksum is
    verified, and attributes that are not known are skipped."""
    secured = tlv(0x21, b"TLSv1.3") + tlv(0x23, b"TLS_AES_128_GCM_SHA256") + tlv(0x22, b"ann")
    told = b"".join(
        (
            tlv(0x01, b"h2"),
            tlv(0x02, b"shop.example"),
            tlv(0x04, b"padding"),
            tlv(0x05, b"\x00\xffid"),
            tlv(0x20, b"\x03" + bytes(4) + secured),
            tlv(0xEE, b"of another maker"),
        )
    )
    header = v2(attributes=tlv(0x03, bytes(4)) + told)
    peer = conversation.connect(preface=checked(header, 16 + 12 + 3))
    known = {
        "client": ["198.51.100.7", 4711],
        "server": ["203.0.113.1", 443],
        "alpn": "h2",
        "server_name": "shop.example",
        "unique_id": "00ff6964",
    }
    assert asked(peer, "/attributes") == {
        **known,
        "scheme": "https",
        "tls": {
            "version": "TLSv1.3",
            "cipher": "TLS_AES_128_GCM_SHA256",
            "alpn": "h2",
            "server_name": "shop.example",
            "peer_certificate": {"subject": [[["commonName", "ann"]]]},
        },
    }


BAD = (
    b"GET / HTTP/1.1\r\nHost: conformance\r\n\r\n",
    b"PROXY TCP4 198.51.100.7 203.0.113.1 4711 443\n",
    b"PROXY TCP4 198.51.100.7 203.0.113.1 4711 65536\r\n",
    b"PROXY TCP4 198.51.100.7 203.0.113.1 04711 443\r\n",
    b"PROXY TCP4 198.51.100.7  203.0.113.1 4711 443\r\n",
    b"PROXY TCP4 198.51.100.256 203.0.113.1 4711 443\r\n",
    b"PROXY TCP4 2001:db8::7 2001:db8::1 4711 443\r\n",
    b"PROXY TCP6 198.51.100.7 203.0.113.1 4711 443\r\n",
    b"PROXY TCP5 198.51.100.7 203.0.113.1 4711 443\r\n",
    b"PROXY UNKNOWNS\r\n",
    b"PROXY UNKNOWN " + b"x" * 100,
    v2(version=1),
    v2(2),
    v2(1, 0x41),
    v2(1, 0x13),
    v2(block=bytes(11)),
    v2(attributes=b"\x01\x00"),
    v2(attributes=tlv(1, b"h2")[:-1]),
    v2(attributes=tlv(3, b"\x01\x02\x03\x04")),
    v2(attributes=tlv(3, b"\x01\x02\x03")),
    v2(attributes=tlv(5, bytes(129))),
    v2(attributes=tlv(0x20, bytes(4))),
    v2(attributes=tlv(0x20, b"\x01" + bytes(4) + b"\x21\x00\x07TLS")),
    v2(attributes=tlv(4, bytes(4096)))[:20],
)
"""What is no header, or none that may be believed."""


@case(CHAPTER, "own_connections", extra=named, config=BELIEVED, compare=False)
def a_proxy_without_its_header_is_closed(conversation: Conversation) -> None:
    """A port speaks the PROXY protocol or does not: a peer that sends anything else is closed
    without an answer, and the log has a line, of which a flood writes a bounded number."""
    for bad in BAD:
        peer = conversation.bare()
        peer.send(bad)
        assert peer.rest() == b"", bad
    lines = [message for level, message in conversation.log if level == "info"]
    assert 1 <= len(lines) == len(conversation.log) <= len(BAD)
    assert all(line.startswith("PROXY protocol: closed 1") for line in lines[:10])
    assert "which sent no PROXY header but b'G" in lines[0]


@case(
    CHAPTER,
    "own_connections",
    extra=named,
    config={"proxy_protocol": True, "forwarded_allow_ips": ("198.51.100.0/24", "unix")},
    compare=False,
)
def a_peer_that_is_no_proxy_is_closed(conversation: Conversation) -> None:
    """With proxy_protocol a peer that is not in forwarded_allow_ips is closed at once, whatever it
    sends: it could name any client."""
    for header in (b"", V1 + b"GET /named HTTP/1.1\r\nHost: conformance\r\n\r\n"):
        peer = conversation.bare()
        if header:
            peer.send(header)
        assert peer.rest() == b""
    assert all("is none of the proxies" in message for _, message in conversation.log)
    assert len(conversation.log) == 2


@case(
    CHAPTER,
    "own_connections",
    extra=named,
    config=BELIEVED,
    timeouts={"head": 0.3},
    compare=False,
    cuts=False,
)
def a_proxy_header_has_a_deadline(conversation: Conversation) -> None:
    """A header has timeouts.head from accepting on, however it drips; a peer that connects and
    leaves is no fault."""
    look = conversation.bare()
    look.eof()
    look.closed()
    assert conversation.log == []
    silent, slow = conversation.bare(), conversation.bare()
    for byte in V1:
        if not slow.nothing_yet():
            break
        slow.send(bytes([byte]))
        conversation.pause(0.02)
    assert slow.rest() == b""
    assert silent.rest() == b""
    assert [level for level, message in conversation.log if "none in time" in message] == [
        "info",
        "info",
    ]
    assert conversation.helper(preface=V1).ask("/").status == 200


@case(CHAPTER, "own_connections", "own_tls", extra=named, tls="none", config=BELIEVED)
def a_proxy_header_comes_before_the_handshake(conversation: Conversation) -> None:
    """With TLS the header stands in front of the ClientHello, for a proxy that passes TLS on."""
    peer = conversation.connect(preface=v2())
    assert asked(peer)["client"] == ["198.51.100.7", 4711]
    assert asked(peer, "/attributes")["scheme"] == "https"


@case(
    CHAPTER,
    "own_connections",
    "plain_wire",
    extra=named,
    config={**BELIEVED, "max_connections_per_address": 1},
    timeouts={"keep_alive": 60.0},
)
def clients_of_a_proxy_have_their_own_bounds(conversation: Conversation) -> None:
    """With proxy_protocol max_connections_per_address counts the clients that the headers name, and
    never the proxy, which may also speak for itself."""
    ann, bob = (f"PROXY TCP4 198.51.100.{n} 203.0.113.1 1 443\r\n".encode() for n in (1, 2))
    first = conversation.connect(preface=ann)
    assert asked(first)["client"] == ["198.51.100.1", 1]
    beyond = conversation.connect(preface=ann)
    assert beyond.rest() == b""
    for header in (bob, b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN\r\n"):
        assert asked(conversation.connect(preface=header))["proxied"] == 1
    assert asked(first)["proxied"] == 1
    first.eof()
    first.closed()
    assert conversation.steady(lambda: conversation.connections) == 3
    assert asked(conversation.connect(preface=ann))["client"] == ["198.51.100.1", 1]


@case(
    CHAPTER,
    "own_connections",
    extra=named,
    config={**BELIEVED, "forwarded_allow_ips": ("*",), "proxy_headers": True},
)
def whom_a_proxy_header_names_is_not_believed_for_that(conversation: Conversation) -> None:
    """With proxy_headers as well, X-Forwarded-For counts if the client that the header names is a
    proxy in forwarded_allow_ips by its address: "*" stands for peers that connect."""
    peer = conversation.connect(preface=V1)
    answer = peer.ask("/named", "X-Forwarded-For: 192.0.2.66", "X-Forwarded-Proto: https")
    assert json.loads(answer.body)["client"] == ["198.51.100.7", 4711]
