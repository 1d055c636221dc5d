"""App: routes, hooks and error handlers, put together once before the first request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from anylane.callables import location
from anylane.config.server_config import ServerConfig
from anylane.errors import RegistrationError, UsageError
from anylane.handling.application import FrozenApp
from anylane.lane.lifespan import Phase, Step
from anylane.routing.hooks import check_hook
from anylane.routing.route import Route
from anylane.routing.router import Router

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

    def _register(self, route: Route) -> None:
        self._check_open(route.where)
        super()._register(route)

    def _check(self, func: Callable[..., Any], decorator: str, *forms: str) -> None:
        check_hook(func, decorator, *forms)
        self._check_open(location(func))

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
            self._frozen = FrozenApp(
                self,
                life=self.life,
                connect_hooks=self.connect_hooks,
                disconnect_hooks=self.disconnect_hooks,
                exception_handlers=self.exception_handlers,
                request_error_hooks=self.request_error_hooks,
            )
        return self._frozen

    def run(self, backend: str = "asyncio", **config: Any) -> None:
        """Serve until a signal; blocks. config: the fields of ServerConfig."""
        from anylane.serving import run

        run(self, ServerConfig(**config), backend)


def check_served(app: object, config: object) -> None:
    """Raises UsageError unless this is an app and its configuration."""
    if not isinstance(app, App):
        raise UsageError(f"the app is {app!r:.80}; expected an anylane.App")
    if not isinstance(config, ServerConfig):
        raise UsageError(
            f"the config is {config!r:.80}; expected a ServerConfig. A backend's name goes behind "
            "it: backend='threads'"
        )
