"""The lane of loops that wait until a socket is ready; it does everything but the waiting.

One task reads from all connections and runs the exchanges that come of it. Each exchange that
suspends has a task of its own, and so has a connection while the kernel does not take what was
written. One task rings all deadlines. A loop supplies the few primitives of `Loop`; nothing here
imports one.
"""

from __future__ import annotations

import contextvars
import socket
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from anylane.lane.deadlines import Deadline, Deadlines
from anylane.lane.link import Errand
from anylane.lane.server_core import ServerCore
from anylane.lane.variables import InheritedVariables
from anylane.lane.wake_queue import WakeQueue
from anylane.protocol.channel.message_channel import MessageChannel
from anylane.protocol.timers import NEVER
from anylane.shown import shown
from anylane_backends.channels.delivery import Host
from anylane_backends.readiness.channel import ReadinessChannelDriver
from anylane_backends.readiness.driver import ReadinessDriver
from anylane_backends.readiness.poller import PolledLoop, Poller
from anylane_backends.sockets.accepting import TURN, Acceptor, pause_after
from anylane_backends.sockets.sockets import NO_SOCKET
from anylane_backends.sockets.spread import LeftToOthers
from anylane_backends.sockets.wakeup import WakeupSocketpair
from anylane_backends.thread_pool import Pool


class Lane(PolledLoop):
    """One server on one running loop. It is made inside that loop."""

    def __init__(self, server: ServerCore) -> None:
        self.server = server
        self.pool: Pool = Pool(server)
        self.context: contextvars.Context = contextvars.copy_context()
        self.inherited: InheritedVariables = InheritedVariables()
        self.poller: Poller = Poller(self)
        self._deadlines = Deadlines()
        self._next_ring = NEVER
        self._earlier = self.event()
        self._changed = self.event()
        self._wakeup = WakeupSocketpair()
        self._over = False
        server.attach(WakeQueue(self._wakeup.wake), self._on_changed, self)

    # -- serving -----------------------------------------------------------------------------

    async def serve(self) -> None:
        server = self.server
        async with self.running():
            for listener in server.listeners:
                self.start(self._accept, listener)
            server.ready()
            await self.until_draining()
            for listener in server.listeners:
                self.release(listener)
            server.on_listeners_idle()
            await self.until_over()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """The block in which the lane works. By itself it listens to nothing."""
        await self.detach(self._run_wakes)
        try:
            async with self.server.lifespan(self.to_the_end, self.scope):
                self.context = contextvars.copy_context()  # With what the hooks have set.
                self.inherited.note()
                async with self.tasks():
                    self.start(self._ring_deadlines)
                    self.poller.start()
                    try:
                        yield
                    finally:
                        # Nothing is left after a drain; everything if this task was cancelled.
                        self.server.abort()
                        self.poller.stop()
        finally:
            self.pool.close()
            self.poller.close()
            self._over = True
            self._wakeup.wake()

    async def until_draining(self) -> None:
        """Return when the server was told to shut down."""
        while not self.server.draining:
            await self._changed.wait()

    async def until_over(self) -> None:
        """Return when the server has drained."""
        while not self.server.over:
            await self._changed.wait()

    def carry(self, channel: MessageChannel, host: Host) -> Coroutine[Any, Any, None]:
        """Return the coroutine that runs the exchange of a channel to its end, in the task and in
        the context that are the current ones."""
        return ReadinessChannelDriver(self, channel, self.inherited.joined()).run(host)

    async def _accept(self, listener: socket.socket) -> None:
        server = self.server
        acceptor = Acceptor(listener, server.config)
        while not server.draining:
            if not server.accepting:
                await self._changed.wait()
                continue
            await self.readable(listener)
            try:
                self._accept_waiting(acceptor)
            except (OSError, LeftToOthers) as exc:
                seconds = pause_after(server, listener, exc)
                if seconds is None:
                    return
                await self.within(self._changed, seconds)

    def _accept_waiting(self, acceptor: Acceptor) -> None:
        for _ in range(TURN):
            if not self.server.accepting or (accepted := acceptor.accept()) is None:
                return
            ReadinessDriver(self, *accepted)

    def _on_changed(self) -> None:
        changed, self._changed = self._changed, self.event()
        changed.set()

    # -- deadlines and wake-ups --------------------------------------------------------------

    def arm(self, at: float, call: Callable[[], None]) -> Deadline:
        if at < self._next_ring:
            self._next_ring = at
            self._earlier.set()
        return self._deadlines.arm(at, call)

    def clock(self) -> float:
        return time.monotonic()

    def run_errand(self, errand: Errand) -> None:
        ReadinessDriver(self, NO_SOCKET, None, None, errand)

    async def _ring_deadlines(self) -> None:
        while True:
            at = self._deadlines.next()
            self._next_ring = NEVER if at is None else at
            self._earlier = self.event()
            await self.within(self._earlier, None if at is None else max(0, at - time.monotonic()))
            self._attempt(lambda: self._deadlines.fire(time.monotonic()))

    async def _run_wakes(self) -> None:
        try:
            while not self._over:
                await self.readable(self._wakeup.reader)
                self._wakeup.drain()
                self._attempt(self.server.wakes.run)
        finally:
            self._wakeup.close()

    def _attempt(self, func: Callable[[], None]) -> None:
        # All connections depend on the tasks that call this, so no bug may end these.
        try:
            func()
        except Exception as exc:  # noqa: BLE001
            self.server.log("error", f"the {self.server.lane} lane failed: {shown(exc, 1000)}", exc)
