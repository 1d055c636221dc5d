"""Event loops: what a handler can use of the library that drives its lane.

The same cases run with each library. There is none on threads and in memory.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from anylane import HTTPError

if TYPE_CHECKING:
    from anylane import Context


Cancel = Callable[[], Awaitable[None]]
"""Cancels what was registered with it; awaited in another task of the loop."""

Register = Callable[[Cancel], None]
"""Takes what cancels a function, before that function begins."""

Func = Callable[[], Awaitable[None]]

Spawn = Callable[[Func], Awaitable[None]]
"""Starts a function as a task of a block of tasks."""


class Gate(Protocol):
    """A native event, closed until it is opened."""

    async def wait(self) -> None:
        """Wait until the gate is open."""

    async def open(self) -> None:
        """Open the gate. Called on the loop's own thread."""


class Native(Protocol):
    """One event loop library."""

    name: str

    def gate(self) -> Gate:
        """Return a closed gate."""
        ...

    async def cancellable(self, register: Register, func: Func) -> bool:
        """Run a function so that what is registered cancels it; return whether it did."""
        ...

    def cancelled(self) -> type[BaseException]:
        """Return the class of the library's own cancellation."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Sleep by the library's own clock."""

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[None]:
        """Return the library's own time-out; the block raises TimeoutError."""
        ...

    def tasks(self) -> AbstractAsyncContextManager[Spawn]:
        """Return the library's own block of tasks; leaving it waits for them."""
        ...

    async def group(self, *funcs: Func) -> None:
        """Run all of them at once, in the library's own task group."""


class _EventGate:
    def __init__(self, event: Any) -> None:
        self._event = event

    async def wait(self) -> None:
        await self._event.wait()

    async def open(self) -> None:
        result = self._event.set()
        if hasattr(result, "__await__"):
            await result


class AsyncioNative:
    """asyncio, on any loop."""

    name = "asyncio"

    def gate(self) -> Gate:
        import asyncio

        return _EventGate(asyncio.Event())

    def cancelled(self) -> type[BaseException]:
        import asyncio

        return asyncio.CancelledError

    async def sleep(self, seconds: float) -> None:
        import asyncio

        await asyncio.sleep(seconds)

    async def cancellable(self, register: Register, func: Func) -> bool:
        import asyncio

        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as scope:

                async def cancel() -> None:
                    scope.reschedule(loop.time())

                register(cancel)
                await func()
        except TimeoutError:
            return True
        return False

    @asynccontextmanager
    async def timeout(self, seconds: float) -> AsyncGenerator[None]:
        import asyncio

        async with asyncio.timeout(seconds):
            yield

    @asynccontextmanager
    async def tasks(self) -> AsyncGenerator[Spawn]:
        import asyncio

        async with asyncio.TaskGroup() as group:

            async def spawn(func: Func) -> None:
                async def run() -> None:
                    await func()

                group.create_task(run())

            yield spawn

    async def group(self, *funcs: Func) -> None:
        import asyncio

        async with asyncio.TaskGroup() as group:
            for func in funcs:
                group.create_task(_coroutine(func))

    async def stray(self) -> None:
        """Await what other code has cancelled; raises CancelledError."""
        import asyncio

        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future


async def _coroutine(func: Func) -> None:
    await func()


class TrioNative:
    """trio."""

    name = "trio"

    def gate(self) -> Gate:
        import trio

        return _EventGate(trio.Event())

    def cancelled(self) -> type[BaseException]:
        import trio

        return trio.Cancelled

    async def sleep(self, seconds: float) -> None:
        import trio

        await trio.sleep(seconds)

    async def cancellable(self, register: Register, func: Func) -> bool:
        import trio

        with trio.CancelScope() as scope:

            async def cancel() -> None:
                scope.cancel()

            register(cancel)
            await func()
        return scope.cancelled_caught

    @asynccontextmanager
    async def timeout(self, seconds: float) -> AsyncGenerator[None]:
        import trio

        with trio.move_on_after(seconds) as scope:
            yield
        if scope.cancelled_caught:
            raise TimeoutError

    @asynccontextmanager
    async def tasks(self) -> AsyncGenerator[Spawn]:
        import trio

        async with trio.open_nursery() as nursery:

            async def spawn(func: Func) -> None:
                nursery.start_soon(func)

            yield spawn

    async def group(self, *funcs: Func) -> None:
        import trio

        async with trio.open_nursery() as nursery:
            for func in funcs:
                nursery.start_soon(func)


class CurioNative:
    """curio. It has no cancel scopes; what can be cancelled there is a task."""

    name = "curio"

    def gate(self) -> Gate:
        import curio

        return _EventGate(curio.Event())

    def cancelled(self) -> type[BaseException]:
        import curio

        found: type[BaseException] = curio.TaskCancelled
        return found

    async def sleep(self, seconds: float) -> None:
        import curio

        await curio.sleep(seconds)

    async def cancellable(self, register: Register, func: Func) -> bool:
        import curio

        task = await curio.spawn(func)

        async def cancel() -> None:
            await task.cancel(blocking=False)

        register(cancel)
        await task.wait()
        if isinstance(task.exception, curio.TaskCancelled):
            return True
        if task.exception is not None:
            raise task.exception
        return False

    @asynccontextmanager
    async def timeout(self, seconds: float) -> AsyncGenerator[None]:
        import curio

        try:
            timeout: Any = curio.timeout_after(seconds)
            async with timeout:
                yield
        except curio.TaskTimeout:
            raise TimeoutError from None

    @asynccontextmanager
    async def tasks(self) -> AsyncGenerator[Spawn]:
        import curio

        tasks: Any = curio.TaskGroup()
        async with tasks:

            async def spawn(func: Func) -> None:
                await tasks.spawn(func)

            yield spawn

    async def group(self, *funcs: Func) -> None:
        import curio

        group: Any = curio.TaskGroup()
        async with group:
            for func in funcs:
                await group.spawn(func)


def current() -> Native | None:
    """Return the library that drives this handler, None on a lane without one."""
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        return TrioNative()
    meta = sys.modules.get("curio.meta")
    if meta is not None and meta.curio_running():
        return CurioNative()
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None and asyncio._get_running_loop() is not None:
        return AsyncioNative()
    return None


def needed() -> Native:
    """Return the library that drives this handler; raise HTTPError 501 on a lane without one."""
    found = current()
    if found is None:
        raise HTTPError(501, "this lane has no event loop")
    return found


def scopes() -> ModuleType:
    """Return the library of the scopes that a handler is to use: trio's own there, else anyio's."""
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        return trio
    return import_module("anyio")


def group_of(library: Any) -> AbstractAsyncContextManager[Any]:
    """Return a block of tasks of `scopes()`."""
    make = library.open_nursery if hasattr(library, "open_nursery") else library.create_task_group
    block: AbstractAsyncContextManager[Any] = make()
    return block


async def cancellable(ctx: Context, func: Func, cancels: dict[str, Cancel]) -> bool:
    """Run `func` so that `cancels["latest"]` cancels it; return whether it was cancelled.

    It is cancelled by the library's own means where there is one, else by the lane's.
    """
    native = current()

    def register(cancel: Cancel) -> None:
        cancels["latest"] = cancel

    if native is not None:
        return await native.cancellable(register, func)
    async with ctx.link.scope() as scope:

        async def cancel() -> None:
            scope.cancel()

        register(cancel)
        await func()
    return scope.caught
