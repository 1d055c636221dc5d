"""`def` handlers: they run in the pool, with a way back to the exchange for what has to be awaited.

A pool thread posts an async function; the exchange's own task awaits it natively and hands the
result back. `_thread` is all of threads that the core knows.
"""

from __future__ import annotations

from _thread import allocate_lock, get_ident
from collections import deque
from collections.abc import Callable, Iterator
from types import GeneratorType
from typing import TYPE_CHECKING, Any, TypeVar

from anylane.errors import Cancelled, UsageError
from anylane.lane.variables import SharedVariables, apply_variables, isolated
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.lane.link import Handle, Link
    from anylane.lane.variables import VariableChanges
    from anylane.routing.parts import Transform

T = TypeVar("T")


class Call:
    """One async function that a pool thread waits for."""

    __slots__ = ("_args", "_changes", "_done", "_error", "_func", "_value", "_variables")

    def __init__(
        self, func: Callable[..., Any], args: tuple[Any, ...], variables: SharedVariables
    ) -> None:
        self._func = func
        self._args = args
        self._variables = variables
        self._value: Any = None
        self._error: BaseException | None = None
        self._changes: VariableChanges = ()
        self._done = allocate_lock()
        self._done.acquire()

    async def serve(self, link: Link) -> None:
        """Await the function in the exchange's task, and hand on what it returns or raises.

        A cancellation of the exchange is raised here, and the pool thread gets Cancelled for it. It
        gets that, too, for what is raised anew after an interruption.
        """
        self._variables.take()
        try:
            self._value = await self._func(*self._args)
        except BaseException as exc:
            if isinstance(exc, Cancelled) or not link.is_cancellation(exc):
                self._error = exc
            else:
                self._error = Cancelled()
                raise
        finally:
            self._changes = self._variables.give()
            self._done.release()

    def fail(self, error: BaseException) -> None:
        """Have `wait` raise this error; the function is not called."""
        self._error = error
        self._done.release()

    def wait(self) -> Any:
        """Block this pool thread until the function has ended. Return its result, or raise what it
        has raised."""
        self._done.acquire()
        apply_variables(self._changes)
        if self._error is not None:
            raise self._error
        return self._value


class Calls:
    """The way from a pool thread to the exchange. It is closed while the exchange does not listen.

    `run` is called in the pool thread, everything else in the exchange's task.

    variables: the context variables of the two; None where both run on one stack.
    """

    __slots__ = ("_closed", "_home", "_link", "_lock", "_queue", "variables")

    def __init__(self, link: Link) -> None:
        self._link = link
        self._home = get_ident()
        self.variables: SharedVariables | None = None if link.inline else SharedVariables()
        self._lock = allocate_lock()
        self._queue: deque[Call] = deque()
        self._closed: Callable[[], BaseException] | None = None

    def run(self, func: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Have the exchange await `func(*args)`, and block this pool thread until it has.

        Return its result, or raise what it raises. Raise Cancelled if the exchange was cancelled,
        and UsageError if its function has ended, or where the pool has no threads.
        """
        if get_ident() == self._home:
            raise UsageError(
                "ctx.call() waits in a thread, and none can be started here: this `def` runs on "
                "the event loop's own. Write an `async def`"
            )
        assert self.variables is not None, "a lane of one stack drives it instead"
        call = Call(func, args, self.variables)
        with self._lock:
            if self._closed is not None:
                raise self._closed()
            self._queue.append(call)
        self._link.wake()
        return call.wait()

    def within(self, func: Callable[[], Any]) -> Callable[[], Any]:
        """Return a function that runs this one with the context variables of the exchange."""
        return func if self.variables is None else self.variables.bound(func)

    def take(self) -> Call | None:
        """Return the next call to serve, None if there is none."""
        return self._queue.popleft() if self._queue else None

    def open(self) -> None:
        """Take calls again: another function of the same exchange begins."""
        self._closed = None

    def close(self, why: Callable[[], BaseException]) -> None:
        """Take no more calls. Those that wait, and later ones, raise what `why` makes."""
        with self._lock:
            self._closed = why
            pending = list(self._queue)
            self._queue.clear()
        for call in pending:
            call.fail(why())


class PooledIterator:
    """A sync iterator that is advanced in the pool, where each step may use `calls`.

    It is closed there too, and only behind a step that still runs: a generator cannot be closed
    while it executes, and its `finally` may block.
    """

    __slots__ = ("_calls", "_items", "_link", "_lock", "_steps")

    END = object()
    """What `next` returns when there are no more items."""

    def __init__(self, link: Link, items: Iterator[Any], calls: Calls) -> None:
        self._link = link
        self._items = items
        self._calls = calls
        self._lock = allocate_lock()
        self._steps = False

    async def next(self) -> Any:
        """Return the next item, or END. Raise what the iterator raises."""
        self._steps = True
        item = await run_blocking(self._link, self._step, self._calls)
        self._steps = False
        return item

    async def close(self) -> None:
        """Have the iterator closed in the pool, if it can be, and raise what it raises.

        Do not wait for it if the exchange was ended from outside: a step that was cut short may
        block for long.
        """
        close = getattr(self._items, "close", None)
        if close is None or (
            isinstance(self._items, GeneratorType) and self._items.gi_frame is None
        ):
            return  # A generator that has ended has nothing to close.
        exchange = self._link.exchange
        if exchange.gone is None and exchange.interrupt is None and not self._steps:
            await run_blocking(self._link, lambda: self._locked(close), self._calls)
        else:
            within = self._calls.within(lambda: self._finish(close))
            self._link.submit(lambda: self._locked(within))

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


async def run_blocking(
    link: Link,
    func: Callable[[], T],
    calls: Calls | None = None,
    left: Callable[[Handle], None] | None = None,
) -> T:
    """Run a blocking function in the pool, and serve its calls.

    Return its result, or raise what it raises. If the exchange is cancelled meanwhile, the function
    goes on in its thread, and its later calls raise Cancelled.

    calls: also hold the context in which it runs, which is the exchange's own as far as context
    variables tell; without them it is a copy. left: is given the handle of a function that goes on.
    """
    if calls is None:
        func = isolated(func)
    else:
        calls.open()
        func = calls.within(func)
    handle = link.submit(func)
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
        if left is not None and not handle.done():
            left(handle)
        raise
    if calls is not None:
        calls.close(_ended)
        if calls.variables is not None:
            calls.variables.take()
    return handle.result()  # type: ignore[no-any-return]


def belongs_in_pool(link: Link, piece: bytes, transforms: list[Transform]) -> bool:
    """Return whether a piece of a body is longer than one of its transforms wants to be fed on the
    loop. None is once the exchange was interrupted: no time is left to wait for a thread."""
    size = len(piece)
    bounds = (getattr(each, "pooled_above", None) for each in transforms)
    return link.exchange.interrupt is None and any(each and size > each for each in bounds)


def change(piece: bytes, transforms: list[Transform], *, ends: bool) -> bytes:
    """Return a piece of a body after all that changes it. ends: whether it is the last one; else
    the client can read it when it comes."""
    for transform in transforms:
        piece = transform.feed(piece) + (transform.finish() if ends else transform.flush())
    return piece


async def transformed(link: Link, body: bytes, transforms: list[Transform]) -> bytes:
    """Return a whole body after all that changes it, in the pool if it is long."""
    if not belongs_in_pool(link, body, transforms):
        return change(body, transforms, ends=True)
    return await run_blocking(link, lambda: change(body, transforms, ends=True))


def _ended() -> UsageError:
    return UsageError("ctx.call() was used after its handler had returned, in another thread")
