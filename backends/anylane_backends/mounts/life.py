"""Life: the lifespan of a mounted ASGI application (ASGI spec, "Lifespan Protocol", 2.0)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from anylane_backends.asgi import loops
from anylane_backends.channels.delivery import Event
from anylane_backends.hosting.messages import describe
from anylane_backends.mounts.portal import Portal


class Life:
    """One life of one application. state: what it fills, and its requests get copies of."""

    def __init__(
        self, application: Callable[..., Awaitable[None]], state: MutableMapping[str, Any]
    ) -> None:
        self._application = application
        self._state = state
        self._asked = 0
        self._failure: str | None = None
        self._started: Event
        self._stopped: Event
        self._stopping: Event

    @asynccontextmanager
    async def running(self, portal: Portal | None) -> AsyncGenerator[None]:
        """Run it around the block, on the loop of the portal or on this one. Raise RuntimeError if
        the application cannot start, or says that its end has failed."""
        if portal is not None:
            portal.wait(self._begin())
            try:
                yield
            finally:
                portal.wait(self._end())
            return
        await self._begin()
        try:
            yield
        finally:
            await self._end()

    async def _begin(self) -> None:
        self._asked = 0
        self._failure = None
        self._started, self._stopped = loops.new_event(), loops.new_event()
        self._stopping = loops.new_event()
        loops.start_detached(self._live)
        await self._started.wait()
        if self._failure is not None:
            raise RuntimeError(f"the mounted application could not start: {self._failure}")

    async def _end(self) -> None:
        self._stopping.set()
        await self._stopped.wait()
        if self._failure is not None:
            raise RuntimeError(f"the mounted application failed at its end: {self._failure}")

    async def _live(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self._state,
        }
        try:
            await self._application(scope, self._receive, self._send)
        except (Exception, asyncio.CancelledError):  # noqa: S110, BLE001
            pass  # By the spec: it does not know lifespans.
        except BaseException as exc:  # noqa: BLE001  # an exit is not to end the lane
            self._failure = describe(exc)
        self._started.set()
        self._stopped.set()

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
                self._started.set()
            case "lifespan.startup.failed":
                self._failure = message.get("message") or "it gives no reason"
                self._started.set()
            case "lifespan.shutdown.failed":
                self._failure = message.get("message") or "it gives no reason"
                self._stopped.set()
            case _:
                self._stopped.set()
