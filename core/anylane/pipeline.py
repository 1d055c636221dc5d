"""The order in which hooks and a handler run, composed once for each route.

    middleware, outermost first by order
      -> request_middleware -> the route's own middleware -> handler -> response_middleware

Nothing here is looked up or inspected while a request runs.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Any

from anylane.errors import UsageError
from anylane.results import apply_result
from anylane.route import Middleware, Route, place
from anylane.router import Hook, Router

if TYPE_CHECKING:
    from anylane.context import Context

Endpoint = Callable[["Context"], Awaitable[None]]
OnError = Callable[["Context", Exception], Awaitable[None]]


class Stop(Enum):
    """Returned by a request or response hook: the pipeline ends here."""

    STOP = auto()


STOP = Stop.STOP


def compose(endpoint: Endpoint, routers: Iterable[Router], on_error: OnError) -> Endpoint:
    """Put the hooks of `routers`, outermost first, around `endpoint`."""
    owners = tuple(routers)
    request_hooks = _sorted(hook for router in owners for hook in router.request_hooks)
    response_hooks = _sorted(hook for router in owners for hook in router.response_hooks)
    around = _sorted(hook for router in owners for hook in router.around_hooks)
    run = endpoint
    if request_hooks or response_hooks:
        run = partial(_run_hooks, run, request_hooks, response_hooks, on_error)
    for middleware in reversed(around):
        run = _around(middleware, run)
    return run


def handler_endpoint(route: Route) -> Endpoint:
    """The route's handler inside its own middleware."""
    handler = route.handler
    if route.is_async and inspect.isasyncgenfunction(handler):
        run: Endpoint = partial(_run_inline, handler, route.where)
    elif route.is_async:
        run = partial(_run_async, handler, route.where)
    elif route.inline:
        run = partial(_run_inline, handler, route.where)
    else:
        run = partial(_run_blocking, handler, route.where)
    for middleware in reversed(route.middleware):
        run = _around(middleware, run)
    return run


def _sorted(hooks: Iterable[Hook]) -> tuple[Callable[..., Any], ...]:
    return tuple(hook.func for hook in sorted(hooks))


async def _run_async(handler: Callable[..., Any], where: str, ctx: Context) -> None:
    await apply_result(ctx, await handler(ctx), where)


async def _run_inline(handler: Callable[..., Any], where: str, ctx: Context) -> None:
    await apply_result(ctx, handler(ctx), where)


async def _run_blocking(handler: Callable[..., Any], where: str, ctx: Context) -> None:
    # Read in advance, so that a `def` handler never waits for the client.
    await ctx.request.body()
    await apply_result(ctx, await ctx.run_handler(handler), where)


async def _run_hooks(
    endpoint: Endpoint,
    request_hooks: tuple[Callable[..., Any], ...],
    response_hooks: tuple[Callable[..., Any], ...],
    on_error: OnError,
    ctx: Context,
) -> None:
    try:
        for hook in request_hooks:
            if await _call(hook, ctx) is STOP:
                break
        else:
            await endpoint(ctx)
    except Exception as exc:  # noqa: BLE001  # the handler's; on_error decides
        # A failure that became a response is a response like any other.
        await on_error(ctx, exc)
    for hook in response_hooks:
        if await _call(hook, ctx) is STOP:
            break


async def _call(hook: Callable[..., Any], ctx: Context) -> Any:
    result = hook(ctx)
    return await result if inspect.isawaitable(result) else result


def _around(middleware: Middleware, inner: Endpoint) -> Endpoint:
    if not inspect.iscoroutinefunction(middleware) and not inspect.iscoroutinefunction(
        getattr(middleware, "__call__", None)  # noqa: B004  # an object with `async __call__`
    ):
        raise UsageError(
            f"{place(middleware)} is no `async def`; middleware is "
            "`async def name(ctx, call_next): ...; await call_next(); ...`"
        )

    async def run(ctx: Context) -> None:
        await middleware(ctx, partial(inner, ctx))

    return run
