"""An App gives under other servers the answers that it gives under its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient as StarletteClient

from tests.neighbours.requests import answers, conversations
from tests.neighbours.servers import anylane_serves
from tests.neighbours.service import app

ROOT = Path(__file__).parents[2]
TARGET = "tests.neighbours.service:app"

SERVERS = {
    "uvicorn": ["-m", "uvicorn", TARGET, "--port", "{port}", "--log-level", "critical",
                "--ws", "websockets-sansio"],
    "uvicorn h11": ["-m", "uvicorn", TARGET, "--port", "{port}", "--log-level", "critical",
                    "--loop", "asyncio", "--http", "h11", "--ws", "wsproto"],
    "hypercorn": ["-m", "hypercorn", TARGET, "--bind", "127.0.0.1:{port}"],
    "hypercorn trio": ["-m", "hypercorn", TARGET, "--bind", "127.0.0.1:{port}",
                       "--worker-class", "trio"],
    "granian": ["-m", "granian", "--interface", "asgi", TARGET, "--port", "{port}"],
}  # fmt: skip


@contextmanager
def served(name: str) -> Generator[int]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, *(each.format(port=port) for each in SERVERS[name])]
    server = subprocess.Popen(
        command, cwd=ROOT, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        until = time.monotonic() + 30
        while True:
            assert server.poll() is None, server.stderr and server.stderr.read().decode()
            assert time.monotonic() < until, f"{name} does not start"
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except OSError:
                time.sleep(0.05)
            else:
                break
        yield port
    finally:
        server.terminate()
        server.communicate(timeout=30)


@cache
def by_itself() -> tuple[Any, Any]:
    with anylane_serves(app) as port:
        return answers(port), conversations(port)


@pytest.mark.parametrize("name", SERVERS)
def test_an_app_answers_under_other_servers_as_under_its_own(name: str) -> None:
    expected, talked = by_itself()
    with served(name) as port:
        assert _unframed(answers(port)) == _unframed(expected)
        assert conversations(port) == talked


def _unframed(found: Any) -> Any:
    """Without the framing of bodies whose length was not known: it is the server's."""
    return {
        name: (status, [each for each in fields if each[0] != "transfer-encoding"], body)
        for name, (status, fields, body) in found.items()
    }


def test_an_app_answers_without_a_server() -> None:
    with StarletteClient(app) as client:
        assert client.get("/seen").json()["life"] == "begun"
        assert client.get("/gone/7").status_code == 410
        assert client.post("/echo", content=b"x" * 100_000).text == "100000"
        with client.websocket_connect("/ws") as ws:
            ws.send_text("hi")
            assert (ws.receive_text(), ws.receive_bytes()) == ("HI", b"hi")


def test_an_app_is_mounted_in_another_framework() -> None:
    outer = Starlette(routes=[Mount("/inner", app)])
    with StarletteClient(outer) as client:
        seen = client.get("/inner/seen?q=1").json()
        assert (seen["path"], seen["query"], seen["life"]) == ("/seen", "q=1", "begun")


def test_httpx_asks_an_app() -> None:
    async def script() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            assert (await client.get("/seen")).json()["host"] == "service"
            assert (await client.get("/stream")).text == "one\ntwo\n"

    import anyio

    anyio.run(script)
