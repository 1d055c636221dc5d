"""Handlers behind BearerAuth, BasicAuth and JWTAuth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anylane import App, Context, HTTPError, Router
from anylane.middleware import BasicAuth, BearerAuth, JWTAuth

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage

KEY = "a secret for tokens that everybody may know"


def build_authentication(app: App, stage: Stage) -> None:
    """Add a router for each way to authenticate."""
    users = {"good": "ada", "unknown": None}

    def in_the_pool(given: str) -> str | None:
        if given == "slow":
            stage.blocker.wait(5)
        if given == "banned":
            raise HTTPError(403, "not you")
        return users.get(given)

    async def awaits(ctx: Context, token: str) -> str | None:
        await ctx.sleep(0.01)
        return users.get(token)

    _router(app, "/bearer", BearerAuth(in_the_pool))
    _router(app, "/async", BearerAuth(awaits))
    _router(app, "/optional", BearerAuth(awaits, optional=True))
    _router(app, "/basic", BasicAuth.of({"ada": "l\xf6velace"}, realm="the engine"))
    _router(app, "/jwt", JWTAuth(KEY, audience="me", issuer="you", required=["sub"]))


def _router(app: App, prefix: str, part: Any) -> None:
    router = Router(prefix)
    router.use(part)

    @router.route("/", ["GET", "POST"])
    async def who(ctx: Context) -> Any:
        return {"user": ctx.user}

    @router.get("/stream")
    async def stream(ctx: Context) -> None:
        async with ctx.stream() as out:
            await out.write(str(ctx.user).encode())

    @router.websocket("/ws", subprotocols=["chat"])
    async def ws(ctx: Context) -> None:
        websocket = await ctx.accept()
        await websocket.send(str(ctx.user))
        await websocket.close()

    app.include(router)
