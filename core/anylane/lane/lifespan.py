"""Lifespan: what is set up before the first connection and torn down after the last exchange.

`start` and `stop` are awaited in one task of the lane, nested as blocks are. So a nursery or task
group of the event loop that a context manager opens stays open while the server runs, and may fail
there.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, contextmanager
from enum import Enum, auto
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

from anylane.callables import Call, accepted_positionals, call_of, location, run_call
from anylane.errors import UsageError
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.lane.host import Log

ToTheEnd = Callable[[Callable[[], Awaitable[Any]]], Awaitable[None]]
"""Awaits a function to its end even if the lane was cancelled."""


class Phase(Enum):
    """When a registered function is called."""

    STARTUP = auto()
    SHUTDOWN = auto()
    AROUND = auto()
    """A context manager: entered with the startup hooks, left with the shutdown hooks."""


Step = tuple[Phase, Callable[..., Any]]
"""A registered function and when it is called."""


class Lifespan:
    """The startup hooks, shutdown hooks and context managers of one server.

    app: given to context managers that take an argument. steps: in the order of their registration;
    they are undone in reverse. log: takes what fails at the end.

    `async with` starts it and stops it. It raises what `start` raises; at the end it raises what
    has replaced the exception of the block, and swallows the exception if a context manager does.
    """

    __slots__ = ("_app", "_log", "_steps", "_to_the_end", "_undo")

    def __init__(self, app: object, steps: Iterable[Step], log: Log) -> None:
        self._app = app
        self._steps = tuple(steps)
        self._log = log
        self._undo: list[Span | Call] = []
        self._to_the_end: ToTheEnd = _directly

    def through(self, to_the_end: ToTheEnd) -> Lifespan:
        """Shield the shutdown hooks with `to_the_end`, and return this lifespan.

        Context managers are not shielded: they may be scopes of the event loop, and those must not
        be left inside of another one.
        """
        self._to_the_end = to_the_end
        return self

    async def start(self) -> None:
        """Call the startup hooks and enter the context managers, in the order of registration.

        What one of them raises is raised, after the context managers that were entered have been
        left with it: the server must not start. Shutdown hooks are not called then. Where leaving
        replaced the exception (by the group of a nursery, say), that one is raised from it.
        """
        for phase, func in self._steps:
            try:
                if phase is Phase.STARTUP:
                    await run_call(call_of(func))
                elif phase is Phase.SHUTDOWN:
                    self._undo.append(call_of(func))
                else:
                    span = Span(func, self._app)
                    await span.enter()
                    self._undo.append(span)
            except BaseException as exc:
                self._undo = [each for each in self._undo if isinstance(each, Span)]
                left = await self.stop(exc)
                if left is not None and left is not exc:
                    raise left from exc
                raise

    async def stop(self, exc: BaseException | None = None) -> BaseException | None:
        """Call the shutdown hooks and leave the context managers, the last registered first.

        exc: the exception that ends the server, None at a normal end. Return what is left of it:
        None if a context manager has swallowed it, another exception if leaving one has replaced
        it (by the group of a nursery, say). Any other Exception is logged, and what is left to undo
        is still undone; one that is no Exception, such as a cancellation, is returned.
        """
        while self._undo:
            undo = self._undo.pop()
            try:
                if not isinstance(undo, Span):
                    await self._to_the_end(partial(run_call, undo))
                elif await undo.leave(exc):
                    exc = None
            except BaseException as failure:  # noqa: BLE001  # logged, or raised by the caller
                if isinstance(undo, Span) and exc is not None:
                    exc = failure
                elif isinstance(failure, Exception):
                    self._log("error", f"a shutdown hook failed: {shown(failure, 1000)}", failure)
                else:
                    exc = failure
        return exc

    async def __aenter__(self) -> None:
        await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        left = await self.stop(exc)
        if left is not None and left is not exc:
            raise left
        return exc is not None and left is None


class Span:
    """One context manager of a lifespan, sync or async.

    func: a function with one `yield`, or a callable that returns a context manager. It is called
    here, with `app` if it takes an argument. Raise UsageError if it gives something else.
    """

    __slots__ = ("_manager",)

    def __init__(self, func: Callable[..., Any], app: object) -> None:
        arguments = (app,)[: accepted_positionals(func, 1)]
        if inspect.isasyncgenfunction(func):
            func = asynccontextmanager(func)
        elif inspect.isgeneratorfunction(func):
            func = contextmanager(func)
        self._manager: Any = func(*arguments)
        if not (hasattr(self._manager, "__enter__") or hasattr(self._manager, "__aenter__")):
            if inspect.iscoroutine(self._manager):
                self._manager.close()
            raise UsageError(
                f"@app.lifespan {location(func)} returned {shown(self._manager)}, no context "
                "manager; write `yield` between what is set up and what is torn down"
            )

    async def enter(self) -> None:
        """Enter the context manager. What it gives, the value of its `as`, is dropped."""
        manager = self._manager
        if hasattr(manager, "__aenter__"):
            await manager.__aenter__()
        else:
            manager.__enter__()

    async def leave(self, exc: BaseException | None) -> bool:
        """Leave the context manager with this exception; return whether it has swallowed it."""
        manager = self._manager
        about = (type(exc), exc, exc.__traceback__) if exc is not None else (None, None, None)
        if hasattr(manager, "__aexit__"):
            return bool(await manager.__aexit__(*about))
        return bool(manager.__exit__(*about))


async def _directly(func: Callable[[], Awaitable[Any]]) -> None:
    await func()
