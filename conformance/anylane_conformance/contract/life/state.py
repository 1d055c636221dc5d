"""What looks at the state of a server from every kind of function."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING

from anylane import App, Context, UsageError

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage


def of_state(app: App, stage: Stage) -> None:
    """Add what looks at the state of the server in every kind of function."""

    @app.lifespan
    async def fill() -> AsyncGenerator[None]:
        app.state.visits = ["lifespan"]
        yield
        stage.note(f"left with {app.state.visits[0]}")

    @app.on_startup
    def start() -> None:
        app.state.visits.append("startup")

    @app.on_connect
    async def connect(ctx: Context) -> None:
        app.state.connected = f"connected {ctx.app.state is app.state}"

    @app.on_disconnect
    async def disconnect(_ctx: Context) -> None:
        stage.note(f"disconnect {app.state.visits[0]}")

    @app.middleware
    async def around(_ctx: Context, call_next: object) -> None:
        app.state.around = True
        await call_next()  # type: ignore[operator]

    @app.response_middleware
    async def respond(ctx: Context) -> None:
        ctx.response.set_header("x-around", str(app.state.around))

    @app.get("/state/async")
    async def of_async(ctx: Context) -> str:
        return ", ".join([*ctx.app.state.visits, ctx.app.state.connected])

    @app.get("/state/def")
    def of_def(ctx: Context) -> str:
        ctx.call(ctx.sleep, 0)
        return ", ".join(app.state.visits)

    @app.get("/state/items")
    def of_items(_ctx: Context) -> Generator[str]:
        for each in app.state.visits:
            yield f"{each} {app.state.visits[0]}\n"

    @app.get("/state/run-sync")
    async def of_run_sync(ctx: Context) -> str:
        found: str = await ctx.run_sync(lambda: app.state.visits[0])
        return found

    def later() -> None:
        stage.note(f"background {app.state.visits[0]}")

    @app.get("/state/background")
    async def of_background(ctx: Context) -> str:
        ctx.background(later)
        return "answered"

    @app.websocket("/state/ws")
    async def of_websocket(ctx: Context) -> None:
        ws = await ctx.accept()
        async for message in ws:
            await ws.send(f"{message!r} {app.state.visits[0]}")

    @app.get("/state/missing")
    async def of_missing(ctx: Context) -> str:
        try:
            return str(ctx.app.state.database)
        except AttributeError as exc:
            return str(exc)

    @app.get("/state/other")
    async def of_another_app(_ctx: Context) -> str:
        try:
            return str(App().state)
        except UsageError as exc:
            return str(exc)
