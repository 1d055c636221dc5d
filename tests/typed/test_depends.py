"""Dependencies are made in order, once for a request, and given back in reverse."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event
from typing import Annotated, Any

import pytest

from anylane import (
    App,
    Cancelled,
    Context,
    Depends,
    HTTPError,
    Query,
    RouteError,
    ServerConfig,
    State,
    Timeouts,
    UsageError,
)
from anylane.testing import Lockstep, TestClient

GET = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n"


class Story:
    """What happened, in order, and dependencies that tell it."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.app = App(errors="json")

        @self.app.response_middleware
        async def hook(ctx: Context) -> None:
            self.tell(f"head {ctx.response.status}")

    def tell(self, line: str) -> None:
        self.lines.append(line)

    def take(self) -> list[str]:
        lines, self.lines = self.lines, []
        return lines

    @contextmanager
    def block(self, name: str) -> Generator[str]:
        self.tell(f"open {name}")
        try:
            yield name
        except BaseException as exc:
            self.tell(f"{name} saw {type(exc).__name__}")
            raise
        finally:
            self.tell(f"close {name}")


@pytest.fixture
def story() -> Story:
    return Story()


def test_one_value_a_request_and_the_order_of_it_all(story: Story) -> None:
    def settings() -> str:
        story.tell("settings")
        return "s"

    async def first(s: Annotated[str, Depends(settings)], n: int = 0) -> AsyncIterator[str]:
        with story.block(f"first{n}") as value:
            yield f"{value}-{s}"

    def second(
        f: Annotated[str, Depends(first)], s: Annotated[str, Depends(settings)]
    ) -> Iterator[str]:
        with story.block("second"):
            yield f"second of {f} {s}"

    @story.app.get("/")
    async def handler(
        b: Annotated[str, Depends(second)],
        a: Annotated[str, Depends(first)],
        s: str = Depends(settings),
    ) -> list[str]:
        story.tell("handler")
        return [a, b, s]

    client = TestClient(story.app)
    assert client.get("/?n=5").json() == ["first5-s", "second of first5-s s", "s"]
    assert story.take() == [
        "settings",
        "open first5",
        "open second",
        "handler",
        "close second",
        "close first5",
        "head 200",
    ]


def test_nothing_is_made_for_a_request_with_faults(story: Story) -> None:
    async def database(n: Annotated[int, Query("db")]) -> AsyncIterator[int]:
        with story.block("database"):
            yield n

    @story.app.get("/")
    async def handler(db: Annotated[int, Depends(database)], q: int) -> None: ...

    answer = TestClient(story.app).get("/?db=x&q=y")
    assert [each["field"] for each in answer.json()["errors"]] == ["q", "db"]
    assert story.take() == ["head 422"]


@pytest.mark.parametrize("kind", ["async", "def"])
def test_a_failure_is_raised_at_the_yield(story: Story, kind: str) -> None:
    async def resource() -> AsyncIterator[int]:
        with story.block("resource"):
            yield 1

    def blocking() -> Iterator[int]:
        with story.block("blocking"):
            yield 1

    async def handler(
        a: Annotated[int, Depends(resource)], b: Annotated[int, Depends(blocking)]
    ) -> None:
        raise HTTPError(409)

    def plain(a: Annotated[int, Depends(resource)], b: Annotated[int, Depends(blocking)]) -> None:
        raise ValueError

    story.app.get("/")(handler if kind == "async" else plain)
    name, status = ("HTTPError", 409) if kind == "async" else ("ValueError", 500)
    assert TestClient(story.app).get("/").status == status
    assert story.take() == [
        "open resource",
        "open blocking",
        f"blocking saw {name}",
        "close blocking",
        f"resource saw {name}",
        "close resource",
        f"head {status}",
    ]


