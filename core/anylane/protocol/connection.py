"""Connection: one client connection as a machine of bytes and time.

After *any* input, look at *all* outputs. Inputs never block, never call a handler and never
raise because of what the peer sent. A connection has one owner at a time and no lock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from anylane.config.server_config import ServerConfig
from anylane.errors import Disconnected
from anylane.protocol.dates import Dates
from anylane.protocol.exchange import Exchange, Interrupt
from anylane.protocol.http1.express import Heads
from anylane.protocol.http1.machine import Http1
from anylane.protocol.interfaces import Closing
from anylane.protocol.pace import Pace
from anylane.protocol.timers import NEVER, Timer, Timers

if TYPE_CHECKING:
    from anylane.protocol.interfaces import InnerProtocol
    from anylane.protocol.peer import Address


_NO = Closing.NO  # A member of an enum takes twice the time of a global to look up.


class _Nothing:
    """The protocol of a connection that is over: nothing that is reported matters any more."""

    counts_output: ClassVar[bool] = False
    wants_read = False

    def receive_data(self, data: bytes, now: float) -> None: ...
    def receive_eof(self, now: float) -> None: ...
    def peer_left(self, now: float) -> None: ...
    def connection_lost(self, reason: Disconnected) -> None: ...
    def timeout(self, timer: Timer, now: float) -> None: ...
    def sent(self, now: float) -> None: ...
    def shutdown(self, now: float) -> None: ...


_NOTHING = _Nothing()
_KEPT = (Timer.WRITE_STALL, Timer.DRAIN)


class Connection:
    """A machine with bytes and time going in, and exchanges, bytes and one deadline coming out.

    Every time is in seconds, on the one clock of the lane.

    config: the server's settings. now: the time at which the connection begins.
    peer, local: socket addresses. tls: what the TLS layer knows, None without TLS.
    date: gives the value of the Date header; or `Dates`, to be shared. token: gives that many
        random bytes.
    heads: a memory shared with other connections that have the same limits, None for its own.
    read_size: bytes that one read of the socket should give; None where it does not matter.
    closing: what a transport is to do with its socket; it only grows. draining: `shutdown` was
        called. eof: the peer sends no more. timers: the deadlines, a row for each kind.
    waiting: what `next_exchange()` will give; the protocol inside appends to it.
    out, queued: what `data_to_send()` will give, and how many bytes that is. The protocol inside
        may append to it by itself, as `send` does.
    backlog: bytes that were given out and not taken by the kernel, as far as is known.
    high: the bytes of both over which it is `congested`.
    moved: when the peer was last seen to have taken some of what was on its way before, by the
        latest look. pending: bytes on their way then, those that our kernel holds included.
    idle: True between two requests, if nothing has changed of what a driver looks at: it wants to
        read, and is not being closed. False says nothing.
    """

    __slots__ = ("_exchanges", "_pace", "_protocol", "_stalled", "_taken", "_token", "backlog",
                 "closing", "config", "dates", "draining", "eof", "heads", "high", "idle", "local",
                 "moved", "out", "peer", "pending", "queued", "read_size", "timers", "tls",
                 "waiting")  # fmt: skip

    def __init__(
        self,
        config: ServerConfig,
        *,
        now: float,
        peer: Address = None,
        local: Address = None,
        tls: Any = None,
        date: Callable[[], bytes] | Dates,
        token: Callable[[int], bytes],
        heads: Heads | None = None,
    ) -> None:
        self.config: ServerConfig = config
        self.peer: Address = peer
        self.local: Address = local
        self.tls: Any = tls
        self.dates: Dates = date if isinstance(date, Dates) else Dates(date)
        self._token = token
        self.heads: Heads | None = heads
        self.timers: Timers = Timers()
        self.closing: Closing = _NO
        self.draining: bool = False
        self.eof: bool = False
        self.idle: bool = False
        self.read_size: int | None = config.http_buffer_size
        self.high: int = config.limits.outbound_high
        self.out: list[bytes] = []
        self.queued: int = 0
        self.backlog: int = 0
        self.moved: float = -NEVER
        self.pending: int = 0
        self._taken = 0
        self._pace: Pace | None = None
        self._stalled = False
        # Lists, because an empty deque takes 760 bytes, and most connections are quiet.
        self.waiting: list[Exchange] = []
        self._exchanges: list[Exchange] = []
        self._protocol: InnerProtocol = Http1(self, now)

    # -- inputs ----------------------------------------------------------------------------

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes of the peer; at most 256 KiB at once.

        They are dropped after the end of input and once the connection is being closed.
        """
        if data and not self.eof and (self.closing is _NO or self.closing < Closing.CLOSE):
            self.idle = False
            self._protocol.receive_data(data, now)

    def receive_eof(self, now: float) -> None:
        """Take note that the peer sends no more. It may still read: this is a half-close, and no
        disconnection."""
        if not self.eof and self.closing < Closing.CLOSE:
            self.eof = True
            self.idle = False
            self._protocol.receive_eof(now)

    def peer_left(self, now: float) -> None:
        """Take note that the peer has ended its side, behind input that is not being read.

        The end itself comes with `receive_eof` when all before it was read. Until then a transport
        that looks says this, once or again and again.
        """
        if not self.eof and self.closing < Closing.CLOSE:
            self._protocol.peer_left(now)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Take note that the transport is gone: it was reset, a write failed, or it was closed as
        `closing` asked. What was queued is dropped; exchanges that run hear Disconnected.

        exc: what the transport raised, None after a close.
        """
        self.closing = Closing.ABORT
        self.idle = False
        self.out.clear()
        self.queued = self.backlog = 0
        self.timers.clear_all()
        self._protocol.connection_lost(Disconnected(None, str(exc) if exc else "connection lost"))

    def handle_timeout(self, now: float) -> None:
        """Act on the deadlines that have come. Call this when `next_deadline()` has come; too early
        or too often is harmless."""
        for exchange in tuple(self._exchanges):
            exchange.fire_alarms(now)
        while (timer := self.timers.take_due(now)) is not None:
            match timer:
                case Timer.WRITE_STALL:
                    self._lose("the client stopped reading")
                case Timer.DRAIN:
                    self.abort()
                case Timer.LINGER:
                    self.close(Closing.CLOSE)
                case _:
                    self._protocol.timeout(timer, now)

    def data_unsent(self, size: int, now: float) -> None:
        """Take note that the kernel has not taken `size` bytes of what `data_to_send()` gave.

        This carries backpressure and WRITE_STALL, a deadline that is renewed when the figure
        shrinks.
        """
        if self.closing is Closing.ABORT:
            return
        progress = self.backlog - size
        self.backlog = size
        if size == 0:
            if self._stalled:
                self._stalled = False
                self.timers.clear(Timer.WRITE_STALL)
                self._protocol.sent(now)
            elif self._protocol.counts_output:
                self._protocol.sent(now)
        elif self._pace is None or not self.timers.is_set(Timer.WRITE_STALL):
            self._stalled = True
            self._begin_to_wait(now)
        elif progress > 0 and not self.pending:  # Else `data_taken` knows better.
            self._pace.moved(progress, now)
        if self.closing is Closing.SEND_EOF and (progress > 0 or size == 0):
            self.timers.set(Timer.LINGER, now + self.config.timeouts.linger)

    def data_taken(self, taken: int, pending: int, now: float) -> None:
        """Take note of what the kernel says when it is asked: the peer has acknowledged `taken`
        bytes since the connection began, and `pending` bytes are still on their way to it.

        Report this before a deadline is judged, and with `data_unsent` where bytes stayed. A
        kernel holds megabytes and says nothing while a slow reader takes them. Progress is what was
        taken of that which was pending at the last look: what was written since then may have gone
        to the kernel of a peer that hangs.
        """
        progress = taken - self._taken if self.pending else 0
        self._taken, self.pending = taken, pending
        if progress > 0:
            self.moved = now
            if self._pace is not None and self.timers.is_set(Timer.WRITE_STALL):
                self._pace.moved(progress, now)
        if not pending:
            self.timers.clear(Timer.WRITE_STALL)
        elif progress > 0 and self.closing is Closing.SEND_EOF and self.owes(now):
            self.timers.set(Timer.LINGER, now + self.config.timeouts.linger)

    def shutdown(self, now: float) -> None:
        """Drain: finish what runs, tell event streams and WebSockets to end, close when idle.

        After `Timeouts.drain` seconds the connection is aborted. Do nothing if it drains already.
        """
        if not self.draining and self.closing is not Closing.ABORT:
            self.draining = True
            self.timers.set(Timer.DRAIN, now + self.config.timeouts.drain)
            if self.closing < Closing.CLOSE:
                self._protocol.shutdown(now)

    def abort(self) -> None:
        """End everything now, at the drain deadline or because an operator has asked twice.

        Handlers are interrupted, and `closing` is ABORT.
        """
        for exchange in (*self._exchanges, *self.waiting):
            exchange.interrupted(Interrupt.SHUTDOWN)
        self._lose("the server shut down")

    # -- outputs -----------------------------------------------------------------------------

    def data_to_send(self) -> list[bytes]:
        """Remove and return the bytes to write, in order. They belong to the caller now, and count
        as `backlog` until `data_unsent` says otherwise."""
        out = self.out
        if out:
            self.out = []
            self.backlog += self.queued
            self.queued = 0
        return out

    def next_exchange(self) -> Exchange | None:
        """Remove and return a request whose handler was not started yet, or None.

        HTTP/1.1 gives one at a time: the next after `Exchange.finish` or `conclude` of the last.
        """
        if not self.waiting:
            return None
        exchange = self.waiting.pop(0)
        exchange.news = False  # What came before it is started is there when its handler looks.
        self._exchanges.append(exchange)
        return exchange

    def next_deadline(self) -> float | None:
        """Return when to call `handle_timeout`, or None. It may change with every input."""
        deadline = self.timers.next()
        for exchange in self._exchanges:
            deadline = min(deadline, exchange.next_alarm())
        return None if deadline == NEVER else deadline

    @property
    def deadline_bound(self) -> float:
        """Return a time that is never later than `next_deadline()`. It is cheap to ask: until then
        no look at that is needed."""
        bound = self.timers.bound
        for exchange in self._exchanges:
            if exchange.own_alarms is not None:
                bound = min(bound, exchange.own_alarms.next())
        return bound

    @property
    def ready(self) -> bool:
        """Whether requests can come. A layer around a connection may have to shake hands before."""
        return True

    @property
    def wants_read(self) -> bool:
        """Whether to read. If not, leave the peer's bytes in the kernel: that is the
        backpressure."""
        return (
            not self.eof
            and (self.closing is _NO or self.closing < Closing.CLOSE)
            and self._protocol.wants_read
        )

    @property
    def unsent(self) -> int:
        """Return how many bytes of output the kernel has not taken yet."""
        return self.backlog + self.queued

    @property
    def congested(self) -> bool:
        """Whether output is over its high mark: writers wait until it has `caught_up`."""
        return self.backlog + self.queued > self.high

    @property
    def caught_up(self) -> bool:
        """Whether output is at or under its low mark: writers that waited go on."""
        return self.unsent <= self.config.limits.outbound_low

    # -- for the protocol inside -----------------------------------------------------------

    def token(self, size: int) -> bytes:
        """Return that many random bytes."""
        return self._token(size)

    def send(self, data: bytes) -> None:
        """Queue bytes for the transport. They are dropped once the connection is being closed."""
        # Written out in Http1.conclude and WebSocketProtocol.send (tests/test_inlined_copies.py).
        if self.closing is _NO:
            self.out.append(data)
            self.queued += len(data)

    def owes(self, now: float) -> bool:
        """Return whether the peer has not taken all of our output yet, as far as the last look
        says. WRITE_STALL runs then, even if our kernel has all of it: nothing is closed over what a
        slow reader still takes."""
        owes = self.unsent > 0 or self.pending > 0
        if owes and not self.timers.is_set(Timer.WRITE_STALL):
            self._begin_to_wait(now)
        return owes

    def forget(self, exchange: Exchange) -> None:
        """Take note that the last coroutine of an exchange has returned. Its alarms are dropped,
        and every later use of it raises UsageError."""
        exchange.forgotten = True
        exchanges = self._exchanges
        if exchanges and exchanges[0] is exchange:
            del exchanges[0]
        elif exchange in exchanges:
            exchanges.remove(exchange)

    def release(self) -> None:
        """Drop the protocol inside. The owner calls this when the connection is lost, its last
        coroutine has returned, and nothing more is reported.

        The protocol knows the connection, too. So both would stay until the garbage collector
        comes, and make it come often where every request has a connection of its own.
        """
        self._protocol = _NOTHING

    def close(self, how: Closing) -> None:
        """Ask the transport to close its socket as far as `how` says. What is asked only grows:
        less than before is ignored."""
        if how > self.closing:
            self.closing = how
            self.idle = False
            if how >= Closing.CLOSE:
                # All that is left to wait for is a peer that takes what was written.
                self.timers.clear_all(*_KEPT)

    def linger(self, now: float) -> None:
        """Close our side, and go on reading, so that a reset cannot destroy the answer (RFC 9112
        §9.6).

        Input is discarded up to a bound or the LINGER deadline. Where the peer sends no more, close
        at once.
        """
        if self.eof:
            self.close(Closing.CLOSE)
        else:
            self.close(Closing.SEND_EOF)
            if self.closing is Closing.SEND_EOF:
                self.timers.set(Timer.LINGER, now + self.config.timeouts.linger)
                self.pending = max(self.pending, 1)  # The answer is on its way.

    def switch(self, protocol: InnerProtocol) -> None:
        """Give the peer's bytes to `protocol` from here on (RFC 9110 §7.8)."""
        self._protocol = protocol

    def _begin_to_wait(self, now: float) -> None:
        """Set WRITE_STALL: output stays until the peer takes some, at a minimum rate."""
        if self._pace is None:
            timeouts = self.config.timeouts
            self._pace = Pace(
                self.timers,
                Timer.WRITE_STALL,
                rate=self.config.limits.send_rate,
                grace=timeouts.rate_grace,
                pause=timeouts.write_stall,
            )
        self._pace.begin(now)

    def _lose(self, why: str) -> None:
        self.close(Closing.ABORT)
        self.timers.clear_all()
        self._protocol.connection_lost(Disconnected(None, why))
