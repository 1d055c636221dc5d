"""FetchHandler, from the side of JavaScript: Requests in, Responses out. Runs in Pyodide alone."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import json
from collections.abc import Callable, Coroutine
from importlib import import_module
from importlib.util import find_spec
from typing import Any, cast

import pytest

from anylane import App, Context, HTTPError, ServerConfig, UsageError
from anylane.config.limits import Limits, Timeouts
from anylane.testing import TestClient
from anylane_backends.fetch import FetchHandler
from anylane_backends.fetch.host import FetchHost
from tests.neighbours.service import app as service
from tests.neighbours.table import REQUESTS, Ask

if find_spec("js") is None:
    pytest.skip("runs in Pyodide: make pyodide", allow_module_level=True)

js: Any = import_module("js")
ffi: Any = import_module("pyodide.ffi")

Script = Callable[[], Coroutine[Any, Any, None]]


def run(script: Script) -> None:
    """Run an async test on the loop around pytest, with a bound."""

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await script()
            for handler in handlers:
                await handler.close()
            handlers.clear()

    ffi.run_sync(bounded())


handlers: list[FetchHandler] = []


def serving(app: App, config: ServerConfig | None = None) -> FetchHandler:
    """Return a handler, which is closed at the end of the test."""
    handlers.append(FetchHandler(app, config))
    return handlers[-1]


def plain(**options: Any) -> Any:
    """Return a JavaScript object."""
    return ffi.to_js(options, dict_converter=js.Object.fromEntries)


def request(path: str = "/", base: str = "http://page.example", **options: Any) -> Any:
    if "headers" in options:
        options["headers"] = js.Object.fromEntries(ffi.to_js(list(options["headers"].items())))
    return js.Request.new(base + path, plain(**options))


async def text(response: Any) -> str:
    return str(await response.text())


def reader_of(response: Any) -> Any:
    return response.body.getReader()


async def piece(reader: Any) -> bytes | None:
    chunk = await reader.read()
    return None if chunk.done else bytes(chunk.value.to_bytes())


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something has happened."""
    while not condition():  # noqa: ASYNC110  # it is the loop's turns that are waited for
        await asyncio.sleep(0)


async def turns(count: int = 50) -> None:
    """Let the loop turn, for what must not happen."""
    for _ in range(count):
        await asyncio.sleep(0)


# -- the same answers ------------------------------------------------------------------------------


CALLS = ("form", "upload")
"""Requests whose `def` handler waits for the loop by ctx.call(), which takes a thread."""


def in_memory(ask: Ask) -> tuple[int, list[tuple[str, str]], bytes]:
    with TestClient(service) as client:
        headers = {"host": "service.example", **ask.headers}
        answer = client.request(ask.method, ask.path, content=ask.body or None, headers=headers)
        return answer.status, sorted(answer.headers.items()), answer.content


async def by_fetch(handler: FetchHandler, ask: Ask) -> tuple[int, list[tuple[str, str]], bytes]:
    body = {"body": ffi.to_js(ask.body)} if ask.body else {}
    asked = request(
        ask.path, method=ask.method, headers={"host": "service.example", **ask.headers}, **body
    )
    response = await handler(asked)
    fields = sorted((str(name), str(value)) for name, value in response.headers)
    return response.status, fields, bytes((await response.arrayBuffer()).to_bytes())


@pytest.mark.parametrize("name", [name for name in REQUESTS if name not in CALLS])
def test_answers_are_those_that_clients_get_in_memory(name: str) -> None:
    ask = REQUESTS[name]
    status, fields, content = in_memory(ask)

    async def script() -> None:
        handler = serving(service)
        owned = ("date", "connection", "transfer-encoding")  # The host's, as under other servers.
        expected = [each for each in fields if each[0] not in owned]
        assert await by_fetch(handler, ask) == (status, expected, content)

    run(script)


