"""Life: the lifespan of a mounted ASGI application (ASGI spec, "Lifespan Protocol", 2.0)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from anylane.lane.life.lifespan import Lifespan
from anylane_backends.asgi import loops
from anylane_backends.channels.delivery import Detached, Event
from anylane_backends.hosting.messages import describe
from anylane_backends.mounts.portal import Portal

_SLOW = 10.0
"""Seconds after which the log tells what the start of the server waits for."""


class Life:
    """One life of one application.

    where: what it is called in messages. state: what it fills, and its requests get copies of.
    around: the lifespan that this one is a part of. Like any startup hook the start may take as
    long as it likes, and is given up with the server's. The end has `Timeouts.drain` seconds.
    """

    def __init__(
        self,
        application: Callable[..., Awaitable[None]],
        state: MutableMapping[str, Any],
        *,
        where: str,
        around: Lifespan,
    ) -> None:
        self._application = application
        self._state = state
        self._where = where
        self._around = around
        self._asked = 0
        self._complete = False
        self._failure: str | None = None
        self._task: Detached
        self._started: Event
        self._stopped: Event
        self._stopping: Event
        self._over: Event

    @asynccontextmanager
    async def running(self, portal: Portal | None) -> AsyncGenerator[None]:
        """Run it around the block, on the loop of the portal or on this one. Raise RuntimeError if
        the application cannot start, says that its end has failed, or does not end."""
        if portal is not None:
            portal.wait(self._begin(), given_up=lambda: self._around.given_up)
            try:
                yield
            finally:
                timeouts = self._around.timeouts
                try:
                    # Longer than what is awaited there: it may be blocked there, too.
                    portal.wait(self._end(), timeouts.drain + 2 * timeouts.close)
                except TimeoutError:
                    raise self._unending() from None
            return
        await self._begin()
        try:
            yield
        finally:
            await self._end()

    async def _begin(self) -> None:
        self._started, self._stopped = loops.new_event(), loops.new_event()
        self._stopping, self._over = loops.new_event(), loops.new_event()
        self._task = loops.start_detached(self._live)
        try:
            if not await loops.within(self._started, _SLOW):
                line = f"{self._where} has not started within {_SLOW:g} s: waiting for it"
                self._around.log("warning", line, None)
                await self._started.wait()
        except BaseException:  # The start was given up.
            await self._cancel()
            raise
        if (failure := self._failure) is not None:
            if not await loops.within(self._over, self._around.timeouts.close):
                await self._cancel()
            raise RuntimeError(f"{self._where} could not start: {failure}")

    async def _end(self) -> None:
        self._stopping.set()
        if not await loops.within(self._stopped, self._around.timeouts.drain, shields=True):
            await self._cancel()
            raise self._unending()
        if self._failure is not None:
            raise RuntimeError(f"{self._where} failed at its end: {self._failure}")

    async def _cancel(self) -> None:
        """Cancel the application, and give it the time that a close has."""
        self._task.cancel()
        await loops.within(self._over, self._around.timeouts.close, shields=True)

    def _unending(self) -> RuntimeError:
        seconds = self._around.timeouts.drain
        return RuntimeError(
            f"{self._where} did not end its lifespan within {seconds:g} s (timeouts.drain): it is "
            "cancelled"
        )

    async def _live(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self._state,
        }
        try:
            await self._application(scope, self._receive, self._send)
        except (Exception, asyncio.CancelledError) as exc:  # noqa: BLE001
            # By the spec an application that raises before its start knows no lifespans.
            if self._complete and self._failure is None:
                self._failure = describe(exc)
        except BaseException as exc:  # noqa: BLE001  # an exit is not to end the lane
            self._failure = self._failure or describe(exc)
        self._started.set()
        self._stopped.set()
        self._over.set()

    async def _receive(self) -> dict[str, Any]:
        self._asked += 1
        if self._asked == 1:
            return {"type": "lifespan.startup"}
        await self._stopping.wait()
        if self._asked > 2:
            await loops.new_event().wait()  # It has been told all there is.
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        match message["type"]:
            case "lifespan.startup.complete":
                self._complete = True
                self._started.set()
            case "lifespan.startup.failed":
                self._failure = message.get("message") or "it gives no reason"
                self._started.set()
            case "lifespan.shutdown.failed":
                self._failure = message.get("message") or "it gives no reason"
                self._stopped.set()
            case _:
                self._stopped.set()
