"""HostedServer: a server of the suite as the ASGI application of another server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anylane.lane import ServerCore
from anylane_backends.asgi import loops
from anylane_backends.asgi.application import serve
from anylane_backends.asgi.embedded import Embedded, embedded


class HostedServer:
    """An ASGI 3 application that serves what a lane of the suite would serve.

    stop: tells the other server to end; it is called once ours was told to shut down.
    """

    def __init__(self, server: ServerCore, stop: Callable[[], None]) -> None:
        self._server = server
        self._stop = stop
        self._embedded: Embedded | None = None
        self.error: BaseException | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one scope."""
        if scope["type"] != "lifespan":
            assert self._embedded is not None
            await serve(self._embedded, scope, receive, send)
            return
        await receive()
        try:
            async with embedded(self._server) as here:
                self._embedded = here
                loops.start_detached(self._watch)
                await send({"type": "lifespan.startup.complete"})
                await receive()
                await here.drain()
        except BaseException as exc:
            self.error = exc
            raise
        await send({"type": "lifespan.shutdown.complete"})

    async def _watch(self) -> None:
        assert self._embedded is not None
        await self._embedded.until_draining()
        self._stop()
