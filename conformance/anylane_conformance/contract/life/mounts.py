"""An app with another one mounted in it, and a third in that."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING, Any

from anylane import App, Context, HTTPError

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage


class CoffeeError(Exception):
    """Dealt with by the outer app."""


class TeaError(Exception):
    """Dealt with by both apps."""


class Files:
    """A `Mountable` that tells what it is asked for."""

    methods: tuple[str, ...] = ("GET", "PUT")

    async def handle(self, ctx: Context, path: str) -> str:
        """Return the path."""
        assert path == ctx.params["path"]
        return f"{ctx.request.method} {path!r}"


def _watch(app: App, name: str, order: int) -> None:
    """Have the hooks of an app note that they ran, and which app they saw."""

    def mark(ctx: Context, what: str) -> None:
        ctx.state.order = [*getattr(ctx.state, "order", ()), f"{what}-{name}"]
        assert ctx.app is app, f"{what} of {name} finds another app"
        assert ctx.app.state.name == name

    @app.on_startup
    def start() -> None:
        app.state.name = name

    @app.middleware(order=order)
    async def around(ctx: Context, call_next: Any) -> None:
        mark(ctx, "in")
        await call_next()
        mark(ctx, "out")

    @app.request_middleware(order=order)
    async def request(ctx: Context) -> None:
        mark(ctx, "request")

    @app.response_middleware(order=order)
    def response(ctx: Context) -> None:
        mark(ctx, "response")
        ctx.response.set_header("x-order", " ".join(ctx.state.order))


def mounted(app: App, stage: Stage) -> None:
    """Mount an app at /inner, one more below that, and a Mountable at /files."""
    inner, inmost = App(errors="json", json_default=str), App()
    # The orders do not matter between two apps: each is inside of all hooks of the other.
    _watch(app, "outer", 10)
    _watch(inner, "inner", 0)
    _watch(inmost, "inmost", -10)

    @app.exception_handler(CoffeeError)
    async def coffee(ctx: Context, exc: CoffeeError) -> str:
        ctx.response.set_status(418)
        return f"{exc} for {ctx.app.state.name}"

    @app.exception_handler(TeaError)
    async def outer_tea(_ctx: Context, _exc: TeaError) -> str:
        return "by the outer app"

    @inner.exception_handler(TeaError)
    async def inner_tea(ctx: Context, _exc: TeaError) -> str:
        return f"by the {ctx.app.state.name} app"

    for each, name in ((inner, "inner"), (inmost, "inmost")):
        _add_routes(each, name, stage)
    inner.mount("/inmost", inmost, name="inmost")
    app.mount("/inner", inner, name="inner")
    app.mount("/files", Files(), name="files")

    @app.get("/beside", name="beside")
    async def beside(ctx: Context) -> str:
        return " ".join(
            (
                ctx.path_for("inner:home"),
                ctx.path_for("inner:inmost:home"),
                ctx.path_for("files", path="a b/c"),
            )
        )


def _add_routes(app: App, name: str, stage: Stage) -> None:
    @app.lifespan
    async def life() -> AsyncGenerator[None]:
        stage.life.append(f"{name} in")
        yield
        stage.note(f"{name} out")

    @app.get("/", name="home")
    async def home(ctx: Context) -> str:
        ctx.state.order.append("handler")
        return f"{name} {ctx.app is app} {ctx.path_for('home')} {ctx.path_for('beside')}"

    @app.get("/stream")
    def stream(ctx: Context) -> Generator[str]:
        for _ in range(2):
            yield f"{ctx.app.state.name} {ctx.path_for('home')}\n"

    @app.get("/sent")
    async def sent(ctx: Context) -> None:
        ctx.response.set_text(name)
        await ctx.send()
        assert ctx.app is app
        ctx.background(lambda: stage.note(f"background {ctx.app.state.name} {app.state.name}"))

    @app.get("/fail/{kind}")
    async def fail(ctx: Context) -> None:
        if ctx.params["kind"] == "http":
            raise HTTPError(409, "twice")
        if ctx.params["kind"] == "bug":
            raise ZeroDivisionError
        raise CoffeeError("coffee") if ctx.params["kind"] == "coffee" else TeaError

    @app.get("/odd")
    async def odd(_ctx: Context) -> dict[str, object]:
        return {"odd": {1 + 2j}.pop()}

    @app.websocket("/ws")
    async def websocket(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.send(f"{ctx.app.state.name} {' '.join(ctx.state.order)}")
