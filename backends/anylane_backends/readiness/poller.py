"""Poller: reads from all connections of a lane, in one task."""

from __future__ import annotations

import selectors
import socket
from collections import deque
from collections.abc import Awaitable, Coroutine
from contextvars import Context
from typing import Any, Protocol

from anylane.shown import shown
from anylane_backends.readiness.link import RunnerLink
from anylane_backends.readiness.loop import Loop, Runner
from anylane_backends.readiness.task_selector import TaskSelector
from anylane_backends.sockets.accepting import PAUSE_AFTER_ERROR
from anylane_backends.suspended import go_on

_Suspended = tuple[Coroutine[Any, Any, None], Any, Context]
"""The coroutine of an exchange, what it awaits, and the context that it runs in."""


class Watched(Protocol):
    """A driver whose socket is read by a poller.

    sock: as long as it is watched.
    """

    sock: socket.socket

    def take(self) -> None:
        """Read what is there."""


class Poller:
    """One task waits for all sockets at once, reads from those that are ready, and runs the
    exchanges that come of it. When one of these suspends, the task is its own from then on, and
    another one polls.

    The loop itself waits for one descriptor only, the selector's. So a request costs no wait of the
    loop's own, and an idle connection no task. What is ready stays so until it was read: nothing is
    lost when a task ends.

    reading: whose input is being read in the task, so that its exchange runs there.
    """

    def __init__(self, lane: Loop) -> None:
        self._lane = lane
        self._selector: Any = selectors.DefaultSelector()
        self._has_descriptor = hasattr(self._selector, "fileno")
        if not self._has_descriptor:
            self._selector = TaskSelector(lane)
        self._due: deque[RunnerLink] = deque()
        self._runner: Runner | None = None
        self._closed = False
        self.reading: Watched | None = None

    def watch(self, driver: Watched) -> None:
        """Read from now on. Raise OSError if the system refuses that."""
        self._selector.register(driver.sock, selectors.EVENT_READ, driver)

    def unwatch(self, driver: Watched) -> None:
        """Read no more."""
        self._selector.unregister(driver.sock)

    def run_soon(self, link: RunnerLink) -> None:
        """Run the exchange of a link in the task, after what was to be run before."""
        self._due.append(link)

    def start(self) -> None:
        """Start a task that polls."""
        self._runner = None
        if not self._closed:
            self._lane.start(self._guard)

    def stop(self) -> None:
        """Start no task any more. Whatever was to be run has been aborted."""
        self._closed = True
        while self._due:
            link = self._due.popleft()
            link.driver.finished(link)

    def close(self) -> None:
        """Give the descriptor back. No task waits for it any more."""
        self._selector.close()

    async def _guard(self) -> None:
        try:
            await self._poll()
        except Exception as exc:  # noqa: BLE001  # All connections depend on it.
            server = self._lane.server
            server.log("error", f"the {server.lane} lane failed: {shown(exc, 1000)}", exc)

    async def _poll(self) -> None:
        lane, due = self._lane, self._due
        with await lane.runner() as runner:
            self._runner = runner
            try:
                while not self._closed:
                    # One read of each connection, one exchange of each: so all have their turn.
                    try:
                        await (lane.checkpoint() if due else self._ready())
                        self._read()
                    except Exception:
                        await self._rest()
                        raise
                    except BaseException as exc:
                        if lane.is_cancellation(exc) and not runner.worn:
                            self._closed = True  # A new task would be cancelled, too.
                        raise
                    for _ in range(len(due)):
                        link = due.popleft()
                        suspended = self._begin(link, runner)
                        if suspended is not None:
                            self.start()
                            await self._go_on(link, runner, suspended)
                            return
                        if runner.worn:
                            return
            finally:
                if self._runner is runner:
                    self.start()

    def _ready(self) -> Awaitable[None]:
        """Return when a connection can be read."""
        if self._has_descriptor:
            return self._lane.readable(self._selector)
        return self._selector.wait()  # type: ignore[no-any-return]

    async def _rest(self) -> None:
        """Wait a little, because what has failed may go on failing."""
        await self._lane.within(self._lane.event(), PAUSE_AFTER_ERROR)

    def _read(self) -> None:
        for key, _ in self._selector.select(0):
            self.reading = key.data
            try:
                key.data.take()
            finally:
                self.reading = None

    def _begin(self, link: RunnerLink, runner: Runner) -> _Suspended | None:
        """Make the first step of an exchange, by hand, but in the native task of its handler.
        Return None if that was all, as it is for nearly all handlers."""
        link.canceller = runner
        driver: Any = link.driver
        context = self._lane.context.copy()
        try:
            work = driver.server.run_exchange(link.exchange, link)
            return work, context.run(work.send, None), context
        except StopIteration:
            pass
        except Exception as exc:  # noqa: BLE001
            driver.failed(exc)
        except BaseException:
            runner.ended()
            driver.finished(link)
            raise
        runner.ended()
        if not runner.worn:
            self.reading = driver  # The next request of its client has its turn in this task, too.
        try:
            driver.finished(link)
        finally:
            self.reading = None
        return None

    async def _go_on(self, link: RunnerLink, runner: Runner, suspended: _Suspended) -> None:
        """Run the rest of an exchange. The task is its own."""
        work, trap, context = suspended
        driver: Any = link.driver
        runner.enter(context)
        try:
            await go_on(work, trap)
        except Exception as exc:  # noqa: BLE001
            driver.failed(exc)
        finally:
            runner.ended()
            driver.finished(link)


class PolledLoop(Loop):
    """A loop with a poller, which reads from its connections."""

    poller: Poller
