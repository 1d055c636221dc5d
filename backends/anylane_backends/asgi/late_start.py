"""LateStart: the life of an app whose host says nothing of its own start and end."""

from __future__ import annotations

from typing import Any

from anylane.lane.server_core import ServerCore
from anylane_backends.asgi import loops
from anylane_backends.asgi.embedded import Embedded, embedded
from anylane_backends.channels.delivery import Event
from anylane_backends.hosting.messages import describe


class LateStart:
    """A server that begins as this is made, in a task of its own, and lives until `end`.

    backend: as `embedded` takes it.
    """

    def __init__(self, server: ServerCore, backend: Any = None) -> None:
        self._server = server
        self._backend = backend
        self._loop = loops.running()
        self._begun: Event = loops.new_event()
        self._ending: Event = loops.new_event()
        self._ended: Event = loops.new_event()
        self._embedded: Embedded | None = None
        self._error: Exception | None = None
        loops.start_detached(self._hold)

    @property
    def is_here(self) -> bool:
        """Whether it belongs to the loop that runs now, and has not failed."""
        return self._loop is loops.running() and self._error is None

    async def begun(self) -> Embedded:
        """Return the server once its startup hooks have run. Raise what one of them has raised."""
        await self._begun.wait()
        if self._error is not None:
            raise self._error
        assert self._embedded is not None
        return self._embedded

    async def end(self) -> None:
        """Drain, and run the shutdown hooks. Raise what one of them raises."""
        here = await self.begun()
        await here.drain()
        self._ending.set()
        await self._ended.wait()
        if self._error is not None:
            raise self._error

    async def _hold(self) -> None:
        try:
            async with embedded(self._server, self._backend) as here:
                self._embedded = here
                self._begun.set()
                await self._ending.wait()
        except BaseException as exc:  # noqa: BLE001  # `begun` and `end` raise it
            # An exit or a cancellation that a hook raises is not one of the request's task.
            moment = "start" if self._embedded is None else "end"
            self._error = (
                exc
                if isinstance(exc, Exception)
                else RuntimeError(f"the app could not {moment}: {describe(exc)}")
            )
            self._begun.set()
        finally:
            self._ended.set()
