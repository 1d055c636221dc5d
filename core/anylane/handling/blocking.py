"""`def` handlers: they run in the pool, with a way back to the exchange for what has to be awaited.

A pool thread posts an async function; the exchange's own task awaits it natively and hands the
result back. `_thread.allocate_lock` is the one thing of threads that the core knows.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from anylane.errors import Cancelled, UsageError
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.lane.link import Link


class Call:
    """One async function that a pool thread waits for."""

    __slots__ = ("_args", "_done", "_error", "_func", "_value")

    def __init__(self, func: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._func = func
        self._args = args
        self._value: Any = None
        self._error: BaseException | None = None
        self._done = allocate_lock()
        self._done.acquire()

    async def serve(self, link: Link) -> None:
        """Await the function in the exchange's task, and hand on what it returns or raises.

        A cancellation of the exchange is raised here, and the pool thread gets Cancelled for it. It
        gets that, too, for what is raised anew after an interruption.
        """
        try:
            self._value = await self._func(*self._args)
        except BaseException as exc:
            if isinstance(exc, Cancelled) or not link.is_cancellation(exc):
                self._error = exc
            else:
                self._error = Cancelled()
                raise
        finally:
            self._done.release()

    def fail(self, error: BaseException) -> None:
        """Have `wait` raise this error; the function is not called."""
        self._error = error
        self._done.release()

    def wait(self) -> Any:
        """Block this pool thread until the function has ended. Return its result, or raise what it
        has raised."""
        self._done.acquire()
        if self._error is not None:
            raise self._error
        return self._value


class Calls:
    """The way from a pool thread to the exchange. It is closed when the exchange stops listening.

    `run` is called in the pool thread, everything else in the exchange's task.
    """

    __slots__ = ("_closed", "_link", "_lock", "_queue")

    def __init__(self, link: Link) -> None:
        self._link = link
        self._lock = allocate_lock()
        self._queue: deque[Call] = deque()
        self._closed: Callable[[], BaseException] | None = None

    def run(self, func: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Have the exchange await `func(*args)`, and block this pool thread until it has.

        Return its result, or raise what it raises. Raise Cancelled if the exchange was cancelled,
        and UsageError if its function has ended.
        """
        call = Call(func, args)
        with self._lock:
            if self._closed is not None:
                raise self._closed()
            self._queue.append(call)
        self._link.wake()
        return call.wait()

    def take(self) -> Call | None:
        """Return the next call to serve, None if there is none."""
        return self._queue.popleft() if self._queue else None

    def close(self, why: Callable[[], BaseException]) -> None:
        """Take no more calls. Those that wait, and later ones, raise what `why` makes."""
        with self._lock:
            self._closed = why
            pending = list(self._queue)
            self._queue.clear()
        for call in pending:
            call.fail(why())


class PooledIterator:
    """A sync iterator that is advanced in the pool.

    It is closed there too, and only behind a step that still runs: a generator cannot be closed
    while it executes, and its `finally` may block.
    """

    __slots__ = ("_items", "_link", "_lock")

    END = object()
    """What `next` returns when there are no more items."""

    def __init__(self, link: Link, items: Iterator[Any]) -> None:
        self._link = link
        self._items = items
        self._lock = allocate_lock()

    async def next(self) -> Any:
        """Return the next item, or END. Raise what the iterator raises."""
        return await run_blocking(self._link, self._step)

    def close(self) -> None:
        """Have the iterator closed in the pool, if it can be. Do not wait for it; what it raises is
        logged."""
        close = getattr(self._items, "close", None)
        if close is not None:
            self._link.submit(lambda: self._locked(lambda: self._finish(close)))

    def _finish(self, close: Callable[[], Any]) -> None:
        try:
            close()
        except BaseException as exc:  # noqa: BLE001  # the user's; nobody waits for it
            why = f"a returned iterator failed as it was closed: {shown(exc, 1000)}"
            self._link.host.log("error", why, exc)

    def _step(self) -> Any:
        return self._locked(lambda: next(self._items, self.END))

    def _locked(self, func: Callable[[], Any]) -> Any:
        with self._lock:
            return func()


async def run_blocking(link: Link, func: Callable[[], Any], calls: Calls | None = None) -> Any:
    """Run a blocking function in the pool, in a copy of this context, and serve its calls.

    Return its result, or raise what it raises. If the exchange is cancelled meanwhile, the function
    goes on in its thread, and its later calls raise Cancelled.
    """
    context = copy_context()
    handle = link.submit(lambda: context.run(func))
    try:
        while not handle.done():
            call = calls.take() if calls is not None else None
            if call is not None:
                await call.serve(link)
            else:
                await link.wait()
    except BaseException:
        if calls is not None:
            calls.close(Cancelled)
        raise
    if calls is not None:
        calls.close(_ended)
    return handle.result()


def _ended() -> UsageError:
    return UsageError("ctx.call() was used after its handler had returned, in another thread")
