"""What the lanes share that wait until a socket is ready: everything but the waiting itself.

One task for each connection, which reads and runs what comes of it; one task more for each exchange
that suspends, a writer task while the kernel does not take what was written, one task for all
deadlines. A loop supplies the few primitives of `Lane`. Nothing here imports a loop.
"""

from __future__ import annotations

import contextvars
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from types import coroutine as native
from typing import Any, Protocol

from anylane.lane.deadlines import Deadline, Deadlines
from anylane.lane.driver import Driver
from anylane.lane.errand import Errand
from anylane.lane.link import BaseLink, Handle, Scope
from anylane.lane.server_core import ServerCore
from anylane.lane.wake_queue import WakeQueue
from anylane.protocol import Closing, Exchange
from anylane.protocol.timers import NEVER
from anylane_backends._pool import Pool
from anylane_backends._sockets import (
    EXHAUSTED_PAUSE,
    NO_SOCKET,
    Door,
    Outbox,
    half_close,
    read,
    reset,
)


class Event(Protocol):
    """Set once, from the loop's thread, without waiting."""

    def set(self) -> object: ...
    async def wait(self) -> object: ...


class Runner(Protocol):
    """A native task that reads a connection and runs its exchanges, one after the other: a new
    task for each would cost a third of a plain request's time. Made and entered in that task.

    worn: the task is not to be used for one more exchange: a cancellation is not over yet.
    """

    @property
    def worn(self) -> bool: ...

    def renew(self) -> None:
        """An exchange has ended. From the next suspension on the task is in a fresh copy of the
        lane's context."""

    def cancel(self) -> None:
        """End natively what the exchange awaits, now or at its next chance."""

    def took(self, exc: BaseException) -> bool:
        """Whether `exc` is nothing but what `cancel` caused."""
        ...


