"""BodyIntake: the body of a channel's request, taken up to its mark and its limit.

How large it may be is its route's to say, as for bytes (`http1.payload`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anylane.errors import Refused
from anylane.protocol.http1.content_length import too_large
from anylane.protocol.interfaces import Closing
from anylane.protocol.outgoing import Outgoing
from anylane.protocol.pace import Pace
from anylane.protocol.timers import Timer

if TYPE_CHECKING:
    from anylane.config.server_config import ServerConfig
    from anylane.protocol.exchange import Exchange
    from anylane.protocol.request_head import RequestHead


class BodyIntake(Outgoing):
    """Half of `MessageChannel`: what comes from the client.

    eof: it sends no more.
    """

    __slots__ = ("_body_pace", "_exchange", "_limit", "_limited", "_paused", "_received",
                 "_seconds", "_whole", "eof")  # fmt: skip

    _exchange: Exchange

    def __init__(self, config: ServerConfig, head: RequestHead | None) -> None:
        super().__init__(config)
        self.eof: bool = False
        self._limit = config.limits.body
        self._limited = False
        self._received = 0
        self._whole = False
        self._seconds = config.request_timeout
        self._body_pace: Pace | None = None
        # A client that waits for 100 (Continue) is told to go on when the host is asked for more.
        over = head is not None and (head.content_length or 0) > self._limit
        self._paused = over or (head is not None and head.expects_continue)

    def receive_body(self, data: bytes, now: float, *, more: bool) -> None:
        """Take a piece of the body. more: whether another one follows."""
        exchange = self._exchange
        if exchange.finished or self.closing >= Closing.CLOSE:
            return
        if exchange.body_complete or exchange.body_refused is not None:
            return
        self._received += len(data)
        timers = self.timers
        if not exchange.buffered and exchange.interrupt is None and timers.is_set(Timer.HANDLER):
            # Its handler keeps up with an upload that goes on, so it is not what takes long.
            timers.set(Timer.HANDLER, now + self._seconds)
        if data:
            exchange.push([data])
        self._whole = not more
        over = self._received > self._limit
        if over and self._limited:
            self._refuse(too_large(None, self._limit))
        elif not more:
            timers.clear(Timer.BODY)
            if not over:  # Else its route says whether it is.
                exchange.end_body([])
        self._paused = more and (over or exchange.buffered > self.config.limits.inbound_high)
        if more:
            self._await_body(now, len(data))

    def _await_body(self, now: float, size: int = 0) -> None:
        """Set when the next piece is due, unless none is asked for."""
        if self._paused or self._exchange.body_refused is not None:
            self.timers.clear(Timer.BODY)
        elif size and self._body_pace is not None and self.timers.is_set(Timer.BODY):
            self._body_pace.moved(size, now)
        else:
            self._expect_body(now)

    def _expect_body(self, now: float) -> None:
        if self._body_pace is None:
            limits, timeouts = self.config.limits, self.config.timeouts
            self._body_pace = Pace(
                self.timers,
                Timer.BODY,
                rate=limits.body_rate,
                grace=timeouts.rate_grace,
                pause=timeouts.body,
            )
        self._body_pace.begin(now)

    def _body_late(self, now: float) -> None:
        if self.congested:  # We were the ones that did not read.
            self._expect_body(now)
        else:
            self._refuse(Refused(408, "the request body took too long"))

    def _refuse(self, refused: Refused) -> None:
        self.timers.clear(Timer.BODY)
        self._exchange.refuse_body(refused)

    # -- Stream ------------------------------------------------------------------------------------

    def body_wanted(self, now: float) -> None:
        """See `Stream`."""
        exchange = self._exchange
        if exchange.body_complete or exchange.body_refused is not None:
            return
        if not self._limited and self.limit_body(self.config.limits.body, now) is not None:
            return
        if self._paused and exchange.buffered <= self.config.limits.inbound_low:
            self._paused = False
            self._await_body(now)

    def limit_body(self, limit: int, now: float) -> Refused | None:  # noqa: ARG002  # as Stream
        """See `Stream`."""
        exchange = self._exchange
        if exchange.head is None:
            return None
        self._limit = limit
        self._limited = True
        size = exchange.head.content_length
        if (self._received if size is None else max(size, self._received)) <= limit:
            if self._whole and not exchange.body_complete:
                exchange.end_body([])
            return None
        refused = too_large(size, limit)
        self._refuse(refused)
        return refused

    def limit_time(self, seconds: float) -> None:
        """See `Stream`."""
        timers = self.timers
        if timers.is_set(Timer.HANDLER):
            begun = timers.at[Timer.HANDLER] - self.config.request_timeout
            timers.set(Timer.HANDLER, begun + seconds)
            self._seconds = seconds

    @property
    def _body_will_end(self) -> bool:
        """Whether the rest of the request is little enough to be read, and sure to come."""
        exchange, head = self._exchange, self._exchange.head
        if exchange.body_complete:
            return head is not None  # A refused one may still send.
        if head is None or exchange.body_refused is not None:
            return False
        if head.expects_continue and self._paused and not self._received:
            return False  # Its client was not told to go on.
        size = head.content_length or 0
        if max(size, self._received) > self._limit:
            return False
        return size - self._received <= self.config.limits.drain_body
