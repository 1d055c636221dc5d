"""An App as an ASGI application: what any server that speaks ASGI sees of it."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from anylane import App, Context, Disconnected, HTTPError, ServerConfig, UsageError
from anylane.config.limits import Limits, Timeouts
from anylane.protocol.channel.message_channel import MessageChannel
from anylane_backends.channels.delivery import Delivery, Incomplete
from tests.backends.asgi.server import Call, alive, answered, http, websocket

LOOPS = ("asyncio", "trio")

Script = Callable[[], Awaitable[None]]


class OwnError(BaseException):
    """No Exception."""


FAILURES = (SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError, OwnError)
"""What a user's code may raise that is no Exception."""


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Callable[[Script], None]:
    return lambda script: anyio.run(script, backend=request.param)


def greeting() -> App:
    app = App()

    @app.get("/")
    async def home(ctx: Context) -> str:
        return "hello"

    @app.get("/sync")
    def sync(ctx: Context) -> str:
        return "sync"

    @app.post("/echo")
    async def echo(ctx: Context) -> bytes:
        return await ctx.request.body()

    @app.get("/seen")
    async def seen(ctx: Context) -> dict[str, Any]:
        request = ctx.request
        return {
            "path": request.path,
            "query": request.query.get("q"),
            "scheme": request.scheme,
            "client": request.client,
            "host": request.host,
        }

    return app


def test_requests_are_answered(run):
    app = greeting()

    async def script() -> None:
        async with alive(app):
            home = await answered(app, http())
            assert (home.status, home.body) == (200, b"hello")
            assert home.headers == {
                "content-type": "text/plain; charset=utf-8",
                "content-length": "5",
            }
            assert (await answered(app, http("/sync"))).body == b"sync"
            assert (await answered(app, http("/nowhere"))).status == 404
            pieces = [
                {"type": "http.request", "body": b"ab", "more_body": True},
                {"type": "http.request", "body": b"cd", "more_body": False},
            ]
            posted = http("/echo", "POST", headers=[(b"transfer-encoding", b"chunked")])
            assert (await answered(app, posted, *pieces)).body == b"abcd"

    run(script)


def test_the_scope_is_the_request(run):
    app = greeting()
    scope = http(
        "/api/seen",
        root_path="/api",
        query_string=b"q=%C3%A4",
        scheme="https",
        client=("192.0.2.7", "443"),  # One server gives the port as text.
        headers=[(b"Host", b"example.org")],
    )
    del scope["raw_path"]

    async def script() -> None:
        async with alive(app):
            call = await answered(app, scope)
            assert call.body == (
                b'{"path":"/seen","query":"\xc3\xa4","scheme":"https",'
                b'"client":["192.0.2.7",443],"host":"example.org"}'
            )

    run(script)


def test_requests_that_are_the_same_are_answered_alike_and_others_are_not(run):
    app = App()

    @app.get("/{name}")
    @app.post("/{name}")
    async def told(ctx: Context, name: str) -> str:
        request = ctx.request
        ctx.state.seen = getattr(ctx.state, "seen", 0) + 1
        return f"{request.method} {name} {request.headers.get('x-a')} {ctx.state.seen}"

    async def script() -> None:
        async with alive(app):
            for _ in range(3):
                for method, path, value in (("GET", "/a", "1"), ("POST", "/a", "1"),
                                            ("GET", "/b", "1"), ("GET", "/a", "2")):  # fmt: skip
                    headers = [(b"host", b"a"), (b"X-A", value.encode())]
                    call = await answered(app, http(path, method, headers=headers))
                    assert call.body.decode() == f"{method} {path[1:]} {value} 1"
                large = [(b"host", b"a"), (b"x-a", b"x" * 5000)]
                assert (await answered(app, http("/a", headers=large))).status == 200

    run(script)


def test_what_the_server_says_beside_the_request_is_there(run):
    app = App()

    @app.get("/items/{id:int}", name="item")
    async def item(ctx: Context) -> dict[str, Any]:
        return {
            "root": ctx.request.root_path,
            "path": ctx.path_for("item", id=7),
            "said": ctx.state.said,
        }

    raw = b"/a%20b/items/1"
    scope = http("/a b/items/1", raw_path=raw, root_path="/a b", state={"said": "yes"})

    async def script() -> None:
        async with alive(app):
            call = await answered(app, scope)
            assert call.body == b'{"root":"/a%20b","path":"/a%20b/items/7","said":"yes"}'

    run(script)


