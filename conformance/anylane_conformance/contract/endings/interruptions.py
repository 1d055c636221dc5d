"""Handlers that are interrupted: by a deadline, by the end of a drain, by a client that left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from anylane import App, Cancelled, Context, Disconnected
from anylane_conformance.contract import event_loops

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage

CANCELLED_AGAIN = "cancelled again"
"""What is noted where the loop cancels each foreign await of an interrupted handler."""


def build(app: App, stage: Stage) -> None:
    """Add the handlers that are interrupted, below /interrupted and /left."""
    _that_swallow(app, stage)
    _that_clean_up(app, stage)
    _blocking(app, stage)
    _native(app, stage)
    _shielded(app, stage)
    _left(app, stage)


def kind(exc: BaseException) -> str:
    """Return what a handler was told: "gone", "exception" or "interrupted"."""
    if isinstance(exc, Disconnected):
        return "gone"
    return "exception" if isinstance(exc, Exception) else "interrupted"


def _that_swallow(app: App, stage: Stage) -> None:
    @app.get("/interrupted/order")
    async def order(ctx: Context) -> str:
        stage.note("begun")
        try:
            await ctx.sleep(60)
        except Exception:  # noqa: BLE001, S110  # what people write
            pass
        stage.note("shipped")
        return "shipped"

    @app.get("/interrupted/again")
    async def again(ctx: Context) -> str:
        """Swallow it, and use ctx again and again."""
        told: list[str] = []
        uses = (
            lambda: ctx.sleep(60),
            lambda: ctx.sleep(0),
            ctx.request.body,
            ctx.send,
            lambda: anext(aiter(ctx.select(stage.room.subscribe()))),
            lambda: anext(stage.room.subscribe()),
            lambda: _enter(ctx.stream()),
            lambda: _enter(ctx.event_stream()),
            lambda: ctx.early_hints([]),
        )
        for use in uses:
            try:
                await use()
            except BaseException as exc:  # noqa: BLE001  # wrong on purpose
                told.append(kind(exc))
        try:
            ctx.check()
        except BaseException as exc:  # noqa: BLE001
            told.append(kind(exc))
        stage.note(f"{ctx.interrupted} {len(told)} {' '.join(sorted(set(told)))}")
        return "too late"

    @app.get("/interrupted/between")
    async def between(ctx: Context) -> str:
        """Be busy while it comes, so that it is the next use of ctx that raises it."""
        await ctx.sleep(0)
        for _ in range(20):
            if ctx.interrupted is None:
                time.sleep(0.02)  # noqa: ASYNC251  # being busy is the point
        try:
            await ctx.sleep(60)
        except Exception:  # noqa: BLE001, S110
            pass
        stage.note("shipped")
        return "shipped"

    @app.get("/interrupted/timeout")
    async def in_timeout(ctx: Context) -> str:
        """Have a time-out of its own come at the same moment, or never."""
        try:
            async with ctx.timeout(60 if "late" in ctx.request.query else 0.2):
                await ctx.sleep(60)
        except Exception:  # noqa: BLE001
            # Its own time-out may have been the first; then the next use of ctx tells.
            try:
                await ctx.sleep(60)
            except Exception:  # noqa: BLE001
                stage.note("shipped")
        return "shipped"


async def _enter(block: Any) -> None:
    async with block:
        pass


def _that_clean_up(app: App, stage: Stage) -> None:
    def save() -> str:
        time.sleep(0.01)
        return "saved"

    @app.get("/interrupted/finally")
    async def cleaning(ctx: Context) -> None:
        stage.note("begun")
        try:
            await ctx.sleep(60)
        finally:
            saved = [await ctx.run_sync(save) for _ in range(3)]
            ctx.background(stage.note, "behind it")
            stage.note(f"{ctx.interrupted} {' '.join(saved)}")

    @app.websocket("/interrupted/ws")
    async def of_websocket(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.send("begun")
        try:
            await ctx.sleep(60)
        finally:
            await ws.close(4000, "interrupted")
            stage.note(f"{ctx.interrupted} closed")

    @app.websocket("/interrupted/ws-receive")
    async def receiving(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.send("begun")
        told: list[str] = []
        try:
            await ctx.sleep(60)
        except BaseException as exc:  # noqa: BLE001
            told.append(kind(exc))
        for use in (ws.receive, lambda: ws.send("x"), ws.ping, lambda: anext(aiter(ws))):
            try:
                await use()
            except BaseException as exc:  # noqa: BLE001
                told.append(kind(exc))
        stage.note(f"{ctx.interrupted} {' '.join(told)}")


def _blocking(app: App, stage: Stage) -> None:
    @app.get("/interrupted/def")
    def of_def(ctx: Context) -> str:
        stage.note("begun")
        try:
            ctx.call(ctx.sleep, 60)
        except Exception:  # noqa: BLE001, S110
            pass
        except Cancelled:
            told = ["Cancelled"]
            for use in (ctx.check, lambda: ctx.call(ctx.sleep, 1)):
                try:
                    use()
                except Cancelled:
                    told.append("Cancelled")
            saved = ctx.call(ctx.run_sync, lambda: "saved")
            stage.note(f"{ctx.interrupted} {' '.join(told)} {saved}")
            raise
        stage.note("shipped")
        return "shipped"


def _native(app: App, stage: Stage) -> None:
    native = event_loops.needed

    @app.get("/interrupted/foreign")
    async def foreign(ctx: Context) -> None:
        """Be interrupted in a foreign await, and clean up."""
        try:
            await native().gate().wait()
        except BaseException as exc:
            stage.note(f"{ctx.interrupted} {kind(exc)} {await ctx.run_sync(lambda: 'saved')}")
            raise

    @app.get("/interrupted/foreign-finally")
    async def foreign_finally(ctx: Context) -> None:
        """Be interrupted, and clean up with a foreign await."""
        library = native()
        try:
            await ctx.sleep(60)
        finally:
            try:
                await library.sleep(0.01)
                stage.note("cleaned up")
            except BaseException:
                stage.note(CANCELLED_AGAIN)
                raise

    @app.get("/interrupted/native")
    async def loops_own(ctx: Context) -> None:
        """Note whether what is raised, and raised again, is the loop's own cancellation."""
        cancelled, told = native().cancelled(), []
        uses = (
            lambda: ctx.sleep(60),
            lambda: ctx.sleep(60),
            ctx.request.body,
            ctx.send,
            lambda: _enter(ctx.stream()),
            lambda: anext(stage.room.subscribe()),
            lambda: anext(ctx.select(stage.room.subscribe())),
        )
        for use in uses:
            try:
                await use()
            except BaseException as exc:  # noqa: BLE001  # wrong on purpose
                told.append(isinstance(exc, cancelled))
        stage.note(f"{len(told)} {all(told)}")

    @app.get("/interrupted/slow-finally")
    async def slow_finally(ctx: Context) -> None:
        """Be interrupted, and clean up with a function that blocks for too long."""
        native()
        try:
            await ctx.sleep(60)
        finally:
            try:
                await ctx.run_sync(stage.blocker.wait, 10)
            except BaseException as exc:
                stage.note(f"cleaned up too long: {kind(exc)}")
                raise

    @app.get("/interrupted/foreign-timeout")
    async def foreign_timeout(ctx: Context) -> str:
        """Be interrupted inside of a time-out of the library, which does not come."""
        try:
            async with native().timeout(60):
                await ctx.sleep(60)
        except Exception:  # noqa: BLE001
            stage.note("shipped")
        return "shipped"

    @app.get("/interrupted/foreign-group")
    async def foreign_group(ctx: Context) -> str:
        """Have tasks of the library's group hear of it."""
        try:
            await native().group(lambda: ctx.sleep(60), lambda: ctx.sleep(60), native().gate().wait)
        except Exception:  # noqa: BLE001
            stage.note("shipped")
        return "shipped"


