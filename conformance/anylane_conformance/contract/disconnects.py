"""Handlers that note what they learn of a client that leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anylane import App, Context, Disconnected, HTTPError
from anylane_conformance.contract.stage import CHUNK

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage


def build(app: App, stage: Stage) -> None:
    """Add the handlers that wait until their client leaves."""
    _half_closes(app, stage)
    _disconnects(app, stage)


def _half_closes(app: App, stage: Stage) -> None:
    @app.get("/late")
    async def late(ctx: Context) -> str:
        await ctx.sleep(0.05)
        return f"half-closed: {ctx.half_closed}"

    @app.get("/half-closed")
    async def half_closed(ctx: Context) -> str:
        while not ctx.half_closed:
            await ctx.sleep(0.005)
        stage.note("half-closed")
        try:
            await ctx.sleep(0.3)
        except Disconnected:
            stage.note("disconnected")
            raise
        stage.note("slept")
        return "slept"


def _disconnects(app: App, stage: Stage) -> None:
    @app.get("/notes")
    async def notes(ctx: Context) -> str:
        with stage.notes.subscribe() as subscription:
            if stage.said:
                return stage.said.pop(0)
            await anext(subscription)
            return stage.said.pop(0)

    @app.get("/wait")
    async def wait(ctx: Context) -> None:
        stage.note("waiting")
        try:
            await ctx.sleep(3600)
        except Disconnected:
            stage.note("disconnected")
            raise

    @app.websocket("/wait-message")
    async def wait_message(ctx: Context) -> None:
        ws = await ctx.accept()
        try:
            await ws.receive()
        except Disconnected as exc:
            stage.note(f"disconnected {exc.code}")
            raise

    @app.get("/wait-stream")
    async def wait_stream(ctx: Context) -> None:
        async with ctx.stream() as out:
            await out.write("first\n")
            try:
                await ctx.sleep(3600)
            except Disconnected:
                stage.note("disconnected")
                raise

    @app.post("/leave/{phase}")
    async def leave(ctx: Context) -> str:
        """Note when a phase is reached, and when it is left, however it ended."""
        phase = ctx.params["phase"]
        stage.note(f"in {phase}")
        try:
            match phase:
                case "body":
                    await ctx.request.body()
                case "sleep":
                    await ctx.sleep(3600)
                case "stream":
                    async with ctx.stream() as out:
                        while True:
                            await out.write(CHUNK)
                case "answered":
                    ctx.response.set_text("answered")
                    await ctx.send()
                    await ctx.sleep(3600)
                case _:
                    raise HTTPError(404)
        finally:
            stage.note(f"left {phase}")
        return "stayed"
