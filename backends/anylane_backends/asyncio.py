"""The asyncio lane, and uvloop, which is a loop factory for it."""

from __future__ import annotations

import asyncio
import contextvars
import socket
import sys
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from importlib import import_module
from types import MappingProxyType, TracebackType
from typing import Any, Self, cast

from anylane.lane.driver import Driver
from anylane.lane.errand import Errand
from anylane.lane.link import BaseLink, Handle
from anylane.lane.server_core import ServerCore
from anylane.lane.wake_queue import WakeQueue
from anylane.protocol import Closing, Exchange
from anylane_backends._accepting import Accepting
from anylane_backends._pool import Pool
from anylane_backends._sockets import reset_on_close, wait_for_more
from anylane_backends._waiter import Waiter, raise_

_JOIN = 256 * 1024
"""Bytes up to which chunks are joined; beyond it the copy costs more than the calls."""


_Task: Any = asyncio.Task  # `eager_start` is new in Python 3.12: see `Lane.eager`.


class Cancellation:
    """Cancels a task, and takes back what it asked for (`Task.uncancel`)."""

    __slots__ = ("_before", "_cancelled", "_loop", "_open", "_task")

    def __init__(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
        self._loop = loop
        self._task = task
        self._before = task.cancelling()
        self._open = True
        self._cancelled = False

    def cancel(self) -> None:
        # Always through the loop: a task that cancels itself would be hit at a later await,
        # outside of what is to be cancelled.
        try:
            self._loop.call_soon_threadsafe(self._deliver)
        except RuntimeError:  # The loop is closed, and the task with it.
            pass

    def _deliver(self) -> None:
        if self._open and not self._cancelled:
            self._cancelled = True
            self._task.cancel()

    def close(self, exc: BaseException | None) -> bool:
        """Void from here on. Returns whether `exc` is what it caused, and nobody else did."""
        self._open = False
        if not self._cancelled:
            return False
        return self._task.uncancel() <= self._before and isinstance(exc, asyncio.CancelledError)


class AsyncioScope:
    """A Cancellation of the task that enters it."""

    __slots__ = ("_cancellation", "_loop", "caught")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._cancellation: Cancellation | None = None
        self.caught = False

    def cancel(self) -> None:
        if self._cancellation is not None:
            self._cancellation.cancel()

    async def __aenter__(self) -> Self:
        self._cancellation = Cancellation(self._loop, current_task())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        assert self._cancellation is not None
        self.caught = self._cancellation.close(exc)
        return self.caught


def current_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


def is_stray(exc: BaseException) -> bool:
    """A CancelledError although nobody has cancelled this task."""
    if not isinstance(exc, asyncio.CancelledError):
        return False
    task = asyncio.current_task()
    return task is not None and not task.cancelling()


class AsyncioLink(BaseLink):
    """A Waiter for the task of the handler; a future for each other that waits beside it."""

    __slots__ = ("_beside", "_cancelled", "_latched", "_task", "_waiter", "lane", "transport")

    def __init__(self, driver: AsyncioDriver, exchange: Exchange) -> None:
        # As BaseLink's own, without the call: this is made for every request.
        self.driver = driver
        self.exchange = exchange
        self.parked = self.burst = 0
        self.transport = driver
        self.lane = driver.lane
        self._latched = False
        self._cancelled = False
        self._waiter: Waiter | None = None
        self._beside: list[asyncio.Future[None]] | None = None
        self._task: asyncio.Task[Any] | None = None

    def runs_in(self, task: asyncio.Task[Any]) -> None:
        """Nobody can interrupt it before: an interruption comes through the loop."""
        self._task = task

    def ended(self) -> None:
        """Its task is done."""
        self._task = None  # Which knows us by its context: without a cycle both go at once.
        self.driver.finished(self)

    @types.coroutine
    def wait(self) -> Generator[Any, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        # One generator, not two coroutines as BaseLink's: it runs for every message waited for.
        driver = self.driver
        if not driver.pumping:  # Else it writes as soon as we are suspended.
            driver.pump()
        if self._latched:
            self._latched = False
            return
        waiter = self._waiter
        if waiter is None:
            waiter = self._waiter = Waiter(self.lane.loop)
        self.parked += 1
        try:
            if waiter.callback is not None or waiter.due:
                yield from self._wait_beside()
            else:
                waiter._asyncio_future_blocking = True  # As in Future.__await__.
                yield waiter
        finally:
            self.parked -= 1

    def _wait_beside(self) -> Generator[Any, None, None]:
        future = self.lane.loop.create_future()
        if self._beside is None:
            self._beside = []
        self._beside.append(future)
        try:
            yield from future
        finally:
            if self._beside and future in self._beside:
                self._beside.remove(future)

    def notify(self) -> None:
        waiter, beside = self._waiter, self._beside
        self._latched = not beside and (waiter is None or waiter.callback is None)
        if waiter is not None:
            waiter.wake()
        if beside:
            self._beside = None
            for future in beside:
                if not future.done():
                    future.set_result(None)

    def resume(self) -> None:
        # Here and now, as the handler began, and not in the loop's next turn: a third of what the
        # echo of a small message takes. Not when a task is running, who then calls the input of a
        # connection from inside of a handler: asyncio runs no task within another.
        waiter, lane = self._waiter, self.lane
        if (
            waiter is None
            or waiter.callback is None
            or self._beside
            or not lane.resumes
            or asyncio.current_task(lane.loop) is not None
        ):
            self.notify()
        else:
            self._latched = False
            waiter.resume()

    def woken(self) -> None:
        # As by input: it goes on at once, and all that it sends leaves in one write.
        waiter, driver, lane = self._waiter, self.driver, self.lane
        if (
            waiter is None
            or waiter.callback is None
            or self._beside
            or driver.pumping
            or not lane.resumes
            or asyncio.current_task(lane.loop) is not None
        ):
            self.notify()
            return
        self._latched = False
        driver.pumping = True
        try:
            waiter.resume()
        finally:
            driver.pumping = False
        try:
            driver.pump()
        except Exception as exc:  # noqa: BLE001  # as of any callback: the loop reports it
            lane.loop.call_soon(raise_, exc)

    def push_soon(self) -> None:
        self.transport.push_soon()

    def scope(self) -> AsyncioScope:
        return AsyncioScope(self.lane.loop)

    native = True

    def begin(self) -> None:
        # As a Cancellation, but nobody has cancelled this task before: it has just begun.
        exchange = self.exchange
        exchange.on_interrupt = self._interrupt  # As Exchange.begin(), without the call.
        if exchange.interrupt is not None:
            self._interrupt()

    def _interrupt(self) -> None:
        try:
            self.lane.loop.call_soon_threadsafe(self._cancel)
        except RuntimeError:  # The loop is closed, and the task with it.
            pass

    def _cancel(self) -> None:
        if self._task is not None and not self._cancelled and not self.exchange.finished:
            self._cancelled = True
            self._task.cancel()

    def took(self, exc: BaseException) -> bool:
        if not self._cancelled or self._task is None:
            return False
        return not self._task.uncancel() and isinstance(exc, asyncio.CancelledError)

    def is_stray(self, exc: BaseException) -> bool:
        return is_stray(exc)

    def submit(self, func: Callable[[], Any]) -> Handle:
        return self.lane.pool.submit(func, self.wake)


class AsyncioDriver(Driver, asyncio.Protocol):
    """A Protocol; the writer is the transport's own buffer."""

    tolerance = 16 * 1024  # uvloop writes at the end of each turn.

    __slots__ = ("_pushing", "_timer", "_transport", "lane", "now")

    def __init__(self, lane: Lane, peer: Any, local: Any, errand: Errand | None = None) -> None:
        self.lane = lane
        # A method of the loop in the place of one of ours: it is asked four times a request.
        self.now = lane.loop.time
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._pushing = False
        super().__init__(lane.server, peer=peer, local=local, errand=errand)

    # -- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods, but are not registered as subclasses.
        self._transport = cast("asyncio.Transport", transport)
        # Between full and empty asyncio reports nothing, so "empty" is when it is to report.
        config = self.server.config
        self._transport.set_write_buffer_limits(config.limits.outbound_high, 0)
        if not config.nodelay:
            wait_for_more(self._transport.get_extra_info("socket"))
        if self.connection.closing:
            self.close(self.connection.closing)
        if self._holds:
            self.pump()
        else:  # Nothing has come yet, and nothing is to be written.
            self._settle()

    def data_received(self, data: bytes) -> None:
        # As `receive`, but whoever waits for it goes on before the pump, which then writes all of
        # their answers at once. Pumping: they are to leave the writing to it.
        self.connection.receive_data(data, self.now())
        links = self._links
        if links and not self.pumping:
            self.pumping = True
            try:
                for link in links if len(links) == 1 else tuple(links):
                    link.resume()
            finally:
                self.pumping = False
        elif links:
            self._news = True
        self.pump()

    def eof_received(self) -> bool:
        self.receive_eof()
        return True

    def resume_writing(self) -> None:
        self.writable()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lose(exc)

    # -- verbs

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

    def start(self, exchange: Exchange) -> None:
        link = AsyncioLink(self, exchange)
        self._links.append(link)  # As `started`, without the call.
        lane = self.lane
        coroutine = self.server.run_exchange(exchange, link)
        # A copy of the lane's context, not of the one that happens to run: that may be another
        # exchange's.
        context = lane.variables.copy()
        if lane.eager:
            task = _Task(coroutine, loop=lane.loop, context=context, eager_start=True)
            if task.done():
                if exchange.errand is None and exchange.finished and not self.lost:
                    # As `finished`, without the call, for a handler that never waited.
                    self.connection.forget(exchange)
                    self._links.remove(link)
                else:
                    self.finished(link)
                return
        else:
            task = lane.loop.create_task(coroutine, context=context)
        link.runs_in(task)
        lane.keep(task)
        task.add_done_callback(lambda _: link.ended())

    def push_soon(self) -> None:
        """In the next turn of the loop, if nothing has written it until then: a handler that runs
        on without a suspension writes once, not for each message."""
        if not self._pushing:
            self._pushing = True
            self.lane.loop.call_soon(self._push_now)

    def _push_now(self) -> None:
        self._pushing = False
        self.push()

    def arm(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.lane.loop.call_at(deadline, self.timeout, context=self.lane.variables)

    def set_reading(self, on: bool) -> None:
        if self._transport is None:
            return  # Not connected yet: only a drain comes so early, and then it is closed.
        if on:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def close(self, how: Closing) -> None:
        if self._transport is None:
            return  # Not connected yet; `connection_made` looks.
        match how:
            case Closing.SEND_EOF:
                try:
                    self._transport.write_eof()
                except OSError:  # The peer reset it; asyncio does not tell by itself.
                    self._transport.abort()
            case Closing.CLOSE:
                self._transport.close()
            case _:
                sock = self._transport.get_extra_info("socket")
                if sock is not None:
                    reset_on_close(sock)
                self._transport.abort()

    def detach(self, errand: Errand) -> None:
        AsyncioDriver(self.lane, None, None, errand).pump()

    def resize_reads(self, size: int | None) -> None:
        # Not in asyncio's documents, but the only way besides BufferedProtocol, which costs every
        # read a call more. uvloop's transport has no such attribute (`UvloopBackend.ignores`).
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


class Lane:
    """One server on one running loop."""

    def __init__(self, server: ServerCore) -> None:
        self.server = server
        self.loop = asyncio.get_running_loop()
        self.pool = Pool(server)
        self.over = asyncio.Event()
        self.variables = contextvars.copy_context()
        self._tasks: set[asyncio.Task[None]] = set()
        self._connecting = 0
        self.accepting = Accepting(server, self, blocking=True)
        self.eager = server.config.eager and sys.version_info >= (3, 12)
        self.resumes = server.config.eager
        server.attach(WakeQueue(self._kick), self._changed)

    def _changed(self) -> None:
        self.accepting.update()
        if self.server.over:
            self.over.set()

    def _kick(self) -> None:
        try:
            self.loop.call_soon_threadsafe(self.server.wakes.run)
        except RuntimeError:  # Woken after the end: there is nobody left to wake.
            pass

    # -- accepting: not create_server(), which accepts by the hundred and cannot pause at a limit

    def watch(self, listener: socket.socket, call: Callable[[], None]) -> None:
        self.loop.add_reader(listener, call)

    def unwatch(self, listener: socket.socket) -> None:
        self.loop.remove_reader(listener)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.loop.call_later(seconds, call)

    def connect(self, sock: socket.socket, peer: Any, local: Any) -> None:
        driver = AsyncioDriver(self, peer, local)
        self._connecting += 1
        self._connect(self.loop.connect_accepted_socket(lambda: driver, sock), driver, sock)

    def _connect(
        self,
        connecting: Coroutine[Any, Any, Any],
        driver: AsyncioDriver,
        sock: socket.socket,
        *_: Any,
    ) -> None:
        """One step of it. A task would do the same, and take a twelfth of all the time of a
        connection that is used once: it waits for nothing but one future, the transport's."""
        try:
            waiter = connecting.send(None)
        except StopIteration:
            self._connecting -= 1
        except Exception as exc:  # noqa: BLE001  # It was gone before we came.
            self._connecting -= 1
            sock.close()
            driver.lose(exc)
        else:
            waiter._asyncio_future_blocking = False  # As a task says that it has seen it.
            waiter.add_done_callback(
                partial(self._connect, connecting, driver, sock), context=self.variables
            )

    async def to_the_end(self, func: Callable[[], Awaitable[Any]]) -> None:
        """Await it, even if we are cancelled meanwhile, or by anyio at every await."""

        async def run() -> None:
            await func()

        cancelled: asyncio.CancelledError | None = None
        task = self.loop.create_task(run())
        while not task.done():
            try:
                await asyncio.wait((task,))
            except asyncio.CancelledError as exc:
                cancelled = exc
        task.result()
        if cancelled is not None:
            raise cancelled

    async def end(self) -> None:
        """Nothing is left of it after a drain; all, if we were cancelled."""
        self.server.abort()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        while self._connecting:  # noqa: ASYNC110  # A turn of the loop or two: no event for that.
            await asyncio.sleep(0)

    # -- tasks

    def keep(self, task: asyncio.Task[None]) -> None:
        # The loop itself holds tasks weakly.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class AsyncioBackend:
    """asyncio from the standard library."""

    name = "asyncio"
    concurrent_input = True
    native_cancel = True

    def loop_factory(self) -> asyncio.AbstractEventLoop:
        return asyncio.new_event_loop()

    def run(self, server: ServerCore) -> None:
        with asyncio.Runner(loop_factory=self.loop_factory) as runner:
            runner.run(self.serve(server))

    async def serve(self, server: ServerCore) -> None:
        lane = Lane(server)
        try:
            async with server.lifespan(lane.to_the_end):
                lane.variables = contextvars.copy_context()  # with what the hooks have set
                try:
                    lane.accepting.update()
                    server.ready()
                    await lane.over.wait()
                finally:
                    await lane.to_the_end(lane.end)
        finally:
            lane.pool.close()


class UvloopBackend(AsyncioBackend):
    """asyncio on uvloop."""

    name = "uvloop"
    ignores = MappingProxyType(
        dict.fromkeys(("http_buffer_size", "ws_buffer_size"), "uvloop chooses what one read gives")
    )

    def check(self) -> None:
        import_module("uvloop")

    def loop_factory(self) -> asyncio.AbstractEventLoop:
        import uvloop

        return uvloop.new_event_loop()
