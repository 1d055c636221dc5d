"""The Links of lanes that wait until a socket is ready."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anylane.errors import Cancelled
from anylane.lane.driver import Driver
from anylane.lane.link import Handle, LinkDriver
from anylane.protocol import Exchange
from anylane_backends.native_cancel import NativeCancel
from anylane_backends.readiness.loop import Canceller, Event, Loop, NativeScope, Runner
from anylane_backends.scoped_link import ScopedLink


class ReadinessLink(ScopedLink):
    """The Link of an exchange with a task of its own. All of its waiters wait for one event.

    A notification stays latched when the waiters that it was for were cancelled. canceller: what
    interrupts the exchange.
    """

    __slots__ = ("_latched", "_news", "canceller", "lane")

    canceller: Canceller

    def __init__(self, driver: Driver, exchange: Exchange, lane: Loop) -> None:
        # Written out in RunnerLink.__init__ (tests/test_inlined_copies.py).
        super().__init__(driver, exchange)
        self.lane: Loop = lane
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
        if self.exchange.interrupt is not None:
            await self.interrupted()

    def notify(self) -> None:
        self._latched = True
        if self._news is not None:
            news, self._news = self._news, None
            news.set()

    def scope(self) -> NativeScope:
        return self.lane.scope()

    def shield(self) -> NativeScope:
        return self.lane.scope(shields=True)

    def entered(self, scope: NativeScope) -> None:  # type: ignore[override]  # `scope` makes it
        self.canceller = scope
        super().entered(scope)

    def cancellation(self) -> BaseException:
        return self.canceller.strike()

    @property
    def heard(self) -> bool:
        return self.canceller.heard

    async def checkpoint(self) -> None:
        await self.lane.checkpoint()

    def is_native(self, exc: BaseException) -> bool:
        return self.lane.is_cancellation(exc)

    def submit(self, func: Callable[[], Any]) -> Handle:
        background = self.driver.errand is not None
        return self.lane.pool.submit(func, self.wake, background=background)


class RunnerLink(NativeCancel, ReadinessLink):
    """The Link of an exchange that runs in its connection's own task, which is its canceller."""

    __slots__ = ("_cancelled",)

    driver: LinkDriver
    canceller: Runner  # pyright: ignore[reportIncompatibleVariableOverride]  # never read as another

    def __init__(self, driver: Driver, exchange: Exchange, lane: Loop) -> None:
        # As Link's and ReadinessLink's own, without the calls: made for every request.
        self.driver = driver
        self.exchange = exchange
        self.parked = self.flushing = self.burst = 0
        self.lane = lane
        self._latched = self._cancelled = False
        self._news = None

    def cancel_task(self) -> None:
        self._cancelled = True
        self.canceller.cancel()

    def cancellation(self) -> BaseException:
        if self.exchange.finished:
            return Cancelled()  # The canceller may run another exchange by now.
        self._cancelled = True
        return super().cancellation()

    def is_own_cancellation(self, exc: BaseException) -> bool:
        return self._cancelled and self.canceller.is_own_cancellation(exc)
