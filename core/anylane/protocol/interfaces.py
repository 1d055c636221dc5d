"""What the parts of tier 0 ask of each other, as protocols; nothing here does anything.

A connection speaks one `InnerProtocol` at a time. What that protocol and an exchange ask of what is
below them is a `Carrier`: for HTTP/1.1 and WebSocket it is the connection itself, and a transport
with several exchanges on one connection has a carrier for each. So congestion, timers and output
are asked of an exchange's carrier and never of "the connection".
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

from anylane.errors import Disconnected, Refused
from anylane.protocol.fields import Header
from anylane.protocol.timers import Timer, Timers

if TYPE_CHECKING:
    from anylane.config.server_config import ServerConfig

Join = Callable[[list[Any]], tuple[Any, int] | None]
"""Joins several forms of messages into one, and says how many bytes it has; None for too many."""


class Closing(IntEnum):
    """What a transport is to do with its socket. It only grows: what is closing stays closing."""

    NO = 0
    """Go on."""
    SEND_EOF = 1
    """After everything was written, shut the write side down and go on reading."""
    CLOSE = 2
    """After everything was written, close."""
    ABORT = 3
    """Close now; what was not written is dropped."""


class Carrier(Protocol):
    """What carries one exchange.

    The sessions of an exchange (WebSocket, event stream, raw bytes) send, set their timers and
    close through it. It belongs to one exchange, so one stalled peer or one timer says nothing
    about the neighbours on the same connection.
    """

    config: ServerConfig
    timers: Timers
    """The deadlines of this exchange, a row for each kind."""
    out: list[bytes]
    """What the transport has not been given yet. A session on a hot path may append to it, and add
    the size to `queued`, as `send` does."""
    queued: int
    """Bytes in `out`."""
    backlog: int
    """Bytes that the transport was given and the kernel has not taken, as far as is known."""
    high: int
    """Bytes of both over which it is `congested`."""
    moved: float
    """When the peer was last seen to have taken some of what was on its way, in seconds."""
    closing: Closing

    @property
    def congested(self) -> bool:
        """Output is over its mark: whatever is about to write waits until it has `caught_up`."""
        ...

    @property
    def caught_up(self) -> bool:
        """Output is at or under its low mark."""
        ...

    def token(self, size: int) -> bytes:
        """Return that many random bytes."""
        ...

    def send(self, data: bytes) -> None:
        """Queue bytes; they are dropped once the carrier is closing."""

    def close(self, how: Closing) -> None:
        """Close as far as `how` says, when what was queued has been written."""

    def linger(self, now: float) -> None:
        """End our side, and go on reading for a while, so that a reset cannot destroy what was
        sent (RFC 9112 §9.6)."""


class WebSocketSession(Protocol):
    """A WebSocket between its handshake and its end, as an exchange and its handler see it.

    close_code, close_reason: of the peer's close frame, or of the failure; None and "" while open.
    """

    carrier: Carrier
    subprotocol: str | None
    close_code: int | None
    close_reason: str
    received: int
    """Bytes of the messages that have come."""

    @property
    def latency(self) -> float | None:
        """Seconds that the last answered ping took, None before."""
        ...

    @property
    def is_open(self) -> bool:
        """Neither side has begun to end it."""
        ...

    @property
    def has_messages(self) -> bool:
        """The next `poll` gives one."""
        ...

    def poll(self, now: float) -> str | bytes | None:
        """Return the next message, None when there is none yet. Raise Disconnected at the end."""
        ...

    def take(self) -> str | bytes | None:
        """Return what `poll` would, where that does not depend on the time; None where it might."""
        ...

    def is_quiet(self) -> bool:
        """Return whether `poll` would give None, whatever the time is."""
        ...

    def send(self, message: str | bytes) -> None:
        """Queue one message whole. Raise Disconnected when it can no longer be sent."""

    @property
    def framing(self) -> Hashable:
        """What the form of a message depends on, besides the message: sessions with the same can
        put what one of them has formed. None where each message depends on those before."""
        ...

    def form(self, message: str | bytes) -> Any:
        """Return a message as `put` takes it."""
        ...

    @property
    def join(self) -> Join | None:
        """What joins several forms into one; None where each is put by itself."""
        ...

    def put(self, formed: Any) -> None:
        """Queue what `form` has made, for a session of the same framing. Raise Disconnected when it
        can no longer be sent."""

    def ping(self, now: float) -> Ping:
        """Ask for a sign of life (RFC 6455 §5.5.2)."""
        ...

    def close(self, code: int, reason: str, now: float) -> None:
        """Start or answer the close handshake. Do nothing if it is over. Raise UsageError for a
        code or a reason that must not be sent (RFC 6455 §7.4)."""

    def finish(self, now: float) -> None:
        """End it normally: its handler has ended, and receives no more."""


class Ping:
    """One of our pings. latency: seconds until its pong came, None before."""

    __slots__ = ("latency", "sent_at")

    def __init__(self, sent_at: float) -> None:
        self.sent_at: float = sent_at
        self.latency: float | None = None


class EventSession(Protocol):
    """An event stream between its head and its end, as its handler's side sees it."""

    def send(self, block: bytes, now: float, *, retry: int | None = None) -> None:
        """Queue one whole block. retry: the hint that is in it, in milliseconds."""

    @property
    def framed(self) -> bool:
        """Whether a block has the same form in every session that is framed. In another session the
        block itself is its form."""
        ...

    @property
    def join(self) -> Join | None:
        """What joins several forms into one; None where each is put by itself."""
        ...

    def form(self, block: bytes) -> Any:
        """Return a block as `put` takes it."""
        ...

    def put(self, formed: Any, now: float) -> None:
        """Queue what `form` has made, for a session that is framed alike."""

    def end(self) -> None:
        """Stop its heartbeats: the body is complete, or its client is gone."""


