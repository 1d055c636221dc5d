"""The Links of lanes that wait for readiness: one event for all that wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from anylane.lane.link import Handle, Link, Scope
from anylane.protocol import Exchange

if TYPE_CHECKING:
    from anylane_backends.readiness.driver import ReadinessDriver


class Event(Protocol):
    """Set once, from the loop's thread, without waiting."""

    def set(self) -> object: ...
    async def wait(self) -> object: ...


class Runner(Protocol):
    """A native task that reads a connection and runs its exchanges, one after the other: a new
    task for each would cost a third of a plain request's time. Made and entered in that task.

    worn: the task is not to be used for one more exchange: a cancellation is not over yet.
    """

    @property
    def worn(self) -> bool: ...

    def renew(self) -> None:
        """An exchange has ended. From the next suspension on the task is in a fresh copy of the
        lane's context."""

    def cancel(self) -> None:
        """End natively what the exchange awaits, now or at its next chance."""

    def is_own_cancellation(self, exc: BaseException) -> bool:
        """Whether `exc` is nothing but what `cancel` caused."""
        ...


class ReadinessLink(Link):
    """One event for all waiters; the latch outlives waiters that were cancelled."""

    __slots__ = ("_latched", "_news", "lane")

    def __init__(self, driver: ReadinessDriver, exchange: Exchange) -> None:
        super().__init__(driver, exchange)
        self.lane = driver.lane
        self._latched = False
        self._news: Event | None = None

    async def park(self) -> None:
        if self._latched:
            await self.lane.checkpoint()
        else:
            if self._news is None:
                self._news = self.lane.event()
            await self._news.wait()
        self._latched = False

    def notify(self) -> None:
        self._latched = True
        if self._news is not None:
            news, self._news = self._news, None
            news.set()

    def scope(self) -> Scope:
        return self.lane.scope()

    def is_foreign_cancellation(self, exc: BaseException) -> bool:
        return self.lane.is_foreign_cancellation(exc)

    def submit(self, func: Callable[[], Any]) -> Handle:
        return self.lane.pool.submit(func, self.wake)


class RunnerLink(ReadinessLink):
    """Of an exchange that runs in a connection's own task."""

    __slots__ = ("_cancelled", "runner")

    native = True
    runner: Runner

    def __init__(self, driver: ReadinessDriver, exchange: Exchange) -> None:
        # As Link's own, without the calls: this is made for every request.
        self.driver = driver
        self.exchange = exchange
        self.parked = self.flushing = self.burst = 0
        self.lane = driver.lane
        self._latched = self._cancelled = False
        self._news = None

    def begin(self) -> None:
        self.exchange.begin(self._interrupt)

    def _interrupt(self) -> None:
        self.driver.wakes.put(self._cancel)

    def _cancel(self) -> None:
        if not self._cancelled and not self.exchange.finished:
            self._cancelled = True
            self.runner.cancel()

    def is_own_cancellation(self, exc: BaseException) -> bool:
        return self._cancelled and self.runner.is_own_cancellation(exc)
