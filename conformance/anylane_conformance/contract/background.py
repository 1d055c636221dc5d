"""Handlers that leave work for after their response."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anylane import App, Context

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage


def build(app: App, stage: Stage) -> None:
    """Add the handlers below /background."""

    async def wait(ctx: Context, seconds: float) -> None:
        await ctx.sleep(seconds)
        stage.note("background async")

    def block(ctx: Context) -> None:
        if not stage.blocker.wait(20):
            raise TimeoutError("the background was not unblocked")
        stage.note("background def")

    def fail() -> None:
        raise ValueError("in the background")

    @app.get("/background/async")
    async def of_async(ctx: Context) -> str:
        ctx.background(wait, ctx, 0.01)
        return "answered"

    @app.get("/background/def")
    def of_def(ctx: Context) -> str:
        ctx.background(block, ctx)
        return "answered"

    @app.get("/background/fail")
    async def of_failure(ctx: Context) -> str:
        ctx.background(fail)
        ctx.background(wait, ctx, 0)
        return "answered"

    @app.get("/background/large")
    async def after_large(ctx: Context) -> bytes:
        ctx.background(wait, ctx, 0)
        return b"l" * 5_000_000
