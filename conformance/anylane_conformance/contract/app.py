"""The small app that every backend serves for the cases.

A case and its handlers speak through a `Stage`: gates that one request waits for and another
opens, and notes of what the handlers saw. All portable, but for the handlers under /native.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anylane import App, Context, HTTPError
from anylane_conformance.contract import (
    blocking,
    disconnects,
    events,
    framework,
    native,
    streams,
    time,
    tls,
    websockets,
)
from anylane_conformance.contract.stage import variable

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Extra, Stage


CHAPTERS = (
    streams,
    websockets,
    time,
    blocking,
    disconnects,
    native,
    tls,
    framework,
    events,
)
"""What adds its handlers to the app, in this order."""


def build(stage: Stage, extra: Extra | None = None) -> App:
    """The app, anew for each case. Whatever its handlers remember is on the stage."""
    app = App()
    if extra is not None:
        extra(app, stage)
    _requests(app)
    for chapter in CHAPTERS:
        chapter.build(app, stage)
    return app


def _requests(app: App) -> None:
    @app.get("/")
    async def home(ctx: Context) -> dict[str, str]:
        return {"message": "Hello, World!"}

    @app.post("/json")
    async def echo(ctx: Context) -> Any:
        return await ctx.request.json()

    @app.post("/length")
    async def length(ctx: Context) -> dict[str, int]:
        total = 0
        async for chunk in ctx.request.stream():
            total += len(chunk)
        return {"length": total}

    @app.get("/users/{id:int}")
    async def user(ctx: Context) -> dict[str, int]:
        return {"id": ctx.params["id"]}

    @app.get("/boom")
    async def boom(ctx: Context) -> None:
        raise ValueError("a handler of the conformance suite that fails")

    @app.get("/exit")
    async def leave(ctx: Context) -> None:
        raise SystemExit(3)

    @app.get("/def-exit")
    def def_exit(ctx: Context) -> None:
        raise SystemExit(3)

    @app.get("/call-from-async")
    async def call_from_async(ctx: Context) -> None:
        ctx.call(ctx.sleep, 0.01)

    @app.get("/teapot")
    async def teapot(ctx: Context) -> None:
        raise HTTPError(418, "short and stout")

    @app.get("/variable")
    async def variables(ctx: Context) -> str:
        before = variable.get()
        variable.set("set by an earlier exchange")
        await ctx.sleep(0)
        return before
