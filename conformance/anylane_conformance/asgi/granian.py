"""Granian as a lane of the suite: its embedded server, which runs in a loop that is there."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any, cast

from granian import _granian
from granian.constants import Interfaces
from granian.server.embed import Server

from anylane.lane.server_core import ServerCore
from anylane_conformance.asgi.hosted import ALL, HostedBackend, Serve

_BACKLOG = 1024

_BACKPRESSURE = 8192
"""How many connections it holds. By its own default it is as many as the backlog is long."""


class _OnListener(Server):
    """A server on a socket that is bound and listening. Granian itself takes an address only."""

    def listen_on(self, fd: int) -> None:
        """Say which socket, by its file descriptor, which it owns from now on."""
        self._fd = fd

    def _init_shared_socket(self) -> None:
        self._ssp: Any = None
        # Its types do not tell of the arguments: descriptor, whether it is a path's, backlog.
        self._shd: Any = cast("Any", _granian.SocketHolder)(self._fd, False, _BACKLOG)


class GranianBackend(HostedBackend):
    """The server of the suite under Granian."""

    name = "asgi-granian"
    lacks: frozenset[str] = ALL | {
        *("denials", "exact_marks", "handshake_headers", "interim_and_trailers", "own_listeners")
    }
    versions: tuple[str, ...] = ("granian",)

    def host(self, application: Serve, server: ServerCore) -> None:
        asyncio.run(self._serve(application, server))

    async def _serve(self, application: Serve, server: ServerCore) -> None:
        ours = server.config
        certificate = None if ours.ssl_certfile is None else Path(ours.ssl_certfile)
        far: Any = _OnListener(
            application,
            interface=Interfaces.ASGI,
            log_enabled=False,
            backpressure=_BACKPRESSURE,
            ssl_cert=certificate,
            ssl_key=certificate,
        )
        (listener,) = server.listeners
        far.listen_on(os.dup(listener.fileno()))
        listener.close()

        async def stop() -> None:
            await self.told(asyncio.sleep)
            far.stop()

        stopping = asyncio.create_task(stop())
        try:
            await far.serve()
        finally:
            stopping.cancel()
