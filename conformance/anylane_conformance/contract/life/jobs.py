"""Periodic jobs of every kind."""

from __future__ import annotations

from contextvars import ContextVar
from itertools import pairwise
from typing import TYPE_CHECKING

from anylane import App, Context
from anylane_conformance.contract import event_loops

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage

INTERVAL = 0.05
"""Seconds between two turns."""

seen: ContextVar[str] = ContextVar("seen", default="nothing")


def of_every_kind(app: App, stage: Stage) -> None:
    """Add jobs that count their turns, and one of a mounted app."""
    inner = App()
    app.mount("/inner", inner)

    @inner.get("/there")
    async def there(_ctx: Context) -> None: ...

    @app.on_startup
    def start() -> None:
        app.state.turns = {}
        inner.state.name = "inner"
        app.state.began = None

    def count(name: str) -> None:
        app.state.turns[name] = app.state.turns.get(name, 0) + 1

    @app.every(INTERVAL)
    async def of_async() -> None:
        assert seen.get() == "nothing"
        seen.set("another turn")
        count("async")

    @app.every(INTERVAL)
    async def of_waiting(ctx: Context) -> None:
        before = ctx.now()
        await ctx.sleep(0.01)
        assert ctx.now() - before > 0.0099
        assert await ctx.run_sync(lambda: ctx.app is app)
        count("waiting")

    @app.every(INTERVAL, workers="one")
    def of_def(ctx: Context) -> None:
        ctx.call(ctx.sleep, 0.01)
        count("def")

    @inner.every(INTERVAL)
    def of_inner(ctx: Context) -> None:
        assert (ctx.app, inner.state.name) == (inner, "inner")
        count(ctx.path_for("there"))

    @app.every(INTERVAL)
    async def of_failure() -> None:
        count("failure")
        raise (ValueError if app.state.turns["failure"] % 2 else SystemExit)("in a job")

    @app.get("/turns/{least:int}")
    async def turns(ctx: Context) -> str:
        least, found = ctx.params["least"], app.state.turns
        while len(found) < 5 or min(found.values()) < least:
            await ctx.sleep(0.02)
        return " ".join(sorted(found))


def of_long_turns(app: App, stage: Stage) -> None:
    """Add jobs that take longer than their interval."""

    @app.on_startup
    def start() -> None:
        app.state.turns = {"async": [], "def": []}

    @app.every(INTERVAL)
    async def of_async(ctx: Context) -> None:
        app.state.turns["async"].append(ctx.now())
        await ctx.sleep(2.5 * INTERVAL)

    @app.every(INTERVAL)
    def of_def(ctx: Context) -> None:
        app.state.turns["def"].append(ctx.now())
        ctx.call(ctx.sleep, 2.5 * INTERVAL)

    @app.get("/long-turns")
    async def turns(ctx: Context) -> str:
        while min(map(len, app.state.turns.values())) < 3:
            await ctx.sleep(0.02)
        gaps = [b - a for each in app.state.turns.values() for a, b in pairwise(each)]
        return str(min(gaps) > 2.4 * INTERVAL)


def of_the_end(app: App, stage: Stage) -> None:
    """Add jobs that a drain finds at work."""

    @app.every(0.02)
    async def short(ctx: Context) -> None:
        stage.note("short begins")
        await ctx.sleep(0.2)
        stage.note("short ends")

    @app.every(0.02)
    async def endless(ctx: Context) -> None:
        try:
            await ctx.sleep(3600)
        finally:
            stage.note(f"endless {ctx.interrupted}")


def of_rare_turns(app: App, stage: Stage) -> None:
    """Add a job whose first turn is far away."""

    @app.every(1000)
    async def rare() -> None:
        stage.note("rare")


def of_an_event_loop(app: App, stage: Stage) -> None:
    """Add a job that waits for something of its loop's own library."""

    @app.every(0.02)
    async def native() -> None:
        await event_loops.needed().sleep(0.01)
        stage.note("native")
