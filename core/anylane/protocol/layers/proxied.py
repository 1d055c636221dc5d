"""Proxied: a layer that takes the header of the PROXY protocol off, in front of TLS and HTTP.

A proxy that passes bytes on, and does not speak HTTP, writes one in front of the client's first
byte. From then on the connection is the client's: its address, and ours as the client sees it, are
those of the header.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from anylane.protocol.interfaces import Closing
from anylane.protocol.layers.around import Around
from anylane.protocol.layers.proxy_header import BadHeader
from anylane.protocol.layers.proxy_reader import read_header
from anylane.protocol.timers import NEVER, Timer

if TYPE_CHECKING:
    from anylane.config.server_config import ServerConfig
    from anylane.protocol.any_connection import AnyConnection
    from anylane.protocol.peer import Address, ProxyInfo, TlsInfo

Make = Callable[["float", "ProxyInfo"], "AnyConnection"]
"""Makes the connection inside, from the time in seconds and what the header says."""


class ProxiedConnection(Around):
    """A layer around one connection, with the same members (see `Connection`).

    make: makes the connection inside, once the header has come. peer, local: socket addresses, the
    proxy's and ours. report: takes what was wrong, for the log.

    The header has `Timeouts.head` seconds, from accepting. proxy: what it says, None before.
    """

    __slots__ = ("_local", "_make", "_peer", "_read", "_report", "proxy")

    def __init__(
        self,
        make: Make,
        *,
        config: ServerConfig,
        now: float,
        peer: Address,
        local: Address,
        report: Callable[[Address, str], None],
        refused: bool = False,
    ) -> None:
        super().__init__(config, refused=refused)
        self._make = make
        self._peer = peer
        self._local = local
        self._report = report
        self._read = b""
        self.proxy: ProxyInfo | None = None
        self._timers.set(Timer.HEAD, now + config.timeouts.head)

    @property
    def peer(self) -> Address:
        """Return the client, once it is known; the proxy before."""
        return self._peer if self._inner is None else self._inner.peer

    @property
    def local(self) -> Address:
        """Return our end as the client sees it, once that is known."""
        return self._local if self._inner is None else self._inner.local

    @property
    def tls(self) -> TlsInfo | None:
        """Return what a TLS layer inside knows."""
        found: TlsInfo | None = None if self._inner is None else self._inner.tls
        return found

    # -- inputs

    def receive_data(self, data: bytes, now: float) -> None:
        if self._inner is not None:
            self._inner.receive_data(data, now)
        elif self._closing < Closing.CLOSE:
            self._read += data
            self._look(now)

    def receive_eof(self, now: float) -> None:
        if self._inner is not None:
            self._inner.receive_eof(now)
        elif self._closing < Closing.CLOSE:
            if self._read:  # Without a byte it is a load balancer that looks for life.
                self._report(self._peer, f"left in the middle of it, after {self._read[:40]!r}")
            self._leave()

    def peer_left(self, now: float) -> None:
        if self._inner is not None:
            self._inner.peer_left(now)

    def handle_timeout(self, now: float) -> None:
        if self._timers.take_due(now) is not None:
            self._report(self._peer, f"sent none in time; it has sent {self._read[:40]!r}")
            self._close(Closing.ABORT)
        if self._inner is not None:
            self._inner.handle_timeout(now)

    def _look(self, now: float) -> None:
        """Look whether the header is whole, and give what is behind it to the connection inside."""
        try:
            found = read_header(self._read, self.config.limits.proxy_header)
        except BadHeader as exc:
            self._report(self._peer, f"sent {exc}")
            self._leave()
            return
        if found is None:
            return
        self._timers.clear_all()
        rest, self._read = self._read[found.size :], b""
        info = replace(found.info, address=self._peer)
        inner = self._inner = self._make(now, info)
        if not inner.refused:  # What is refused stays the proxy's, and was counted nowhere.
            self.proxy = info
        if rest:
            inner.receive_data(rest, now)

    # -- outputs

    def data_to_send(self) -> list[bytes]:
        return [] if self._inner is None else self._inner.data_to_send()

    @property
    def queued(self) -> int:
        return 0 if self._inner is None else self._inner.queued

    @property
    def wants_read(self) -> bool:
        return self._closing < Closing.CLOSE if self._inner is None else self._inner.wants_read

    @property
    def idle(self) -> bool:
        return self._inner is not None and self._inner.idle

    @property
    def idle_since(self) -> float:
        """Return since when. A part of the header is under way to be a request."""
        if self._inner is not None:
            return self._inner.idle_since
        if self._read or self._closing:
            return NEVER
        return self._timers.at[Timer.HEAD] - self.config.timeouts.head
