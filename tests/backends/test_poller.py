"""One task reads from all connections of trio and curio: what a client or a handler does to it."""

from __future__ import annotations

import errno
import selectors
import socket
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import trio

from anylane import App, Cancelled, Context, ServerConfig
from anylane.protocol import Interrupt
from anylane.testing import TestClient
from anylane_backends.hosting.server import Server
from anylane_backends.readiness import poller
from anylane_backends.trio import TrioBackend

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
def serving(app: App, lane: str, log: list[str] | None = None) -> Generator[Any]:
    said = [] if log is None else log
    server = Server(
        app, ServerConfig(port=0), lane, log=lambda level, message, _: said.append(message)
    )
    server.start().wait_ready()
    try:
        yield server.addresses[0]
    finally:
        server.shutdown()


def connect(address: Any) -> socket.socket:
    return socket.create_connection(address[:2], timeout=10)


def ask(address: Any, name: bytes) -> bytes:
    """Return the body of an answer, over a connection of its own."""
    with connect(address) as sock:
        sock.sendall(GET % name)
        return answers(sock, 1)[0]


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
        await ctx.sleep(0.3)  # What the client sends meanwhile is read up to the mark.
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


@pytest.mark.parametrize("where", ["before it waits", "after it has waited", "in a generator"])
def test_a_nursery_that_a_handler_leaves_open_ends_with_it(where: str) -> None:
    """trio would end the nursery around the task, which is the whole server's."""
    app = App()
    kept: list[Any] = []
    ended: list[str] = []
    log: list[str] = []

    async def child() -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append("child")

    async def items() -> AsyncGenerator[int]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)
            yield 1

    @app.get("/leaves")
    async def leaves(ctx: Context) -> str:
        if where == "in a generator":
            kept.append(items())
            await anext(kept[0])
            return "left."
        if where == "after it has waited":
            await trio.lowlevel.checkpoint()
        kept.append(trio.open_nursery())
        nursery = await kept[0].__aenter__()
        nursery.start_soon(child)
        return "left."

    @app.get("/waits")
    async def waits(ctx: Context) -> str:
        await trio.sleep(0.01)
        return "waited."

    with serving(app, "trio", log) as address:
        assert ask(address, b"leaves") == b"left."
        assert [ask(address, b"waits") for _ in range(3)] == [b"waited."] * 3
        assert ended == ["child"]
    assert any("left a nursery open" in line for line in log)


def test_a_context_that_is_used_behind_its_end_cancels_no_other_handler() -> None:
    app = App()
    kept: list[Context] = []

    @app.get("/late")
    async def late(ctx: Context) -> str:
        kept.append(ctx)
        ctx.link.exchange.interrupted(Interrupt.DEADLINE)  # As its deadline would, just now.
        return "late."

    @app.get("/waits")
    async def waits(ctx: Context) -> str:
        with suppress(Cancelled):
            kept[0].check()
        await trio.sleep(0.01)
        return "waited."

    with serving(app, "trio") as address:
        with connect(address) as peer:
            peer.sendall(GET % b"late")
            assert b" 503 " in peer.recv(1000)
        assert ask(address, b"waits") == b"waited."


def test_a_lane_that_is_cancelled_starts_no_task_after_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each would be cancelled, too, for as long as the host of the loop takes to leave the lane."""
    starts: list[int] = []
    start = poller.Poller.start

    def counted(self: Any) -> None:
        starts.append(0)
        start(self)

    monkeypatch.setattr(poller.Poller, "start", counted)
    server = Server(App(), ServerConfig(port=0), "trio")

    async def host() -> None:
        with trio.CancelScope() as scope:
            async with TrioBackend().embed(server.core):
                scope.cancel()
                with trio.CancelScope(shield=True):
                    await trio.sleep(0.1)

    trio.run(host)
    server.core.on_listeners_idle()
    assert len(starts) < 5


class Failing:
    """A selector that fails so many times."""

    def __init__(self, selector: Any, times: int) -> None:
        self._selector = selector
        self.left = times
        self.seen = 0

    def select(self, timeout: float) -> Any:
        self.seen += 1
        if self.left:
            self.left -= 1
            raise OSError(errno.ENOMEM, "no memory")
        return self._selector.select(timeout)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._selector, name)


@pytest.mark.parametrize("name", ["trio", "curio"])
@pytest.mark.parametrize("times", [1, 1000])
def test_a_selector_that_fails_is_tried_again_after_a_rest(
    name: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = App()
    made: list[Failing] = []

    class Selectors:
        EVENT_READ = selectors.EVENT_READ

        @staticmethod
        def DefaultSelector() -> Failing:  # noqa: N802  # as in the module
            made.append(Failing(selectors.DefaultSelector(), times))
            return made[0]

    @app.get("/x")
    async def handler(ctx: Context) -> str:
        return "."

    monkeypatch.setattr(poller, "selectors", Selectors)
    log: list[str] = []
    with serving(app, name, log) as address, connect(address) as peer:
        peer.sendall(GET % b"x")
        if times == 1:
            assert answers(peer, 1) == [b"."]
        else:
            time.sleep(0.3)
            assert 1 <= made[0].seen < 5
            made[0].left = 0
            assert answers(peer, 1) == [b"."]
    assert any("no memory" in line for line in log)


def _full() -> None:
    raise OSError(errno.ENOSPC, "too many")


def _used() -> None:
    raise KeyError("'3 (FD 3) is already registered'")


def _closed() -> None:
    raise ValueError("Invalid file descriptor: -1")


@pytest.mark.parametrize("refuse", [_full, _used, _closed])
def test_a_connection_that_cannot_be_watched_ends_alone(
    lane: str, refuse: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system may refuse it, and its descriptor may have been closed by code that does not know
    whose it is."""
    app = App()
    watch = poller.Poller.watch
    refusing = [True]

    def refused(self: Any, driver: Any) -> None:
        if refusing:
            refusing.clear()
            refuse()
        watch(self, driver)

    @app.get("/x")
    async def handler(ctx: Context) -> str:
        return "."

    monkeypatch.setattr(poller.Poller, "watch", refused)
    with serving(app, lane) as address:
        with suppress(ConnectionError), connect(address) as peer:
            assert peer.recv(1) == b""
        assert ask(address, b"x") == b"."
