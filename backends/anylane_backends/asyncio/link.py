"""AsyncioLink: how a handler waits, is cancelled and is run again on asyncio."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, Protocol, Self

from anylane.errors import Cancelled
from anylane.lane.driver import Driver
from anylane.lane.link import Handle, LinkDriver, Scope
from anylane.lane.wake_queue import WakeQueue
from anylane.protocol import Exchange
from anylane_backends.asyncio.waiter import Waiter, raise_
from anylane_backends.native_cancel import NativeCancel
from anylane_backends.thread_pool import Pool


class LinkLane(Protocol):
    """What a link needs of its lane.

    loop: runs the handlers. pool: runs blocking functions. resumes: whether a handler may go on
    inside of the input that it waited for.
    """

    loop: asyncio.AbstractEventLoop
    pool: Pool
    resumes: bool


class AsyncioScope:
    """A scope whose `cancel` cancels the task that entered it.

    At its end it takes its own cancellation back (`Task.uncancel`).
    """

    __slots__ = ("_before", "_cancelled", "_task", "_wakes", "caught")

    def __init__(self, wakes: WakeQueue) -> None:
        self._wakes = wakes
        self._task: asyncio.Task[Any] | None = None
        self._before = 0
        self._cancelled = False
        self.caught: bool = False

    def cancel(self) -> None:
        # It always goes through the queue: a task that cancels itself would be hit at a later
        # await, outside of the scope.
        self._wakes.put(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None and not self._cancelled:
            self._cancelled = True
            self._task.cancel()

    async def __aenter__(self) -> Self:
        task = self._task = asyncio.current_task()
        assert task is not None
        self._before = task.cancelling()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        task, self._task = self._task, None  # From here on `cancel` does nothing.
        assert task is not None
        self.caught = self._cancelled and take_back(task, exc, self._before)
        return self.caught


def take_back(task: asyncio.Task[Any], exc: BaseException | None, before: int = 0) -> bool:
    """Take one cancellation of the task back (`Task.uncancel`). Return whether `exc` is what that
    one alone caused.

    before: how many cancellations of the task there were before it.
    """
    return task.uncancel() <= before and isinstance(exc, asyncio.CancelledError)


def is_cancellation(exc: BaseException) -> bool:
    """Return whether this is a CancelledError because the current task was cancelled.

    It may be there although the task was not: it awaited something else that was. Also return
    True for the GeneratorExit of a task that is left behind by its loop.
    """
    if isinstance(exc, GeneratorExit):
        return asyncio._get_running_loop() is None
    if not isinstance(exc, asyncio.CancelledError):
        return False
    task = asyncio.current_task()
    return task is None or bool(task.cancelling())


class AsyncioLink(NativeCancel):
    """The Link of one exchange. The handler's task waits for a Waiter, and each task that waits
    beside it for a future."""

    __slots__ = ("_beside", "_cancelled", "_latched", "_pushing", "_task", "_waiter", "lane")

    driver: LinkDriver
    parked: int

    def __init__(self, driver: Driver, exchange: Exchange, lane: LinkLane) -> None:
        # As Link's own, without the call: this is made for every request.
        self.driver = driver
        self.exchange = exchange
        self.parked = self.flushing = self.burst = 0
        self.lane: LinkLane = lane
        self._latched = False
        self._cancelled = False
        self._pushing = False
        self._waiter: Waiter | None = None
        self._beside: list[asyncio.Future[None]] | None = None
        self._task: asyncio.Task[Any] | None = None

    def runs_in(self, task: asyncio.Task[Any]) -> None:
        """Take note of the task. No interruption has come: those go through the queue."""
        self._task = task

    def ended(self) -> None:
        """Take note that the task is done."""
        self._task = None  # Its context knows us: without a cycle both are freed at once.
        self.driver.finished(self)

    def watch(self, keep: Callable[[asyncio.Task[Any]], None]) -> None:
        """Have the task held, and its end seen, which costs two callbacks behind it."""
        if self._task is not None:
            keep(self._task)
            self._task.add_done_callback(self.look)

    def look(self, _task: object = None) -> None:
        """Take note that the task is done, if it is and was not seen before. As a callback it would
        be called a turn of the loop later."""
        if self._task is not None and self._task.done():
            self.ended()

    @types.coroutine
    def wait(self) -> Generator[Any, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        # One generator in place of Link's two coroutines: it runs for every message waited for.
        driver = self.driver
        if not driver.pumping:  # Else the driver writes as soon as this task is suspended.
            driver.pump()
        if self._latched:
            self._latched = False
            return
        waiter = self._waiter
        if waiter is None:
            waiter = self._waiter = Waiter(self.lane.loop)
        self.parked += 1
        try:
            if waiter.callback is not None or waiter.due:
                yield from self._wait_beside()
            else:
                waiter._asyncio_future_blocking = True  # As in Future.__await__.
                yield waiter
        finally:
            self.parked -= 1

    def _wait_beside(self) -> Generator[Any, None, None]:
        future = self.lane.loop.create_future()
        if self._beside is None:
            self._beside = []
        self._beside.append(future)
        try:
            yield from future
        finally:
            if self._beside and future in self._beside:
                self._beside.remove(future)

    def notify(self) -> None:
        waiter, beside = self._waiter, self._beside
        self._latched = not beside and (waiter is None or waiter.callback is None)
        if waiter is not None:
            waiter.wake()
        if beside:
            self._beside = None
            for future in beside:
                if not future.done():
                    future.set_result(None)

    def resume(self) -> None:
        # The handler goes on at once, as it began, and not in the loop's next turn, which is a
        # third of what the echo of a small message takes. Not while a task is running: a handler
        # may call the input of a connection, and asyncio runs no task within another.
        waiter, lane = self._waiter, self.lane
        if (
            waiter is None
            or waiter.callback is None
            or self._beside
            or not lane.resumes
            or asyncio.current_task(lane.loop) is not None
        ):
            self.notify()
        else:
            self._latched = False
            waiter.resume()

    def woken(self) -> None:
        # As `resume`: the handler goes on at once, and all that it sends leaves in one write.
        waiter, driver, lane = self._waiter, self.driver, self.lane
        if (
            waiter is None
            or waiter.callback is None
            or self._beside
            or driver.pumping
            or not lane.resumes
            or asyncio.current_task(lane.loop) is not None
        ):
            self.notify()
            return
        self._latched = False
        driver.pumping = True
        try:
            waiter.resume()
        finally:
            driver.pumping = False
        try:
            driver.pump()
        except Exception as exc:  # noqa: BLE001  # The loop reports it, as for any callback.
            lane.loop.call_soon(raise_, exc)

    def push_soon(self) -> None:
        # Push in the loop's next turn, unless all was written by then: a handler that runs on
        # without a suspension writes once, not for each message.
        if not self._pushing:
            self._pushing = True
            self.lane.loop.call_soon(self._push_now)

    def _push_now(self) -> None:
        self._pushing = False
        self.driver.push()

    def scope(self) -> Scope:
        return AsyncioScope(self.driver.wakes)

    def cancel_task(self) -> None:
        # A handler that was told at its use of `ctx` is not to hear of it twice.
        if self._task is not None and not self.exchange.told:
            self._cancelled = True
            self._task.cancel()

    def is_own_cancellation(self, exc: BaseException) -> bool:
        task = self._task
        if self._cancelled and task is not None:
            # The task began with this exchange, so nothing has cancelled it before.
            return take_back(task, exc)
        return self.exchange.told and not is_cancellation(exc) and self.is_cancellation(exc)

    def is_cancellation(self, exc: BaseException) -> bool:
        kinds = asyncio.CancelledError, Cancelled
        return is_cancellation(exc) or (
            self.exchange.interrupt is not None and isinstance(exc, kinds)
        )

    def cancellation(self) -> BaseException:
        task = self._task
        if task is not None and asyncio.current_task() is not task:
            # Only a child of the handler's task hears of it here.
            self.exchange.told = False
        return asyncio.CancelledError()

    @property
    def heard(self) -> bool:
        task = asyncio.current_task()
        return self.exchange.told or (task is not None and bool(task.cancelling()))

    def submit(self, func: Callable[[], Any]) -> Handle:
        background = self.driver.errand is not None
        return self.lane.pool.submit(func, self.wake, background=background)
