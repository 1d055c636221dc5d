"""ReadinessDriver: one connection on a loop that waits until a socket is ready."""

from __future__ import annotations

import socket
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator
from types import coroutine as native
from typing import Any

from anylane.lane.deadlines import Deadline
from anylane.lane.driver import Driver
from anylane.lane.link import Errand
from anylane.protocol import Closing, Exchange
from anylane.shown import shown
from anylane_backends.readiness.link import ReadinessLink, RunnerLink
from anylane_backends.readiness.loop import Event, Loop, Runner
from anylane_backends.sockets import kernel
from anylane_backends.sockets.sockets import NO_SOCKET, Outbox, half_close, read, reset


@native
def _rest(work: Coroutine[Any, Any, None], trap: Any) -> Generator[Any, Any, None]:
    """Await a coroutine that has made its first step and was suspended with `trap`."""
    try:
        while True:
            try:
                value = yield trap
            except BaseException as exc:  # noqa: BLE001  # A cancellation is the coroutine's.
                trap = work.throw(exc)
            else:
                trap = work.send(value)
    except StopIteration:
        pass


class ReadinessDriver(Driver):
    """One connection: a socket, an outbox, a task that reads and, at times, one that writes.

    `_runner` belongs to the task that reads. While `_here` is true, an exchange that is started
    runs in the current task, which finds it in `_due`.
    """

    __slots__ = ("_deadline", "_due", "_here", "_outbox", "_parked", "_resumed", "_runner",
                 "_sending", "_sock", "lane")  # fmt: skip

    def __init__(
        self,
        lane: Loop,
        sock: socket.socket,
        peer: Any,
        local: Any,
        errand: Errand | None = None,
    ) -> None:
        self.lane: Loop = lane
        self._sock = sock
        self._outbox = Outbox()
        self._sending = False
        self._parked = False
        self._resumed: Event | None = None
        self._deadline: Deadline | None = None
        self._runner: Runner | None = None
        self._here = False
        self._due: RunnerLink | None = None
        super().__init__(lane.server, peer=peer, local=local, errand=errand)
        if errand is None:
            lane.start(self._guard, self._serve)
        self.pump()

    # -- verbs -----------------------------------------------------------------------------------

    def now(self) -> float:
        return time.monotonic()

    def write(self, chunks: list[bytes]) -> None:
        try:
            self._outbox.write(self._sock, chunks)
        except OSError as exc:
            self._end(exc)
            return
        if self._outbox.size and not self._sending:
            self._sending = True
            self.lane.start(self._guard, self._send_rest)

    def unsent(self) -> int:
        return self._outbox.size

    def unacknowledged(self) -> int:
        return kernel.unacknowledged(self._sock.fileno())

    def arrived(self) -> bool:
        return kernel.arrived(self._sock.fileno())

    def hung_up(self) -> bool:
        return kernel.hung_up(self._sock.fileno())

    def broken(self) -> bool:
        return kernel.broken(self._sock.fileno())

    def start(self, exchange: Exchange) -> None:
        if self._here and self._due is None:
            self._due = RunnerLink(self, exchange, self.lane)
            self.started(self._due)
            return
        link = ReadinessLink(self, exchange, self.lane)
        self.started(link)
        self.lane.start(self._guard, self._run, link)

    def detach(self, errand: Errand) -> None:
        ReadinessDriver(self.lane, NO_SOCKET, None, None, errand)

    def arm(self, deadline: float) -> None:
        self._disarm()
        self._deadline = self.lane.arm(deadline, self.timeout)

    def set_reading(self, on: bool) -> None:
        self._parked = not on
        if on:
            self._resume()

    def close(self, how: Closing) -> None:
        if how is Closing.ABORT:
            self._end(None, reset)
        elif not self._outbox.size:
            self._finish(how)

    # -- tasks -----------------------------------------------------------------------------------

    async def _serve(self) -> None:
        """Read, and run the exchanges that come of it. When one suspends, another task reads on,
        and this one ends with that exchange."""
        with await self.lane.runner() as runner:
            self._runner = runner
            try:
                await self._read(runner)
            finally:
                if self._due is not None:  # This task was cancelled before its turn.
                    self.finished(self._due)
                if runner is not None and self._runner is runner:
                    self._read_on()

    async def _read(self, runner: Runner | None) -> None:
        inline = runner is not None
        while self._runner is runner and not self.lost:
            if self._parked:
                await self._until_resumed()
                continue
            # It waits first, although something may be there already: so each read gives others
            # their turn, and no read is in vain.
            await self.lane.readable(self._sock)
            self._here = inline
            try:
                self._receive_some()
            finally:
                self._here = False
            if runner is not None:
                while self._due is not None:
                    await self._run_here(self._due, runner)
                    if self._due is not None:
                        # A pipelined request: others have their turn, and the task gets a new
                        # context for it.
                        await self.lane.checkpoint()
                if runner.worn:
                    return

    async def _run_here(self, link: RunnerLink, runner: Runner) -> None:
        self._due = None
        link.canceller = runner
        work = self.server.run_exchange(link.exchange, link)
        try:
            try:
                # Nearly all handlers end without a suspension. The step is made by hand, but in
                # the handler's native task.
                trap = work.send(None)
            except StopIteration:
                pass
            else:
                if self._runner is runner:
                    self._read_on()
                await _rest(work, trap)
        finally:
            runner.renew()
            self._here = not runner.worn
            self.finished(link)
            self._here = False

    def _read_on(self) -> None:
        """Read on in another task, because this one has something else to do, or ends."""
        self._runner = None
        if not self.lost:
            self.lane.start(self._guard, self._serve)

    async def _until_resumed(self) -> None:
        if self._resumed is None:
            self._resumed = self.lane.event()
        await self._resumed.wait()

    def _resume(self) -> None:
        if self._resumed is not None:
            resumed, self._resumed = self._resumed, None
            resumed.set()

    def _receive_some(self) -> None:
        if self.lost or self._parked:
            return
        data = read(self._sock, self.connection.read_size)
        if data:
            self.receive(data)
        elif data is not None:
            self.receive_eof()

    async def _send_rest(self) -> None:
        while self._outbox.size:
            await self.lane.writable(self._sock)
            if self.lost:
                return
            self._outbox.send(self._sock)
            self.writable()
        self._sending = False
        self._finish(self.connection.closing)

    async def _run(self, link: ReadinessLink) -> None:
        try:
            await self.server.run_exchange(link.exchange, link)
        finally:
            self.finished(link)

    async def _guard(self, func: Callable[..., Awaitable[None]], *args: Any) -> None:
        """Run a task of this connection. What it raises ends the connection, not the server."""
        try:
            await func(*args)
        except OSError as exc:
            self._end(exc)
        except Exception as exc:  # noqa: BLE001
            self.server.log("error", f"a connection failed: {shown(exc, 1000)}", exc)
            self._end(exc, reset)

    # -- the end ---------------------------------------------------------------------------------

    def _finish(self, how: Closing) -> None:
        """Close as far as the core wants it. Everything was written."""
        if how is Closing.SEND_EOF:
            half_close(self._sock)
        elif how is Closing.CLOSE:
            self._end(None)

    def _end(
        self,
        exc: BaseException | None,
        close: Callable[[socket.socket], None] = socket.socket.close,
    ) -> None:
        if self.lost:
            return
        # The waiting ends before the descriptor is closed: another socket may get its number at
        # once.
        self.lane.release(self._sock)
        close(self._sock)
        self._outbox.clear()
        self._resume()
        self.lose(exc)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def over(self) -> None:
        self._disarm()
