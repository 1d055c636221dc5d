"""Driver: joins one Connection to one transport. This is the only pump there is.

After any input it looks at all outputs: it writes, starts exchanges, arms the one timer,
parks or resumes the reader, closes, and notifies whoever waits. It decides nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from anylane.protocol.closing import Closing
from anylane.protocol.timers import NEVER

if TYPE_CHECKING:
    from anylane.link import BaseLink
    from anylane.protocol.any_connection import AnyConnection
    from anylane.protocol.exchange import Exchange
    from anylane.server import ServerCore


class Driver(ABC):
    """A transport derives from it, calls the inputs, and supplies the verbs.

    Inputs and `pump` may be called from inside a verb and from inside a handler: the outermost
    call does the work, the inner ones only write. Verbs never block and may defer.
    """

    __slots__ = ("_again", "_armed", "_closing", "_links", "_news", "_pumping", "_reading",
                 "connection", "lost", "server", "wakes", "written")  # fmt: skip

    def __init__(self, server: ServerCore, *, peer: Any, local: Any, tls: Any = None) -> None:
        self.server = server
        self.wakes = server.wakes
        self.connection: AnyConnection = server.new_connection(
            now=self.now(), peer=peer, local=local, tls=tls
        )
        self.lost = False
        self.written = 0
        self._links: list[BaseLink] = []
        self._armed = NEVER
        self._closing = Closing.NO
        self._reading = True
        self._pumping = False
        self._again = False
        self._news = False
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

    # -- inputs: what the transport reports ------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Bytes came."""
        self.connection.receive_data(data, self.now())
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
            if unsent:
                self.connection.data_unsent(unsent, now)
        self.connection.handle_timeout(now)
        self._news = True
        self.pump()

    def lose(self, exc: BaseException | None) -> None:
        """The transport is gone: reset, failed write, or closed as asked."""
        if not self.lost:
            self.lost = True
            self.connection.connection_lost(exc)
            self._news = True
            self.pump()
            self._forget_when_over()

    def shutdown(self) -> None:
        """Drain (see `Connection.shutdown`)."""
        self.connection.shutdown(self.now())
        self._news = True
        self.pump()

    def abort(self) -> None:
        """End it now, and its handlers."""
        self.connection.abort()
        self._news = True
        self.pump()

    def started(self, link: BaseLink) -> None:
        """An exchange of this connection runs with `link`."""
        self._links.append(link)

    def finished(self, link: BaseLink) -> None:
        """Its coroutine has ended, or never began. The transport calls it however it ended."""
        link.exchange.finish(self.now())
        self.connection.forget(link.exchange)
        if link in self._links:
            self._links.remove(link)
        self.pump()
        self._forget_when_over()

    # -- the pump ----------------------------------------------------------------------------

    def pump(self) -> None:
        """Look at all outputs."""
        if self._pumping:
            # A handler that was started eagerly, and streams: what it wrote must reach the
            # transport now, else it could never see that the client is slow.
            self._again = True
            self._write()
            return
        self._pumping = True
        connection = self.connection
        turns = connection.config.limits.exchanges_per_turn
        try:
            while True:
                self._again = False
                self._write()
                exchange = connection.next_exchange() if turns else None
                if exchange is not None:
                    turns -= 1
                    self.start(exchange)
                elif not self._again or not turns:
                    break
        finally:
            self._pumping = False
        if not turns:
            self.rouse()
        self._settle()

    def rouse(self) -> None:
        """Have `timeout()` called in a new turn of the loop, so that others get theirs."""
        if self._armed > NEVER_LATER:
            self._armed = NEVER_LATER
            self.arm(self.now())

    def _write(self) -> None:
        connection = self.connection
        # Once more after each write: room for output may be what a held pong was waiting for.
        while not self.lost and (chunks := connection.data_to_send()):
            self.written += sum(map(len, chunks))
            self.write(chunks)
            connection.data_unsent(self.unsent(), self.now())

    def _settle(self) -> None:
        connection = self.connection
        if not self.lost:
            if connection.wants_read is not self._reading:
                self._reading = not self._reading
                self.set_reading(self._reading)
            if connection.closing is not self._closing:
                self._closing = connection.closing
                self.close(self._closing)
        deadline = connection.next_deadline()
        if deadline is not None and deadline < self._armed:
            self._armed = deadline
            self.arm(deadline)
        if self._news:
            self._news = False
            for link in tuple(self._links):
                link.notify()

    def _forget_when_over(self) -> None:
        if self.lost and not self._links:
            self.over()
            self.server.forget(self)

    def over(self) -> None:  # noqa: B027  # not every transport holds something
        """The connection and its last exchange are over: drop the timer, which would keep it."""


NEVER_LATER = -NEVER
"""Earlier than any deadline."""
