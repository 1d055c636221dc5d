"""The order in which hooks and a handler run, composed once for each route.

    middleware, outermost first by order
      -> request_middleware -> the route's own middleware -> handler -> response_middleware

Nothing here is looked up or inspected while a request runs: the closures are made once for each
route.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dis import Instruction, get_instructions
from functools import partial
from itertools import pairwise
from types import FunctionType
from typing import TYPE_CHECKING, Any

from anylane.callables import Call, calls_of, is_coroutine_function, location
from anylane.errors import UsageError
from anylane.handling.return_values import apply_result, put_routed
from anylane.json import json_default
from anylane.routing.hooks import STOP, Hook, Hooks
from anylane.routing.mounted import Group, Mounted
from anylane.routing.origins import Origins, check_origin
from anylane.routing.parts import is_part
from anylane.routing.route import Middleware, Route
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.handling.context import Context


Endpoint = Callable[["Context"], Awaitable[Any]]
"""Runs all or a part of a pipeline. What awaiting it gives is still to be made the response, if it
is not None."""
OnError = Callable[["Context", Exception], Awaitable[None]]


def pipeline(endpoint: Endpoint, groups: Sequence[Group], on_error: OnError) -> Endpoint:
    """Return all that runs for a route, or for what a request has instead of one.

    groups: the hooks around `endpoint`, by the App that they belong to, outermost first; each App
    is inside of all hooks of the one around it. A handler with nothing around it is its own
    pipeline.
    """
    for place, hooks in groups[:0:-1]:
        endpoint = _inside(compose(endpoint, hooks, on_error), place, on_error)
    endpoint = compose(endpoint, groups[0].hooks, on_error)
    return endpoint if len(groups) == 1 else _left_inside(endpoint, groups[-1].mounted, on_error)


def _inside(inner: Endpoint, place: Mounted, on_error: OnError) -> Endpoint:
    """Return what runs a mounted App for the one around it: its answer is whole then."""

    async def run(ctx: Context) -> None:
        with at(place, ctx):
            try:
                value = await inner(ctx)
                if value is not None and (begun := put_routed(ctx, value)) is not None:
                    await begun
            except Exception as exc:  # noqa: BLE001  # the handler's; on_error decides
                await on_error(ctx, exc)

    return run


def _left_inside(inner: Endpoint, place: Mounted, on_error: OnError) -> Endpoint:
    """Return what runs `inner`. What comes after it, such as the steps of an iterator and
    background work, is at home in the innermost App."""

    async def run(ctx: Context) -> Any:
        ctx.place = place.outermost
        try:
            return await inner(ctx)
        except Exception as exc:  # noqa: BLE001  # of a hook of the outer App; on_error decides
            await on_error(ctx, exc)
        finally:
            go_to(place, ctx)

    return run


def go_to(place: Mounted, ctx: Context) -> None:
    """Have `ctx.app`, its paths and its JSON be those of this App."""
    ctx.place = place
    json_default.set(place.json_default)


@contextmanager
def at(place: Mounted, ctx: Context) -> Generator[None]:
    """Let the App of `ctx` be this one while the block runs."""
    before = ctx.place
    go_to(place, ctx)
    try:
        yield
    finally:
        go_to(before, ctx)


def compose(endpoint: Endpoint, hooks: Iterable[Hooks], on_error: OnError) -> Endpoint:
    """Return what runs `endpoint` inside the hooks of its routers, which are given outermost first.

    Parts are outside of all other hooks, and those of outer routers outside of those of inner ones.
    The other hooks of all routers are sorted together: ascending order, ties in order of
    registration. Response hooks are not among them: see `Gate`.
    """
    owners = tuple(dict.fromkeys(hooks))
    request_hooks = calls_of(_sorted(hook for each in owners for hook in each.request))
    around = _sorted(hook for each in owners for hook in each.around)
    parts = [hook.func for each in owners for hook in sorted(each.parts)]
    outside = (*_shells(parts), *around)
    chain = Chain(outside)
    if request_hooks:
        endpoint = _with_hooks(endpoint, request_hooks, on_error, chain)
    elif outside:
        endpoint = _dealt_with(endpoint, on_error, chain)
    return _around(chain, endpoint) if outside else endpoint


def _shells(parts: Iterable[Any]) -> Iterator[Middleware]:
    """Yield middleware that do what parts and middleware do with requests, outermost first. Parts
    that only see answers have none.

    The `request` of parts in a row are one middleware: a shell for each would be a coroutine for
    each.
    """
    in_a_row: list[Callable[..., Any]] = []
    for part in parts:
        around = part
        if is_part(part):
            around = getattr(part, "around", None)
            if hasattr(part, "request"):
                in_a_row.append(part.request)
        if around is not None:
            if in_a_row:
                yield _shell(calls_of(in_a_row))
                in_a_row = []
            yield around
    if in_a_row:
        yield _shell(calls_of(in_a_row))


def _shell(calls: tuple[Call, ...]) -> Middleware:
    """Return middleware that calls the `request` of parts, and goes on unless one says STOP."""

    async def shell(ctx: Context, call_next: Callable[[], Awaitable[None]]) -> None:
        if await run_until_stop(calls, ctx):
            ctx._pending = None
        else:
            await call_next()

    return shell


def handler_endpoint(route: Route) -> Endpoint:
    """Return what runs the route's handler inside the route's own middleware."""
    run: Endpoint
    if route.endpoint is not None:
        run = route.endpoint
    elif not route.is_async and not route.inline:
        run = _blocking(route)
    elif is_coroutine_function(route.handler):
        run = route.handler
    else:  # Also an async generator function.
        run = _inline(route.handler)
    if route.status is not None:
        run = _with_status(run, route.status)
    if middleware := tuple(_shells(route.middleware)):
        chain = Chain(middleware)
        run = _around(chain, _applied(run, chain))
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


def _applied(inner: Endpoint, chain: Chain | None = None) -> Endpoint:
    async def run(ctx: Context) -> None:
        if ctx._pending is not chain:
            raise _called_twice(chain)
        ctx._pending = None
        value = await inner(ctx)
        if value is not None and (begun := put_routed(ctx, value)) is not None:
            await begun

    return run


def _inline(handler: Callable[..., Any]) -> Endpoint:
    async def run(ctx: Context) -> Any:
        return handler(ctx)

    return run


def _with_status(inner: Endpoint, status: int) -> Endpoint:
    async def run(ctx: Context) -> Any:
        value = await inner(ctx)
        if not ctx.exchange.started and ctx.response.status is None:
            ctx.response.set_status(status)
        return value

    return run


def _blocking(route: Route) -> Endpoint:
    handler = route.handler

    async def run(ctx: Context) -> Any:
        # Read in advance, so that a `def` handler never waits for the client.
        await ctx.request.body()
        return await ctx.run_handler(handler)

    return run


def _dealt_with(inner: Endpoint, on_error: OnError, chain: Chain) -> Endpoint:
    """Return what runs `inner` and makes an exception that is dealt with the response.

    This is `_with_hooks` without hooks: the middleware around it sees the response and not the
    exception.
    """
    expected = chain

    async def run(ctx: Context) -> None:
        if ctx._pending is not expected:
            raise _called_twice(chain)
        ctx._pending = None
        try:
            value = await inner(ctx)
            if value is not None and (begun := put_routed(ctx, value)) is not None:
                await begun
        except Exception as exc:  # noqa: BLE001  # the handler's; on_error decides
            await on_error(ctx, exc)

    return run


def _with_hooks(
    inner: Endpoint, request_hooks: tuple[Call, ...], on_error: OnError, chain: Chain
) -> Endpoint:
    """Return what runs the request hooks, and `inner` unless one has said STOP.

    A failure that became a response is a response like any other.
    """
    inner = _applied(inner)
    expected = chain if chain.middleware else None

    async def run(ctx: Context) -> None:
        if ctx._pending is not expected:
            raise _called_twice(chain)
        ctx._pending = None
        try:
            if not await run_until_stop(request_hooks, ctx):
                await inner(ctx)
        except Exception as exc:  # noqa: BLE001  # the handler's; on_error decides
            await on_error(ctx, exc)

    return run


class Chain:
    """Middleware in a row, outermost first. What a context holds of it is that its end is awaited
    (`Context._pending`)."""

    __slots__ = ("middleware",)

    def __init__(self, middleware: Iterable[Middleware]) -> None:
        self.middleware: tuple[Middleware, ...] = tuple(middleware)

    def __str__(self) -> str:
        return " or ".join(location(each) for each in self.middleware)


def check_reached(ctx: Context) -> None:
    """Raise UsageError if middleware has neither gone on nor answered. For an answer with nothing
    in it: most such middleware lacks a line."""
    if ctx._pending is not None:
        raise UsageError(
            f"{ctx._pending} has neither called `await call_next()` nor answered; to answer, "
            "return a value or STOP, or set ctx.response"
        )


def _called_twice(chain: Chain | None) -> UsageError:
    return UsageError(f"{chain} has called call_next() twice; a request is answered once")


def _around(chain: Chain, inner: Endpoint) -> Endpoint:
    """Return what runs middleware, outermost first, around an endpoint that gives None."""
    first, *rest = (_checked(each) for each in chain.middleware)
    rest.reverse()

    def run(ctx: Context) -> Awaitable[None]:
        ctx._pending = chain
        call_next = partial(inner, ctx)
        for each in rest:
            call_next = partial(each, ctx, call_next)
        return first(ctx, call_next)

    return run


def _checked(middleware: Middleware) -> Callable[..., Awaitable[None]]:
    """Return the middleware itself if it can only return None and calls `call_next` without an
    argument, else a coroutine function around it that makes what it returns the response."""
    plain = _calls_without_argument(middleware)
    if plain and returns_none(middleware):
        return middleware  # type: ignore[no-any-return]
    where = location(middleware)

    async def run(ctx: Context, call_next: Callable[[], Awaitable[None]]) -> None:
        def go_on(given: Context = ctx) -> Awaitable[None]:
            if given is not ctx:
                raise UsageError(f"{where} called call_next({shown(given)}); write call_next()")
            return call_next()

        result = await middleware(ctx, call_next if plain else go_on)
        if result is not None:
            ctx._pending = None
            if result is not STOP:
                await apply_result(ctx, result, where)

    return run


def _calls_without_argument(func: Callable[..., Any]) -> bool:
    """Return whether all that a function does with its second parameter is to call it without an
    argument. Other frameworks pass the request on: `call_next(ctx)`."""
    if not isinstance(func, FunctionType) or func.__code__.co_argcount < 2:
        return False
    name = func.__code__.co_varnames[1]
    if name in func.__code__.co_cellvars:
        return False
    steps = [each for each in get_instructions(func) if each.opname not in ("PUSH_NULL", "PRECALL")]
    return all(
        each.argval == name and next_one.opname == "CALL" and next_one.arg == 0
        for each, next_one in pairwise(steps)
        if name in (each.argval if isinstance(each.argval, tuple) else (each.argval,))
    )


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
