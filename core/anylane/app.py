"""App: where the routes, hooks and error handlers of a web application are registered.

They are composed once, before the first request. Serving is not done here: `run` hands the app to
the installed backends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from anylane.callables import location, signature_problem
from anylane.config.server_config import ServerConfig
from anylane.errors import RegistrationError, UsageError
from anylane.handling.application import FrozenApp
from anylane.lane.lifespan import Phase, Step
from anylane.routing.hooks import Errors, check_hook
from anylane.routing.route import Route
from anylane.routing.router import Router

F = TypeVar("F", bound=Callable[..., Any])


class App(Router):
    """A web application.

    Register routes and hooks with the decorators. Then call `run()`, or give the app to a Server, a
    TestClient or a Lockstep. The first of these freezes the app; registering anything afterwards
    raises RegistrationError, as it does on every Router that the app includes.

    The decorators return the function unchanged. They raise UsageError for what is no function and
    for a function with other parameters than are asked for; nothing is registered then.

    errors: how an HTTPError is written, as in `Router`; also one of a request without a route.
    json_default: `func(value)`, which is given what JSON has no form for, and returns something
        that it has. It is called while a value is encoded, so it must not block.
    """

    is_whole = True

    def __init__(
        self,
        *,
        errors: Errors = "auto",
        json_default: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(errors=errors)
        if json_default is not None and (problem := signature_problem(json_default, "(value)")):
            raise UsageError(f"json_default {location(json_default)} {problem}")
        self.json_default: Callable[[Any], Any] | None = json_default
        self.life: list[Step] = []
        self.connect_hooks: list[Callable[..., Any]] = []
        self.disconnect_hooks: list[Callable[..., Any]] = []
        self.exception_handlers: dict[type[Exception], Callable[..., Any]] = {}
        self.request_error_hooks: list[Callable[..., Any]] = []
        self._frozen: FrozenApp | None = None

    def on_startup(self, func: F) -> F:
        """Register `hook()`, which is called before the first connection is accepted.

        An `async def` is awaited; a `def` is called directly, so it must not block. If it raises,
        the server does not start, and the lifespans that were entered before are left in reverse.
        """
        self._check(func, "on_startup", "()")
        self.life.append((Phase.STARTUP, func))
        return func

    def on_shutdown(self, func: F) -> F:
        """Register `hook()`, which is called after the last exchange has ended.

        The last hook registered is called first. An `async def` is awaited; a `def` is called
        directly. A failure is logged, and the other hooks still run.
        """
        self._check(func, "on_shutdown", "()")
        self.life.append((Phase.SHUTDOWN, func))
        return func

    def lifespan(self, func: F) -> F:
        """Register a context manager that is open while the server runs, sync or async.

        func: a function, `def` or `async def`, with one `yield` in the middle, or any callable that
        returns a context manager. It is given the App if it takes an argument. If what it returns
        is no context manager, the start fails with a UsageError.

        The context manager is entered and left in one task, in line with the startup and shutdown
        hooks: entered in the order of registration, left in reverse. So a nursery or task group
        that it opens stays open while the server runs, and what fails in that ends the server.
        """
        self._check(func, "lifespan", "()", "(app)")
        self.life.append((Phase.AROUND, func))
        return func

    def on_connect(self, func: F) -> F:
        """Register `hook(ctx)`, which runs for each connection before its first request.

        Context variables that it sets are seen by all exchanges of the connection. If it raises,
        the connection is closed unserved: quietly for an HTTPError, with a log line for any other
        exception.
        """
        self._check(func, "on_connect", "(ctx)")
        self.connect_hooks.append(func)
        return func

    def on_disconnect(self, func: F) -> F:
        """Register `hook(ctx)`, which runs after a connection and its last exchange are over.

        It does not run for a connection that an `on_connect` hook has turned away. The last hook
        registered is called first. A failure is logged, and the other hooks still run.
        """
        self._check(func, "on_disconnect", "(ctx)")
        self.disconnect_hooks.append(func)
        return func

    def request_error(self, func: F) -> F:
        """Register `hook(ctx)` or `hook(ctx, error)` for requests that could not be parsed.

        It runs instead of all other hooks. `error`, which is `ctx.error` too, has `status`,
        `reason` and `excerpt`, the first bytes of what was wrong. What the hook sets on
        `ctx.response` or returns is sent, and the connection closes. A hook that fails itself is
        one logged 500.
        """
        self._check(func, "request_error", "(ctx)", "(ctx, error)")
        self.request_error_hooks.append(func)
        return func

    def exception_handler(self, kind: type[Exception]) -> Callable[[F], F]:
        """Register `handler(ctx, exc)`, which answers exceptions of class `kind`.

        It answers subclasses too; the handler of the nearest class wins. It may set `ctx.response`,
        which begins empty, with the status of an HTTPError or with 500. It may also return what a
        route's handler may return. A handler that fails itself is one logged 500.

        The handler for `Exception` is the panic hook: it answers what no other handler does, and
        the exception is logged. It is not asked for an HTTPError, which is an answer and no bug.

        Raise UsageError if `kind` is no class of exceptions.
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
        """Compose the pipelines and return the `Application` that servers serve.

        Every later call returns the same object. Registering afterwards raises RegistrationError.
        """
        if self._frozen is None:
            self._frozen = FrozenApp(
                self,
                life=self.life,
                connect_hooks=self.connect_hooks,
                disconnect_hooks=self.disconnect_hooks,
                exception_handlers=self.exception_handlers,
                request_error_hooks=self.request_error_hooks,
                json_default=self.json_default,
                parts_of=_parts_of,
            )
        return self._frozen

    def run(self, backend: str = "asyncio", **config: Any) -> None:
        """Serve until a signal ends the process; blocks.

        backend: its name, such as "asyncio" or "threads", or "package.module:Class". config: the
        fields of ServerConfig.

        The first SIGINT or SIGTERM drains, a second one aborts. Raise ConfigError for a bad value,
        and UsageError where an event loop is running already. Exit with code 3 and one line on
        stderr if the server cannot start: the backend is not installed, the port is used, a
        startup hook fails. Exit with code 1 after an abort, or if handlers still block after the
        drain deadline.
        """
        from anylane.serving import run

        run(self, ServerConfig(**config), backend)


def _parts_of(config: ServerConfig) -> Iterable[object]:
    """Return the parts that the settings of a server ask for, the outermost first."""
    if not config.asks_for_parts:
        return ()
    from anylane.middleware.from_settings import parts_of

    return parts_of(config)


def check_served(app: object, config: object) -> None:
    """Raise UsageError unless `app` is an App and `config` a ServerConfig."""
    if not isinstance(app, App):
        raise UsageError(f"the app is {app!r:.80}; expected an anylane.App")
    if not isinstance(config, ServerConfig):
        raise UsageError(
            f"the config is {config!r:.80}; expected a ServerConfig. Pass a backend's name after "
            "it: backend='threads'"
        )
