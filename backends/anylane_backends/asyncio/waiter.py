"""Waiter: where the asyncio task of a handler waits, and goes on without a turn of the loop.

An `asyncio.Future` calls nobody by itself: it schedules its callbacks, so a task that waits for one
goes on in the loop's next turn. What an `asyncio.Task` needs of what it waits for is less than a
future, and it is all there is here. Only a link may await it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any, NoReturn


class Waiter:
    """One for each link, used again for each wait; one task waits at a time.

    callback: the task's own, None unless it waits: it knows the task, which knows us. due: it is
    about to be called.
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
        """In the next turn of the loop."""
        callback, context = self.callback, self._context
        self.callback = self._context = None
        if callback is not None:
            self.due = True
            self._loop.call_soon(callback, self, context=context)

    def resume(self) -> None:
        """Now. Not from inside of a task: asyncio runs one at a time."""
        callback, context = self.callback, self._context
        self.callback = self._context = None
        if callback is None or context is None:
            return
        self.due = True
        try:
            context.run(callback, self)
        except BaseException as exc:  # noqa: BLE001  # raised again, where it would have been
            if self.due:  # It was not called: somebody is running in that very context.
                self._loop.call_soon(callback, self, context=context)
            else:  # SystemExit and KeyboardInterrupt leave a task also towards its loop.
                self._loop.call_soon(raise_, exc)

    # -- what a task calls

    def add_done_callback(
        self, callback: Callable[[Waiter], object], *, context: Context | None = None
    ) -> None:
        self.callback = callback
        self._context = context

    def cancel(self, msg: Any = None) -> bool:
        if self.callback is None:
            return False  # Too late, as it is for a future that is done.
        self._cancelled = True
        self._message = msg
        self.wake()
        return True

    def result(self) -> None:
        """The first that a woken task calls."""
        self.due = False
        if self._cancelled:
            self._cancelled = False
            message, self._message = self._message, None
            raise asyncio.CancelledError if message is None else asyncio.CancelledError(message)


def raise_(exc: BaseException) -> NoReturn:
    raise exc
