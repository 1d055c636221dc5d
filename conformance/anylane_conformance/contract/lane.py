"""Handlers for the cases about what a lane does by itself: it listens, reads, rests and ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anylane import App, Context

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage


def patient(app: App, stage: Stage) -> None:
    """Add handlers that wait until the room is told something, and that leave a body unread."""

    @app.get("/until-told")
    async def until_told(ctx: Context) -> str:
        with stage.room.subscribe() as subscription:
            stage.note("waiting")
            return await anext(subscription)

    @app.post("/unread")
    async def unread(ctx: Context) -> str:
        return await until_told(ctx)

    @app.get("/blocks")
    def blocks(ctx: Context) -> str:
        stage.produced += 1
        stage.blocker.wait(20)
        return "unblocked"


def pieces(app: App, stage: Stage) -> None:
    """Add what tells how large the largest piece of its body was."""

    @app.post("/largest-piece")
    async def largest_piece(ctx: Context) -> str:
        return str(max([len(piece) async for piece in ctx.request.stream()]))
