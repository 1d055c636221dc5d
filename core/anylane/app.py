"""App: routes, hooks and error handlers, put together once before the first request."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from anylane.errors import HTTPError, Refused, RegistrationError, without_disconnects
from anylane.pipeline import Endpoint, compose, handler_endpoint
from anylane.problems import problem
from anylane.protocol.handshake import is_websocket
from anylane.results import apply_result
from anylane.route import Route
from anylane.router import Router
from anylane.table import Found, NotAllowed, Options, Resolution, RouteTable, UpgradeRequired

if TYPE_CHECKING:
    from anylane.context import Context

F = TypeVar("F", bound=Callable[..., Any])


class App(Router):
    """A web application. Register with the decorators, then `run()` it, or give it to a Server,
    a TestClient or a Lockstep. It is frozen by the first of them."""

    def __init__(self) -> None:
        super().__init__()
        self._startup: list[Callable[[], Any]] = []
        self._shutdown: list[Callable[[], Any]] = []
        self._handlers: dict[type[Exception], Callable[..., Any]] = {}
        self._frozen: FrozenApp | None = None

    def on_startup(self, func: F) -> F:
        """Called, and awaited if it is async, before the first connection is accepted."""
        self._startup.append(func)
        return func

    def on_shutdown(self, func: F) -> F:
        """Called, and awaited if it is async, after the last exchange has ended."""
        self._shutdown.append(func)
        return func

    def exception_handler(self, kind: type[Exception]) -> Callable[[F], F]:
        """Answer exceptions of that class and its subclasses: `handler(ctx, exc)`.

        For `Exception` it is the panic hook: whatever nothing else has dealt with.
        """

        def register(func: F) -> F:
            self._handlers[kind] = func
            return func

        return register

    def path_for(self, name: str, /, **params: object) -> str:
        """The percent-encoded path of the route of that name."""
        return self._table.path_for(name, **params)

    def _register(self, route: Route) -> None:
        if self._frozen is not None:
            raise RegistrationError(
                f"{route.where} is registered on an app that already serves; register before "
                "run(), Server, TestClient or Lockstep"
            )
        super()._register(route)

    def freeze(self) -> FrozenApp:
        """Compose the pipelines; what is registered later is not seen."""
        if self._frozen is None:
            self._frozen = FrozenApp(self, self._startup, self._shutdown, self._handlers)
        return self._frozen

    def run(self, backend: str = "asyncio", **config: Any) -> None:
        """Serve until a signal; blocks. config: the fields of ServerConfig."""
        from anylane.config import ServerConfig
        from anylane_backends.serving import run

        run(self, ServerConfig(**config), backend)


class FrozenApp:
    """What a server needs of an App: one call for each request, nothing to look up twice."""

    __slots__ = ("_endpoints", "_fallbacks", "_handlers", "app", "shutdown", "startup", "table")

    def __init__(
        self,
        app: App,
        startup: list[Callable[[], Any]],
        shutdown: list[Callable[[], Any]],
        handlers: dict[type[Exception], Callable[..., Any]],
    ) -> None:
        self.app = app
        self.startup = tuple(startup)
        self.shutdown = tuple(shutdown)
        self.table = RouteTable(app.routes)
        self._handlers = dict(handlers)
        self._endpoints: dict[Route, Endpoint] = {
            route: compose(handler_endpoint(route), route.routers, self.on_error)
            for route in app.routes
        }
        self._fallbacks: dict[type, Endpoint] = {
            kind: compose(endpoint, (app,), self.on_error) for kind, endpoint in _FALLBACKS.items()
        }

    async def __call__(self, ctx: Context) -> None:
        """Route the request and run its pipeline."""
        resolution = self._resolve(ctx)
        if isinstance(resolution, Found):
            ctx.route, ctx.params = resolution
            ctx.exchange.cancel_on_disconnect = resolution.route.cancel_on_disconnect
            await self._endpoints[resolution.route](ctx)
        else:
            ctx.state.resolution = resolution
            await self._fallbacks[type(resolution)](ctx)

    def _resolve(self, ctx: Context) -> Resolution:
        request, head = ctx.request, ctx.exchange.head

        def admits(route: Route) -> object:
            return route.when is None or route.when(ctx)

        if head is not None and is_websocket(head):
            found = self.table.resolve_websocket(request.raw_path, request.host, guard=admits)
            if found is not None:
                return found
        return self.table.resolve(request.method, request.raw_path, request.host, guard=admits)

    async def on_error(self, ctx: Context, exc: Exception) -> None:
        """Make an exception the response, or raise it again where that is too late."""
        ctx.error = exc
        if ctx.exchange.started or (ctx.exchange.over and without_disconnects(exc) is None):
            raise exc
        handler = self._handler_for(type(exc))
        if handler is not None:
            ctx.response = type(ctx.response)()
            result = handler(ctx, exc)
            if hasattr(result, "__await__"):
                result = await result
            await apply_result(ctx, result, f"the handler of {type(exc).__name__}")
        elif isinstance(exc, HTTPError):
            ctx.response = problem(ctx, exc)
        elif isinstance(exc, Refused):
            ctx.response = problem(ctx, HTTPError(exc.status, exc.reason, headers=exc.headers))
        else:
            raise exc

    def _handler_for(self, kind: type[Exception]) -> Callable[..., Any] | None:
        for base in kind.__mro__:
            if base in self._handlers:
                return self._handlers[base]
        return None


async def _not_found(_ctx: Context) -> None:
    raise HTTPError(404)


async def _not_allowed(ctx: Context) -> None:
    raise HTTPError(405, headers=[("allow", ", ".join(ctx.state.resolution.allow))])


async def _options(ctx: Context) -> None:
    ctx.response.set_status(204).set_header("allow", ", ".join(ctx.state.resolution.allow))


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
