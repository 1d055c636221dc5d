"""Handlers behind RateLimit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anylane import App, Context, Router
from anylane.middleware import RateLimit

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage


def build_throttling(app: App, stage: Stage) -> None:
    """Add a router with limits by the hour, and one with limits by the second."""
    router = Router("/limited")
    router.use(RateLimit("5/hour"))

    @router.get("/")
    async def home(ctx: Context) -> str:
        return "in"

    @router.get("/def")
    def blocking(ctx: Context) -> str:
        return "in"

    @router.get("/stream")
    async def stream(ctx: Context) -> None:
        async with ctx.stream() as out:
            await out.write(b"in")

    @router.websocket("/ws")
    async def ws(ctx: Context) -> None:
        websocket = await ctx.accept()
        await websocket.close()

    app.include(router)

    @app.get("/short", middleware=[RateLimit("1/second", scope="short")])
    async def short(ctx: Context) -> str:
        return "in"
