"""on_connect, on_disconnect, background work and the lifespan: what runs beside the requests."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any

import pytest

from anylane import App, Context, HTTPError, ServerConfig, UsageError
from anylane.testing import Lockstep, World

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"

variable: ContextVar[str] = ContextVar("variable", default="unset")


def app_saying(seen: list[Any]) -> App:
    app = App()

    @app.get("/")
    async def handler(ctx: Context) -> str:
        seen.append("handler")
        return "hi"

    return app


def logged(wire: Lockstep, level: str = "error") -> list[str]:
    return [record.message for record in wire.log if record.level == level]


def over(wire: Lockstep) -> bool:
    """Whether the server has drained."""
    return wire.world.server.over


# -- on_connect, on_disconnect --------------------------------------------------------------------


def test_hooks_of_a_connection_run_around_its_requests() -> None:
    seen: list[Any] = []
    app = app_saying(seen)

    @app.on_connect
    async def one(ctx: Context) -> None:
        assert ctx.request.client is not None
        seen.append(f"connect {ctx.request.client[0]}")

    app.on_connect(lambda ctx: seen.append("connect too"))
    app.on_disconnect(lambda ctx: seen.append("disconnect"))

    @app.on_disconnect
    async def two(ctx: Context) -> None:
        seen.append("disconnect first")

    wire = Lockstep(app)
    assert seen == ["connect 192.0.2.1", "connect too"]
    wire.receive(GET + GET)
    wire.lose()
    assert seen[2:] == ["handler", "handler", "disconnect first", "disconnect"]
    assert not wire.world.server.drivers


def test_the_first_request_waits_for_on_connect() -> None:
    seen: list[Any] = []
    app = app_saying(seen)

    @app.on_connect
    async def slow(ctx: Context) -> None:
        await ctx.sleep(2)
        seen.append("connected")

    wire = Lockstep(app)
    wire.receive(GET)
    wire.advance(1.9)
    assert seen == [] and wire.sent == b""
    wire.advance(0.2)
    assert seen == ["connected", "handler"]
    assert wire.sent.endswith(b"hi")


def test_context_variables_set_in_on_connect_are_seen_by_all_its_exchanges() -> None:
    app = App()
    seen: list[Any] = []

    @app.on_connect
    async def remember(ctx: Context) -> None:
        variable.set("from on_connect")

    @app.get("/")
    async def handler(ctx: Context) -> str:
        before = variable.get()
        variable.set("from an exchange")
        return before

    app.on_disconnect(lambda ctx: seen.append(variable.get()))
    wire = Lockstep(app)
    wire.receive(GET + GET)
    assert wire.sent.count(b"from on_connect") == 2
    wire.eof()
    wire.lose()
    assert seen == ["from on_connect"]
    assert variable.get() == "unset"


@pytest.mark.parametrize(("error", "level"), [(HTTPError(403), "info"), (KeyError("x"), "error")])
def test_what_on_connect_raises_closes_the_connection(error: Exception, level: str) -> None:
    seen: list[Any] = []
    app = app_saying(seen)

    @app.on_connect
    def no(ctx: Context) -> None:
        raise error

    app.on_disconnect(lambda ctx: seen.append("disconnect"))
    wire = Lockstep(app)
    wire.receive(GET)
    assert wire.closed and wire.sent == b"" and seen == []
    assert len(logged(wire, level)) == 1
    assert not wire.world.server.drivers


def test_a_client_that_leaves_ends_on_connect() -> None:
    seen: list[Any] = []
    app = app_saying(seen)

    @app.on_connect
    async def slow(ctx: Context) -> None:
        await ctx.sleep(60)

    app.on_disconnect(lambda ctx: seen.append("disconnect"))
    wire = Lockstep(app)
    wire.lose()
    assert not wire.world.server.drivers and not seen and not wire.log


def test_on_disconnect_waits_for_the_last_exchange_and_may_wait_itself() -> None:
    app = App()
    seen: list[Any] = []

    @app.get("/")
    async def handler(ctx: Context) -> None:
        try:
            await ctx.sleep(60)
        finally:
            seen.append("handler ended")

    @app.on_disconnect
    async def slow(ctx: Context) -> None:
        seen.append("begin")
        await ctx.sleep(3)
        seen.append("end")

    app.on_disconnect(lambda ctx: 1 / 0)
    wire = Lockstep(app)
    wire.receive(GET)
    wire.lose()
    assert seen == ["handler ended", "begin"]
    wire.world.server.shutdown()
    assert not over(wire)
    wire.advance(3)
    assert seen[2:] == ["end"] and over(wire)
    assert "ZeroDivisionError" in logged(wire)[0]


def test_a_hook_of_a_connection_cannot_answer() -> None:
    app = App()

    @app.on_connect
    async def hook(ctx: Context) -> None:
        with pytest.raises(UsageError, match="no request to answer"):
            await ctx.send()

    app.get("/")(lambda ctx: "served")
    wire = Lockstep(app)
    wire.receive(GET)
    assert wire.sent.endswith(b"served")


# -- background -----------------------------------------------------------------------------------


def test_background_work_runs_after_the_response_and_delays_nothing() -> None:
    app = App()
    seen: list[Any] = []

    async def work(ctx: Context, what: str) -> None:
        await ctx.sleep(5)
        seen.append((what, variable.get()))

    @app.get("/")
    async def handler(ctx: Context) -> str:
        variable.set("of the request")
        ctx.background(work, ctx, "late")
        ctx.background(seen.append, "after it")
        return "hi"

    wire = Lockstep(app)
    wire.receive(GET)
    wire.receive(GET)
    assert wire.sent.count(b"\r\n\r\nhi") == 2
    assert seen == []
    wire.lose()
    wire.advance(5)
    # Two requests' work, side by side; the work of one request is done in order.
    assert seen == [("late", "of the request"), "after it"] * 2
    assert not wire.world.server.drivers and not wire.world.server.errands


def test_background_work_waits_for_the_last_byte() -> None:
    app = App()
    seen: list[Any] = []

    @app.get("/")
    def handler(ctx: Context) -> str:
        ctx.background(seen.append, "done")
        return "hi"

    wire = Lockstep(app)
    wire.stall()
    wire.receive(GET)
    wire.resume(10)
    assert seen == []
    wire.resume()
    assert seen == ["done"]


def test_background_work_does_not_wait_for_a_client_that_is_lost() -> None:
    app = App()
    seen: list[Any] = []

    @app.get("/")
    async def handler(ctx: Context) -> str:
        ctx.background(seen.append, "done")
        return "hi"

    wire = Lockstep(app)
    wire.stall()
    wire.receive(GET)
    assert seen == []
    wire.lose()
    assert seen == ["done"]
    assert not wire.world.server.drivers and not wire.world.server.errands


def test_background_work_that_fails_is_logged_and_the_rest_runs() -> None:
    app = App()
    seen: list[Any] = []

    def fail() -> None:
        raise ValueError("in the background")

    @app.get("/")
    async def handler(ctx: Context) -> str:
        ctx.background(fail)
        ctx.background(seen.append, "next")
        return "hi"

    wire = Lockstep(app)
    wire.receive(GET)
    (message,) = logged(wire)
    assert "fail" in message and "GET /" in message and "in the background" in message
    assert seen == ["next"]
    assert wire.sent.count(b"HTTP/1.1") == 1


def test_a_drain_waits_for_background_work_up_to_its_grace() -> None:
    app = App()
    seen: list[Any] = []

    async def work(ctx: Context, seconds: float) -> None:
        await ctx.sleep(seconds)
        seen.append(seconds)

    @app.get("/")
    async def handler(ctx: Context) -> str:
        ctx.background(work, ctx, 10)
        ctx.background(work, ctx, 3600)
        return "hi"

    wire = Lockstep(app, ServerConfig(max_connections=1))
    wire.receive(GET)
    wire.lose()
    assert wire.world.server.accepting  # Background work is no connection.
    wire.world.server.shutdown()
    wire.advance(29)
    assert seen == [10] and not over(wire)
    wire.advance(2)
    assert over(wire)
    assert "was cut off" in logged(wire, "warning")[1]


@pytest.mark.parametrize("busy", [True, False])
def test_a_lane_is_told_when_its_server_is_full_and_when_it_is_not_any_more(busy: bool) -> None:
    """Also where background work is counted among its drivers, but is no connection."""
    app = App()

    async def work(ctx: Context) -> None:
        await ctx.sleep(10)

    @app.get("/")
    async def handler(ctx: Context) -> str:
        if busy:
            ctx.background(work, ctx)
        return "hi"

    @app.get("/slow")
    async def wait(ctx: Context) -> None:
        await ctx.sleep(3600)

    world = World(app, ServerConfig(max_connections=2))
    told: list[bool] = []
    world.server.attach(world.server.wakes, lambda: told.append(world.server.accepting))
    server: Any = world.server  # Any: it changes under mypy.
    slow = GET.replace(b"/", b"/slow", 1)
    for _ in range(2):
        first, second = Lockstep(world=world), Lockstep(world=world)
        first.receive(GET)
        first.receive(slow)
        assert server.accepting  # The second is idle.
        second.receive(slow)
        assert not server.accepting
        first.lose()
        assert told == [True]
        third = Lockstep(world=world)
        third.receive(slow)
        assert not server.accepting
        second.lose()
        third.lose()
        assert told == [True, True]
        told.clear()
    world.advance(10)
    assert not told and not world.server.drivers


def test_a_drain_bounds_a_handler_whose_client_has_left() -> None:
    app = App()

    @app.get("/")
    async def handler(ctx: Context) -> None:
        while True:
            await ctx.link.wait()

    wire = Lockstep(app)
    wire.receive(GET)
    wire.lose()
    wire.world.server.shutdown()
    wire.advance(31)
    assert over(wire)


# -- lifespan -------------------------------------------------------------------------------------


def finish(world: World, exc: BaseException | None = None) -> None:
    world.cleanup()


def test_startup_and_shutdown_nest_like_blocks() -> None:
    app = App()
    seen: list[Any] = []

    @app.on_startup
    def first() -> None:
        seen.append("startup")

    @app.lifespan
    async def around(it: App) -> AsyncIterator[None]:
        assert it is app
        seen.append("enter")
        yield
        seen.append("leave")

    @app.lifespan
    @contextmanager
    def plain() -> Any:
        seen.append("enter plain")
        yield
        seen.append("leave plain")

    @app.lifespan
    class Resource:
        async def __aenter__(self) -> None:
            seen.append("enter resource")

        async def __aexit__(self, *_: object) -> None:
            seen.append("leave resource")

    @app.on_shutdown
    async def last() -> None:
        seen.append("shutdown")

    world = World(app)
    assert seen == ["startup", "enter", "enter plain", "enter resource"]
    seen.clear()
    finish(world)
    assert seen == ["shutdown", "leave resource", "leave plain", "leave"]


def test_a_context_manager_is_entered_by_each_server() -> None:
    app = App()
    seen: list[str] = []

    class Plain:
        def __enter__(self) -> None:
            seen.append("enter")

        def __exit__(self, *_: object) -> None:
            seen.append("leave")

    class Async:
        def __call__(self) -> None:  # As what @contextmanager makes, it is also a decorator.
            raise AssertionError

        async def __aenter__(self) -> None:
            seen.append("enter async")

        async def __aexit__(self, *_: object) -> None:
            seen.append("leave async")

    plain = Plain()
    assert app.lifespan(plain) is plain
    app.lifespan(Async())
    assert seen == []
    for _ in range(2):
        finish(World(app))
        assert seen == ["enter", "enter async", "leave async", "leave"]
        seen.clear()
    with pytest.raises(UsageError, match=r"Plain object .* is registered on an app"):
        app.lifespan(Plain())


def test_a_startup_that_fails_leaves_what_was_entered_and_passes() -> None:
    app = App()
    seen: list[Any] = []

    @app.lifespan
    @asynccontextmanager
    async def around() -> AsyncGenerator[None]:
        try:
            yield
        except KeyError as exc:
            seen.append(repr(exc))
            raise

    @app.on_startup
    def fail() -> None:
        raise KeyError("no database")

    app.on_shutdown(lambda: seen.append("shutdown"))
    with pytest.raises(KeyError):
        World(app)
    assert seen == ["KeyError('no database')"]


def test_a_shutdown_hook_that_fails_is_logged_and_the_others_run() -> None:
    app = App()
    seen: list[Any] = []
    app.on_shutdown(lambda: seen.append("first registered, last called"))

    @app.lifespan
    def around() -> Any:
        yield
        raise ValueError("leaving")

    app.on_shutdown(lambda: 1 / 0)
    world = World(app)
    finish(world)
    assert seen == ["first registered, last called"]
    assert ["ZeroDivisionError" in record.message for record in world.log] == [True, False]