@pytest.mark.parametrize(
    ("settings", "scope", "seen"),
    [
        ({"root_path": "/ours"}, {}, "/ours"),
        ({"root_path": "/ours"}, {"root_path": "/theirs"}, "/theirs"),
        ({"root_path": "forwarded", "proxy_headers": True}, {}, "/proxy"),
        ({"root_path": "forwarded", "proxy_headers": True}, {"root_path": "/theirs"}, "/theirs"),
        ({}, {}, ""),
    ],
)
def test_the_prefix_is_a_setting_where_the_server_says_none(run, settings, scope, seen):
    app = App()

    @app.get("/")
    async def home(ctx: Context) -> str:
        return ctx.request.root_path

    asked = http(client=("127.0.0.1", 4711), headers=[(b"x-forwarded-prefix", b"/proxy")], **scope)

    async def script() -> None:
        application = app.asgi(ServerConfig(**settings))
        async with alive(application):
            assert (await answered(application, asked)).body.decode() == seen

    run(script)


@pytest.mark.parametrize(("version", "told"), [("1.0", "close"), ("1.1", "close"), ("2", None)])
def test_a_server_is_told_to_close_connections_of_its_http_1(run, version, told):
    app = App()

    @app.get("/")
    async def home(ctx: Context) -> str:
        ctx.response.close_connection()
        return "goodbye"

    async def script() -> None:
        async with alive(app):
            call = await answered(app, http(http_version=version))
            assert call.headers.get("connection") == told
            call = await answered(app, http("/nowhere", http_version=version))
            assert "connection" not in call.headers

    run(script)


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"raw_path": b"/" + b"x" * 99}, 404),
        ({"raw_path": b"/" + b"x" * 100}, 414),
        ({"headers": [(b"a", b"b")] * 5}, 200),
        ({"headers": [(b"a", b"b")] * 6}, 431),
        ({"headers": [(b"a", b"b" * 200)]}, 431),
    ],
)
def test_limits_of_heads_hold(run, more, status):
    limits = Limits(target=100, header_count=5, header_field=100)
    app = greeting().asgi(ServerConfig(limits=limits))

    async def script() -> None:
        async with alive(app):
            assert (await answered(app, http(**more))).status == status

    run(script)


@pytest.mark.parametrize(
    "more",
    [
        {"raw_path": b"/\xff"},
        {"raw_path": b"/a b"},
        {"raw_path": b"/\r\n"},
        {"query_string": b"q=\xff"},
        {"query_string": b"q=\x00"},
        {"method": "G\xc4T"},
        {"method": "GET /other"},
        {"path": "/\ud800", "raw_path": None},
        {"root_path": "/\ud800"},
        {"headers": [(b"host", b"a"), (b"host", b"b")]},
        {"type": "websocket", "subprotocols": ["\xe4"]},
        {"type": "websocket", "subprotocols": ["a b"]},
        {"type": "websocket", "query_string": b"\xff"},
    ],
)
def test_a_head_that_is_none_is_refused_whatever_the_server_lets_through(run, more, caplog):
    """Some servers are less strict than others, and a client writes all of it."""
    scope = {**http("/"), **more, "extensions": {"websocket.http.response": {}}}
    begin = {"http": {"type": "http.request"}, "websocket": {"type": "websocket.connect"}}

    async def script() -> None:
        async with alive(app := greeting()):
            call = await answered(app, scope, begin[scope["type"]])
            assert call.status == 400
            assert (await answered(app, http())).body == b"hello"

    run(script)
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("scope", "message"),
    [
        (http("/slow"), {"type": "http.request", "body": b"", "more_body": False}),
        (websocket("/slow"), {"type": "websocket.connect"}),
    ],
)
def test_a_server_that_says_the_same_again_and_again_does_not_stop_the_loop(
    run: Any, scope: dict[str, Any], message: dict[str, Any]
) -> None:
    """Many an adapter, and many a test, has a `receive` that never waits, and never tells that the
    client has left."""
    app = App()

    @app.get("/slow")
    async def slow(ctx: Context) -> str:
        await ctx.sleep(0.01)
        return "done"

    @app.websocket("/slow")
    async def slower(ctx: Context) -> None:
        await ctx.sleep(0.01)
        ws = await ctx.accept()
        await ws.send("done")

    asked: list[None] = []
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        asked.append(None)
        if len(asked) > 1000:
            raise AssertionError("it is asked again and again")
        return message

    async def send(each: dict[str, Any]) -> None:
        sent.append(each)

    async def script() -> None:
        async with alive(app):
            await app(scope, receive, send)

    run(script)
    assert len(asked) <= 3
    assert any(each.get("body") == b"done" or each.get("text") == "done" for each in sent)


