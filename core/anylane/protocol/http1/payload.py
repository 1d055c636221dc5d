"""The body of the request that is read now: when its bytes are taken, and when they have to come.

How large it may be is its route's to say, so a body that says that it is over `Limits.body` waits,
untaken, for its route. What becomes of the bytes is in `body`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from anylane.errors import Refused
from anylane.protocol.exchange import Exchange
from anylane.protocol.http1.body import Body, LengthBody
from anylane.protocol.http1.carrier import ConnectionCarrier
from anylane.protocol.http1.content_length import too_large
from anylane.protocol.http1.states import READING, ReadEvent, Reading, Writing
from anylane.protocol.pace import Pace
from anylane.protocol.request_head import RequestHead
from anylane.protocol.timers import Timer

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_HANDLER = Timer.HANDLER  # A member of an enum takes twice the time of a global to look up.


class PayloadReader(ABC):
    """Half of `Reader`: what comes from the peer behind a request head. All that it writes is a 100
    (Continue) that a client waits for."""

    __slots__ = ("_body", "_conn", "_continue_due", "_discarded", "_exchange", "_handler_timeout",
                 "_held", "_keep_alive", "_limited", "_limits", "_pace", "_paused", "_seconds",
                 "_timeouts", "reading", "writing")  # fmt: skip

    def __init__(self, connection: ConnectionCarrier) -> None:
        self._conn = connection
        self._limits = connection.config.limits
        self._timeouts = connection.config.timeouts
        self._handler_timeout = self._seconds = connection.config.request_timeout
        self.reading: Reading = Reading.IDLE
        self.writing: Writing = Writing.IDLE
        self._held = bytearray()
        self._exchange: Exchange | None = None
        self._body: Body | LengthBody | None = None
        self._limited = False
        self._pace: Pace | None = None
        self._continue_due = False
        self._paused = False
        self._discarded = 0
        self._keep_alive = True

    @abstractmethod
    def _next(self, now: float) -> None:
        """Go on with the next request, or close."""

    @abstractmethod
    def _close(self, now: float) -> None:
        """Close: our side is done, the peer's may not be."""

    @abstractmethod
    def _refuse(self, refused: Refused, now: float) -> None:
        """Answer once, then linger and close: framing is lost, or the peer is too slow."""

    def _read(self, event: ReadEvent) -> None:
        self.reading = READING[self.reading][event]

    def _begin_body(self, body: Body | LengthBody, head: RequestHead, now: float) -> None:
        """Begin with the body of a request, of which some may be here already."""
        self._body = body
        self._limited = False
        self._seconds = self._handler_timeout
        self._paused = body.over
        self._continue_due = head.expects_continue and not (body.over and self._held)
        if self._paused:
            return
        if self._held:
            early = bytes(self._held)
            self._held.clear()
            self._receive_body(early, now)
        elif not self._continue_due:
            self._expect_body(now)

    def _receive_body(self, data: bytes, now: float) -> None:
        body, exchange = self._body, self._exchange
        assert body is not None
        assert exchange is not None
        self._continue_due = False
        try:
            chunks, rest = body.feed(data, self._limits.pieces_per_turn)
        except Refused as refused:
            self._refuse(refused, now)
            return
        if self.reading is Reading.BODY:
            timers = self._conn.timers
            if not exchange.buffered and exchange.interrupt is None and timers.is_set(_HANDLER):
                # Its handler keeps up with an upload that goes on, so it is not what takes long.
                timers.set(_HANDLER, now + self._seconds)
            exchange.push(chunks)
        else:
            self._discarded += len(data) - len(rest)
        if body.over and (self._limited or self.reading is Reading.DROP):
            self._refuse(too_large(None, body.limit), now)
        elif body.complete:
            self._body_end(exchange, body, rest, now)
        elif self._discarded > self._limits.drain_body:
            self._close(now)
        else:
            self._held += rest
            self._paused = body.over or exchange.buffered > self._limits.inbound_high
            self._await_body(now, len(data))

    def _await_body(self, now: float, size: int = 0) -> None:
        """Set when the body goes on: in another turn, or when the peer has sent more, or not before
        its reader has room. size: bytes of it that have come now."""
        timers = self._conn.timers
        if self._paused or self._held:
            timers.clear(Timer.BODY)
            if not self._paused:
                timers.set(Timer.GO_ON, now)
        elif size and self._pace is not None and timers.is_set(Timer.BODY):
            self._pace.moved(size, now)
        else:
            self._expect_body(now)

    def _expect_body(self, now: float) -> None:
        """Begin to wait for the body: it has a deadline for each piece, and a minimum rate."""
        if self._pace is None:
            self._pace = Pace(
                self._conn.timers,
                Timer.BODY,
                rate=self._limits.body_rate,
                grace=self._timeouts.rate_grace,
                pause=self._timeouts.body,
            )
        self._pace.begin(now)

    def _body_end(
        self, exchange: Exchange, body: Body | LengthBody, rest: bytes, now: float
    ) -> None:
        dropped = self.reading is Reading.DROP
        exchange.end_body(body.trailers)
        self._conn.timers.clear(Timer.BODY)
        self._read(ReadEvent.BODY_END)
        self._body = None
        self._held += rest
        if dropped:
            self._next(now)

    def _holds_body(self) -> bool:
        """Whether what is held is of a body, and was not decoded in this turn."""
        return bool(self._held) and self.reading in (Reading.BODY, Reading.DROP)

    def body_wanted(self, now: float) -> None:
        """See `Stream`."""
        exchange = self._exchange
        if exchange is None or self.reading is not Reading.BODY:
            return
        if not self._limited and self.limit_body(self._limits.body, now) is not None:
            return
        if self._continue_due:
            self._continue_due = False
            if self.writing is Writing.PENDING:
                self._conn.send(_CONTINUE)
            self._expect_body(now)
        if self._paused and exchange.buffered <= self._limits.inbound_low:
            self._paused = False
            self._await_body(now)

    def limit_body(self, limit: int, now: float) -> Refused | None:
        """See `Stream`."""
        exchange, body = self._exchange, self._body
        if exchange is None or exchange.head is None:
            return None
        self._limited = True
        if body is not None:
            body.allow(limit)
        size = exchange.head.content_length
        over = (exchange.buffered if size is None else size) > limit
        if not over and (body is None or not body.over):
            return None  # If it has waited for this it goes on when it is wanted.
        refused = too_large(size, limit)
        if self.reading in (Reading.BODY, Reading.DONE):
            self._refuse(refused, now)
        else:  # No more of it comes in any case.
            self._keep_alive = False
            self._held.clear()
            exchange.refuse_body(refused)
        return refused

    def limit_time(self, seconds: float) -> None:
        """See `Stream`."""
        timers = self._conn.timers
        if timers.is_set(_HANDLER):
            timers.set(_HANDLER, timers.at[_HANDLER] - self._handler_timeout + seconds)
            self._seconds = seconds

    def _body_will_end(self) -> bool:
        """Return whether the rest of the request is little enough to be read, and sure to come."""
        if self.reading is not Reading.BODY or self._body is None:
            return True
        if self._body.over or self._continue_due:
            return False
        return (self._body.remaining or 0) <= self._limits.drain_body
