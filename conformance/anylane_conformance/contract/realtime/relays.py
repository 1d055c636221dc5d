"""Handlers that relay what rooms are sent to their clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anylane import App, Context, Disconnected, Lagged

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage


def build(app: App, stage: Stage) -> None:
    """Add everything below /relay."""
    _websockets(app, stage)
    _lagging(app, stage)
    _events(app, stage)


def shouted(item: str) -> bytes | dict[str, str]:
    """Return the form of an item for some: bytes, or what has a form as JSON. "bad" has none."""
    if item == "bad":
        raise ValueError("an item without a form")
    return item.upper().encode() if item.islower() else {"item": item}


def _websockets(app: App, stage: Stage) -> None:
    @app.websocket("/relay")
    async def relay(ctx: Context) -> None:
        """Talk to the room, and to the client alone behind it, until it says "leave"."""
        ws = await ctx.accept()
        async with ws.relay(stage.room):
            await ws.send("ready")
            async for text in ws:
                if text == "leave":
                    stage.room.send("last")
                    break
                for number in range(3):
                    stage.room.send(f"{text!s} {number}")
                await ws.send(f"own {text!s}")
        await ws.send("left")
        await ws.receive()
        await ws.send(f"receivers {stage.room.receivers}")

    @app.websocket("/relay/listen")
    async def listen(ctx: Context) -> None:
        with stage.room.subscribe() as subscribed:
            ws = await ctx.accept()
            try:
                await ws.relay(subscribed)
                stage.note(f"over {ws.close_code}")
            except Disconnected as exc:
                stage.note(f"gone {exc.code}")

    @app.websocket("/relay/two")
    async def two(ctx: Context) -> None:
        ws = await ctx.accept()
        async with ws.relay(stage.room), ws.relay(stage.notes, shouted):
            await ws.send("ready")
            await ctx.sleep(3600)

    @app.websocket("/relay/shouted")
    async def loud(ctx: Context) -> None:
        ws = await ctx.accept()
        async with ws.relay(stage.room, shouted):
            await ws.send("ready")
            async for text in ws:
                await ws.send(text)

    @app.websocket("/relay/subscription")
    async def subscription(ctx: Context) -> None:
        """Subscribe at once, and relay from when the client has said something."""
        with stage.room.subscribe() as subscribed:
            ws = await ctx.accept()
            name = str(await ws.receive())
            await ws.send(f"welcome {name}")
            async with ws.relay(subscribed):
                async for _ in ws:
                    subscribed.close()
                    await ws.send("closed")


def _lagging(app: App, stage: Stage) -> None:
    @app.websocket("/relay/strict/{times:int}")
    async def strict(ctx: Context) -> None:
        """Send each item so often."""
        times = ctx.params["times"]
        ws = await ctx.accept()
        relay = ws.relay(stage.strict, None if times == 1 else lambda item: item * times)
        try:
            async with relay:
                await ws.send("ready")
                async for _ in ws:
                    pass
        finally:
            stage.note(f"ended, lagged {relay.lagged}")

    @app.websocket("/relay/severe/{times:int}")
    async def severe(ctx: Context) -> None:
        times = ctx.params["times"]
        ws = await ctx.accept()
        try:
            async with ws.relay(stage.severe, lambda item: item * times):
                await ws.send("ready")
                async for _ in ws:
                    pass
        except Lagged as exc:
            stage.note(f"lagged {exc.count}")

    @app.websocket("/relay/lenient/{times:int}")
    async def lenient(ctx: Context) -> None:
        times = ctx.params["times"]
        ws = await ctx.accept()
        async with ws.relay(stage.lenient, lambda item: item * times) as relay:
            await ws.send("ready")
            async for _ in ws:
                await ws.send(f"lagged {relay.lagged}")


def _events(app: App, stage: Stage) -> None:
    @app.get("/relay/events")
    async def events(ctx: Context) -> None:
        try:
            with stage.room.subscribe() as subscribed:
                async with ctx.event_stream(heartbeat=5) as stream:
                    await stream.comment("listening")
                    await stream.relay(subscribed, event="said")
        finally:
            stage.note("events: finally")

    @app.get("/relay/events/block")
    async def block(ctx: Context) -> None:
        with stage.notes.subscribe() as notes:
            async with ctx.event_stream() as stream, stream.relay(stage.room, len):
                await stream.comment("listening")
                async for note in notes:
                    if note == "end":
                        break
                    stage.room.send(note * 2)
                    await stream.send(note)

    @app.get("/relay/events/log")
    async def log(ctx: Context) -> None:
        with stage.log.subscribe(ctx, history=2) as reader:
            async with ctx.event_stream() as stream:
                await stream.relay(reader)

    @app.get("/relay/events/def")
    def of_def(ctx: Context) -> None:
        with stage.room.subscribe() as subscribed, ctx.event_stream() as stream:

            async def relay() -> None:
                await stream.comment("listening")
                await stream.relay(subscribed)

            ctx.call(relay)

    @app.get("/relay/events/strict/{times:int}")
    async def strict(ctx: Context) -> None:
        times = ctx.params["times"]
        with stage.strict.subscribe() as subscribed:
            try:
                async with ctx.event_stream() as stream:
                    await stream.comment("listening")
                    await stream.relay(subscribed, lambda item: item * times)
            finally:
                stage.note(f"events: lagged {subscribed.lagged}")
