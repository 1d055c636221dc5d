"""Handlers that sleep, set time-outs and are cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anylane import App, Context
from anylane_conformance.contract import event_loops
from anylane_conformance.contract.stage import BLOB, CHUNK

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage


def build(app: App, stage: Stage) -> None:
    """Add the handlers about time, and those that are cancelled."""
    _time(app)
    _cancellation(app, stage)


def _time(app: App) -> None:
    @app.get("/sleep")
    async def sleep(ctx: Context) -> str:
        await ctx.sleep(0.05)
        return "slept"

    @app.get("/clocks")
    async def clocks(ctx: Context) -> str:
        now, time = ctx.now(), ctx.time()
        await ctx.sleep(0.05)
        # Floats are rounded, and a wall clock comes in coarse steps. A busy machine takes longer.
        return f"{ctx.now() - now > 0.0499} {ctx.time() - time > 0.03}"

    @app.get("/timeout")
    async def timeout(ctx: Context) -> str:
        try:
            async with ctx.timeout(0.05):
                await ctx.sleep(60)
        except TimeoutError:
            return "timed out"
        return "slept"

    @app.websocket("/ws-odd-close/{how}")
    async def odd_close(ctx: Context) -> None:
        ws = await ctx.accept()
        code: Any = 4000.0 if ctx.params["how"] == "float" else 4000
        # JSON has lone surrogates: a client may have sent it.
        reason: Any = {"number": 5, "surrogate": "\ud800"}.get(ctx.params["how"], "")
        await ws.close(code, reason)

    @app.get("/left-open")
    async def left_open(ctx: Context) -> str:
        """Leave a time-out open, as a generator does that yields in one and is dropped."""
        await ctx.timeout(60).__aenter__()
        return "left"

    @app.get("/odd-time/{how}")
    async def odd_time(ctx: Context) -> str:
        """Use text or NaN for seconds: what a client wrote is often text, and JSON may have NaN."""
        how = ctx.params["how"]
        seconds: Any = "5" if how.endswith("text") else float("nan")
        if how.startswith("sleep"):
            await ctx.sleep(seconds)
        async with ctx.timeout(seconds):
            pass
        return "not reached"

    @app.get("/nested-timeouts")
    async def nested(ctx: Context) -> str:
        seen = []
        try:
            async with ctx.timeout(0.1):
                try:
                    async with ctx.timeout(60):
                        await ctx.sleep(60)
                except TimeoutError:
                    seen.append("inner")
        except TimeoutError:
            seen.append("outer")
        async with ctx.timeout(60):
            await ctx.sleep(0.01)
        return " ".join(seen)

    @app.websocket("/impatient")
    async def impatient(ctx: Context) -> None:
        ws = await ctx.accept()
        try:
            await ws.receive(timeout=0.05)
        except TimeoutError:
            await ws.send("nothing came")
        await ws.send(await ws.receive(timeout=60))

    @app.get("/forever")
    async def forever(ctx: Context) -> None:
        await ctx.sleep(3600)

    @app.get("/stubborn")
    async def stubborn(ctx: Context) -> str:
        try:
            await ctx.sleep(3600)
        except BaseException:  # noqa: BLE001, S110  # what a handler must not do
            pass
        return "too late"


def _cancellation(app: App, stage: Stage) -> None:
    async def cancellable(ctx: Context, func: event_loops.Func) -> bool:
        return await event_loops.cancellable(ctx, func, stage.cancels)

    @app.get("/cancel")
    async def cancel(ctx: Context) -> str:
        await stage.cancels.pop("latest")()
        return "cancelled"

    @app.websocket("/cancellable")
    async def conversation(ctx: Context) -> None:
        ws = await ctx.accept()

        async def exchange_messages() -> None:
            await ws.send(f"got {await ws.receive()!s}")
            with stage.room.subscribe() as subscription:
                await ws.send("listening")
                await ws.send(await anext(subscription))
            await ws.send("sleeping")
            await ctx.sleep(3600)

        was_cancelled = await cancellable(ctx, exchange_messages)
        await ws.send(f"cancelled: {was_cancelled}")

    @app.websocket("/cancel-close")
    async def cancel_close(ctx: Context) -> None:
        ws = await ctx.accept()
        was_cancelled = await cancellable(ctx, lambda: ws.close(4001, "bye"))
        stage.note(f"cancelled: {was_cancelled}")
        await ws.send("never sent: our close frame is out")

    @app.websocket("/large-message")
    async def large_message(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.receive()
        await ws.send(b"y" * BLOB)
        sent = 0

        async def flood() -> None:
            nonlocal sent
            while True:
                await ws.send(CHUNK)
                sent += 1

        # The client reads nothing, so this is cancelled while it waits for the client.
        was_cancelled = await cancellable(ctx, lambda: _noting(stage, "sending", flood))
        await ws.send(f"cancelled: {was_cancelled}, whole messages: {sent}")

    @app.get("/large-cancelled")
    async def large_cancelled(ctx: Context) -> None:
        async with ctx.stream() as out:
            await out.write(b"z" * BLOB)

            async def write() -> None:
                await out.write("never sent")

            was_cancelled = await cancellable(ctx, lambda: _noting(stage, "sending", write))
            await out.write(f"cancelled: {was_cancelled}")

    @app.websocket("/cancel-whole")
    async def cancel_whole(ctx: Context) -> None:
        ws = await ctx.accept()

        async def exchange_messages() -> None:
            await ws.send("waiting")
            await ws.receive()

        if await cancellable(ctx, exchange_messages):
            raise ValueError("the conversation was cancelled")


async def _noting(stage: Stage, text: str, func: event_loops.Func) -> None:
    stage.note(text)
    await func()
