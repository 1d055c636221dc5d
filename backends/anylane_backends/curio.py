"""The curio lane.

curio has no callbacks: only a task may ask its kernel for something, by a trap. The core's verbs
are plain functions, so the few that must act at once call the kernel's own trap functions, which
do not suspend (`Kernel._traps`; they are the same in curio 1.6 and in curio-compat).
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import asynccontextmanager
from contextvars import Context
from types import SimpleNamespace, TracebackType
from types import coroutine as native
from typing import Any, Self

import curio
from curio.sched import SchedBarrier
from curio.task import ContextTask
from curio.traps import (
    _get_current,
    _get_kernel,
    _read_wait,
    _set_timeout,
    _sleep,
    _spawn,
    _unset_timeout,
    _write_wait,
)

from anylane.lane.server_core import ServerCore
from anylane.shown import shown
from anylane_backends.readiness.lane import Lane
from anylane_backends.readiness.loop import Event, HasFileno


class CurioEvent:
    """An Event whose `set` is a plain function; `curio.Event.set` must be awaited."""

    __slots__ = ("_is_set", "_lane", "_waiting")

    def __init__(self, lane: CurioLane) -> None:
        self._lane = lane
        self._is_set = False
        self._waiting = SchedBarrier()

    def set(self) -> None:
        self._is_set = True
        self._lane.wake(self._waiting, len(self._waiting))

    async def wait(self) -> None:
        if not self._is_set:
            await self._waiting.suspend("EVENT_WAIT")


class _ScopeCancelled(curio.TaskCancelled):  # type: ignore[misc]  # curio has no types
    """Raised in a task by an `Interruption`, and by nothing else."""


class Interruption:
    """Raises a TaskCancelled of its own in a task, and recognizes it by its identity.

    error: that exception.
    """

    __slots__ = ("_lane", "_open", "_task", "error")

    def __init__(self, lane: CurioLane, task: Any) -> None:
        self._lane = lane
        self._task = task
        self._open = True
        self.error: Any = _ScopeCancelled("cancelled by its scope")

    def deliver(self) -> None:
        """Raise it in the task, now or later. On the lane's own thread, and not in that task."""
        if not self._open or self.error.__traceback__ is not None:
            return  # The block was left, or it was raised.
        task = self._task
        if task.allow_cancel and task.cancel_func:
            self._lane.interrupt(task, self.error)
            return
        # The task runs, or shields itself. The kernel raises the error at the next chance, unless a
        # time-out of its own takes the only place that there is for it.
        if task.cancel_pending is None:
            task.cancel_pending = self.error
        self._lane.arm(time.monotonic() + _REDELIVER, self.deliver)

    @property
    def heard(self) -> bool:
        """Whether it was raised in the task."""
        return self.error.__traceback__ is not None

    def strike(self) -> BaseException:
        """Return what the current task is to raise. In the task itself it is raised only once."""
        task = self._task
        if task.state == "RUNNING":
            if task.cancel_pending is self.error:
                task.cancel_pending = None
            return self.error  # type: ignore[no-any-return]
        return _ScopeCancelled("cancelled by its scope")

    def close(self) -> None:
        """Make it void: from here on `deliver` does nothing."""
        self._open = False
        if self._task.cancel_pending is self.error:
            self._task.cancel_pending = None


class CurioScope:
    """A scope that is an Interruption of the task that enters it."""

    __slots__ = ("_interruption", "_lane", "caught")

    def __init__(self, lane: CurioLane) -> None:
        self._lane = lane
        self.caught: bool = False

    @property
    def heard(self) -> bool:
        return self._interruption.heard

    def cancel(self) -> None:
        self._lane.server.wakes.put(self._interruption.deliver)

    def strike(self) -> BaseException:
        return self._interruption.strike()

    async def __aenter__(self) -> Self:
        self._interruption = Interruption(self._lane, await _get_current())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._interruption.close()
        self.caught = exc is self._interruption.error
        return self.caught


class CurioRunner:
    """A Runner that is a task of the kernel.

    `Task.cancel` works once in the life of a task, so an exchange that survived it is the last.
    """

    __slots__ = ("_interruption", "_lane", "_task")

    def __init__(self, lane: CurioLane, task: Any) -> None:
        self._lane = lane
        self._task = task
        self._interruption: Interruption | None = None

    @property
    def worn(self) -> bool:
        return bool(self._task.cancelled)

    def enter(self, context: Context) -> None:
        self._task._context = context

    def ended(self) -> None:
        if self._interruption is not None:
            self._interruption.close()
            self._interruption = None

    @property
    def heard(self) -> bool:
        return self._interruption is not None and self._interruption.heard

    def cancel(self) -> None:
        self._own().deliver()

    def strike(self) -> BaseException:
        return self._own().strike()

    def _own(self) -> Interruption:
        if self._interruption is None:
            self._interruption = Interruption(self._lane, self._task)
        return self._interruption

    def is_own_cancellation(self, exc: BaseException) -> bool:
        return self._interruption is not None and exc is self._interruption.error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@native
