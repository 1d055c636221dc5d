"""ClientCounts: how many connections each client and each network has, and the bounds on that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import TYPE_CHECKING

from anylane.config.networks import Networks, unmapped

if TYPE_CHECKING:
    from anylane.config.server_config import ServerConfig
    from anylane.protocol.peer import Address

ADDRESS = {4: 32, 6: 64}
"""Bits of a client's address, by version of IP. An IPv6 subnet has 64, and in it a client may take
any number of addresses (RFC 4291 §2.5.1, RFC 8981)."""

NETWORK = {4: 24, 6: 48}
"""Bits of a network's prefix: the longest that is routed everywhere; an IPv6 site has up to 48
(RFC 6177)."""

Key = tuple[str, int, int]
"""The setting, the version of IP, and the leading bits of an address."""


class ClientCounts:
    """The connections of each client and network, in a server that bounds them.

    A peer of a unix socket has no address, and so no bound; nor has a proxy that is believed, for
    behind it are many clients.
    """

    __slots__ = ("_bounds", "_counts", "_proxies")

    def __init__(self, config: ServerConfig) -> None:
        bounds = (
            ("max_connections_per_address", config.max_connections_per_address, ADDRESS),
            ("max_connections_per_network", config.max_connections_per_network, NETWORK),
        )
        self._bounds = {name: (bound, bits) for name, bound, bits in bounds if bound is not None}
        self._counts: Counter[Key] = Counter()
        has_proxies = config.proxy_headers or config.proxy_protocol
        self._proxies = Networks(config.forwarded_allow_ips if has_proxies else ())

    @classmethod
    def of(cls, config: ServerConfig) -> ClientCounts | None:
        """Return the counts for a server, None if it sets no such bound."""
        counts = cls(config)
        return counts if counts._bounds else None

    def reached(self, peer: Address, *, named: bool = False) -> str | None:
        """Return which bound one more connection of this peer would exceed, in words; or None.

        named: a PROXY header names it, as in all of these.
        """
        for key, bound in self._keys(peer, named=named):
            if self._counts[key] >= bound:
                name, version, leading = key
                bits = self._bounds[name][1][version]
                kind, width = (IPv4Network, 32) if version == 4 else (IPv6Network, 128)
                whose = kind((leading << (width - bits), bits))
                return f"{whose} has reached {name} ({bound})"
        return None

    def add(self, peer: Address, *, named: bool = False) -> None:
        """Count one more connection of this peer."""
        self._counts.update(key for key, _ in self._keys(peer, named=named))

    def remove(self, peer: Address, *, named: bool = False) -> None:
        """Count one connection less."""
        for key, _ in self._keys(peer, named=named):
            self._counts[key] -= 1
            if self._counts[key] <= 0:
                del self._counts[key]

    def _keys(self, peer: Address, *, named: bool) -> Iterator[tuple[Key, int]]:
        """Yield what the peer counts for, each with its bound."""
        if not isinstance(peer, tuple) or self._proxies.allow(peer, named=named):
            return
        try:
            address = unmapped(ip_address(str(peer[0])))
        except (ValueError, LookupError):
            return  # A foreign transport may have peers of its own kind.
        for name, (bound, bits) in self._bounds.items():
            leading = int(address) >> (address.max_prefixlen - bits[address.version])
            yield (name, address.version, leading), bound
