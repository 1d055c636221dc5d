"""The peer's half of an HTTP/1.1 connection: where a request head ends, and where its body does.

h11 decides (through `grammar` and `body`); in front of it stands the express lane. What may happen
when is in the READING table of `states`. Our half is `machine`'s: this file never writes, but for a
100 (Continue) that a client waits for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Protocol

from anylane.errors import Disconnected, Refused, UsageError
from anylane.protocol.dates import Dates
from anylane.protocol.exchange import Exchange
from anylane.protocol.fields import Header
from anylane.protocol.http1.body import Body, LengthBody
from anylane.protocol.http1.express import Express, Heads
from anylane.protocol.http1.grammar import check_incomplete, parse_head
from anylane.protocol.http1.states import READING, ReadEvent, Reading, Writing
from anylane.protocol.http1.switching import switching_head
from anylane.protocol.interfaces import Carrier, Closing, InnerProtocol
from anylane.protocol.pace import Pace
from anylane.protocol.request_head import RequestHead
from anylane.protocol.timers import Timer
from anylane.protocol.websocket.handshake import accept_headers, read_handshake

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

# What every request asks for: a member of an enum takes twice the time of a global to look up.
_IDLE, _DONE = Reading.IDLE, Reading.DONE
_KEEP_ALIVE, _HANDLER = Timer.KEEP_ALIVE, Timer.HANDLER


class ConnectionCarrier(Carrier, Protocol):
    """A carrier that is a whole connection: what HTTP/1.1 asks of it besides.

    eof: the peer sends no more. draining: the server shuts down. idle: between two requests, with
    nothing changed that a driver looks at. waiting: exchanges whose handler has not been started;
    HTTP/1.1 appends to it. read_size: bytes that one read of the socket should give, None where it
    does not matter. heads: what is remembered of other connections' requests.
    """

    dates: Dates
    heads: Heads | None
    eof: bool
    draining: bool
    idle: bool
    read_size: int | None
    waiting: list[Exchange]

    def owes(self, now: float) -> bool:
        """Return whether the peer has not taken all output yet. It has a deadline then."""
        ...

    def switch(self, protocol: InnerProtocol) -> None:
        """Give the peer's bytes to `protocol` from here on (RFC 9110 §7.8)."""