def _traps_alone(work: Coroutine[Any, Any, None]) -> Generator[Any, Any, None]:
    """Await a coroutine, and raise TypeError in it where it awaits what is no trap of the kernel's.

    The kernel itself would end with it, and all other tasks.
    """
    resume: Callable[[Any], Any] = work.send
    value: Any = None
    try:
        while True:
            trap = resume(value)
            if type(trap) is not tuple:
                resume = work.throw
                value = TypeError(f"curio received unrecognized yield message {shown(trap)}")
                continue
            try:
                value = yield trap
            except BaseException as exc:  # noqa: BLE001  # A cancellation is the coroutine's.
                resume, value = work.throw, exc
            else:
                resume = work.send
    except StopIteration:
        pass


_Func = Callable[..., Coroutine[Any, Any, None]]

_REDELIVER = 0.01
"""Seconds after which a cancellation that could not be raised at once is tried again."""


class CurioLane(Lane):
    def __init__(self, server: ServerCore, kernel: Any) -> None:
        self.wake: Any = kernel._traps["trap_sched_wake"]
        self._selector = kernel._selector
        self._running: set[Any] = set()
        self._ending = False
        self._births: deque[tuple[_Func, tuple[Any, ...]]] = deque()
        self._birth = self.event()
        super().__init__(server)

    def event(self) -> Event:
        return CurioEvent(self)

    async def checkpoint(self) -> None:
        await _sleep(0)

    def is_cancellation(self, exc: BaseException) -> bool:
        # Nothing but a scope, a runner or the end of the lane cancels a task of ours.
        return isinstance(exc, curio.TaskCancelled) and (
            self._ending or isinstance(exc, _ScopeCancelled)
        )

    # They are given the socket, not its number: then the kernel leaves it registered from one wait
    # to the next while its task waits for nothing else, which saves two system calls a request.

    def readable(self, sock: HasFileno) -> Awaitable[None]:
        return _read_wait(sock)  # type: ignore[no-any-return]

    def writable(self, sock: socket.socket) -> Awaitable[None]:
        return _write_wait(sock)  # type: ignore[no-any-return]

    def release(self, sock: socket.socket) -> None:
        try:
            waiting = self._selector.get_key(sock).data
        except KeyError:
            return
        for task in waiting:
            if task is not None and task.cancel_func:
                self.interrupt(task)  # That ends its registration, too.
            elif task is not None:
                # Its wait is over. What it left registered must go before the descriptor does: the
                # next connection may get the same number.
                task._last_io = None
        try:
            self._selector.unregister(sock)
        except (KeyError, ValueError):  # It is not registered, or was closed from outside.
            pass

    async def runner(self) -> CurioRunner:
        return CurioRunner(self, await _get_current())

    async def within(self, event: Event, seconds: float | None) -> None:
        # `ignore_after` would warn when the event and the time come together.
        before = await _set_timeout(None if seconds is None else time.monotonic() + seconds)
        try:
            await event.wait()
        except curio.TaskTimeout:
            pass
        finally:
            await _unset_timeout(before)

    def start(self, func: _Func, *args: Any, context: Context | None = None) -> None:
        assert context is None, "the curio backend has no `embed`, so no host brings a context"
        self._births.append((func, args))
        self._birth.set()

    async def _bear(self) -> None:
        # This is a task of its own, because a child gets a copy of its parent's context.
        while True:
            while self._births:
                self._adopt(await _spawn(self._run(*self._births.popleft())))
            self._birth = self.event()
            await self._birth.wait()

    async def detach(self, func: Callable[[], Coroutine[Any, Any, None]]) -> None:
        (await _spawn(func())).daemon = True

    def _adopt(self, task: Any) -> None:
        task.daemon = True  # It is never joined.
        self._running.add(task)

    async def _run(self, func: _Func, args: tuple[Any, ...]) -> None:
        try:
            await _traps_alone(func(*args))
        finally:
            self._running.discard(await _get_current())

    @asynccontextmanager
    async def tasks(self) -> AsyncGenerator[None]:
        self._adopt(await _spawn(self._bear()))
        try:
            yield
        finally:
            self._ending = True
            for task in tuple(self._running):
                await task.cancel()

    def scope(self, *, shields: bool = False) -> CurioScope:  # noqa: ARG002  # raised only once
        return CurioScope(self)

    def interrupt(self, task: Any, error: BaseException | None = None) -> None:
        """End what a blocked task waits for, as the kernel does it for a time-out. error: raised in
        the task, if there is one.

        `Task.cancel` is not for this: it works once in the life of a task, and takes the time-outs
        around it away.
        """
        task.cancel_func()
        task._trap_result = error
        self.wake(SimpleNamespace(_kernel_wake=lambda count: [task]), 1)


class CurioBackend:
    """The backend of curio 1.6, or of curio-compat."""

    name = "curio"
    concurrent_input = True
    native_cancel = True

    def run(self, server: ServerCore) -> None:
        curio.run(self.serve, server, taskcls=ContextTask)

    async def serve(self, server: ServerCore) -> None:
        """Serve inside a running kernel. It needs `taskcls=ContextTask`; else all tasks share one
        context."""
        await CurioLane(server, await _get_kernel()).serve()
