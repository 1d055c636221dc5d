"""Loop: what an event loop supplies to the lanes that wait until a socket is ready.

Links, drivers and the lane itself stand on it. Nothing here imports a loop.
"""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from contextvars import Context
from typing import Any, Protocol

from anylane.lane.deadlines import Deadline
from anylane.lane.link import Scope
from anylane.lane.server_core import ServerCore
from anylane_backends.thread_pool import Pool


class HasFileno(Protocol):
    """What has a file descriptor."""

    def fileno(self) -> int: ...


class Event(Protocol):
    """An event that is set once, from the loop's thread, without waiting."""

    def set(self) -> object: ...
    async def wait(self) -> object: ...


class Canceller(Protocol):
    """What interrupts an exchange natively: its scope, or its runner.

    heard: whether the interruption has been raised in the exchange, as far as that is known.
    """

    @property
    def heard(self) -> bool: ...

    def strike(self) -> BaseException:
        """Return what the exchange's own code is to raise now. Where a checkpoint raises it
        natively from now on, that comes first."""
        ...


class NativeScope(Scope, Canceller, Protocol):
    """A scope of the loop's library around an exchange, or within it."""


class Runner(Canceller, Protocol):
    """A native task that reads from connections and runs their exchanges, one after the other.

    A new task for each exchange would cost a third of a plain request's time. A runner is made and
    entered in its task.

    worn: whether the task must run no more exchange, because a cancellation is not over yet.
    """

    @property
    def worn(self) -> bool: ...

    def enter(self, context: Context) -> None:
        """Have the task run in that context from its next suspension on."""

    def ended(self) -> None:
        """Take note that an exchange has ended."""

    def cancel(self) -> None:
        """End natively what the exchange awaits, now or at its next chance."""

    def is_own_cancellation(self, exc: BaseException) -> bool:
        """Return whether `exc` is what `cancel` caused, and nothing else."""
        ...


class Loop(ABC):
    """One running loop with one server on it. A loop's library supplies the abstract methods.

    server: what is served. pool: runs blocking functions. context: each exchange runs in a copy of
    it.
    """

    server: ServerCore
    pool: Pool
    context: Context

    @abstractmethod
    def event(self) -> Event:
        """Return a new event that is not set."""

    @abstractmethod
    async def checkpoint(self) -> None:
        """Give other tasks their turn; a cancellation arrives here."""

    @abstractmethod
    def readable(self, sock: HasFileno) -> Awaitable[None]:
        """Return when there is something to read, or `release` was called."""

    @abstractmethod
    def writable(self, sock: socket.socket) -> Awaitable[None]:
        """Return when there is room to write, or `release` was called."""

    @abstractmethod
    def release(self, sock: socket.socket) -> None:
        """End all waiting for this socket: it is to be closed."""

    @abstractmethod
    async def within(self, event: Event, seconds: float | None) -> None:
        """Wait for the event, for so many seconds at most; None for ever. Give other tasks their
        turn in any case."""

    @abstractmethod
    def start(
        self,
        func: Callable[..., Coroutine[Any, Any, None]],
        *args: Any,
        context: Context | None = None,
    ) -> None:
        """Start a native task in that context, or in a fresh copy of the lane's. Never run it at
        once."""

    @abstractmethod
    async def detach(self, func: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start a native task that no block holds. It ends by itself, or with the loop."""

    @abstractmethod
    def tasks(self) -> AbstractAsyncContextManager[None]:
        """Return the block in which `start` works. Leaving it cancels the tasks that still run,
        and waits for their end."""

    @abstractmethod
    def scope(self, *, shields: bool = False) -> NativeScope:
        """Return a scope of native cancellation (see `Link.scope`). shields: keep out those of the
        scopes around it, where these would be raised again and again."""

    @abstractmethod
    def arm(self, at: float, call: Callable[[], None]) -> Deadline:
        """Call it at that time, in seconds on the clock of `time.monotonic`. Return a deadline,
        which the caller cancels when it is not needed any more."""

    @abstractmethod
    async def runner(self) -> AbstractContextManager[Runner]:
        """Return the current task's runner."""

    @abstractmethod
    def is_cancellation(self, exc: BaseException) -> bool:
        """Return whether `exc` is a native cancellation of the current task (see
        `Link.is_cancellation`)."""

    async def to_the_end(self, func: Callable[[], Awaitable[Any]]) -> None:
        """Await the function to its end, even if the lane was cancelled."""
        await func()
