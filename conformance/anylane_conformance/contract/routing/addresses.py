"""Handlers that say where other routes are found, and under which name an answer is saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anylane import App, Context, Router
from anylane.middleware import HTTPSRedirect

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage


def addressed(app: App, stage: Stage) -> None:
    """Add routes below /addressed, one of them for a host of its own."""
    elsewhere = Router("/elsewhere", host="files.example")

    @app.get("/addressed/page/{name}", name="addressed-page")
    @elsewhere.get("/page/{name}", name="elsewhere-page")
    async def page(ctx: Context) -> str:
        return "page"

    @app.websocket("/addressed/socket", name="addressed-socket")
    async def socket(ctx: Context) -> None:
        await ctx.accept()

    @app.get("/addressed/of")
    async def of(ctx: Context) -> list[str]:
        return [
            ctx.url_for("addressed-page", name="a b"),
            ctx.url_for("elsewhere-page", name="x"),
            ctx.url_for("addressed-socket"),
        ]

    @app.get("/addressed/self", name="addressed-self")
    async def itself(ctx: Context) -> list[str]:
        request = ctx.request
        return [request.root_path, request.path, request.raw_path, ctx.path_for("addressed-self")]

    @app.get("/addressed/moved")
    async def moved(ctx: Context) -> None:
        ctx.response.redirect(ctx.path_for("addressed-self"))

    @app.get("/addressed/saved")
    async def saved(ctx: Context) -> str:
        inline = "inline" in ctx.request.query
        ctx.response.attachment(ctx.request.query.get("as"), inline=inline)
        return "saved"

    app.include(elsewhere)


def below_a_prefix(app: App, stage: Stage) -> None:
    """Add what else names addresses: a description, files, and an app that is mounted."""
    addressed(app, stage)
    inner = App()

    @inner.get("/page", name="inner-page")
    async def page(ctx: Context) -> list[str]:
        return [ctx.request.path, ctx.path_for("inner-page"), ctx.url_for("addressed-self")]

    inner.openapi(title="Inner", version="1", docs=None)
    app.mount("/inner", inner)
    app.use(HTTPSRedirect(exempt=["/addressed/self", "/inner/"]))
