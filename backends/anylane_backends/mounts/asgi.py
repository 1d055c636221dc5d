"""AsgiMount: an ASGI application below a prefix of an App, on every lane."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from anylane.handling.context import Context
from anylane.lane.life.lifespan import Lifespan
from anylane.lane.link import current_link
from anylane_backends.hosting.server import running_loop
from anylane_backends.mounts.life import Life
from anylane_backends.mounts.portal import Portal
from anylane_backends.mounts.scope import scope_of, websocket_scope_of
from anylane_backends.mounts.sides import RequestSide, Side, WebSocketSide

AsgiCallable = Callable[..., Awaitable[None]]

_KNOWN = ("asyncio", "uvloop", "trio")
"""Loops that ASGI applications know."""

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
    async def lifespan(self, around: Lifespan) -> AsyncGenerator[None]:
        """Run the application's lifespan around the block, as far as it has one. Raise
        RuntimeError if it cannot start, or does not end in time.

        around: the lifespan of the server, which this is a part of.
        """
        self._state = {}
        where = f"the application mounted at {self._prefix or '/'}"
        life = Life(self._application, self._state, where=where, around=around)
        if not self._through_portal and running_loop() in _KNOWN:
            async with life.running(None):
                yield
            return
        self._portal = portal = Portal()
        try:
            async with life.running(portal):
                yield
        finally:
            self._portal = None
            if not portal.close(around.timeouts.close):
                around.log("error", f"{where} blocks its loop: its thread is left behind", None)

    async def handle(self, ctx: Context, path: str) -> None:  # noqa: ARG002  # the scope has it
        """Answer one request."""
        await self._run(scope_of(ctx, self._prefix, self._state), RequestSide(ctx))

    async def talk(self, ctx: Context) -> None:
        """Hold one WebSocket."""
        await self._run(websocket_scope_of(ctx, self._prefix, self._state), WebSocketSide(ctx))

    async def _run(self, scope: dict[str, Any], side: Side) -> None:
        if self._portal is not None and not self._is_in_memory(side):
            await self._portal.carry(self._application, scope, side)
        else:
            await self._application(scope, _receive(side), side.send)
        await side.end()

    def _is_in_memory(self, side: Side) -> bool:
        """Return whether the test's own thread is all there is. An application that awaits only
        what it is given runs there, in virtual time; of another one the error says what it awaits.
        """
        return not self._through_portal and side.lane == "Lockstep"


def _receive(side: Side) -> Callable[[], Awaitable[dict[str, Any]]]:
    link = current_link.get()

    async def receive() -> dict[str, Any]:
        while (message := side.poll()) is None:
            await link.wait()
        return message

    return receive
