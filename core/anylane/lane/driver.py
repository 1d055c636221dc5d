"""Driver: joins one Connection to one transport. This is the only pump there is.

After any input it looks at all outputs: it writes, starts exchanges, arms the one timer,
parks or resumes the reader, closes, and notifies whoever waits. It decides nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any

from anylane.errors import Disconnected
from anylane.handling.connection_hooks import run_connect_hooks, run_disconnect_hooks
from anylane.lane.errand import Errand, ErrandExchange, VariableChanges
from anylane.protocol.exchange import Interrupt
from anylane.protocol.interfaces import Closing
from anylane.protocol.timers import NEVER

if TYPE_CHECKING:
    from anylane.lane.link import BaseLink
    from anylane.lane.server_core import ServerCore
    from anylane.protocol.exchange import Exchange
    from anylane.protocol.interfaces import AnyConnection


class Driver(ABC):
    """A transport derives from it, calls the inputs, and supplies the verbs.

    Inputs and `pump` may be called from inside a verb and from inside a handler: the outermost
    call does the work, the inner ones only write. Verbs never block and may defer.
    """

    tolerance = 0
    """Bytes that may stay before `unsent` is asked, while any deadline is set: it asks too. For a
    transport that sends only in the next turn of its loop, and would always say that some stay."""

    __slots__ = (
        "_again",
        "_armed",
        "_closing",
        "_cut_at",
        "_deferred",
        "_errand_due",
        "_errands",
        "_greeting",
        "_holds",
        "_news",
        "_parting",
        "_read_size",
        "_reading",
        "_tolerance",
        "_turns",
        "apart",
        "connection",
        "links",
        "lost",
        "pumping",
        "seed",
        "server",
        "wakes",
        "written",
    )  # fmt: skip

    def __init__(
        self,
        server: ServerCore,
        *,
        peer: Any,
        local: Any,
        tls: Any = None,
        errand: Errand | None = None,
    ) -> None:
        self.server = server
        self.wakes = server.wakes
        limits = server.config.limits
        self._turns = limits.exchanges_per_turn
        # Over its mark a connection is `congested`: nobody waits for bytes that were not asked for.
        self._tolerance = min(self.tolerance, limits.outbound_high)
        self.connection: AnyConnection = server.new_connection(
            now=self.now(), peer=peer, local=local, tls=tls, bare=errand is not None
        )
        self.lost = False
        self.written = 0
        self.links: list[BaseLink] = []
        self._armed = NEVER
        self._closing = Closing.NO
        self._reading = True
        self._read_size: int | None = None
        self.pumping = False
        self._again = False
        self._news = False
        # Errands: what is to be run before the next exchange, what runs, and what is to be run
        # elsewhere, once so many bytes were sent.
        self._greeting = errand is None and bool(server.frozen.connect)
        self._parting = errand is None and bool(server.frozen.disconnect) and not self._greeting
        self._errand_due: Errand | None = run_connect_hooks if self._greeting else errand
        self._holds = self._errand_due is not None
        # Mostly there are none, and an empty list for each quiet connection is memory, too.
        self._errands: tuple[Exchange, ...] = ()
        self._deferred: tuple[tuple[int, Errand], ...] = ()
        self._cut_at = NEVER
        self.seed: VariableChanges = ()
        self.apart = errand
        if errand is not None:
            self.lost = True
            self.connection.connection_lost(None)
            if server.draining:
                self._cut_at = self.now() + server.config.timeouts.drain
        server.add(self)

    # -- verbs: the transport's ------------------------------------------------------------

    @abstractmethod
    def now(self) -> float:
        """The lane's clock."""

    @abstractmethod
    def write(self, chunks: list[bytes]) -> None:
        """Take all of it; what the kernel does not take now stays with the transport."""

    @abstractmethod
    def unsent(self) -> int:
        """How many bytes stayed."""

    @abstractmethod
    def start(self, exchange: Exchange) -> None:
        """Run the exchange natively, with a link given to `started`."""

    @abstractmethod
    def arm(self, deadline: float) -> None:
        """Call `timeout()` at that time or before; an earlier call's deadline is void."""

    @abstractmethod
    def set_reading(self, on: bool) -> None:
        """Park or resume the reader."""

    @abstractmethod
    def close(self, how: Closing) -> None:
        """SEND_EOF and CLOSE after what was written, ABORT at once. Ends with `lose`."""

    def detach(self, errand: Errand) -> None:
        """Make and pump one more driver, for this errand, without a transport: it is `lost`, so
        of its verbs only `now`, `start` and `arm` are called. On the lane's own thread.

        A transport that does not supply it runs no background work.
        """
        self.server.log(
            "error", f"ctx.background: {type(self).__name__} supplies no detach(); not run", None
        )
        self.server.forget_errand(errand)

    def resize_reads(self, size: int | None) -> None:  # noqa: B027
        """From now on a read should give at most so many bytes (None: as many as you like).

        For a transport that reads by itself; others ask `connection.read_size` at each read.
        """

    def report_progress(self) -> None:  # noqa: B027  # most transports do
        """Call `writable` soon, when what was written so far has been sent."""

    # -- inputs: what the transport reports ------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Bytes came."""
        self.connection.receive_data(data, self.now())
        if self.links:
            self._news = True
        self.pump()

    def receive_eof(self) -> None:
        """The peer sends no more."""
        self.connection.receive_eof(self.now())
        self._news = True
        self.pump()

    def writable(self) -> None:
        """Some of what stayed was sent."""
        self.connection.data_unsent(self.unsent(), self.now())
        self._news = True
        self.pump()

    def timeout(self) -> None:
        """The armed deadline has come."""
        self._armed = NEVER
        now = self.now()
        if not self.lost:
            # A transport that reports nothing between full and empty is asked before it is
            # judged: a slow reader must not be taken for a stalled one.
            unsent = self.unsent()
            if unsent or self.connection.unsent:
                self.connection.data_unsent(unsent, now)
        self.connection.handle_timeout(now)
        for exchange in self._errands:
            exchange.fire_alarms(now)
        if now >= self._cut_at:
            self._interrupt()
        self._news = True
        self.pump()

    def lose(self, exc: BaseException | None) -> None:
        """The transport is gone: reset, failed write, or closed as asked."""
        if not self.lost:
            self.lost = True
            self.connection.connection_lost(exc)
            for exchange in self._errands:
                exchange.lose(Disconnected(None, "connection lost"))
            if self.links or self.connection.waiting or self._holds or self._deferred:
                self._news = True
                self.pump()
            self._forget_when_over()

    def shutdown(self) -> None:
        """Drain (see `Connection.shutdown`)."""
        now = self.now()
        self.connection.shutdown(now)
        # What goes on without a client, or never had one, is bounded too.
        self._cut_at = min(self._cut_at, now + self.server.config.timeouts.drain)
        self._news = True
        self.pump()

    def abort(self) -> None:
        """End it now, and its handlers."""
        self._abort()

    def started(self, link: BaseLink) -> None:
        """An exchange of this connection runs with `link`."""
        self.links.append(link)

    def finished(self, link: BaseLink) -> None:
        """Its coroutine has ended, or never began. The transport calls it however it ended."""
        exchange = link.exchange
        if not exchange.finished:
            exchange.finish(self.now())
        if exchange.errand is None:
            self.connection.forget(exchange)
        elif exchange in self._errands:
            self._errands = tuple(each for each in self._errands if each is not exchange)
        links = self.links
        if link in links:
            links.remove(link)
        if self.pumping:
            self._again = True
        else:
            self.pump()
        if self.lost:
            self._forget_when_over()

    # -- the pump ----------------------------------------------------------------------------

    def pump(self) -> None:
        """Look at all outputs."""
        if self.pumping:
            # A handler that was started eagerly, and streams: what it wrote must reach the
            # transport now, else it could never see that the client is slow.
            self._again = True
            self._write()
            return
        self.pumping = True
        connection = self.connection
        turns = self._turns
        try:
            while True:
                if self._holds and turns and (errand := self._next_errand()) is not None:
                    turns -= 1
                    self.start(errand)
                while connection.waiting and turns and not self._holds:
                    exchange = connection.next_exchange()
                    if exchange is not None:
                        turns -= 1
                        self.start(exchange)
                self._again = False
                if connection.queued:  # Pipelined answers leave together.
                    self._write()
                if not self._again or not turns:
                    break
        finally:
            self.pumping = False
        if not turns:
            self.rouse()
        self._settle()

    def _next_errand(self) -> Exchange | None:
        """What comes before the next request, which waits for it."""
        if self._errand_due is None or not self.connection.ready:
            return None
        errand, self._errand_due = self._errand_due, None
        self._holds = self._greeting
        if errand is run_connect_hooks and self.lost:
            return None
        exchange = ErrandExchange(errand)
        self._errands += (exchange,)
        return exchange

    def rouse(self) -> None:
        """Have `timeout()` called in a new turn of the loop, so that others get theirs."""
        if self._armed > NEVER_LATER:
            self._armed = NEVER_LATER
            self.arm(self.now())

    def push(self) -> None:
        """Write what is there, and nothing else. Bytes that stay have a deadline."""
        if self.connection.queued:
            self._write()
        if not self.pumping and self.connection.deadline_bound < self._armed:
            self._arm()

    def _write(self) -> None:
        connection = self.connection
        while not self.lost and (chunks := connection.data_to_send()):
            self.written += len(chunks[0]) if len(chunks) == 1 else sum(map(len, chunks))
            self.write(chunks)
            if (
                self._armed < NEVER
                and connection.unsent <= self._tolerance
                and not connection.closing
            ):
                break
            # Once more then: room for output may be what a held pong was waiting for.
            connection.data_unsent(self.unsent(), self.now())

    def _settle(self) -> None:
        connection = self.connection
        if not self.lost and not (connection.idle and self._reading):
            if connection.wants_read is not self._reading:
                self._reading = not self._reading
                self.set_reading(self._reading)
            if connection.read_size != self._read_size:
                self._read_size = connection.read_size
                self.resize_reads(self._read_size)
            if connection.closing is not self._closing:
                self._closing = connection.closing
                self.close(self._closing)
        if self._deferred:
            self._send_away()
        if self._errands or connection.deadline_bound < self._armed or self._cut_at < self._armed:
            self._arm()
        if self._news:
            self._news = False
            for link in tuple(self.links):
                link.notify()

    def _arm(self) -> None:
        deadline = self.next_deadline()
        if deadline is not None and deadline < self._armed:
            self._armed = deadline
            self.arm(deadline)

    def next_deadline(self) -> float | None:
        """When to call `timeout`, or None."""
        deadline = self.connection.next_deadline()
        if not self._errands and self._cut_at == NEVER:
            return deadline
        own = min((each.next_alarm() for each in self._errands), default=NEVER)
        own = min(own, self._cut_at, NEVER if deadline is None else deadline)
        return None if own == NEVER else own

    def _forget_when_over(self) -> None:
        if self.is_over():
            self.over()
            self.server.forget(self)
            self.connection.release()

    def is_over(self) -> bool:
        """Nothing is left of it. Before that the on_disconnect hooks have their turn."""
        if not self.lost or self.links:
            return False
        if self._parting and self.connection.ready:
            self._parting = False
            self._errand_due = run_disconnect_hooks
            self._holds = True
            self.pump()
            return False
        return True

    def _abort(self) -> None:
        self.connection.abort()
        self._interrupt()
        self._news = True
        self.pump()

    def _interrupt(self) -> None:
        self._cut_at = NEVER
        for link in tuple(self.links):
            link.exchange.interrupted(Interrupt.SHUTDOWN)

    # -- errands -----------------------------------------------------------------------------

    def greeted(self, *, welcome: bool) -> None:
        """The on_connect hooks are done. Who is not welcome is never served: its exchanges are
        not started, and what the connection holds goes with it."""
        if welcome:
            self._greeting = self._holds = False
            self._parting = bool(self.server.frozen.disconnect)
        else:
            self._abort()

    def defer(self, errand: Errand) -> None:
        """Run it apart from this connection, once all that was written so far has been sent."""
        self.server.errands.add(errand)
        self._write()
        self._deferred += ((self.written, errand),)
        self.pump()

    def _send_away(self) -> None:
        sent = self.written - (0 if self.lost else self.unsent())
        while self._deferred and (self.lost or self._deferred[0][0] <= sent):
            (_, errand), *later = self._deferred
            self._deferred = tuple(later)
            # On the lane's own thread, and in a turn of its own.
            self.wakes.put(partial(self._run_apart, errand))
        if self._deferred:
            self.report_progress()

    def _run_apart(self, errand: Errand) -> None:
        if self.server.aborted:
            self.server.forget_errand(errand)
        else:
            self.detach(errand)

    def over(self) -> None:  # noqa: B027  # not every transport holds something
        """The connection and its last exchange are over: drop the timer, which would keep it."""


NEVER_LATER = -NEVER
"""Earlier than any deadline."""
