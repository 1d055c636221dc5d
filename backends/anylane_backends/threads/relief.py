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
from typing import TYPE_CHECKING, Any, Protocol

from anylane.lane.driver import Driver
from anylane.protocol.timers import NEVER
from anylane_backends.sockets.sockets import NO_SOCKET, Outbox
from anylane_backends.threads.link import LinkLane

if TYPE_CHECKING:
    from collections.abc import Callable
    from selectors import BaseSelector

    from anylane.lane.deadlines import Deadline, Deadlines
    from anylane.lane.link import Errand
    from anylane.lane.server_core import ServerCore
    from anylane.lane.variables import VariableChanges
    from anylane.protocol import AnyConnection
    from anylane_backends.threads.link import ThreadsLink
    from anylane_backends.workers import Workers

PATIENCE = 0.05
"""Seconds that a handler has to notice its deadline by itself. One that is only busy, and uses
`ctx` soon, is better interrupted than left behind."""


@dataclass(frozen=True, slots=True)
class Relief:
    """What a driver begins with that relieves another one.

    stuck: the link of the handler that blocks. connection: goes on in the place of the other
    driver's. outbox: what the kernel has not taken of its output yet. variables: as the other's.
    """

    stuck: ThreadsLink
    connection: AnyConnection
    outbox: Outbox
    variables: VariableChanges


class DriverLane(LinkLane, Protocol):
    """What a driver needs of its lane.

    server: what is served. selector: finds the drivers whose sockets are ready. deadlines: what the
    selecting thread calls in time. workers: step the handlers. background: steps what runs apart
    from any connection. reserve: answers in the place of handlers that block.
    """

    server: ServerCore
    selector: BaseSelector
    deadlines: Deadlines
    workers: Workers
    background: Workers
    reserve: Workers

    def give_up_after(self, seconds: float) -> None:
        """End the server by then, although handlers still block."""


class RelievableDriver(Driver):
    """A driver whose client can be taken away from it while its owner is in a handler.

    `_lock` guards `_taken`, too. The owner alone sets `outside`; it becomes None under the lock, so
    that the client is not taken away in the middle of anything that could reach it.

    outside: the link for whose handler the owner has left the driver, or which waits in line for a
    worker; None while the owner is inside, and once the handler's answer has begun. relieved: the
    link whose client another driver answers, with the response hooks. workers: step its handlers.
    """

    __slots__ = ("_deadline", "_deadline_wanted", "_lock", "_outbox", "_owned", "_registered",
                 "_relief", "_sock", "_taken", "lane", "outside", "relieved",
                 "workers")  # fmt: skip

    def __init__(
        self,
        lane: DriverLane,
        sock: socket.socket,
        peer: Any,
        local: Any,
        *,
        errand: Errand | None,
        relief: Relief | None,
    ) -> None:
        self.lane: DriverLane = lane
        self.workers: Workers = lane.workers if errand is None else lane.background
        self.outside: ThreadsLink | None = None
        self.relieved: ThreadsLink | None = None
        self._taken = False
        self._sock = sock
        self._outbox = Outbox()
        self._lock = Lock()
        self._owned = True
        self._registered = 0
        self._deadline: Deadline | None = None
        self._deadline_wanted: float | None = None
        self._relief = relief
        if relief is None:
            super().__init__(lane.server, peer=peer, local=local, errand=errand)
            return
        self.workers, self._outbox = lane.reserve, relief.outbox
        super().__init__(lane.server, peer=None, local=None, connection=relief.connection, met=True)
        self.written: int = relief.outbox.size
        self.variables: VariableChanges = relief.variables
        if lane.server.draining:
            self.connection.shutdown(self.now())

    @abstractmethod
    def _do(self, func: Callable[[], None]) -> None: ...

    @abstractmethod
    def _ring(self) -> None: ...

    @abstractmethod
    def relieved_by(self, sock: socket.socket, relief: Relief) -> None:
        """Make a new driver for the same client."""

    # -- by the owner --------------------------------------------------------------------------

    def reenter(self) -> None:
        """Come back from a handler, or from the line. Whatever can reach the client comes after
        this."""
        with self._lock:
            self.outside = None
            if not self._taken:
                return
            self._taken = False
        self._do(self._lose_client)

    def _lose_client(self) -> None:
        self._parting = False  # The client has not left.
        self.lose(None)
        if self.relieved is not None and not self.relieved.begun:
            self.relieved.decline()

    def _foresee(self) -> None:
        """Have a deadline seen to that came up since the selecting thread was the owner: the
        handler that runs next may block."""
        self.wakes.put(self._see_to_deadline)

    def foresee(self) -> None:
        """Do so in the middle of a handler, for a deadline that comes before the one that is
        armed: its route has less time than others, and it may block now."""
        wanted, armed = self._deadline_wanted, self._deadline
        if self.outside is None or wanted is None:
            return
        if armed is None or wanted < armed.at:
            self._foresee()

    def _write(self) -> None:
        link = self.outside
        if link is None:
            Driver._write(self)
            return
        self.reenter()
        Driver._write(self)
        if not link.exchange.started:  # Else nothing more is waited for.
            self.outside = link

    # -- on the selecting thread -----------------------------------------------------------------

    def attend(self) -> None:
        """Look after the client while another thread owns the connection: a deadline has come."""
        due, now = self.connection.handler_due, self.now()
        if due == NEVER or self._taken or not self._owned or self.server.aborted:
            return  # The owner looks after everything else when it comes back.
        if now < due:
            self._expect(due, self._ring)
        elif now < due + PATIENCE:
            self._expect(due + PATIENCE, self.attend)
        elif not self._relieve(now):
            self._expect(now + PATIENCE, self.attend)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

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
            if connection.waiting:
                self.relieved = link
            sock, self._sock = self._sock, NO_SOCKET
            outbox, self._outbox = self._outbox, Outbox()
            watched, self._registered = self._registered, 0
        if watched:
            self.lane.selector.unregister(sock)
        self._cancel_deadline()
        self.relieved_by(sock, Relief(link, connection, outbox, self.variables))
        return True
