"""AsgiMount: an ASGI application below a prefix of an App, on every lane."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from anylane.handling.context import Context
from anylane.lane.life.lifespan import Lifespan
from anylane.lane.life.state import States, current_states
from anylane.lane.link import current_link
from anylane.lane.stepping import in_memory
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


class _Running(NamedTuple):
    """The application in one server."""

    state: MutableMapping[str, Any]
    """What its lifespan has filled."""
    portal: Portal | None
    """Where it runs, if not on the lane's own loop."""


class AsgiMount:
    """What `app.mount(prefix, application)` makes of an ASGI application.

    application: called for each request and WebSocket, and once for its lifespan in each server.
    prefix: names it in messages. portal: run it on an asyncio loop in a thread on every lane, for
    libraries that know asyncio only. Where the lane's loop is neither asyncio nor trio, that is so
    in any case.
    """

    methods = METHODS

    def __init__(self, application: AsgiCallable, prefix: str, *, portal: bool = False) -> None:
        self._application = application
        self._prefix = prefix
        self._through_portal = portal
        self._running: dict[States | None, _Running] = {}

    @asynccontextmanager
    async def lifespan(self, around: Lifespan) -> AsyncGenerator[None]:
        """Run the application's lifespan around the block, as far as it has one. Raise
        RuntimeError if it cannot start, or does not end in time.

        around: the lifespan of the server, which this is a part of.
        """
        state: MutableMapping[str, Any] = {}
        where = f"the application mounted at {self._prefix or '/'}"
        life = Life(self._application, state, where=where, around=around)
        server = current_states.get(None)
        own_loop = None if in_memory.get() else running_loop()
        native = not self._through_portal and own_loop in _KNOWN
        portal = None if native else Portal()
        self._running[server] = _Running(state, portal)
        try:
            async with life.running(portal):
                yield
        finally:
            del self._running[server]
            if portal is not None and not portal.close(around.timeouts.close):
                around.log("error", f"{where} blocks its loop: its thread is left behind", None)

    async def handle(self, ctx: Context, path: str) -> None:
        """Answer one request."""
        here = self._here()
        await self._run(scope_of(ctx, path, here.state), RequestSide(ctx), here.portal)

    async def talk(self, ctx: Context) -> None:
        """Hold one WebSocket."""
        here, path = self._here(), ctx.params.get("path", "")
        await self._run(websocket_scope_of(ctx, path, here.state), WebSocketSide(ctx), here.portal)

    def _here(self) -> _Running:
        """Return the application as it runs in the server of this context."""
        return self._running.get(current_states.get(None)) or _Running({}, None)

    async def _run(self, scope: dict[str, Any], side: Side, portal: Portal | None) -> None:
        if portal is not None and not self._is_in_memory(side):
            await portal.carry(self._application, scope, side)
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
