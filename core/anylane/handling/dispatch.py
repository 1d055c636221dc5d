"""Dispatcher: what finds the pipeline of a request's route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from anylane.errors import HTTPError, Refused, UsageError
from anylane.handling.error_responses import ErrorHandlers
from anylane.handling.gate import Gate
from anylane.handling.pipeline import Endpoint, at, handler_endpoint, pipeline
from anylane.protocol.websocket.handshake import is_websocket
from anylane.routing.hooks import Hook, Hooks
from anylane.routing.mounted import Group, Level, Mounted, groups_of, levels_of
from anylane.routing.parts import is_part, name_of_part
from anylane.routing.prefixes import Prefixes, Unrouted
from anylane.routing.preflights import Preflights, asked_method
from anylane.routing.route import Route
from anylane.routing.route_table import (
    Found,
    NotAllowed,
    Options,
    Resolution,
    RouteTable,
    UpgradeRequired,
)

if TYPE_CHECKING:
    from anylane.handling.context import Context
    from anylane.protocol.request_head import RequestHead
    from anylane.routing.base_app import BaseApp


Known = tuple[Route, Gate | None, Endpoint, dict[str, Any]]
"""What a head leads to: its route, its gate, the pipeline, and the parameters."""


class Dispatcher:
    """Finds the pipeline of a request's route.

    It is made once, when an app is frozen, so that nothing is looked up twice for a request. app:
    the router of everything, which `ctx.app` is. error_handlers: deal with what goes wrong.
    json_default: what the app makes of a value that JSON has no form for, or None.
    """

    __slots__ = ("_by_head", "_by_host", "_endpoints", "_fallbacks", "_guarded", "_outermost",
                 "_places", "_prefixes", "_preflights", "_table", "app", "error_handlers",
                 "json_default")  # fmt: skip

    def __init__(self, app: BaseApp, error_handlers: ErrorHandlers) -> None:
        self.app: BaseApp = app
        self.error_handlers: ErrorHandlers = error_handlers
        self.json_default: Callable[[Any], Any] | None = None
        self._table = RouteTable(app.routes)
        self._by_host = self._table.by_host
        self._guarded = any(route.when is not None for route in app.routes)
        # Whether nothing but its head decides where a request leads to.
        self._by_head = not self._by_host and not self._guarded
        self._prefixes = Prefixes(app.hooks, app.routes)
        self._preflights = Preflights(app.routes, app.hooks)
        self._compose(())

    def _compose(self, outermost: tuple[Hooks, ...]) -> None:
        """Put all pipelines together. outermost: hooks around those of the app."""
        self._outermost = outermost
        self._places: dict[Route, Mounted] = {}
        self._endpoints: dict[Route, tuple[Gate | None, Endpoint]] = {
            route: self._composed(route) for route in self.app.routes
        }
        # By what the request has instead of a route, and by whose hooks it runs.
        self._fallbacks: dict[tuple[Any, ...], tuple[Gate | None, Endpoint]] = {}

    def _composed(self, route: Route) -> tuple[Gate | None, Endpoint]:
        """Return the gate and the pipeline of a route."""
        groups = self._groups(levels_of(route))
        if len(groups) > 1:
            self._places[route] = groups[-1].mounted
        gate = Gate(groups, filter(is_part, route.middleware))
        endpoint = pipeline(handler_endpoint(route), groups, self.error_handlers.handle)
        return gate or None, self._bounded(route, endpoint)

    def _groups(self, levels: Iterable[Level]) -> list[Group]:
        """Return the hooks of these levels by their App, inside of the outermost ones."""
        (served, hooks), *inner = groups_of(self.app, levels)
        return [Group(served, (*self._outermost, *hooks)), *inner]

    def inside(self, parts: Iterable[object]) -> Self:
        """Return a copy whose requests and answers pass these parts too, outside of all that the
        app has. The first part is the outermost. Raise UsageError for one that the app uses itself:
        it would do its work twice."""
        around = Hooks()
        used = {type(hook.func) for hook in self.app.hooks.parts}
        for index, part in enumerate(parts):
            if type(part) in used:
                raise UsageError(
                    f"the server's settings ask for {name_of_part(part)}, which the app uses "
                    "itself; leave one of the two out"
                )
            around.parts.append(Hook(index, index, part))
        new = copy(self)
        new._compose((around,))
        return new

    def answer(self, ctx: Context) -> Awaitable[Any]:
        """Find the pipeline of a request, and return what runs it when it is awaited.

        Raise what a guard raises. See `Endpoint` for what awaiting gives.
        """
        head = ctx.exchange.head
        assert head is not None, "what could not be parsed is not routed"
        known: Known | None = head.leads_to
        if known is None:
            return self._route(ctx, head)
        ctx.route, ctx._gate, endpoint, params = known
        if params:
            ctx.params = params.copy()
        return endpoint(ctx)

    def find(self, ctx: Context) -> None:
        """Find the route of a request and its gate, and run nothing but its guards. What these
        raise, and a request that cannot be routed, leave it without a gate."""
        try:
            pipeline = self.answer(ctx)
        except Exception:  # noqa: BLE001  # a guard's; that request is late anyhow
            return
        if isinstance(pipeline, Coroutine):
            pipeline.close()

    def _route(self, ctx: Context, head: RequestHead) -> Awaitable[Any]:
        method, _, path, _ = head.text
        host = ctx.request.host if self._by_host else None
        guard = partial(_admits, ctx, self._places) if self._guarded else None
        resolution: Resolution = None
        if b"upgrade" in head.connection and is_websocket(head):
            resolution = self._table.resolve_websocket(path, host, guard=guard)
        if resolution is None:
            resolution = self._table.resolve(method, path, host, guard=guard)
        if type(resolution) is Found:
            ctx.route, ctx.params = route, params = resolution
            ctx.exchange.cancel_on_disconnect = bool(route.cancel_on_disconnect)
            ctx._gate, endpoint = self._endpoints[route]
            if self._by_head and not route.websocket and not route.cancel_on_disconnect:
                # What is repeated by its client, byte for byte, need not be looked for again.
                head.leads_to = route, ctx._gate, endpoint, params.copy()
            bounded = ctx.exchange.body_complete or route.bounds.body_limit is not None
            if not bounded and not _fits(ctx):
                endpoint = self._fallback(Refused, tuple(levels_of(route)))[1]
            return endpoint(ctx)
        if not ctx.exchange.body_complete:
            _fits(ctx)  # What is dropped of it is bounded, too.
        if resolution is None and path == "*":
            resolution = Options(self._table.allow())
        levels = self._prefixes.above(path)
        allow = resolution.allow if isinstance(resolution, NotAllowed | Options) else ()
        ctx.unrouted = Unrouted(tuple(level.hooks for level in levels), allow)
        about: tuple[Hooks, ...] = ()
        if (
            type(resolution) is Options
            and self._preflights
            and (asked := asked_method(ctx.request))
        ):
            found = self._table.resolve(asked, path, host, guard=guard)
            if type(found) is Found:
                about = self._preflights.of(found.route)
        ctx._gate, endpoint = self._fallback(type(resolution), levels, about)
        return endpoint(ctx)

    def _bounded(self, route: Route, endpoint: Endpoint) -> Endpoint:
        """Return what runs *endpoint* within the bounds of its route, before anything is read."""
        limit, timeout = route.bounds
        if limit is None and timeout is None:
            return endpoint

        def run(ctx: Context) -> Awaitable[Any]:
            exchange = ctx.exchange
            bodiless = exchange.body_complete and not exchange.buffered
            if (bodiless and timeout is None) or _fits(ctx, limit, timeout):
                return endpoint(ctx)
            return self._fallback(Refused, tuple(levels_of(route)))[1](ctx)

        return run

    def _fallback(
        self, kind: type, levels: tuple[Level, ...], about: tuple[Hooks, ...] = ()
    ) -> tuple[Gate | None, Endpoint]:
        """Return what answers a request that no route is asked for, inside these hooks.

        kind: the type of what it has instead of a route; Refused for a body that is too large.
        about: hooks of the route that it is about.
        """
        found = self._fallbacks.get((kind, levels, about))
        if found is None:
            *outer, (place, hooks) = self._groups(levels)
            groups = [*outer, Group(place, (*hooks, *about))]
            endpoint = pipeline(_FALLBACKS[kind], groups, self.error_handlers.handle)
            found = self._fallbacks[kind, levels, about] = Gate(groups) or None, endpoint
        return found


def _fits(ctx: Context, limit: int | None = None, timeout: float | None = None) -> bool:
    """Bound a request by its route's limits, and by the server's where it has none; return whether
    the length that it declares is within them. A chunked body is judged while it is read."""
    exchange = ctx.exchange
    if limit is None and not exchange.body_complete:
        limit = exchange.carrier.config.limits.body
    refused = exchange.limit(limit, timeout, ctx.link.now())
    if timeout is not None or refused is not None:
        ctx.link.pump()  # For its deadline, and to read what is thrown away.
    return refused is None or exchange.head is None or exchange.head.chunked


def _admits(ctx: Context, places: Mapping[Route, Mounted], found: Found) -> object:
    """Ask a guard, which may look at the parameters of its route, and at its own app."""
    guard = found.route.when
    if guard is None:
        return True
    ctx.params = found.params
    place = places.get(found.route)
    if place is None:
        admitted = guard(ctx)
    else:
        with at(place, ctx):
            admitted = guard(ctx)
    ctx.params = {}
    return admitted


async def _not_found(_ctx: Context) -> None:
    raise HTTPError(404)


async def _too_large(ctx: Context) -> None:
    refused = ctx.exchange.body_refused
    assert refused is not None, "it was not allowed"
    raise HTTPError(refused.status, refused.reason) from refused


async def _not_allowed(ctx: Context) -> None:
    raise HTTPError(405, headers=[("allow", _allow(ctx))])


async def _options(ctx: Context) -> None:
    ctx.response.set_status(204).set_header("allow", _allow(ctx))


def _allow(ctx: Context) -> str:
    return "" if ctx.unrouted is None else ", ".join(ctx.unrouted.allow)


async def _upgrade_required(_ctx: Context) -> None:
    raise HTTPError(
        426, "this is a WebSocket", headers=[("upgrade", "websocket"), ("connection", "upgrade")]
    )


_FALLBACKS: dict[type, Endpoint] = {
    type(None): _not_found,
    NotAllowed: _not_allowed,
    Options: _options,
    UpgradeRequired: _upgrade_required,
    Refused: _too_large,
}
