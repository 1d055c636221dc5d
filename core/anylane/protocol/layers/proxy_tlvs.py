"""The attributes of a PROXY header of version 2: type, length, value (`proxy-protocol.txt` §2.2.1).

Those that say something about the client are kept, and the others are skipped. A checksum is
verified where there is one.
"""

from __future__ import annotations

from collections.abc import Iterator

from anylane.protocol.layers.crc32c import crc32c
from anylane.protocol.layers.proxy_header import BadHeader
from anylane.protocol.peer import Address, ProxyInfo, TlsInfo

ALPN, AUTHORITY, CRC32C, NOOP, UNIQUE_ID, SSL, NETNS = 0x01, 0x02, 0x03, 0x04, 0x05, 0x20, 0x30
SSL_VERSION, SSL_CN, SSL_CIPHER = 0x21, 0x22, 0x23

CLIENT_SSL = 0x01
"""The client speaks TLS to the proxy."""

_CERTIFICATE = 0x02 | 0x04
"""It has shown a certificate, on this connection or earlier in its session."""

MAX_UNIQUE_ID = 128
"""Bytes (§2.2.5)."""


def info_of(header: bytes, at: int, client: Address, server: Address) -> ProxyInfo:
    """Return what a whole header says. at: where its attributes begin. Raise BadHeader."""
    found: dict[int, bytes] = {}
    for kind, begin, value in _split(header, at, len(header)):
        if kind == CRC32C:
            _verify(header, begin, value)
        found.setdefault(kind, value)
    unique_id = found.get(UNIQUE_ID)
    if unique_id is not None and len(unique_id) > MAX_UNIQUE_ID:
        raise BadHeader(f"a PROXY header with a unique id of {len(unique_id)} bytes; at most 128")
    alpn, server_name = _text(found.get(ALPN)), _text(found.get(AUTHORITY))
    return ProxyInfo(
        version=2,
        client=client,
        server=server,
        alpn=alpn,
        server_name=server_name,
        unique_id=unique_id,
        tls=_tls(found[SSL], alpn, server_name) if SSL in found else None,
    )


def _split(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield each attribute: its type, where its value begins, and its value. Raise BadHeader for
    what is not filled by whole ones."""
    while at < end:
        begin = at + 3
        size = int.from_bytes(data[at + 1 : begin], "big")
        if begin + size > end:
            raise BadHeader("a PROXY header with an attribute that is longer than the header")
        yield data[at], begin, data[begin : begin + size]
        at = begin + size


def _verify(header: bytes, at: int, value: bytes) -> None:
    """Verify the checksum of the whole header, which was made with zeros in its place (§2.2.3)."""
    zeroed = header[:at] + bytes(len(value)) + header[at + len(value) :]
    if len(value) != 4 or int.from_bytes(value, "big") != crc32c(zeroed):
        raise BadHeader("a PROXY header whose checksum is wrong")


def _tls(value: bytes, alpn: str | None, server_name: str | None) -> TlsInfo | None:
    """Return what the proxy says of TLS between it and the client (§2.2.6), None without TLS."""
    if len(value) < 5:
        raise BadHeader("a PROXY header with an attribute about TLS that is too short")
    client, verified = value[0], not any(value[1:5])
    found = {kind: each for kind, _, each in _split(value, 5, len(value))}
    if not client & CLIENT_SSL:
        return None
    name = _text(found.get(SSL_CN)) if verified and client & _CERTIFICATE else None
    return TlsInfo(
        version=_text(found.get(SSL_VERSION)) or "",
        cipher=_text(found.get(SSL_CIPHER)) or "",
        alpn=alpn,
        server_name=server_name,
        peer_certificate=None if name is None else {"subject": ((("commonName", name),),)},
    )


def _text(value: bytes | None) -> str | None:
    """Return a text, with what is no UTF-8 escaped: most of these come from the client."""
    return None if value is None else value.decode("utf-8", "backslashreplace")
