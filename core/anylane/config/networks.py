"""Networks: the peers that a setting allows, by address, by network, or all of a unix socket.

It looks no name up and opens nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Protocol


class ProxyHeader(Protocol):
    """The part of a `ProxyInfo` that is asked here."""

    @property
    def names_client(self) -> bool:
        """Whether it says who the client is."""
        ...


class Networks:
    """A set of peers.

    allowed: addresses and networks in CIDR notation; "unix" for every peer of a unix socket; "*"
        for every peer. Raises ValueError for any other text; the message names it.
    """

    __slots__ = ("_every_peer", "_networks", "_unix")

    def __init__(self, allowed: Iterable[str]) -> None:
        self._every_peer = self._unix = False
        self._networks: list[IPv4Network | IPv6Network] = []
        for text in allowed:
            if text == "*":
                self._every_peer = True
            elif text == "unix":
                self._unix = True
            else:
                self._networks.append(_network(text))

    def allow(self, peer: Any, *, named: bool = False) -> bool:
        """Return whether the peer of a connection is among them.

        peer: as the socket module gives it: (host, port, ...) or the path of a unix socket.
        named: a proxy names it, and it is not the one that has connected. So "*" and "unix", which
        stand for peers that connect, do not stand for it.
        """
        if self._every_peer and not named:
            return True
        if isinstance(peer, str | bytes):
            return self._unix and not named
        try:
            return unmapped(ip_address(str(peer[0]))) in self
        except (ValueError, TypeError, LookupError):
            return False  # A foreign transport may have peers of its own kind.

    def believe(self, peer: Any, proxy: ProxyHeader | None) -> bool:
        """Return whether the client of a connection is among them, so that what it says of others
        is believed.

        peer: the client as far as it is known. proxy: the header of the PROXY protocol that the
        connection came with, None for a connection without one. A header that names no client
        (LOCAL, UNKNOWN) makes the client unknown: the proxy does not say whose bytes it passes on,
        so nothing in them is believed although the peer is the proxy.
        """
        if proxy is None:
            return self.allow(peer)
        return proxy.names_client and self.allow(peer, named=True)

    def __contains__(self, address: IPv4Address | IPv6Address) -> bool:
        """Return whether a listed network holds the address. "*" lists none."""
        return any(address in network for network in self._networks)


def _network(text: str) -> IPv4Network | IPv6Network:
    """Return the network that *text* names. Raise ValueError if it names none."""
    try:
        return ip_network(text)
    except ValueError as exc:
        raise ValueError(
            f'{text!r} ({exc}); expected an address, a network such as "10.0.0.0/8", "unix" or "*"'
        ) from None


def unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the v4 address in a mapped one, and any other address as it is.

    A socket that speaks both families shows v4 peers as `::ffff:192.0.2.1` (RFC 4291 §2.5.5.2).
    """
    return getattr(address, "ipv4_mapped", None) or address