def test_a_path_that_is_no_utf8_is_taken_as_the_bytes_that_it_was(run):
    """Some servers give no raw_path, and what they could not decode as surrogates (PEP 383)."""

    async def script() -> None:
        async with alive(app := greeting()):
            scope = {**http(), "path": "/seen\udcff", "raw_path": None}
            assert (await answered(app, scope)).status == 404

    run(script)


def test_a_client_that_reads_nothing_stops_the_handler(run):
    app = App()
    written: list[int] = []

    @app.get("/")
    async def endless(ctx: Context) -> None:
        async with ctx.stream() as out:
            for number in range(1000):
                await out.write(b"x" * 1000)
                written.append(number)

    application = app.asgi(ServerConfig(limits=Limits(outbound_high=10_000, outbound_low=1000)))

    async def script() -> None:
        async with alive(application), anyio.create_task_group() as group:
            call = Call(application, http())
            call.put(type="http.request", body=b"", more_body=False)
            call.block()
            group.start_soon(call.run)
            await call.until(lambda: len(written) >= 10)
            await anyio.sleep(0.05)
            assert len(written) < 20
            call.unblock()
            await call.until(lambda: len(written) == 1000)

    run(script)


def test_a_client_that_never_reads_is_given_up(run):
    app = App()

    @app.get("/")
    async def big(ctx: Context) -> bytes:
        return b"x" * 100_000

    application = app.asgi(ServerConfig(timeouts=Timeouts(write_stall=0.2)))

    async def script() -> None:
        async with alive(application):
            call = Call(application, http())
            call.put(type="http.request", body=b"", more_body=False)
            call.block()
            with anyio.fail_after(5), pytest.raises(Incomplete, match="the answer is not whole"):
                await call.run()

    run(script)


@pytest.mark.parametrize("path", ["/", "/nowhere", "/fails"])
def test_a_handler_that_never_waits_asks_its_client_nothing(run, path):
    """What would ask is a task more for each request."""
    app = greeting()

    @app.get("/fails")
    async def fails(ctx: Context) -> None:
        raise ValueError("as it is meant to")

    async def script() -> None:
        async with alive(app):
            call = await answered(app, http(path))
            assert call.asked == 0
            assert [each["type"] for each in call.sent] == [
                "http.response.start",
                "http.response.body",
            ]

    run(script)


@pytest.mark.lanes
def test_a_handler_that_never_waits_takes_no_turn_of_the_loop_but_its_own():
    """From Python 3.12 on its task is eager, so that not even that is needed."""
    app = greeting()

    async def script() -> None:
        async with alive(app):
            sent: list[str] = []

            async def send(message: dict[str, Any]) -> None:
                sent.append(message["type"])

            async def never() -> None:
                raise AssertionError("it was not to be asked")

            task = asyncio.create_task(app(http(), never, send))
            turns = 0
            while not task.done():
                turns += 1
                await asyncio.sleep(0)
            assert sent == ["http.response.start", "http.response.body"]
            assert turns == (1 if sys.version_info >= (3, 12) else 2)

    asyncio.run(script())


def test_a_client_that_leaves_ends_its_handler(run):
    app = App()
    ended: list[str] = []

    @app.get("/")
    async def events(ctx: Context) -> None:
        try:
            async with ctx.event_stream() as stream:
                while True:
                    await stream.send("tick")
                    await ctx.sleep(0.01)
        except Disconnected:
            ended.append("gone")
            raise

    async def script() -> None:
        async with alive(app), anyio.create_task_group() as group:
            call = Call(app, http())
            call.put(type="http.request", body=b"", more_body=False)
            group.start_soon(call.run)
            await call.until(lambda: len(call.sent) > 3)
            call.put(type="http.disconnect")
            await call.until(lambda: ended)

    run(script)


