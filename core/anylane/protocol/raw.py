"""Raw: bytes of no protocol of ours, after a 101 or a CONNECT (RFC 9110 §7.8, §9.3.6).

Input is what the exchange's `read` gives, output is what its `send_data` takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, NoReturn

from anylane.errors import Disconnected, UsageError
from anylane.protocol.exchange import Exchange
from anylane.protocol.fields import Header
from anylane.protocol.interfaces import Closing
from anylane.protocol.sse import EventStreamProtocol
from anylane.protocol.timers import Timer
from anylane.protocol.websocket.session import WebSocketProtocol

if TYPE_CHECKING:
    from anylane.protocol.connection import Connection


class Raw:
    """Both sides of it: what the connection speaks, and the stream of its exchange."""

    __slots__ = ("_conn", "_discarded", "_exchange", "_over", "_paused")

    def __init__(self, connection: Connection, exchange: Exchange) -> None:
        self._conn = connection
        self._exchange = exchange
        self._paused = False
        self._over = False
        self._discarded = 0
        exchange.body_complete = False

    # -- what the connection hears -----------------------------------------------------------

    @property
    def wants_read(self) -> bool:
        return self._over or not self._paused

    counts_output: ClassVar[bool] = False

    def receive_data(self, data: bytes, now: float) -> None:  # noqa: ARG002  # as InnerProtocol
        if self._over:
            self._discarded += len(data)
            if self._discarded > self._conn.config.limits.linger:
                self._conn.close(Closing.ABORT)
            return
        self._exchange.push([data])
        self._paused = self._exchange.buffered > self._conn.config.limits.inbound_high

    def receive_eof(self, now: float) -> None:  # noqa: ARG002  # as InnerProtocol
        self._exchange.body_complete = self._exchange.half_closed = True
        if self._over:
            self._conn.close(Closing.CLOSE)

    def connection_lost(self, reason: Disconnected) -> None:
        self._exchange.lose(reason)

    def timeout(self, timer: Timer, now: float) -> None:
        """It has no deadlines of its own."""

    def sent(self, now: float) -> None:
        """Nothing waits for that here."""

    def shutdown(self, now: float) -> None:
        """There is nothing to say in a protocol that we do not know; the DRAIN deadline comes."""

    # -- what the exchange asks ----------------------------------------------------------------

    def body_wanted(self, now: float) -> None:  # noqa: ARG002  # as Stream
        if self._exchange.buffered <= self._conn.config.limits.inbound_low:
            self._paused = False

    def send_data(self, data: bytes) -> None:
        if not self._over:
            self._conn.send(data)

    def send_end(self, trailers: Iterable[Header]) -> None:  # noqa: ARG002  # as Stream
        """We send no more; what the peer still sends is thrown away, up to a bound."""
        self._over = True

    def finish(self, now: float) -> None:
        self._over = True
        self._conn.linger(now)

    def _refuse(self) -> NoReturn:
        raise UsageError("the connection was taken over: there is no response any more")

    def send_informational(self, status: int, headers: Iterable[Header]) -> None:  # noqa: ARG002
        self._refuse()

    def send_head(
        self,
        status: int,  # noqa: ARG002
        headers: Iterable[Header],  # noqa: ARG002
        length: int | None,  # noqa: ARG002
    ) -> None:
        self._refuse()

    def conclude(
        self,
        status: int,  # noqa: ARG002
        headers: Sequence[Header],  # noqa: ARG002
        body: bytes,  # noqa: ARG002
        now: float,  # noqa: ARG002
    ) -> bool:
        self._refuse()

    def begin_events(
        self,
        *,
        retry: int | None,  # noqa: ARG002
        heartbeat: float | None,  # noqa: ARG002
        now: float,  # noqa: ARG002
    ) -> EventStreamProtocol:
        self._refuse()

    def accept(
        self,
        headers: Iterable[Header],  # noqa: ARG002
        subprotocol: str | None,  # noqa: ARG002
        now: float,  # noqa: ARG002
    ) -> WebSocketProtocol:
        self._refuse()

    def take_over(self, headers: Iterable[Header], now: float) -> Raw:  # noqa: ARG002
        self._refuse()