def test_a_generator_may_make_an_answer_of_a_failure_but_cannot_hide_it(story: Story) -> None:
    async def translating() -> AsyncIterator[None]:
        try:
            yield
        except KeyError:
            raise HTTPError(404) from None

    async def hiding() -> AsyncIterator[None]:
        try:
            yield
        except KeyError:
            story.tell("hidden")

    @story.app.get("/translated")
    async def translated(a: Annotated[None, Depends(translating)]) -> None:
        raise KeyError

    @story.app.get("/hidden")
    async def hidden(a: Annotated[None, Depends(hiding)]) -> None:
        raise KeyError

    client = TestClient(story.app)
    assert client.get("/translated").status == 404
    assert client.get("/hidden").status == 500
    assert story.take() == ["head 404", "hidden", "head 500"]


def test_a_teardown_that_fails_is_a_500_and_the_others_have_their_turn(story: Story) -> None:
    async def outer() -> AsyncIterator[int]:
        with story.block("outer"):
            yield 1

    async def failing(a: Annotated[int, Depends(outer)]) -> AsyncIterator[int]:
        yield 1
        raise ValueError("teardown")

    @story.app.get("/")
    async def handler(b: Annotated[int, Depends(failing)]) -> str:
        return "fine"

    assert TestClient(story.app).get("/").status == 500
    assert story.take() == ["open outer", "outer saw ValueError", "close outer", "head 500"]


def test_the_scope_response_ends_behind_the_last_byte(story: Story) -> None:
    async def connection() -> AsyncIterator[int]:
        with story.block("connection"):
            yield 1

    async def session(c: Annotated[int, Depends(connection, "response")]) -> AsyncIterator[int]:
        with story.block("session"):
            yield 1

    @story.app.get("/")
    async def handler(
        s: Annotated[int, Depends(session)], c: Annotated[int, Depends(connection, "response")]
    ) -> str:
        return "x" * 300_000

    wire = Lockstep(story.app)
    wire.receive(GET % b"/" + GET % b"/")
    lines = ["open connection", "open session", "close session", "head 200", "close connection"]
    assert story.take() == lines * 2
    assert wire.sent.count(b"HTTP/1.1 200 OK") == 2


def test_what_a_stream_uses_is_given_back_when_it_ends(story: Story) -> None:
    async def resource() -> AsyncIterator[str]:
        with story.block("resource") as value:
            yield value

    @story.app.get("/returned")
    async def returned(r: Annotated[str, Depends(resource)]) -> AsyncIterator[str]:
        story.tell("item")
        yield r

    @story.app.get("/sync")
    def sync_items(r: Annotated[str, Depends(resource)]) -> Iterator[str]:
        story.tell("item")
        yield r

    @story.app.get("/written")
    async def written(ctx: Context, r: Annotated[str, Depends(resource)]) -> None:
        async with ctx.stream() as out:
            await out.write(r)
            story.tell("item")

    @story.app.get("/events")
    async def events(ctx: Context, r: Annotated[str, Depends(resource)]) -> None:
        async with ctx.event_stream() as out:
            await out.send(r)
            story.tell("item")

    @story.app.get("/failing")
    async def failing(r: Annotated[str, Depends(resource)]) -> AsyncIterator[str]:
        yield r
        raise ValueError

    client = TestClient(story.app)
    for path in ("/returned", "/sync"):
        assert client.get(path).text == "resource"
        assert story.take() == ["open resource", "item", "head 200", "close resource"]
    assert client.get("/written").text == "resource"
    assert story.take() == ["open resource", "head 200", "item", "close resource"]
    assert "resource" in client.get("/events").text
    assert story.take() == ["open resource", "head 200", "item", "close resource"]
    wire = Lockstep(story.app)
    wire.receive(GET % b"/failing")
    assert story.take() == [
        "open resource",
        "head 200",
        "resource saw ValueError",
        "close resource",
    ]


