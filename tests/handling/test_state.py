"""app.state: the attributes that an app has in each running server."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, closing, contextmanager
from io import StringIO
from itertools import count
from typing import Any

import pytest

from anylane import App, Context, ServerConfig, UsageError
from anylane.testing import Lockstep, TestClient, World
from anylane_backends.hosting.server import Server

LANES = (None, "asyncio", "uvloop", "anyio", "trio", "curio", "threads")


def numbered() -> App:
    """Return an app whose every server gets the next number."""
    app, numbers = App(), count(1)

    @app.lifespan
    async def fill() -> AsyncGenerator[None]:
        app.state.number = next(numbers)
        yield
        app.state.number = -app.state.number

    @app.get("/")
    async def number(_ctx: Context) -> int:
        return int(app.state.number)

    @app.get("/def")
    def of_def(ctx: Context) -> int:
        return int(ctx.app.state.number)

    return app


def test_outside_of_a_server_it_says_what_to_do() -> None:
    app = App()
    with pytest.raises(UsageError, match="belongs to a running server, and none runs here; use it"):
        _ = app.state
    with pytest.raises(UsageError, match="none runs here"):
        app.state.db = 1


def test_each_server_of_an_app_has_its_own() -> None:
    app = numbered()
    with TestClient(app) as first, TestClient(app) as second:
        assert [first.get("/").json(), second.get("/").json()] == [1, 2]
        assert [first.get("/def").json(), second.get("/def").json()] == [1, 2]
        assert first.get("/").json() == 1
        with pytest.raises(UsageError, match="none runs here"):
            _ = app.state


@pytest.mark.parametrize("other", ["asyncio", "threads", "curio", "trio"])
def test_servers_of_one_app_on_different_lanes_have_two(other: str) -> None:
    app = numbered()
    with (
        TestClient(app, backend="asyncio") as first,
        TestClient(app, backend=other) as second,
    ):
        for path in ("/", "/def", "/"):
            assert [first.get(path).json(), second.get(path).json()] == [1, 2]


def test_a_server_inside_of_a_handler_has_its_own() -> None:
    app = numbered()

    @app.get("/inner")
    async def inner(_ctx: Context) -> list[int]:
        with TestClient(app) as client:
            return [app.state.number, client.get("/").json(), app.state.number]

    with TestClient(app) as client:
        assert client.get("/inner").json() == [1, 2, 1]
        assert client.get("/").json() == 1


def test_a_server_in_the_running_loop_leaves_nothing_behind() -> None:
    app = numbered()
    seen: list[int] = []

    async def main() -> None:
        def ready(server: Server) -> None:
            seen.append(app.state.number)
            server.shutdown()

        from anylane import serve

        await serve(app, ServerConfig(port=0), ready=ready)
        with pytest.raises(UsageError):
            _ = app.state

    asyncio.run(main())
    assert seen == [1]


def test_a_start_that_fails_leaves_nothing_behind() -> None:
    app = App()

    @app.on_startup
    def fail() -> None:
        app.state.there = True
        raise OSError("no database")

    async def main() -> None:
        from anylane import serve

        with pytest.raises(OSError, match="no database"):
            await serve(app, ServerConfig(port=0))
        with pytest.raises(UsageError):
            _ = app.state

    asyncio.run(main())


def test_an_app_that_is_not_served_has_none() -> None:
    other = App()
    app = App()

    @app.get("/")
    async def of_other(_ctx: Context) -> str:
        with pytest.raises(UsageError, match="does not serve"):
            _ = other.state
        return "asked"

    assert TestClient(app).get("/").text == "asked"


def test_attributes_that_are_missing() -> None:
    app = App()

    @app.on_startup
    def fill() -> None:
        app.state.cache = {}
        app.state.old = 1
        del app.state.old

    @app.get("/")
    async def look(_ctx: Context) -> str:
        state = app.state
        assert not hasattr(state, "db")
        assert getattr(state, "db", 7) == 7
        with pytest.raises(AttributeError, match="has no 'db'; it has: cache"):
            _ = state.db
        with pytest.raises(AttributeError, match="no 'db'"):
            del state.db
        assert repr(state) == "<State with cache>"
        return "looked"

    assert TestClient(app).get("/").text == "looked"


def test_state_itself_cannot_be_set() -> None:
    with pytest.raises(AttributeError):
        App().state = 3  # type: ignore[assignment,misc]


def test_a_thread_of_your_own_takes_it_along() -> None:
    app = numbered()

    @app.get("/thread")
    async def of_thread(_ctx: Context) -> list[object]:
        seen: list[object] = []
        state = app.state

        def work() -> None:
            seen.append(state.number)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return seen

    assert TestClient(app).get("/thread").json() == [1]


def test_in_memory_context_variables_of_startup_hooks_stay_in_their_server() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    app = App()

    @app.on_startup
    def fill() -> None:
        variable.set("by the hook")

    @app.get("/")
    async def look(_ctx: Context) -> str:
        return variable.get()

    wire = Lockstep(world=World(app))
    wire.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert wire.take().endswith(b"by the hook")
    assert variable.get() == "unset"


@pytest.mark.parametrize("lane", LANES)
def test_the_second_half_of_a_lifespan_sees_it(lane: str | None) -> None:
    app, seen = App(), []

    @app.lifespan
    async def fill() -> AsyncGenerator[None]:
        app.state.number = 5
        yield
        seen.append(app.state.number)

    @app.on_shutdown
    async def stop() -> None:
        seen.append(app.state.number + 1)

    with TestClient(app, backend=lane):
        pass
    assert seen == [6, 5]


@pytest.mark.parametrize("how", ["async", "sync", "asynccontextmanager", "contextmanager"])
@pytest.mark.parametrize("lane", [None, "asyncio", "threads"])
def test_a_value_that_a_lifespan_yields_is_refused(how: str, lane: str | None) -> None:
    app, done = App(), []

    async def begin() -> AsyncGenerator[Any]:
        try:
            yield {"db": 1}
        finally:
            done.append("ended")

    def begin_sync() -> Generator[Any]:
        try:
            yield {"db": 1}
        finally:
            done.append("ended")

    kinds: dict[str, Any] = {
        "async": begin,
        "sync": begin_sync,
        "asynccontextmanager": asynccontextmanager(begin),
        "contextmanager": contextmanager(begin_sync),
    }
    app.lifespan(kinds[how])
    with pytest.raises(UsageError, match=r"begin.*yields \{'db': 1\}, .*: app\.state\.db = db"):
        TestClient(app, backend=lane).start()
    assert done == ["ended"]


def test_what_a_library_s_context_manager_gives_is_dropped() -> None:
    app = App()
    app.lifespan(lambda: closing(StringIO()))
    with TestClient(app):
        pass
