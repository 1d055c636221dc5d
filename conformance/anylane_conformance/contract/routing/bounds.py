"""Routes and routers that bound their bodies and their time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anylane import App, Context, Router
from anylane_conformance.contract import event_loops

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage


def bounded(app: App, stage: Stage) -> None:
    """Add routes with bounds below /bounded, and a response hook that writes down what it sees."""
    outer = Router("/bounded", body_limit=100, timeout=5.0)
    inner = Router("/inner", body_limit=20)

    @outer.response_middleware
    def stamp(ctx: Context) -> None:
        stage.said.append(str(ctx.response.status))
        ctx.response.set_header("x-status", str(ctx.response.status))

    @outer.post("/body")
    @outer.post("/large", body_limit=1000)
    @outer.post("/huge", body_limit=10_000_000)
    @outer.post("/none", body_limit=0)
    @inner.post("/body")
    @inner.post("/tiny", body_limit=10)
    async def length(ctx: Context) -> dict[str, int]:
        stage.said.append("read")
        return {"length": len(await ctx.request.body())}

    @outer.post("/pieces", body_limit=1000)
    async def pieces(ctx: Context) -> dict[str, int]:
        size = 0
        async for piece in ctx.request.stream():
            size += len(piece)
        return {"length": size}

    @outer.post("/def", body_limit=10)
    def blocking(ctx: Context) -> str:
        stage.said.append("read")
        return "def"

    @outer.post("/unread")
    async def unread(ctx: Context) -> str:
        return "unread"

    _timed(app, outer)
    outer.include(inner)
    app.include(outer)


def _timed(app: App, outer: Router) -> None:
    async def sleeper(ctx: Context) -> str:
        await ctx.sleep(float(ctx.request.query["for"]))
        return "slept"

    app.get("/timed/default")(sleeper)
    app.get("/timed/short", name="short", timeout=0.1)(sleeper)
    app.get("/timed/long", name="long", timeout=8.0)(sleeper)
    outer.get("/timed", name="router's")(sleeper)
    outer.get("/short", name="shorter", timeout=0.1)(sleeper)

    @app.websocket("/timed/socket", timeout=0.1)
    async def socket(ctx: Context) -> None:
        await ctx.sleep(float(ctx.request.query["before"]))
        ws = await ctx.accept()
        await ctx.sleep(float(ctx.request.query["behind"]))
        await ws.send("still here")

    @app.get("/timed/foreign", timeout=0.1)
    async def foreign(ctx: Context) -> None:
        await event_loops.needed().sleep(60)

    @app.get("/timed/def", timeout=0.1)
    def blocking(ctx: Context) -> None:
        ctx.call(ctx.sleep, 60)

    @app.post("/timed/upload", timeout=0.5)
    async def upload(ctx: Context) -> str:
        return str(len(await ctx.request.body()))
