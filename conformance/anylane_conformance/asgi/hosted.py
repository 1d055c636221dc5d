"""HostedBackend: a server of the suite as the ASGI application of another server."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any

from anylane.errors import UsageError
from anylane.lane.server_core import ServerCore
from anylane_backends.asgi.application import AsgiServer

ALL = frozenset(("own_wire", "own_connections", "own_frames", "own_drain", "own_tls", "read_size"))
"""What no ASGI server leaves to its application: see `capabilities.ROWS`."""

_LOOK = 0.1
"""Seconds after which a server that runs looks whether it was told to end."""

_GRACE = 5.0
"""Seconds that another server has at most to end its connections: the suite waits for three times
as long."""

Serve = Callable[[Any, Any, Any], Awaitable[None]]


class HostedBackend(ABC):
    """A backend whose connections belong to another server.

    lacks: the capabilities that a lane with it has not. versions: the other server and what it
    reads and writes with, by their names on PyPI.
    """

    name = ""
    concurrent_input = True
    native_cancel = True
    lacks: frozenset[str] = ALL
    versions: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._told = threading.Event()

    def run(self, server: ServerCore) -> None:
        """Serve until `stop`. Raises RuntimeError with what the application says of its start or
        end, if that fails, as the other server would log it."""
        failures: list[str] = []
        application = AsgiServer(lambda: server)

        async def hosted(scope: Any, receive: Any, send: Any) -> None:
            async def sending(message: Any) -> None:
                if message["type"].endswith(".failed"):
                    failures.append(message["message"])
                await send(message)

            await application(scope, receive, sending if scope["type"] == "lifespan" else send)

        self.host(hosted, server)
        if failures:
            raise RuntimeError(failures[0])

    async def serve(self, server: ServerCore) -> None:  # noqa: ARG002  # as Backend
        """Raise UsageError: the other server runs its own loop."""
        raise UsageError(f"{self.name} has a loop of its own: call run()")

    def stop(self) -> None:
        """Tell the other server to end, from any thread, as a signal would."""
        self._told.set()

    @staticmethod
    def grace(server: ServerCore) -> float:
        """Return how long the other server is to wait for its connections when it ends, seconds."""
        return min(server.config.timeouts.drain, _GRACE)

    async def told(self, sleep: Callable[[float], Awaitable[object]]) -> None:
        """Return once `stop` was called."""
        while not self._told.is_set():
            await sleep(_LOOK)

    @abstractmethod
    def host(self, application: Serve, server: ServerCore) -> None:
        """Run the other server with the application, on the listeners and with the settings of
        ours, until `told` returns. Block until then."""