class Reader(ABC):
    """Half of `Http1`: what comes from the peer."""

    __slots__ = ("_body", "_conn", "_continue_due", "_discarded", "_exchange", "_express", "_held",
                 "_keep_alive", "_limits", "_pace", "_paused", "_scanned", "_skipped_crlf",
                 "_timeouts", "reading", "writing")  # fmt: skip

    def __init__(self, connection: ConnectionCarrier) -> None:
        self._conn = connection
        self._limits = connection.config.limits
        self._timeouts = connection.config.timeouts
        self.reading: Reading = Reading.IDLE
        self.writing: Writing = Writing.IDLE
        self._held = bytearray()
        self._scanned = 0
        self._skipped_crlf = False
        self._exchange: Exchange | None = None
        self._express: Express | None = None
        if connection.config.express:
            self._express = Express(self._limits, connection.heads)
        self._body: Body | LengthBody | None = None
        self._pace: Pace | None = None
        self._continue_due = False
        self._paused = False
        self._discarded = 0
        self._keep_alive = True

    # -- our half ------------------------------------------------------------------------------

    @abstractmethod
    def _request(self, head: RequestHead, now: float, before: Timer, body: bytes = b"") -> None:
        """Begin the exchange of a request. before: the timer that ran until here. body: the whole
        of it, if it came with the head."""

    @abstractmethod
    def _reject(self, refused: Refused, now: float) -> None:
        """Begin an exchange that answers what could not be parsed."""

    @abstractmethod
    def _next(self, now: float) -> None:
        """Go on with the next request, or close."""

    @abstractmethod
    def _close(self, now: float) -> None:
        """Close: our side is done, the peer's may not be."""

    def _read(self, event: ReadEvent) -> None:
        self.reading = READING[self.reading][event]

    # -- what the connection hears -----------------------------------------------------------

    @property
    def wants_read(self) -> bool:
        """See `InnerProtocol`."""
        # Congested, as far as it matters: this is asked when what was queued has been given out.
        roomy = self._conn.backlog <= self._conn.high
        match self.reading:
            case Reading.DONE:
                return roomy and len(self._held) < self._limits.pipeline
            case Reading.IDLE | Reading.HEAD:
                return roomy
            case Reading.BODY:
                return roomy and not self._paused and not self._held
            case Reading.DROP:
                return not self._held
            case Reading.DISCARD:
                # Until our answer is out there is no reason to hurry a client that goes on
                # sending; then what it sends is thrown away (`Limits.linger`).
                closing = self._conn.closing is not Closing.NO
                return closing or self._discarded <= self._limits.linger
            case _:
                return True

    def receive_data(self, data: bytes, now: float) -> None:
        """See `InnerProtocol`."""
        if self.reading is _IDLE and not self._held and self._express is not None:
            express = self._express
            # The whole of `express.read` for most requests, without the call.
            found = express.found if data == express.block else express.read(data)
            if found is not None:
                head, size = found
                body = b""
                if size < len(data):
                    end = size + (head.content_length or 0)
                    if size < end <= len(data):
                        body, size = data[size:end], end
                    if size < len(data):
                        self._held += data[size:]
                self._request(head, now, _KEEP_ALIVE, body)
                return
        match self.reading:
            case Reading.IDLE | Reading.HEAD:
                self._held += data
                self._parse(now)
            case Reading.DONE:
                self._held += data
            case Reading.BODY | Reading.DROP if self._held:
                self._held += data
            case Reading.BODY | Reading.DROP:
                self._receive_body(data, now)
            case Reading.DISCARD:
                self._discarded += len(data)
                lingering = self._conn.closing is Closing.SEND_EOF
                if lingering and self._discarded > self._limits.linger:
                    self._conn.close(Closing.ABORT)
            case Reading.SWITCHED | Reading.CLOSED:
                pass

    def receive_eof(self, now: float) -> None:
        """See `InnerProtocol`."""
        exchange = self._exchange
        match self.reading:
            case Reading.BODY | Reading.DROP if self._held:
                return  # It comes behind what is held.
            case Reading.HEAD:
                self._refuse(Refused(400, "the request head is cut short", bytes(self._held)), now)
            case Reading.BODY:
                self._conn.timers.clear(Timer.BODY)
                self._keep_alive = False
                if exchange is not None:
                    exchange.refuse_body(Refused(400, "the request body is cut short"))
            case Reading.DROP:
                self._conn.close(Closing.CLOSE)
            case _:
                pass
        if not (self.reading is Reading.DONE and self._held):
            self._read(ReadEvent.END_OF_INPUT)
        if self._conn.closing is Closing.SEND_EOF or self.writing is Writing.IDLE:
            self._conn.close(Closing.CLOSE)
        self._half_close()

    def peer_left(self, now: float) -> None:  # noqa: ARG002  # as InnerProtocol
        """See `InnerProtocol`. It means what the end of input means, but for what is unread."""
        if self._exchange is not None and not self._exchange.half_closed:
            self._half_close()

    def _half_close(self) -> None:
        exchange = self._exchange
        if exchange is not None:
            exchange.half_close()
            if self.writing is Writing.BODY:
                exchange.lose(Disconnected(None, "the client closed during the response"))

    def eased(self, now: float) -> None:
        """See `InnerProtocol`. Requests that waited for room have their turn; and the peer's time
        counts anew, for it was not read."""
        timers = self._conn.timers
        if self._waits_for_room:
            timers.set(Timer.GO_ON, now)
        elif self.reading is Reading.BODY and timers.is_set(Timer.BODY):
            self._expect_body(now)

    def _go_on(self, now: float) -> None:
        """Go on with what is held: with the next request, or with the body of this one."""
        if self._waits_for_room:
            self._next(now)
        elif self._holds_body() and not (self._paused and self.reading is Reading.BODY):
            held = bytes(self._held)
            self._held.clear()
            self._receive_body(held, now)
            if self._conn.eof and not self._holds_body():
                self.receive_eof(now)

    def _holds_body(self) -> bool:
        """Whether what is held is of a body, and was not decoded in this turn."""
        return bool(self._held) and self.reading in (Reading.BODY, Reading.DROP)

    @property
    def _waits_for_room(self) -> bool:
        """Whether a request is held although the one before it is over: output was congested."""
        return self._exchange is None and self.writing is Writing.DONE

    def _late(self, timer: Timer, now: float) -> None:
        """Refuse what did not come in time; give it more if we were the ones that did not read."""
        if self.reading is Reading.BODY and self._conn.congested:
            self._expect_body(now)
        elif timer is Timer.HEAD and self._conn.draining:
            self._close(now)
        else:
            part = "head" if timer is Timer.HEAD else "body"
            self._refuse(Refused(408, f"the request {part} took too long"), now)

    # -- requests ------------------------------------------------------------------------------

    def _parse(self, now: float) -> None:
        held = self._held
        timers = self._conn.timers
        if self.reading is Reading.IDLE:
            found = self._express.read(held) if self._express is not None else None
            if found is not None:
                head, size = found
                del held[:size]
                self._request(head, now, _KEEP_ALIVE)
                return
            # RFC 9112 §2.2: ignore at least one empty line before a request line.
            if not self._skipped_crlf and held[:2] == b"\r\n":
                del held[:2]
                self._skipped_crlf = True
            if not held or (held == b"\r" and not self._skipped_crlf):
                return
            self._read(ReadEvent.FIRST_BYTE)
            self._scanned = 0
            timers.clear(Timer.KEEP_ALIVE)
            timers.set(Timer.HEAD, now + self._timeouts.head)
        end = held.find(b"\r\n\r\n", max(0, self._scanned - 3))
        try:
            if end < 0:
                check_incomplete(held, self._scanned, self._limits)
                self._scanned = len(held)
                return
            block = bytes(held[: end + 4])
            del held[: end + 4]
            head = parse_head(block, self._limits)
        except Refused as refused:
            self._refuse(refused, now)
            return
        self._request(head, now, Timer.HEAD)

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
                timers.set(_HANDLER, now + self._conn.config.request_timeout)
            exchange.push(chunks)
        else:
            self._discarded += len(data) - len(rest)
        if body.complete:
            self._body_end(exchange, body, rest, now)
        elif self._discarded > self._limits.drain_body:
            self._close(now)
        else:
            self._held += rest
            self._paused = exchange.buffered > self._limits.inbound_high
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

    def _refuse(self, refused: Refused, now: float) -> None:
        """Answer once, then linger and close: framing is lost, or the peer is too slow."""
        self._keep_alive = False
        self._conn.timers.clear(Timer.HEAD)
        self._conn.timers.clear(Timer.BODY)
        dropped = self.reading is Reading.DROP
        self._held.clear()
        self._discarded = 0
        self._read(ReadEvent.REFUSE)
        if self._exchange is None:
            self._reject(refused, now)
        elif dropped:
            self._close(now)
        else:
            self._exchange.refuse_body(refused)

    # -- what the exchange and our half ask ----------------------------------------------------

    def body_wanted(self, now: float) -> None:
        """See `Stream`."""
        exchange = self._exchange
        if exchange is None or self.reading is not Reading.BODY:
            return
        if self._continue_due:
            self._continue_due = False
            if self.writing is Writing.PENDING:
                self._conn.send(_CONTINUE)
            self._expect_body(now)
        if self._paused and exchange.buffered <= self._limits.inbound_low:
            self._paused = False
            self._await_body(now)

    def _asked(self, what: str) -> tuple[Exchange, RequestHead]:
        """Return the exchange that is to be answered, and its request. Raise UsageError if it is
        too late for this."""
        exchange = self._exchange
        if exchange is None or exchange.head is None or self.writing is not Writing.PENDING:
            raise UsageError(f"too late {what}: the exchange was answered already")
        return exchange, exchange.head

    def check_accept(self, subprotocol: str | None) -> None:
        """See `Stream`."""
        _, head = self._asked("to accept a WebSocket")
        accept_headers(read_handshake(head), subprotocol)

    def check_take_over(self, headers: Iterable[Header]) -> int:
        """See `Stream`."""
        _, head = self._asked("to take the connection over")
        if self.reading not in (Reading.DONE, Reading.CLOSED):
            raise UsageError("read the request's body before taking its connection over")
        return switching_head(head, list(headers))[0]

    def _body_will_end(self) -> bool:
        """Return whether the rest of the request is little enough to be read, and sure to come."""
        if self.reading is not Reading.BODY or self._body is None:
            return True
        return not self._continue_due and (self._body.remaining or 0) <= self._limits.drain_body

    def _asked_once(self) -> bool:
        """Return whether this request is the connection's last by the client's own word.

        A client that said `close` sends nothing behind this request (RFC 9112 §9.6), so there is
        nothing to read, and no reset that could destroy the answer. nginx does the same.
        """
        head = self._exchange.head if self._exchange is not None else None
        said = head is not None and b"close" in head.connection
        return said and self.reading is _DONE and not self._held
