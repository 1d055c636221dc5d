"""uvicorn as a lane of the suite, with h11 and websockets."""

from __future__ import annotations

import asyncio
import logging
import math
import ssl

import uvicorn

from anylane.lane.server_core import ServerCore
from anylane_conformance.asgi.hosted import ALL, HostedBackend, Serve


class UvicornBackend(HostedBackend):
    """The server of the suite under uvicorn."""

    name = "asgi-uvicorn"
    lacks: frozenset[str] = ALL | {"exact_marks", "interim_and_trailers"}
    versions: tuple[str, ...] = ("uvicorn", "h11", "websockets")

    def host(self, application: Serve, server: ServerCore) -> None:
        ours = server.config
        config = uvicorn.Config(
            application,
            log_config=None,
            log_level=logging.CRITICAL,
            access_log=False,
            loop="asyncio",
            http="h11",
            ws="websockets-sansio",
            lifespan="on",
            timeout_keep_alive=math.ceil(ours.timeouts.keep_alive),
            timeout_graceful_shutdown=math.ceil(self.grace(server)),
            ssl_certfile=ours.ssl_certfile,
            ssl_ca_certs=ours.ssl_ca_certs,
            ssl_cert_reqs=ssl.CERT_REQUIRED if ours.ssl_cert_reqs == "required" else ssl.CERT_NONE,
        )
        far = uvicorn.Server(config)

        async def serve() -> None:
            async def stop() -> None:
                await self.told(asyncio.sleep)
                far.should_exit = True

            stopping = asyncio.create_task(stop())
            try:
                await far.serve(sockets=server.listeners)
            finally:
                stopping.cancel()

        try:
            asyncio.run(serve())
        except SystemExit:  # Its start has failed: the application has said why.
            pass
