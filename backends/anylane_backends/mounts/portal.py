"""Portal: one asyncio loop in a thread, for applications that the lane's own loop cannot run.

The application runs there, and `ctx` is used here, by its handler on its lane. Between the two are
the calls of `receive` and `send`, which come into a queue and wake the handler. So on threads no
thread is held while the application waits.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import wait
from typing import Any, TypeVar

from anylane.errors import Cancelled
from anylane.lane.link import Link, current_link
from anylane_backends.mounts.sides import Side
from anylane_backends.workers import start_thread

T = TypeVar("T")

_OVER = "the exchange is over: its client is gone, or it was interrupted"

_LOOK = 0.05
"""Seconds between two looks whether what a thread blocks for is still wanted. No loop of the lane
runs meanwhile, which could be told."""


class Portal:
    """A loop of its own. Close it at the end."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = start_thread(self._run, "anylane portal")

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._run_until_stopped()
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()

    def _run_until_stopped(self) -> None:
        while True:
            try:
                self._loop.run_forever()
            except (SystemExit, KeyboardInterrupt):
                # asyncio ends a loop with what a task of an application has raised. It is in the
                # task, too, and the other exchanges go on.
                continue
            return

    def close(self, seconds: float) -> bool:
        """End the loop. What still runs on it is cancelled, and has so many seconds to end. Return
        False if that is not over then: the thread is left to itself."""

        async def end() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        future = asyncio.run_coroutine_threadsafe(end(), self._loop)
        future.add_done_callback(lambda _: self._loop.call_soon_threadsafe(self._loop.stop))
        over = bool(wait((future,), seconds).done)
        if over:
            self._thread.join()
        return over

    def wait(
        self,
        work: Coroutine[Any, Any, T],
        seconds: float = math.inf,
        *,
        given_up: Callable[[], bool] = lambda: False,
    ) -> T:
        """Run a coroutine there, and block until it has ended.

        Raise TimeoutError after so many seconds, and Cancelled once `given_up` returns True. It is
        cancelled then, as it is by whatever a signal handler raises here.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        until = time.monotonic() + seconds
        try:
            while not wait((future,), min(_LOOK, max(0.0, until - time.monotonic()))).done:
                if given_up():
                    raise Cancelled("the server was told to stop before it had started")
                if time.monotonic() >= until:
                    raise TimeoutError
        except BaseException:
            future.cancel()
            raise
        return future.result()

    async def carry(
        self,
        application: Callable[..., Awaitable[None]],
        scope: dict[str, Any],
        side: Side,
    ) -> None:
        """Run the application for one exchange there, and our side of it here, in the handler.
        Raise what it raises."""
        await _Passage(self._loop, side, current_link.get()).carry(application, scope)


class _Passage:
    """One exchange between the two loops."""

    def __init__(self, loop: asyncio.AbstractEventLoop, side: Side, link: Link) -> None:
        self._loop = loop
        self._side = side
        self._link = link
        self._sent: deque[tuple[Any, asyncio.Future[None]]] = deque()
        self._wanted: deque[asyncio.Future[dict[str, Any]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._over = self._cut = False
        self._error: BaseException | None = None

    async def carry(
        self, application: Callable[..., Awaitable[None]], scope: dict[str, Any]
    ) -> None:
        self._loop.call_soon_threadsafe(self._begin, application, scope)
        try:
            while not (self._over and not self._sent):
                if not (await self._pass_on() or self._answer_one()):
                    await self._link.wait()
                if self._link.exchange.interrupt is not None:
                    await self._link.hear()
        finally:
            if not self._over:
                self._loop.call_soon_threadsafe(self._cancel)
        if self._error is not None:
            raise self._error

    async def _pass_on(self) -> bool:
        """Act on what the application has sent. Return whether there was something."""
        if not self._sent:
            return False
        message, done = self._sent.popleft()
        try:
            await self._side.send(message)
        except Exception as exc:  # noqa: BLE001  # It is raised in the application.
            self._settle(done, None, exc)
        except BaseException:
            self._settle(done, None, OSError(_OVER))
            raise
        else:
            self._settle(done, None, None)
        return True

    def _answer_one(self) -> bool:
        """Give the application what it waits for, if that is here. Return whether it was."""
        if not self._wanted:
            return False
        error: Exception | None = None
        message: dict[str, Any] | None = None
        try:
            message = self._side.poll()
        except Exception as exc:  # noqa: BLE001  # It is raised in the application.
            error = exc
        if message is None and error is None:
            return False
        self._settle(self._wanted.popleft(), message, error)
        return True

    def _settle(self, future: asyncio.Future[Any], value: Any, error: Exception | None) -> None:
        def settle() -> None:
            if future.done():
                return
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)

        self._loop.call_soon_threadsafe(settle)

    # -- on the portal's loop ----------------------------------------------------------------------

    def _begin(self, application: Callable[..., Awaitable[None]], scope: dict[str, Any]) -> None:
        async def run() -> None:
            await application(scope, self._receive, self._send)

        # An empty context: of the lane's, libraries would learn that they run on its loop.
        self._task = self._loop.create_task(run(), context=contextvars.Context())
        self._task.add_done_callback(self._ended)

    def _cancel(self) -> None:
        """End the application: no message passes any more. One that goes on all the same, to answer
        what has ended it or to read what is left, would wait for ever."""
        self._cut = True
        if self._task is not None:
            self._task.cancel()
        waiting: list[asyncio.Future[Any]] = [*self._wanted, *(done for _, done in self._sent)]
        for future in waiting:
            if not future.done():
                future.set_exception(OSError(_OVER))
        self._wanted.clear()
        self._sent.clear()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self._error = task.exception()
        self._over = True
        self._link.wake()

    async def _receive(self) -> dict[str, Any]:
        if self._cut:
            raise OSError(_OVER)
        future: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._wanted.append(future)
        self._link.wake()
        return await future

    async def _send(self, message: Any) -> None:
        if self._cut:
            raise OSError(_OVER)
        future: asyncio.Future[None] = self._loop.create_future()
        self._sent.append((message, future))
        self._link.wake()
        await future
