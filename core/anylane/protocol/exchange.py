"""Exchange: one request with its answer, or one WebSocket session.

It is what tier 0 shows to the machinery of handlers. Nothing here waits: `read` returns None where
a caller has to wait for the next input, and every method may be called at any time without harm to
the stream.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Any

from anylane.errors import Cancelled, Disconnected, Refused, UsageError
from anylane.protocol.fields import Header
from anylane.protocol.interfaces import (
    Carrier,
    EventSession,
    RawSession,
    Stream,
    WebSocketSession,
)
from anylane.protocol.request_head import RawHeaders, RequestHead
from anylane.protocol.timers import Alarms, HasAlarms


class Interrupt(Enum):
    """Why the core wants a handler to end before it is ready."""

    DEADLINE = "deadline"
    """`request_timeout` passed before the response started."""
    DISCONNECT = "disconnected"
    """The client is gone, and the route says `cancel_on_disconnect`."""
    SHUTDOWN = "shutdown"
    """The drain deadline passed, or the server was aborted."""


_TOO_LATE = (
    "this exchange has ended: ctx, its stream or its WebSocket was used after the handler "
    "returned. A task or thread that uses them must end before the handler does"
)

_STARTED = "the response has already started"

_NO_TRAILERS: RawHeaders = []


class Exchange(HasAlarms):
    """One request and what becomes of it.

    carrier: what its output and its timers belong to.
    head: the request; None when it was refused before it could be parsed.
    refused: the rule that the peer broke, None for a request. Answer it and nothing else.
    started: the head of the response is out.
    finished: the handler has ended. forgotten: its last coroutine has returned, too, and its alarms
        are not looked at any more.
    body_complete: the whole body has come. buffered: bytes of it that were not read yet.
        body_refused: why the rest will not come, or None. trailers: those of a chunked body.
    gone: why the client will not read what is sent, None while it may. When it is set, `on_gone` is
        called. half_closed: the client sends no more.
    interrupt: why the handler is to end, or None. When it is set, `on_interrupt` is called.
    told: the handler has heard of the later of the two.
        cancel_on_disconnect: also interrupt the handler when the client leaves.
    news: something happened to this exchange that its handler may wait for. A driver clears it when
        it notifies the handler.
    status: that of the response, 0 before it started. sent: bytes of its body, or of the frames of
        a WebSocket's messages.
    websocket, raw: the session that this exchange has become, None while it is a request.
    errand: what to run instead of a handler, where there is no request (set by tier 1's own class).
    log_id: what the log calls the request; unset until a line asks for it, so it costs nothing.
    own_alarms: `alarms`, once there were any.

    Everything that sends raises UsageError after `finish`: the connection belongs to another
    exchange then, whose client must never see these bytes. To a client that is gone it sends
    nothing and raises nothing; `check` tells.
    """

    errand: Any = None
    log_id: str

    __slots__ = ("_chunks", "_received", "_stream", "body_complete", "body_refused", "buffered",
                 "cancel_on_disconnect", "carrier", "finished", "forgotten", "gone", "half_closed",
                 "head", "interrupt", "log_id", "on_gone", "on_interrupt", "raw",
                 "refused", "sent", "started", "status", "told", "trailers",
                 "websocket")  # fmt: skip

    def __init__(
        self,
        stream: Stream,
        carrier: Carrier,
        head: RequestHead | None,
        refused: Refused | None = None,
    ) -> None:
        self._stream = stream
        self.carrier: Carrier = carrier
        self.head: RequestHead | None = head
        self.refused: Refused | None = refused
        self.own_alarms: Alarms | None = None
        self.started: bool = False
        self.status: int = 0
        self.sent: int = 0
        self.finished: bool = False
        self.forgotten: bool = False
        self.gone: Disconnected | None = None
        self.on_gone: Callable[[], None] | None = None
        self.told: bool = False
        self.half_closed: bool = False
        self.interrupt: Interrupt | None = None
        self.on_interrupt: Callable[[], None] | None = None
        self.news: bool = False
        self.cancel_on_disconnect: bool = False
        self.websocket: WebSocketSession | None = None
        self.raw: RawSession | None = None
        self._chunks: deque[bytes] | None = None
        self.buffered: int = 0
        self.body_complete: bool = head is None or not head.has_body
        self.body_refused: Refused | None = None
        self.trailers: RawHeaders = _NO_TRAILERS

    @property
    def received(self) -> int:
        """Return how many bytes of the body have come, or of the messages of a WebSocket."""
        session = self.websocket or self.raw
        if session is not None:
            return session.received
        return 0 if self._chunks is None else self._received

    # -- called by the driver of handlers ------------------------------------------------

    def begin(self, on_interrupt: Callable[[], None]) -> None:
        """Take note that the handler starts. From now on `on_interrupt` is called to interrupt it;
        at once if that was asked for before."""
        # Written out in NativeCancel.begin (tests/test_inlined_copies.py).
        self.on_interrupt = on_interrupt
        if self.interrupt is not None:
            on_interrupt()

    @property
    def over(self) -> bool:
        """Whether nothing is expected of the handler any more: the client is gone, the handler was
        interrupted, or its WebSocket is closing. What it cannot send then is no failure."""
        return (
            self.gone is not None
            or self.interrupt is not None
            or (self.websocket is not None and not self.websocket.is_open)
        )

    def check(self) -> None:
        """Raise Cancelled if the handler was interrupted, and Disconnected if the client is gone.

        Raise UsageError if the exchange is over for good: its link wakes no coroutine any more.
        A handler that was interrupted because its client is gone gets Disconnected here. A `def`
        that runs on after its interruption gets Cancelled, although its exchange has ended.
        """
        if self.interrupt is not None and self.interrupt is not Interrupt.DISCONNECT:
            self.told = True
            raise Cancelled
        if self.forgotten:
            raise UsageError(_TOO_LATE)
        if self.gone is not None:
            self.told = True
            raise self.gone

    def read(self, now: float) -> bytes | None:
        """Return the next piece of the body, b"" at its end, None when there is none yet.

        The first call lets a waiting client send (100 Continue, RFC 9110 §10.1.1). Raise Refused
        for what the peer did wrong, after all that came before it, and UsageError if the handler
        has ended.
        """
        if self._chunks:
            chunk = self._chunks.popleft()
            self.buffered -= len(chunk)
            self._stream.body_wanted(now)
            return chunk
        if self.finished:
            raise UsageError("the body cannot be read any more: the handler has ended")
        if self.body_refused is not None:
            raise self.body_refused
        if self.body_complete:
            return b""
        self._stream.body_wanted(now)
        if self.body_refused is not None:
            raise self.body_refused
        return None

    def limit(self, body: int | None, seconds: float | None, now: float) -> Refused | None:
        """Bound the body anew, in bytes, and the time for an answer; None: as it was. Return why
        the body is too large, if it is known to be: `read` raises it, and none of it is kept."""
        if seconds is not None:
            self._stream.limit_time(seconds)
        refused = None if body is None else self._stream.limit_body(body, now)
        if refused is not None and self._chunks:
            self._chunks.clear()
            self.buffered = 0
        return refused

    def read_all(self) -> bytes | None:
        """Return the rest of the body if all of it is here, else None: then `read` it."""
        if not self.body_complete or not self._chunks or self.body_refused is not None:
            return None
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self.buffered = 0
        return body

    def _must_be_mine(self) -> None:
        # After that the connection is another exchange's: its client must never see our bytes.
        if self.finished:
            raise UsageError(_TOO_LATE)

    def send_informational(self, status: int, headers: Iterable[Header]) -> None:
        """Send a 1xx response before the final one. HTTP/1.0 clients get none (RFC 9110 §15.2)."""
        self._must_be_mine()
        self._stream.send_informational(status, headers)

    def send_head(self, status: int, headers: Iterable[Header], length: int | None) -> None:
        """Start the response. length: of the body, in bytes; None if it is not known yet.

        Raise UsageError, before a byte is out, if it was started before, and for headers that
        contradict the framing.
        """
        # Written out in Exchange.conclude (tests/test_inlined_copies.py).
        self._must_be_mine()
        if self.started:
            raise UsageError(_STARTED)
        self._stream.send_head(status, headers, length)
        self.status = status

    def send_data(self, data: bytes) -> None:
        """Send one piece of the body. Where the length is not known it is one chunk (RFC 9112
        §7.1). Raise UsageError if the body gets longer than declared; the piece is not sent."""
        # Written out in Exchange.conclude and EventStreamProtocol.put
        # (tests/test_inlined_copies.py).
        if self.finished:
            self._must_be_mine()
        self._stream.send_data(data)
        self.sent += len(data)

    def send_end(self, trailers: Iterable[Header] = ()) -> None:
        """End the response; trailers are sent where the body is chunked. Raise UsageError if the
        body is shorter than declared."""
        self._must_be_mine()
        self._stream.send_end(trailers)

    def begin_events(
        self, *, retry: int | None, heartbeat: float | None, now: float
    ) -> EventSession:
        """Make the body whose head was sent an event stream, and return its session.

        retry: milliseconds, sent first; None for no hint. heartbeat: seconds of silence before a
        comment, None for none. Raise UsageError if no head was sent.
        """
        self._must_be_mine()
        return self._stream.begin_events(retry=retry, heartbeat=heartbeat, now=now)

    def respond(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        """Send the whole response at once. Raise UsageError as `send_head` does."""
        self.send_head(status, headers, len(body))
        if body:
            self.send_data(body)
        self.send_end()

    def conclude(self, status: int, headers: Sequence[Header], body: bytes, now: float) -> None:
        """Do what `respond` and `finish` do: the handler has ended, and this is its response.

        A plain response takes one step: see "The plan of a fast answer" in docs/performance.md.
        """
        if self.finished:
            self._must_be_mine()
        if self.started:
            raise UsageError(_STARTED)
        if self._stream.conclude(status, headers, body, now):
            # As `send_head`, `send_data` and `finish`, without the calls.
            self.started = self.finished = True
            self.status = status
            self.sent = len(body)
            self.on_interrupt = self.on_gone = None
            if self._chunks:
                self._chunks.clear()
                self.buffered = 0
        else:
            self.respond(status, headers, body)
            self.finish(now)

    def check_accept(self, subprotocol: str | None) -> None:
        """Raise what `accept` would raise because of the request, and do nothing else."""
        self._must_be_mine()
        self._stream.check_accept(subprotocol)

    def check_take_over(self, headers: Iterable[Header]) -> int:
        """Return the status that `take_over` will send. Raise what it would raise because of the
        request, and do nothing else."""
        self._must_be_mine()
        return self._stream.check_take_over(headers)

    def accept(
        self, headers: Iterable[Header], subprotocol: str | None, now: float
    ) -> WebSocketSession:
        """Accept the WebSocket handshake and return the session (RFC 6455 §4.2.2).

        headers: more of them for the 101. subprotocol: the one chosen, None for none. Raise Refused
        if the handshake is not valid, UsageError if the client did not offer the subprotocol or the
        request was answered already. Nothing is sent then.
        """
        self._must_be_mine()
        self.websocket = self._stream.accept(headers, subprotocol, now)
        self.status = 101
        return self.websocket

    def take_over(self, headers: Iterable[Header], now: float) -> RawSession:
        """Leave HTTP and return the session in which the connection's bytes come and go.

        CONNECT is answered with 200 (RFC 9110 §9.3.6), an upgrade with 101 (§7.8). Raise Refused if
        the request is neither, UsageError if it was answered already or its body was not read.
        Nothing is sent then.
        """
        self._must_be_mine()
        self.raw = self._stream.take_over(headers, now)
        self.status = 200 if self.head is not None and self.head.method == b"CONNECT" else 101
        return self.raw

    def finish(self, now: float) -> None:
        """Take note that the handler has ended. An incomplete response closes the connection.
        Later calls do nothing."""
        # Written out in Exchange.conclude (tests/test_inlined_copies.py).
        if not self.finished:
            self.finished = True
            self.on_interrupt = self.on_gone = None
            if self._chunks:
                self._chunks.clear()
                self.buffered = 0
            if self.websocket is not None:
                self.websocket.finish(now)
            elif self.raw is not None:
                self.raw.finish(now)
            else:
                self._stream.finish(now)

    # -- called by the protocol ------------------------------------------------------------

    def push(self, chunks: list[bytes]) -> None:
        """Take note that pieces of the body have come."""
        if self._chunks is None:
            self._chunks = deque()
            self._received = 0
        self._chunks.extend(chunks)
        size = sum(map(len, chunks))
        self.buffered += size
        self._received += size
        self.news = True

    def end_body(self, trailers: RawHeaders) -> None:
        """Take note that the body is complete."""
        self.trailers = trailers
        self.body_complete = self.news = True

    def refuse_body(self, refused: Refused) -> None:
        """Take note that the rest of the body will not come, or must not be believed."""
        self.body_refused = refused
        self.news = True

    def half_close(self) -> None:
        """Take note that the client sends no more."""
        self.half_closed = self.news = True

    def complete(self, body: bytes) -> None:
        """Take note that the whole body came with the head. This is no news: its handler has not
        begun."""
        self._chunks = deque((body,))
        self.buffered = self._received = len(body)
        self.body_complete = True

    def lose(self, reason: Disconnected) -> None:
        """Take note that the client will not read what is sent any more; the first reason stays.

        `on_gone` is called, and the handler is interrupted if it asked for that.
        """
        if self.gone is None:
            self.gone = reason
            self.news = True
            if self.on_gone is not None:
                self.on_gone()
            if self.cancel_on_disconnect:
                self.interrupted(Interrupt.DISCONNECT)

    def interrupted(self, why: Interrupt) -> None:
        """Ask the handler to end now; the first reason stays."""
        if self.interrupt is None and not self.finished:
            self.interrupt = why
            self.told = False
            on_interrupt = self.on_interrupt  # Its handler may end meanwhile, in another thread.
            if on_interrupt is not None:
                on_interrupt()
