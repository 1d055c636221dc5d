"""Routers that say how their errors are written, and what becomes of their exceptions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from anylane import App, Context, HTTPError, Response, Router

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage


class _SoldOutError(LookupError):
    pass


def written(app: App, stage: Stage) -> None:
    """Add routers below /written that write errors in JSON, inside one in text."""
    app.hooks.errors = "text"
    in_json = Router("/written/json", errors="json")
    inner = Router("/text", errors="text")
    unsaid = Router("/{any}/unsaid")
    for router in (in_json, inner, unsaid):

        @router.get("/page", body_limit=5)
        async def page(ctx: Context) -> str:
            return "page"

        @router.websocket("/socket")
        async def socket(ctx: Context) -> None:
            await ctx.accept()

    in_json.include(inner)
    in_json.include(unsaid)
    app.include(in_json)


def answered(app: App, stage: Stage) -> None:
    """Add routers below /answered with exception handlers of their own."""
    outer = Router("/answered")
    inner = Router("/inner")
    # The hooks of a router without a prefix are those of its routes and of nothing else.
    bare = Router()

    @outer.response_middleware
    def stamp(ctx: Context) -> None:
        ctx.response.set_header("x-error", type(ctx.error).__name__)

    @app.exception_handler(_SoldOutError)
    @app.exception_handler(ValueError)
    @app.exception_handler(HTTPError)
    async def by_app(ctx: Context, exc: Exception) -> str:
        return f"app: {type(exc).__name__}"

    @outer.exception_handler(HTTPError)
    async def refusal_by_outer(ctx: Context, exc: HTTPError) -> str:
        return f"outer: {exc.status}"

    @outer.exception_handler(LookupError)
    @outer.exception_handler(KeyError)
    async def by_outer(ctx: Context, exc: Exception) -> Response:
        return Response(f"outer: {type(exc).__name__}", status=409)

    @inner.exception_handler(LookupError)
    @bare.exception_handler(LookupError)
    def by_inner(ctx: Context, exc: Exception) -> Response:
        return Response(f"inner: {type(exc).__name__}", status=410)

    @inner.exception_handler(Exception)
    def panic(ctx: Context, exc: Exception) -> str:
        if str(exc) == "twice":
            raise ArithmeticError
        if str(exc) == "refuse":
            raise HTTPError(409, "the handler's own")
        return f"panic: {type(exc).__name__}"

    _failing(outer)
    _failing(inner)
    _failing(bare)
    app.get("/answered-by-the-app/{kind}")(_fail)
    outer.include(inner)
    outer.include(bare, "/bare")
    app.include(outer)


async def _fail(ctx: Context) -> None:
    _raise(ctx)


def _raise(ctx: Context) -> None:
    kinds: dict[str, Exception] = {
        "lookup": LookupError(),
        "key": KeyError("x"),
        "index": IndexError(),
        "sold-out": _SoldOutError(),
        "value": ValueError(),
        "type": TypeError(),
        "http": HTTPError(402),
        "group": ExceptionGroup("one", [HTTPError(402)]),
        "twice": TypeError("twice"),
        "refuse": TypeError("refuse"),
    }
    raise kinds[ctx.params["kind"]]


def _failing(router: Router) -> None:
    router.get("/async/{kind}")(_fail)

    @router.get("/def/{kind}")
    def blocking(ctx: Context) -> None:
        _raise(ctx)

    @router.get("/items/{kind}")
    async def items(ctx: Context) -> AsyncIterator[str]:
        _raise(ctx)
        yield "never"

    @router.get("/late/{kind}")
    async def late(ctx: Context) -> None:
        async with ctx.stream() as out:
            await out.write("begun")
            _raise(ctx)

    @router.websocket("/socket/{kind}")
    async def socket(ctx: Context) -> None:
        if "accept" in ctx.request.query:
            await ctx.accept()
        _raise(ctx)

    @router.request_middleware
    def guard(ctx: Context) -> None:
        if "guard" in ctx.request.query:
            raise LookupError
