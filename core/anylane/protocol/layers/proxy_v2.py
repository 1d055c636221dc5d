"""Version 2 of the PROXY protocol: a binary header with attributes (`proxy-protocol.txt` §2.2)."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from anylane.config.networks import unmapped
from anylane.protocol.layers.proxy_header import BadHeader, Found
from anylane.protocol.layers.proxy_tlvs import info_of
from anylane.protocol.peer import ProxyInfo

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"

_FIXED = 16
"""Bytes of signature, version and command, family and protocol, and length."""

_LOCAL, _PROXY = 0, 1

_SIZES = {0x00: 0, 0x11: 4, 0x12: 4, 0x21: 16, 0x22: 16, 0x31: 108, 0x32: 108}
"""Family and protocol -> bytes of one address. "Other values are unspecified and must be rejected
as invalid by receivers.\""""

_UNIX = 108


def read(data: bytes, limit: int) -> Found | None:
    """Return the header, or None while it is not whole. Raise BadHeader.

    limit: bytes of it at most, fixed part and attributes together.
    """
    if len(data) < _FIXED:
        return None
    version, command, family = data[12] >> 4, data[12] & 0x0F, data[13]
    size = _FIXED + int.from_bytes(data[14:16], "big")
    if version != 2:
        raise BadHeader(f"a PROXY header of version {version}; expected 1 or 2")
    if command > _PROXY:
        raise BadHeader(f"a PROXY header with the command {command}; expected 0 or 1")
    # For LOCAL a receiver "must discard the protocol block including the family".
    if command == _PROXY and family not in _SIZES:
        raise BadHeader(f"a PROXY header with the unknown family and protocol 0x{family:02x}")
    if size > limit:
        raise BadHeader(f"a PROXY header of {size} bytes; at most {limit} (limits.proxy_header)")
    if len(data) < size:
        return None
    if command == _LOCAL or not _SIZES[family]:
        # The connection is the proxy's own, or it does not know whose: the real addresses count.
        return Found(ProxyInfo(version=2), size)
    return Found(_proxied(data[:size], _SIZES[family]), size)


def _proxied(header: bytes, width: int) -> ProxyInfo:
    source, destination, rest = _FIXED, _FIXED + width, _FIXED + 2 * width
    ports = 0 if width == _UNIX else 4
    if len(header) < rest + ports:
        raise BadHeader(f"a PROXY header of {len(header)} bytes; its addresses need {rest + ports}")
    client: Any
    server: Any
    client, server = header[source:destination], header[destination:rest]
    if width == _UNIX:
        client, server = _path(client), _path(server)
    else:
        client = str(unmapped(ip_address(client))), int.from_bytes(header[rest : rest + 2], "big")
        server = (
            str(unmapped(ip_address(server))),
            int.from_bytes(header[rest + 2 : rest + 4], "big"),
        )
    return info_of(header, rest + ports, client, server)


def _path(padded: bytes) -> str:
    """Return the path of a unix socket, "" for one without a name, as the socket module does."""
    return padded.partition(b"\x00")[0].decode("utf-8", "surrogateescape")