@pytest.mark.parametrize("name", CALLS)
def test_a_def_handler_that_waits_for_the_loop_is_told_to_be_async(name: str, caplog) -> None:
    async def script() -> None:
        handler = serving(service)
        status, _, _ = await by_fetch(handler, REQUESTS[name])
        assert status == 500
        assert "none can be started here" in caplog.text
        assert "Write an `async def`" in caplog.text

    run(script)


# -- requests --------------------------------------------------------------------------------------


def test_the_url_is_the_request() -> None:
    app = App()

    @app.get("/a/{name}", name="seen")
    async def seen(ctx: Context) -> dict[str, Any]:
        request = ctx.request
        return {
            "path": request.path,
            "raw": request.raw_path,
            "query": request.query_string,
            "host": request.host,
            "scheme": request.scheme,
            "client": request.client,
            "url": ctx.url_for("seen", name="b"),
        }

    async def script() -> None:
        handler = serving(app)
        response = await handler(request("/a/%C3%A4 b?q=1#part", "https://page.example:8443"))
        assert json.loads(await text(response)) == {
            "path": "/a/ä b",
            "raw": "/a/%C3%A4%20b",
            "query": "q=1",
            "host": "page.example:8443",
            "scheme": "https",
            "client": None,
            "url": "https://page.example:8443/a/b",
        }

    run(script)


def test_an_app_below_a_prefix_does_not_see_it() -> None:
    app = App()

    @app.get("/items", name="items")
    async def items(ctx: Context) -> str:
        return f"{ctx.request.path} {ctx.path_for('items')}"

    async def script() -> None:
        handler = serving(app, ServerConfig(root_path="/app"))
        assert await text(await handler(request("/app/items"))) == "/items /app/items"
        assert (await handler(request("/apple"))).status == 404

    run(script)


def test_a_body_is_read_as_it_comes_and_no_faster() -> None:
    app = App()
    go_on = asyncio.Event()
    held: list[int] = []

    @app.post("/")
    async def sized(ctx: Context) -> str:
        await go_on.wait()
        size = 0
        async for data in ctx.request.stream():
            size += len(data)
        return str(size)

    async def script() -> None:
        pulls = 0

        def pull(controller: Any) -> None:
            nonlocal pulls
            pulls += 1
            if pulls <= 200:
                controller.enqueue(ffi.to_js(b"x" * 10_000))
            else:
                controller.close()

        pulled = ffi.create_proxy(pull)
        body = js.ReadableStream.new(plain(pull=pulled))
        handler = serving(app, ServerConfig(limits=Limits(inbound_high=100_000)))
        asked = asyncio.ensure_future(handler(request(method="POST", body=body, duplex="half")))
        await turns(200)
        held.append(pulls)
        go_on.set()
        response = await asked
        assert await text(response) == "2000000"
        pulled.destroy()

    run(script)
    assert 10 <= held[0] < 20, "what the mark allows, and a few chunks on their way"


@pytest.mark.parametrize(("path", "status"), [("/", 413), ("/unread", 200), ("/nowhere", 404)])
def test_a_body_that_is_not_read_to_its_end_is_given_up(path: str, status: int) -> None:
    app = App()

    @app.post("/")
    async def read(ctx: Context) -> bytes:
        return await ctx.request.body()

    @app.post("/unread")
    async def unread(ctx: Context) -> str:
        return "no need"

    async def script() -> None:
        given_up = asyncio.Event()
        cancel = ffi.create_proxy(lambda _: given_up.set())
        pull = ffi.create_proxy(lambda c: c.enqueue(ffi.to_js(b"x" * 1000)))
        body = js.ReadableStream.new(plain(pull=pull, cancel=cancel))
        handler = serving(app, ServerConfig(limits=Limits(body=5000)))
        response = await handler(request(path, method="POST", body=body, duplex="half"))
        assert response.status == status
        await response.text()
        await given_up.wait()
        cancel.destroy()
        pull.destroy()

    run(script)


def test_where_the_host_gives_no_stream_the_body_is_read_whole() -> None:
    app = App()

    @app.post("/")
    async def read(ctx: Context) -> bytes:
        return (await ctx.request.body())[::-1]

    async def script() -> None:
        handler = serving(app)
        whole = request(method="POST", body="abc")
        # As in a browser that has no Request.body.
        js.Object.defineProperty(whole, "body", plain(value=None))
        assert not whole.body
        assert await text(await handler(whole)) == "cba"

    run(script)


