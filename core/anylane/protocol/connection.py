"""Connection: one client connection as a machine of bytes and time.

After *any* input, look at *all* outputs. Inputs never block, never call a handler and never
raise because of what the peer sent. A connection has one owner at a time and no lock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from anylane.config.server_config import ServerConfig
from anylane.errors import Disconnected
from anylane.protocol.dates import Dates
from anylane.protocol.exchange import Exchange, Interrupt
from anylane.protocol.http1.express import Heads
from anylane.protocol.http1.machine import Http1, repeat
from anylane.protocol.interfaces import Closing
from anylane.protocol.outgoing import Outgoing
from anylane.protocol.timers import NEVER, Timer

if TYPE_CHECKING:
    from anylane.protocol.interfaces import InnerProtocol
    from anylane.protocol.peer import Address, Hosted, ProxyInfo


_NO = Closing.NO  # A member of an enum takes twice the time of a global to look up.


class _Nothing:
    """The protocol of a connection that is over: nothing that is reported matters any more."""

    wants_read = False

    def receive_data(self, data: bytes, now: float) -> None: ...
    def receive_eof(self, now: float) -> None: ...
    def peer_left(self, now: float) -> None: ...
    def connection_lost(self, reason: Disconnected) -> None: ...
    def timeout(self, timer: Timer, now: float) -> None: ...
    def sent(self, now: float) -> None: ...
    def eased(self, now: float) -> None: ...
    def shutdown(self, now: float) -> None: ...


_NOTHING = _Nothing()
_KEPT = (Timer.WRITE_STALL, Timer.DRAIN)


class Connection(Outgoing):
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

    __slots__ = ("_exchanges", "_token", "dates", "draining", "eof", "heads", "local", "peer",
                 "read_size", "tls", "waiting")  # fmt: skip

    proxy: ProxyInfo | None = None
    hosted: Hosted | None = None
    refused: bool = False
    closing: Closing
    idle: bool
    pending: int
    _protocol: InnerProtocol

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
        super().__init__(config)
        self.peer: Address = peer
        self.local: Address = local
        self.tls: Any = tls
        self.dates: Dates = date if isinstance(date, Dates) else Dates(date)
        self._token = token
        self.heads: Heads | None = heads
        self.draining: bool = False
        self.eof: bool = False
        self.read_size: int | None = config.http_buffer_size
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
        # Once at most: what is put off meanwhile waits for another turn.
        going_on = self.timers.at[Timer.GO_ON] <= now
        self.timers.clear(Timer.GO_ON)
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
        if going_on and self.closing < Closing.CLOSE:
            self._protocol.timeout(Timer.GO_ON, now)

    def shutdown(self, now: float) -> None:
        """Drain: finish what runs, tell event streams and WebSockets to end, close when idle.

        After `Timeouts.drain` seconds the connection is aborted. Do nothing if it drains already.
        """
        if not self.draining and self.closing is not Closing.ABORT:
            self.draining = True
            self.timers.set(Timer.DRAIN, now + self.config.timeouts.drain)
            if self.closing < Closing.CLOSE:
                self._protocol.shutdown(now)

    def dismiss(self, now: float) -> None:
        """Close an idle connection in order, because its place is needed.

        A client that does not take what it was sent before is reset after `Timeouts.linger`.
        """
        self.close(Closing.CLOSE)
        self._stalled = True
        self.timers.set(Timer.WRITE_STALL, now + self.config.timeouts.linger)

    def abort(self) -> None:
        """End everything now, at the drain deadline or because an operator has asked twice.

        Handlers are interrupted, and `closing` is ABORT.
        """
        for exchange in (*self._exchanges, *self.waiting):
            exchange.interrupted(Interrupt.SHUTDOWN)
        self._lose("the server shut down")

    # -- outputs -----------------------------------------------------------------------------

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
    def idle_since(self) -> float:
        """Return when the last byte of an answer was sent or, where nothing was asked yet, when it
        began; NEVER while something is asked or under way."""
        deadline = self.timers.at[Timer.KEEP_ALIVE]
        if deadline == NEVER or self.waiting or self._exchanges or self.closing or self.eof:
            return NEVER
        return deadline - self.config.timeouts.keep_alive

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

    # -- relief --------------------------------------------------------------------------------

    @property
    def handler_due(self) -> float:
        """Return when the handler that runs is late, or NEVER. It may be asked from any thread."""
        return self.timers.at[Timer.HANDLER]

    def relieve(self, stuck: Exchange, now: float) -> Connection:
        """Return a connection to go on in the place of this one, whose owner blocks in the handler
        of `stuck`: in it the same request is late. Behind the answer it closes.

        The first time, the request waits for its answer, interrupted by its deadline. The second
        time (`stuck` was interrupted before) it is answered: the bare 503 is queued. The owner of
        this one may go on with it, but nothing of it may reach the client any more, nor anything of
        the client this one. Not by the owner: on whatever thread keeps the two apart.
        """
        assert stuck.head is not None, "what could not be parsed has no handler"
        reliever = Connection(
            self.config,
            now=now,
            peer=self.peer,
            local=self.local,
            tls=self.tls,
            date=self.dates,
            token=self._token,
            heads=self.heads,
        )
        reliever._protocol, exchange = repeat(reliever, stuck.head, now)
        first, exchange.interrupt = stuck.interrupt is None, stuck.interrupt
        reliever.handle_timeout(now)
        if first:
            stuck.interrupted(Interrupt.DEADLINE)
        else:
            reliever.waiting.clear()
            exchange.finish(now)
            stuck.started, stuck.status = True, exchange.status
        if self.eof:
            reliever.receive_eof(now)
        return reliever

    # -- for the protocol inside -----------------------------------------------------------

    def token(self, size: int) -> bytes:
        """Return that many random bytes."""
        return self._token(size)

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
        self._protocol = protocol  # pyright: ignore[reportIncompatibleVariableOverride]  # nobody else sets it

    def _lose(self, why: str) -> None:
        self.close(Closing.ABORT)
        self.timers.clear_all()
        self._protocol.connection_lost(Disconnected(None, why))
