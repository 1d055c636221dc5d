"""What an operator sees of a handler that blocks its thread beyond its deadline."""

from __future__ import annotations

import socket
import threading

from anylane import App, Context, ServerConfig
from anylane.lane.server_core import Access
from anylane_backends.hosting.server import Server


def test_the_access_log_has_one_line_for_a_request_whose_handler_was_stuck() -> None:
    app = App()
    blocker, lines = threading.Event(), list[Access]()
    back = threading.Event()

    @app.get("/")
    def stuck(ctx: Context) -> str:
        blocker.wait(20)
        ctx.background(back.set)
        return "late"

    config = ServerConfig(port=0, request_timeout=0.2, max_threads=1)
    server = Server(app, config, "threads", access=lines.append)
    server.start()
    try:
        port = int(server.urls[0].rpartition(":")[2].rstrip("/"))
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 503 ")
            blocker.set()
            assert back.wait(20)
    finally:
        blocker.set()
        server.shutdown(grace=10)
        server.wait()
    (line,) = lines
    assert line.status == 503
    assert 0.2 <= line.seconds < 20
    assert line.head is not None