def test_a_request_that_was_read_before_is_refused() -> None:
    async def script() -> None:
        handler = serving(App())
        used = request(method="POST", body="abc")
        await used.text()
        with pytest.raises(UsageError, match=r"was read before; .* or a request\.clone\(\)"):
            await handler(used)

    run(script)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [("/" + "a" * 9000, {}, 414), ("/", {f"x-{n}": "a" for n in range(200)}, 431)],
)
def test_heads_are_held_to_the_limits(path: str, headers: dict[str, str], status: int) -> None:
    async def script() -> None:
        assert (await serving(App())(request(path, headers=headers))).status == status

    run(script)


# -- answers ---------------------------------------------------------------------------------------


def streaming() -> tuple[App, list[int], asyncio.Event]:
    """Return an app whose handler writes for as long as it may, how many pieces that were, and what
    is set at its end."""
    app = App()
    written: list[int] = []
    ended = asyncio.Event()

    @app.get("/")
    async def endless(ctx: Context) -> None:
        try:
            async with ctx.stream() as out:
                while True:
                    await out.write(b"x" * 10_000)
                    written.append(len(written))
        finally:
            ended.set()

    return app, written, ended


def test_a_reader_that_reads_nothing_stops_the_handler() -> None:
    app, written, ended = streaming()

    async def script() -> None:
        config = ServerConfig(limits=Limits(outbound_high=50_000, outbound_low=10_000))
        response = await serving(app, config)(request())
        await turns(300)
        before = len(written)
        assert 10 <= before < 20, "the stream's 64 KiB, and our mark"
        await turns(300)
        assert len(written) == before
        reader = reader_of(response)
        for _ in range(10):
            assert await piece(reader) == b"x" * 10_000
        await until(lambda: len(written) > before)
        await reader.cancel()
        await ended.wait()

    run(script)


@pytest.mark.parametrize("reason", [None, "a text", 7])
def test_a_reader_that_leaves_ends_the_handler(reason: Any) -> None:
    app, _, ended = streaming()

    async def script() -> None:
        response = await serving(app)(request())
        reader = reader_of(response)
        await piece(reader)
        await reader.cancel(*([] if reason is None else [reason]))
        await ended.wait()

    run(script)


def test_a_client_that_aborts_ends_a_handler_that_only_waits() -> None:
    app = App()
    ended: list[str] = []

    @app.get("/{how}")
    async def wait(ctx: Context) -> None:
        try:
            if ctx.params["how"] == "events":
                async with ctx.event_stream() as events:
                    await events.send("first")
                    await ctx.sleep(1000)
            await ctx.sleep(1000)
        finally:
            ended.append(ctx.params["how"])

    async def script() -> None:
        handler = serving(app)
        stop = js.AbortController.new()
        response = await handler(request("/events", signal=stop.signal))
        assert await piece(reader_of(response)) == b"data: first\n\n"
        stop.abort()
        await until(lambda: ended == ["events"])

        stop = js.AbortController.new()
        asked = asyncio.ensure_future(handler(request("/before", signal=stop.signal)))
        await turns()
        stop.abort()
        with pytest.raises(ConnectionAbortedError, match="before its answer began"):
            await asked
        assert ended == ["events", "before"]

        gone = js.AbortSignal.abort()
        with pytest.raises(ConnectionAbortedError):
            await handler(request("/already", signal=gone))

    run(script)