class Lane(ABC):
    """One server on one running loop. Made inside it."""

    def __init__(self, server: ServerCore) -> None:
        self.server = server
        self.pool = Pool(server)
        self.context = contextvars.copy_context()
        self._deadlines = Deadlines()
        self._next_ring = NEVER
        self._earlier = self.event()
        self._changed = self.event()
        # A byte on a socket wakes any loop, from any thread and from signal handlers, and stays
        # there until it is read.
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        server.attach(WakeQueue(self._ring), self._on_changed)

    # -- primitives: the loop's --------------------------------------------------------------

    @abstractmethod
    def event(self) -> Event: ...

    @abstractmethod
    async def checkpoint(self) -> None:
        """Others get their turn; a cancellation arrives here."""

    @abstractmethod
    def readable(self, sock: socket.socket) -> Awaitable[None]:
        """Returns when there is something to read, or `release` was called."""

    @abstractmethod
    def writable(self, sock: socket.socket) -> Awaitable[None]:
        """Returns when there is room to write, or `release` was called."""

    @abstractmethod
    def release(self, sock: socket.socket) -> None:
        """End all waiting for this socket: it is to be closed."""

    @abstractmethod
    async def within(self, event: Event, seconds: float | None) -> None:
        """Wait for the event, at most so long; gives others their turn in any case."""

    @abstractmethod
    def start(self, func: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        """A native task, in a fresh copy of `context`; never runs it at once."""

    @abstractmethod
    def tasks(self) -> AbstractAsyncContextManager[None]:
        """Where `start` works. Leaving cancels what still runs, and waits for its end."""

    @abstractmethod
    def scope(self) -> Scope: ...

    async def runner(self) -> AbstractContextManager[Runner | None]:
        """Of the current task; None where a task cannot change its context variables."""
        return nullcontext()

    def is_stray(self, exc: BaseException) -> bool:  # noqa: ARG002  # by loop
        """See `BaseLink.is_stray`."""
        return False

    async def to_the_end(self, func: Callable[[], Awaitable[Any]]) -> None:
        """Await it, even if the lane was cancelled."""
        await func()

    # -- serving -----------------------------------------------------------------------------

    async def serve(self) -> None:
        try:
            async with self.server.lifespan(self.to_the_end):
                self.context = contextvars.copy_context()  # with what the hooks have set
                async with self.tasks():
                    await self._serve()
        finally:
            self.pool.close()
            self._bell.close()
            self._ear.close()

    async def _serve(self) -> None:
        server = self.server
        self.start(self._ring_deadlines)
        self.start(self._answer_bell)
        for listener in server.listeners:
            self.start(self._accept, listener)
        server.ready()
        try:
            while not server.draining:
                await self._changed.wait()
            for listener in server.listeners:
                self.release(listener)
            server.deaf()
            while not server.over:
                await self._changed.wait()
        finally:
            server.abort()  # Nothing is left of it after a drain; all, if we were cancelled.

    async def _accept(self, listener: socket.socket) -> None:
        server = self.server
        door = Door(listener, server.config)
        while not server.draining:
            if not server.accepting:
                await self._changed.wait()
                continue
            await self.readable(listener)
            try:
                self._accept_waiting(door)
            except OSError as exc:
                server.log("warning", f"cannot accept for now: {exc.strerror}", None)
                await self.within(self._changed, EXHAUSTED_PAUSE)

    def _accept_waiting(self, door: Door) -> None:
        while self.server.accepting and (accepted := door.accept()):
            ReadinessDriver(self, *accepted)

    def _on_changed(self) -> None:
        changed, self._changed = self._changed, self.event()
        changed.set()

    # -- deadlines and wake-ups --------------------------------------------------------------

    def arm(self, at: float, call: Callable[[], None]) -> Deadline:
        """Call it then; `cancel` what is returned when it is not needed any more."""
        if at < self._next_ring:
            self._next_ring = at
            self._earlier.set()
        return self._deadlines.arm(at, call)

    async def _ring_deadlines(self) -> None:
        while True:
            at = self._deadlines.next()
            self._next_ring = NEVER if at is None else at
            self._earlier = self.event()
            await self.within(self._earlier, None if at is None else max(0, at - time.monotonic()))
            self._attempt(lambda: self._deadlines.fire(time.monotonic()))

    def _ring(self) -> None:
        try:
            self._bell.send(b"\0")
        except OSError:  # Full: it is ringing. Closed: there is nobody left to wake.
            pass

    async def _answer_bell(self) -> None:
        while True:
            await self.readable(self._ear)
            read(self._ear)
            self._attempt(self.server.wakes.run)

    def _attempt(self, func: Callable[[], None]) -> None:
        # All connections depend on the tasks that call this: a bug met in one must not end them.
        try:
            func()
        except Exception as exc:  # noqa: BLE001
            self.server.log("error", f"the {self.server.lane} lane failed: {exc!r}", exc)


class ReadinessLink(BaseLink):
    """One event for all waiters; the latch outlives waiters that were cancelled."""

    __slots__ = ("_latched", "_news", "lane")

    def __init__(self, driver: ReadinessDriver, exchange: Exchange) -> None:
        super().__init__(driver, exchange)
        self.lane = driver.lane
        self._latched = False
        self._news: Event | None = None

    async def park(self) -> None:
        if self._latched:
            await self.lane.checkpoint()
        else:
            if self._news is None:
                self._news = self.lane.event()
            await self._news.wait()
        self._latched = False

    def notify(self) -> None:
        self._latched = True
        if self._news is not None:
            news, self._news = self._news, None
            news.set()

    def scope(self) -> Scope:
        return self.lane.scope()

    def is_stray(self, exc: BaseException) -> bool:
        return self.lane.is_stray(exc)

    def submit(self, func: Callable[[], Any]) -> Handle:
        return self.lane.pool.submit(func, self.wake)


class RunnerLink(ReadinessLink):
    """Of an exchange that runs in a connection's own task."""

    __slots__ = ("_cancelled", "runner")

    native = True
    runner: Runner

    def __init__(self, driver: ReadinessDriver, exchange: Exchange) -> None:
        # As BaseLink's own, without the calls: this is made for every request.
        self.driver = driver
        self.exchange = exchange
        self.parked = self.burst = 0
        self.lane = driver.lane
        self._latched = self._cancelled = False
        self._news = None

    def begin(self) -> None:
        self.exchange.begin(self._interrupt)

    def _interrupt(self) -> None:
        self.driver.wakes.put(self._cancel)

    def _cancel(self) -> None:
        if not self._cancelled and not self.exchange.finished:
            self._cancelled = True
            self.runner.cancel()

    def took(self, exc: BaseException) -> bool:
        return self._cancelled and self.runner.took(exc)


@native
def _rest(work: Coroutine[Any, Any, None], trap: Any) -> Generator[Any, Any, None]:
    """Await a coroutine that has made its first step already, and suspended with `trap`."""
    try:
        while True:
            try:
                value = yield trap
            except BaseException as exc:  # noqa: BLE001  # a cancellation: it is the coroutine's
                trap = work.throw(exc)
            else:
                trap = work.send(value)
    except StopIteration:
        pass


class ReadinessDriver(Driver):
    """A socket, an outbox, a reader, and at times a writer.

    `_runner` is the reader's. `_here`: what is started now runs in the task that runs now, which
    finds it in `_due`.
    """

    __slots__ = ("_deadline", "_due", "_here", "_outbox", "_parked", "_resumed", "_runner",
                 "_sending", "_sock", "lane")  # fmt: skip

    def __init__(
        self,
        lane: Lane,
        sock: socket.socket,
        peer: Any,
        local: Any,
        errand: Errand | None = None,
    ) -> None:
        self.lane = lane
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

    # -- verbs

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

    def start(self, exchange: Exchange) -> None:
        if self._here and self._due is None:
            self._due = RunnerLink(self, exchange)
            self.started(self._due)
            return
        link = ReadinessLink(self, exchange)
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

    # -- tasks

    async def _serve(self) -> None:
        """Read, and run what comes of it. When that suspends, another task reads on, and this one
        ends with it."""
        with await self.lane.runner() as runner:
            self._runner = runner
            try:
                await self._read(runner)
            finally:
                if self._due is not None:  # A cancellation came before its turn.
                    self.finished(self._due)
                if runner is not None and self._runner is runner:
                    self._read_on()

    async def _read(self, runner: Runner | None) -> None:
        inline = runner is not None
        while self._runner is runner and not self.lost:
            if self._parked:
                await self._until_resumed()
                continue
            # Waits first, although something may be there already: so each read gives
            # others their turn, and none is in vain.
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
                        # Pipelined: in variables of its own, and others have their turn.
                        await self.lane.checkpoint()
                if runner.worn:
                    return

    async def _run_here(self, link: RunnerLink, runner: Runner) -> None:
        self._due = None
        link.runner = runner
        work = self.server.run_exchange(link.exchange, link)
        try:
            try:
                # Nearly all handlers end without a suspension. By hand, but in its native task.
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
        """In another task: this one has something else to do, or ends."""
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
        """A task of this connection: what it raises ends the connection, not the server."""
        try:
            await func(*args)
        except OSError as exc:
            self._end(exc)
        except Exception as exc:  # noqa: BLE001
            self.server.log("error", f"a connection failed: {exc!r}", exc)
            self._end(exc, reset)

    # -- the end

    def _finish(self, how: Closing) -> None:
        """Everything was written: close as far as the core wants it."""
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
        # First the waiting, then the descriptor: its number may be another socket's at once.
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
