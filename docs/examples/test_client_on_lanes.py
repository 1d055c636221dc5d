"""TestClient on every backend: the same client over real sockets, and nothing left behind."""

from __future__ import annotations

import gc
import threading
from collections.abc import Generator

import pytest

from anylane import App, Disconnected, Limits, ServerConfig
from anylane.testing import IncompleteResponse, Rejected, Silence, TestClient
from anylane_backends.hosting.loading import BackendError

CONFIG = ServerConfig(limits=Limits(body=64 * 1024 * 1024))


def build(said: list[str]) -> App:  # noqa: C901  # many small handlers, no branches
    app = App()
    app.on_startup(lambda: said.append("up"))
    app.on_shutdown(lambda: said.append("down"))

    @app.get("/port")
    async def port(ctx):
        return ctx.request.client[1]

    @app.get("/def")
    def plain(ctx):
        ctx.call(ctx.sleep, 0.01)
        return {"plain": True}

    @app.get("/login")
    async def login(ctx):
        ctx.response.set_header("set-cookie", "session=1; Path=/")

    @app.get("/cookie")
    async def cookie(ctx):
        return ctx.request.headers.get("cookie", "")

    @app.get("/close")
    async def close(ctx):
        ctx.response.close_connection()

    @app.post("/mirror")
    async def mirror(ctx):
        async with ctx.stream() as out:
            async for chunk in ctx.request.stream():
                await out.write(chunk)

    @app.get("/events")
    async def events(ctx):
        ctx.response.set_header("content-type", "text/event-stream")
        async with ctx.stream() as out:
            for n in range(3):
                await out.write(f"data: {n}\n\n")
                await ctx.sleep(0.01)

    @app.get("/endless")
    async def endless(ctx):
        try:
            async with ctx.stream() as out:
                while True:
                    await out.write(b"x" * 10_000)
        except Disconnected:
            said.append("gone")
            raise

    @app.get("/never")
    async def never(ctx):
        await ctx.sleep(60)

    @app.get("/broken")
    async def broken(ctx):
        raise ValueError("broken")

    @app.get("/half")
    async def half(ctx):
        async with ctx.stream() as out:
            await out.write("half")
            raise ValueError("broken")

    @app.websocket("/echo", subprotocols=["chat"])
    async def echo(ctx):
        ws = await ctx.accept()
        async for message in ws:
            await ws.send(message)

    @app.websocket("/no")
    async def no(ctx):
        ctx.response.set_status(403).set_text("no")

    return app


def assert_no_thread_since(before: set[threading.Thread]) -> None:
    """A pool's idle threads have been told to end, and do so by themselves."""
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive(), f"{thread.name} was left behind"


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture(params=["asyncio", "uvloop", "anyio", "trio", "curio", "threads"])
def client(request: pytest.FixtureRequest, said: list[str]) -> Generator[TestClient]:
    before = set(threading.enumerate())
    with TestClient(build(said), CONFIG, backend=request.param) as opened:
        assert said == ["up"]
        yield opened
    assert said[-1] == "down"
    assert_no_thread_since(before)
    del opened
    gc.collect()  # An open socket would be a ResourceWarning, and so a failure.


def test_requests(client: TestClient) -> None:
    assert client.get("/def").json() == {"plain": True}
    ports = {client.get("/port").json() for _ in range(3)}
    assert len(ports) == 1
    client.get("/close")
    assert client.get("/port").json() not in ports
    client.get("/login")
    assert client.get("/cookie").text == "session=1"
    assert client.head("/port").content == b""


def test_a_large_body_goes_both_ways_at_once(client: TestClient) -> None:
    pieces = [bytes([n]) * 100_000 for n in range(100)]
    assert client.post("/mirror", content=iter(pieces)).content == b"".join(pieces)


def test_streams(client: TestClient, said: list[str]) -> None:
    with client.stream("GET", "/events") as response:
        assert [event.data for event in response.iter_events()] == ["0", "1", "2"]
    with client.stream("GET", "/endless") as response:
        assert client.get("/def").status == 200
        assert next(response.iter_bytes()).strip(b"x") == b""
    client.close()
    assert said == ["up", "gone", "down"]


def test_websockets(client: TestClient) -> None:
    with client.websocket("/echo", subprotocols=["chat"]) as ws:
        assert ws.subprotocol == "chat"
        for message in ("hi", b"\x00\xff", "x" * 300_000):
            ws.send(message)
            assert ws.receive() == message
        assert 0 < ws.ping() < 10
        with pytest.raises(TimeoutError):
            ws.receive(timeout=0.01)
        client.advance(0.01)
        ws.send_json([1])
        assert ws.receive_json() == [1]
        ws.close(4000)
    assert ws.close_code == 4000
    with pytest.raises(Rejected, match="403"):
        client.websocket("/no")


def test_what_handlers_raise(client: TestClient) -> None:
    response = client.get("/broken")
    assert response.status == 500
    assert isinstance(response.error, ValueError)
    assert client.log[-1].error is response.error
    with client.stream("GET", "/half") as half, pytest.raises(IncompleteResponse):
        half.read()
    assert isinstance(half.error, ValueError)


def test_patience_ends() -> None:
    with TestClient(build([]), backend="asyncio", patience=0.2) as client:
        with pytest.raises(Silence, match="the client's patience"):
            client.get("/never")
        assert client.get("/def").status == 200


def test_what_a_startup_hook_raises_passes() -> None:
    app = App()

    @app.on_startup
    async def fail() -> None:
        raise ValueError("no database")

    with pytest.raises(ValueError, match="no database"):
        TestClient(app, backend="asyncio").get("/")


def test_an_unknown_backend_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(BackendError, match="asyncio"):
        TestClient(App(), backend="nothing").start()


def test_a_client_that_nobody_closes_leaves_no_server() -> None:
    before = set(threading.enumerate())
    said: list[str] = []
    client = TestClient(build(said), backend="asyncio")
    client.get("/def")
    del client
    gc.collect()
    assert said == ["up", "down"]
    assert_no_thread_since(before)


def test_clients_on_lanes_do_not_disturb_each_other() -> None:
    clients = [TestClient(build([]), backend="asyncio") for _ in range(2)]
    ports = {client.get("/port").json() for client in clients}
    assert len(ports) == 2
    for client in clients:
        client.close()
