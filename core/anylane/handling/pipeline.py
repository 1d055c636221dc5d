"""The order in which hooks and a handler run, composed once for each route.

    middleware, outermost first by order
      -> request_middleware -> the route's own middleware -> handler -> response_middleware

Nothing here is looked up or inspected while a request runs: the closures are made once for each
route.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dis import Instruction, get_instructions
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any

from anylane.callables import Call, calls_of, is_coroutine_function, location
from anylane.errors import UsageError
from anylane.handling.return_values import apply_result, put_routed
from anylane.routing.hooks import STOP, Hook, Hooks
from anylane.routing.origins import Origins, check_origin
from anylane.routing.route import Middleware, Route
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.handling.context import Context


Endpoint = Callable[["Context"], Awaitable[Any]]
"""Runs all or a part of a pipeline. What awaiting it gives is still to be made the response, if it
is not None."""
OnError = Callable[["Context", Exception], Awaitable[None]]


def pipeline(route: Route, on_error: OnError) -> Endpoint:
    """Return all that runs for a route. A handler with nothing around it is its own pipeline."""
    return compose(_handler_endpoint(route), route.hooks, on_error)


def compose(endpoint: Endpoint, hooks: Iterable[Hooks], on_error: OnError) -> Endpoint:
    """Return what runs `endpoint` inside the hooks of its routers, which are given outermost first.

    The hooks of all routers are sorted together: ascending order, ties in order of registration.
    """
    owners = tuple(dict.fromkeys(hooks))
    request_hooks = calls_of(_sorted(hook for each in owners for hook in each.request))
    response_hooks = calls_of(_sorted(hook for each in owners for hook in each.response))
    around = _sorted(hook for each in owners for hook in each.around)
    if not (request_hooks or response_hooks or around):
        return endpoint
    if request_hooks or response_hooks:
        run = _with_hooks(endpoint, request_hooks, response_hooks, on_error)
    else:
        run = _dealt_with(endpoint, on_error)
    if around:
        run = _around(around, run)
    if around and response_hooks:
        run = _with_response_hooks(run, response_hooks, on_error)
    return run


def _handler_endpoint(route: Route) -> Endpoint:
    """Return what runs the route's handler inside the route's own middleware."""
    run: Endpoint
    if not route.is_async and not route.inline:
        run = _blocking(route)
    elif is_coroutine_function(route.handler):
        run = route.handler
    else:  # Also an async generator function.
        run = _inline(route.handler)
    if route.middleware:
        run = _around(route.middleware, _applied(run))
    if route.origins is not None:
        run = _from_origin(run, route.origins)
    return run


def _from_origin(inner: Endpoint, origins: Origins) -> Endpoint:
    async def run(ctx: Context) -> Any:
        check_origin(origins, ctx.request)
        return await inner(ctx)

    return run


def _sorted(hooks: Iterable[Hook]) -> tuple[Callable[..., Any], ...]:
    return tuple(hook.func for hook in sorted(hooks))


def _applied(inner: Endpoint) -> Endpoint:
    async def run(ctx: Context) -> None:
        value = await inner(ctx)
        if value is not None and (begun := put_routed(ctx, value)) is not None:
            await begun

    return run


def _inline(handler: Callable[..., Any]) -> Endpoint:
    async def run(ctx: Context) -> Any:
        return handler(ctx)

    return run


def _blocking(route: Route) -> Endpoint:
    handler = route.handler

    async def run(ctx: Context) -> Any:
        # Read in advance, so that a `def` handler never waits for the client.
        await ctx.request.body()
        return await ctx.run_handler(handler)

    return run


def _dealt_with(inner: Endpoint, on_error: OnError) -> Endpoint:
    """Return what runs `inner` and makes an exception that is dealt with the response.

    This is `_with_hooks` without hooks: the middleware around it sees the response and not the
    exception.
    """

    async def run(ctx: Context) -> None:
        try:
            value = await inner(ctx)
            if value is not None and (begun := put_routed(ctx, value)) is not None:
                await begun
        except Exception as exc:  # noqa: BLE001  # the handler's; on_error decides
            await on_error(ctx, exc)

    return run


def _with_hooks(
    inner: Endpoint,
    request_hooks: tuple[Call, ...],
    response_hooks: tuple[Call, ...],
    on_error: OnError,
) -> Endpoint:
    """Return what runs the request hooks, `inner` unless one has said STOP, and the response hooks.

    A failure that became a response is a response like any other.
    """
    inner = _applied(inner)

    async def run(ctx: Context) -> None:
        try:
            if not await run_until_stop(request_hooks, ctx):
                await inner(ctx)
        except Exception as exc:  # noqa: BLE001  # the handler's; on_error decides
            await on_error(ctx, exc)
        await _respond(response_hooks, ctx)

    return run


def _with_response_hooks(
    inner: Endpoint, response_hooks: tuple[Call, ...], on_error: OnError
) -> Endpoint:
    """Return what runs `inner`, all middleware included, and the response hooks if they have not
    run: middleware that answers by itself has kept the request from what is inside of it."""

    async def run(ctx: Context) -> None:
        try:
            await inner(ctx)
        except Exception as exc:  # noqa: BLE001  # as above
            await on_error(ctx, exc)
        await _respond(response_hooks, ctx)

    return run


async def _respond(response_hooks: tuple[Call, ...], ctx: Context) -> None:
    """Run the response hooks, once for each response. A session of another protocol is none."""
    if response_hooks and not ctx._responded and not ctx.exchange.switched:
        ctx._responded = True
        await run_until_stop(response_hooks, ctx)


def _around(middleware: Iterable[Middleware], inner: Endpoint) -> Endpoint:
    """Return what runs middleware, outermost first, around an endpoint that gives None."""
    first, *rest = (_checked(each) for each in middleware)
    rest.reverse()

    def run(ctx: Context) -> Awaitable[None]:
        call_next = partial(inner, ctx)
        for each in rest:
            call_next = partial(each, ctx, call_next)
        return first(ctx, call_next)

    return run


def _checked(middleware: Middleware) -> Callable[..., Awaitable[None]]:
    """Return the middleware itself if it can only return None, else a coroutine function around it
    that makes what it returns the response."""
    if returns_none(middleware):
        return middleware
    where = location(middleware)

    async def run(ctx: Context, call_next: Callable[[], Awaitable[None]]) -> None:
        result = await middleware(ctx, call_next)
        if result is not None and result is not STOP:
            await apply_result(ctx, result, where)

    return run


def returns_none(func: Callable[..., Any]) -> bool:
    """Return whether a function's code has no way to return anything but None.

    Most middleware has none. A coroutine around each of three would cost a routed request 3.8 % of
    its instructions on CPython 3.13, 3.3 % on 3.11, and three calls on top of 44 ("route, three
    middleware" of `benchmarks/core.py --instructions`, with a `_checked` that always wraps).
    """
    if not isinstance(func, FunctionType):
        return False
    before: Instruction | None = None
    for each in get_instructions(func):
        if each.opname == "RETURN_CONST" and each.argval is not None:
            return False
        if each.opname == "RETURN_VALUE" and (
            each.is_jump_target  # It may be reached with another value: `return found or None`.
            or before is None
            or before.opname != "LOAD_CONST"
            or before.argval is not None
        ):
            return False
        before = each
    return True


async def run_until_stop(calls: tuple[Call, ...], ctx: Context) -> bool:
    """Call hooks in order until one returns STOP; return whether one has.

    Raise UsageError for a hook that returns anything else but None.
    """
    for call in calls:
        func, is_async = call
        result = await func(ctx) if is_async else func(ctx)
        if result is None:
            continue
        if not is_async and hasattr(result, "__await__"):
            result = await result
        if result is STOP:
            return True
        if result is not None:
            raise UsageError(
                f"the hook {location(func)} returned {shown(result)}; expected None or STOP. To "
                "answer, set ctx.response and return STOP"
            )
    return False
