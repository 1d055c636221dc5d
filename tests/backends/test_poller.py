"""One task reads from all connections of trio and curio: what a client or a handler does to it."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest
import trio

from anylane import App, Context, ServerConfig
from anylane.testing import TestClient
from anylane_backends.hosting.server import Server
from anylane_backends.readiness import poller

GET = b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(params=("trio", "curio", "trio with poll(2)", "curio with poll(2)"))
def lane(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    name, _, other = request.param.partition(" ")
    if other:  # As where there is neither epoll nor kqueue, for us alone.
        monkeypatch.setattr(poller, "selectors", PollAlone)
    return str(name)


class PollAlone:
    DefaultSelector = selectors.PollSelector
    EVENT_READ = selectors.EVENT_READ


@contextmanager
def serving(app: App, lane: str) -> Generator[Any]:
    server = Server(app, ServerConfig(port=0), lane)
    server.start().wait_ready()
    try:
        yield server.addresses[0]
    finally:
        server.shutdown()


def connect(address: Any) -> socket.socket:
    return socket.create_connection(address[:2], timeout=10)


def answers(sock: socket.socket, count: int) -> list[bytes]:
    """Return the bodies of so many answers."""
    data = b""
    while data.count(b"\r\n\r\n") < count or not data.endswith(b"."):
        piece = sock.recv(65536)
        assert piece, data
        data += piece
    return [each.partition(b"\r\n\r\n")[2] for each in data.split(b"HTTP/1.1 ")[1:]]


def test_a_scope_that_a_handler_leaves_open_is_not_the_next_ones() -> None:
    app = App()
    kept: list[Any] = []

    @app.get("/leaves/{what}")
    async def leaves(ctx: Context) -> str:
        made = trio.move_on_after(0.05) if ctx.params["what"] == "time" else trio.CancelScope()
        kept.append(made)
        made.__enter__()
        return "left."

    @app.get("/cancels")
    async def cancels(ctx: Context) -> str:
        for scope in kept:
            scope.cancel()
        return "cancelled."

    @app.get("/waits")
    async def waits(ctx: Context) -> str:
        await trio.sleep(0.1)
        return "waited."

    with TestClient(app, backend="trio") as client:
        for what in ("time", "scope"):
            assert client.get(f"/leaves/{what}").text == "left."
            assert client.get("/waits").text == "waited."
            assert client.get("/cancels").text == "cancelled."
            assert client.get("/waits").text == "waited."


def test_a_client_that_asks_for_much_at_once_leaves_others_their_turn(lane: str) -> None:
    app = App()
    order: list[str] = []

    @app.get("/{name}")
    async def handler(ctx: Context) -> str:
        order.append(ctx.params["name"])
        if order[-1] == "holds":
            time.sleep(0.2)  # noqa: ASYNC251  # So that both have asked before anything goes on.
        return "."

    with serving(app, lane) as address, connect(address) as greedy, connect(address) as modest:
        for each in (greedy, modest):
            each.sendall(GET % b"first")
            answers(each, 1)
        greedy.sendall(GET % b"holds" + GET % b"greedy" * 200)
        modest.sendall(GET % b"modest")
        answers(modest, 1)
        answers(greedy, 201)
    assert order.index("modest") < 10
    assert len(order) == 204


def test_a_client_that_sends_what_is_not_read_costs_no_turns(
    lane: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = App()
    looked: list[float] = []
    read = poller.Poller._read

    def counted(self: Any) -> None:
        looked.append(0)
        read(self)

    @app.post("/slow")
    async def slow(ctx: Context) -> str:
        looked.clear()
        await ctx.sleep(0.5)
        return f"{len(looked)}."

    monkeypatch.setattr(poller.Poller, "_read", counted)
    with serving(app, lane) as address, connect(address) as peer:
        peer.sendall(b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n")
        peer.setblocking(False)
        try:
            while True:
                peer.send(b"x" * 65536)
        except BlockingIOError:
            pass
        peer.settimeout(10)
        times = int(answers(peer, 1)[0].rstrip(b"."))
    assert times < 50


def test_the_end_of_a_connection_in_the_same_turn_as_its_input(lane: str) -> None:
    app = App()

    @app.get("/{name}")
    async def handler(ctx: Context) -> str:
        return "."

    with serving(app, lane) as address:
        for _ in range(20):
            peers = [connect(address) for _ in range(10)]
            for n, peer in enumerate(peers):
                peer.sendall(GET % b"x")
                if n % 2:
                    peer.close()
            for peer in peers[::2]:
                assert answers(peer, 1) == [b"."]
                peer.close()
