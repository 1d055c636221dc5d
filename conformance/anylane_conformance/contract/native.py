"""Handlers that use the libraries of the event loop they run on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anylane import App, Context
from anylane_conformance.contract import event_loops

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage


NOTHING_STRAYS = "nothing strays here"
"""What /native/stray answers where the library cannot cancel what a handler awaits."""


def build(app: App, stage: Stage) -> None:
    """Add the handlers below /native, and one that awaits asyncio wherever it runs."""
    native = event_loops.needed

    @app.websocket("/native/gate")
    async def gate(ctx: Context) -> None:
        ws = await ctx.accept()
        gate = stage.gates["native"] = native().gate()
        async for message in ws:
            await gate.wait()
            await ws.send(message)

    @app.get("/native/open")
    async def open_gate(ctx: Context) -> str:
        await stage.gates["native"].open()
        return "open"

    @app.get("/native/forever")
    async def forever(ctx: Context) -> None:
        await native().gate().wait()

    @app.get("/native/group")
    async def group(ctx: Context) -> None:
        await native().group(lambda: ctx.sleep(3600), native().gate().wait)

    @app.websocket("/native/group")
    async def group_of_websocket(ctx: Context) -> None:
        ws = await ctx.accept()

        async def receive() -> None:
            await ws.receive()

        await native().group(receive, native().gate().wait)

    @app.get("/native/stray")
    async def stray(ctx: Context) -> str:
        library = native()
        if isinstance(library, event_loops.AsyncioNative):
            await library.stray()
        return NOTHING_STRAYS

    @app.get("/native/timeout-sleep")
    async def timeout_sleep(ctx: Context) -> str:
        try:
            async with native().timeout(0.05):
                await ctx.sleep(3600)
        except TimeoutError:
            await ctx.sleep(0.01)
            return "native time-out"
        return "slept"

    @app.get("/native/timeout-body")
    async def no_body(ctx: Context) -> str:
        return "no body"

    @app.post("/native/timeout-body")
    async def timeout_body(ctx: Context) -> str:
        try:
            async with native().timeout(0.05):
                await ctx.request.body()
        except TimeoutError:
            stage.note("timed out")
        if ctx.request.query_string == "stream":
            return b"".join([chunk async for chunk in ctx.request.stream()]).decode()
        return (await ctx.request.body()).decode()

    @app.websocket("/native/timeout-receive")
    async def timeout_receive(ctx: Context) -> None:
        ws = await ctx.accept()
        try:
            async with native().timeout(0.05):
                await ws.receive()
        except TimeoutError:
            await ws.send("native time-out")
        await ws.send(await ws.receive())

    @app.get("/native/inside")
    async def inside(ctx: Context) -> str:
        """Put a native time-out that does not fire around one of ours that does."""
        async with native().timeout(60):
            try:
                async with ctx.timeout(0.05):
                    await native().gate().wait()
            except TimeoutError:
                return "ours"
        return "neither"

    @app.get("/asyncio-sleep")
    async def asyncio_sleep(ctx: Context) -> str:
        import asyncio

        await asyncio.sleep(0.01)
        return "slept"
