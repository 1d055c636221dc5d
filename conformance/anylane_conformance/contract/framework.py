"""The contract's handlers for the framework chapter: hooks, connections, background, requests."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from anylane import STOP, App, Context, HTTPError, Response, Router
from anylane_conformance.contract import event_loops

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage


connected: ContextVar[str] = ContextVar("connected", default="unset")


started: ContextVar[str] = ContextVar("started", default="unset")


class RefusedDrinkError(Exception):
    """For an exception handler."""


def build(app: App, stage: Stage) -> None:
    """Everything below /hooked has hooks of its own."""
    router = Router("/hooked")
    _hooks(router)
    _handlers(router)
    app.include(router)
    _failures(app)
    _background(app, stage)
    _requests(app)


def _hooks(router: Router) -> None:
    def add(ctx: Context, name: str) -> None:
        ctx.state.order = [*getattr(ctx.state, "order", ()), name]

    @router.middleware(order=-1)
    async def around(ctx: Context, call_next: Any) -> None:
        add(ctx, "in")
        await ctx.sleep(0)
        await call_next()
        if not ctx.response.sent:
            ctx.response.set_header("x-order", " ".join([*ctx.state.order, "out"]))

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


def connections(app: App, stage: Stage) -> None:
    """For a case of its own: hooks of every connection. The third one is turned away."""

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


def proxied(app: App, stage: Stage) -> None:
    """For cases of their own: whom a request is for."""

    @app.get("/whose")
    async def whose(ctx: Context) -> list[Any]:
        request = ctx.request
        client, scheme = request.client, request.scheme
        if client == ctx.link.driver.connection.peer:
            client = "peer"
        if "own" in request.query and scheme == ("https" if request.tls else "http"):
            scheme = "own"  # Which differs from lane to lane.
        return [client, scheme, request.host]

    @app.websocket("/whose")
    async def socket(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.send_json(await whose(ctx))


def lifespan(app: App, stage: Stage) -> None:
    """For a case of its own."""

    @app.lifespan
    async def nursery() -> AsyncGenerator[None]:
        """The loop's own group of tasks stays open while the server runs."""
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

    @app.get("/started")
    async def read(ctx: Context) -> str:
        return started.get()


def _background(app: App, stage: Stage) -> None:
    async def wait(ctx: Context, seconds: float) -> None:
        await ctx.sleep(seconds)
        stage.note("background async")

    def block(ctx: Context) -> None:
        if not stage.blocker.wait(20):
            raise TimeoutError("nobody unblocked the background")
        stage.note("background def")

    def fail() -> None:
        raise ValueError("in the background")

    @app.get("/background/async")
    async def of_async(ctx: Context) -> str:
        ctx.background(wait, ctx, 0.01)
        return "answered"

    @app.get("/background/def")
    def of_def(ctx: Context) -> str:
        ctx.background(block, ctx)
        return "answered"

    @app.get("/background/fail")
    async def of_failure(ctx: Context) -> str:
        ctx.background(fail)
        ctx.background(wait, ctx, 0)
        return "answered"

    @app.get("/background/large")
    async def after_large(ctx: Context) -> bytes:
        ctx.background(wait, ctx, 0)
        return b"l" * 5_000_000


def _requests(app: App) -> None:
    @app.post("/trailers")
    async def trailers(ctx: Context) -> dict[str, Any]:
        await ctx.request.body()
        return dict(ctx.request.trailers.items())

    @app.get("/cookies")
    async def cookies(ctx: Context) -> dict[str, str]:
        ctx.response.set_cookie("seen", "yes", max_age=60, secure=True, httponly=True)
        return ctx.request.cookies

    @app.get("/hints")
    async def hints(ctx: Context) -> str:
        await ctx.early_hints(["</style.css>; rel=preload; as=style"])
        await ctx.sleep(0)
        return "page"

    @app.get("/with-trailer")
    async def with_trailer(ctx: Context) -> None:
        async with ctx.stream() as out:
            await out.write("body")
            ctx.response.set_trailer("x-digest", "abc")

    @app.get("/early")
    async def early(ctx: Context) -> None:
        ctx.response.set_text("early")
        await ctx.send()
        await ctx.sleep(0.05)

    @app.get("/raw")
    async def raw(ctx: Context) -> None:
        stream = await ctx.take_over()
        size = 0
        async for data in stream:
            size += len(data)
            await stream.write(data)
        await stream.write(b" %d bytes" % size)

    @app.post("/form")
    async def form(ctx: Context) -> list[Any]:
        found = await ctx.request.form()
        return [
            [name, value if isinstance(value, str) else [value.filename, value.size]]
            for name, value in found.items()
        ]
