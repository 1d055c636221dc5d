"""ReadinessDriver: one connection on a loop that waits until a socket is ready."""

from __future__ import annotations

import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

from anylane.lane.deadlines import Deadline
from anylane.lane.driver import Driver
from anylane.lane.link import Errand
from anylane.protocol import Closing, Exchange
from anylane.shown import shown
from anylane_backends.readiness.link import ReadinessLink, RunnerLink
from anylane_backends.readiness.poller import PolledLoop
from anylane_backends.sockets import kernel
from anylane_backends.sockets.sockets import NO_SOCKET, Outbox, half_close, read, reset


class ReadinessDriver(Driver):
    """One connection: a socket, an outbox and, at times, a task that writes. The lane's `Poller`
    reads.

    sock: as long as the connection is there.
    """

    __slots__ = ("_deadline", "_outbox", "_parked", "_sending", "_watched", "lane", "sock")

    def __init__(
        self,
        lane: PolledLoop,
        sock: socket.socket,
        peer: Any,
        local: Any,
        errand: Errand | None = None,
    ) -> None:
        self.lane: PolledLoop = lane
        self.sock: socket.socket = sock
        self._outbox = Outbox()
        self._sending = False
        self._parked = False
        self._watched = False
        self._deadline: Deadline | None = None
        super().__init__(lane.server, peer=peer, local=local, errand=errand)
        if errand is None:
            self._watch()
        self.pump()

    # -- verbs -----------------------------------------------------------------------------------

    def now(self) -> float:
        return time.monotonic()

    def write(self, chunks: list[bytes]) -> None:
        try:
            self._outbox.write(self.sock, chunks)
        except OSError as exc:
            self._end(exc)
            return
        if self._outbox.size and not self._sending:
            self._sending = True
            self.lane.start(self._guard, self._send_rest)

    def unsent(self) -> int:
        return self._outbox.size

    def unacknowledged(self) -> int:
        return kernel.unacknowledged(self.sock.fileno())

    def arrived(self) -> bool:
        return kernel.arrived(self.sock.fileno())

    def hung_up(self) -> bool:
        return kernel.hung_up(self.sock.fileno())

    def broken(self) -> bool:
        return kernel.broken(self.sock.fileno())

    def start(self, exchange: Exchange) -> None:
        poller = self.lane.poller
        if poller.reading is self:
            runs_there = RunnerLink(self, exchange, self.lane)
            self.started(runs_there)
            poller.run_soon(runs_there)
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
        # What is not to be read stays watched until something is there: most pauses are short.
        self._parked = not on
        if on and not self._watched:
            self._watch()

    def close(self, how: Closing) -> None:
        if how is Closing.ABORT:
            self._end(None, reset)
        elif not self._outbox.size:
            self._finish(how)

    # -- reading ---------------------------------------------------------------------------------

    def _watch(self) -> None:
        if self.lost:
            return
        try:
            self.lane.poller.watch(self)
        except Exception as exc:  # noqa: BLE001  # A selector raises more than OSError.
            self.failed(exc)
        else:
            self._watched = True

    def _unwatch(self) -> None:
        if self._watched:
            self._watched = False
            self.lane.poller.unwatch(self)

    def take(self) -> None:
        """Read what is there. The poller calls it when there is something."""
        if self.lost:
            return  # What was read before it has ended it.
        if self._parked:
            self._unwatch()
            return
        try:
            data = read(self.sock, self.connection.read_size)
            if data:
                self.receive(data)
            elif data is not None:
                self.receive_eof()
        except Exception as exc:  # noqa: BLE001
            self.failed(exc)

    # -- tasks -----------------------------------------------------------------------------------

    async def _send_rest(self) -> None:
        while self._outbox.size:
            await self.lane.writable(self.sock)
            if self.lost:
                return
            self._outbox.send(self.sock)
            self.writable()
        self._sending = False
        self._finish(self.connection.closing)

    async def _run(self, link: ReadinessLink) -> None:
        try:
            await self.server.run_exchange(link.exchange, link)
        finally:
            self.finished(link)

    async def _guard(self, func: Callable[..., Awaitable[None]], *args: Any) -> None:
        """Run a task of this connection."""
        try:
            await func(*args)
        except Exception as exc:  # noqa: BLE001
            self.failed(exc)

    def failed(self, exc: Exception) -> None:
        """End the connection, because of what one of its tasks has raised. The server goes on."""
        if isinstance(exc, OSError):
            self._end(exc)
        else:
            self.server.log("error", f"a connection failed: {shown(exc, 1000)}", exc)
            self._end(exc, reset)

    # -- the end ---------------------------------------------------------------------------------

    def _finish(self, how: Closing) -> None:
        """Close as far as the core wants it. Everything was written."""
        if how is Closing.SEND_EOF:
            half_close(self.sock)
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
        self._unwatch()
        if self._sending:
            self.lane.release(self.sock)
        close(self.sock)
        self._outbox.clear()
        self.lose(exc)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def over(self) -> None:
        self._disarm()
