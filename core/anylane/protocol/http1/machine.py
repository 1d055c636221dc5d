"""HTTP/1.1 on one connection: heads and bodies in, one response at a time out.

What may happen when is in the tables of `http_states`; this file says what is done then.
h11 parses (through `head` and `body`), the writer is ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from anylane.errors import Disconnected, Refused, UsageError
from anylane.protocol.exchange import Exchange, Interrupt
from anylane.protocol.fields import Header
from anylane.protocol.http1.body import Body, LengthBody
from anylane.protocol.http1.encoding import JOINED, encode_head, encode_plain
from anylane.protocol.http1.express import Express
from anylane.protocol.http1.grammar import check_incomplete, parse_head
from anylane.protocol.http1.states import READING, WRITING, ReadEvent, Reading, WriteEvent, Writing
from anylane.protocol.http1.writer import Framing, ResponseWriter
from anylane.protocol.interfaces import Closing
from anylane.protocol.raw import Raw
from anylane.protocol.request_head import RequestHead
from anylane.protocol.sse import EventStreamProtocol
from anylane.protocol.timers import NEVER, Timer
from anylane.protocol.websocket.deflate import negotiate
from anylane.protocol.websocket.handshake import accept_headers, read_handshake
from anylane.protocol.websocket.session import WebSocketProtocol

if TYPE_CHECKING:
    from anylane.protocol.connection import Connection


_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


_FIRST_REQUEST = 1.0
"""Seconds that a connection which has asked nothing yet is given when the server drains: the time
of a few round trips."""


# What every request asks for: a member of an enum takes twice the time of a global to look up.
_IDLE, _DONE = Reading.IDLE, Reading.DONE


_PENDING, _BODY = Writing.PENDING, Writing.BODY


_NO, _CLOSE = Closing.NO, Closing.CLOSE


_KEEP_ALIVE, _HANDLER = Timer.KEEP_ALIVE, Timer.HANDLER


# What happens to every plain request at once, one step after the other, looked up once.
_ASKED_WHOLE = READING[READING[Reading.IDLE][ReadEvent.FIRST_BYTE]][ReadEvent.HEAD_WITHOUT_BODY]


assert WRITING[Writing.IDLE][WriteEvent.REQUEST] is _PENDING


_NEXT_READING = READING[Reading.DONE][ReadEvent.NEXT_REQUEST]


_ANSWERED = WRITING[WRITING[Writing.PENDING][WriteEvent.HEAD]][WriteEvent.END]


_CLOSED = WRITING[_ANSWERED][WriteEvent.CLOSE]


_NEXT_WRITING = WRITING[_ANSWERED][WriteEvent.NEXT_REQUEST]


class Http1:
    """The protocol a connection starts with."""

    counts_output: ClassVar[bool] = False

    __slots__ = ("_body", "_conn", "_continue_due", "_discarded", "_events", "_exchange",
                 "_express", "_fresh", "_handler_timeout", "_held", "_keep_alive",
                 "_keep_alive_timeout", "_limits", "_paused", "_scanned", "_skipped_crlf",
                 "_timeouts", "_writer", "reading", "writing")  # fmt: skip

    def __init__(self, connection: Connection, now: float) -> None:
        self._conn = connection
        self._limits = connection.config.limits
        self._timeouts = connection.config.timeouts
        self.reading = Reading.IDLE
        self.writing = Writing.IDLE
        self._held = bytearray()
        self._scanned = 0
        self._skipped_crlf = False
        self._exchange: Exchange | None = None
        self._express: Express | None = None
        if connection.config.express:
            self._express = Express(self._limits, connection.heads)
        self._body: Body | LengthBody | None = None
        self._continue_due = False
        self._paused = False
        self._discarded = 0
        self._keep_alive = True
        self._fresh = True
        self._handler_timeout = connection.config.request_timeout
        self._keep_alive_timeout = self._timeouts.keep_alive
        self._writer: ResponseWriter | None = None
        self._events: EventStreamProtocol | None = None
        connection.timers.set(Timer.KEEP_ALIVE, now + self._timeouts.keep_alive)

    def _read(self, event: ReadEvent) -> None:
        self.reading = READING[self.reading][event]

    def _write(self, event: WriteEvent) -> None:
        self.writing = WRITING[self.writing][event]

    # -- what the connection hears -----------------------------------------------------------

    @property
    def wants_read(self) -> bool:
        if self.reading is _IDLE and not self._held:
            return True
        match self.reading:
            case Reading.DONE | Reading.IDLE | Reading.HEAD:
                return len(self._held) < self._limits.pipeline or self._exchange is None
            case Reading.BODY:
                return not self._paused
            case Reading.DISCARD:
                # Until our answer is out there is no reason to hurry a client that goes on
                # sending; then what it sends is thrown away (`Limits.linger`).
                closing = self._conn.closing is not Closing.NO
                return closing or self._discarded <= self._limits.linger
            case _:
                return True

    def receive_data(self, data: bytes, now: float) -> None:
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
        exchange = self._exchange
        match self.reading:
            case Reading.HEAD:
                self._refuse(Refused(400, "the request head is cut short", bytes(self._held)), now)
            case Reading.BODY:
                self._conn.timers.clear(Timer.BODY)
                self._keep_alive = False
                if exchange is not None:
                    exchange.body_refused = Refused(400, "the request body is cut short")
            case Reading.DROP:
                self._conn.close(Closing.CLOSE)
            case _:
                pass
        if not (self.reading is Reading.DONE and self._held):
            self._read(ReadEvent.END_OF_INPUT)
        if self._conn.closing is Closing.SEND_EOF or self.writing is Writing.IDLE:
            self._conn.close(Closing.CLOSE)
        if exchange is not None:
            exchange.half_closed = True
            if self.writing is Writing.BODY:
                exchange.lose(Disconnected(None, "the client closed during the response"))

    def connection_lost(self, reason: Disconnected) -> None:
        self._keep_alive = False
        self._write(WriteEvent.CLOSE)
        exchange = self._exchange
        if exchange is not None:
            exchange.lose(reason)
            if exchange.finished:
                self._exchange = None  # As in `finish`.

    def timeout(self, timer: Timer, now: float) -> None:
        match timer:
            case Timer.HEAD:
                self._refuse(Refused(408, "the request head took too long"), now)
            case Timer.BODY:
                self._refuse(Refused(408, "the request body took too long"), now)
            case Timer.KEEP_ALIVE if self._conn.unsent:
                self._conn.timers.set(Timer.KEEP_ALIVE, now + self._timeouts.keep_alive)
            case Timer.KEEP_ALIVE:
                self._conn.close(Closing.CLOSE)
            case Timer.HANDLER:
                self._handler_late(now)
            case Timer.HEARTBEAT if self._events is not None:
                self._events.timeout(now)
            case _:
                pass

    def sent(self, now: float) -> None:
        # Idle is who has the whole answer; a slow reader is not.
        if self._conn.timers.is_set(Timer.KEEP_ALIVE):
            self._conn.timers.set(Timer.KEEP_ALIVE, now + self._timeouts.keep_alive)

    def shutdown(self, now: float) -> None:
        self._keep_alive = False
        if self.reading is Reading.HEAD:
            # The rest of this head must not meet a closed socket: the reset could destroy the
            # answer before it.
            self._close(now)
        elif self._exchange is None and self._fresh and not self._conn.eof:
            # It was accepted a moment ago, maybe, and its request is on its way. Nobody sends a
            # request again by itself that was reset, so it is waited for, and answered.
            self._conn.timers.set(Timer.KEEP_ALIVE, now + _FIRST_REQUEST)
        elif self._exchange is None:
            self._conn.close(Closing.CLOSE)
        elif self._events is not None:
            # It may never end by itself: its client is told when to come back, and let go whole.
            self._events.shutdown()
            self._close(now)

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

    def _request(self, head: RequestHead, now: float, before: Timer, body: bytes = b"") -> None:
        """A request begins. before: the timer that ran until here. body: if it came whole."""
        conn = self._conn
        exchange = self._exchange = Exchange(self, head)
        self._fresh = self._skipped_crlf = False
        if not head.keep_alive or conn.draining:
            self._keep_alive = False
        plain = before is _KEEP_ALIVE
        self.writing = _PENDING if plain else WRITING[self.writing][WriteEvent.REQUEST]
        # The deadline runs from here: waiting for a thread or a turn is the client's time too.
        timers = conn.timers  # As its `clear` and `set`, without the calls; so in `conclude`.
        timers.at[before] = NEVER
        timers.at[_HANDLER] = deadline = now + self._handler_timeout
        if deadline < timers.bound:  # noqa: PLR1730  # min() takes three times as long
            timers.bound = deadline
        conn.waiting.append(exchange)
        if body:
            exchange.complete(body)
        if body or not head.has_body:
            self.reading = (
                _ASKED_WHOLE if plain else READING[self.reading][ReadEvent.HEAD_WITHOUT_BODY]
            )
            return
        self.reading = READING[Reading.HEAD][ReadEvent.HEAD_WITH_BODY]
        by_length = self._express is not None and not head.chunked
        self._body = LengthBody(head) if by_length else Body(head, self._limits)
        self._continue_due = head.expects_continue
        self._paused = False
        if self._held:
            early = bytes(self._held)
            self._held.clear()
            self._receive_body(early, now)
        elif not self._continue_due:
            self._conn.timers.set(Timer.BODY, now + self._timeouts.body)

    def _receive_body(self, data: bytes, now: float) -> None:
        body, exchange = self._body, self._exchange
        assert body is not None
        assert exchange is not None
        self._continue_due = False
        try:
            chunks, rest = body.feed(data)
        except Refused as refused:
            self._refuse(refused, now)
            return
        if self.reading is Reading.BODY:
            exchange.push(chunks)
        else:
            self._discarded += len(data) - len(rest)
        if body.complete:
            self._body_end(exchange, body, rest, now)
        elif self._discarded > self._limits.drain_body:
            self._close(now)
        else:
            self._paused = exchange.buffered > self._limits.inbound_high
            if self._paused:
                self._conn.timers.clear(Timer.BODY)
            else:
                self._conn.timers.set(Timer.BODY, now + self._timeouts.body)

    def _body_end(
        self, exchange: Exchange, body: Body | LengthBody, rest: bytes, now: float
    ) -> None:
        dropped = self.reading is Reading.DROP
        exchange.trailers = body.trailers
        exchange.body_complete = True
        self._conn.timers.clear(Timer.BODY)
        self._read(ReadEvent.BODY_END)
        self._body = None
        self._held += rest
        if dropped:
            self._next(now)

    def _refuse(self, refused: Refused, now: float) -> None:
        """Framing is lost, or the peer is too slow: answer once, then linger and close."""
        self._keep_alive = False
        self._conn.timers.clear(Timer.HEAD)
        self._conn.timers.clear(Timer.BODY)
        dropped = self.reading is Reading.DROP
        self._held.clear()
        self._discarded = 0
        self._read(ReadEvent.REFUSE)
        if self._exchange is None:
            exchange = self._exchange = Exchange(self, None, refused)
            self._write(WriteEvent.REQUEST)
            self._conn.timers.set(Timer.HANDLER, now + self._conn.config.request_timeout)
            self._conn.waiting.append(exchange)
        elif dropped:
            self._close(now)
        else:
            self._exchange.body_refused = refused

    # -- what the exchange asks ------------------------------------------------------------

    def body_wanted(self, now: float) -> None:
        exchange = self._exchange
        if exchange is None or self.reading is not Reading.BODY:
            return
        if self._continue_due:
            self._continue_due = False
            if self.writing is Writing.PENDING:
                self._conn.send(_CONTINUE)
            self._conn.timers.set(Timer.BODY, now + self._timeouts.body)
        if self._paused and exchange.buffered <= self._limits.inbound_low:
            self._paused = False
            self._conn.timers.set(Timer.BODY, now + self._timeouts.body)

    def send_informational(self, status: int, headers: Iterable[Header]) -> None:
        head = self._exchange.head if self._exchange is not None else None
        if self.writing is Writing.PENDING and head is not None and head.version == b"1.1":
            self._conn.send(encode_head(status, headers))

    def send_head(self, status: int, headers: Iterable[Header], length: int | None) -> None:
        exchange = self._exchange
        if exchange is None or self.writing is not Writing.PENDING:
            return  # The client is gone; `Exchange.check` tells the handler.
        head = exchange.head
        method, version = (head.method, head.version) if head is not None else (b"GET", b"1.1")
        writer = ResponseWriter(method, version, self._keep_alive and self._body_will_end())
        data = writer.head(status, headers, length, self._conn.dates.latest())
        self._writer = writer
        self._keep_alive = writer.keep_alive
        self._write(WriteEvent.HEAD)
        exchange.started = True
        self._conn.timers.clear(Timer.HANDLER)
        self._conn.send(data)

    def conclude(self, status: int, headers: Sequence[Header], body: bytes, now: float) -> bool:
        """The handler has ended with a whole response. Whether that was plain, and is done: it
        went out in one piece, and the next request may come, or the end of the connection."""
        if self.writing is not _PENDING or self.reading is not _DONE or self._express is None:
            return False
        conn, head = self._conn, self._exchange.head  # type: ignore[union-attr]  # it is PENDING
        if head is None:
            return False
        dates = conn.dates
        date = dates.value if now < dates.until else dates.at(now)
        data = encode_plain(head, status, headers, body, date, self._keep_alive)
        if data is None:
            return False
        if conn.closing is _NO:  # As `send`, without the calls.
            conn.out.append(data)
            conn.queued += len(data)
            if len(body) > JOINED:
                conn.out.append(body)
                conn.queued += len(body)
        if not self._keep_alive:
            self.writing = _ANSWERED
            if self._asked_once():
                self.writing = _CLOSED
                # As in `finish`; and without a cycle both go at once.
                self._exchange = None
                conn.close(_CLOSE)
            else:
                self.finish(now)
            return True
        timers = conn.timers
        timers.at[_HANDLER] = NEVER
        timers.at[_KEEP_ALIVE] = deadline = now + self._keep_alive_timeout
        if deadline < timers.bound:  # noqa: PLR1730  # min() takes three times as long
            timers.bound = deadline
        self._exchange = None
        self.writing, self.reading = _NEXT_WRITING, _NEXT_READING
        if self._held or conn.eof:
            self._go_on(now)
        else:
            conn.idle = conn.closing is _NO
        return True

    def _body_will_end(self) -> bool:
        """False: the rest of the request is too much to read, or may never come."""
        if self.reading is not Reading.BODY or self._body is None:
            return True
        return not self._continue_due and (self._body.remaining or 0) <= self._limits.drain_body

    def send_data(self, data: bytes) -> None:
        if self.writing is _BODY and self._writer is not None:
            for chunk in self._writer.data(data):
                self._conn.send(chunk)

    def send_end(self, trailers: Iterable[Header]) -> None:
        if self.writing is Writing.BODY and self._writer is not None:
            end = self._writer.end(trailers)
            self._write(WriteEvent.END)
            self._end_events()
            if end:
                self._conn.send(end)

    def begin_events(
        self, *, retry: int | None, heartbeat: float | None, now: float
    ) -> EventStreamProtocol:
        exchange = self._exchange
        if exchange is None or self.writing is not Writing.BODY or self._writer is None:
            raise UsageError("an event stream begins behind the head of its response")
        events = EventStreamProtocol(
            self._conn, exchange, retry=retry, heartbeat=heartbeat, now=now
        )
        self._events = events
        if self._writer.framing is Framing.NONE:
            # HEAD: the client has all it asked for, and the handler may run for ever.
            self.send_end(())
            exchange.lose(Disconnected(None, "the request was HEAD: its answer is complete"))
        elif exchange.half_closed:
            exchange.lose(Disconnected(None, "the client closed before the event stream"))
        elif self._conn.draining:
            self.shutdown(now)
        return events

    def _end_events(self) -> None:
        if self._events is not None:
            self._events.end()
            self._events = None

    def accept(
        self, headers: Iterable[Header], subprotocol: str | None, now: float
    ) -> WebSocketProtocol:
        exchange = self._exchange
        if exchange is None or exchange.head is None or self.writing is not Writing.PENDING:
            raise UsageError("too late to accept a WebSocket: the exchange was answered already")
        handshake = read_handshake(exchange.head)
        agreed = negotiate(handshake.extensions, self._conn.config.deflate)
        head = encode_head(101, [*accept_headers(handshake, subprotocol, agreed), *headers])
        self._read(ReadEvent.SWITCH)
        self._write(WriteEvent.SWITCH)
        exchange.started = True
        conn = self._conn
        conn.timers.clear(Timer.HANDLER)
        conn.send(head)
        websocket = WebSocketProtocol(conn, exchange, subprotocol, now, agreed)
        conn.switch(websocket)
        conn.read_size = conn.config.ws_buffer_size
        # What came early is replayed, in order: frames, the end of input, a shutdown.
        early = bytes(self._held)
        self._held.clear()
        if early:
            websocket.receive_data(early, now)
        if conn.eof:
            websocket.receive_eof(now)
        if conn.draining:
            websocket.shutdown(now)
        return websocket

    def take_over(self, headers: Iterable[Header], now: float) -> Raw:
        exchange = self._exchange
        if exchange is None or exchange.head is None or self.writing is not Writing.PENDING:
            raise UsageError("too late to take the connection over: it was answered already")
        if self.reading not in (Reading.DONE, Reading.CLOSED):
            raise UsageError("read the request's body before taking its connection over")
        head = _switching_head(exchange.head, list(headers))
        self._read(ReadEvent.SWITCH)
        self._write(WriteEvent.SWITCH)
        exchange.started = True
        conn = self._conn
        conn.timers.clear(Timer.HANDLER)
        conn.send(head)
        raw = Raw(conn, exchange)
        conn.switch(raw)
        early = bytes(self._held)
        self._held.clear()
        if early:
            raw.receive_data(early, now)
        if conn.eof:
            raw.receive_eof(now)
        return raw

    def finish(self, now: float) -> None:
        """The handler has ended; the response may not have."""
        conn = self._conn
        conn.timers.clear(Timer.HANDLER)
        self._end_events()
        match self.writing:
            case Writing.DONE if self._asked_once():
                self._write(WriteEvent.CLOSE)
                conn.close(Closing.CLOSE)
            case Writing.DONE if not self._keep_alive:
                self._close(now)
            case Writing.DONE if self.reading is Reading.BODY:
                self._read(ReadEvent.NOBODY_READS)
                self._discarded = 0
                self._conn.timers.set(Timer.BODY, now + self._timeouts.body)
            case Writing.DONE:
                self._next(now)
            case Writing.BODY if self._writer is not None and (
                self._writer.framing is Framing.UNTIL_CLOSE
            ):
                # A reset is the only way to tell this client that the body is not whole.
                self._write(WriteEvent.CLOSE)
                self._conn.close(Closing.ABORT)
            case Writing.PENDING | Writing.BODY:
                self._close(now)
            case Writing.IDLE | Writing.SWITCHED | Writing.CLOSED:
                pass
        if conn.closing is Closing.ABORT:
            # Nothing comes any more. Without a cycle both go at once.
            self._exchange = None

    def _next(self, now: float) -> None:
        if self._conn.draining:
            self._close(now)
            return
        self._conn.timers.set(Timer.KEEP_ALIVE, now + self._timeouts.keep_alive)
        self._next_request(now)

    def _next_request(self, now: float) -> None:
        self._exchange = self._writer = None
        self.writing = WRITING[self.writing][WriteEvent.NEXT_REQUEST]
        self.reading = READING[self.reading][ReadEvent.NEXT_REQUEST]
        self._discarded = 0
        self._go_on(now)

    def _go_on(self, now: float) -> None:
        """With what came already."""
        if self._held:
            self._parse(now)
        if self._conn.eof:
            self.receive_eof(now)

    def _asked_once(self) -> bool:
        """RFC 9112 §9.6: a client that said `close` sends nothing behind this request, so there is
        nothing to read, and no reset that could destroy the answer. nginx does the same."""
        head = self._exchange.head if self._exchange is not None else None
        said = head is not None and b"close" in head.connection
        return said and self.reading is _DONE and not self._held

    def _close(self, now: float) -> None:
        """Our side is done; the peer's may not be."""
        self._write(WriteEvent.CLOSE)
        self._conn.timers.clear(Timer.HEAD)
        self._conn.timers.clear(Timer.BODY)
        if self.reading not in (Reading.CLOSED, Reading.DISCARD):
            self._read(ReadEvent.REFUSE)
        self._discarded = 0
        self._conn.linger(now)

    def _handler_late(self, now: float) -> None:
        exchange = self._exchange
        if exchange is None or self.writing is not Writing.PENDING:
            return
        if exchange.interrupt is None:
            # The handler gets `close` seconds to react to its cancellation, then we answer.
            self._conn.timers.set(Timer.HANDLER, now + self._timeouts.close)
            exchange.interrupted(Interrupt.DEADLINE)
            return
        self._keep_alive = False
        exchange.respond(503, [], b"")
        self._close(now)


def _switching_head(head: RequestHead, headers: list[Header]) -> bytes:
    """The answer that ends HTTP on a connection; raises Refused if the client asked for none."""
    if head.method == b"CONNECT":
        # RFC 9110 §9.3.6: a 2xx to CONNECT has no Content-Length and no Transfer-Encoding.
        return encode_head(200, headers)
    offered = head.get(b"upgrade")
    names = {name.lower(): value for name, value in headers}
    if offered is None or b"upgrade" not in head.connection or head.version == b"1.0":
        upgrade = (("Upgrade", names["upgrade"]),) if "upgrade" in names else ()
        raise Refused(
            426,
            "expected Connection: Upgrade and Upgrade: with a protocol",
            headers=(*upgrade, ("Connection", "upgrade")) if upgrade else (),
        )
    lines = [(name, value) for name, value in headers if name.lower() != "connection"]
    if "upgrade" not in names:
        # RFC 9110 §7.8: name the protocol; the client's first choice unless the handler has one.
        lines.append(("upgrade", offered.partition(b",")[0].strip().decode("latin-1")))
    return encode_head(101, [*lines, ("connection", "Upgrade")])
