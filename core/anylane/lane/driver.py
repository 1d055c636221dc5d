"""Driver: joins one Connection to one transport. This is the only pump there is.

After any input it looks at all outputs: it writes, starts exchanges, arms the one timer,
parks or resumes the reader, closes, and notifies the links of exchanges to which something
happened. It decides nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anylane.lane.errand import Errands, NoConnection
from anylane.lane.log_ids import next_connection_number
from anylane.lane.lookout import Lookout
from anylane.protocol.exchange import Interrupt
from anylane.protocol.interfaces import Closing
from anylane.protocol.timers import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable

    from anylane.lane.link import Errand, Link
    from anylane.lane.server_core import ServerCore
    from anylane.lane.variables import VariableChanges
    from anylane.lane.wake_queue import WakeQueue
    from anylane.protocol.any_connection import AnyConnection
    from anylane.protocol.exchange import Exchange
    from anylane.protocol.interfaces import Carrier

NEVER_LATER = -NEVER
"""Earlier than any deadline."""


class Driver(Lookout):
    """Joins one Connection to one transport.

    A transport derives from it, calls the inputs, and supplies the verbs of `Transport`. Inputs and
    `pump` may be called from inside a verb and from inside a handler: the outermost call does the
    work, the inner ones only write. Verbs never block and may defer.

    server: what it belongs to. connection: what it drives, a new one unless it is given; of a
    channel messages are written. met: its on_connect hooks have run. wakes: runs functions on the
    lane's own thread. links: those of the exchanges that run. errand: what it was made for, if not
    a connection. number, logged: for the log (see `LinkDriver`). variables: context variables that
    each exchange begins with. written: bytes that the transport was given. pumping: the outermost
    call is at work. lost: the transport is gone. reading, closing: what it was told last.
    """

    __slots__ = ("_again", "_armed", "_connecting", "_errands", "_holds", "_interrupt_at",
                 "_parting", "_read_size", "_tolerance", "_turns", "_yielding", "closing",
                 "connection", "errand", "links", "logged", "lost", "number", "pumping",
                 "reading", "server", "variables", "wakes", "written")  # fmt: skip

    def __init__(
        self,
        server: ServerCore,
        *,
        peer: Any,
        local: Any,
        tls: Any = None,
        errand: Errand | None = None,
        connection: AnyConnection | None = None,
        met: bool = False,
    ) -> None:
        super().__init__()
        self.server: ServerCore = server
        self.wakes: WakeQueue = server.wakes
        limits = server.config.limits
        self._turns = limits.exchanges_per_turn
        # Over its mark it is `congested`: then there is no waiting for bytes not asked for.
        self._tolerance = min(self.tolerance, limits.outbound_high)
        self.links: list[Link] = []
        self._yielding: tuple[Link, ...] = ()
        self.written: int = 0
        self.logged: int = 0
        self._armed = self._interrupt_at = NEVER
        self.closing: Closing = Closing.NO
        self.reading: bool = True
        self._read_size: int | None = None
        self.pumping: bool = False
        self._again = False
        self.variables: VariableChanges = ()
        self.errand: Errand | None = errand
        application = server.application
        first = application.on_connect if errand is None and not met else errand
        self._errands = None if first is None else Errands(first)
        # Requests wait while the hooks of their connection run, or are still to be started.
        self._holds = first is not None
        self._connecting = errand is None and first is not None
        self._parting = first is None and application.on_disconnect is not None
        self.lost: bool = errand is not None
        self.number: int = next_connection_number() if errand is None else 0
        if connection is None and errand is None:
            make, now, number = server.new_connection, self.now(), self.number
            connection = make(now=now, peer=peer, local=local, tls=tls, number=number)
        self.connection: AnyConnection = connection or NoConnection(server.config)
        if errand is not None and server.draining:
            self._interrupt_at = self.now() + server.config.timeouts.drain
        server.add(self)

    # -- inputs: what the transport reports ------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take bytes that came; at most 256 KiB at once."""
        # Written out in AsyncioDriver.data_received (tests/test_inlined_copies.py).
        self.connection.receive_data(data, self.now())
        self.pump()

    def receive_eof(self) -> None:
        """Take note that the peer sends no more."""
        self.connection.receive_eof(self.now())
        self.pump()

    def writable(self) -> None:
        """Take note that some of what stayed was sent."""
        self.report(self.now())
        self.pump()

    def timeout(self) -> None:
        """Act on the armed deadline, which has come."""
        self._armed = NEVER
        now = self.now()
        if not self.lost:
            if self.input_comes_first():
                self.rouse()
                return
            self.look(now)
        self.connection.handle_timeout(now)
        if self._errands is not None:
            self._errands.fire_alarms(now)
        if now >= self._interrupt_at:
            self._interrupt()
        for link in self._yielding:  # Others have had their turn.
            link.exchange.news = True
        self._yielding = ()
        self.pump()

    def lose(self, exc: BaseException | None) -> None:
        """Take note that the transport is gone: reset, failed write, or closed as asked."""
        if not self.lost:
            self.lost = True
            self.look_at = NEVER
            self.connection.connection_lost(exc)
            if self._errands is not None:
                self._errands.lose()
            if self.links or self.connection.waiting or self._errands is not None:
                self.pump()
            self._forget_when_over()

    def shutdown(self) -> None:
        """Drain (see `Connection.shutdown`)."""
        now = self.now()
        self.connection.shutdown(now)
        # What goes on without a client, or never had one, is bounded too.
        self._interrupt_at = min(self._interrupt_at, now + self.server.config.timeouts.drain)
        self.pump()

    def abort(self) -> None:
        """End the connection now, and its handlers."""
        self._abort()

    def started(self, link: Link) -> None:
        """Take note that an exchange of this connection runs with `link`."""
        # Written out in AsyncioDriver.start (tests/test_inlined_copies.py).
        self.links.append(link)

    def finished(self, link: Link) -> None:
        """Take note that its coroutine has ended, or never began, however that was."""
        # Written out in AsyncioDriver.start (tests/test_inlined_copies.py).
        exchange = link.exchange
        if not exchange.finished:
            exchange.finish(self.now())
        if exchange.errand is None:
            self.connection.forget(exchange)
        elif self._errands is not None:
            self._errands.end(exchange)
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
        """Look at all outputs, and do what they ask for: write, start, arm, park, close, notify."""
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
        """Return what comes before the next request, which waits for it."""
        if self._errands is None or not self.connection.ready:
            return None
        if self._connecting and self.lost:
            return None  # It was never served, so its hooks need not run.
        exchange = self._errands.begin(self.server.config)
        if exchange is not None:
            self._holds = self._connecting
        return exchange

    def rouse(self) -> None:
        """Have `timeout()` called in a new turn of the loop, so that others get theirs."""
        if self._armed > NEVER_LATER:
            self._armed = NEVER_LATER
            self.arm(self.now())

    def give_way(self, link: Link) -> None:
        """Have the link notified in a new turn of the loop, so that others get theirs before."""
        self._yielding += (link,)
        self.rouse()

    def await_room(self, carrier: Carrier, call: Callable[[], None]) -> None:
        """Call a function once the output of that carrier has caught up."""
        self._own_errands().held += ((carrier, call),)

    def push(self) -> None:
        """Write what was queued, and do nothing else. What stays unsent has a deadline."""
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
            self.report(self.now())

    def _settle(self) -> None:
        connection = self.connection
        if not self.lost and not (connection.idle and self.reading):
            if connection.wants_read is not self.reading:
                self.reading = not self.reading
                self.set_reading(self.reading)
                self.watch()
            if connection.read_size != self._read_size:
                self._read_size = connection.read_size
                self.resize_reads(self._read_size)
            if connection.closing is not self.closing:
                self.closing = connection.closing
                self.close(self.closing)
        if self.server.places.crowded:
            self.server.places.note(self)
        if self._errands is not None:
            self._settle_errands(self._errands)
        armed = self._armed
        if connection.deadline_bound < armed or self._interrupt_at < armed or self.look_at < armed:
            self._arm()
        for link in self.links:
            if link.exchange.news or link.flushing:
                self._notify()
                break

    def _notify(self) -> None:
        """Notify the links that wait for what has happened, and no other."""
        for link in tuple(self.links):
            exchange = link.exchange
            if exchange.news or (link.flushing and exchange.carrier.caught_up):
                exchange.news = False
                link.notify()

    def _arm(self) -> None:
        deadline = self.next_deadline()
        if deadline is not None and deadline < self._armed:
            self._armed = deadline
            self.arm(deadline)

    def next_deadline(self) -> float | None:
        """Return when to call `timeout`, or None."""
        deadline: float | None = self.connection.next_deadline()
        own = min(self._interrupt_at, self.look_at)
        if self._errands is not None:
            own = min(own, self._errands.next_alarm())
        if own == NEVER:
            return deadline
        return own if deadline is None else min(own, deadline)

    def _forget_when_over(self) -> None:
        if self.is_over():
            self.over()
            self.server.forget(self)
            self.connection.release()

    def is_over(self) -> bool:
        """Return whether nothing is left of the connection. Before that, the on_disconnect hooks
        have their turn."""
        if not self.lost or self.links:
            return False
        if self._parting and self.connection.ready:
            self._parting = False
            self._own_errands().due = self.server.application.on_disconnect
            self._holds = True
            self.pump()
            return False
        return True

    def _abort(self) -> None:
        self.connection.abort()
        self._interrupt()
        self.pump()

    def _interrupt(self) -> None:
        self._interrupt_at = NEVER
        for link in tuple(self.links):
            link.exchange.interrupted(Interrupt.SHUTDOWN)

    # -- errands -----------------------------------------------------------------------------

    def _own_errands(self) -> Errands:
        if self._errands is None:
            self._errands = Errands()
        return self._errands

    def welcome(self, variables: VariableChanges) -> None:
        """Serve the connection: its on_connect hooks are done, and have set these variables."""
        self.variables = variables
        self._connecting = self._holds = False
        self._parting = self.server.application.on_disconnect is not None

    def turn_away(self) -> None:
        """Abort the connection, and start none of its exchanges: its hooks do not let it in."""
        self._abort()

    def defer(self, errand: Errand) -> None:
        """Run an errand apart from this connection, once what was written so far was sent."""
        self.server.errands.add(errand)
        self._write()
        self._own_errands().deferred += ((self.written, errand),)
        self.pump()

    def run_apart(self, errand: Errand) -> None:
        """Run an errand in a turn of its own, which a drain waits for. Call it from any thread."""
        self.server.run_apart(errand, self.detach)

    def _settle_errands(self, errands: Errands) -> None:
        if errands.deferred:
            sent = NEVER if self.lost else self.written - self.unsent()
            for errand in errands.take_deferred(sent):
                self.run_apart(errand)
            if errands.deferred:
                self.report_progress()
        errands.go_on()
        if errands.running:
            self._arm()