class RawSession(Protocol):
    """A connection that speaks a protocol which is not ours, as its handler's side sees it."""

    received: int
    """Bytes that have come."""

    def read(self, now: float) -> bytes | None:
        """Return what has come, b"" at the end, None when there is nothing yet."""
        ...

    def send(self, data: bytes) -> None:
        """Queue bytes; they are dropped once our side has ended."""

    def finish(self, now: float) -> None:
        """End our side, and close when the peer has taken what was sent. Harmless afterwards."""


class Stream(Protocol):
    """What an exchange asks of the protocol that it is a part of (HTTP/1.1 today)."""

    def body_wanted(self, now: float) -> None:
        """Go on with the body, a waiting 100 (Continue) first: its reader has room."""

    def limit_body(self, limit: int, now: float) -> Refused | None:
        """Let the body have so many bytes, be that more or less than `Limits.body`. If it is known
        to have more, take nothing of it, close behind the answer, and return why."""
        ...

    def limit_time(self, seconds: float) -> None:
        """Give the handler so much time instead of `request_timeout`."""

    def send_informational(self, status: int, headers: Iterable[Header]) -> None:
        """Send a 1xx response, if the client knows such (RFC 9110 §15.2)."""

    def send_head(self, status: int, headers: Iterable[Header], length: int | None) -> None:
        """Start the response. Raise UsageError for headers that contradict the framing."""

    def send_data(self, data: bytes) -> None:
        """Send one piece of the body. Raise UsageError over its declared length."""

    def send_end(self, trailers: Iterable[Header]) -> None:
        """End the body. Raise UsageError if it is shorter than declared."""

    def conclude(self, status: int, headers: Sequence[Header], body: bytes, now: float) -> bool:
        """Send a plain response whole and end the exchange. Return False, with nothing done, where
        it is not plain."""
        ...

    def begin_events(
        self, *, retry: int | None, heartbeat: float | None, now: float
    ) -> EventSession:
        """Make the body whose head was sent an event stream."""
        ...

    def check_accept(self, subprotocol: str | None) -> None:
        """Raise what `accept` would raise because of the request, and do nothing else."""

    def check_take_over(self, headers: Iterable[Header]) -> int:
        """Return the status that `take_over` will send. Raise what it would raise because of the
        request, and do nothing else."""
        ...

    def accept(
        self, headers: Iterable[Header], subprotocol: str | None, now: float
    ) -> WebSocketSession:
        """Accept a WebSocket handshake. Raise Refused if it is none, or a bad one."""
        ...

    def take_over(self, headers: Iterable[Header], now: float) -> RawSession:
        """Leave HTTP. Raise Refused if the client asked for neither CONNECT nor an upgrade."""
        ...

    def finish(self, now: float) -> None:
        """End the exchange: its handler has ended, the response maybe not."""


class HearsOutput(Protocol):
    """What is told how the output of a connection gets on."""

    def sent(self, now: float) -> None:
        """Take note that the kernel has taken everything, after it had not."""

    def eased(self, now: float) -> None:
        """Take note that output was over its high mark and is not any more."""


class InnerProtocol(HearsOutput, Protocol):
    """What a connection speaks now: HTTP/1.1, WebSocket, or a protocol that is not ours."""

    @property
    def wants_read(self) -> bool:
        """False: leave the peer's bytes in the kernel."""
        ...

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes of the peer. Raise nothing because of them."""

    def receive_eof(self, now: float) -> None:
        """Take note that the peer sends no more."""

    def peer_left(self, now: float) -> None:
        """Take note that the peer has ended its side, behind input that is still to be read. It
        may be told again and again."""

    def connection_lost(self, reason: Disconnected) -> None:
        """Take note that the transport is gone."""

    def timeout(self, timer: Timer, now: float) -> None:
        """Act on a deadline that has come."""

    def shutdown(self, now: float) -> None:
        """End as soon as this protocol can without cutting anything off (a drain)."""
