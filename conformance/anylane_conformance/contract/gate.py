"""A handler for each form of answer, and a response hook that sees them: for the gate's cases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from anylane import App, Context, HTTPError, Response, Router

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage


def stamped(app: App, stage: Stage) -> None:
    """Add handlers below /form, and a response hook that writes down what it sees."""
    router = Router("/form")

    @router.response_middleware
    def stamp(ctx: Context) -> None:
        stage.said.append(str(ctx.response.status))
        if "refuse" in ctx.request.query:
            raise HTTPError(409, "refused by a hook")
        if "break" in ctx.request.query:
            raise RuntimeError("a hook breaks")
        ctx.response.set_header("x-status", str(ctx.response.status))

    _whole(router)
    _started(router)
    _failing(router)
    _handshakes(router)
    app.include(router)


def _whole(router: Router) -> None:
    @router.get("/value")
    async def value(ctx: Context) -> str:
        return "value"

    @router.get("/def")
    def blocking(ctx: Context) -> str:
        return "def"

    @router.get("/nothing")
    async def nothing(ctx: Context) -> None:
        """Answer with 204."""

    @router.get("/response")
    async def response(ctx: Context) -> Response:
        return Response("response", 203)

    @router.get("/items")
    async def items(ctx: Context) -> AsyncIterator[str]:
        yield "item"

    @router.post("/body")
    async def body(ctx: Context) -> str:
        return await ctx.request.text()


def _started(router: Router) -> None:
    @router.get("/send")
    async def send(ctx: Context) -> None:
        ctx.response.set_text("sent")
        await ctx.send()

    @router.get("/stream")
    async def stream(ctx: Context) -> None:
        async with ctx.stream() as out:
            await out.write("piece")

    @router.get("/events")
    async def events(ctx: Context) -> None:
        async with ctx.event_stream() as out:
            await out.send("event")


def _failing(router: Router) -> None:
    @router.get("/error")
    async def error(ctx: Context) -> None:
        raise HTTPError(402)

    @router.get("/fail")
    async def fail(ctx: Context) -> None:
        raise KeyError

    @router.get("/base")
    async def base(ctx: Context) -> None:
        raise GeneratorExit

    @router.get("/late")
    async def late(ctx: Context) -> None:
        await ctx.sleep(60)


def _handshakes(router: Router) -> None:
    @router.websocket("/socket", origins=["https://good.example", None])
    async def socket(ctx: Context) -> None:
        await ctx.accept()

    @router.get("/raw")
    async def raw(ctx: Context) -> None:
        await ctx.take_over()
