"""Handlers and hooks that block their thread beyond the deadline, each with a hook that stamps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from anylane import App, Cancelled, Context, Router

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage

LONG = 20
"""Seconds after which a handler gives up that no case has unblocked."""


def build_stuck(app: App, stage: Stage) -> None:
    """Add handlers below /stuck that block, with a hook which blocks as well if it is asked to."""
    router = Router("/stuck")

    @router.middleware()
    async def around(ctx: Context, call_next: Callable[[], Any]) -> None:
        ctx.state.began = "here"
        await call_next()

    @router.response_middleware()
    async def stamp(ctx: Context) -> None:
        began = getattr(ctx.state, "began", "nowhere")
        ctx.response.set_header("x-stamp", f"{began} {ctx.response.status}")
        stage.kept = [*(stage.kept or ()), ctx.response.status]
        if "hook" in ctx.request.query:
            await ctx.run_sync(stage.blocker.wait, LONG)

    @router.get("/def")
    def of_def(ctx: Context) -> str:
        response = ctx.response.set_header("x-handler", "stuck")
        uses: list[Callable[[], Any]] = [
            ctx.check,
            lambda: ctx.call(ctx.sleep, 1),
            lambda: response.set_header("x-handler", "late"),
            lambda: ctx.response.set_status(201),
            lambda: ctx.response.set_text("late"),
        ]
        told = ""
        try:
            stage.blocker.wait(LONG)
            told = f"{ctx.interrupted} {tells(uses)}"
        finally:
            stage.note(told)
        return "late"

    @router.get("/async")
    async def of_async(ctx: Context) -> str:
        response = ctx.response.set_header("x-handler", "stuck")
        told: list[str] = []
        try:
            stage.blocker.wait(LONG)
            told = [tells([ctx.check, lambda: response.set_header("x-handler", "late")])]
            for use in (lambda: ctx.sleep(0), ctx.send, ctx.request.body):
                try:
                    await use()
                except Cancelled:
                    told.append("Cancelled")
        finally:
            stage.note(f"{ctx.interrupted} {' '.join(told)}")
        return "late"

    @router.get("/soon", timeout=0.3)
    def soon(_: Context) -> str:
        stage.blocker.wait(LONG)
        return "late"

    @router.get("/fails")
    def fails(ctx: Context) -> None:
        stage.blocker.wait(LONG)
        stage.note("back")
        raise ValueError("too late to matter")

    @router.get("/finally")
    async def cleaning(ctx: Context) -> None:
        try:
            await ctx.sleep(60)
        finally:
            await ctx.run_sync(stage.blocker.wait, LONG)

    @router.post("/upload")
    async def upload(ctx: Context) -> str:
        stage.note(f"read {len(await ctx.request.body())}")
        await ctx.run_sync(stage.blocker.wait, LONG)
        return "late"

    @router.get("/sleeps")
    async def sleeps(ctx: Context) -> None:
        stage.note("sleeps")
        await ctx.sleep(60)

    @router.get("/quick")
    def quick(ctx: Context) -> str:
        return "quick"

    @app.on_disconnect
    def left(ctx: Context) -> None:
        stage.life.append("left")

    app.include(router)


def tells(uses: list[Callable[[], Any]]) -> str:
    """Return what each of these raises."""
    told = []
    for use in uses:
        try:
            use()
        except Cancelled:
            told.append("Cancelled")
        else:
            told.append("nothing")
    return " ".join(told)
