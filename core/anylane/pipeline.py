"""The order in which hooks and a handler run, composed once for each route.

    middleware, outermost first by order
      -> request_middleware -> the route's own middleware -> handler -> response_middleware

Nothing here is looked up or inspected while a request runs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from anylane.errors import UsageError
from anylane.hooks import STOP, Call, calls_of, run_until_stop
from anylane.origins import Origins, check_origin
from anylane.results import apply_result, put_result
from anylane.route import Middleware, Route, is_coroutine_function, place
from anylane.router import Hook, Router

if TYPE_CHECKING:
    from anylane.context import Context

Endpoint = Callable[["Context"], Awaitable[None]]
OnError = Callable[["Context", Exception], Awaitable[None]]


def compose(endpoint: Endpoint, routers: Iterable[Router], on_error: OnError) -> Endpoint:
    """Put the hooks of `routers`, outermost first, around `endpoint`."""
    owners = tuple(dict.fromkeys(routers))
    request_hooks = calls_of(_sorted(hook for router in owners for hook in router.request_hooks))
    response_hooks = calls_of(_sorted(hook for router in owners for hook in router.response_hooks))
    around = _sorted(hook for router in owners for hook in router.around_hooks)
    if not (request_hooks or response_hooks or around):
        return endpoint
    run: Endpoint
    if request_hooks or response_hooks:
        run = partial(_run_hooks, endpoint, request_hooks, response_hooks, on_error)
    else:
        run = partial(_run_dealt_with, endpoint, on_error)
    for middleware in reversed(around):
        run = _around(middleware, run)
    if around and response_hooks:
        run = partial(_run_middleware, run, response_hooks, on_error)
    return run


def handler_endpoint(route: Route) -> Endpoint:
    """The route's handler inside its own middleware."""
    handler = route.handler
    if route.is_async and not is_coroutine_function(handler):  # an async generator function
        run: Endpoint = partial(_run_inline, handler, route.where)
    elif route.is_async:
        run = partial(_run_async, handler, route.where)
    elif route.inline:
        run = partial(_run_inline, handler, route.where)
    else:
        run = partial(_run_blocking, handler, route.where)
    for middleware in reversed(route.middleware):
        run = _around(middleware, run)
    if route.origins is not None:
        run = partial(_run_from_origin, run, route.origins)
    return run


async def _run_from_origin(run: Endpoint, origins: Origins, ctx: Context) -> None:
    check_origin(origins, ctx.request)
    await run(ctx)


def _sorted(hooks: Iterable[Hook]) -> tuple[Callable[..., Any], ...]:
    return tuple(hook.func for hook in sorted(hooks))


async def _run_async(handler: Callable[..., Any], where: str, ctx: Context) -> None:
    value = await handler(ctx)
    if value is not None and (begun := put_result(ctx, value, where)) is not None:
        await begun


async def _run_inline(handler: Callable[..., Any], where: str, ctx: Context) -> None:
    value = handler(ctx)
    if value is not None and (begun := put_result(ctx, value, where)) is not None:
        await begun


async def _run_blocking(handler: Callable[..., Any], where: str, ctx: Context) -> None:
    # Read in advance, so that a `def` handler never waits for the client.
    await ctx.request.body()
    await apply_result(ctx, await ctx.run_handler(handler), where)


async def _run_dealt_with(endpoint: Endpoint, on_error: OnError, ctx: Context) -> None:
    # As `_run_hooks` with no hooks: middleware sees the response, not the exception.
    try:
        await endpoint(ctx)
    except Exception as exc:  # noqa: BLE001  # the handler's; on_error decides
        await on_error(ctx, exc)


async def _run_hooks(
    endpoint: Endpoint,
    request_hooks: tuple[Call, ...],
    response_hooks: tuple[Call, ...],
    on_error: OnError,
    ctx: Context,
) -> None:
    try:
        if not await run_until_stop(request_hooks, ctx):
            await endpoint(ctx)
    except Exception as exc:  # noqa: BLE001  # the handler's; on_error decides
        # A failure that became a response is a response like any other.
        await on_error(ctx, exc)
    await _respond(response_hooks, ctx)


async def _run_middleware(
    run: Endpoint, response_hooks: tuple[Call, ...], on_error: OnError, ctx: Context
) -> None:
    try:
        await run(ctx)
    except Exception as exc:  # noqa: BLE001  # as above
        await on_error(ctx, exc)
    # Middleware that answers by itself has kept the request from all that is inside of it.
    await _respond(response_hooks, ctx)


async def _respond(response_hooks: tuple[Call, ...], ctx: Context) -> None:
    """The response hooks, once for each response; another protocol's session is none."""
    if response_hooks and not ctx.responded and not ctx.exchange.switched:
        ctx.responded = True
        await run_until_stop(response_hooks, ctx)


def _around(middleware: Middleware, inner: Endpoint) -> Endpoint:
    if not is_coroutine_function(middleware):
        raise UsageError(
            f"{place(middleware)} is no `async def`; middleware is "
            "`async def name(ctx, call_next): ...; await call_next(); ...`"
        )
    return partial(_run_around, middleware, inner, place(middleware))


async def _run_around(middleware: Middleware, inner: Endpoint, where: str, ctx: Context) -> None:
    result = await middleware(ctx, partial(inner, ctx))
    if result is not None and result is not STOP:
        await apply_result(ctx, result, where)
