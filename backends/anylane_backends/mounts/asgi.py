"""AsgiMount: an ASGI application below a prefix of an App, on every lane."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from anylane.handling.context import Context
from anylane.lane.link import current_link
from anylane_backends.hosting.server import running_loop
from anylane_backends.mounts.life import Life
from anylane_backends.mounts.portal import Portal
from anylane_backends.mounts.scope import scope_of, websocket_scope_of
from anylane_backends.mounts.sides import RequestSide, Side, WebSocketSide

AsgiCallable = Callable[..., Awaitable[None]]

METHODS = ("DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT")
"""HEAD comes with GET. An application says by itself what it does not take."""


class AsgiMount:
    """What `app.mount(prefix, application)` makes of an ASGI application.

    application: called for each request and WebSocket, and once for its lifespan. prefix: its
    `root_path`. portal: run it on an asyncio loop in a thread on every lane, for libraries that
    know asyncio only. Where the lane's loop is neither asyncio nor trio, that is so in any case.
    """

    methods = METHODS

    def __init__(self, application: AsgiCallable, prefix: str, *, portal: bool = False) -> None:
        self._application = application
        self._prefix = prefix
        self._through_portal = portal
        self._portal: Portal | None = None
        self._state: MutableMapping[str, Any] = {}

    @asynccontextmanager
    async def lifespan(self) -> AsyncGenerator[None]:
        """Run the application's lifespan around the block, as far as it has one. Raise
        RuntimeError if it cannot start."""
        if self._through_portal or running_loop() not in ("asyncio", "uvloop", "trio"):
            self._portal = Portal()
        self._state = {}
        life = Life(self._application, self._state)
        try:
            async with life.running(self._portal):
                yield
        finally:
            portal, self._portal = self._portal, None
            if portal is not None:
                portal.close()

    async def handle(self, ctx: Context, path: str) -> None:  # noqa: ARG002  # the scope has it
        """Answer one request."""
        await self._run(scope_of(ctx, self._prefix, self._state), RequestSide(ctx))

    async def talk(self, ctx: Context) -> None:
        """Hold one WebSocket."""
        await self._run(websocket_scope_of(ctx, self._prefix, self._state), WebSocketSide(ctx))

    async def _run(self, scope: dict[str, Any], side: Side) -> None:
        if self._portal is not None:
            await self._portal.carry(self._application, scope, side)
        else:
            await self._application(scope, _receive(side), side.send)
        await side.end()


def _receive(side: Side) -> Callable[[], Awaitable[dict[str, Any]]]:
    link = current_link.get()

    async def receive() -> dict[str, Any]:
        while (message := side.poll()) is None:
            await link.wait()
        return message

    return receive