def _shielded(app: App, stage: Stage) -> None:
    """Add handlers that are interrupted in a shielded block, and after it."""

    def saw(ctx: Context, what: str) -> None:
        stage.note(f"{what}, {ctx.interrupted}")

    @app.get("/shielded/work")
    async def work(ctx: Context) -> None:
        library: Any = event_loops.scopes()
        with library.CancelScope(shield=True):
            while ctx.interrupted is None:
                await library.sleep(0.01)
            await library.sleep(0.01)
            saw(ctx, "saved")
        await library.sleep(60)

    @app.get("/shielded/group")
    async def group(ctx: Context) -> None:
        library: Any = event_loops.scopes()
        ended: list[str] = []

        async def child(name: str) -> None:
            while ctx.interrupted is None:
                await library.sleep(0.01)
            ended.append(name)

        with library.CancelScope(shield=True):
            async with event_loops.group_of(library) as group:
                group.start_soon(child, "one")
                group.start_soon(child, "two")
            saw(ctx, " ".join(sorted(ended)))
        await ctx.sleep(60)

    @app.get("/shielded/timeout")
    async def timeout(ctx: Context) -> None:
        library: Any = event_loops.scopes()
        with library.move_on_after(0.3, shield=True) as scope:
            await library.sleep(60)
        saw(ctx, f"timed out: {scope.cancelled_caught}")
        await library.sleep(60)


def _left(app: App, stage: Stage) -> None:
    @app.get("/left/http", cancel_on_disconnect=True)
    async def of_http(ctx: Context) -> None:
        stage.note("waiting")
        try:
            await event_loops.needed().gate().wait()
        except BaseException as exc:
            stage.note(f"{ctx.interrupted} {kind(exc)}")
            raise

    for name, option in (("default", None), ("at-once", True), ("never", False)):

        @app.websocket(f"/left/{name}", cancel_on_disconnect=option)
        async def foreign(ctx: Context) -> None:
            """Wait in a foreign await for what never comes, or for what the case opens."""
            gate = stage.gates["left"] = event_loops.needed().gate()
            ws = await ctx.accept()
            await ws.send("waiting")
            try:
                await gate.wait()
            except BaseException as exc:
                stage.note(f"{ctx.interrupted} {kind(exc)}")
                raise
            stage.note(f"{ctx.interrupted} opened")

    @app.get("/left/open")
    async def open_gate(ctx: Context) -> str:
        await stage.gates["left"].open()
        return "open"

    @app.websocket("/left/saves")
    async def saves(ctx: Context) -> None:
        """Save each message in a foreign await, if there is a loop; it takes some of the grace."""
        native = event_loops.current()
        ws = await ctx.accept()
        await ws.send("waiting")
        saved: list[str] = []
        try:
            async for message in ws:
                if native is None:
                    await ctx.run_sync(time.sleep, 0.15)
                else:
                    await native.sleep(0.15)
                saved.append(str(message))
        finally:
            stage.note(f"saved {' '.join(saved)}, {ctx.interrupted}")
