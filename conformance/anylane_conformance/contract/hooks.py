"""Handlers with hooks around them: of routes, errors, connections and the server's life."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from anylane import STOP, App, Context, HTTPError, Response, Router, Worker
from anylane_conformance.contract import event_loops

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage

connected: ContextVar[str] = ContextVar("connected", default="unset")
"""Set by `on_connect`, and read by the exchanges of that connection."""

started: ContextVar[str] = ContextVar("started", default="unset")
"""Set by the lifespan, and read by every exchange."""


class RefusedDrinkError(Exception):
    """Raised by a handler, and answered by an exception handler."""


def build(app: App, stage: Stage) -> None:
    """Add what has hooks of its own, below /hooked, and the handlers of errors."""
    router = Router("/hooked")
    _hooks(router)
    _handlers(router)
    app.include(router)
    _failures(app)


def _hooks(router: Router) -> None:
    def add(ctx: Context, name: str) -> None:
        ctx.state.order = [*getattr(ctx.state, "order", ()), name]

    @router.middleware(order=-1)
    async def around(ctx: Context, call_next: Any) -> None:
        add(ctx, "in")
        await ctx.sleep(0)
        await call_next()
        add(ctx, "out")

    @router.request_middleware
    async def before(ctx: Context) -> Any:
        add(ctx, "request")
        await ctx.sleep(0)
        if "stop" in ctx.request.query:
            ctx.response.set_text("stopped")
            return STOP
        return None

    @router.response_middleware
    def after(ctx: Context) -> None:
        add(ctx, f"response:{type(ctx.error).__name__}")
        ctx.response.set_header("x-order", " ".join(ctx.state.order))


def _handlers(router: Router) -> None:
    @router.get("/async/{id:int}")
    async def of_async(ctx: Context) -> str:
        ctx.state.order.append("handler")
        return str(ctx.params["id"])

    @router.get("/def/{id:int}")
    def of_def(ctx: Context) -> str:
        ctx.state.order.append("handler")
        return str(ctx.params["id"])

    @router.get("/fail")
    async def fail(ctx: Context) -> None:
        raise RefusedDrinkError("coffee")

    @router.get("/sent")
    async def sent(ctx: Context) -> None:
        ctx.response.set_text("sent")
        await ctx.send()

    @router.get("/items")
    async def items(ctx: Context) -> Any:
        async def numbers() -> AsyncGenerator[str]:
            for number in range(3):
                await ctx.sleep(0)
                yield str(number)

        return numbers()

    @router.websocket("/ws")
    async def socket(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.send(" ".join(ctx.state.order))


def _failures(app: App) -> None:
    @app.exception_handler(RefusedDrinkError)
    async def dealt_with(ctx: Context, exc: Exception) -> Response:
        await ctx.sleep(0)
        return Response(f"dealt with {exc}", 418)

    @app.request_error
    def malformed(ctx: Context, error: Any) -> None:
        ctx.response.set_header("x-refused", f"{error.status} {error.reason}")

    @app.get("/tuple")
    async def of_a_tuple(ctx: Context) -> Any:
        return 200, "no"

    @app.get("/sent-and-returned")
    async def sent_and_returned(ctx: Context) -> str:
        ctx.response.set_text("sent")
        await ctx.send()
        return "too late"


def threefold(app: App, stage: Stage) -> None:
    """Add, for a case of its own, three of each kind of hook, registered in another order than
    they run in, of the app and of a router."""
    router = Router("/three")
    for owner, name, order in ((router, "c", 2), (app, "a", -1), (app, "b1", 1), (router, "b2", 1)):
        _one_of_each(owner, name, order)

    @router.get("/{kind}")
    async def of_three(ctx: Context) -> Any:
        ctx.state.order.append("handler")
        if ctx.params["kind"] == "stream":
            return iter(("streamed",))
        return "whole"

    app.include(router)


def _one_of_each(owner: App | Router, name: str, order: int) -> None:
    @owner.middleware(order=order)
    async def around(ctx: Context, call_next: Any) -> None:
        ctx.state.order = [*getattr(ctx.state, "order", ()), f"in-{name}"]
        await call_next()
        ctx.state.order.append(f"out-{name}")

    @owner.request_middleware(order=order)
    async def before(ctx: Context) -> None:
        ctx.state.order.append(f"request-{name}")

    @owner.response_middleware(order=order)
    def after(ctx: Context) -> None:
        ctx.state.order.append(f"response-{name}")
        ctx.response.set_header("x-order", " ".join(ctx.state.order))


def connections(app: App, stage: Stage) -> None:
    """Add, for a case of its own, hooks of every connection. The third connection is refused."""

    @app.on_connect
    async def hello(ctx: Context) -> None:
        await ctx.sleep(0.01)
        connected.set("by on_connect")
        stage.guests.append(ctx.request.client)
        if len(stage.guests) == 3:
            raise HTTPError(403, "the house is full")

    @app.on_connect
    def hello_again(ctx: Context) -> None:
        connected.set(f"{connected.get()}, twice")

    @app.on_disconnect
    async def goodbye(ctx: Context) -> None:
        await ctx.sleep(0.01)
        stage.note(f"disconnected: {connected.get()}")

    @app.get("/connected")
    async def read(ctx: Context) -> str:
        seen = connected.get()
        connected.set("by an exchange")
        await ctx.sleep(0)
        return seen


def lifespan(app: App, stage: Stage) -> None:
    """Add, for a case of its own, what is around the life of the server."""

    @app.lifespan
    async def nursery() -> AsyncGenerator[None]:
        """Keep the loop's own group of tasks open while the server runs."""
        native = event_loops.current()
        started.set("by the lifespan")
        stage.life.append("enter")
        if native is None:
            yield
        else:
            async with native.tasks() as spawn:

                async def work() -> None:
                    stage.life.append("task")

                await spawn(work)
                yield
        stage.life.append("leave")

    app.on_startup(lambda: stage.life.append("startup"))
    app.on_shutdown(lambda: stage.life.append("shutdown"))

    @app.on_worker_start
    async def begin(worker: Worker) -> None:
        stage.life.append(f"worker {worker.number} of {worker.workers}")

    @app.get("/started")
    async def read(ctx: Context) -> str:
        return started.get()