def test_a_send_that_fails_is_a_client_that_left(run):
    app = App()
    ended: list[str] = []

    @app.get("/")
    async def stream(ctx: Context) -> None:
        try:
            async with ctx.stream() as out:
                while True:
                    await out.write(b"x")
                    await ctx.sleep(0.01)
        finally:
            ended.append("ended")

    async def script() -> None:
        async with alive(app):
            for broken in (ConnectionResetError("gone"), RuntimeError("not this message")):
                call = Call(app, http())
                call.put(type="http.request", body=b"", more_body=False)
                call.broken = broken
                if isinstance(broken, OSError):
                    await call.run()
                else:
                    with pytest.raises(RuntimeError, match="not this message"):
                        await call.run()
        assert ended == ["ended"] * 2

    run(script)


def test_an_answer_that_breaks_off_is_an_exception(run):
    app = App()

    @app.get("/")
    async def half(ctx: Context) -> None:
        async with ctx.stream() as out:
            await out.write(b"half")
            raise ValueError("broken")

    async def script() -> None:
        async with alive(app):
            call = Call(app, http())
            call.put(type="http.request", body=b"", more_body=False)
            with pytest.raises(Incomplete, match="the answer is not whole"):
                await call.run()
            assert call.body == b"half"
            assert call.sent[-1].get("more_body")

    run(script)


def test_a_handler_goes_on_behind_its_whole_answer(run):
    app = App()
    ended: list[str] = []

    @app.get("/")
    async def stream(ctx: Context) -> None:
        async with ctx.stream() as out:
            await out.write(b"all of it")
        for _ in range(3):
            await ctx.sleep(0.01)
        ended.append("by itself")

    async def script() -> None:
        async with alive(app), anyio.create_task_group() as group:
            call = Call(app, http())
            call.put(type="http.request", body=b"", more_body=False)
            group.start_soon(call.run)
            await call.until(lambda: call.sent and not call.sent[-1].get("more_body", True))
            call.put(type="http.disconnect")  # A server says so although the client is there.
            await call.until(lambda: ended)

    run(script)


UPLOAD = http("/", "POST", headers=[(b"content-length", b"10")])
HALF = {"type": "http.request", "body": b"half", "more_body": True}
GONE = {"type": "http.disconnect"}


def test_what_no_handler_reads_is_taken_while_the_answer_goes_out(run):
    app = App()

    @app.post("/")
    async def refuse(ctx: Context) -> str:
        await ctx.sleep(0.01)
        return "done"

    async def script() -> None:
        application = app.asgi(ServerConfig(limits=Limits(inbound_high=4, inbound_low=1)))
        async with alive(application), anyio.create_task_group() as group:
            call = Call(application, {**UPLOAD, "headers": [(b"transfer-encoding", b"chunked")]})
            for _ in range(9):
                call.put(**HALF)
            # As the send of Hypercorn, which puts a disconnect into a queue that is full.
            call.block()
            group.start_soon(call.run)
            await call.until(lambda: not call.waiting)
            assert not call.sent
            call.unblock()
            await call.until(lambda: call.sent and not call.sent[-1].get("more_body", True))

    run(script)


@pytest.mark.parametrize("hops", [0, 5])
def test_input_that_came_in_time_is_not_late(run, hops):
    app = App()

    @app.post("/")
    async def upload(ctx: Context) -> bytes:
        return await ctx.request.body()

    async def script() -> None:
        application = app.asgi(ServerConfig(timeouts=Timeouts(body=0.2)))
        async with alive(application), anyio.create_task_group() as group:
            call = Call(application, UPLOAD)
            call.put(**HALF)
            group.start_soon(call.run)
            await call.until(lambda: call.asked == 2)
            time.sleep(0.3)  # noqa: ASYNC251  # The loop is blocked beyond the deadline.
            for _ in range(hops):  # So far is a server from its socket to the application.
                await anyio.lowlevel.checkpoint()
            call.put(type="http.request", body=b" and half", more_body=False)
            await call.until(lambda: call.sent and not call.sent[-1].get("more_body", True))
            assert (call.status, call.body) == (200, b"half and half")

    run(script)


