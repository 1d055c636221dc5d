"""Version 1 of the PROXY protocol: one line of text (`proxy-protocol.txt` §2.1)."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address

from anylane.config.networks import unmapped
from anylane.protocol.layers.proxy_header import BadHeader, Found
from anylane.protocol.peer import ProxyInfo

SIGNATURE = b"PROXY "

MAX_LINE = 107
"""Bytes of the longest line, its CRLF included: §2.1 counts them."""

_PORT = r"(0|[1-9][0-9]{0,4})"
_LINE = re.compile(rf"PROXY (TCP4|TCP6) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+) {_PORT} {_PORT}\r\n")


def read(data: bytes) -> Found | None:
    """Return the header, or None while it is not whole. Raise BadHeader."""
    end = data.find(b"\n", 0, MAX_LINE) + 1
    if not end:
        if len(data) >= MAX_LINE:
            raise BadHeader(f"a PROXY line that does not end within {MAX_LINE} bytes")
        return None
    line = data[:end]
    # "A receiver must ignore anything presented before the CRLF" of an unknown protocol.
    if line.endswith(b"\r\n") and line.startswith((b"PROXY UNKNOWN\r", b"PROXY UNKNOWN ")):
        return Found(ProxyInfo(version=1), end)
    match = _LINE.fullmatch(line.decode("latin-1"))
    if match is None:
        raise BadHeader(f"a malformed PROXY line: {line!r}")
    family, source, destination, source_port, destination_port = match.groups()
    kind = IPv4Address if family == "TCP4" else IPv6Address
    try:
        client = str(unmapped(kind(source))), _port(source_port)
        server = str(unmapped(kind(destination))), _port(destination_port)
    except ValueError as exc:
        raise BadHeader(f"a malformed PROXY line: {exc}: {line!r}") from None
    return Found(ProxyInfo(version=1, client=client, server=server), end)


def _port(text: str) -> int:
    if int(text) > 65_535:
        raise ValueError(f"port {text} is over 65535")
    return int(text)
