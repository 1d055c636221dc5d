"""Entrance: what a driver drives for a new connection, by who comes and what the server speaks.

It is a Connection, or a layer around one: TLS, the header of a proxy, or one in the other. A client
for which there is no place gets a `Refusal` in its stead.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from anylane.config.networks import Networks
from anylane.lane.log_ids import log_about
from anylane.log_limit import PROXY, TLS
from anylane.protocol.connection import Connection
from anylane.protocol.dates import Dates
from anylane.protocol.http1.express import Heads
from anylane.protocol.layers.proxied import ProxiedConnection
from anylane.protocol.refusal import Refusal

if TYPE_CHECKING:
    from anylane.config.server_config import ServerConfig
    from anylane.lane.arrivals.places import Places
    from anylane.lane.host import Log
    from anylane.log_limit import LogLimit
    from anylane.protocol.any_connection import AnyConnection
    from anylane.protocol.peer import Address, ProxyInfo


class Wrap(Protocol):
    """Puts the layer of TLS around a connection.

    The hosting code hands it in, because the core speaks no TLS.
    """

    def __call__(
        self,
        make: Callable[[float, Any], AnyConnection],
        *,
        config: ServerConfig,
        now: float,
        peer: Address,
        local: Address,
        log: Log,
        date: Callable[[], bytes],
        refused: bool = False,
    ) -> AnyConnection:
        """Return the layer of a new connection.

        make: makes the connection inside. The layer calls it once, when that can begin, with the
        time in seconds and with what `ctx.request.tls` will be. refused: that one refuses its
        client.
        """
        ...


class Arrival(NamedTuple):
    """A connection as it was accepted, or as a proxy has named its two ends."""

    peer: Address
    """The socket address of the other end."""
    local: Address
    """That of our end."""
    number: int
    """What the log calls it."""


class Entrance:
    """Makes the connections of one server.

    config: its settings. places: who may stay. log_limit: takes what clients get wrong. date:
    gives the value of the Date header. token: gives that many random bytes. wrap: makes the layer
    of TLS, None without it.
    """

    __slots__ = ("_config", "_dates", "_heads", "_log_limit", "_places", "_proxies", "_token",
                 "_wrap")  # fmt: skip

    def __init__(
        self,
        config: ServerConfig,
        places: Places,
        log_limit: LogLimit,
        *,
        date: Callable[[], bytes],
        token: Callable[[int], bytes],
        wrap: Wrap | None,
    ) -> None:
        self._config = config
        self._places = places
        self._log_limit = log_limit
        self._dates = Dates(date)
        self._token = token
        self._wrap = wrap
        self._heads = Heads(config.limits)
        allowed = config.forwarded_allow_ips
        self._proxies = Networks(allowed) if config.proxy_protocol else None

    def connection(self, now: float, arrival: Arrival, tls: Any) -> AnyConnection:
        """Return what a driver drives for a new connection (`ServerCore.new_connection`)."""
        peer, local, number = arrival
        if tls is not None:
            refusal = self._places.refusal(peer, now, plain=False)
            return refusal or self._http(peer, local, now, tls)
        if self._proxies is not None and not self._proxies.allow(peer):
            self._report_header(number, peer, "is none of the proxies in forwarded_allow_ips")
            return Refusal(self._config, peer, now, answers=False)
        refusal = self._places.refusal(peer, now, plain=self._wrap is None)
        if self._proxies is None or (refusal is not None and self._wrap is None):
            return self._with_tls(refusal, now, arrival)
        return ProxiedConnection(
            partial(self._behind_proxy, refusal, arrival),
            config=self._config,
            now=now,
            peer=peer,
            local=local,
            report=partial(self._report_header, number),
            refused=refusal is not None,
        )

    def _behind_proxy(
        self, refusal: Refusal | None, proxy: Arrival, now: float, info: ProxyInfo
    ) -> AnyConnection:
        """Return what is inside the layer that has read a PROXY header. proxy: who sent it."""
        if not info.names_client:
            return self._with_tls(refusal, now, proxy)
        if refusal is None:
            plain = self._wrap is None
            refusal = self._places.refusal_of_named(info.client, proxy.peer, now, plain=plain)
        # What is refused is not counted, so it stays the proxy's.
        client = info.client if refusal is None else proxy.peer
        return self._with_tls(refusal, now, Arrival(client, info.server, proxy.number))

    def _with_tls(self, refusal: Refusal | None, now: float, arrival: Arrival) -> AnyConnection:
        """Return a Connection or this refusal, inside of TLS where that is spoken."""
        peer, local, number = arrival
        if self._wrap is None:
            return refusal or self._http(peer, local, now, None)
        if refusal is not None and refusal.closing:
            return refusal  # Nothing is answered, so no handshake is needed.
        make = partial(self._http, peer, local)
        return self._wrap(
            make if refusal is None else partial(self._refusal, peer),
            config=self._config,
            now=now,
            peer=peer,
            local=local,
            log=partial(log_about, number, self._log_limit, TLS),
            date=self._dates.date,
            refused=refusal is not None,
        )

    def _http(self, peer: Address, local: Address, now: float, tls: Any) -> Connection:
        return Connection(
            self._config,
            now=now,
            peer=peer,
            local=local,
            tls=tls,
            date=self._dates,
            token=self._token,
            heads=self._heads,
        )

    def _refusal(self, peer: Address, now: float, _tls: Any) -> Refusal:
        return Refusal(self._config, peer, now, answers=True)

    def _report_header(self, number: int, peer: Address, what: str) -> None:
        who = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else "a peer of the unix socket"
        line = f"PROXY protocol: closed {who}, which {what}"
        log_about(number, self._log_limit, PROXY, "info", line, None)