@pytest.mark.parametrize("messages", [[GONE], [HALF, GONE]])
def test_a_client_that_leaves_within_its_body_ends_its_handler(run, messages):
    app = App()
    ended: list[str] = []

    @app.post("/")
    async def upload(ctx: Context) -> bytes:
        try:
            return await ctx.request.body()
        except Disconnected:
            ended.append("gone")
            raise

    async def script() -> None:
        async with alive(app):
            with anyio.fail_after(5):
                call = await answered(app, UPLOAD, *messages)
            assert (ended, call.sent) == (["gone"], [])

    run(script)


def test_a_client_that_never_ends_its_body_is_given_up(run):
    app = App()

    @app.post("/")
    async def upload(ctx: Context) -> bytes:
        return await ctx.request.body()

    application = app.asgi(ServerConfig(timeouts=Timeouts(body=0.1)))

    async def script() -> None:
        async with alive(application):
            with anyio.fail_after(5):
                assert (await answered(application, UPLOAD, HALF)).status == 408

    run(script)


@pytest.mark.parametrize("failure", FAILURES)
def test_whatever_a_handler_raises_fails_its_request_alone(run, failure):
    app = greeting()

    @app.get("/raises")
    async def raises(ctx: Context) -> None:
        raise failure("of a user")

    @app.get("/breaks-off")
    async def breaks_off(ctx: Context) -> None:
        async with ctx.stream() as out:
            await out.write(b"half")
            raise failure("of a user")

    async def script() -> None:
        async with alive(app):
            assert (await answered(app, http("/raises"))).status == 500
            with pytest.raises(Incomplete):
                await answered(app, http("/breaks-off"))
            assert (await answered(app, http())).body == b"hello"

    run(script)


def test_a_cancelled_call_interrupts_its_handler_and_waits_for_it(run):
    app = App()
    order: list[str] = []

    @app.get("/")
    async def waits(ctx: Context) -> None:
        try:
            await anyio.sleep(60)
        finally:
            order.append("handler")

    async def script() -> None:
        async with alive(app):
            call = Call(app, http())
            call.put(type="http.request", body=b"", more_body=False)
            with anyio.move_on_after(0.1):
                await call.run()
            order.append("call")

    run(script)
    assert order == ["handler", "call"]


def test_what_a_handler_cleans_up_has_its_time_where_its_call_is_cancelled_at_once(run):
    app = App()
    order: list[str] = []
    gate = threading.Event()
    scopes: list[anyio.CancelScope] = []

    @app.get("/")
    async def waits(ctx: Context) -> None:
        try:
            scopes[0].cancel()
            await ctx.sleep(60)
        finally:
            try:
                await ctx.run_sync(gate.wait)
            finally:
                order.append("handler")

    application = app.asgi(ServerConfig(timeouts=Timeouts(close=0.1)))

    async def script() -> None:
        async with alive(application):
            call = Call(application, http())
            with anyio.CancelScope() as scope:
                scopes.append(scope)
                await call.run()
            try:
                await call.until(lambda: order)
            finally:
                gate.set()

    run(script)


def test_native_cancellation_and_context_variables_work_in_handlers(run):
    app = App()
    of_the_caller = contextvars.ContextVar("of_the_caller", default="?")
    of_the_start = contextvars.ContextVar("of_the_start", default="?")

    @app.on_startup
    async def start() -> None:
        of_the_start.set("start")
        of_the_caller.set("start")

    @app.get("/")
    async def home(ctx: Context) -> str:
        with anyio.move_on_after(0.01) as scope:
            await anyio.sleep(60)
        return f"{of_the_start.get()} {of_the_caller.get()} {scope.cancelled_caught}"

    async def script() -> None:
        async with alive(app):
            of_the_caller.set("caller")
            assert (await answered(app, http())).body == b"start caller True"

    run(script)


def test_the_deadline_of_a_handler_holds(run):
    app = App()

    @app.get("/")
    async def waits(ctx: Context) -> None:
        await anyio.sleep(60)

    application = app.asgi(ServerConfig(request_timeout=0.1))

    async def script() -> None:
        async with alive(application):
            assert (await answered(application, http())).status == 503

    run(script)


def test_background_work_goes_on_behind_the_call(run):
    app = App()
    done: list[str] = []

    @app.get("/")
    async def home(ctx: Context) -> str:
        async def work() -> None:
            done.append("done")

        ctx.background(work)
        return "home"

    async def script() -> None:
        async with alive(app):
            assert (await answered(app, http())).body == b"home"
        assert done == ["done"]

    run(script)


