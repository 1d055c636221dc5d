"""`def` handlers: run in the pool, with a way back to the exchange for what they must await.

A pool thread posts an awaitable; the exchange's own task awaits it natively and hands the
result back. `_thread.allocate_lock` is the one thing of threads that the core knows.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from anylane.errors import Disconnected

if TYPE_CHECKING:
    from anylane.lane.link import Link


class Call:
    """One awaitable that a pool thread waits for."""

    __slots__ = ("_args", "_done", "_error", "_func", "_value")

    def __init__(self, func: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._func = func
        self._args = args
        self._value: Any = None
        self._error: BaseException | None = None
        self._done = allocate_lock()
        self._done.acquire()

    async def serve(self) -> None:
        """In the exchange's task."""
        try:
            self._value = await self._func(*self._args)
        except Exception as exc:  # noqa: BLE001  # it is the pool thread's
            self._error = exc
        except BaseException:
            self._error = Disconnected(None, "the exchange was cancelled")
            raise
        finally:
            self._done.release()

    def fail(self, error: BaseException) -> None:
        self._error = error
        self._done.release()

    def wait(self) -> Any:
        """In the pool thread."""
        self._done.acquire()
        if self._error is not None:
            raise self._error
        return self._value


class Calls:
    """The way from a pool thread to the exchange; closed when the exchange stops listening."""

    __slots__ = ("_closed", "_link", "_lock", "_queue")

    def __init__(self, link: Link) -> None:
        self._link = link
        self._lock = allocate_lock()
        self._queue: deque[Call] = deque()
        self._closed = False

    def run(self, func: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """In the pool thread: have the exchange await `func(*args)`, and wait for it."""
        call = Call(func, args)
        with self._lock:
            if self._closed:
                raise Disconnected(None, "the exchange has ended; nobody awaits for its thread")
            self._queue.append(call)
        self._link.wake()
        return call.wait()

    def take(self) -> Call | None:
        return self._queue.popleft() if self._queue else None

    def close(self) -> None:
        with self._lock:
            self._closed = True
            pending = list(self._queue)
            self._queue.clear()
        for call in pending:
            call.fail(Disconnected(None, "the exchange was cancelled"))


class PooledIterator:
    """A sync iterator that is advanced in the pool.

    Closed there too, and only behind a step that still runs: a generator cannot be closed while
    it executes, and its `finally` may block.
    """

    __slots__ = ("_items", "_link", "_lock")

    END = object()

    def __init__(self, link: Link, items: Iterator[Any]) -> None:
        self._link = link
        self._items = items
        self._lock = allocate_lock()

    async def next(self) -> Any:
        """The next item, or END."""
        return await run_blocking(self._link, self._step)

    def close(self) -> None:
        close = getattr(self._items, "close", None)
        if close is not None:
            self._link.submit(lambda: self._locked(close))

    def _step(self) -> Any:
        return self._locked(lambda: next(self._items, self.END))

    def _locked(self, func: Callable[[], Any]) -> Any:
        with self._lock:
            return func()


async def run_blocking(link: Link, func: Callable[[], Any], calls: Calls | None = None) -> Any:
    """Run a blocking function in the pool, in a copy of this context; serve its calls."""
    context = copy_context()
    handle = link.submit(lambda: context.run(func))
    try:
        while not handle.done():
            call = calls.take() if calls is not None else None
            if call is not None:
                await call.serve()
            else:
                await link.wait()
    finally:
        if calls is not None:
            calls.close()
    return handle.result()
