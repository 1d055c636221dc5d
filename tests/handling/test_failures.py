"""What user code raises ends its exchange alone; what a signal raises is the operator's."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import Callable
from contextvars import Context as Variables
from functools import partial

import pytest

from anylane import App, Context, Server, ServerConfig, serve
from anylane.handling.failures import by_signal
from anylane.shown import shown, spoken
from anylane.testing import Lockstep, TestClient

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
PORT = ServerConfig(port=0)


def interrupted(*, raising: bool) -> KeyboardInterrupt:
    try:
        if raising:
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt as exc:
        return exc
    raise AssertionError("no KeyboardInterrupt")


def test_an_interrupt_by_a_signal_is_told_from_one_that_is_raised() -> None:
    assert by_signal(interrupted(raising=False))
    assert not by_signal(interrupted(raising=True))
    assert not by_signal(KeyboardInterrupt())
    assert not by_signal(ValueError())


def app_that(func: Callable[[], None]) -> App:
    app = App()

    @app.get("/")
    async def handler(ctx: Context) -> str:
        await ctx.sleep(0)
        func()
        return "answered"

    @app.get("/def")
    def blocking(ctx: Context) -> str:
        func()
        return "answered"

    return app


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def raise_it() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("path", ["/", "/def"])
def test_a_signal_passes_through_lockstep(path: str) -> None:
    connection = Lockstep(app_that(interrupt))
    with pytest.raises(KeyboardInterrupt):
        connection.receive(GET.replace(b"/ ", path.encode() + b" ", 1))
    assert connection.log == []


def test_a_signal_passes_through_the_test_client() -> None:
    with TestClient(app_that(interrupt)) as client, pytest.raises(KeyboardInterrupt):
        client.get("/")


def test_an_interrupt_that_a_handler_raises_is_its_500() -> None:
    with TestClient(app_that(raise_it)) as client:
        assert client.get("/").status == 500
        assert client.get("/def").status == 500


@pytest.mark.parametrize("where", ["background", "on_connect"])
def test_a_signal_passes_through_hooks_and_jobs(where: str) -> None:
    app = app_that(lambda: None)

    if where == "on_connect":

        @app.on_connect
        async def hello(ctx: Context) -> None:
            interrupt()

    else:

        async def work() -> None:
            interrupt()

        @app.get("/leave")
        async def leave(ctx: Context) -> str:
            ctx.background(work)
            return "answered"

    with pytest.raises(KeyboardInterrupt):
        Lockstep(app).receive(b"GET /leave HTTP/1.1\r\nHost: a\r\n\r\n")


def test_a_signal_ends_what_runs_a_server_in_its_own_loop_of_asyncio() -> None:
    """`serve` does not own the handler of SIGINT there, so a Ctrl-C in a handler is not its 500."""
    loop = asyncio.new_event_loop()
    with socket.socket() as client:

        def ask(server: Server) -> None:
            client.connect(server.addresses[0])
            client.sendall(GET)

        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(serve(app_that(interrupt), PORT, ready=ask))
        for task in asyncio.all_tasks(loop):
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(asyncio.gather(*asyncio.all_tasks(loop)))
    loop.close()


def test_a_signal_ends_what_runs_a_server_in_trio() -> None:
    trio = pytest.importorskip("trio")
    with socket.socket() as client:

        def ask(server: Server) -> None:
            client.connect(server.addresses[0])
            client.sendall(GET)

        with pytest.raises((KeyboardInterrupt, BaseExceptionGroup)) as caught:
            trio.run(partial(serve, app_that(interrupt), PORT, ready=ask))
    exc: BaseException = caught.value
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    assert isinstance(exc, KeyboardInterrupt)


def test_a_handler_whose_server_is_gone_has_not_failed() -> None:
    """Its coroutine is closed by the collector, with GeneratorExit."""
    left: list[str] = []
    app = App()

    @app.get("/")
    async def handler(ctx: Context) -> None:
        try:
            await ctx.sleep(60)
        finally:
            left.append("left")

    connection = Lockstep(app)
    connection.receive(GET)
    log = connection.world.log
    del connection
    gc.collect()
    assert left == ["left"]
    assert log == []


class Unspeakable(Exception):
    def __repr__(self) -> str:
        raise SystemExit

    __str__ = __repr__


def test_a_value_whose_repr_raises_is_shown_by_its_type() -> None:
    assert shown(Unspeakable()) == "<Unspeakable, whose repr raised SystemExit>"
    assert spoken(Unspeakable()) == shown(Unspeakable())
    assert shown("x" * 200) == "'" + "x" * 79
    assert spoken(ValueError("said")) == "said"


@pytest.mark.parametrize("path", [b"/late", b"/exit", b"/group"])
def test_an_exchange_that_ends_badly_leaves_nothing_to_the_garbage_collector(path: bytes) -> None:
    app = App()

    @app.get("/late")
    async def late(ctx: Context) -> None:
        await ctx.sleep(60)

    @app.get("/exit")
    async def leave(ctx: Context) -> None:
        raise SystemExit

    @app.get("/group")
    async def group(ctx: Context) -> None:
        raise BaseExceptionGroup("two", [SystemExit(), GeneratorExit()])

    def converse() -> None:
        wire = Lockstep(app, ServerConfig(request_timeout=1))
        wire.receive(b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % path)
        wire.advance(10)
        wire.log.clear()  # It holds the exception.
        wire.eof()

    converse()
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        converse()
        gc.collect()
        # A `contextvars.Context` is another thing; the world has one.
        found = {type(each).__qualname__ for each in gc.garbage if type(each) is not Variables}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert not {"Exchange", "Connection", "Context"} & found
