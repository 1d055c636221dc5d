"""The peer's half of an HTTP/1.1 connection: where a request head ends, and what is behind it.

h11 decides (through `grammar` and `body`); in front of it stands the express lane. What may happen
when is in the READING table of `states`. The body of a request is `payload`'s, our half is
`machine`'s: this file never writes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable

from anylane.errors import Disconnected, Refused, UsageError
from anylane.protocol.exchange import Exchange
from anylane.protocol.fields import Header
from anylane.protocol.http1.carrier import ConnectionCarrier
from anylane.protocol.http1.express import Express
from anylane.protocol.http1.grammar import check_incomplete, parse_head
from anylane.protocol.http1.payload import PayloadReader
from anylane.protocol.http1.states import ReadEvent, Reading, Writing
from anylane.protocol.http1.switching import switching_head
from anylane.protocol.interfaces import Closing
from anylane.protocol.request_head import RequestHead
from anylane.protocol.timers import Timer
from anylane.protocol.websocket.handshake import accept_headers, read_handshake

# What every request asks for: a member of an enum takes twice the time of a global to look up.
_IDLE, _DONE = Reading.IDLE, Reading.DONE
_KEEP_ALIVE = Timer.KEEP_ALIVE


class Reader(PayloadReader):
    """Half of `Http1`: what comes from the peer."""

    __slots__ = ("_express", "_scanned", "_skipped_crlf")

    _exchange: Exchange | None
    _held: bytearray

    def __init__(self, connection: ConnectionCarrier) -> None:
        super().__init__(connection)
        self._scanned = 0
        self._skipped_crlf = False
        self._express: Express | None = None
        if connection.config.express:
            self._express = Express(self._limits, connection.heads)

    # -- our half ------------------------------------------------------------------------------

    @abstractmethod
    def _request(self, head: RequestHead, now: float, before: Timer, body: bytes = b"") -> None:
        """Begin the exchange of a request. before: the timer that ran until here. body: the whole
        of it, if it came with the head."""

    @abstractmethod
    def _reject(self, refused: Refused, now: float) -> None:
        """Begin an exchange that answers what could not be parsed."""

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

    def _asked_once(self) -> bool:
        """Return whether this request is the connection's last by the client's own word.

        A client that said `close` sends nothing behind this request (RFC 9112 §9.6), so there is
        nothing to read, and no reset that could destroy the answer. nginx does the same.
        """
        head = self._exchange.head if self._exchange is not None else None
        said = head is not None and b"close" in head.connection
        return said and self.reading is _DONE and not self._held