def test_hooks_of_connections_run_for_each_exchange(run):
    app = greeting()
    order: list[str] = []

    @app.on_connect
    async def came(connection: Any) -> None:
        order.append("came")

    @app.on_disconnect
    async def left(connection: Any) -> None:
        order.append("left")

    async def script() -> None:
        async with alive(app):
            for _ in range(2):
                assert (await answered(app, http())).body == b"hello"
        assert sorted(order) == ["came", "came", "left", "left"]

    run(script)


@pytest.mark.parametrize("waits", ["not at all", "by ctx", "by the loop", "by ctx beyond 0.2 s"])
@pytest.mark.parametrize("fails", [False, True], ids=["", "send fails"])
def test_a_hook_behind_the_end_may_wait(run, waits, fails):
    app = greeting()
    order: list[str] = []

    @app.on_disconnect
    async def left(ctx: Any) -> None:
        match waits:
            case "by ctx":
                await ctx.sleep(0.01)
            case "by ctx beyond 0.2 s":
                await ctx.sleep(0.3)
            case "by the loop":
                await anyio.sleep(0.01)
            case _:
                pass
        order.append("left")

    application = app.asgi(ServerConfig(request_timeout=0.2, timeouts=Timeouts(drain=5)))

    async def script() -> None:
        async with alive(application):
            call = Call(application, http())
            if fails:
                call.broken = OSError("the client is gone")
            await call.run()
            await call.until(lambda: order)
            assert order == ["left"]

    run(script)


# -- WebSockets ---------------------------------------------------------------------------------


def echoing() -> App:
    app = App()

    @app.websocket("/ws", subprotocols=["chat"])
    async def echo(ctx: Context) -> None:
        ws = await ctx.accept("chat" if ctx.request.headers.get("x-chat") else None)
        async for message in ws:
            await ws.send(message)

    @app.websocket("/no")
    async def no(ctx: Context) -> None:
        raise HTTPError(403, "not you")

    return app


def test_messages_are_echoed(run):
    app = echoing()

    async def script() -> None:
        async with alive(app):
            call = Call(app, websocket())
            call.put(type="websocket.connect")
            async with anyio.create_task_group() as group:
                group.start_soon(call.run)
                await call.until(lambda: call.sent)
                call.put(type="websocket.receive", text="a")
                call.put(type="websocket.receive", bytes=b"b", text=None)
                await call.until(lambda: len(call.sent) == 3)
                call.put(type="websocket.disconnect", code=1000)
            accept, *rest = call.sent
            assert (accept["type"], accept["subprotocol"]) == ("websocket.accept", None)
            assert rest == [
                {"type": "websocket.send", "text": "a"},
                {"type": "websocket.send", "bytes": b"b"},
            ]

    run(script)


@pytest.mark.parametrize("accepted", [True, False])
def test_a_client_that_leaves_a_websocket_ends_its_handler(run, accepted):
    app = App()
    order: list[str] = []

    @app.websocket("/ws")
    async def hold(ctx: Context) -> None:
        order.append("begun")
        try:
            if accepted:
                await (await ctx.accept()).receive()
            else:
                await ctx.sleep(60)
        finally:
            order.append("ended")

    async def script() -> None:
        async with alive(app), anyio.create_task_group() as group:
            call = Call(app, websocket())
            call.put(type="websocket.connect")
            group.start_soon(call.run)
            await call.until(lambda: call.sent if accepted else order)
            call.put(type="websocket.disconnect", code=1001)
            await call.until(lambda: order == ["begun", "ended"])

    run(script)


