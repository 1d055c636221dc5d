"""Server and serve() as a program uses them: in a thread, and inside a running loop."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import trio
from websockets.sync.client import connect

import anylane
import anylane.serving
from anylane import App, Context, Server, ServerConfig, UsageError
from anylane.protocol.http1.machine import Http1
from anylane.protocol.websocket.session import WebSocketProtocol
from anylane_backends.hosting.loading import loop_of
from anylane_backends.sockets.listening import BindError

LANES = ("asyncio", "uvloop", "anyio", "trio", "curio", "threads")
LOCAL = ServerConfig(port=0)


def make_app(events: list[str] | None = None) -> App:
    app = App()
    seen = events if events is not None else []

    @app.get("/")
    async def home(ctx: Context) -> str:
        return "hello"

    @app.get("/wait")
    async def wait(ctx: Context) -> None:
        seen.append("handler began")
        try:
            async with ctx.stream() as out:
                await out.write("begun")
                await ctx.sleep(60)
        finally:
            seen.append("handler ended")

    app.on_shutdown(lambda: seen.append("shutdown hook"))
    return app


def url(server: Server) -> str:
    return f"http://127.0.0.1:{server.addresses[0][1]}"


def refused(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


# --- Server ----------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", LANES)
def test_start_wait_ready_shutdown_wait(backend: str) -> None:
    server = Server(make_app(), LOCAL, backend).start().wait_ready()
    port = server.addresses[0][1]
    assert httpx.get(url(server)).text == "hello"
    server.shutdown()
    assert server.wait(10)
    assert refused(port)


@pytest.mark.parametrize("backend", LANES)
def test_wait_ready_raises_what_startup_raised(backend: str) -> None:
    app = make_app()

    @app.on_startup
    def fail() -> None:
        raise LookupError("no such table")

    server = Server(app, LOCAL, backend)
    port = server.addresses[0][1]
    server.start()
    with pytest.raises(LookupError, match="no such table"):
        server.wait_ready()
    assert server.wait(10)
    assert refused(port)


def test_the_port_is_bound_before_the_server_is_started() -> None:
    server = Server(make_app(), LOCAL)
    port = server.addresses[0][1]
    with pytest.raises(BindError, match="Address already in use"):
        Server(make_app(), ServerConfig(port=port))
    server.shutdown()
    assert refused(port)


def test_of_several_addresses_all_or_none_are_bound(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path = tmp_path / "a.sock"
        with pytest.raises(BindError, match=rf"cannot listen on 127\.0\.0\.1:{port}"):
            Server(make_app(), ServerConfig(bind=(f"unix:{path}", f"127.0.0.1:{port}")))
    assert not path.exists()


def test_a_shutdown_before_it_was_ready_is_told() -> None:
    app, go = make_app(), threading.Event()
    app.on_startup(lambda: go.wait(10) and None)
    server = Server(app, LOCAL).start()
    server.shutdown()
    go.set()
    server.wait(10)
    # It may have been ready for a moment; if it was not, that is said.
    try:
        server.wait_ready()
    except RuntimeError as exc:
        assert "before it was ready" in str(exc)  # noqa: PT017


def test_a_server_serves_once() -> None:
    server = Server(make_app(), LOCAL).start().wait_ready()
    with pytest.raises(UsageError, match="serves once"):
        server.start()
    server.shutdown()
    assert server.wait(10)


@pytest.mark.parametrize("backend", LANES)
def test_grace_ends_what_still_runs(backend: str) -> None:
    events: list[str] = []
    server = Server(make_app(events), LOCAL, backend).start().wait_ready()
    with httpx.stream("GET", f"{url(server)}/wait") as response:
        assert response.status_code == 200
        server.shutdown(grace=0.1)
        assert server.wait(10)
    assert events == ["handler began", "handler ended", "shutdown hook"]


@pytest.mark.parametrize("backend", LANES)
def test_the_drain_is_seen_at_the_limit_of_connections_too(backend: str) -> None:
    server = Server(make_app(), ServerConfig(port=0, max_connections=1), backend)
    server.start().wait_ready()
    port = server.addresses[0][1]
    with httpx.stream("GET", f"{url(server)}/wait"):
        server.shutdown(grace=5)
        for _ in range(500):
            if refused(port):
                break
            threading.Event().wait(0.01)
        assert refused(port)
        server.core.wakes.put(server.core.abort)
        assert server.wait(10)


def test_two_servers_in_one_process_each_on_its_own_lane() -> None:
    servers = [Server(make_app(), LOCAL, lane).start() for lane in ("trio", "threads")]
    for server in servers:
        assert httpx.get(url(server.wait_ready())).text == "hello"
    for server in servers:
        server.shutdown()
        assert server.wait(10)


# --- settings of sockets ---------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_each_socket_knows_its_own_address(host: str) -> None:
    from anylane_backends.sockets.accepting import Acceptor

    with socket.create_server((host, 0)) as listener:
        listener.setblocking(False)
        acceptor = Acceptor(listener, ServerConfig())
        assert acceptor.accept() is None
        with socket.create_connection(("127.0.0.1", listener.getsockname()[1])) as client:
            accepted = acceptor.accept()
            assert accepted is not None
            sock, peer, local = accepted
            with sock:
                assert (peer, local) == (client.getsockname(), client.getpeername())


@pytest.mark.parametrize("backend", LANES)
def test_settings_of_sockets_are_applied(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from anylane_backends.sockets.accepting import Acceptor

    served: list[socket.socket] = []
    accept = Acceptor.accept

    def accepted(acceptor: Acceptor) -> Any:
        found = accept(acceptor)
        if found is not None:
            served.append(found[0])
        return found

    def settings() -> tuple[bool, int, bool, bytes]:
        """As the lane has them, which may have changed what it was given."""
        sock = served.pop()
        ttl = sock.getsockopt(socket.IPPROTO_IP, socket.IP_TTL)
        nodelay = bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        linger = sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
        return os.get_blocking(sock.fileno()), ttl, nodelay, linger

    monkeypatch.setattr(Acceptor, "accept", accepted)
    seen = []
    for nodelay, linger in ((True, None), (False, 0)):
        config = ServerConfig(port=0, ttl=33, nodelay=nodelay, linger=linger, backlog=7)
        server = Server(make_app(), config, backend).start().wait_ready()
        if hasattr(socket, "TCP_INFO"):
            # Of a listening socket, Linux tells the backlog as tcpi_sacked.
            info = server.core.listeners[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
            assert struct.unpack_from("I", info, 28) == (7,)
        assert server.unapplied == []
        with httpx.Client() as client:
            client.get(url(server))
            seen.append(settings())
        server.shutdown()
        assert server.wait(10)
    assert seen == [
        (False, 33, True, struct.pack("ii", 0, 0)),
        (False, 33, False, struct.pack("ii", 1, 0)),
    ]


@pytest.mark.parametrize("backend", LANES)
def test_what_one_read_gives_is_bounded_or_reported(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: dict[str, int] = {"http": 0, "ws": 0}

    def watch(protocol: Any, name: str) -> None:
        receive = protocol.receive_data

        def watched(self: Any, data: bytes, now: float) -> None:
            sizes[name] = max(sizes[name], len(data))
            receive(self, data, now)

        monkeypatch.setattr(protocol, "receive_data", watched)

    watch(Http1, "http")
    watch(WebSocketProtocol, "ws")
    app = make_app()

    @app.post("/length")
    async def length(ctx: Context) -> int:
        return len(await ctx.request.body())

    @app.websocket("/length")
    async def lengths(ctx: Context) -> None:
        ws = await ctx.accept()
        async for message in ws:
            await ws.send(str(len(message)))

    config = ServerConfig(port=0, http_buffer_size=3000, ws_buffer_size=2000)
    server = Server(app, config, backend).start().wait_ready()
    assert httpx.post(f"{url(server)}/length", content=b"x" * 200_000).text == "200000"
    with connect(f"{url(server)}/length".replace("http", "ws", 1), compression=None) as ws:
        ws.send("x" * 200_000)
        assert ws.recv(timeout=10) == "200000"
    server.shutdown()
    assert server.wait(10)
    if loop_of(server.backend) == "uvloop" or backend == "uvloop":
        why = "has no effect: uvloop chooses what one read gives"
        assert server.unapplied == [f"http_buffer_size {why}", f"ws_buffer_size {why}"]
    else:
        assert sizes == {"http": 3000, "ws": 2000}
        assert server.unapplied == []


def test_settings_that_cannot_be_applied_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anylane_backends.hosting import unapplied as _unapplied

    (tmp_path / "somaxconn").write_text("128\n", encoding="ascii")
    monkeypatch.setattr(_unapplied, "_SOMAXCONN", tmp_path / "somaxconn")
    config = ServerConfig(
        uds=str(tmp_path / "a.sock"),
        ttl=3,
        linger=0,
        max_connections_per_address=5,
        backlog=129,
        forwarded_allow_ips=("unix",),
    )
    server = Server(make_app(), config)
    server.shutdown()
    assert server.unapplied == [
        "ttl has no effect: it is TCP's, and only unix sockets are served",
        "linger has no effect: it is TCP's, and only unix sockets are served",
        "max_connections_per_address has no effect: it is TCP's, and only unix sockets are served",
        "forwarded_allow_ips has no effect: proxy_headers and proxy_protocol are off",
        "backlog is 128, not 129: raise net.core.somaxconn",
    ]
    config = ServerConfig(
        uds=str(tmp_path / "b.sock"),
        max_connections_per_address=5,
        proxy_protocol=True,
        forwarded_allow_ips=("unix",),
    )
    server = Server(make_app(), config)
    server.shutdown()
    assert server.unapplied == []  # A header of the PROXY protocol names addresses.


# --- serve() ---------------------------------------------------------------------------------

Main = Callable[[App, Callable[[Server], None], threading.Event], Any]


async def _asyncio(app: App, ready: Callable[[Server], None], stop: threading.Event) -> None:
    task = asyncio.create_task(anylane.serve(app, LOCAL, ready=ready))
    await asyncio.to_thread(stop.wait, 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _anyio(app: App, ready: Callable[[Server], None], stop: threading.Event) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: anylane.serve(app, LOCAL, ready=ready))
        await anyio.to_thread.run_sync(stop.wait, 20)
        group.cancel_scope.cancel()


async def _trio(app: App, ready: Callable[[Server], None], stop: threading.Event) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: anylane.serve(app, LOCAL, ready=ready))
        await trio.to_thread.run_sync(stop.wait, 20)
        nursery.cancel_scope.cancel()


async def _curio(app: App, ready: Callable[[Server], None], stop: threading.Event) -> None:
    import curio

    task = await curio.spawn(anylane.serve(app, LOCAL, ready=ready))
    await curio.run_in_thread(stop.wait, 20)
    await task.cancel()


def _run_on_uvloop(main: Any, *args: Any) -> None:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(*args))


def _run_on_curio(main: Any, *args: Any) -> None:
    import curio
    from curio.task import ContextTask

    curio.run(main, *args, taskcls=ContextTask)


LOOPS: dict[str, tuple[str, Callable[..., Any], Any]] = {
    "asyncio": ("asyncio", lambda main, *args: asyncio.run(main(*args)), _asyncio),
    "uvloop": ("uvloop", _run_on_uvloop, _asyncio),
    "anyio on asyncio": ("asyncio", anyio.run, _anyio),
    "anyio on trio": ("trio", lambda main, *args: anyio.run(main, *args, backend="trio"), _anyio),
    "trio": ("trio", trio.run, _trio),
    "curio": ("curio", _run_on_curio, _curio),
}


@pytest.mark.parametrize("loop", LOOPS)
def test_serve_picks_the_lane_and_cancelling_ends_it(loop: str) -> None:
    lane, run, main = LOOPS[loop]
    events: list[str] = []
    app, stop, ready = make_app(events), threading.Event(), threading.Event()
    servers: list[Server] = []

    def on_ready(server: Server) -> None:
        servers.append(server)
        ready.set()

    thread = threading.Thread(target=run, args=(main, app, on_ready, stop))
    thread.start()
    try:
        assert ready.wait(10)
        server = servers[0]
        assert server.backend.name == lane
        port = server.addresses[0][1]
        assert httpx.get(url(server)).text == "hello"
        with httpx.stream("GET", f"{url(server)}/wait") as response:
            assert response.status_code == 200
            stop.set()
            thread.join(10)
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()
    assert events == ["handler began", "handler ended", "shutdown hook"]
    assert refused(port)


def test_serve_without_a_running_loop_says_so() -> None:
    coroutine = anylane.serve(make_app(), LOCAL)
    with pytest.raises(UsageError, match="needs a running loop"):
        coroutine.send(None)


def test_serve_raises_what_startup_raised() -> None:
    app = make_app()

    @app.on_startup
    async def fail() -> None:
        raise LookupError("no such table")

    with pytest.raises(LookupError):
        asyncio.run(anylane.serve(app, LOCAL))


def test_the_lazy_names_are_found_and_others_are_not() -> None:
    from anylane_backends.hosting import server as serving

    assert anylane.Server is serving.Server
    assert anylane.serve is serving.serve
    name = "Sever"
    with pytest.raises(AttributeError, match="Sever"):
        getattr(anylane, name)
    assert os.path.basename(anylane.serving.__file__ or "") == "serving.py"  # noqa: PTH119


def test_run_inside_a_running_loop_says_what_to_use_there() -> None:
    async def in_asyncio() -> None:
        make_app().run(port=0)

    with pytest.raises(UsageError, match="asyncio is running here already; use `await"):
        asyncio.run(in_asyncio())
    with pytest.raises(UsageError, match="trio is running here already"):
        trio.run(in_asyncio)


SLEEPS: dict[str, Callable[[float], Any]] = {
    "asyncio": asyncio.sleep,
    "uvloop": asyncio.sleep,
    "anyio": anyio.sleep,
    "trio": trio.sleep,
}


@pytest.mark.parametrize("lane", SLEEPS)
def test_a_start_is_given_up_from_another_thread(lane: str) -> None:
    events: list[str] = []
    app = make_app(events)
    begun = threading.Event()

    @app.on_startup
    async def slow() -> None:
        begun.set()
        try:
            await SLEEPS[lane](60)
        finally:
            events.append("hook ended")

    server = Server(app, LOCAL, lane).start()
    assert begun.wait(10)
    server.shutdown()
    assert server.wait(10)
    assert not server.was_ready
    assert events == ["hook ended", "shutdown hook"]
    with pytest.raises(RuntimeError, match="shut down before it was ready"):
        server.wait_ready()


@pytest.mark.parametrize("lane", ["asyncio", "trio"])
def test_a_start_inside_a_running_loop_is_given_up(lane: str) -> None:
    events: list[str] = []

    async def stopping() -> None:
        frozen = make_app(events)

        @frozen.on_startup
        async def slow() -> None:
            server.shutdown()
            await SLEEPS[lane](60)

        server = Server(frozen, LOCAL, lane)
        await server.serve()
        events.append("served")

    anyio.run(stopping, backend=lane)
    assert events == ["shutdown hook", "served"]
