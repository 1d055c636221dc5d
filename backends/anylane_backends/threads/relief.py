"""Relief: how a client is answered whose handler blocks the thread that owns its connection.

A thread cannot be interrupted, and nothing but the owner may touch a connection. So the client is
taken away from both: its socket goes to a new driver, with a connection in which the same request
is late, and a worker of the reserve runs the response hooks there. What the blocked thread still
does, it does with a connection that has lost its client.
"""

from __future__ import annotations

import socket
from abc import abstractmethod
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from anylane.lane.driver import Driver
from anylane.protocol.timers import NEVER
from anylane_backends.sockets.sockets import NO_SOCKET, Outbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from selectors import BaseSelector

    from anylane.lane.deadlines import Deadline, Deadlines
    from anylane.protocol import AnyConnection
    from anylane_backends.threads.link import ThreadsLink

PATIENCE = 0.05
"""Seconds that a handler has to notice its deadline by itself. One that is only busy, and uses
`ctx` soon, is better interrupted than left behind."""


@dataclass(frozen=True, slots=True)
class Relief:
    """What a driver begins with that relieves another one.

    stuck: the link of the handler that blocks. connection: goes on in the place of the other
    driver's. outbox: what the kernel has not taken of its output yet. written: the size of that.
    """

    stuck: ThreadsLink
    connection: AnyConnection
    outbox: Outbox
    written: int


class ReliefLane(Protocol):
    """What relief needs of its lane."""

    selector: BaseSelector
    deadlines: Deadlines


class RelievableDriver(Driver):
    """A driver whose client can be taken away from it while its owner is in a handler.

    `_lock` guards `_taken`, too. The owner alone sets `outside`; it becomes None under the lock, so
    that the client is not taken away in the middle of anything that could reach it.

    outside: the link for whose handler the owner has left the driver, or which waits in line for a
    worker; None while the owner is inside.
    """

    __slots__ = ("_taken", "outside")

    lane: ReliefLane
    _lock: Lock
    _owned: bool
    _sock: socket.socket
    _outbox: Outbox
    _registered: int
    _deadline: Deadline | None
    _deadline_wanted: float | None

    @abstractmethod
    def _do(self, func: Callable[[], None]) -> None: ...

    @abstractmethod
    def _cancel_deadline(self) -> None: ...

    @abstractmethod
    def _ring(self) -> None: ...

    @abstractmethod
    def relieved_by(self, sock: socket.socket, relief: Relief) -> Driver:
        """Return a new driver of the same client."""

    # -- by the owner --------------------------------------------------------------------------

    def reenter(self) -> None:
        """Come back from a handler, or from the line. Whatever can reach the client comes after
        this."""
        with self._lock:
            taken, self._taken = self._taken, False
            self.outside: ThreadsLink | None = None
        if taken:
            self._do(self._bereave)

    def _bereave(self) -> None:
        self._parting = False  # The client has not left.
        self.lose(None)

    def _foresee(self) -> None:
        """Have a deadline seen to that came up since the selecting thread was the owner. The handler
        that runs next may block."""
        if self._deadline_wanted is not None:
            self.wakes.put(self._see_to_deadline)

    def _write(self) -> None:
        link = self.outside
        if link is None:
            super()._write()
            return
        self.reenter()
        super()._write()
        self.outside = link

    # -- on the selecting thread -----------------------------------------------------------------

    def attend(self) -> None:
        """Look after the client while another thread owns the connection: a deadline has come."""
        due, now = self.connection.handler_due, self.now()
        if due == NEVER or not self._owned or self.server.aborted:
            return  # The owner looks after everything else when it comes back.
        if now < due:
            self._expect(due, self._ring)
        elif now < due + PATIENCE:
            self._expect(due + PATIENCE, self.attend)
        elif not self._relieve(now):
            self._expect(now + PATIENCE, self.attend)

    def _expect(self, at: float, call: Callable[[], None]) -> None:
        self._cancel_deadline()
        self._deadline = self.lane.deadlines.arm(at, call)

    def _see_to_deadline(self) -> None:
        if self._deadline_wanted is not None:
            self._expect(self._deadline_wanted, self._ring)

    def _relieve(self, now: float) -> bool:
        """Have another driver go on with the client, if the owner is in a handler that has not
        answered. Return whether that was done."""
        with self._lock:
            link = self.outside
            if link is None or self._taken or not self._owned:
                return False
            exchange = link.exchange
            if exchange.errand is not None or exchange.head is None or exchange.started:
                return False
            self._taken = True
            # Under the lock, so that a handler that comes back now finds itself interrupted.
            connection = self.connection.relieve(exchange, now)
            link.relieved = bool(connection.waiting)
            sock, self._sock = self._sock, NO_SOCKET
            outbox, self._outbox = self._outbox, Outbox()
            watched, self._registered = self._registered, 0
        if watched:
            self.lane.selector.unregister(sock)
        self._cancel_deadline()
        reliever = self.relieved_by(sock, Relief(link, connection, outbox, outbox.size))
        reliever.variables = self.variables
        if self.server.draining:
            reliever.shutdown()
        return True
