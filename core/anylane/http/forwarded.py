"""Proxies: the real client of a request, as proxies in front say.

Only X-Forwarded-For and X-Forwarded-Proto are read, and X-Forwarded-Prefix where it is asked for.
Forwarded (RFC 7239) is not: a proxy that writes one of them passes the other one on as the client
sent it, so reading both would mean believing the client. X-Forwarded-Host is not either: a proxy
can pass Host on as it is.

What cannot be read is ignored. Nothing here raises because of what was sent, and nothing is
believed that comes from a peer that is not listed.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from anylane.config.networks import Networks, ProxyHeader, unmapped
from anylane.config.root_path import root_path

if TYPE_CHECKING:
    from anylane.protocol.peer import Address
    from anylane.protocol.request_head import RequestHead


_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
"""What X-Forwarded-Proto may say. For a WebSocket some proxies write its own names."""


class Proxies:
    """The peers whose X-Forwarded fields are believed.

    allowed: addresses and networks in CIDR notation; "unix" for every peer of a unix socket; "*"
        for every peer. Raises ValueError for any other text; the message names it.
    names_root: whether they write X-Forwarded-Prefix.
    """

    __slots__ = ("_believed", "names_root")

    def __init__(self, allowed: Iterable[str], *, names_root: bool = False) -> None:
        self._believed = Networks(allowed)
        self.names_root: bool = names_root

    def client(
        self, peer: Address, head: RequestHead | None, proxy: ProxyHeader | None = None
    ) -> Address:
        """Return (host, port) of the client, or *peer* if no believed proxy names another.

        proxy: the PROXY header that the connection came with (see `Networks.believe`).

        The port is 0 where the proxy names none. Each proxy appends the peer that asked it, so the
        addresses are read from the right. The first one that is not a believed proxy is the last
        one that a believed proxy vouches for, and the answer. "*" believes the peer of this
        connection, not the addresses that it lists.
        """
        found = peer
        if head is not None and self._believed.believe(peer, proxy):
            for text in reversed(_listed(head, b"x-forwarded-for")):
                written = _parse(text)
                if written is None:
                    break  # No believed proxy vouches for what stands to the left of it.
                address, port = written
                found = (str(address), port)
                if address not in self._believed:
                    break
        return found

    def scheme(
        self, peer: Address, head: RequestHead | None, proxy: ProxyHeader | None = None
    ) -> str | None:
        """Return "http" or "https", or None if no believed proxy says which."""
        if head is None or not self._believed.believe(peer, proxy):
            return None
        # The nearest proxy wrote the right-most element. The client may have written the others.
        said = _listed(head, b"x-forwarded-proto")[-1:]
        return _SCHEMES.get(said[0].lower()) if said else None

    def root_path(
        self, peer: Address, head: RequestHead | None, proxy: ProxyHeader | None = None
    ) -> str:
        """Return the prefix that the proxy has taken off, "" if no believed proxy says one."""
        if head is None or not self._believed.believe(peer, proxy):
            return ""
        said = _listed(head, b"x-forwarded-prefix")[-1:]
        try:
            return root_path(said[0]) if said else ""
        except ValueError:
            return ""


def _listed(head: RequestHead, name: bytes) -> list[str]:
    """Return the elements of all headers of that name, in order (RFC 9110 §5.3).

    Empty elements are left out (§5.6.1).
    """
    joined = b",".join(value for key, value in head.headers if key == name)
    stripped = (each.strip(" \t") for each in joined.decode("latin-1").split(","))
    return [each for each in stripped if each]


def _parse(text: str) -> tuple[IPv4Address | IPv6Address, int] | None:
    """Return the address and port in *text*, or None if it holds none.

    Proxies write addresses with a port and without one, and v6 in brackets and without them.
    """
    host, port = text, "0"
    if text.startswith("["):
        host, bracket, behind = text[1:].partition("]")
        if not bracket or (behind and not behind.startswith(":")) or ":" not in host:
            return None
        port = behind[1:] if behind else "0"
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    known = port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) <= 65_535
    # A zone has a meaning on the machine that wrote it only, and any character (RFC 4007 §11).
    if not known or "%" in host:
        return None
    try:
        return unmapped(ip_address(host)), int(port)
    except ValueError:
        return None