def test_a_websocket_keeps_its_dependencies_until_it_ends(story: Story) -> None:
    async def resource(n: int) -> AsyncIterator[str]:
        with story.block("resource"):
            yield f"r{n}"

    @story.app.websocket("/{room}")
    async def chat(
        ctx: Context, room: str, n: int, r: Annotated[str, Depends(resource)], sid: str = "-"
    ) -> None:
        ws = await ctx.accept()
        async for message in ws:
            await ws.send(f"{room} {n} {r} {sid} {message!r}")

    client = TestClient(story.app)
    with client.websocket("/lobby?n=5") as ws:
        ws.send("hi")
        assert ws.receive() == "lobby 5 r5 - 'hi'"
        assert story.take() == ["open resource", "head 101"]
    assert story.take() == ["close resource"]
    assert client.get("/lobby", headers={"accept": "*/*"}).status == 426


def test_a_client_that_leaves_is_no_reason_to_keep_anything(story: Story) -> None:
    async def resource() -> AsyncIterator[str]:
        with story.block("resource"):
            yield "r"

    @story.app.get("/")
    async def handler(ctx: Context, r: Annotated[str, Depends(resource)]) -> None:
        async with ctx.event_stream():
            await ctx.sleep(1000)

    wire = Lockstep(story.app)
    wire.receive(GET % b"/")
    wire.lose()
    assert story.take() == [
        "open resource",
        "head 200",
        "resource saw Disconnected",
        "close resource",
    ]


def test_an_interruption_is_raised_at_the_yield_and_teardown_may_wait(story: Story) -> None:
    async def resource(ctx: Context) -> AsyncIterator[str]:
        try:
            yield "r"
        except Cancelled:
            story.tell("interrupted")
            raise
        finally:
            await ctx.run_sync(story.tell, "given back")

    @story.app.get("/")
    async def handler(ctx: Context, r: Annotated[str, Depends(resource)]) -> None:
        await ctx.sleep(1000)

    wire = Lockstep(story.app, ServerConfig(request_timeout=1))
    wire.receive(GET % b"/")
    wire.advance(1)
    assert story.take() == ["interrupted", "given back", "head 503"]
    assert wire.sent.startswith(b"HTTP/1.1 503 ")


def test_teardown_may_wait_behind_a_handler_that_blocked_beyond_its_deadline() -> None:
    """It has not heard of its interruption, and what is given back is not the first to."""
    blocker, told = Event(), SimpleQueue[str]()
    app = App()

    async def resource(ctx: Context) -> AsyncIterator[str]:
        try:
            yield "r"
        finally:
            await ctx.run_sync(told.put, "given back")

    @app.get("/", timeout=0.1)
    async def handler(r: Annotated[str, Depends(resource)]) -> str:
        blocker.wait(10)
        return "too late"

    with TestClient(app, backend="threads") as client:
        assert client.get("/").status == 503
        blocker.set()
        assert told.get(timeout=10) == "given back"


@pytest.mark.parametrize("lane", ["asyncio", "trio"])
def test_what_a_thread_uses_for_too_long_is_given_back(lane: str) -> None:
    blocker, told = Event(), SimpleQueue[str]()
    app = App()

    def lent() -> Iterator[str]:
        try:
            yield "lent"
        finally:
            told.put("given back")

    @app.get("/", timeout=0.1)
    def handler(used: Annotated[str, Depends(lent)]) -> None:
        blocker.wait(10)
        told.put(f"used {used}")

    config = ServerConfig(timeouts=Timeouts(close=0.1))
    with TestClient(app, config=config, backend=lane) as client:
        assert client.get("/").status == 503
        assert told.get(timeout=10) == "given back"
        blocker.set()
        assert told.get(timeout=10) == "used lent"
        assert "is given back while a function of the handler still runs with it" in str(client.log)


@pytest.mark.parametrize("lane", ["asyncio", "trio"])
def test_an_answer_does_not_wait_for_a_thread_that_its_handler_gave_up(lane: str) -> None:
    blocker, told = Event(), SimpleQueue[str]()
    app = App()

    def lent() -> Iterator[str]:
        yield "lent"
        told.put("given back")

    def use(used: str) -> None:
        blocker.wait(10)
        told.put(f"used {used}")

    @app.get("/")
    async def handler(ctx: Context, used: Annotated[str, Depends(lent)]) -> str:
        try:
            async with ctx.timeout(0.1):
                await ctx.run_sync(use, used)
        except TimeoutError:
            pass
        return "fallback"

    with TestClient(app, backend=lane) as client:
        assert client.get("/").text == "fallback"
        blocker.set()
        assert [told.get(timeout=10), told.get(timeout=10)] == ["used lent", "given back"]


