"""The threads lane: one thread selects, a bounded pool of workers steps handlers.

A connection has one owner at a time: the thread that selects, or the worker that steps its
handler. Another thread leaves a message, and the owner reads its messages before it hands the
connection over. Between two steps of a portable handler no thread is held.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from contextvars import Context as Variables
from contextvars import copy_context
from typing import Any

from anylane.errors import UsageError
from anylane.lane.deadlines import Deadline, Deadlines
from anylane.lane.link import Errand
from anylane.lane.server_core import ServerCore
from anylane.lane.stepping import explain, step
from anylane.lane.wake_queue import WakeQueue
from anylane_backends.sockets.accepting import Accepting
from anylane_backends.sockets.sockets import NO_SOCKET
from anylane_backends.sockets.wakeup import WakeupSocketpair
from anylane_backends.threads.driver import ABANDON, READ, ThreadsDriver
from anylane_backends.threads.loan import Lender
from anylane_backends.workers import Workers, start_thread


class Watch:
    """What the selector gives for a socket that is no connection, where it else gives a driver."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call

    def selected(self, _events: int) -> None:
        self._call()


class Lane:
    """One server: its listeners, selector, deadlines and workers.

    Background work has workers of its own, so that it delays no handler however long it blocks.

    The selecting thread is the one that has this role now: the caller of `run`, or the worker to
    which it is lent while handlers are quick.

    lends: False keeps the role with the caller (see `Lender`).
    """

    def __init__(self, server: ServerCore, *, lends: bool = True) -> None:
        self.server = server
        self.selector: selectors.BaseSelector = selectors.DefaultSelector()
        self.deadlines: Deadlines = Deadlines()
        threads = server.config.max_threads
        self.workers: Workers = Workers(threads, "anylane worker")
        self.background: Workers = Workers(threads, "anylane background")
        self.reserve: Workers = Workers(threads, "anylane reserve")
        server.longest_waiting = self.workers.oldest
        self.lender: Lender = Lender(self.workers, lends=lends)
        self.variables: Variables = copy_context()
        self._wakeup = WakeupSocketpair()
        self.selector.register(self._wakeup.reader, READ, Watch(self._woken))
        self._asleep = False
        self.accepting: Accepting = Accepting(server, self)
        self._given_up = False
        self._giving_up: Deadline | None = None
        server.attach(WakeQueue(self._kick), self._changed, self)

    def run(self) -> None:
        """Serve until the server has drained. Raise what its startup hooks raise."""
        server = self.server
        try:
            step(self._live(), server.lane)
        except RuntimeError as exc:
            # The hooks of the lifespan can wait for nothing but an event loop.
            why = explain(exc, server.lane)
            if why is None:
                raise
            raise UsageError(why) from exc
        finally:
            self.selector.close()
            self._wakeup.close()

    async def _live(self) -> None:
        async with self.server.lifespan():
            self.variables = copy_context()  # With what the hooks have set.
            self._serve()

    def _serve(self) -> None:
        server = self.server
        try:
            self.accepting.update()
            server.ready()
            while not (server.over or self._given_up):
                self._turn()
                if self.workers.jobs and not self.lender.lend(self._turn, server):
                    self.workers.spread()
        finally:
            left = len(server.drivers)
            if left:
                server.log("warning", f"{left} connections left behind: their handlers block", None)
            for workers in (self.workers, self.background, self.reserve):
                workers.close(0 if left else None)
            for driver in server.drivers:
                if isinstance(driver, ThreadsDriver):
                    driver.discard()

    def give_up_after(self, seconds: float) -> None:
        """End the server by then, although handlers still block."""
        if self._giving_up is not None:
            self._giving_up.cancel()
        self._giving_up = self.deadlines.arm(time.monotonic() + seconds, self._give_up)

    def _give_up(self) -> None:
        self._given_up = True

    # -- selecting -------------------------------------------------------------------------------

    def _turn(self) -> None:
        """Select once. Act on what came, on what is due and on what was put into the queue, in this
        order, so that input beats its deadline."""
        deadline = self.deadlines.next()
        timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
        # It is set before the queue is looked at, and `_kick` reads it after something was put in:
        # one of the two sees the other.
        self._asleep = True
        busy = self.server.wakes or (self.lender.lent and self.workers.jobs)
        events = self.selector.select(0 if busy else timeout)
        self._asleep = False
        for key, mask in events:
            key.data.selected(mask)
        self.deadlines.fire(time.monotonic())
        self.server.wakes.run()

    def _kick(self) -> None:
        if self._asleep:
            self._wakeup.wake()

    def _woken(self) -> None:
        self._wakeup.drain()

    # -- jobs ------------------------------------------------------------------------------------

    def clock(self) -> float:
        return time.monotonic()

    def arm(self, at: float, call: Callable[[], None]) -> Deadline:
        return self.deadlines.arm(at, call)

    def run_errand(self, errand: Errand) -> None:
        ThreadsDriver(self, NO_SOCKET, None, None, errand=errand)

    # -- accepting -------------------------------------------------------------------------------

    def _changed(self) -> None:
        if self.server.draining and self._giving_up is None:
            self.give_up_after(self.server.config.timeouts.drain + ABANDON)
        self.accepting.update()

    def watch(self, listener: socket.socket, call: Callable[[], None]) -> None:
        self.selector.register(listener, READ, Watch(call))

    def unwatch(self, listener: socket.socket) -> None:
        self.selector.unregister(listener)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.deadlines.arm(time.monotonic() + seconds, call)

    def connect(self, sock: socket.socket, peer: Any, local: Any) -> None:
        ThreadsDriver(self, sock, peer, local)


class ThreadsBackend:
    """Plain threads, and no event loop anywhere."""

    name = "threads"
    concurrent_input = False
    native_cancel = False

    lends = True
    """Whether the selector is lent to a worker while handlers are quick (see `Loan`). Nothing but
    the speed depends on that; the conformance suite runs both ways."""

    def run(self, server: ServerCore) -> None:
        try:
            start_thread(_nothing, "anylane trial").join()
        except RuntimeError as exc:
            raise UsageError(
                f"the {server.lane} lane needs threads, and none can be started here ({exc}); "
                "choose another backend"
            ) from None
        Lane(server, lends=self.lends).run()

    async def serve(self, server: ServerCore) -> None:
        """Raise UsageError: it would block the running loop."""
        raise UsageError(
            f"the {server.lane} lane blocks its thread, so it cannot serve inside a running loop; "
            "use Server(app, config, 'threads').start()"
        )


class ThreadsWithoutLoanBackend(ThreadsBackend):
    """Plain threads without the loan, for the conformance suite: its lane `threads-no-loan`."""

    lends = False


def _nothing() -> None:
    """Do nothing: that it was started was the purpose."""
