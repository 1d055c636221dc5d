"""Waiter: what the asyncio task of a handler waits for, to go on without a turn of the loop.

An `asyncio.Future` schedules its callbacks, so a task that waits for one goes on in the loop's next
turn. An `asyncio.Task` needs less than a future of what it waits for. A Waiter has just that, and
calls the task by itself. Only a link may await it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any, NoReturn


class Waiter:
    """What one task waits for. Each link has one, for one wait after the other.

    callback: the task's own; None unless the task waits, because it knows the task, which knows us.
    due: whether the callback is about to be called.
    """

    __slots__ = ("_asyncio_future_blocking", "_cancelled", "_context", "_loop", "_message",
                 "callback", "due")  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop  # A task reads it, and refuses to wait on another loop's.
        self._asyncio_future_blocking = False
        self._context: Context | None = None
        self._cancelled = False
        self._message: Any = None
        self.callback: Callable[[Waiter], object] | None = None
        self.due: bool = False

    def wake(self) -> None:
        """Have the task go on in the next turn of the loop."""
        callback, context = self.callback, self._context
        self.callback = self._context = None
        if callback is not None:
            self.due = True
            self._loop.call_soon(callback, self, context=context)

    def resume(self) -> None:
        """Let the task go on now. Not from inside of a task: asyncio runs one at a time."""
        callback, context = self.callback, self._context
        self.callback = self._context = None
        if callback is None or context is None:
            return
        self.due = True
        try:
            context.run(callback, self)
        except BaseException as exc:  # noqa: BLE001  # It is raised again where a task would raise it.
            if self.due:  # It was not called, because that very context is entered already.
                self._loop.call_soon(callback, self, context=context)
            else:  # SystemExit and KeyboardInterrupt leave a task towards its loop, too.
                self._loop.call_soon(raise_, exc)

    # -- what a task calls -----------------------------------------------------------------------

    def add_done_callback(
        self, callback: Callable[[Waiter], object], *, context: Context | None = None
    ) -> None:
        self.callback = callback
        self._context = context

    def cancel(self, msg: Any = None) -> bool:
        if self.callback is None:
            return False  # It is too late, as for a future that is done.
        self._cancelled = True
        self._message = msg
        self.wake()
        return True

    def result(self) -> None:
        """Return None, or raise CancelledError. A task that was woken calls this first."""
        self.due = False
        if self._cancelled:
            self._cancelled = False
            message, self._message = self._message, None
            raise asyncio.CancelledError if message is None else asyncio.CancelledError(message)


def raise_(exc: BaseException) -> NoReturn:
    raise exc
