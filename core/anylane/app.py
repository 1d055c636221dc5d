"""App: where the routes, hooks and error handlers of a web application are registered.

They are composed once, before the first request. Serving is not done here: `run` hands the app to
the installed backends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from functools import partial
from inspect import isasyncgenfunction, isgeneratorfunction
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Unpack, cast

from anylane.callables import accepted_positionals, called, location, signature_problem
from anylane.config.run_settings import RunSettings
from anylane.config.server_config import ServerConfig
from anylane.config.server_settings import ServerSettings
from anylane.errors import RegistrationError, UsageError
from anylane.handling.application import FrozenApp
from anylane.handling.background import periodic
from anylane.keywords import check_keywords
from anylane.lane.life.lifespan import Phase, Step, is_context_manager
from anylane.lane.life.schedule import MAX_INTERVAL, MIN_INTERVAL, Periodic
from anylane.routing.base_app import BaseApp, Mountable
from anylane.routing.foreign import asgi_mount, is_asgi, wsgi_mount
from anylane.routing.hooks import Errors, check_hook
from anylane.routing.mounted import Mounted
from anylane.routing.route import Route
from anylane.shown import shown
from anylane.typed.dependencies.app_scope import steps_of
from anylane.typed.typed_router import Router

if TYPE_CHECKING:
    from anylane.openapi.docs_page.pages import Pages
    from anylane.routing.function_types import (
        ConnectionHook,
        JobFunction,
        LifespanFunction,
        PlainHook,
        RefusalHook,
        WorkerHook,
    )
    from anylane.serving import AsgiApplication

_OF_THE_COMMAND = {
    each.name: f"that is the command's: anylane run MODULE:APP --{each.name.replace('_', '-')}"
    for each in fields(RunSettings)
}


class App(BaseApp):
    """A web application.

    Register routes and hooks with the decorators. Then call `run()`, or give the app to a Server, a
    TestClient or a Lockstep. The first of these freezes the app; registering anything afterwards
    raises RegistrationError, as it does on every Router that the app includes.

    The decorators return the function unchanged. They raise UsageError for what is no function and
    for a function with other parameters than are asked for; nothing is registered then.

    errors: how an HTTPError is written, as in `Router`; also one of a request without a route.
    json_default: `func(value)`, which is given what JSON has no form for, and returns something
        that it has. It is called while a value is encoded, so it must not block.
    body_limit, timeout: for all routes that say nothing else, as in `Router`.
    """

    def __init__(
        self,
        *,
        errors: Errors = "auto",
        json_default: Callable[[Any], Any] | None = None,
        body_limit: int | None = None,
        timeout: float | None = None,
    ) -> None:
        super().__init__(errors=errors, body_limit=body_limit, timeout=timeout)
        if json_default is not None and (problem := signature_problem(json_default, "(value)")):
            raise UsageError(f"json_default {location(json_default)} {problem}")
        self.json_default: Callable[[Any], Any] | None = json_default
        self.dependency_overrides: dict[Callable[..., Any], Callable[..., Any]] = {}
        """For tests: what is called instead of a dependency. It may be changed at any time."""
        self.life: list[Step | Mount] = []
        self.jobs: list[tuple[Callable[..., Any], float, bool]] = []
        self.connect_hooks: list[Callable[..., Any]] = []
        self.disconnect_hooks: list[Callable[..., Any]] = []
        self.request_error_hooks: list[Callable[..., Any]] = []
        self.description: Pages | None = None
        """What `openapi` was told, and the document that is made of it."""
        self._frozen: FrozenApp | None = None
        self._asgi: AsgiApplication | None = None

    def on_worker_start(self, func: WorkerHook) -> WorkerHook:
        """Register `hook()` or `hook(worker)`, which is called in each worker process before the
        startup hooks.

        `worker.number` is that of its slot, 0 to `worker.workers - 1`; the replacement of a worker
        has the same number. A single process, a Server in a program, a TestClient and a Lockstep
        call it once, as worker 0 of 1. Those of mounted apps are called too, in the order of
        registration. All else is as for `on_startup`: what was raised ends the start.
        """
        self._check(func, "on_worker_start", "()", "(worker)")
        self.life.append((Phase.WORKER, func))
        return func

    def on_startup(self, func: PlainHook) -> PlainHook:
        """Register `hook()`, which is called before the first connection is accepted.

        An `async def` is awaited; a `def` is called directly, so it must not block. If it raises,
        the server does not start, and the lifespans that were entered before are left in reverse.
        """
        self._check(func, "on_startup", "()")
        self.life.append((Phase.STARTUP, func))
        return func

    def on_shutdown(self, func: PlainHook) -> PlainHook:
        """Register `hook()`, which is called after the last exchange has ended.

        The last hook registered is called first. An `async def` is awaited; a `def` is called
        directly. A failure is logged, and the other hooks still run.
        """
        self._check(func, "on_shutdown", "()")
        self.life.append((Phase.SHUTDOWN, func))
        return func

    def lifespan(self, func: LifespanFunction) -> LifespanFunction:
        """Register a context manager that is open while the server runs, sync or async.

        func: a function, `def` or `async def`, with one `yield` in the middle, or any callable that
        returns a context manager. It is given the App if it takes an argument. If what it returns
        is no context manager, the start fails with a UsageError. Or a context manager itself, such
        as a bridge, which every server enters: once in each worker process.

        The context manager is entered and left in one task, in line with the startup and shutdown
        hooks: entered in the order of registration, left in reverse. So a nursery or task group
        that it opens stays open while the server runs, and what fails in that ends the server.
        """
        given: Any = func
        if is_context_manager(given):
            self._check_open(shown(given, 300))
            self.life.append((Phase.AROUND, lambda: given))
        else:
            self._check(given, "lifespan", "()", "(app)")
            self.life.append((Phase.AROUND, given))
        return func

    def every(
        self, seconds: float, workers: Literal["each", "one"] = "each"
    ) -> Callable[[JobFunction], JobFunction]:
        """Register `job()` or `job(ctx)`, which runs again and again while a server accepts.

        An `async def` is awaited; a `def` runs in the pool, so it may block. `ctx` is for waiting
        (`ctx.sleep`, `ctx.run_sync`) and for `ctx.app.state`, and not for answering. The first turn
        comes one interval after the start. A job never overlaps itself: turns that would begin
        while it still runs are left out. A failure is logged, and the next turn comes. A drain
        waits for what runs, up to `Timeouts.drain`, and then interrupts it.

        seconds: from one turn to the next, 0.01 to 1,000,000. workers: "each" runs it in every
            worker process, "one" in one of those of `anylane run --workers` only; when that one
            ends, another takes over. Other machines have workers of their own.

        Raise UsageError for bad values and for what is no such function.
        """
        if callable(seconds):
            raise UsageError("@app.every needs an interval: write @app.every(60)")
        if (
            isinstance(seconds, bool)
            or not isinstance(seconds, int | float)  # type: ignore[redundant-expr]
            or not MIN_INTERVAL <= seconds <= MAX_INTERVAL
        ):
            raise UsageError(
                f"the interval of @app.every is {shown(seconds)}; expected seconds, from "
                f"{MIN_INTERVAL:g} to {MAX_INTERVAL:,.0f}"
            )
        if workers not in ("each", "one"):
            raise UsageError(f"workers of @app.every is {shown(workers)}; expected 'each' or 'one'")

        def register(func: JobFunction) -> JobFunction:
            self._check(func, "every", "()", "(ctx)")
            if isgeneratorfunction(called(func)) or isasyncgenfunction(called(func)):
                raise UsageError(f"the job {location(func)} has a `yield`; a job is one call")
            self.jobs.append((func, float(seconds), workers == "one"))
            return func

        return register

    def on_connect(self, func: ConnectionHook) -> ConnectionHook:
        """Register `hook(ctx)`, which runs for each connection before its first request.

        Context variables that it sets are seen by all exchanges of the connection. If it raises,
        the connection is closed unserved: quietly for an HTTPError, with a log line for any other
        exception.
        """
        self._check_served(func, "on_connect", "(ctx)")
        self.connect_hooks.append(func)
        return func

    def on_disconnect(self, func: ConnectionHook) -> ConnectionHook:
        """Register `hook(ctx)`, which runs after a connection and its last exchange are over.

        It does not run for a connection that an `on_connect` hook has turned away. The last hook
        registered is called first. A failure is logged, and the other hooks still run.
        """
        self._check_served(func, "on_disconnect", "(ctx)")
        self.disconnect_hooks.append(func)
        return func

    def request_error(self, func: RefusalHook) -> RefusalHook:
        """Register `hook(ctx)` or `hook(ctx, error)` for requests that could not be parsed.

        It runs instead of all other hooks. `error`, which is `ctx.error` too, has `status`,
        `reason` and `excerpt`, the first bytes of what was wrong. What the hook sets on
        `ctx.response` or returns is sent, and the connection closes. A hook that fails itself is
        one logged 500.
        """
        self._check_served(func, "request_error", "(ctx)", "(ctx, error)")
        self.request_error_hooks.append(func)
        return func

    def mount(
        self,
        prefix: str,
        other: Router | Mountable | Callable[..., Any],
        *,
        name: str = "",
        wsgi: bool = False,
        portal: bool = False,
    ) -> None:
        """Have everything below *prefix* answered by another App, a Router, a `Mountable`, or an
        application of another framework.

        An App keeps what is its own: hooks, exception handlers, `errors=`, `json_default`, state,
        and lifespan, which is entered in line with the hooks of this app. This app's hooks run
        around it, and its response hooks see the answers. A Router is included. A Mountable, such
        as StaticFiles, serves all paths below the prefix.

        An ASGI application (Starlette, FastAPI, Django, Litestar) gets the whole path, and the
        prefix as its `root_path`; its lifespan runs. On asyncio, uvloop, anyio and trio it runs in
        the handler's own task, on threads and curio on an asyncio loop in a thread. A WSGI
        application (Flask, Django) runs in the pool.

        prefix: a pattern without a slash at its end; empty or '/' for the root. Without parameters
            for an application of another framework.
        name: goes before the names of its routes for `path_for`, as in 'admin:home'; for a
            Mountable it is the name of the route.
        wsgi: it is a WSGI application.
        portal: run an ASGI application on an asyncio loop in a thread on every lane; for one that
            knows asyncio only, as Django does, on trio.

        Raise RouteError for what cannot be mounted, for an App in itself or twice at one place, and
        if the routes do not fit together. Raise UsageError for an App with hooks for connections,
        which are this app's, and RegistrationError if this app serves already.
        """
        if isinstance(other, App):
            for hooks, decorator in (
                (other.connect_hooks, "on_connect"),
                (other.disconnect_hooks, "on_disconnect"),
                (other.request_error_hooks, "request_error"),
            ):
                if hooks:
                    raise _not_below(hooks[0], decorator)
        elif wsgi:
            other = wsgi_mount(prefix, other)
        elif is_asgi(other):
            mount = asgi_mount(prefix, other, portal=portal)
            super().mount(prefix, mount, name=name)
            self.life.append((Phase.MOUNTED, mount.lifespan))
            return
        super().mount(prefix, cast("Router | Mountable", other), name=name)
        if isinstance(other, App):
            self.life.append(Mount(other, "" if prefix == "/" else prefix))

    def openapi(
        self,
        *,
        title: str,
        version: str,
        path: str = "/openapi.json",
        docs: str | None = "/docs",
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        servers: Iterable[str] = (),
    ) -> None:
        """Describe the routes of this app as OpenAPI 3.1, those too that are registered later.

        title, version: of the API, for its readers. path: where the description is, as JSON. docs:
        where a page is that shows it, None for none; it needs the extra `docs`. description: more
        about the API, in CommonMark. tags: what each tag stands for, in the order of their display.
        servers: URLs where the API is; without them it is where the description comes from.

        Raise UsageError for what cannot be described, also at the start of a server, where all
        routes are known; and if this was called before.
        """
        from anylane.openapi.docs_page.pages import Pages
        from anylane.openapi.info import Info

        if self.description is not None:
            raise UsageError("app.openapi() was called before; an app has one description")
        info = Info(title=title, version=version, description=description, tags=tags,
                    servers=servers)  # fmt: skip
        pages = Pages(self, info, path, docs)
        pages.register()
        self.description = pages
        self.on_startup(lambda: pages.document() and None)

    def _register(self, route: Route) -> None:
        self._check_open(route.where)
        super()._register(route)

    def _check(self, func: Callable[..., Any], decorator: str, *forms: str) -> None:
        check_hook(func, decorator, *forms)
        self._check_open(location(func))

    def _check_served(self, func: Callable[..., Any], decorator: str, *forms: str) -> None:
        """Do what `_check` does. Raise UsageError too if this app is mounted in another one."""
        self._check(func, decorator, *forms)
        if self._mounts:
            raise _not_below(func, decorator)

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
            places = _places_of(Mounted(self), {})
            self._frozen = FrozenApp(
                self,
                apps=tuple(places),
                life=sorted(
                    (
                        *_steps_of(self, set()),
                        *steps_of(self, self.routes, self.dependency_overrides),
                    ),
                    key=lambda step: step[0] is not Phase.WORKER,
                ),
                jobs=(
                    Periodic(seconds, periodic(place, func), alone)
                    for app, place in places.items()
                    for func, seconds, alone in app.jobs
                ),
                connect_hooks=self.connect_hooks,
                disconnect_hooks=self.disconnect_hooks,
                request_error_hooks=self.request_error_hooks,
                json_default=self.json_default,
                parts_of=_parts_of,
            )
        return self._frozen

    def run(self, backend: str = "asyncio", **config: Unpack[ServerSettings]) -> None:
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

        known = ("backend", *ServerSettings.__annotations__)
        check_keywords("app.run()", config, known, _OF_THE_COMMAND)
        run(self, ServerConfig(**config), backend)

    def asgi(self, config: ServerConfig | None = None) -> AsgiApplication:
        """Return the app as an ASGI 3 application with these settings, to be served by another
        server: `application = app.asgi(...)`, then `uvicorn main:application`.

        Without settings `uvicorn main:app` is enough. Of those about sockets, TLS and workers none
        has an effect: the connections are the other server's.
        """
        from anylane.serving import AsgiApplication

        return AsgiApplication(self, config)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI 3 scope: an App is an ASGI application (see `asgi`)."""
        if self._asgi is None:
            self._asgi = self.asgi()
        await self._asgi(scope, receive, send)


