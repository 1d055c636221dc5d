"""Raw: bytes of no protocol of ours, after a 101 or a CONNECT (RFC 9110 §7.8, §9.3.6)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from anylane.protocol.interfaces import Carrier, Closing

if TYPE_CHECKING:
    from anylane.errors import Disconnected
    from anylane.protocol.exchange import Exchange
    from anylane.protocol.timers import Timer


class RawProtocol:
    """Both sides of it: what the connection speaks, and the session of its exchange."""

    __slots__ = ("_carrier", "_chunks", "_discarded", "_ended", "_exchange", "_finished", "_held",
                 "_over", "_paused", "received")  # fmt: skip

    def __init__(self, carrier: Carrier, exchange: Exchange) -> None:
        self._carrier = carrier
        self._exchange = exchange
        self._chunks: deque[bytes] = deque()
        self.received: int = 0
        self._held = 0
        self._ended = False
        self._paused = False
        self._over = False
        self._finished = False
        self._discarded = 0

    # -- what the connection hears -----------------------------------------------------------

    @property
    def wants_read(self) -> bool:
        return self._over or not self._paused

    def receive_data(self, data: bytes, now: float) -> None:  # noqa: ARG002  # as InnerProtocol
        limits = self._carrier.config.limits
        if self._over:
            self._discarded += len(data)
            if self._discarded > limits.linger:
                self._carrier.close(Closing.ABORT)
            return
        self._chunks.append(data)
        self._held += len(data)
        self.received += len(data)
        self._exchange.news = True
        self._paused = self._held > limits.inbound_high

    def receive_eof(self, now: float) -> None:  # noqa: ARG002  # as InnerProtocol
        self._ended = True
        self._exchange.half_close()
        if self._over:
            self._carrier.close(Closing.CLOSE)

    def peer_left(self, now: float) -> None:  # noqa: ARG002  # as InnerProtocol
        if not self._exchange.half_closed:
            self._exchange.half_close()

    def connection_lost(self, reason: Disconnected) -> None:
        self._exchange.lose(reason)

    def timeout(self, timer: Timer, now: float) -> None:
        """Do nothing: it has no deadlines of its own."""

    def sent(self, now: float) -> None:
        """Do nothing: nothing waits for that here."""

    def eased(self, now: float) -> None:
        """Do nothing: the handler waits for that by itself."""

    def shutdown(self, now: float) -> None:
        """Say nothing in a protocol that we do not know; the DRAIN deadline comes."""

    # -- what the handler asks -----------------------------------------------------------------

    def read(self, now: float) -> bytes | None:  # noqa: ARG002  # as RawSession
        """Return what has come, b"" at the end, None when there is nothing yet."""
        if not self._chunks:
            return b"" if self._ended else None
        chunk = self._chunks.popleft()
        self._held -= len(chunk)
        if self._held <= self._carrier.config.limits.inbound_low:
            self._paused = False
        return chunk

    def send(self, data: bytes) -> None:
        """Queue bytes; they are dropped once our side has ended."""
        if not self._over:
            self._carrier.send(data)
            self._exchange.sent += len(data)

    def finish(self, now: float) -> None:
        """End our side. What the peer still sends is thrown away, up to `Limits.linger`."""
        if not self._finished:
            self._finished = self._over = True
            self._chunks.clear()
            self._carrier.linger(now)
