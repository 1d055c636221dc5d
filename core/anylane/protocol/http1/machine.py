"""HTTP/1.1 on one connection: heads and bodies come in, one response at a time goes out.

What may happen when is in the tables of `states`; this file says what is done then. The peer's half
is in `reader`, and `writer` and `encoding` make the bytes of a response. This is our half, and what
leads from one to the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from anylane.errors import Disconnected, Refused, UsageError
from anylane.protocol.exchange import Exchange, Interrupt
from anylane.protocol.fields import Header
from anylane.protocol.http1.body import Body, LengthBody
from anylane.protocol.http1.carrier import ConnectionCarrier
from anylane.protocol.http1.encoding import JOINED, encode_head, encode_plain, with_defaults
from anylane.protocol.http1.reader import Reader
from anylane.protocol.http1.states import READING, WRITING, ReadEvent, Reading, WriteEvent, Writing
from anylane.protocol.http1.switching import switching_head
from anylane.protocol.http1.writer import Framing, ResponseWriter
from anylane.protocol.interfaces import Closing
from anylane.protocol.raw import RawProtocol
from anylane.protocol.request_head import RequestHead
from anylane.protocol.sse import EventStreamProtocol
from anylane.protocol.timers import NEVER, Timer
from anylane.protocol.websocket.deflate import negotiate
from anylane.protocol.websocket.handshake import accept_headers, read_handshake
from anylane.protocol.websocket.session import WebSocketProtocol

_ON_ITS_WAY = 1.0
"""Seconds that a drain leaves to a request that may be on its way: the time of a few round trips.
"""

_NEXT_REQUEST = 0.5
"""Seconds since its last answer within which a client is taken to be asking one thing after the
other, and that a drain leaves to it for the next one."""

# Every request looks these up, and a member of an enum takes twice the time of a global.
_DONE, _IDLE = Reading.DONE, Reading.IDLE
_PENDING, _BODY = Writing.PENDING, Writing.BODY
_NO, _CLOSE = Closing.NO, Closing.CLOSE
_KEEP_ALIVE, _HANDLER = Timer.KEEP_ALIVE, Timer.HANDLER

# Every plain request takes several steps of the tables at once. Where they lead is looked up here.
_ASKED_WHOLE = READING[READING[Reading.IDLE][ReadEvent.FIRST_BYTE]][ReadEvent.HEAD_WITHOUT_BODY]
assert WRITING[Writing.IDLE][WriteEvent.REQUEST] is _PENDING
_NEXT_READING = READING[Reading.DONE][ReadEvent.NEXT_REQUEST]
_ANSWERED = WRITING[WRITING[Writing.PENDING][WriteEvent.HEAD]][WriteEvent.END]
_CLOSED = WRITING[_ANSWERED][WriteEvent.CLOSE]
_NEXT_WRITING = WRITING[_ANSWERED][WriteEvent.NEXT_REQUEST]


class Http1(Reader):
    """The protocol that a connection starts with, and the `Stream` of its exchanges."""

    __slots__ = ("_events", "_fresh", "_keep_alive_timeout", "_writer")

    def __init__(self, connection: ConnectionCarrier, now: float) -> None:
        super().__init__(connection)
        self._fresh = True
        self._keep_alive_timeout = self._timeouts.keep_alive
        self._writer: ResponseWriter | None = None
        self._events: EventStreamProtocol | None = None
        connection.timers.set(Timer.KEEP_ALIVE, now + self._timeouts.keep_alive)

    def _write(self, event: WriteEvent) -> None:
        self.writing: Writing = WRITING[self.writing][event]

    # -- what the connection hears -----------------------------------------------------------

    def connection_lost(self, reason: Disconnected) -> None:
        """Take note that the transport is gone: the exchange that runs has lost its client."""
        self._keep_alive = False
        self._write(WriteEvent.CLOSE)
        exchange = self._exchange
        if exchange is not None:
            exchange.lose(reason)
            if exchange.finished:
                self._exchange = None  # As in `finish`.

    def timeout(self, timer: Timer, now: float) -> None:
        """Act on a deadline that has come: answer 408 or 503, close, or send a heartbeat."""
        match timer:
            case Timer.HEAD | Timer.BODY:
                self._late(timer, now)
            case Timer.KEEP_ALIVE if not self._conn.draining and self._conn.owes(now):
                self._conn.timers.set(Timer.KEEP_ALIVE, now + self._timeouts.keep_alive)
            case Timer.KEEP_ALIVE:
                self._conn.close(Closing.CLOSE)
            case Timer.HANDLER:
                self._handler_late(now)
            case Timer.HEARTBEAT if self._events is not None:
                self._events.timeout(now)
            case Timer.GO_ON:
                self._go_on(now)
            case _:
                pass

    def sent(self, now: float) -> None:
        """Count KEEP_ALIVE from now: a client is idle once it has the whole answer, not before. Not
        in a drain, which waits for no other request."""
        if self._keep_alive and self._conn.timers.is_set(Timer.KEEP_ALIVE):
            self._conn.timers.set(Timer.KEEP_ALIVE, now + self._timeouts.keep_alive)

    def shutdown(self, now: float) -> None:
        """Close once what has arrived is answered: bytes that lie in the socket are a request."""
        self._keep_alive = False
        timers = self._conn.timers
        if self._waits_for_room:
            # What else comes must not meet a closed socket: the reset could destroy the answer
            # before it.
            self._close(now)
        elif self.reading is Reading.HEAD:
            timers.set(Timer.HEAD, now)
        elif self._exchange is None:
            idle = now - timers.at[Timer.KEEP_ALIVE] + self._timeouts.keep_alive
            expected = (self._fresh or self._conn.config.proxy_headers) and not self._conn.eof
            timers.set(Timer.KEEP_ALIVE, now + _time_for_a_request(idle, expected=expected))
        elif self._events is not None:
            # It may never end by itself: its client is told when to come back, and gets it whole.
            self._events.shutdown()
            self._close(now)

    # -- requests ------------------------------------------------------------------------------

    def _request(self, head: RequestHead, now: float, before: Timer, body: bytes = b"") -> None:
        """Begin an exchange. before: the timer that ran until here. body: if it came whole."""
        conn = self._conn
        exchange = self._exchange = Exchange(self, conn, head)
        self._fresh = self._skipped_crlf = False
        if not head.keep_alive or conn.draining:
            self._keep_alive = False
        plain = before is _KEEP_ALIVE
        self.writing = _PENDING if plain else WRITING[self.writing][WriteEvent.REQUEST]
        # The deadline runs from here: the client also waits for a thread and for its turn.
        timers = conn.timers  # As its `clear` and `set`, without the calls.
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
        self.reading: Reading = READING[Reading.HEAD][ReadEvent.HEAD_WITH_BODY]
        if self._express is None:
            whole: Body | LengthBody = Body(head, self._limits, express=False)
        elif head.chunked:
            whole = Body(head, self._limits)
        else:
            whole = LengthBody(head, self._limits.body)
        self._begin_body(whole, head, now)

    def _reject(self, refused: Refused, now: float) -> None:
        exchange = self._exchange = Exchange(self, self._conn, None, refused)
        self._write(WriteEvent.REQUEST)
        self._conn.timers.set(Timer.HANDLER, now + self._handler_timeout)
        self._conn.waiting.append(exchange)

    # -- what the exchange asks ------------------------------------------------------------

    def send_informational(self, status: int, headers: Iterable[Header]) -> None:
        """Send a 1xx response, unless the client is gone or speaks HTTP/1.0 (RFC 9110 §15.2)."""
        head = self._exchange.head if self._exchange is not None else None
        if self.writing is Writing.PENDING and head is not None and head.version == b"1.1":
            self._conn.send(encode_head(status, headers))

    def send_head(self, status: int, headers: Iterable[Header], length: int | None) -> None:
        """Start the response. Raise UsageError for headers that contradict the framing."""
        exchange = self._exchange
        if exchange is None or self.writing is not Writing.PENDING:
            return  # The client is gone; `Exchange.check` tells the handler.
        head = exchange.head
        method, version = (head.method, head.version) if head is not None else (b"GET", b"1.1")
        headers = with_defaults(headers, self._conn.config.headers)
        writer = ResponseWriter(method, version, self._keep_alive and self._body_will_end())
        data = writer.head(status, headers, length, self._conn.dates.latest())
        self._writer = writer
        self._keep_alive = writer.keep_alive
        self._write(WriteEvent.HEAD)
        exchange.started = True
        self._conn.timers.clear(Timer.HANDLER)
        self._conn.send(data)

    def conclude(self, status: int, headers: Sequence[Header], body: bytes, now: float) -> bool:
        """Send a plain response whole and end the exchange, in one step; return whether that was
        done. One piece of "The plan of a fast answer" in docs/performance.md."""
        if self.writing is not _PENDING or self.reading is not _DONE or self._express is None:
            return False
        conn, head = self._conn, self._exchange.head  # type: ignore[union-attr]  # it is PENDING
        if head is None:
            return False
        dates = conn.dates
        date = dates.value if now < dates.until else dates.at(now)
        if conn.config.headers:
            headers = with_defaults(headers, conn.config.headers)
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
                self._exchange = None  # As in `finish`: without a cycle both are freed at once.
                conn.close(_CLOSE)
            else:
                self.finish(now)
            return True
        timers = conn.timers  # As its `clear` and `set`, without the calls.
        timers.at[_HANDLER] = NEVER
        if self._held or conn.eof:
            self.writing = _ANSWERED
            self._next(now)
            return True
        timers.at[_KEEP_ALIVE] = deadline = now + self._keep_alive_timeout
        if deadline < timers.bound:  # noqa: PLR1730  # min() takes three times as long
            timers.bound = deadline
        self._exchange = None
        self.writing, self.reading = _NEXT_WRITING, _NEXT_READING
        conn.idle = conn.closing is _NO
        return True

    def send_data(self, data: bytes) -> None:
        """Send one piece of the body. Raise UsageError over its declared length."""
        if self.writing is _BODY and self._writer is not None:
            for chunk in self._writer.data(data):
                self._conn.send(chunk)

    def send_end(self, trailers: Iterable[Header]) -> None:
        """End the body. Raise UsageError if it is shorter than declared."""
        if self.writing is Writing.BODY and self._writer is not None:
            end = self._writer.end(trailers)
            self._write(WriteEvent.END)
            self._end_events()
            if end:
                self._conn.send(end)

    def begin_events(
        self, *, retry: int | None, heartbeat: float | None, now: float
    ) -> EventStreamProtocol:
        """Make the body an event stream. Raise UsageError unless its head was sent."""
        exchange = self._exchange
        if exchange is None or self.writing is not Writing.BODY or self._writer is None:
            raise UsageError("an event stream begins after the head of its response was sent")
        writer = self._writer
        frame = writer.data if writer.framing is Framing.CHUNKED else None
        events = EventStreamProtocol(
            self._conn, exchange, retry=retry, heartbeat=heartbeat, now=now, frame=frame
        )
        self._events = events
        if self._writer.framing is Framing.NONE:
            # To HEAD the answer is complete, and the handler might run for ever.
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
        """Accept a WebSocket handshake. Raise Refused if it is none or a bad one."""
        exchange, head = self._asked("to accept a WebSocket")
        handshake = read_handshake(head)
        agreed = negotiate(handshake.extensions, self._conn.config.deflate)
        lines = [*accept_headers(handshake, subprotocol, agreed), *headers]
        answer = encode_head(101, with_defaults(lines, self._conn.config.headers))
        self._read(ReadEvent.SWITCH)
        self._write(WriteEvent.SWITCH)
        exchange.started = True
        conn = self._conn
        conn.timers.clear(Timer.HANDLER)
        conn.send(answer)
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

    def take_over(self, headers: Iterable[Header], now: float) -> RawProtocol:
        """Leave HTTP. Raise Refused if the client asked for neither CONNECT nor an upgrade."""
        exchange, request = self._asked("to take the connection over")
        status, lines = switching_head(request, list(headers))
        head = encode_head(status, with_defaults(lines, self._conn.config.headers))
        self._read(ReadEvent.SWITCH)
        self._write(WriteEvent.SWITCH)
        exchange.started = True
        conn = self._conn
        conn.timers.clear(Timer.HANDLER)
        conn.send(head)
        raw = RawProtocol(conn, exchange)
        conn.switch(raw)
        early = bytes(self._held)
        self._held.clear()
        if early:
            raw.receive_data(early, now)
        if conn.eof:
            raw.receive_eof(now)
        return raw

    def finish(self, now: float) -> None:
        """End the exchange: its handler has ended, the response maybe not."""
        # Written out in Http1.conclude (tests/test_inlined_copies.py).
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
                self._read(ReadEvent.BODY_UNWANTED)
                self._discarded = 0
                self._paused = False
                self._await_body(now)
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
        if conn.closing is Closing.ABORT:  # Nothing more comes.
            self._exchange = None  # Without a cycle both are freed at once.

    def _next(self, now: float) -> None:
        if self._conn.draining:
            self._close(now)
            return
        self._exchange = self._writer = None
        conn = self._conn
        if self._held and conn.backlog + conn.queued > conn.high:
            return  # It is congested. WRITE_STALL runs until `eased`.
        self.writing = WRITING[self.writing][WriteEvent.NEXT_REQUEST]
        self.reading = READING[self.reading][ReadEvent.NEXT_REQUEST]
        self._discarded = 0
        if self._held:  # Go on with what came already.
            self._parse(now)
        if self.reading is _IDLE:
            conn.timers.set(Timer.KEEP_ALIVE, now + self._timeouts.keep_alive)
        if conn.eof:
            self.receive_eof(now)

    def _close(self, now: float) -> None:
        """Close: our side is done, the peer's may not be."""
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


def _time_for_a_request(idle: float, *, expected: bool) -> float:
    """Return the seconds that a drain leaves to a connection on which nothing is asked.

    idle: seconds since its last answer. expected: a request may be on its way that nobody repeats
    if it is reset: the first one, or the next one of a proxy, which hears by the answer that it has
    to use another connection.
    """
    if expected:
        return _ON_ITS_WAY
    return _NEXT_REQUEST if idle < _NEXT_REQUEST else 0.0


def repeat(connection: ConnectionCarrier, head: RequestHead, now: float) -> tuple[Http1, Exchange]:
    """Return the protocol of a connection on which this request is late, and its exchange.

    It was read on another one, and how much of its body was, is not known here. So what comes is
    thrown away, and the connection closes behind the answer.
    """
    protocol = Http1(connection, now)
    protocol._request(head, now, Timer.KEEP_ALIVE)
    protocol._keep_alive = protocol._continue_due = False
    protocol._read(ReadEvent.REFUSE)
    connection.timers.clear(Timer.BODY)
    connection.timers.set(Timer.HANDLER, now)
    return protocol, connection.waiting[0]