@pytest.mark.parametrize("path", ["/", "/echo", "/stream", "/events", "/leaves"])
def test_nothing_of_a_request_waits_for_the_garbage_collector(run, path):
    """Looking for it was an eighth of the time of a plain one."""
    app = App()

    @app.get("/")
    async def home(ctx: Context) -> str:
        return "hello"

    @app.post("/echo")
    async def echo(ctx: Context) -> bytes:
        return await ctx.request.body()

    @app.get("/stream")
    async def stream(ctx: Context) -> None:
        async with ctx.stream() as out:
            await out.write(b"a")

    @app.get("/events")
    async def events(ctx: Context) -> None:
        async with ctx.event_stream() as out:
            await out.send("a")

    @app.get("/leaves")
    async def leaves(ctx: Context) -> None:
        await ctx.request.body()
        await ctx.sleep(60)

    messages: list[dict[str, Any]] = [{"type": "http.request", "body": b"a", "more_body": False}]
    scope = http(path)
    if path == "/echo":
        scope = http(path, "POST", headers=[(b"content-length", b"1")])
    elif path == "/leaves":
        messages.append({"type": "http.disconnect"})

    async def turns() -> None:
        for _ in range(4):
            await anyio.lowlevel.checkpoint()

    async def script() -> None:
        async with alive(app):
            await answered(app, scope, *messages)
            await turns()
            gc.collect()
            gc.set_debug(gc.DEBUG_SAVEALL)
            try:
                await answered(app, scope, *messages)
                await turns()
                gc.collect()
                left = [type(each) for each in gc.garbage]
            finally:
                gc.set_debug(0)
                gc.garbage.clear()
            # Other tests may have left something, too.
            assert not [kind for kind in left if issubclass(kind, (MessageChannel, Delivery))]

    run(script)


@pytest.mark.parametrize("able", [True, False])
def test_a_handshake_that_is_refused(run, able):
    app = echoing()
    extensions: dict[str, Any] = {"websocket.http.response": {}} if able else {}

    async def script() -> None:
        async with alive(app):
            call = Call(app, websocket("/no", extensions=extensions))
            call.put(type="websocket.connect")
            await call.run()
            if able:
                assert call.sent[0]["type"] == "websocket.http.response.start"
                assert call.status == 403
                assert call.body == b"403 Forbidden: not you\n"
            else:
                assert call.sent == [{"type": "websocket.close", "code": 1008, "reason": ""}]

    run(script)


# -- life ---------------------------------------------------------------------------------------


def test_without_lifespan_events_the_life_begins_with_the_first_request(run, caplog):
    app = greeting()
    order: list[str] = []

    @app.on_startup
    async def start() -> None:
        order.append("start")

    async def script() -> None:
        for _ in range(2):
            assert (await answered(app, http())).body == b"hello"

    with caplog.at_level(logging.WARNING, "anylane"):
        run(script)
    assert order == ["start"]
    (record,) = caplog.records
    assert "has sent no lifespan events" in record.getMessage()


def test_a_request_behind_the_end_of_the_life_does_not_begin_another_one(run, caplog):
    app = greeting()
    order: list[str] = []
    app.on_startup(lambda: order.append("start"))
    app.on_shutdown(lambda: order.append("stop"))

    async def script() -> None:
        async with alive(app):
            pass
        late = await answered(app, http())
        assert (late.status, late.headers["retry-after"]) == (503, "1")
        call = Call(app, websocket())
        call.put(type="websocket.connect")
        await call.run()
        assert call.sent == [{"type": "websocket.close", "code": 1012, "reason": ""}]
        async with alive(app):  # Another life is the server's to begin.
            assert (await answered(app, http())).body == b"hello"

    run(script)
    assert order == ["start", "stop"] * 2
    assert not caplog.records


def test_a_request_before_the_end_of_the_start_waits_for_it(run):
    app = greeting()
    order: list[str] = []

    @app.on_startup
    async def start() -> None:
        order.append("start")
        await anyio.sleep(0.05)

    async def script() -> None:
        life = Call(app, {"type": "lifespan"})
        life.put(type="lifespan.startup")
        async with anyio.create_task_group() as group:
            group.start_soon(life.run)
            await life.until(lambda: order)
            assert (await answered(app, http())).body == b"hello"
            life.put(type="lifespan.shutdown")
        assert order == ["start"]

    run(script)


def test_a_start_that_fails_is_told(run):
    app = App()

    @app.on_startup
    async def start() -> None:
        raise ValueError("no database")

    async def script() -> None:
        call = Call(app, {"type": "lifespan"})
        call.put(type="lifespan.startup")
        await call.run()
        (failed,) = call.sent
        assert failed["type"] == "lifespan.startup.failed"
        assert failed["message"].startswith("ValueError: no database")
        with pytest.raises(ValueError, match="no database"):
            await answered(app, http())

    run(script)


