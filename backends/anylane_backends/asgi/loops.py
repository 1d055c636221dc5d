"""What is needed of the loop that a server runs, before there is a lane: asyncio or trio."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from anylane_backends.channels.delivery import Event
from anylane_backends.hosting.server import running_backend

_tasks: set[asyncio.Task[None]] = set()


def running_name() -> str:
    """Return "asyncio" or "trio"; uvloop is an asyncio loop."""
    return "trio" if running_backend() == "trio" else "asyncio"


def running() -> Any:
    """Return what tells this loop from every other one."""
    if running_name() == "trio":
        return sys.modules["trio"].lowlevel.current_trio_token()
    return asyncio.get_running_loop()


def new_event() -> Event:
    """Return an event of this loop."""
    if running_name() == "trio":
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
    if running_name() == "trio":
        return isinstance(exc, sys.modules["trio"].Cancelled)
    task = asyncio.current_task()
    cancelled = task is None or bool(task.cancelling())
    return cancelled and isinstance(exc, asyncio.CancelledError)


def start_detached(func: Callable[[], Awaitable[None]]) -> None:
    """Run a function in a task of its own, which is not awaited. It must raise nothing.

    Nothing of the caller's context is there: libraries keep in it which loop they run on.
    """

    async def run() -> None:
        await func()

    if running_name() == "trio":
        sys.modules["trio"].lowlevel.spawn_system_task(run)
        return
    task = asyncio.get_running_loop().create_task(run(), context=contextvars.Context())
    _tasks.add(task)  # The loop itself holds tasks weakly.
    task.add_done_callback(_tasks.discard)