class Mount(NamedTuple):
    """An app that was mounted in another one."""

    app: App
    """The inner one."""
    prefix: str
    """What its paths begin with in the outer one, as a pattern."""


def _places_of(place: Mounted, found: dict[App, Mounted]) -> dict[App, Mounted]:
    """Return an app and all that are mounted in it, at any depth, and where each is first."""
    app = place.app
    assert isinstance(app, App)
    if app not in found:
        found[app] = place
        for step in app.life:
            if isinstance(step, Mount):
                _places_of(Mounted(step.app, place.prefix + step.prefix, place), found)
    return found


def _steps_of(app: App, seen: set[App]) -> Iterator[Step]:
    """Yield what is to be done at the start. What a mounted app does comes where it was mounted."""
    seen.add(app)
    for step in app.life:
        if not isinstance(step, Mount):
            phase, func = step
            takes_app = phase is Phase.AROUND and accepted_positionals(func, 1)
            yield (phase, partial(func, app)) if takes_app else step
        elif step.app not in seen:
            yield from _steps_of(step.app, seen)


def _not_below(hook: Callable[..., Any], decorator: str) -> UsageError:
    return UsageError(
        f"{location(hook)} of @app.{decorator} is about connections, and those are served by the "
        "app around a mounted one; register it there"
    )


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
