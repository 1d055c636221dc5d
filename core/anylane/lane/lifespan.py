"""Lifespan: what is set up before the first connection and torn down after the last exchange.

Start and stop are awaited in one task of the lane, nested as blocks are: an event loop's nursery
or task group that a lifespan opens stays open while the server runs, and may fail there.
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

if TYPE_CHECKING:
    from anylane.lane.host import Log

ToTheEnd = Callable[[Callable[[], Awaitable[Any]]], Awaitable[None]]
"""Awaits a function even if the lane was cancelled."""


class Phase(Enum):
    """When a registered function is called."""

    STARTUP = auto()
    SHUTDOWN = auto()
    AROUND = auto()
    """A context manager: entered with the startup hooks, left with the shutdown hooks."""


Step = tuple[Phase, Callable[..., Any]]


class Lifespan:
    """The steps of an app in the order of their registration; undone in reverse."""

    __slots__ = ("_app", "_log", "_steps", "_to_the_end", "_undo")

    def __init__(self, app: object, steps: Iterable[Step], log: Log) -> None:
        self._app = app
        self._steps = tuple(steps)
        self._log = log
        self._undo: list[Span | Call] = []
        self._to_the_end: ToTheEnd = _directly

    def through(self, to_the_end: ToTheEnd) -> Lifespan:
        """Shield the shutdown hooks with it. Context managers are not: they may be scopes of the
        event loop, and those must not be left inside of another one."""
        self._to_the_end = to_the_end
        return self

    async def start(self) -> None:
        """A failure passes, after what was entered has been left: the server must not start."""
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
        """Undo it; a failure is logged, the others still run.

        exc: what the server is ended by. Returns what is left of it: None if a context manager
        has swallowed it, another one if it was replaced (by the group of a nursery, say).
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
                    self._log("error", f"a shutdown hook failed: {failure!r}", failure)
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
    """One context manager, async or not."""

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
                f"@app.lifespan {location(func)} gave {self._manager!r:.80}, no context manager; "
                "write `yield` between what is set up and what is torn down"
            )

    async def enter(self) -> None:
        manager = self._manager
        if hasattr(manager, "__aenter__"):
            await manager.__aenter__()
        else:
            manager.__enter__()

    async def leave(self, exc: BaseException | None) -> bool:
        """Whether it swallowed the exception."""
        manager = self._manager
        about = (type(exc), exc, exc.__traceback__) if exc is not None else (None, None, None)
        if hasattr(manager, "__aexit__"):
            return bool(await manager.__aexit__(*about))
        return bool(manager.__exit__(*about))


async def _directly(func: Callable[[], Awaitable[Any]]) -> None:
    await func()