@pytest.mark.parametrize("waits", ["reads", "writes"])
def test_a_client_that_aborts_ends_a_handler_that_waits_for_it(waits: str) -> None:
    app = App()
    ended = asyncio.Event()

    @app.post("/reads")
    async def reads(ctx: Context) -> bytes:
        try:
            return await ctx.request.body()
        finally:
            ended.set()

    @app.post("/writes")
    async def writes(ctx: Context) -> None:
        try:
            async with ctx.stream() as out:
                while True:
                    await out.write(b"x" * 10_000)
        finally:
            ended.set()

    async def script() -> None:
        stop = js.AbortController.new()
        options = {"method": "POST", "signal": stop.signal}
        if waits == "reads":
            options |= {"body": js.ReadableStream.new(), "duplex": "half"}  # It never gives a byte.
        handler = serving(app)
        asked = asyncio.ensure_future(handler(request(f"/{waits}", **options)))
        await turns(200)
        assert not ended.is_set()
        stop.abort()
        await ended.wait()
        await until(lambda: not handler._tasks)
        if waits == "reads":
            with pytest.raises(ConnectionAbortedError):
                await asked

    run(script)


def test_nothing_is_left_of_exchanges_that_ended() -> None:
    app = App()

    @app.post("/")
    async def echo(ctx: Context) -> bytes:
        return await ctx.request.body()

    def held() -> int:
        gc.collect()
        return sum(isinstance(each, FetchHost) for each in gc.get_objects())

    async def script() -> None:
        handler = serving(app)
        before = held()
        for _ in range(20):
            stop = js.AbortController.new()
            asked = request(method="POST", body="abc", signal=stop.signal)
            assert await text(await handler(asked)) == "abc"
        await turns()
        assert held() <= before

    run(script)


def test_a_call_that_is_cancelled_is_a_client_that_left() -> None:
    app = App()
    ended = asyncio.Event()

    @app.get("/")
    async def wait(ctx: Context) -> None:
        try:
            await ctx.sleep(1000)
        finally:
            ended.set()

    async def script() -> None:
        asked = asyncio.ensure_future(serving(app)(request()))
        await turns()
        asked.cancel()
        await ended.wait()

    run(script)


def test_an_answer_that_breaks_off_is_an_error_to_its_reader() -> None:
    app = App()

    @app.get("/")
    async def broken(ctx: Context) -> None:
        async with ctx.stream() as out:
            await out.write(b"half")
            raise ValueError("the app's own")

    async def script() -> None:
        reader = reader_of(await serving(app)(request()))
        assert await piece(reader) == b"half"
        with pytest.raises(ffi.JsException, match="the answer is not whole"):
            await piece(reader)

    run(script)


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_status_without_a_body_has_none(status: int) -> None:
    app = App()

    @app.get("/")
    async def nothing(ctx: Context) -> None:
        ctx.response.set_status(status)

    async def script() -> None:
        response = await serving(app)(request())
        assert response.status == status
        assert not response.body

    run(script)


def test_an_event_stream_has_its_heartbeats() -> None:
    app = App()

    @app.get("/")
    async def events(ctx: Context) -> None:
        async with ctx.event_stream(heartbeat=0.01) as stream:
            await stream.send({"n": 1}, id="1")
            await ctx.sleep(1000)

    async def script() -> None:
        response = await serving(app)(request())
        assert response.headers.get("content-type") == "text/event-stream"
        reader = reader_of(response)
        assert await piece(reader) == b'id: 1\ndata: {"n":1}\n\n'
        assert (await piece(reader) or b"").startswith(b":")
        await reader.cancel()

    run(script)


def test_a_websocket_is_refused_because_fetch_has_none() -> None:
    app = App()

    @app.websocket("/ws")
    async def talk(ctx: Context) -> None:
        await ctx.accept()

    async def script() -> None:
        assert (await serving(app)(request("/ws"))).status == 426

    run(script)


# -- handlers --------------------------------------------------------------------------------------


def test_def_handlers_and_blocking_functions_run_inline() -> None:
    app = App()
    variable = contextvars.ContextVar("variable", default="unset")

    @app.get("/def")
    def plain_def(ctx: Context) -> str:
        return variable.get()

    @app.get("/run-sync")
    async def blocking(ctx: Context) -> str:
        return str(await ctx.run_sync(lambda: 6 * 7))

    @app.get("/iterator")
    def pieces(ctx: Context) -> Any:
        return iter(["one ", "two"])

    @app.get("/fails")
    def fails(ctx: Context) -> None:
        raise HTTPError(409, "no")

    async def script() -> None:
        handler = serving(app)
        variable.set("the caller's")
        assert await text(await handler(request("/def"))) == "the caller's"
        assert await text(await handler(request("/run-sync"))) == "42"
        assert await text(await handler(request("/iterator"))) == "one two"
        assert (await handler(request("/fails"))).status == 409

    run(script)


