"""The anyio lane, which is anyio on asyncio, and the trio lane.

The trio lane is anyio on trio, except that it uses trio itself for what each request needs.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import Context
from importlib import import_module
from types import ModuleType, TracebackType
from typing import Any, Self

import anyio
import anyio.lowlevel

from anylane.errors import Cancelled
from anylane.lane.server_core import ServerCore
from anylane_backends.asyncio.link import is_cancellation
from anylane_backends.readiness.lane import Lane
from anylane_backends.readiness.loop import Event


class AnyioScope:
    """A scope that is an anyio CancelScope. Cancelling it after its block was left does nothing."""

    heard = True  # It is raised at every checkpoint.

    __slots__ = ("_lane", "_scope", "caught")

    def __init__(self, lane: AnyioLane, *, shields: bool = False) -> None:
        self._lane = lane
        self._scope = lane.cancel_scope(shield=shields)
        self.caught: bool = False

    def cancel(self) -> None:
        self._lane.server.wakes.put(self._scope.cancel)

    def strike(self) -> BaseException:
        self._scope.cancel()
        return Cancelled()

    async def __aenter__(self) -> Self:
        self._scope.__enter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        swallowed = bool(self._scope.__exit__(kind, exc, traceback))
        self.caught = self._scope.cancelled_caught
        return swallowed


class AnyioLane(Lane):
    cancel_scope: Callable[..., anyio.CancelScope] = anyio.CancelScope

    def __init__(self, server: ServerCore) -> None:
        super().__init__(server)
        self._tasks: set[asyncio.Task[None]] = set()

    def event(self) -> Event:
        return anyio.Event()

    async def checkpoint(self) -> None:
        await anyio.lowlevel.checkpoint()

    async def readable(self, sock: socket.socket) -> None:
        try:
            await anyio.wait_readable(sock)
        except anyio.ClosedResourceError:
            pass

    async def writable(self, sock: socket.socket) -> None:
        try:
            await anyio.wait_writable(sock)
        except anyio.ClosedResourceError:
            pass

    def release(self, sock: socket.socket) -> None:
        anyio.notify_closing(sock)

    async def within(self, event: Event, seconds: float | None) -> None:
        with anyio.move_on_after(seconds):
            await event.wait()

    async def detach(self, func: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._detached = asyncio.get_running_loop().create_task(func(), context=self.context)

    @asynccontextmanager
    async def tasks(self) -> AsyncGenerator[None]:
        async with anyio.create_task_group() as self._group:
            try:
                yield
            finally:
                with anyio.CancelScope(shield=True):
                    await self._end_tasks()

    async def _end_tasks(self) -> None:
        while self._tasks:  # They are cancelled until they end, as anyio does it.
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(tuple(self._tasks), timeout=0.01)

    def start(
        self,
        func: Callable[..., Coroutine[Any, Any, None]],
        *args: Any,
        context: Context | None = None,
    ) -> None:
        # A task of the loop, and not of the group: a handler that leaves a CancelScope open, such
        # as in a generator that it does not close, would end the group, and so the server. Its
        # context is the lane's, not the caller's: that may be a handler.
        loop = asyncio.get_running_loop()
        task = loop.create_task(func(*args), context=context or self.context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._group.start_soon(_fail, failure)

    def scope(self, *, shields: bool = False) -> AnyioScope:
        return AnyioScope(self, shields=shields)

    def is_cancellation(self, exc: BaseException) -> bool:
        return is_cancellation(exc)

    async def to_the_end(self, func: Callable[[], Awaitable[Any]]) -> None:
        with anyio.CancelScope(shield=True):
            await func()


async def _fail(failure: BaseException) -> None:
    raise failure


class TrioRunner:
    """A Runner that is a trio task in a scope. Cancelling the scope ends the task."""

    heard = True  # As in AnyioScope.

    __slots__ = ("_lane", "_scope", "_task", "worn")

    def __init__(self, lane: TrioLane) -> None:
        self._lane = lane
        self._task = lane.trio.lowlevel.current_task()
        self._scope = lane.cancel_scope()
        self.worn: bool = False

    def renew(self) -> None:
        self._task.context = self._lane.context.copy()

    def cancel(self) -> None:
        self.worn = True
        self._scope.cancel()

    def strike(self) -> BaseException:
        self.cancel()
        return Cancelled()

    def is_own_cancellation(self, exc: BaseException) -> bool:
        if isinstance(exc, BaseExceptionGroup):
            return exc.split(self._lane.trio.Cancelled)[1] is None
        return isinstance(exc, self._lane.trio.Cancelled)

    def __enter__(self) -> Self:
        self._scope.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        return bool(self._scope.__exit__(kind, exc, traceback))


class TrioLane(AnyioLane):
    """The lane of trio, with trio's own events and waits: anyio wraps each of them in an object or
    two, which takes a third of the time of a request."""

    def __init__(self, server: ServerCore) -> None:
        self.trio: ModuleType = import_module("trio")
        self.cancel_scope: Callable[..., anyio.CancelScope] = self.trio.CancelScope
        self._wait_readable = self.trio.lowlevel.wait_readable
        self._closed = self.trio.ClosedResourceError
        super().__init__(server)

    def event(self) -> Event:
        return self.trio.Event()  # type: ignore[no-any-return]

    async def readable(self, sock: socket.socket) -> None:
        try:
            await self._wait_readable(sock)
        except self._closed:
            pass

    def start(
        self,
        func: Callable[..., Coroutine[Any, Any, None]],
        *args: Any,
        context: Context | None = None,
    ) -> None:
        context = context or self.context.copy()
        context.run(self._group.start_soon, self._run, func, args)

    async def _run(
        self, func: Callable[..., Coroutine[Any, Any, None]], args: tuple[Any, ...]
    ) -> None:
        try:
            await func(*args)
        except self.trio.Cancelled:
            # A handler that cancels its own task must not cancel the nursery with it.
            pass

    def is_cancellation(self, exc: BaseException) -> bool:
        # Behind it there is always a scope that was cancelled.
        return isinstance(exc, self.trio.Cancelled)

    async def detach(self, func: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.trio.lowlevel.spawn_system_task(func, context=self.context)

    async def runner(self) -> TrioRunner:
        return TrioRunner(self)

    @asynccontextmanager
    async def tasks(self) -> AsyncGenerator[None]:
        async with self.trio.open_nursery() as self._group:
            try:
                yield
            finally:
                self._group.cancel_scope.cancel()


class AnyioBackend:
    """The backend of anyio on asyncio."""

    name = "anyio"
    concurrent_input = True
    native_cancel = True

    def run(self, server: ServerCore) -> None:
        anyio.run(self.serve, server, backend="asyncio")

    async def serve(self, server: ServerCore) -> None:
        await self.lane(server).serve()

    def lane(self, server: ServerCore) -> AnyioLane:
        return AnyioLane(server)

    @asynccontextmanager
    async def embed(self, server: ServerCore) -> AsyncGenerator[AnyioLane]:
        """Give a lane in the running loop, which listens to nothing: it carries the exchanges that
        the host of the loop brings."""
        lane = self.lane(server)
        async with lane.running():
            yield lane


class TrioBackend(AnyioBackend):
    """The backend of trio."""

    name = "trio"

    def check(self) -> None:
        import_module("trio")  # anyio itself would import it only when it runs.

    def run(self, server: ServerCore) -> None:
        anyio.run(self.serve, server, backend="trio")

    def lane(self, server: ServerCore) -> AnyioLane:
        return TrioLane(server)
