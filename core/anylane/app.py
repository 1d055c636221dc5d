"""App: routes, hooks and error handlers, put together once before the first request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from anylane.cache import Memory
from anylane.callables import calls_of, place
from anylane.config.server_config import ServerConfig
from anylane.errors import HTTPError, RegistrationError, UsageError
from anylane.failures import Failures
from anylane.lane.lifespan import Phase, Step
from anylane.pipeline import Endpoint, compose, pipeline
from anylane.protocol.websocket.handshake import is_websocket
from anylane.routing.hooks import check_hook
from anylane.routing.route import Route
from anylane.routing.route_table import (
    Found,
    NotAllowed,
    Options,
    Resolution,
    RouteTable,
    UpgradeRequired,
)
from anylane.routing.router import Router

if TYPE_CHECKING:
    from anylane.context import Context
    from anylane.protocol.request_head import RequestHead


F = TypeVar("F", bound=Callable[..., Any])


class App(Router):
    """A web application. Register with the decorators, then `run()` it, or give it to a Server,
    a TestClient or a Lockstep. It is frozen by the first of them."""

    def __init__(self) -> None:
        super().__init__()
        self.life: list[Step] = []
        self.connect_hooks: list[Callable[..., Any]] = []
        self.disconnect_hooks: list[Callable[..., Any]] = []
        self.exception_handlers: dict[type[Exception], Callable[..., Any]] = {}
        self.request_error_hooks: list[Callable[..., Any]] = []
        self._frozen: FrozenApp | None = None

    def on_startup(self, func: F) -> F:
        """Called, and awaited if it is async, before the first connection is accepted."""
        self._check(func, "on_startup", "()")
        self.life.append((Phase.STARTUP, func))
        return func

    def on_shutdown(self, func: F) -> F:
        """Called, and awaited if it is async, after the last exchange has ended; the last one
        registered is the first one called."""
        self._check(func, "on_shutdown", "()")
        self.life.append((Phase.SHUTDOWN, func))
        return func

    def lifespan(self, func: F) -> F:
        """A context manager around everything, async or not: `yield` in the middle of a function,
        or whatever returns one. It is entered and left in one task, in line with the startup and
        shutdown hooks; it gets the App if it takes an argument."""
        self._check(func, "lifespan", "()", "(app)")
        self.life.append((Phase.AROUND, func))
        return func

    def on_connect(self, func: F) -> F:
        """`hook(ctx)` for each connection, before its first request. Context variables that it
        sets are seen by all its exchanges. What it raises closes the connection."""
        self._check(func, "on_connect", "(ctx)")
        self.connect_hooks.append(func)
        return func

    def on_disconnect(self, func: F) -> F:
        """`hook(ctx)` after a connection and its last exchange are over, if `on_connect` has let
        it in; the last one registered is the first one called."""
        self._check(func, "on_disconnect", "(ctx)")
        self.disconnect_hooks.append(func)
        return func

    def request_error(self, func: F) -> F:
        """`hook(ctx)` or `hook(ctx, error)` for a request that could not be parsed, instead of all
        other hooks. The error (`ctx.error` too) has `status`, `reason` and `excerpt`, the first
        bytes of what was wrong; what is set on ctx.response or returned is sent."""
        self._check(func, "request_error", "(ctx)", "(ctx, error)")
        self.request_error_hooks.append(func)
        return func

    def exception_handler(self, kind: type[Exception]) -> Callable[[F], F]:
        """Answer exceptions of that class and its subclasses: `handler(ctx, exc)`.

        For `Exception` it is the panic hook: whatever nothing else has dealt with.
        """
        # The hint does not keep out what other frameworks take: a status, or nothing at all.
        if not (isinstance(kind, type) and issubclass(kind, Exception)):  # type: ignore[redundant-expr]
            raise UsageError(
                f"@app.exception_handler got {kind!r:.80}; expected a class of exceptions, such as "
                "ValueError or HTTPError, whose `status` tells one from another"
            )

        def register(func: F) -> F:
            self._check(func, f"exception_handler({kind.__name__})", "(ctx, exc)")
            self.exception_handlers[kind] = func
            return func

        return register

    def path_for(self, name: str, /, **params: object) -> str:
        """The percent-encoded path of the route of that name."""
        return self._table.path_for(name, **params)

    def _register(self, route: Route) -> None:
        self._check_open(route.where)
        super()._register(route)

    def _check(self, func: Callable[..., Any], decorator: str, *forms: str) -> None:
        check_hook(func, decorator, *forms)
        self._check_open(place(func))

    def _check_open(self, what: str) -> None:
        if self._frozen is not None:
            raise RegistrationError(
                f"{what} is registered on an app that already serves; register before "
                "run(), Server, TestClient or Lockstep"
            )
        super()._check_open(what)

    def freeze(self) -> FrozenApp:
        """Compose the pipelines; what is registered later is not seen."""
        if self._frozen is None:
            self._frozen = FrozenApp(self)
        return self._frozen

    def run(self, backend: str = "asyncio", **config: Any) -> None:
        """Serve until a signal; blocks. config: the fields of ServerConfig."""
        from anylane.config.server_config import ServerConfig
        from anylane_backends.serving import run

        run(self, ServerConfig(**config), backend)


Known = tuple[Route, Endpoint, dict[str, Any]]


_MOST_KNOWN = 1024


_MEMORABLE = 256
"""Bytes of a target that is remembered. With `_MOST_KNOWN`: at most some 500 KiB, whatever is asked
for; a hit takes 0.2 us, a route with a parameter 2."""


class FrozenApp:
    """What a server needs of an App: one call for each request, nothing to look up twice."""

    __slots__ = ("_by_host", "_endpoints", "_fallbacks", "_guarded", "_known", "app", "connect",
                 "disconnect", "failures", "life", "table")  # fmt: skip

    def __init__(self, app: App) -> None:
        self.app = app
        self.life = tuple(app.life)
        self.connect = calls_of(app.connect_hooks)
        self.disconnect = calls_of(reversed(app.disconnect_hooks))
        self.failures = Failures(app.exception_handlers, app.request_error_hooks)
        self.table = RouteTable(app.routes)
        self._by_host = self.table.by_host
        self._guarded = any(route.when is not None for route in app.routes)
        self._known: Memory[tuple[bytes, bytes], Known] = Memory(_MOST_KNOWN)
        self._endpoints: dict[Route, Endpoint] = {
            route: pipeline(route, self.failures.deal) for route in app.routes
        }
        self._fallbacks: dict[type, Endpoint] = {
            kind: compose(endpoint, (app,), self.failures.deal)
            for kind, endpoint in _FALLBACKS.items()
        }

    def answer(self, ctx: Context) -> Awaitable[Any]:
        """Route the request; await what it gives to run the pipeline (see `Endpoint`)."""
        head = ctx.exchange.head
        assert head is not None, "what could not be parsed is not routed"
        known: Known | None = head.leads_to
        if known is None:
            known = self._known.get((head.method, head.target))
            if known is None or b"upgrade" in head.connection:
                return self._route(ctx, head)
            head.leads_to = known
        ctx.route, endpoint, params = known
        if params:
            ctx.params = params.copy()
        return endpoint(ctx)

    def _route(self, ctx: Context, head: RequestHead) -> Awaitable[Any]:
        method, _, path, _ = head.text
        host = ctx.request.host if self._by_host else None
        guard = partial(_admits, ctx) if self._guarded else None
        resolution: Resolution = None
        if b"upgrade" in head.connection and is_websocket(head):
            resolution = self.table.resolve_websocket(path, host, guard=guard)
        if resolution is None:
            resolution = self.table.resolve(method, path, host, guard=guard)
        if type(resolution) is Found:
            ctx.route, ctx.params = route, params = resolution
            ctx.exchange.cancel_on_disconnect = route.cancel_on_disconnect
            endpoint = self._endpoints[route]
            self._learn(head, route, endpoint, params)
            return endpoint(ctx)
        if resolution is None and path == "*":
            resolution = Options(self.table.allow())
        if isinstance(resolution, NotAllowed | Options):
            ctx.allow = resolution.allow
        return self._fallbacks[type(resolution)](ctx)

    def _learn(
        self, head: RequestHead, route: Route, endpoint: Endpoint, params: dict[str, Any]
    ) -> None:
        """Remember what this request line leads to, where nothing else has a say in it."""
        if self._by_host or self._guarded or route.websocket or route.cancel_on_disconnect:
            return
        head.leads_to = known = route, endpoint, params.copy()
        if len(head.target) <= _MEMORABLE:
            self._known.offer((head.method, head.target), known)


def _admits(ctx: Context, found: Found) -> object:
    """Ask a guard, which may look at the parameters of its route."""
    ctx.params = found.params
    admitted = found.route.when is None or found.route.when(ctx)
    ctx.params = {}
    return admitted


async def _not_found(_ctx: Context) -> None:
    raise HTTPError(404)


async def _not_allowed(ctx: Context) -> None:
    raise HTTPError(405, headers=[("allow", ", ".join(ctx.allow))])


async def _options(ctx: Context) -> None:
    ctx.response.set_status(204).set_header("allow", ", ".join(ctx.allow))


async def _upgrade_required(_ctx: Context) -> None:
    raise HTTPError(
        426, "this is a WebSocket", headers=[("upgrade", "websocket"), ("connection", "upgrade")]
    )


_FALLBACKS: dict[type, Endpoint] = {
    type(None): _not_found,
    NotAllowed: _not_allowed,
    Options: _options,
    UpgradeRequired: _upgrade_required,
}


def check_served(app: object, config: object) -> None:
    """Raises UsageError unless this is an app and its configuration."""
    if not isinstance(app, App):
        raise UsageError(f"the app is {app!r:.80}; expected an anylane.App")
    if not isinstance(config, ServerConfig):
        raise UsageError(
            f"the config is {config!r:.80}; expected a ServerConfig. A backend's name goes behind "
            "it: backend='threads'"
        )
