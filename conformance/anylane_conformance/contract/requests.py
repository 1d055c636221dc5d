"""Handlers for the parts of requests and responses."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from anylane import App, Context, HTTPError

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage

variable: ContextVar[str] = ContextVar("variable", default="unset")
"""Set by an exchange, and never seen by another one."""


def build(app: App, stage: Stage) -> None:
    """Add the handlers that answer, that fail, and that read or write one part each."""
    _answers(app)
    _failures(app)
    _parts(app)


def _answers(app: App) -> None:
    @app.get("/")
    async def home(ctx: Context) -> dict[str, str]:
        return {"message": "Hello, World!"}

    @app.post("/json")
    async def echo(ctx: Context) -> Any:
        return await ctx.request.json()

    @app.post("/length")
    async def length(ctx: Context) -> dict[str, int]:
        total = 0
        async for chunk in ctx.request.stream():
            total += len(chunk)
        return {"length": total}

    @app.post("/form-size")
    async def form_size(ctx: Context) -> dict[str, int]:
        fields = await ctx.request.form()
        return {"fields": len(fields), "length": sum(len(str(each)) for _, each in fields.items())}

    @app.get("/users/{id:int}")
    async def user(ctx: Context) -> dict[str, int]:
        return {"id": ctx.params["id"]}

    @app.get("/variable")
    async def variables(ctx: Context) -> str:
        before = variable.get()
        variable.set("set by an earlier exchange")
        await ctx.sleep(0)
        return before


def _failures(app: App) -> None:
    @app.get("/boom")
    async def boom(ctx: Context) -> None:
        raise ValueError("a handler of the conformance suite that fails")

    @app.get("/exit")
    async def leave(ctx: Context) -> None:
        raise SystemExit(3)

    @app.get("/def-exit")
    def def_exit(ctx: Context) -> None:
        raise SystemExit(3)

    @app.get("/call-from-async")
    async def call_from_async(ctx: Context) -> None:
        ctx.call(ctx.sleep, 0.01)

    @app.get("/teapot")
    async def teapot(ctx: Context) -> None:
        raise HTTPError(418, "short and stout")


def _parts(app: App) -> None:
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


def proxied(app: App, stage: Stage) -> None:
    """Add, for cases about proxies, what tells where a request is from and for which host."""

    @app.get("/whose")
    async def whose(ctx: Context) -> list[Any]:
        request = ctx.request
        client, scheme = request.client, request.scheme
        if client == ctx.link.driver.connection.peer:
            client = "peer"
        if "own" in request.query and scheme == ("https" if request.tls else "http"):
            scheme = "own"  # because it differs from lane to lane
        return [client, scheme, request.host]

    @app.websocket("/whose")
    async def socket(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.send_json(await whose(ctx))


def named(app: App, stage: Stage) -> None:
    """Add what tells whom a header of the PROXY protocol names."""

    @app.get("/named")
    async def told(ctx: Context) -> dict[str, Any]:
        request, proxy = ctx.request, ctx.request.proxy
        assert proxy is not None
        client, server = request.client, request.server
        if client == proxy.address:
            client = server = "its own"  # because they differ from lane to lane
        return {"client": client, "server": server, "proxied": proxy.version}

    @app.get("/attributes")
    async def attributes(ctx: Context) -> dict[str, Any]:
        proxy = ctx.request.proxy
        assert proxy is not None
        found = asdict(proxy)
        del found["address"], found["version"]
        if proxy.unique_id is not None:
            found["unique_id"] = proxy.unique_id.hex()
        return {"scheme": ctx.request.scheme, **found}

    @app.websocket("/named")
    async def socket(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.send_json(await told(ctx))


def patient(app: App, stage: Stage) -> None:
    """Add, for cases about what a lane does by itself, handlers that wait until the room is told
    something, that leave a body unread, and that block."""

    @app.get("/until-told")
    async def until_told(ctx: Context) -> str:
        with stage.room.subscribe() as subscription:
            stage.note("waiting")
            return await anext(subscription)

    @app.post("/left-unread")
    async def unread(ctx: Context) -> str:
        return await until_told(ctx)

    @app.get("/blocks")
    def blocks(ctx: Context) -> str:
        stage.produced += 1
        stage.blocker.wait(20)
        return "unblocked"


def pieces(app: App, stage: Stage) -> None:
    """Add what tells how large the largest piece of its body was."""

    @app.post("/largest-piece")
    async def largest_piece(ctx: Context) -> str:
        return str(max([len(piece) async for piece in ctx.request.stream()]))
