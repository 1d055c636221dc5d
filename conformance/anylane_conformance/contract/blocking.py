"""Handlers that block, by `def`, `ctx.run_sync` and `ctx.call`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from anylane import App, Context

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage


def build(app: App, stage: Stage) -> None:
    """Add the handlers that block."""

    @app.get("/def/{n:int}")
    def plain(ctx: Context) -> dict[str, int]:
        return {"n": ctx.params["n"]}

    @app.post("/def")
    def body(ctx: Context) -> Any:
        return ctx.call(ctx.request.json)

    @app.get("/inline", inline=True)
    def inline(ctx: Context) -> str:
        return "inline"

    @app.get("/block")
    def block(ctx: Context) -> str:
        if not stage.blocker.wait(20):
            raise TimeoutError("this handler was not unblocked")
        return "unblocked"

    @app.websocket("/blocked")
    async def blocked(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.send(f"unblocked: {await ctx.run_sync(stage.blocker.wait, 3)}")

    @app.get("/unblock")
    async def unblock(ctx: Context) -> str:
        stage.blocker.set()
        return "done"

    @app.get("/watch")
    def watch(ctx: Context) -> None:
        stage.note("watching")
        for _ in range(200):
            if ctx.disconnected:
                break
            time.sleep(0.005)
        stage.note(f"disconnected: {ctx.disconnected}")

    @app.get("/hog")
    async def hog(ctx: Context) -> str:
        """Hold up the whole lane, where there is a loop."""
        time.sleep(0.5)  # noqa: ASYNC251  # that is what it is for
        return "done"

    @app.get("/nap")
    def nap(ctx: Context) -> str:
        time.sleep(0.3)
        return "rested"

    @app.get("/call")
    def call(ctx: Context) -> str:
        ctx.call(ctx.sleep, 0.05)
        doubled = ctx.call(ctx.run_sync, lambda: 21 * 2)
        return f"called {doubled}"

    @app.get("/call-fails")
    def call_fails(ctx: Context) -> str:
        async def fails() -> None:
            await ctx.sleep(0.01)
            raise KeyError("inside")

        try:
            ctx.call(fails)
        except KeyError as exc:
            return f"caught {exc}"
        return "nothing"

    @app.get("/run-sync")
    async def run_sync(ctx: Context) -> str:
        return str(await ctx.run_sync(divmod, 17, 5))

    @app.get("/sync-iterator")
    def sync_iterator(ctx: Context) -> Iterator[str]:
        return (f"{number}\n" for number in range(3))

    @app.get("/def-boom")
    def def_boom(ctx: Context) -> None:
        raise ValueError("a def handler that fails")
