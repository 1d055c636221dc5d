"""What the asyncio lane's driver is asked before its transport is there: no sockets, no sleeps."""

from __future__ import annotations

import asyncio
import gc
import socket
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from anylane import App, Context, ServerConfig
from anylane.lane.server_core import ServerCore
from anylane.protocol.connection import Connection
from anylane_backends.asyncio.driver import AsyncioDriver
from anylane_backends.asyncio.lane import Lane
from anylane_backends.asyncio.link import is_cancellation
from anylane_backends.sockets.accepting import Acceptor
from anylane_backends.sockets.listening import bind


class Transport:
    """Remembers that it was closed."""

    closed = False
    written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str) -> Any:
        return None

    def pause_reading(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    abort = close

    def write_eof(self) -> None:
        pass


variable: ContextVar[str] = ContextVar("variable", default="unset")


def core(app: App, config: ServerConfig | None = None) -> ServerCore:
    return ServerCore(
        app.freeze(),
        config or ServerConfig(),
        time=lambda: 0.0,
        date=lambda: b"Mon, 23 Nov 2026 00:00:00 GMT",
        token=bytes,
        log=lambda *_: None,
        lane="asyncio",
    )


def test_a_handler_does_not_see_the_variables_of_whoever_accepted() -> None:
    """A lane goes on accepting when a connection has ended, maybe in the middle of a handler."""
    app = App()

    @app.get("/")
    async def tell(ctx: Context) -> str:
        return variable.get()

    async def main() -> bytes:
        lane = Lane(core(app))
        transport = Transport()

        def accept() -> AsyncioDriver:
            variable.set("another handler's")
            driver = AsyncioDriver(lane, None, None)
            driver.connection_made(transport)  # type: ignore[arg-type]
            return driver

        copy_context().run(accept).data_received(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        while not transport.written:  # noqa: ASYNC110  # turns of the loop are wanted
            await asyncio.sleep(0)
        lane.pool.close()
        return transport.written

    assert asyncio.run(main()).endswith(b"unset")


def test_an_abort_ends_connections_that_were_accepted_but_not_connected_yet() -> None:
    async def main() -> tuple[bool, bool]:
        server = core(App())
        lane = Lane(server)
        early = AsyncioDriver(lane, None, None)
        other, transport = AsyncioDriver(lane, None, None), Transport()
        other.connection_made(transport)  # type: ignore[arg-type]
        server.abort()
        late = Transport()
        early.connection_made(late)  # type: ignore[arg-type]
        early.connection_lost(None)
        other.connection_lost(None)
        lane.pool.close()
        return transport.closed, late.closed

    assert asyncio.run(main()) == (True, True)


def test_a_lane_that_ends_waits_for_what_was_accepted_a_moment_ago() -> None:
    """Else its loop is closed with sockets that nobody closes."""

    async def main() -> tuple[int, bytes]:
        server = core(App())
        lane = Lane(server)
        ours, client = socket.socketpair()
        with client:
            lane.connect(ours, None, None)
            await lane.end()
            lane.pool.close()
            client.settimeout(5)
            return ours.fileno(), client.recv(1)

    assert asyncio.run(main()) == (-1, b"")


def test_a_socket_that_was_gone_before_it_was_connected_is_forgotten() -> None:
    async def main() -> tuple[int, bool]:
        server = core(App())
        lane = Lane(server)
        ours, client = socket.socketpair()
        client.close()
        ours.close()  # EBADF: what a loop raises is an OSError.
        lane.connect(ours, None, None)
        await lane.end()
        lane.pool.close()
        return len(server.drivers), server.over

    assert asyncio.run(main()) == (0, True)


def test_a_socket_that_cannot_be_connected_is_closed() -> None:
    async def main() -> None:
        server = core(App())
        lane = Lane(server)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            lane.connect(sock, None, None)
            (connecting,) = lane._connecting
            await connecting
            assert sock.fileno() < 0
            await asyncio.sleep(0)
        assert not server.drivers and not lane._connecting
        lane.pool.close()

    asyncio.run(main())


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_connection_is_not_made_in_the_context_of_a_handler(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    made = AsyncioDriver.connection_made

    def connection_made(driver: AsyncioDriver, transport: asyncio.BaseTransport) -> None:
        seen.append(variable.get())
        made(driver, transport)

    async def main() -> None:
        server = core(App())
        lane = Lane(server)
        ours, theirs = socket.socketpair()
        with theirs:
            context = copy_context()
            context.run(variable.set, "a handler's")
            context.run(lane.connect, ours, None, None)
            await asyncio.wait(lane._connecting)
            await lane.end()
            while server.drivers:  # noqa: ASYNC110  # A turn or two: no event for that.
                await asyncio.sleep(0)
        lane.pool.close()

    monkeypatch.setattr(AsyncioDriver, "connection_made", connection_made)
    factory = pytest.importorskip(loop).new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
    assert seen == ["unset"]


@pytest.mark.parametrize("nodelay", [True, False])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_loop_that_tells_its_sockets_not_to_wait_is_overruled(loop: str, nodelay: bool) -> None:
    async def main() -> None:
        config = ServerConfig(port=0, nodelay=nodelay)
        server = core(App(), config)
        lane = Lane(server)
        (listener,) = bind(config)
        with listener, socket.create_connection(listener.getsockname()):
            found = Acceptor(listener, config, blocking=True).accept()
            assert found is not None
            lane.connect(*found)
            (driver,) = server.drivers
            assert isinstance(driver, AsyncioDriver)
            while driver._transport is None:  # noqa: ASYNC110  # A turn or two: no event for that.
                await asyncio.sleep(0)
            sock = driver._transport.get_extra_info("socket")
            assert bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) is nodelay
            await lane.end()
            while server.drivers:  # noqa: ASYNC110  # As above.
                await asyncio.sleep(0)
        lane.pool.close()

    factory = pytest.importorskip(loop).new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


@pytest.mark.parametrize("eager", [True, False])
def test_who_connects_and_says_nothing_is_greeted_and_has_a_deadline(eager: bool) -> None:
    app = App()
    greeted: list[str] = []

    @app.on_connect
    async def greet(ctx: Context) -> None:
        greeted.append("hello")

    async def main() -> None:
        lane = Lane(core(app, ServerConfig(eager=eager)))
        driver = AsyncioDriver(lane, None, None)
        driver.connection_made(Transport())  # type: ignore[arg-type]
        for _ in range(4):
            await asyncio.sleep(0)
        assert greeted == ["hello"]
        assert driver._errands is not None and not driver._errands.running
        assert driver._timer is not None
        assert driver._timer.when() == driver.connection.next_deadline()
        silent = AsyncioDriver(Lane(core(App())), None, None)
        silent.connection_made(Transport())  # type: ignore[arg-type]
        assert silent._timer is not None
        for each in (driver, silent):
            each.connection_lost(None)
            assert each._timer is None
            each.lane.pool.close()

    asyncio.run(main())


@pytest.mark.parametrize("said", [b"Connection: close\r\n", b""])
@pytest.mark.parametrize("eager", [True, False])
@pytest.mark.parametrize("left", ["behind its answer", "before its answer"])
@pytest.mark.parametrize("closes", [True, False])
def test_a_connection_that_is_over_leaves_nothing_to_the_garbage_collector(
    said: bytes, eager: bool, left: str, closes: bool
) -> None:
    """It would have to come often where each request has a connection of its own."""
    app = App()

    @app.get("/")
    async def answer(ctx: Context) -> str:
        if left == "before its answer":
            await asyncio.sleep(0)
        if closes:
            ctx.response.close_connection()
        return "ok"

    async def turns() -> None:
        for _ in range(4):  # A task's first step, what it waits for, its end, who is told.
            await asyncio.sleep(0)

    async def serve(lane: Lane) -> bytes:
        driver, transport = AsyncioDriver(lane, None, None), Transport()
        driver.connection_made(transport)  # type: ignore[arg-type]
        driver.data_received(b"GET / HTTP/1.1\r\nHost: a\r\n" + said + b"\r\n")
        if left == "behind its answer":
            await turns()
        driver.connection_lost(None)
        await turns()
        return transport.written

    config = ServerConfig(eager=eager)

    async def main() -> tuple[bytes, list[Connection]]:
        lane = Lane(core(app, config))
        await serve(lane)
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            written = await serve(lane)
            gc.collect()
            # Those of other tests may end meanwhile.
            connections = [each for each in gc.garbage if isinstance(each, Connection)]
            found = [each for each in connections if each.config is config]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
        lane.pool.close()
        return written, found

    written, found = asyncio.run(main())
    assert written.endswith(b"ok" if left == "behind its answer" else b"")
    assert not found


def test_a_task_that_its_loop_has_left_behind_has_not_failed() -> None:
    """Its coroutine is closed by the collector; a handler that raises GeneratorExit has failed."""

    async def within() -> bool:
        return is_cancellation(GeneratorExit())

    assert is_cancellation(GeneratorExit())
    assert not asyncio.run(within())
