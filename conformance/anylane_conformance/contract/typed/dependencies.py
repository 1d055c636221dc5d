"""Handlers with dependencies, which tell the stage what happens to them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Annotated, Any

from anylane import App, Context, Depends, HTTPError
from anylane_conformance.contract.stage import CHUNK, Stage

PLACES = 2
"""Connections of the pool that slow readers use."""


def build(app: App, stage: Stage) -> None:
    """Add the handlers, below /depends. What happens to their dependencies is in the notes."""

    @contextmanager
    def told(name: str) -> Generator[str]:
        stage.note(f"open {name}")
        how = "end"
        try:
            yield name
        except BaseException as exc:
            how = type(exc).__name__ if isinstance(exc, Exception) else "interruption"
            raise
        finally:
            stage.note(f"close {name}: {how}")

    async def first(n: int = 0) -> AsyncIterator[str]:
        with told("first") as name:
            yield f"{name}{n}"

    def second(f: Annotated[str, Depends(first)]) -> Iterator[str]:
        with told("second") as name:
            yield f"{f} {name}"

    async def late() -> AsyncIterator[str]:
        with told("late") as name:
            yield name

    async def failing(s: Annotated[str, Depends(second)]) -> AsyncIterator[str]:
        yield s
        raise ValueError("teardown")

    async def patient(ctx: Context) -> AsyncIterator[str]:
        with told("patient") as name:
            try:
                yield name
            finally:
                await ctx.run_sync(stage.note, "gave back")

    @app.get("/depends/{how}")
    async def whole(how: str, b: Annotated[str, Depends(second)]) -> str:
        if how == "refused":
            raise HTTPError(409)
        if how == "failing":
            raise KeyError
        return b

    @app.get("/depends-def/{how}")
    def blocking(how: str, b: Annotated[str, Depends(second)]) -> str:
        if how == "failing":
            raise KeyError
        return b

    @app.get("/depends-teardown")
    async def teardown(b: Annotated[str, Depends(failing)]) -> str:
        return b

    @app.get("/depends-items")
    async def items(b: Annotated[str, Depends(second)]) -> AsyncIterator[str]:
        stage.note("item")
        yield b

    @app.get("/depends-events")
    async def events(ctx: Context, b: Annotated[str, Depends(second)]) -> None:
        async with ctx.event_stream() as out:
            await out.send(b)
            await ctx.sleep(3600)

    @app.websocket("/depends-ws")
    async def socket(ctx: Context, b: Annotated[str, Depends(second)]) -> None:
        ws = await ctx.accept()
        async for message in ws:
            await ws.send(f"{b} {message!r}")

    @app.get("/depends-stuck")
    async def stuck(ctx: Context, p: Annotated[str, Depends(patient)]) -> None:
        await ctx.sleep(3600)

    @app.get("/depends-late")
    async def behind(b: Annotated[str, Depends(late, "response")]) -> str:
        return b

    _stubborn(app)
    _blocking(app, stage, told)
    _pool(app)


def _blocking(app: App, stage: Stage, told: Callable[[str], AbstractContextManager[str]]) -> None:
    def lent() -> Iterator[str]:
        with told("lent") as name:
            yield name

    @app.get("/depends-blocked")
    def blocked(used: Annotated[str, Depends(lent)]) -> None:
        stage.blocker.wait(30)
        stage.note(f"use {used}")

    @app.get("/depends-blocked-async")
    async def blocked_async(ctx: Context, used: Annotated[str, Depends(lent)]) -> None:
        await ctx.run_sync(blocked, used)


def _stubborn(app: App) -> None:
    async def first(ctx: Context) -> AsyncIterator[str]:
        try:
            yield "stubborn"
        finally:
            await ctx.sleep(3600)

    async def second(ctx: Context, f: Annotated[str, Depends(first)]) -> AsyncIterator[str]:
        try:
            yield f"more {f}"
        finally:
            await ctx.sleep(3600)

    @app.get("/depends-stubborn")
    async def cut_off(s: Annotated[str, Depends(second)]) -> str:
        return s


def _pool(app: App) -> None:
    free = [PLACES]

    async def connection() -> AsyncIterator[int]:
        if not free[0]:
            raise HTTPError(503, "all connections are in use")
        free[0] -= 1
        try:
            yield free[0]
        finally:
            free[0] += 1

    @app.get("/depends-pool")
    async def pooled(c: Annotated[int, Depends(connection)]) -> Any:
        return CHUNK * 32
