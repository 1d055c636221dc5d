"""Handlers that stream their response."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from anylane import App, Context, UsageError
from anylane_conformance.contract import event_loops
from anylane_conformance.contract.stage import BLOB, CHUNK, MEGABYTE

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage


def build(app: App, stage: Stage) -> None:
    """Add the handlers that stream."""

    @app.get("/count/{n:int}")
    async def count(ctx: Context) -> None:
        async with ctx.stream() as out:
            for number in range(ctx.params["n"]):
                await out.write(f"{number}\n")

    @app.get("/iterate")
    async def iterate(ctx: Context) -> AsyncIterator[str]:
        async def numbers() -> AsyncIterator[str]:
            for number in range(3):
                await ctx.sleep(0.01)
                yield f"{number}\n"

        return numbers()

    @app.get("/large")
    async def large(ctx: Context) -> None:
        async with ctx.stream(length=BLOB) as out:
            for start in range(0, BLOB, len(CHUNK)):
                piece = CHUNK[: min(len(CHUNK), BLOB - start)]
                await out.write(piece)
                stage.produced += len(piece)

    @app.get("/numbered/{n:int}")
    async def numbered(ctx: Context) -> bytes:
        stage.produced += MEGABYTE
        return b"%8d" % ctx.params["n"] + b"x" * (MEGABYTE - 8)

    @app.post("/unread")
    async def unread(ctx: Context) -> str:
        """Answer once the room is told something, without a look at the body."""
        with stage.room.subscribe() as subscription:
            return await anext(subscription)

    @app.get("/keep")
    async def keep(ctx: Context) -> None:
        async with ctx.stream() as out:
            stage.kept = (ctx, out)
            await out.write("mine")

    @app.get("/misuse")
    async def misuse(ctx: Context) -> None:
        kept, theirs = stage.kept
        async with ctx.stream() as out:
            uses: list[event_loops.Func] = [
                lambda: theirs.write("not yours"),
                lambda: kept.early_hints(["x"]),
            ]
            for use in uses:
                try:
                    await use()
                except UsageError:
                    await out.write("refused ")

    @app.get("/slow-iterator")
    def slow_iterator(ctx: Context) -> Iterator[str]:
        def items() -> Iterator[str]:
            try:
                time.sleep(1.2)
                yield "late"
            finally:
                stage.note(f"closed in the loop's thread: {event_loops.current() is not None}")

        return items()

    @app.get("/half")
    async def half(ctx: Context) -> None:
        async with ctx.stream() as out:
            await out.write("first")
            raise ValueError("fails in the middle of a response")
