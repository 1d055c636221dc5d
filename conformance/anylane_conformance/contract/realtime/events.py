"""Handlers that stream events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anylane import App, Context, Disconnected
from anylane_conformance.contract import event_loops

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage


LARGE = 1024 * 1024
"""Characters of a large event."""


def build(app: App, stage: Stage) -> None:
    """Add everything below /events."""
    _fields(app)
    _waiting(app, stage)
    _log(app, stage)
    _volume(app, stage)


def _fields(app: App) -> None:
    @app.get("/events/fields")
    async def fields(ctx: Context) -> None:
        async with ctx.event_stream(retry=2500) as events:
            await events.send("text")
            await events.send("one\ntwo\rthree\r\nfour\n", event="lines")
            await events.send({"n": 1, "s": "ü\n"}, event="json", id="a-1")
            await events.send("", id="")
            await events.send(" leading space: \u2028\x85\0", retry=3000)
            await events.comment("a comment\nof two lines")
            await events.send(None)

    @app.get("/events/def")
    def of_def(ctx: Context) -> None:
        with ctx.event_stream() as events:
            for number in range(3):
                ctx.call(events.send, number, "n", str(number))
                ctx.call(ctx.sleep, 0.01)

    @app.get("/events/injection")
    async def injection(ctx: Context) -> None:
        async with ctx.event_stream() as events:
            for field in ("event", "id"):
                for text in ("a\nb", "a\rb", "a\0b"):
                    await _refused(events.send, field, text, ctx)

    async def _refused(send: Any, field: str, text: str, ctx: Context) -> None:
        try:
            await send("never sent", **{field: text})
        except Exception as exc:  # noqa: BLE001  # the client sees its name
            await send(type(exc).__name__)

    @app.get("/events/status")
    async def status(ctx: Context) -> None:
        ctx.response.set_status(404)
        async with ctx.event_stream():
            pass

    @app.get("/events/fails")
    async def fails(ctx: Context) -> None:
        async with ctx.event_stream() as events:
            await events.send("first")
            raise ValueError("fails in the middle of an event stream")

    @app.get("/events/last-id")
    async def last_id(ctx: Context) -> None:
        async with ctx.event_stream() as events:
            await events.send(ctx.last_event_id)


def _waiting(app: App, stage: Stage) -> None:
    async def until_told(ctx: Context, wait: event_loops.Func, kind: str) -> None:
        try:
            async with ctx.event_stream(heartbeat=_heartbeat(ctx)) as events:
                await events.send(kind)
                try:
                    await wait()
                except Disconnected:
                    stage.note(f"{kind}: disconnected")
                    raise
        finally:
            stage.note(f"{kind}: finally")

    @app.get("/events/wait/{kind}")
    async def wait(ctx: Context) -> None:
        async def item() -> None:
            with stage.room.subscribe() as subscription:
                await anext(subscription)

        async def sleep() -> None:
            await ctx.sleep(3600)

        async def foreign() -> None:
            await event_loops.needed().gate().wait()

        kinds: dict[str, event_loops.Func] = {"sleep": sleep, "item": item, "foreign": foreign}
        kind = ctx.params["kind"]
        await until_told(ctx, kinds[kind], kind)

    @app.get("/events/clean")
    async def clean(ctx: Context) -> None:
        async with ctx.event_stream() as events:
            await events.send("first")
            try:
                await ctx.sleep(3600)
            finally:
                gate = stage.gates["native"] = event_loops.needed().gate()
                stage.note("cleaning")
                await gate.wait()
                stage.note("cleaned")

    @app.get("/events/block")
    async def block(ctx: Context) -> None:
        async with ctx.event_stream(heartbeat=_heartbeat(ctx)) as events:
            await events.send("blocked")
            await ctx.run_sync(stage.blocker.wait, 20)
            await events.send("unblocked")

    @app.get("/events/ticks/{n:int}")
    async def ticks(ctx: Context) -> None:
        async with ctx.event_stream(heartbeat=_heartbeat(ctx)) as events:
            for number in range(ctx.params["n"]):
                await events.send(number)
                await ctx.sleep(float(ctx.request.query.get("every") or "0"))

    @app.get("/events/room")
    async def room(ctx: Context) -> None:
        with stage.room.subscribe() as subscription:
            async with ctx.event_stream() as events:
                await events.comment("listening")
                async for item in subscription:
                    await events.send(item)


def _log(app: App, stage: Stage) -> None:
    @app.get("/events/log")
    async def follow(ctx: Context) -> None:
        async with ctx.event_stream() as events:
            await events.follow(stage.log)

    @app.get("/events/def-log")
    def follow_def(ctx: Context) -> None:
        try:
            with ctx.event_stream() as events:
                ctx.call(events.follow, stage.log)
        finally:
            stage.note("def-log: finally")


def _heartbeat(ctx: Context) -> float | None:
    text = ctx.request.query.get("heartbeat")
    return None if text is None else float(text)


def _volume(app: App, stage: Stage) -> None:
    @app.get("/events/large/{n:int}")
    async def large(ctx: Context) -> None:
        async with ctx.event_stream(heartbeat=_heartbeat(ctx)) as events:
            try:
                for number in range(ctx.params["n"]):
                    await events.send(f"{number} " + "x" * LARGE)
                    stage.produced += LARGE
            except Disconnected:
                stage.note("large: disconnected")
                raise

    @app.get("/events/cancelled")
    async def cancelled(ctx: Context) -> None:
        async with ctx.event_stream() as events:
            sent = 0

            async def flood() -> None:
                nonlocal sent
                stage.note("sending")
                while True:
                    await events.send("y" * LARGE)
                    sent += 1

            await event_loops.cancellable(ctx, flood, stage.cancels)
            await events.send(f"cancelled after {sent}")
