"""Hypercorn as a lane of the suite, on asyncio and on trio."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from importlib import import_module
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.utils import LifespanFailureError

from anylane.lane.server_core import ServerCore
from anylane_conformance.asgi.hosted import ALL, HostedBackend, Serve


def config_of(server: ServerCore) -> Config:
    """Return the settings with which Hypercorn takes the place of a server of ours."""
    ours = server.config
    config = Config()
    config.bind = [f"fd://{os.dup(each.fileno())}" for each in server.listeners]
    config.errorlog = None
    config.keep_alive_timeout = ours.timeouts.keep_alive
    config.graceful_timeout = HostedBackend.grace(server)
    config.certfile = config.keyfile = ours.ssl_certfile
    config.ca_certs = ours.ssl_ca_certs
    return config


class HypercornBackend(HostedBackend):
    """The server of the suite under Hypercorn on asyncio."""

    name = "asgi-hypercorn"
    lacks: frozenset[str] = ALL | {"interim_and_trailers"}
    versions: tuple[str, ...] = ("hypercorn", "h11", "wsproto")

    def host(self, application: Serve, server: ServerCore) -> None:
        config = config_of(server)
        for each in server.listeners:
            each.close()
        try:
            self._run(application, config)
        except* LifespanFailureError:  # The application has said why.
            pass

    def _run(self, application: Any, config: Config) -> None:
        stop = partial(self.told, asyncio.sleep)
        asyncio.run(serve(application, config, shutdown_trigger=stop))


class HypercornTrioBackend(HypercornBackend):
    """The server of the suite under Hypercorn on trio."""

    name = "asgi-hypercorn-trio"
    cancel_scopes = True
    versions: tuple[str, ...] = ("hypercorn", "h11", "wsproto", "trio")

    def check(self) -> None:
        """Raise ImportError if trio is not installed."""
        import_module("trio")

    def _run(self, application: Any, config: Config) -> None:
        import trio
        from hypercorn.trio import serve

        stop = partial(self.told, trio.sleep)
        trio.run(partial(serve, application, config, shutdown_trigger=stop))