TOLD = (SystemExit, asyncio.CancelledError, OwnError)
"""What is told to the host as the failure of a hook. A KeyboardInterrupt is its operator's."""


@pytest.mark.parametrize("failure", TOLD)
def test_a_start_that_raises_no_exception_is_told_and_does_not_end_the_host(run, failure):
    """One server takes an application that raises for one without a lifespan, and serves it."""
    app = App()

    @app.on_startup
    async def start() -> None:
        raise failure("no database")

    async def script() -> None:
        call = Call(app, {"type": "lifespan"})
        call.put(type="lifespan.startup")
        with anyio.fail_after(5):
            await call.run()
        (failed,) = call.sent
        assert failed["type"] == "lifespan.startup.failed"
        assert failed["message"].startswith(f"{failure.__name__}: no database")

    run(script)


@pytest.mark.parametrize("failure", TOLD)
def test_an_end_that_raises_no_exception_is_told_and_does_not_end_the_host(run, failure):
    app = App()

    @app.on_shutdown
    async def stop() -> None:
        raise failure("no database")

    async def script() -> None:
        call = Call(app, {"type": "lifespan"})
        call.put(type="lifespan.startup")
        call.put(type="lifespan.shutdown")
        with anyio.fail_after(5):
            await call.run()
        assert call.sent[0] == {"type": "lifespan.startup.complete"}
        (failed,) = call.sent[1:]
        assert failed["type"] == "lifespan.shutdown.failed"
        assert failed["message"].startswith(f"{failure.__name__}: no database")

    run(script)


def test_a_start_that_the_host_cancels_is_cancelled(run):
    app = App()
    order: list[str] = []

    @app.on_startup
    async def start() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            order.append("cancelled")

    async def script() -> None:
        call = Call(app, {"type": "lifespan"})
        call.put(type="lifespan.startup")
        with anyio.fail_after(5), anyio.move_on_after(0.05) as scope:
            await call.run()
        assert scope.cancelled_caught
        assert (order, call.sent) == (["cancelled"], [])

    run(script)


@pytest.mark.parametrize("failure", FAILURES)
def test_a_late_start_that_raises_no_exception_is_told_to_each_request(run, failure):
    app = App()

    @app.on_startup
    async def start() -> None:
        raise failure("no database")

    async def script() -> None:
        for _ in range(2):
            expected = f"could not start: {failure.__name__}: no database"
            with anyio.fail_after(5), pytest.raises(RuntimeError, match=expected):
                await answered(app, http())

    run(script)


def test_the_end_of_the_life_waits_for_what_runs(run):
    app = App()
    order: list[str] = []

    @app.get("/")
    async def slow(ctx: Context) -> str:
        await ctx.sleep(0.1)
        order.append("answered")
        return "slow"

    @app.on_shutdown
    async def stop() -> None:
        order.append("stopped")

    async def script() -> None:
        async with anyio.create_task_group() as group:
            async with alive(app):
                call = Call(app, http())
                call.put(type="http.request", body=b"", more_body=False)
                group.start_soon(call.run)
                await call.until(lambda: call.asked)
            assert call.status == 200
        assert order == ["answered", "stopped"]

    run(script)


def test_a_handler_that_ignores_its_end_does_not_hold_up_the_hosts(caplog):
    """On asyncio, where a task can be left behind. On trio its nursery waits for it."""
    app = App()
    stopped: list[str] = []
    free = asyncio.Event()

    @app.get("/")
    async def stubborn(ctx: Context) -> None:
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                stopped.append("not at all")

    @app.on_shutdown
    async def stop() -> None:
        stopped.append("hook")

    async def script() -> None:
        application = app.asgi(ServerConfig(timeouts=Timeouts(drain=0.1, close=0.1)))
        async with alive(application):
            call = Call(application, http())
            call.put(type="http.request", body=b"", more_body=False)
            asking = asyncio.create_task(call.run())
            await call.until(lambda: call.asked > 1)
        assert stopped[-1] == "hook"
        free.set()
        await asking

    asyncio.run(script())
    assert "1 handlers are left behind: they ignore that they are cancelled" in caplog.text


def test_another_scope_is_a_mistake(run):
    async def script() -> None:
        with pytest.raises(UsageError, match="ASGI scope 'mqtt'"):
            await answered(greeting(), {"type": "mqtt"})

    run(script)
