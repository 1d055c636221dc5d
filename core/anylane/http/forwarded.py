"""Proxies: who is believed when it says for whom it asks.

Only X-Forwarded-For and X-Forwarded-Proto are looked at. Not Forwarded (RFC 7239) as well: a proxy
that writes one of them passes the other one on as the client sent it, so to look at both is to
believe the client. Not X-Forwarded-Host: a proxy can pass Host on as it is.

Whatever cannot be read is ignored; nothing here raises because of what was sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from anylane.config.networks import Networks, unmapped

if TYPE_CHECKING:
    from anylane.protocol.peer import Address
    from anylane.protocol.request_head import RequestHead


# For a WebSocket some proxies write its own names.
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


class Proxies:
    """The peers that are believed.

    allowed: addresses and networks in CIDR notation; "unix", who comes through a unix socket; "*",
    whoever connects. Raises ValueError, naming what is none of these.
    """

    __slots__ = ("_believed",)

    def __init__(self, allowed: Iterable[str]) -> None:
        self._believed = Networks(allowed)

    def client(self, peer: Address, head: RequestHead | None) -> Address:
        """(host, port) of the client, port 0 if it is not known; `peer` if there is nobody else.

        Each proxy appends whom it was asked by. So the addresses are read from the right, and the
        first one that is no proxy of ours is the last one that anybody vouches for. "*" believes
        who connects, not everybody who is named.
        """
        found = peer
        if head is not None and self._believed.allow(peer):
            for text in reversed(_listed(head, b"x-forwarded-for")):
                named = _parse(text)
                if named is None:
                    break  # Nobody vouches for what is left of it.
                address, port = named
                found = (str(address), port)
                if address not in self._believed:
                    break
        return found

    def scheme(self, peer: Address, head: RequestHead | None) -> str | None:
        """ "http" or "https"; None where no believed proxy says."""
        if head is None or not self._believed.allow(peer):
            return None
        # The right-most is the nearest proxy's, and so the one that a client cannot have written.
        said = _listed(head, b"x-forwarded-proto")[-1:]
        return _SCHEMES.get(said[0].lower()) if said else None


def _listed(head: RequestHead, name: bytes) -> list[str]:
    """The elements of all headers of that name (RFC 9110 §5.3), without empty ones (§5.6.1)."""
    joined = b",".join(value for key, value in head.headers if key == name)
    stripped = (each.strip(" \t") for each in joined.decode("latin-1").split(","))
    return [each for each in stripped if each]


def _parse(text: str) -> tuple[IPv4Address | IPv6Address, int] | None:
    """An address as proxies write it: with a port or without, v6 in brackets or without."""
    host, port = text, "0"
    if text.startswith("["):
        host, bracket, behind = text[1:].partition("]")
        if not bracket or (behind and not behind.startswith(":")) or ":" not in host:
            return None
        port = behind[1:] if behind else "0"
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    known = port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) <= 65_535
    # A zone is of the machine that wrote it, and may hold any character (RFC 4007 §11).
    if not known or "%" in host:
        return None
    try:
        return unmapped(ip_address(host)), int(port)
    except ValueError:
        return None
