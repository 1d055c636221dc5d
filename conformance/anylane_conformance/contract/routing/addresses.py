"""Handlers that say where other routes are found, and under which name an answer is saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anylane import App, Context, Router

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

    @app.get("/addressed/saved")
    async def saved(ctx: Context) -> str:
        inline = "inline" in ctx.request.query
        ctx.response.attachment(ctx.request.query.get("as"), inline=inline)
        return "saved"

    app.include(elsewhere)