def test_teardown_has_its_time(story: Story) -> None:
    async def stuck(ctx: Context) -> AsyncIterator[str]:
        try:
            yield "r"
        finally:
            story.tell("stuck")
            while True:
                await ctx.link.wait()

    @story.app.get("/")
    async def handler(r: Annotated[str, Depends(stuck)]) -> str:
        return "x"

    wire = Lockstep(story.app, ServerConfig(timeouts=Timeouts(close=2)))
    wire.receive(GET % b"/")
    assert story.take() == ["stuck"]
    wire.advance(1.9)
    assert wire.sent == b""
    wire.advance(0.2)
    assert wire.sent.startswith(b"HTTP/1.1 ")


def test_plain_functions_run_where_they_may_block_or_inline(story: Story) -> None:
    seen: ContextVar[str] = ContextVar("seen")

    def quick() -> int:
        return 1

    def sets() -> None:
        seen.set("by a dependency")

    @story.app.get("/")
    async def handler(
        a: Annotated[int, Depends(quick, inline=True)], b: Annotated[None, Depends(sets)]
    ) -> str:
        return seen.get()

    assert TestClient(story.app).get("/").text == "by a dependency"


def test_classes_and_callables_are_dependencies(story: Story) -> None:
    class Paging:
        def __init__(self, page: int = 1, size: Annotated[int, Query(le=100)] = 10) -> None:
            self.page, self.size = page, size

    class Multiplied:
        async def __call__(self, p: Annotated[Paging, Depends(Paging, inline=True)]) -> int:
            return p.page * p.size

    @story.app.get("/")
    async def handler(n: Annotated[int, Depends(Multiplied())]) -> int:
        return n

    client = TestClient(story.app)
    assert client.get("/?page=3").text == "30"
    assert client.get("/?size=1000").status == 422


def test_overrides_take_the_place_of_dependencies(story: Story) -> None:
    async def real() -> AsyncIterator[str]:
        with story.block("real") as value:
            yield value

    async def needs(r: Annotated[str, Depends(real)]) -> str:
        return f"needs {r}"

    @story.app.get("/")
    async def handler(n: Annotated[str, Depends(needs)]) -> str:
        return n

    client = TestClient(story.app)
    assert client.get("/").text == "needs real"
    story.app.dependency_overrides[real] = lambda: "fake"
    assert client.get("/").text == "needs fake"
    story.app.dependency_overrides = {needs: lambda: "other"}
    assert client.get("/").text == "other"
    story.app.dependency_overrides.clear()
    assert client.get("/").text == "needs real"


def test_what_lives_longer_cannot_need_what_ends_before() -> None:
    async def short() -> int:
        return 1

    async def long(x: Annotated[int, Depends(short)]) -> int:
        return x

    async def handler(x: Annotated[int, Depends(long, "response")]) -> None: ...

    message = r"long .*'response' .*short .* whose scope is 'handler'"
    with pytest.raises(RouteError, match=message):
        App().get("/")(handler)


def test_one_value_has_one_scope() -> None:
    async def given() -> int:
        return 1

    async def handler(
        x: Annotated[int, Depends(given)], y: Annotated[int, Depends(given, "response")]
    ) -> None: ...

    with pytest.raises(RouteError, match=r"given .* is needed with two scopes"):
        App().get("/")(handler)


def test_a_dependency_is_resolved_as_strictly_as_a_handler() -> None:
    async def given(ctx: Context, x) -> int:
        return 1

    async def handler(x: Annotated[int, Depends(given)]) -> None: ...

    with pytest.raises(RouteError, match=r"'x' of .*given.* has no annotation"):
        App().get("/")(handler)


