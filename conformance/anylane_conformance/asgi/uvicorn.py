"""uvicorn as a lane of the suite."""

from __future__ import annotations

import math

import uvicorn

from anylane.lane import ServerCore
from anylane_conformance.asgi.hosted import HostedServer


class UvicornBackend:
    """The server of the suite under uvicorn, with h11 and wsproto."""

    name = "asgi-uvicorn"
    concurrent_input = True
    native_cancel = True
    other_server = True

    def run(self, server: ServerCore) -> None:
        """Serve until the server was told to shut down."""

        def stop() -> None:
            far.should_exit = True

        hosted = HostedServer(server, stop)
        config = uvicorn.Config(
            hosted,
            log_config=None,
            access_log=False,
            loop="asyncio",
            lifespan="on",
            timeout_graceful_shutdown=math.ceil(server.config.timeouts.drain) + 1,
        )
        far = uvicorn.Server(config)
        far.run(sockets=server.listeners)
        if hosted.error is not None:
            raise hosted.error

    async def serve(self, server: ServerCore) -> None:
        """Raise NotImplementedError: the suite does not ask for it."""
        raise NotImplementedError
