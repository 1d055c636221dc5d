"""FrozenApp: an App as lanes serve it. It is put together once, before the first request."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from anylane.callables import calls_of
from anylane.handling.connection_hooks import run_connect_hooks, run_disconnect_hooks
from anylane.handling.dispatch import Dispatcher
from anylane.handling.error_responses import ErrorHandlers
from anylane.handling.run_exchange import run_exchange
from anylane.lane.life.lifespan import Lifespan
from anylane.lane.life.state import States

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from anylane.config.server_config import ServerConfig
    from anylane.lane.host import Forwarded, Log
    from anylane.lane.life.lifespan import Step
    from anylane.lane.life.schedule import Periodic
    from anylane.lane.link import Errand
    from anylane.routing.base_app import BaseApp


class FrozenApp(Dispatcher):
    """An `Application` made of routes, hooks and error handlers.

    Any number of servers may serve it at once. app: what `ctx.app` is, and what lifespan functions
    are given. apps: it, and those that are mounted in it. jobs, on_connect, on_disconnect: as in
    `Application`.
    """

    __slots__ = ("_apps", "_life", "jobs", "on_connect", "on_disconnect")

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
    ) -> None:
        super().__init__(app, ErrorHandlers(request_error_hooks))
        self.json_default = json_default
        self._apps = apps
        self._life = tuple(life)
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

    def lifespan(self, log: Log) -> Lifespan:
        """Return the startup hooks, shutdown hooks and context managers of the app, for one
        server. log: takes what fails at its end."""
        return Lifespan(self.app, self._life, log, States(self._apps))

    def forwarded(self, config: ServerConfig) -> Forwarded | None:
        """Return the proxies that are believed about a client; None without `proxy_headers`."""
        if not config.proxy_headers:
            return None
        from anylane.http.forwarded import Proxies

        return Proxies(config.forwarded_allow_ips)
