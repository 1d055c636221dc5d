"""An App for inetd and systemd's `Accept=yes`: one process a connection, which is its stdin.

#!/usr/bin/env python3
from stdio_host import serve
from main import app
serve(app)
"""

import asyncio
import os
import signal
import socket
import sys

from anylane import App, ServerConfig
from anylane_backends.asgi.embedded import server_of
from anylane_backends.asyncio.lane import AsyncioBackend


def connection() -> socket.socket:
    """Return the socket on stdin. What the app prints goes to stderr from here on, and no more to
    the client."""
    try:
        sock = socket.socket(fileno=os.dup(0))
    except OSError as exc:
        sys.exit(f"stdin is no socket ({exc}); start this by inetd, or by systemd with Accept=yes")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    return sock


async def answer(app: App, config: ServerConfig, sock: socket.socket) -> None:
    """Serve one connection to its end. All limits and deadlines of the configuration hold."""
    server = server_of(app, config)

    def look() -> None:
        if not server.drivers and not server.draining:
            server.request_shutdown()  # The client is gone, and so is the reason to run.

    server.status.watch(look)
    async with AsyncioBackend().embed(server) as lane:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.request_shutdown)
        lane.connect(sock, sock.getpeername(), sock.getsockname())
        server.ready()
        await lane.until_over()


def serve(app: App, config: ServerConfig | None = None) -> None:
    """Do what this process was started for."""
    asyncio.run(answer(app, config or ServerConfig(), connection()))
