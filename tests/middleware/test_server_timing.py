"""ServerTiming: what a request took, on the core's clock."""

from __future__ import annotations

import pytest

from anylane import App, Context
from anylane.middleware import ServerTiming
from anylane.testing import Lockstep, TestClient


def client() -> TestClient:
    app = App()
    app.use(ServerTiming())

    @app.get("/")
    async def home(ctx: Context) -> str:
        with ServerTiming.measure(ctx, "db", "SELECT"):
            await ctx.sleep(0.25)
        ServerTiming.add(ctx, "cache", description="miss")
        ServerTiming.add(ctx, "render", 0.0015)
        await ctx.sleep(1)
        return "home"

    @app.get("/fail")
    async def fail(ctx: Context) -> str:
        with ServerTiming.measure(ctx, "db"):
            await ctx.sleep(0.5)
            raise KeyError("x")

    @app.get("/own")
    async def own(ctx: Context) -> str:
        ctx.response.set_header("server-timing", "own;dur=1")
        return "own"

    @app.get("/many")
    async def many(ctx: Context) -> str:
        for _ in range(1000):
            with ServerTiming.measure(ctx, "row"):
                pass
        return "many"

    return TestClient(app)


def test_entries_and_the_total_in_virtual_time() -> None:
    assert client().get("/").headers["server-timing"] == (
        'db;desc="SELECT";dur=250.0, cache;desc="miss", render;dur=1.5, total;dur=1250.0'
    )


def test_errors_have_what_was_measured() -> None:
    answer = client().get("/fail")
    assert answer.status == 500
    assert answer.headers["server-timing"] == "db;dur=500.0, total;dur=500.0"
    assert client().get("/nowhere").headers["server-timing"] == "total;dur=0.0"


def test_what_the_handler_has_set_itself_stays() -> None:
    found = client().get("/own").headers.get_all("server-timing")
    assert found == ["own;dur=1", "total;dur=0.0"]


def test_entries_are_bounded() -> None:
    (line,) = client().get("/many").headers.get_all("server-timing")
    assert line.count("row") == 50
    assert line.endswith("total;dur=0.0")


@pytest.mark.parametrize(
    ("name", "description", "entry"),
    [
        ("db", "", "db"),
        ("my db", "", "my_db"),
        ("é,;=\r\n", "", "_"),
        ("", "", "_"),
        ("n" * 200, "", "n" * 100),
        ("db", 'say "x" \\', 'db;desc="say \\"x\\" \\\\"'),
        ("db", "é\r\nset-cookie: x", 'db;desc="???set-cookie: x"'),
    ],
)
def test_what_a_header_cannot_have_is_replaced(name: str, description: str, entry: str) -> None:
    app = App()
    app.use(ServerTiming())

    @app.get("/")
    async def home(ctx: Context) -> str:
        ServerTiming.add(ctx, name, description=description)
        return "home"

    assert TestClient(app).get("/").headers["server-timing"] == f"{entry}, total;dur=0.0"


def test_without_the_part_measuring_is_for_nothing() -> None:
    app = App()

    @app.get("/")
    async def home(ctx: Context) -> str:
        with ServerTiming.measure(ctx, "db"):
            return "home"

    answer = TestClient(app).get("/")
    assert answer.text == "home"
    assert "server-timing" not in answer.headers


def test_a_stream_has_what_was_measured_before_its_head() -> None:
    app = App()
    app.use(ServerTiming())

    @app.get("/")
    async def stream(ctx: Context) -> None:
        await ctx.sleep(1)
        async with ctx.stream() as out:
            with ServerTiming.measure(ctx, "late"):
                await ctx.sleep(1)
            await out.write("x")

    wire = Lockstep(app)
    wire.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    wire.advance(2)
    assert b"\r\nserver-timing: total;dur=1000.0\r\n" in wire.take()
