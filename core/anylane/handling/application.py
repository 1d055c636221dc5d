"""FrozenApp: an App as lanes serve it. It is put together once, before the first request."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from anylane.callables import calls_of
from anylane.handling.connection_hooks import run_connect_hooks, run_disconnect_hooks
from anylane.handling.dispatch import Dispatcher
from anylane.handling.error_responses import ErrorHandlers
from anylane.handling.run_exchange import relieve, run_exchange
from anylane.lane.life.lifespan import Lifespan
from anylane.lane.life.state import States
from anylane.routing.parts import warnings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from anylane.config.server_config import ServerConfig
    from anylane.lane.host import Forwarded, Log
    from anylane.lane.life.lifespan import Step
    from anylane.lane.life.schedule import Periodic
    from anylane.lane.link import Errand
    from anylane.routing.base_app import BaseApp


def no_parts(_config: ServerConfig) -> Iterable[object]:
    """Return nothing: no setting asks for a part."""
    return ()


class FrozenApp(Dispatcher):
    """An `Application` made of routes, hooks and error handlers.

    Any number of servers may serve it at once. app: what `ctx.app` is, and what lifespan functions
    are given. apps: it, and those that are mounted in it. jobs, on_connect, on_disconnect: as in
    `Application`. parts_of: returns the parts that the settings of a server ask for, the outermost
    first.
    """

    __slots__ = ("_apps", "_life", "_parts_of", "_warnings", "jobs", "on_connect", "on_disconnect")

    def __init__(
        self,
        app: BaseApp,
        *,
        apps: tuple[BaseApp, ...],
        life: Iterable[Step],
        jobs: Iterable[Periodic],
        connect_hooks: Iterable[Callable[..., Any]],
        disconnect_hooks: Iterable[Callable[..., Any]],
        request_error_hooks: Iterable[Callable[..., Any]],
        json_default: Callable[[Any], Any] | None,
        parts_of: Callable[[ServerConfig], Iterable[object]] = no_parts,
    ) -> None:
        super().__init__(app, ErrorHandlers(request_error_hooks))
        self.json_default = json_default
        self._apps = apps
        self._life = tuple(life)
        self._parts_of = parts_of
        self._warnings = warnings_of(app.routes)
        self.jobs: tuple[Periodic, ...] = tuple(jobs)
        connect, disconnect = calls_of(connect_hooks), calls_of(disconnect_hooks)
        self.on_connect: Errand | None = None
        self.on_disconnect: Errand | None = None
        if connect:
            self.on_connect = partial(run_connect_hooks, app, connect)
        if disconnect:
            self.on_disconnect = partial(run_disconnect_hooks, app, disconnect[::-1])

    # The function itself, and no method around it: that would be one call more for each request.
    run = run_exchange
    relieve = relieve

    def lifespan(self, log: Log) -> Lifespan:
        """Return the startup hooks, shutdown hooks and context managers of the app, for one
        server. log: takes what fails at its end, and now what the app's parts warn about."""
        for line in self._warnings:
            log("warning", line, None)
        return Lifespan(self.app, self._life, log, States(self._apps))

    def configured(self, config: ServerConfig) -> FrozenApp:
        """Return what one server serves: this, or a copy inside the parts that its settings ask
        for."""
        parts = tuple(self._parts_of(config))
        return self.inside(parts) if parts else self

    def forwarded(self, config: ServerConfig) -> Forwarded | None:
        """Return the proxies that are believed about a client; None without `proxy_headers`."""
        if not config.proxy_headers:
            return None
        from anylane.config.root_path import FORWARDED
        from anylane.http.forwarded import Proxies

        names_root = config.root_path == FORWARDED
        return Proxies(config.forwarded_allow_ips, names_root=names_root)