def test_handlers_await_promises_tasks_and_time() -> None:
    app = App()

    @app.get("/promise")
    async def promise(ctx: Context) -> Any:
        return await js.Promise.resolve("of JavaScript")

    @app.get("/tasks")
    async def tasks(ctx: Context) -> Any:
        async with asyncio.TaskGroup() as group:
            both = [group.create_task(asyncio.sleep(0.001, n)) for n in (1, 2)]
        return [each.result() for each in both]

    @app.get("/timeout")
    async def timeout(ctx: Context) -> str:
        try:
            async with ctx.timeout(0.001):
                await ctx.sleep(1000)
        except TimeoutError:
            return "timed out"
        return "slept"

    @app.get("/late")
    async def late(ctx: Context) -> None:
        await js.Promise.new(js.Function.new())

    async def script() -> None:
        config = ServerConfig(request_timeout=0.2, timeouts=Timeouts(close=0.1))
        handler = serving(app, config)
        assert await text(await handler(request("/promise"))) == "of JavaScript"
        assert await text(await handler(request("/tasks"))) == "[1,2]"
        assert await text(await handler(request("/timeout"))) == "timed out"
        assert (await handler(request("/late"))).status == 503

    run(script)


def test_many_requests_at_once() -> None:
    app = App()

    @app.get("/{number:int}")
    async def number(ctx: Context) -> str:
        await ctx.sleep(0.001)
        return str(ctx.params["number"])

    async def script() -> None:
        handler = serving(app)
        responses = await asyncio.gather(*(handler(request(f"/{n}")) for n in range(100)))
        assert [await text(each) for each in responses] == [str(n) for n in range(100)]
        assert not handler._tasks

    run(script)


def test_a_mounted_asgi_application_runs_on_the_same_loop() -> None:
    app = App()

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await asyncio.sleep(0.001)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": scope["root_path"].encode()})

    app.mount("/inner", inner)

    async def script() -> None:
        assert await text(await serving(app)(request("/inner/page"))) == "/inner"

    run(script)


# -- the life of an app ----------------------------------------------------------------------------


def test_the_first_requests_begin_the_life_of_the_app_once_and_close_ends_it() -> None:
    app = App()
    told: list[str] = []

    @app.on_startup
    async def begin() -> None:
        await asyncio.sleep(0.001)
        told.append("begun")

    @app.on_shutdown
    def end() -> None:
        told.append("ended")

    @app.get("/")
    async def home(ctx: Context) -> str:
        ctx.background(lambda: told.append("background"))
        return "home"

    async def script() -> None:
        handler = serving(app)
        await handler.close()  # Nothing has begun.
        for response in await asyncio.gather(handler(request()), handler(request())):
            assert await text(response) == "home"
        await handler.close()
        assert told == ["begun", "background", "background", "ended"]
        assert await text(await handler(request())) == "home"
        await handler.close()
        assert told[4:] == ["begun", "background", "ended"]

    run(script)


def test_a_start_that_fails_is_told_and_tried_again() -> None:
    app = App()
    starts: list[int] = []

    @app.on_startup
    def begin() -> None:
        starts.append(len(starts))
        if len(starts) == 1:
            raise LookupError("not yet")

    @app.get("/")
    async def home(ctx: Context) -> str:
        return "home"

    async def script() -> None:
        handler = serving(app)
        with pytest.raises(LookupError, match="not yet"):
            await handler(request())
        assert await text(await handler(request())) == "home"
        await handler.close()

    run(script)


def test_an_app_that_cannot_be_served_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match=r"expected an anylane\.App"):
        FetchHandler(cast("Any", print))
