"""Servers, ours and others, each in a thread of its own, for as long as a block lasts."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import ServerHandler, WSGIRequestHandler, WSGIServer

import uvicorn

from anylane import App, Server, ServerConfig


@contextmanager
def anylane_serves(
    app: App, lane: str = "asyncio", config: ServerConfig | None = None
) -> Generator[int]:
    """Give the port where a server of ours serves an App."""
    server = Server(app, config or ServerConfig(port=0), lane)
    server.start().wait_ready()
    try:
        yield server.addresses[0][1]
    finally:
        server.shutdown()
        assert server.wait(30)


@contextmanager
def uvicorn_serves(application: Any, root_path: str = "") -> Generator[int]:
    """Give the port where uvicorn serves an ASGI application."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            application,
            log_config=None,
            log_level=logging.CRITICAL,
            root_path=root_path,
            lifespan="auto",
            ws="websockets-sansio",
            timeout_graceful_shutdown=5,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            until = time.monotonic() + 20
            while not server.started:
                assert thread.is_alive() and time.monotonic() < until, "uvicorn does not start"
                time.sleep(0.01)
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing."""


@contextmanager
def wsgiref_serves(application: Any) -> Generator[int]:
    """Give the port where the standard library's server serves a WSGI application."""
    ServerHandler.http_version = "1.1"
    server = WSGIServer(("127.0.0.1", 0), _Quiet)
    server.set_app(application)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
