"""AsyncioDriver: one connection as an `asyncio.Protocol`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any, Protocol, cast

from anylane.lane.driver import Driver
from anylane.lane.link import Errand
from anylane.lane.server_core import ServerCore
from anylane.protocol import Closing, Exchange
from anylane_backends.asyncio.link import AsyncioLink, LinkLane
from anylane_backends.sockets import kernel
from anylane_backends.sockets.sockets import reset_on_close, wait_for_more

_JOIN = 256 * 1024
"""Bytes up to which chunks are joined. Beyond that the copy costs more than the calls."""


Task: Any = asyncio.Task  # `eager_start` is new in Python 3.12 (see `Lane.eager`).


class DriverLane(LinkLane, Protocol):
    """What a driver needs of its lane.

    server: what is served. variables: the context of which each exchange gets a copy. eager:
    whether a handler makes its first step while its task is being made. new_link: makes the link
    of an exchange.
    """

    server: ServerCore
    variables: Context
    eager: bool
    new_link: type[AsyncioLink]

    def run_errand(self, errand: Errand) -> None:
        """Run an errand with a driver of its own."""

    def keep(self, task: asyncio.Task[None]) -> None:
        """Hold the task until it is done: the loop itself holds tasks weakly."""


class AsyncioDriver(Driver, asyncio.Protocol):
    """One connection as an `asyncio.Protocol`. Its writer is the transport's own buffer."""

    tolerance = 16 * 1024  # uvloop writes at the end of each turn.

    __slots__ = ("_timer", "_transport", "lane", "now")

    pumping: bool

    def __init__(
        self, lane: DriverLane, peer: Any, local: Any, errand: Errand | None = None
    ) -> None:
        self.lane: DriverLane = lane
        # A method of the loop takes the place of one of ours, because each request asks four times.
        self.now = lane.loop.time
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        super().__init__(lane.server, peer=peer, local=local, errand=errand)

    # -- what asyncio calls ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods, but are no subclasses.
        self._transport = cast("asyncio.Transport", transport)
        # Between full and empty asyncio reports nothing, so it is told to report when empty.
        config = self.server.config
        self._transport.set_write_buffer_limits(config.limits.outbound_high, 0)
        if not config.nodelay:
            wait_for_more(self._transport.get_extra_info("socket"))
        if self.connection.closing:
            self.close(self.connection.closing)
        if self._holds or self.connection.queued:  # Who gets no place is answered at once.
            self.pump()
        else:  # Nothing has come yet, so nothing is to be written.
            self._settle()

    def data_received(self, data: bytes) -> None:
        # As `receive`, but the handlers that wait for this input go on before the pump, which then
        # writes all of their answers at once. `pumping` makes them leave the writing to it.
        self.connection.receive_data(data, self.now())
        links = self.links
        if links and not self.pumping:
            self.pumping = True
            try:
                for link in tuple(links):
                    if link.exchange.news:
                        link.exchange.news = False
                        link.resume()
            finally:
                self.pumping = False
        self.pump()

    def eof_received(self) -> bool:
        self.receive_eof()
        return True

    def resume_writing(self) -> None:
        self.writable()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lose(exc)

    # -- verbs -----------------------------------------------------------------------------------

    now: Callable[[], float]  # pyright: ignore[reportIncompatibleMethodOverride]

    def write(self, chunks: list[bytes]) -> None:
        # Not writelines(): up to CPython 3.13 it forgets to call pause_writing, so that
        # resume_writing never came. Joining costs less than a second system call.
        assert self._transport is not None
        if len(chunks) == 1:
            self._transport.write(chunks[0])
        elif sum(map(len, chunks)) > _JOIN:
            for chunk in chunks:
                self._transport.write(chunk)
        else:
            self._transport.write(b"".join(chunks))

    def unsent(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def unacknowledged(self) -> int:
        return kernel.unacknowledged(self._descriptor())

    def arrived(self) -> bool:
        return kernel.arrived(self._descriptor())

    def hung_up(self) -> bool:
        return kernel.hung_up(self._descriptor())

    def broken(self) -> bool:
        return kernel.broken(self._descriptor())

    def _descriptor(self) -> int:
        sock = None if self._transport is None else self._transport.get_extra_info("socket")
        return -1 if sock is None else sock.fileno()

    def start(self, exchange: Exchange) -> None:
        lane = self.lane
        link = lane.new_link(self, exchange, lane)
        self.links.append(link)  # As `started`, without the call.
        coroutine = self.server.run_exchange(exchange, link)
        # A copy of the lane's context, not of the current one, which may be another exchange's.
        context = lane.variables.copy()
        if lane.eager:
            task = Task(coroutine, loop=lane.loop, context=context, eager_start=True)
            if task.done():
                if exchange.errand is None and exchange.finished and not self.lost:
                    # As `finished`, without the call, for a handler that never waited.
                    self.connection.forget(exchange)
                    self.links.remove(link)
                else:
                    self.finished(link)
                return
        else:
            task = lane.loop.create_task(coroutine, context=context)
        link.runs_in(task)
        lane.keep(task)
        task.add_done_callback(lambda _: link.ended())

    def arm(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = call_at(self.lane.loop, deadline, self.timeout, self.lane.variables)

    def set_reading(self, on: bool) -> None:
        if self._transport is None:
            return  # It is not connected yet. Only a drain comes so early, and that closes it.
        if on:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def close(self, how: Closing) -> None:
        if self._transport is None:
            return  # It is not connected yet: `connection_made` will close it.
        match how:
            case Closing.SEND_EOF:
                try:
                    self._transport.write_eof()
                except OSError:  # The peer has reset it, which asyncio does not report by itself.
                    self._transport.abort()
            case Closing.CLOSE:
                self._transport.close()
            case _:
                sock = self._transport.get_extra_info("socket")
                if sock is not None:
                    reset_on_close(sock)
                self._transport.abort()

    def detach(self, errand: Errand) -> None:
        self.lane.run_errand(errand)

    def resize_reads(self, size: int | None) -> None:
        # asyncio's documentation does not name the attribute. The only other way is
        # BufferedProtocol, which costs every read one more call. uvloop's transport has no such
        # attribute (`UvloopBackend.ignores`).
        transport: Any = self._transport
        if size is not None and hasattr(transport, "max_size"):
            transport.max_size = size

    def report_progress(self) -> None:
        # From now on `resume_writing` comes whenever the buffer has become empty.
        if self._transport is not None:
            self._transport.set_write_buffer_limits(0, 0)

    def over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def call_at(
    loop: asyncio.AbstractEventLoop,
    at: float,
    call: Callable[[], object],
    context: Context | None = None,
) -> asyncio.TimerHandle:
    """Have a function called at a time of the loop, or soon if that has passed."""
    try:
        return loop.call_at(at, call, context=context)
    except ValueError:  # Pyodide's loop takes no time in the past.
        return loop.call_later(0, call, context=context)
