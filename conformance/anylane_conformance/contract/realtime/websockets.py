"""Handlers for WebSockets and broadcasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anylane import App, Context, Disconnected, HTTPError
from anylane_conformance.contract.stage import CHUNK

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage


def build(app: App, stage: Stage) -> None:
    """Add the handlers that speak WebSocket or broadcast."""
    _websockets(app, stage)
    _websocket_sessions(app, stage)
    _broadcasts(app, stage)


def _websockets(app: App, stage: Stage) -> None:
    @app.websocket("/echo")
    async def echo(ctx: Context) -> None:
        ws = await ctx.accept()
        async for message in ws:
            await ws.send(message)
        stage.note(f"closed {ws.close_code}")

    @app.websocket("/goodbye")
    async def goodbye(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.send("goodbye")
        await ws.close(4000, "enough")

    @app.websocket("/silent")
    async def silent(ctx: Context) -> None: ...

    @app.websocket("/reject")
    async def reject(ctx: Context) -> None:
        raise HTTPError(403, "not you")

    @app.websocket("/crash")
    async def crash(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.receive()
        raise ValueError("a WebSocket handler that fails")


def _broadcasts(app: App, stage: Stage) -> None:
    @app.websocket("/select")
    async def select(ctx: Context) -> None:
        with stage.room.subscribe() as subscription:
            ws = await ctx.accept()
            async for source, item in ctx.select(ws, subscription):
                await ws.send(f"{'ws' if source is ws else 'room'} {item}")

    @app.websocket("/select-again")
    async def select_again(ctx: Context) -> None:
        with stage.room.subscribe() as subscription:
            ws = await ctx.accept()
            while True:
                async for _, item in ctx.select(ws, subscription):
                    await ws.send(item)
                    break

    @app.websocket("/waiting")
    async def waiting(ctx: Context) -> None:
        with stage.room.subscribe() as subscription:
            ws = await ctx.accept()
            await ws.send(await anext(subscription))

    @app.get("/send/{text}")
    async def send(ctx: Context) -> dict[str, int]:
        return {"receivers": stage.room.send(ctx.params["text"])}

    @app.get("/def-send/{text}")
    def def_send(ctx: Context) -> dict[str, int]:
        return {"receivers": stage.room.send(ctx.params["text"])}

    @app.get("/def-receive")
    def def_receive(ctx: Context) -> str:
        with stage.room.subscribe() as subscription:
            stage.note("listening")
            return f"{ctx.call(anext, subscription)} {ctx.call(anext, subscription)}"

    @app.websocket("/impatient-select")
    async def impatient_select(ctx: Context) -> None:
        """Cancel its selects all the time, and leave after 20 items."""
        with stage.room.subscribe() as subscription:
            ws = await ctx.accept()
            select = ctx.select(ws, subscription)
            given = 0
            while given < 20:
                item = None
                try:
                    async with ctx.timeout(0.002):
                        _, item = await anext(select)
                except TimeoutError:
                    pass  # where it came too late to cancel, there is an item
                if item is not None:
                    given += 1
                    await ws.send(item)

    @app.websocket("/strict/{times:int}")
    async def strict(ctx: Context) -> None:
        """Send each item as often as the client wants."""
        with stage.strict.subscribe() as subscription:
            ws = await ctx.accept()
            await ws.send("ready")
            async for item in subscription:
                await ws.send(item * ctx.params["times"])
            stage.note(f"ended, lagged {subscription.lagged}")


def _websocket_sessions(app: App, stage: Stage) -> None:
    @app.websocket("/answering")
    async def answering(ctx: Context) -> None:
        ws = await ctx.accept()
        try:
            while True:
                await ws.send(await ws.receive())
        except Disconnected as exc:
            stage.note(f"closed {exc.code}")

    @app.websocket("/bye")
    async def bye(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.close(4000, "enough")
        stage.note(f"closed {ws.close_code}")

    @app.websocket("/latency")
    async def latency(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.send(f"{ws.latency}")
        while ws.latency is None:
            await ctx.sleep(0.01)
        await ws.send(f"measured: {ws.latency >= 0}")
        await ws.send(f"asked: {await ws.ping() >= 0}")

    @app.websocket("/protocols", subprotocols=["chat.v2", "chat.v1"])
    async def protocols(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.send(f"{ws.subprotocol}")

    @app.websocket("/members", origins=["https://good.example", "same-origin"])
    async def members(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.send("welcome")

    @app.websocket("/flood")
    async def flood(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.receive()
        try:
            while True:
                await ws.send(CHUNK)
                stage.produced += 1
        except Disconnected:
            stage.note("disconnected")
            raise
