"""What a handler holds is freed with its end, and not when the garbage collector comes."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from anylane import App, Broadcast, Context
from anylane.testing import Lockstep

UPGRADE = (
    b"GET /%s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Held:
    """What a handler has in a variable."""


@pytest.mark.parametrize("path", [b"iterates", b"relays", b"relays-beside"])
@pytest.mark.parametrize("reset", [True, False])
def test_what_a_handler_held_is_freed_when_its_client_is_lost(path: bytes, reset: bool) -> None:
    app, room, held = App(), Broadcast[Any](), list[weakref.ref[Held]]()

    @app.websocket("/iterates")
    async def iterates(ctx: Context) -> None:
        mine = Held()
        held.append(weakref.ref(mine))
        async for _ in await ctx.accept():
            pass

    @app.websocket("/relays")
    async def relays(ctx: Context) -> None:
        mine = Held()
        held.append(weakref.ref(mine))
        ws = await ctx.accept()
        await ws.relay(room)

    @app.websocket("/relays-beside")
    async def relays_beside(ctx: Context) -> None:
        mine = Held()
        held.append(weakref.ref(mine))
        ws = await ctx.accept()
        async with ws.relay(room):
            async for _ in ws:
                pass

    wire = Lockstep(app)
    wire.receive(UPGRADE % path)
    gc.collect()
    gc.disable()
    try:
        wire.lose(ConnectionResetError("reset by the client") if reset else None)
        assert wire.closed
        assert [each() for each in held] == [None]
    finally:
        gc.enable()
