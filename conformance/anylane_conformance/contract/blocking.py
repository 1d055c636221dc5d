"""Handlers that block, by `def`, `ctx.run_sync` and `ctx.call`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from anylane import App, Context, HTTPError, Router

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage


said: ContextVar[str] = ContextVar("said", default="nothing")


def build(app: App, stage: Stage) -> None:
    """Add the handlers that block."""
    _add_variables(app)
    _add_generators(app, stage)

    @app.get("/def/{n:int}")
    def plain(ctx: Context) -> dict[str, int]:
        return {"n": ctx.params["n"]}

    @app.post("/def")
    def body(ctx: Context) -> Any:
        return ctx.call(ctx.request.json)

    @app.get("/inline", inline=True)
    def inline(ctx: Context) -> str:
        return "inline"

    @app.get("/block")
    def block(ctx: Context) -> str:
        if not stage.blocker.wait(20):
            raise TimeoutError("this handler was not unblocked")
        return "unblocked"

    @app.websocket("/blocked")
    async def blocked(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.send(f"unblocked: {await ctx.run_sync(stage.blocker.wait, 3)}")

    @app.get("/unblock")
    async def unblock(ctx: Context) -> str:
        stage.blocker.set()
        return "done"

    @app.get("/watch")
    def watch(ctx: Context) -> None:
        stage.note("watching")
        for _ in range(200):
            if ctx.disconnected:
                break
            time.sleep(0.005)
        stage.note(f"disconnected: {ctx.disconnected}")

    @app.get("/hog")
    async def hog(ctx: Context) -> str:
        """Hold up the whole lane, where there is a loop."""
        time.sleep(0.5)  # noqa: ASYNC251  # that is what it is for
        return "done"

    @app.get("/nap")
    def nap(ctx: Context) -> str:
        time.sleep(0.3)
        return "rested"

    @app.get("/call")
    def call(ctx: Context) -> str:
        ctx.call(ctx.sleep, 0.05)
        doubled = ctx.call(ctx.run_sync, lambda: 21 * 2)
        return f"called {doubled}"

    @app.get("/call-fails")
    def call_fails(ctx: Context) -> str:
        async def fails() -> None:
            await ctx.sleep(0.01)
            raise KeyError("inside")

        try:
            ctx.call(fails)
        except KeyError as exc:
            return f"caught {exc}"
        return "nothing"

    @app.get("/run-sync")
    async def run_sync(ctx: Context) -> str:
        return str(await ctx.run_sync(divmod, 17, 5))

    @app.get("/sync-iterator")
    def sync_iterator(ctx: Context) -> Iterator[str]:
        return (f"{number}\n" for number in range(3))

    @app.get("/def-boom")
    def def_boom(ctx: Context) -> None:
        raise ValueError("a def handler that fails")


def _add_generators(app: App, stage: Stage) -> None:
    @app.get("/generator/call")
    def generator_calls(ctx: Context) -> Iterator[str]:
        try:
            yield "one\n"
            ctx.call(ctx.sleep, 0.01)
            yield "two\n"
            yield f"{ctx.call(ctx.run_sync, divmod, 17, 5)}\n"
        finally:
            ctx.call(ctx.sleep, 0.01)
            stage.note("cleaned up")

    @app.get("/generator/of-async")
    async def generator_of_async_calls(ctx: Context) -> Iterator[str]:
        def steps() -> Iterator[str]:
            yield "one\n"
            ctx.call(ctx.sleep, 0.01)
            yield "two\n"

        return steps()


def _add_variables(app: App) -> None:
    variables = Router()

    @variables.response_middleware()
    async def tell(ctx: Context) -> None:
        ctx.response.set_header("x-said", said.get())

    @variables.get("/variables")
    def sets(ctx: Context) -> str:
        said.set("by a def")
        return "done"

    @variables.get("/variables/call")
    def sets_around_call(ctx: Context) -> list[str]:
        async def inside(text: str) -> str:
            seen = said.get()
            await ctx.sleep(0)
            said.set(text)
            return seen

        said.set("before")
        seen = [ctx.call(inside, "first"), said.get()]
        seen += [ctx.call(inside, "second"), said.get()]
        return seen

    @variables.get("/variables/reset")
    def resets(ctx: Context) -> str:
        token = said.set("for a while")
        ctx.call(ctx.sleep, 0)
        said.reset(token)
        return said.get()

    @variables.get("/variables/fails")
    def sets_and_fails(ctx: Context) -> None:
        said.set("before it failed")
        raise HTTPError(409)

    @variables.get("/variables/run-sync")
    async def in_a_copy(ctx: Context) -> str:
        await ctx.run_sync(said.set, "in a copy")
        return said.get()

    @variables.get("/variables/generator")
    def generator(ctx: Context) -> Iterator[str]:
        outer = said.set("by the handler")

        def steps() -> Iterator[str]:
            token = said.set("by the generator")
            yield f"{said.get()}\n"
            yield f"{said.get()}\n"
            said.reset(token)
            yield f"{said.get()}\n"
            said.reset(outer)
            yield f"{said.get()}\n"

        return steps()

    @variables.get("/variables/of-async")
    async def generator_of_async(ctx: Context) -> Iterator[str]:
        said.set("by the coroutine")

        def steps() -> Iterator[str]:
            token = said.set("by the generator")
            yield f"{said.get()}\n"
            said.reset(token)
            yield f"{said.get()}\n"

        return steps()

    app.include(variables)
