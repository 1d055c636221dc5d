"""The trio lane."""

from __future__ import annotations

import math
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import Context
from types import TracebackType
from typing import Any, Self

import trio

from anylane.errors import Cancelled
from anylane.lane.server_core import ServerCore
from anylane_backends.readiness.lane import Lane
from anylane_backends.readiness.loop import Event, HasFileno


class TrioScope:
    """A scope that is a trio CancelScope. Cancelling it after its block was left does nothing."""

    heard = True  # It is raised at every checkpoint.

    __slots__ = ("_lane", "_scope", "caught")

    def __init__(self, lane: TrioLane, *, shields: bool = False) -> None:
        self._lane = lane
        self._scope = trio.CancelScope(shield=shields)
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


class TrioRunner:
    """A Runner that is a trio task in a scope. Cancelling the scope ends the task."""

    heard = True  # As in TrioScope.

    __slots__ = ("_scope", "_status", "_task", "worn")

    def __init__(self) -> None:
        self._task = trio.lowlevel.current_task()
        self._scope = trio.CancelScope()
        self.worn: bool = False

    def enter(self, context: Context) -> None:
        self._task.context = context

    def ended(self) -> None:
        if getattr(self._task, "_cancel_status", None) is not self._status:
            self.worn = True  # A scope was left open, and must not be the next handler's.

    def cancel(self) -> None:
        self.worn = True
        self._scope.cancel()

    def strike(self) -> BaseException:
        self.cancel()
        return Cancelled()

    def is_own_cancellation(self, exc: BaseException) -> bool:
        if isinstance(exc, BaseExceptionGroup):
            return exc.split(trio.Cancelled)[1] is None
        return isinstance(exc, trio.Cancelled)

    def __enter__(self) -> Self:
        self._scope.__enter__()
        self._status = getattr(self._task, "_cancel_status", None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        return bool(self._scope.__exit__(kind, exc, traceback))


class TrioLane(Lane):
    """The lane of trio."""

    def event(self) -> Event:
        return trio.Event()

    async def checkpoint(self) -> None:
        await trio.lowlevel.checkpoint()

    async def readable(self, sock: HasFileno) -> None:
        try:
            await trio.lowlevel.wait_readable(sock)
        except trio.ClosedResourceError:
            pass

    async def writable(self, sock: socket.socket) -> None:
        try:
            await trio.lowlevel.wait_writable(sock)
        except trio.ClosedResourceError:
            pass

    def release(self, sock: socket.socket) -> None:
        trio.lowlevel.notify_closing(sock)

    async def within(self, event: Event, seconds: float | None) -> None:
        with trio.move_on_after(math.inf if seconds is None else seconds):
            await event.wait()

    def start(
        self,
        func: Callable[..., Coroutine[Any, Any, None]],
        *args: Any,
        context: Context | None = None,
    ) -> None:
        context = context or self.context.copy()
        context.run(self._nursery.start_soon, self._run, func, args)

    async def _run(
        self, func: Callable[..., Coroutine[Any, Any, None]], args: tuple[Any, ...]
    ) -> None:
        try:
            await func(*args)
        except trio.Cancelled:
            # A handler that cancels its own task must not cancel the nursery with it.
            pass
        for nursery in reversed(trio.lowlevel.current_task().child_nurseries):
            await self._close(nursery)

    async def _close(self, nursery: trio.Nursery) -> None:
        """End the tasks of a nursery that a handler has left open. trio itself would have the task
        fail at its end, and with it the nursery of all tasks."""
        nursery.cancel_scope.cancel()
        # What leaving its block calls. That block is the handler's, and trio has no public name.
        failure = await nursery._nested_child_finished(None)
        message = "a handler has left a nursery open: its tasks were cancelled"
        self.server.log("error", message, failure)

    async def detach(self, func: Callable[[], Coroutine[Any, Any, None]]) -> None:
        trio.lowlevel.spawn_system_task(func, context=self.context)

    async def runner(self) -> TrioRunner:
        return TrioRunner()

    @asynccontextmanager
    async def tasks(self) -> AsyncGenerator[None]:
        async with trio.open_nursery() as self._nursery:
            try:
                yield
            finally:
                self._nursery.cancel_scope.cancel()

    def scope(self, *, shields: bool = False) -> TrioScope:
        return TrioScope(self, shields=shields)

    def is_cancellation(self, exc: BaseException) -> bool:
        # Behind it there is always a scope that was cancelled.
        return isinstance(exc, trio.Cancelled)

    async def to_the_end(self, func: Callable[[], Awaitable[Any]]) -> None:
        with trio.CancelScope(shield=True):
            await func()


class TrioBackend:
    """The backend of trio."""

    name = "trio"
    concurrent_input = True
    native_cancel = True
    cancel_scopes = True

    def run(self, server: ServerCore) -> None:
        trio.run(self.serve, server)

    async def serve(self, server: ServerCore) -> None:
        await TrioLane(server).serve()

    @asynccontextmanager
    async def embed(self, server: ServerCore) -> AsyncGenerator[TrioLane]:
        """Give a lane in the running loop, which listens to nothing: it carries the exchanges that
        the host of the loop brings."""
        lane = TrioLane(server)
        async with lane.running():
            yield lane
