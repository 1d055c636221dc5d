"""Handlers behind Sessions, with and without a store, and behind CSRF."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anylane import App, Context, HTTPError, Router, UsageError
from anylane.middleware import CSRF, MemoryStore, Sessions

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage

KEY = "a secret for sessions that everybody may know"


def build_sessions(app: App, stage: Stage) -> None:
    """Add a router for each way to keep a session, and one behind CSRF."""
    _router(app, "/cookie", Sessions(KEY))
    _router(app, "/store", Sessions(KEY, store=MemoryStore()))
    _router(app, "/csrf", CSRF())
    _router(app, "/both", Sessions(KEY), CSRF())


def _router(app: App, prefix: str, *parts: Any) -> None:
    router = Router(prefix)
    for part in parts:
        router.use(part)

    @router.get("/count")
    async def count(ctx: Context) -> Any:
        ctx.session["n"] = ctx.session.get("n", 0) + 1
        return {"n": ctx.session["n"]}

    @router.get("/def")
    def read(ctx: Context) -> Any:
        return {"n": ctx.session.get("n", 0)}

    @router.get("/untouched")
    async def untouched(ctx: Context) -> str:
        return "untouched"

    @router.get("/error/{status:int}")
    async def error(ctx: Context) -> None:
        ctx.session["n"] = 100
        raise HTTPError(ctx.params["status"])

    @router.get("/fail")
    async def fail(ctx: Context) -> None:
        ctx.session["n"] = 100
        raise ValueError

    @router.get("/clear")
    async def clear(ctx: Context) -> str:
        ctx.session.clear()
        return "cleared"

    @router.get("/stream")
    async def stream(ctx: Context) -> None:
        ctx.session["n"] = 50
        async with ctx.stream() as out:
            await out.write(await _later(ctx, 51))

    @router.get("/form")
    async def form(ctx: Context) -> str:
        return str(ctx.state.csrf_token)

    @router.post("/form")
    async def sent(ctx: Context) -> Any:
        form = await ctx.request.form()
        return {"field": form["field"], "body": len(await ctx.request.body())}

    @router.post("/json")
    async def json(ctx: Context) -> Any:
        return await ctx.request.json()

    @router.websocket("/ws", origins=None if prefix in ("/csrf", "/both") else [None])
    async def ws(ctx: Context) -> None:
        if prefix != "/csrf":
            ctx.session["n"] = ctx.session.get("n", 0) + 1
        websocket = await ctx.accept()
        await websocket.send("" if prefix == "/csrf" else (await _later(ctx, 70)).decode())
        await websocket.close()

    app.include(router)


async def _later(ctx: Context, value: int) -> bytes:
    """Change the session after the head went out; return what that gave."""
    try:
        ctx.session["n"] = value
        await ctx.session.save()
    except UsageError:
        return b"too late"
    return b"saved"
