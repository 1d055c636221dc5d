"""What is needed of the loop that a server runs, before there is a lane: asyncio or trio."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from anylane_backends.channels.delivery import Detached, Event
from anylane_backends.hosting.server import in_trio

_tasks: set[asyncio.Task[None]] = set()


def running() -> Any:
    """Return what tells this loop from every other one."""
    if in_trio():
        return sys.modules["trio"].lowlevel.current_trio_token()
    return asyncio.get_running_loop()


def new_event() -> Event:
    """Return an event of this loop."""
    if in_trio():
        event: Event = sys.modules["trio"].Event()
        return event
    return asyncio.Event()


def comes_from_outside(exc: BaseException) -> bool:
    """Return whether the current task is to end because of this: it is cancelled, or left behind by
    its loop, or the operator has pressed Ctrl-C. What the task's own code has raised is not so,
    a CancelledError of something else that it awaited included."""
    if isinstance(exc, BaseExceptionGroup):
        return any(map(comes_from_outside, exc.exceptions))
    if isinstance(exc, KeyboardInterrupt | GeneratorExit):
        return True
    if in_trio():
        return isinstance(exc, sys.modules["trio"].Cancelled)
    task = asyncio.current_task()
    cancelled = task is None or bool(task.cancelling())
    return cancelled and isinstance(exc, asyncio.CancelledError)


class Waited(Protocol):
    """What happens once, such as an Event."""

    async def wait(self) -> object: ...


def start_detached(func: Callable[[], Awaitable[None]]) -> Detached:
    """Run a function in a task of its own, which is not awaited. It must raise nothing.

    Nothing of the caller's context is there: libraries keep in it which loop they run on.
    """
    if in_trio():
        trio = sys.modules["trio"]
        scope: Detached = trio.CancelScope()

        async def run_within() -> None:
            with scope:  # type: ignore[attr-defined]
                await func()

        trio.lowlevel.spawn_system_task(run_within)
        return scope

    async def run() -> None:
        await func()

    task = asyncio.get_running_loop().create_task(run(), context=contextvars.Context())
    _tasks.add(task)  # The loop itself holds tasks weakly.
    task.add_done_callback(_tasks.discard)
    return task


async def within(event: Waited, seconds: float, *, shields: bool = False) -> bool:
    """Wait for an event, for so many seconds at most. Return whether it is set.

    shields: a cancellation of the current task does not end that, and is raised behind it.
    """
    if in_trio():
        trio = sys.modules["trio"]
        with trio.CancelScope(deadline=trio.current_time() + seconds, shield=shields) as scope:
            await event.wait()
        return not scope.cancelled_caught
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    cancelled: asyncio.CancelledError | None = None
    waiting = loop.create_task(_wait(event))
    try:
        while not waiting.done() and (left := until - loop.time()) > 0:
            try:
                await asyncio.wait((waiting,), timeout=left)
            except asyncio.CancelledError as exc:
                cancelled = exc
                if not shields:
                    break
    finally:
        waiting.cancel()
    if cancelled is not None:
        raise cancelled
    return waiting.done()


async def _wait(event: Waited) -> None:
    await event.wait()