def test_a_circle_is_refused_with_its_names() -> None:
    async def one(x: Annotated[int, "Depends"]) -> int:
        return x

    async def two(x: Annotated[int, Depends(one)]) -> int:
        return x

    one.__annotations__["x"] = Annotated[int, Depends(two)]

    async def handler(x: Annotated[int, Depends(one)]) -> None: ...

    with pytest.raises(RouteError, match=r"need each other: .*one .* -> .*two .* -> .*one "):
        App().get("/")(handler)


def test_bodies_of_a_handler_and_its_dependencies_are_one(story: Story) -> None:
    async def reads(body: dict[str, Any]) -> int:
        return len(body)

    async def other(body: list[dict[str, Any]]) -> int:
        return len(body)

    @story.app.post("/")
    async def handler(body: dict[str, Any], n: Annotated[int, Depends(reads)]) -> list[Any]:
        return [body, n]

    assert TestClient(story.app).post("/", json={"a": 1}).json() == [{"a": 1}, 1]

    async def twice(body: dict[str, Any], n: Annotated[int, Depends(other)]) -> None: ...

    with pytest.raises(RouteError, match="read the body as different things"):
        App().post("/")(twice)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Depends(5), "got 5; expected a function, without its parentheses"),  # type: ignore[call-overload]
        (lambda: Depends(print, "request"), "is 'request'; expected one of 'handler', 'response'"),  # type: ignore[call-overload]
    ],
)
def test_the_marker_refuses_what_it_cannot_use(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


@pytest.mark.parametrize("count", [0, 2])
def test_a_generator_yields_once(story: Story, count: int) -> None:
    async def wrong() -> AsyncIterator[int]:
        for each in range(count):
            yield each

    @story.app.get("/")
    async def handler(x: Annotated[int, Depends(wrong)]) -> str:
        return "x"

    wire = Lockstep(story.app)
    wire.receive(GET % b"/")
    assert wire.sent.startswith(b"HTTP/1.1 500 ")
    assert ("without a yield" if count == 0 else "a second yield") in wire.log[-1].message


def test_a_value_of_the_app_is_made_at_the_start_and_given_back_at_the_end(story: Story) -> None:
    @story.app.on_startup
    async def configure() -> None:
        story.app.state.url = "sqlite:"

    def pool(url: Annotated[str, State()]) -> Iterator[str]:
        with story.block("pool"):
            yield f"pool of {url}"

    async def cache(p: Annotated[str, Depends(pool, "app")]) -> AsyncIterator[str]:
        with story.block("cache"):
            yield f"cache over {p}"

    async def session(p: Annotated[str, Depends(pool, "app")]) -> str:
        story.tell("session")
        return f"session of {p}"

    @story.app.get("/")
    async def handler(
        s: Annotated[str, Depends(session)], c: Annotated[str, Depends(cache, "app")]
    ) -> list[str]:
        return [s, c]

    with TestClient(story.app) as client:
        assert story.take() == ["open pool", "open cache"]
        for _ in range(2):
            assert client.get("/").json() == [
                "session of pool of sqlite:",
                "cache over pool of sqlite:",
            ]
            assert story.take() == ["session", "head 200"]
        story.app.dependency_overrides[cache] = lambda: "fake"
        assert client.get("/").json()[1] == "fake"
        assert story.take() == ["session", "head 200"]
    assert story.take() == ["close cache", "close pool"]


def test_a_value_of_the_app_that_cannot_be_made_fails_the_start(story: Story) -> None:
    async def first() -> AsyncIterator[int]:
        with story.block("first"):
            yield 1

    async def failing(f: Annotated[int, Depends(first, "app")]) -> int:
        raise ValueError("no database")

    @story.app.get("/")
    async def handler(x: Annotated[int, Depends(failing, "app")]) -> None: ...

    with pytest.raises(ValueError, match="no database"), TestClient(story.app):
        pass
    assert story.take() == ["open first", "close first"]


def test_a_dependency_of_the_app_has_no_request() -> None:
    async def wrong(q: str) -> str:
        return q

    async def handler(x: Annotated[str, Depends(wrong, "app")]) -> None: ...

    with pytest.raises(RouteError, match=r"'q' is of the query; take it from app.state"):
        App().get("/")(handler)


def test_state_of_the_app_is_a_parameter(story: Story) -> None:
    @story.app.on_startup
    async def configure() -> None:
        story.app.state.db = "db"

    @story.app.get("/")
    async def handler(
        db: Annotated[str, State()], other: Annotated[str | None, State("cache")] = None
    ) -> list[str | None]:
        return [db, other]

    @story.app.get("/missing")
    async def missing(nothing: Annotated[str, State()]) -> None: ...

    client = TestClient(story.app)
    assert client.get("/").json() == ["db", None]
    assert client.get("/missing").status == 500


@dataclass
class Pager:
    size: int

    def __call__(self, page: int = 1) -> int:
        return page * self.size


def test_an_object_that_has_no_hash_is_a_dependency() -> None:
    ten, other_ten = Pager(10), Pager(10)

    async def twice(n: Annotated[int, Depends(ten)]) -> int:
        return n * 2

    app = App()

    @app.get("/")
    async def handler(
        n: Annotated[int, Depends(ten)],
        m: Annotated[int, Depends(other_ten)],
        t: Annotated[int, Depends(twice)],
    ) -> list[int]:
        return [n, m, t]

    client = TestClient(app)
    assert client.get("/?page=2").json() == [20, 20, 40]
    app.dependency_overrides[twice] = Pager(3)
    assert client.get("/?page=2").json() == [20, 20, 6]


@dataclass
class Setting:
    name: str

    def __call__(self, s: Annotated[str, State()]) -> str:
        return self.name + s


def test_an_object_that_has_no_hash_is_a_dependency_of_the_app() -> None:
    setting = Setting("a")

    async def twice(x: Annotated[str, Depends(setting, "app")]) -> str:
        return x * 2

    app = App()

    @app.on_startup
    def configure() -> None:
        app.state.s = "s"

    @app.get("/")
    async def handler(
        x: Annotated[str, Depends(setting, "app")], y: Annotated[str, Depends(twice, "app")]
    ) -> list[str]:
        return [x, y]

    with TestClient(app) as client:
        assert client.get("/").json() == ["as", "asas"]


def test_what_stands_for_a_value_of_the_app_is_given_to_others_of_it(story: Story) -> None:
    async def real() -> str:
        raise AssertionError("it is overridden")

    async def over(a: Annotated[str, Depends(real, "app")]) -> str:
        return f"over {a}"

    @story.app.get("/")
    async def handler(
        a: Annotated[str, Depends(real, "app")], b: Annotated[str, Depends(over, "app")]
    ) -> list[str]:
        return [a, b]

    def fake(db: Annotated[str, State()]) -> Iterator[str]:
        with story.block("fake"):
            yield f"fake {db}"

    @story.app.on_startup
    def configure() -> None:
        story.app.state.db = "db"

    story.app.dependency_overrides[real] = fake
    with TestClient(story.app) as client:
        assert story.take() == ["open fake"]
        assert client.get("/").json() == ["fake db", "over fake db"]
        assert story.take() == ["open fake", "close fake", "head 200"]
    assert story.take() == ["close fake"]


def test_what_stands_for_a_value_of_the_app_has_no_request_there(story: Story) -> None:
    async def real() -> str:
        return "real"

    async def over(a: Annotated[str, Depends(real, "app")]) -> str:
        return f"over {a}"

    async def fake(q: str) -> str:
        return q

    @story.app.get("/")
    async def handler(b: Annotated[str, Depends(over, "app")]) -> str:
        return b

    story.app.dependency_overrides[real] = fake
    with pytest.raises(UsageError, match=r"fake.* its parameter 'q'.*; override .*over.*, too"):
        TestClient(story.app).__enter__()
    story.app.dependency_overrides[over] = lambda: "fake"
    with TestClient(story.app) as client:
        assert client.get("/").text == "fake"
