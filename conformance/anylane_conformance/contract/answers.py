"""Handlers for the values that come in and go out: JSON, fields, cookies, errors; and for each form
of answer."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from anylane import App, Context, HTTPError, Response, Router

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage


class _OutOfTeaError(Exception):
    pass


class _Colour(Enum):
    RED = "red"


@dataclass
class _Price:
    amount: Decimal


_MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

_KINDS = {
    "datetime": _MOMENT,
    "date": date(2026, 1, 2),
    "time": time(3, 4, 5, 60),
    "uuid": UUID(int=5),
    "enum": _Colour.RED,
    "price": _Price(Decimal("1.50")),
    "whole": 2**70,
    "nothing": None,
}


def build(app: App, stage: Stage) -> None:
    """Add the handlers whose answers are values, and those that need some."""
    _values(app)
    _needs(app)
    _errors(app)
    _heads(app)


def _values(app: App) -> None:
    @app.get("/kinds/returned")
    async def returned(ctx: Context) -> dict[str, Any]:
        return _KINDS

    @app.get("/kinds/set")
    def set_by_def(ctx: Context) -> None:
        ctx.response.set_json(_KINDS)

    @app.websocket("/kinds")
    async def kinds(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.send_json(_KINDS)

    @app.get("/nan/returned")
    async def returned_nan(ctx: Context) -> dict[str, Any]:
        return {"prices": [1.0, {"net": math.nan}]}

    @app.get("/nan/set")
    def set_nan(ctx: Context) -> None:
        ctx.response.set_json({"prices": [1.0, {"net": math.inf}]})


def _needs(app: App) -> None:
    @app.get("/needs/{what}")
    async def needs(ctx: Context) -> str:
        request, what = ctx.request, ctx.params["what"]
        source: Any = {
            "query": request.query,
            "cookie": request.cookies,
            "header": request.headers,
        }[what]
        return str(source["needed"])

    @app.post("/needs/{what}")
    async def needs_field(ctx: Context) -> Any:
        form: Any = await ctx.request.form()
        if ctx.params["what"] == "file":
            return {"size": len(form["needed"].read())}
        return form["needed"].upper()

    @app.websocket("/needs/{what}")
    async def needs_message(ctx: Context) -> None:
        ws = await ctx.accept()
        if ctx.params["what"] == "query":
            await ws.send(ctx.request.query["needed"])
        if ctx.params["what"] == "number":
            try:
                await ws.receive_json()
            except ValueError:
                await ws.close(4001, "a number, please")
        while True:
            await ws.send_json(await ws.receive_json())


def _heads(app: App) -> None:
    @app.get("/cookie/set")
    async def set_cookie(ctx: Context) -> str:
        ctx.response.set_cookie("a", "two, wörds; 50%", path=None, samesite=None)
        return "set"

    @app.get("/cookie/read")
    async def read_cookie(ctx: Context) -> dict[str, str]:
        return ctx.request.cookies

    @app.get("/cookie/refused")
    async def refused(ctx: Context) -> None:
        ctx.response.set_cookie("__Host-a", "1")

    @app.get("/moved")
    async def moved(ctx: Context) -> None:
        ctx.response.redirect(ctx.request.query["to"])

    @app.post("/reset/whole")
    async def reset(ctx: Context) -> Response:
        return Response("this must not be sent", status=205)

    @app.post("/reset/streamed")
    async def reset_streamed(ctx: Context) -> None:
        ctx.response.set_status(205)
        async with ctx.stream() as out:
            await out.write("nor this")

    @app.get("/bad-trailer")
    async def bad_trailer(ctx: Context) -> str:
        ctx.response.set_trailer("content-length", "5")
        return "hello"

    @app.get("/host")
    async def host(ctx: Context) -> list[Any]:
        return [ctx.request.host, ctx.request.path]

    for_b = Router(host="b.example")

    @for_b.get("/host/routed")
    async def routed(ctx: Context) -> list[Any]:
        return [ctx.request.host]

    app.include(for_b)

    @app.websocket("/same-origin", origins=["same-origin"])
    async def same_origin(ctx: Context) -> None:
        await ctx.accept()


def _errors(app: App) -> None:
    def fail(ctx: Context) -> None:
        raise HTTPError(409, "no", detail={"a": 1} if "detail" in ctx.request.query else None)

    @app.get("/errors/auto")
    async def auto(ctx: Context) -> str:
        fail(ctx)
        return ""

    @app.post("/errors/auto")
    async def posted(ctx: Context) -> None:
        fail(ctx)

    @app.get("/errors/returned")
    async def returned(ctx: Context) -> HTTPError:
        return HTTPError(409, "returned", headers={"x-kept": "yes"})

    @app.get("/errors/handled/{how}")
    async def handled(ctx: Context) -> None:
        raise _OutOfTeaError(ctx.params["how"])

    @app.exception_handler(_OutOfTeaError)
    def out_of_tea(ctx: Context, exc: _OutOfTeaError) -> HTTPError:
        ctx.response.set_header("x-lost", "yes")
        error = HTTPError(410, str(exc))
        if str(exc) == "raised":
            raise error
        return error

    @app.get("/errors/speaks-json")
    async def speaks_json(ctx: Context) -> dict[str, int]:
        fail(ctx)
        return {}

    for kind in ("json", "text"):
        router = Router(f"/errors/{kind}", errors="json" if kind == "json" else "text")
        router.get("/outer")(auto)
        inner = Router("/inner")
        inner.get("/none")(auto)
        router.include(inner)
        other = Router("/other", errors="text" if kind == "json" else "json")
        other.get("/none")(auto)
        router.include(other)
        app.include(router)


def in_json(app: App, stage: Stage) -> None:
    """Have the whole app answer errors in JSON, but one router."""
    app.hooks.errors = "json"
    text = Router("/as-text", errors="text")

    @text.get("/fail")
    async def fail(ctx: Context) -> None:
        raise HTTPError(409, "no")

    app.include(text)


class _Point:
    def __init__(self, x: int) -> None:
        self.x = x


def with_default(app: App, stage: Stage) -> None:
    """Have the app know a class that JSON does not."""
    app.json_default = lambda point: {"x": point.x}

    @app.get("/point/returned")
    async def returned(ctx: Context) -> list[Any]:
        return [_Point(1), 2**70]

    @app.get("/point/def")
    def returned_by_def(ctx: Context) -> dict[str, Any]:
        return {"point": _Point(2)}

    @app.get("/point/set")
    def set_by_def(ctx: Context) -> Response:
        return Response().set_json(_Point(3))

    @app.get("/point/event")
    async def event(ctx: Context) -> None:
        async with ctx.event_stream() as events:
            await events.send(_Point(4))

    @app.websocket("/point")
    async def socket(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.send_json(_Point(5))


# --- the gate: a handler for each form of answer -------------------------------------------------


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
