"""BrokerThread: the one thread of a bridge, with an event loop of its own for the client's library.

Handlers run on any lane, and never on it. So a library of asyncio serves trio, curio and threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextvars import ContextVar
from typing import Any, TypeVar
from weakref import WeakSet

from anylane_backends.workers import make_thread

T = TypeVar("T")


Connections = WeakSet[asyncio.Transport]
"""Connections that are open, as far as anything still holds them."""

opened_here: ContextVar[Connections | None] = ContextVar("anylane_opened_here", default=None)
"""Where the connections are noted down that the current task, and those it starts, open."""


class _Loop(asyncio.SelectorEventLoop):
    """A loop that notes its connections down, so that those can be aborted whose library still
    waits for a broker that does not answer."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: Connections = WeakSet()

    async def create_connection(self, *args: Any, **settings: Any) -> Any:
        return self._noted(await super().create_connection(*args, **settings))

    async def create_unix_connection(self, *args: Any, **settings: Any) -> Any:
        return self._noted(await super().create_unix_connection(*args, **settings))

    def _noted(self, pair: Any) -> Any:
        self.opened.add(pair[0])
        if (here := opened_here.get()) is not None:
            here.add(pair[0])
        return pair


def abort(connections: Connections) -> None:
    """Close connections at once, and lose what they have not sent."""
    for transport in tuple(connections):
        transport.abort()


async def within(seconds: float, coroutine: Coroutine[Any, Any, T]) -> T:
    """Await a coroutine of a library for so long. Raise TimeoutError if it takes longer, and
    ConnectionAbortedError if the library has cancelled it.

    It is cancelled then, and not waited for: some code in libraries swallows a cancellation.
    """
    task = asyncio.ensure_future(coroutine)
    try:
        done, _ = await asyncio.wait((task,), timeout=seconds)
    except asyncio.CancelledError:
        _leave(task)
        raise
    if not done:
        _leave(task)
        raise TimeoutError
    if task.cancelled():
        # A CancelledError would look like a cancellation of the task that runs here.
        raise ConnectionAbortedError("the library has given up")
    return task.result()


def _leave(task: asyncio.Task[Any]) -> None:
    task.cancel()
    # asyncio logs an exception that is never retrieved.
    task.add_done_callback(lambda task: task.cancelled() or task.exception())


class BrokerThread:
    """A thread that runs one coroutine function to its end, and does not keep the process alive."""

    def __init__(self, name: str) -> None:
        self._loop = _Loop()
        self._thread = make_thread(self._run, name)
        self._main: Callable[[], Coroutine[Any, Any, None]]

    def start(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin. Raise RuntimeError where no thread can be started."""
        self._main = main
        try:
            self._thread.start()
        except BaseException:
            self._loop.close()
            raise

    def call_soon(self, func: Callable[[], object]) -> None:
        """Have a function called on the thread. Any thread may ask, a signal handler and a
        finalizer too. Nothing happens once the thread has ended."""
        try:
            self._loop.call_soon_threadsafe(func)
        except RuntimeError:
            pass

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine on the thread, and return its future. Raise RuntimeError once the thread
        has ended."""
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:
            coroutine.close()
            raise

    def join(self, seconds: float) -> bool:
        """Wait for the end. Return whether it has come in time."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(self._main())
        finally:
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            abort(loop.opened)
            loop.run_until_complete(asyncio.wait(left, timeout=0.1) if left else asyncio.sleep(0))
            loop.run_until_complete(loop.shutdown_asyncgens())
            # Once more, for the callbacks of transports that were aborted.
            loop.run_until_complete(asyncio.sleep(0))
            asyncio.set_event_loop(None)
            loop.close()
