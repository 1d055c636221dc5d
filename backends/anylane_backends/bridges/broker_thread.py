"""BrokerThread: the one thread of a bridge, with an event loop of its own for the client's library.

Handlers run on any lane, and never on it. So a library of asyncio serves trio, curio and threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar
from weakref import WeakSet

T = TypeVar("T")


class _Loop(asyncio.SelectorEventLoop):
    """A loop that knows its connections, so that those can be aborted whose library still waits for
    a broker that does not answer."""

    def __init__(self) -> None:
        super().__init__()
        self._opened: WeakSet[asyncio.Transport] = WeakSet()

    async def create_connection(self, *args: Any, **settings: Any) -> Any:
        pair = await super().create_connection(*args, **settings)
        self._opened.add(pair[0])
        return pair

    async def create_unix_connection(self, *args: Any, **settings: Any) -> Any:
        pair = await super().create_unix_connection(*args, **settings)
        self._opened.add(pair[0])
        return pair

    def abort_connections(self) -> None:
        """Close all connections at once, and lose what they have not sent."""
        for transport in tuple(self._opened):
            transport.abort()


class BrokerThread:
    """A daemon thread that runs one coroutine function to its end."""

    def __init__(self, name: str) -> None:
        self._loop = _Loop()
        self._thread = Thread(target=self._run, name=name, daemon=True)
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
            loop.abort_connections()
            loop.run_until_complete(asyncio.wait(left, timeout=0.2) if left else asyncio.sleep(0))
            loop.run_until_complete(loop.shutdown_asyncgens())
            # Once more, for the callbacks of transports that were aborted.
            loop.run_until_complete(asyncio.sleep(0))
            asyncio.set_event_loop(None)
            loop.close()
