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
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from anylane.callables import Call, accepted_positionals, call_of, location, run_call
from anylane.config.limits import Timeouts
from anylane.errors import Cancelled, UsageError
from anylane.lane.life.state import States
from anylane.lane.life.worker import Worker
from anylane.lane.stepping import LOOPS
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.lane.host import Log
    from anylane.lane.link import Scope

ToTheEnd = Callable[[Callable[[], Awaitable[Any]]], Awaitable[None]]
"""Awaits a function to its end even if the lane was cancelled."""


class Phase(Enum):
    """When a registered function is called."""

    WORKER = auto()
    """Before all others. It is given the Worker if it takes an argument."""
    STARTUP = auto()
    SHUTDOWN = auto()
    AROUND = auto()
    """A context manager: entered with the startup hooks, left with the shutdown hooks."""
    MOUNTED = auto()
    """As AROUND, for an application that may neither start nor end. It is given the Lifespan."""


_GIVEN_UP = "the server was told to stop before it had started"

Step = tuple[Phase, Callable[..., Any]]
"""A registered function and when it is called."""


class Lifespan:
    """The startup hooks, shutdown hooks and context managers of one server.

    app: given to context managers that take an argument. steps: in the order of their registration;
    they are undone in reverse. log: takes what fails at the end. states: what `app.state` is, from
    the start to the end. worker: the process that it is in. timeouts: of the server.

    `async with` starts it and stops it. It raises what `start` raises; at the end it raises what
    has replaced the exception of the block, and swallows the exception if a context manager does.
    """

    __slots__ = ("_app", "_scope", "_states", "_steps", "_to_the_end", "_undo", "_within",
                 "given_up", "log", "timeouts", "worker")  # fmt: skip

    def __init__(
        self, app: object, steps: Iterable[Step], log: Log, states: States | None = None
    ) -> None:
        self._app = app
        self._steps = tuple(steps)
        self.log: Log = log
        self._states = States((app,)) if states is None else states
        self._undo: list[Span | Call] = []
        self._to_the_end: ToTheEnd = _directly
        self._scope: Callable[[], Scope] | None = None
        self._within: Scope | None = None
        self.given_up: bool = False
        self.worker: Worker = Worker()
        self.timeouts: Timeouts = Timeouts()

    def through(
        self, to_the_end: ToTheEnd | None, scope: Callable[[], Scope] | None = None
    ) -> Lifespan:
        """Shield the shutdown hooks with `to_the_end`, and return this lifespan.

        Context managers are not shielded: they may be scopes of the event loop, and those must not
        be left inside of another one. scope: makes the scopes by which `give_up` cancels what the
        current task awaits; without them it takes effect between two steps.
        """
        self._to_the_end = to_the_end or _directly
        self._scope = scope
        return self

    def give_up(self) -> None:
        """Have `start` raise Cancelled, as soon as it can; do nothing to a server that has started.

        Call this on the lane's own thread, in another task than that of `start`.
        """
        self.given_up = True
        if self._within is not None:
            self._within.cancel()

    def is_interruptible(self, frame: FrameType | None) -> bool:
        """Return whether an exception raised in this frame would reach a step of `start`.

        That is so while a hook blocks its thread, as every `def` does. It is not so while a task
        awaits, nor inside of an event loop's library, which an exception could break.

        frame: the innermost one of a thread.
        """
        while frame is not None:
            if frame.f_code is Lifespan._take.__code__:
                return frame.f_locals["self"] is self
            module = str(frame.f_globals.get("__name__", ""))
            if self._scope is not None and module.partition(".")[0] in LOOPS:
                return False
            frame = frame.f_back
        return False

    async def start(self) -> None:
        """Call the startup hooks and enter the context managers, in the order of registration.

        What one of them raises is raised, after the context managers that were entered have been
        left with it: the server must not start. Shutdown hooks are not called then. Where leaving
        replaced the exception (by the group of a nursery, say), that one is raised from it.

        After `give_up` what was begun is ended as by `stop`, shutdown hooks included as far as they
        were registered before the step that was cut short. Then Cancelled is raised.
        """
        self._states.enter()
        for step in self._steps:
            try:
                self._check()
                await self._take(*step)
            except BaseException as exc:
                if self.given_up and (isinstance(exc, Exception) or _is_ours(exc)):
                    if not _is_ours(exc):
                        self.log(
                            "error", f"the start was given up, and a hook failed: {exc!r}", exc
                        )
                    await self.stop()
                    raise Cancelled(_GIVEN_UP) from None
                self._undo = [each for each in self._undo if isinstance(each, Span)]
                left = await self.stop(exc)
                if left is not None and left is not exc:
                    raise left from exc
                raise
        if self.given_up:
            await self.stop()
            self._check()

    def _check(self) -> None:
        if self.given_up:
            raise Cancelled(_GIVEN_UP)

    async def _take(self, phase: Phase, func: Callable[..., Any]) -> None:
        if phase is Phase.SHUTDOWN:
            self._undo.append(call_of(func))
            return
        if phase is Phase.WORKER and accepted_positionals(func, 1):
            func = partial(func, self.worker)
        elif phase is Phase.MOUNTED:
            func = partial(func, self)
        span = Span(func, self._app) if phase in (Phase.AROUND, Phase.MOUNTED) else None
        enter = partial(run_call, call_of(func)) if span is None else span.enter
        if self._scope is None:
            await enter()
        else:
            scope = await self._cancellable(self._scope(), enter)
            if span is None:
                await scope.__aexit__(None, None, None)
            else:
                span.scope = scope  # It may hold scopes of its own, so it is left before this one.
        if span is not None:
            self._undo.append(span)

    async def _cancellable(self, scope: Scope, func: Callable[[], Awaitable[Any]]) -> Scope:
        """Await a function in a scope that `give_up` cancels. Return the scope, still open."""
        await scope.__aenter__()
        try:
            self._within = scope
            await func()
        except BaseException as exc:
            self._within = None
            if await scope.__aexit__(type(exc), exc, exc.__traceback__):
                raise Cancelled(_GIVEN_UP) from None
            raise
        self._within = None
        return scope

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
                    self.log("error", f"a shutdown hook failed: {shown(failure, 1000)}", failure)
                else:
                    exc = failure
        self._states.leave()
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

    scope: is around it, and left behind it.
    """

    __slots__ = ("_manager", "_yields", "scope")

    def __init__(self, func: Callable[..., Any], app: object) -> None:
        self.scope: Scope | None = None
        # Where it is written with `yield`, behind contextlib's decorators too.
        written = inspect.unwrap(func)
        is_written = inspect.isasyncgenfunction(written) or inspect.isgeneratorfunction(written)
        self._yields = f"@app.lifespan {location(func)}" if is_written else None
        arguments = (app,)[: accepted_positionals(func, 1)]
        if inspect.isasyncgenfunction(func):
            func = asynccontextmanager(func)
        elif inspect.isgeneratorfunction(func):
            func = contextmanager(func)
        self._manager: Any = func(*arguments)
        if not is_context_manager(self._manager):
            if inspect.iscoroutine(self._manager):
                self._manager.close()
            raise UsageError(
                f"@app.lifespan {location(func)} returned {shown(self._manager)}, no context "
                "manager; write `yield` between what is set up and what is torn down"
            )

    async def enter(self) -> None:
        """Enter the context manager. What it gives, the value of its `as`, is dropped.

        Raise UsageError, after it was left with that, if a `yield` of the user's own gives a value,
        because nothing takes it.
        """
        manager = self._manager
        if hasattr(manager, "__aenter__"):
            given = await manager.__aenter__()
        else:
            given = manager.__enter__()
        if given is not None and self._yields is not None:
            error = UsageError(
                f"{self._yields} yields {shown(given)}, which nothing takes; set what handlers "
                "need on app.state in front of a bare `yield`: app.state.db = db"
            )
            await self._leave(error)
            raise error

    async def leave(self, exc: BaseException | None) -> bool:
        """Leave the context manager with this exception; return whether it has swallowed it."""
        try:
            swallowed = await self._leave(exc)
        except BaseException as failure:
            if self.scope is not None:
                await self.scope.__aexit__(type(failure), failure, failure.__traceback__)
            raise
        if self.scope is not None:
            await self.scope.__aexit__(None, None, None)
        return swallowed

    async def _leave(self, exc: BaseException | None) -> bool:
        manager = self._manager
        about = (type(exc), exc, exc.__traceback__) if exc is not None else (None, None, None)
        if hasattr(manager, "__aexit__"):
            return bool(await manager.__aexit__(*about))
        return bool(manager.__exit__(*about))


def is_context_manager(value: object) -> bool:
    """Return whether a value can be entered, sync or async. A class whose instances can is none."""
    return not isinstance(value, type) and (
        hasattr(value, "__enter__") or hasattr(value, "__aenter__")
    )


async def _directly(func: Callable[[], Awaitable[Any]]) -> None:
    await func()


def _is_ours(exc: BaseException) -> bool:
    """Return whether this is our interruption, however deep the group of a nursery has it."""
    if isinstance(exc, BaseExceptionGroup):
        return exc.split(Cancelled)[1] is None
    return isinstance(exc, Cancelled)
