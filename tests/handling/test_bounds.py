"""Routes that bound their bodies and their time: what is read, kept and called, and what is not."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylane import App, Context, HTTPError, Limits, Response, Router, ServerConfig, Timeouts
from anylane.errors import Refused
from anylane.protocol import Connection, Exchange
from anylane.testing import Lockstep, TestClient

MIB = 1024 * 1024


def post(path: str, size: int, *lines: str) -> bytes:
    head = [f"POST {path} HTTP/1.1", "Host: a", f"Content-Length: {size}", *lines, "", ""]
    return "\r\n".join(head).encode()


def chunks(path: str) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()


async def length(ctx: Context) -> str:
    return str(len(await ctx.request.body()))


def wire_to(app: App, **settings: Any) -> Any:  # Any: its properties change under mypy
    return Lockstep(app, ServerConfig(**settings))


# --- what is kept --------------------------------------------------------------------------------


def in_memory(wire: Any) -> int:
    """Bytes of input that the connection holds."""
    protocol = wire._driver.connection._protocol
    exchange = protocol._exchange
    return len(protocol._held) + (exchange.buffered if exchange is not None else 0)


@pytest.mark.parametrize("express", [True, False])
@pytest.mark.parametrize("head", [post("/", 10**9), chunks("/") + b"3b9aca00\r\n"])
def test_nothing_is_kept_of_a_body_over_its_limit(head: bytes, express: bool) -> None:
    app = App(body_limit=10)
    app.post("/")(length)
    wire = wire_to(app, express=express)
    wire.receive(head)
    assert wire.take().startswith(b"HTTP/1.1 413 ")
    for _ in range(100):
        wire.receive(bytes(65536))
        assert in_memory(wire) == 0
    assert wire.take() == b""


@pytest.mark.parametrize("express", [True, False])
@pytest.mark.parametrize("head", [post("/", 10**9), chunks("/") + b"3b9aca00\r\n"])
def test_a_body_waits_in_the_kernel_until_its_route_is_known(head: bytes, express: bool) -> None:
    app = App(body_limit=10)
    app.post("/")(length)
    held: list[int] = []

    @app.on_connect
    async def wait(ctx: Context) -> None:
        await ctx.sleep(1)

    wire = wire_to(app, express=express)
    wire.receive(head + bytes(65536))
    wire.receive(bytes(65536))
    held.append(in_memory(wire))
    assert wire.unread == 65536
    wire.advance(1)
    assert wire.take().startswith(b"HTTP/1.1 413 ")
    assert held == [65536]
    assert in_memory(wire) == 0


@pytest.mark.parametrize("express", [True, False])
def test_a_raised_limit_is_read_with_backpressure(express: bool) -> None:
    app = App()

    @app.post("/", body_limit=16 * MIB, timeout=200)
    async def slow(ctx: Context) -> str:
        size = 0
        async for piece in ctx.request.stream():
            size += len(piece)
            await ctx.sleep(1)
        return str(size)

    wire = wire_to(app, express=express, limits=Limits(body=1))
    wire.receive(post("/", 4 * MIB))
    for _ in range(4 * MIB // 65536):
        wire.receive(bytes(65536))
        assert in_memory(wire) <= Limits().inbound_high + 2 * 65536
    wire.advance(100)
    assert wire.take().endswith(b"\r\n\r\n%d" % (4 * MIB))


def test_a_length_beyond_all_numbers_is_refused() -> None:
    app = App()
    app.post("/", body_limit=1 << 40)(length)
    wire = wire_to(app)
    wire.receive(post("/", 10**17))
    assert wire.take().startswith(b"HTTP/1.1 413 ")
    wire = wire_to(app)
    wire.receive(post("/", 10**30))
    assert wire.take().startswith(b"HTTP/1.1 400 ")
    assert wire.eof_sent


LENGTHS = st.lists(st.integers(1, 12), max_size=4)


@given(LENGTHS, st.booleans(), st.sampled_from(["/own", "/servers", "/none", "/unread"]), st.data())
def test_neither_the_cut_nor_the_lane_matters(
    sizes: list[int], in_chunks: bool, path: str, data: st.DataObject
) -> None:
    """What the client sees of a body around its limit, however its bytes come."""
    body = b"".join(b"x" * size for size in sizes)
    if in_chunks:
        framed = b"".join(b"%x\r\n%s\r\n" % (size, b"x" * size) for size in sizes)
        wire_bytes = chunks(path) + framed + b"0\r\n\r\n"
    else:
        wire_bytes = post(path, len(body)) + body
    wire_bytes += b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
    cuts = sorted(data.draw(st.sets(st.integers(1, len(wire_bytes)), max_size=5)))
    pieces = [wire_bytes[a:b] for a, b in pairwise([0, *cuts, len(wire_bytes)])]
    limit = {"/own": 20, "/servers": 10}.get(path)
    app = App()
    app.post("/own", body_limit=20)(length)
    app.post("/servers")(length)
    app.get("/next")(lambda ctx: "next")

    @app.post("/unread")
    async def unread(ctx: Context) -> str:
        return "unread"

    for express in (True, False):
        for given_pieces in ([wire_bytes], pieces):
            wire = wire_to(app, express=express, limits=Limits(body=10))
            for piece in given_pieces:
                wire.receive(piece)
            wire.advance(1)
            sent = wire.take()
            over = limit is not None and len(body) > limit
            if over:
                assert sent.startswith(b"HTTP/1.1 413 ")
                assert b"next" not in sent
                assert wire.eof_sent
            elif limit is not None:
                assert sent.count(b"HTTP/1.1 200 OK") == 2
                assert b"\r\n\r\n%dHTTP/1.1" % len(body) in sent
            else:
                refused = path == "/unread" and not in_chunks and len(body) > 10
                status = {"/none": 404, "/unread": 413 if refused else 200}[path]
                assert sent.startswith(b"HTTP/1.1 %d " % status)
                # What is not read is dropped, and more than the server's limit ends it.
                assert wire.eof_sent is (len(body) > 10)
                assert sent.endswith(b"next") is (len(body) <= 10)


# --- tier 0 by itself ----------------------------------------------------------------------------


def connection_with(data: bytes, **limits: int) -> tuple[Connection, Exchange]:
    """A connection that has received these bytes, and its exchange."""
    config = ServerConfig(limits=Limits(**limits))
    made = Connection(config, now=0.0, date=lambda: b"", token=bytes)
    made.receive_data(data, 0.0)
    exchange = made.next_exchange()
    assert exchange is not None
    return made, exchange


@pytest.mark.parametrize("head", [post("/", 11), chunks("/") + b"b\r\n"])
def test_where_nothing_else_was_said_the_server_decides(head: bytes) -> None:
    connection, exchange = connection_with(head + b"x" * 11, body=10)
    assert not connection.wants_read
    assert exchange.body_refused is None
    with pytest.raises(Refused) as caught:
        exchange.read(0.0)
    assert caught.value.status == 413
    assert connection.data_to_send() == []


@pytest.mark.parametrize("head", [post("/", 11, "Expect: 100-continue"), chunks("/") + b"b\r\n"])
def test_what_is_allowed_more_goes_on_when_it_is_wanted(head: bytes) -> None:
    connection, exchange = connection_with(head + b"x" * 11, body=10)
    assert exchange.limit(11, None, 0.0) is None
    assert exchange.read(0.0) is None
    connection.handle_timeout(0.0)
    assert exchange.read(0.0) == b"x" * 11
    assert connection.data_to_send() == []  # It has not waited for the 100.


def test_a_limit_may_be_raised_and_lowered_until_it_refuses() -> None:
    _, exchange = connection_with(post("/", 11) + b"x" * 11, body=100)
    assert exchange.buffered == 11
    assert exchange.limit(11, None, 0.0) is None
    assert exchange.limit(10, None, 0.0) is not None
    assert exchange.buffered == 0
    with pytest.raises(Refused):
        exchange.read(0.0)


# --- who is called -------------------------------------------------------------------------------


def test_hooks_run_around_a_refused_body_and_its_handler_does_not() -> None:
    ran: list[str] = []
    app = App(body_limit=5)

    @app.middleware
    async def around(ctx: Context, call_next: Any) -> None:
        ran.append("around")
        await call_next()
        ran.append(f"behind {ctx.response.status}")

    @app.request_middleware
    def before(ctx: Context) -> None:
        ran.append("request")

    @app.response_middleware
    def after(ctx: Context) -> None:
        ran.append(f"response {ctx.response.status}")

    async def own(ctx: Context, call_next: Any) -> None:
        ran.append("the route's own")
        await call_next()

    @app.post("/", middleware=[own])
    def handler(ctx: Context) -> str:
        ran.append("handler")
        return "ok"

    client = TestClient(app)
    assert client.post("/", content=b"123456").status == 413
    assert ran == ["around", "request", "behind 413", "response 413"]
    ran.clear()
    assert client.post("/", content=b"12345").status == 200
    assert "handler" in ran


def test_middleware_that_reads_a_refused_body_gets_the_413() -> None:
    app = App(body_limit=5)

    @app.middleware
    async def signed(ctx: Context, call_next: Any) -> None:
        await ctx.request.body()
        await call_next()

    app.post("/")(length)
    answer = TestClient(app).post("/", content=b"123456")
    assert (answer.status, answer.text) == (
        413,
        "413 Content Too Large: body of 6 bytes; at most 5\n",
    )


def test_an_exception_handler_answers_a_refused_body() -> None:
    app = App(body_limit=5)
    app.post("/")(length)

    @app.exception_handler(HTTPError)
    def plain(ctx: Context, exc: HTTPError) -> Response:
        return Response(f"no: {exc.message}", status=exc.status)

    answer = TestClient(app).post("/", content=b"123456")
    assert (answer.status, answer.text) == (413, "no: body of 6 bytes; at most 5")


def test_a_remembered_request_line_is_bounded_each_time() -> None:
    app = App()
    app.post("/own", body_limit=5)(length)
    app.post("/servers")(length)
    for path in ("/own", "/servers"):
        wire = wire_to(app, limits=Limits(body=5))
        for _ in range(4):
            wire.receive(post(path, 5) + b"12345")
            assert wire.take().endswith(b"\r\n\r\n5")
        wire.receive(post(path, 6) + b"123456")
        assert wire.take().startswith(b"HTTP/1.1 413 ")


def test_a_client_that_ends_its_side_early_gets_the_413() -> None:
    app = App()
    app.post("/", body_limit=5)(length)

    @app.on_connect
    async def wait(ctx: Context) -> None:
        await ctx.sleep(1)

    for body in (b"", b"123456"):
        wire = wire_to(app)
        wire.receive(post("/", 6) + body)
        wire.eof()
        wire.advance(1)
        assert wire.take().startswith(b"HTTP/1.1 413 ")
        assert wire.closed


def test_a_spooled_form_may_be_larger_than_the_server_allows() -> None:
    app = App()

    @app.post("/", body_limit=8 * MIB)
    async def upload(ctx: Context) -> str:
        form: Any = await ctx.request.form()
        return str(len(form["file"].read()))

    client = TestClient(app)
    assert client.post("/", files={"file": ("a.bin", bytes(4 * MIB))}).text == str(4 * MIB)


# --- time ----------------------------------------------------------------------------------------


def test_a_def_handler_is_given_its_routes_time() -> None:
    app = App()

    @app.get("/", timeout=2)
    def handler(ctx: Context) -> str:
        ctx.call(ctx.sleep, 10)
        return "late"

    wire = wire_to(app, request_timeout=100, timeouts=Timeouts(close=1))
    wire.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    # In memory it runs at once, and its sleep moves the time.
    assert wire.take().startswith(b"HTTP/1.1 503 ")


def test_time_that_was_spent_before_the_route_was_known_counts() -> None:
    app = App(timeout=2)

    @app.get("/")
    async def handler(ctx: Context) -> None:
        await ctx.sleep(10)

    @app.on_connect
    async def wait(ctx: Context) -> None:
        await ctx.sleep(1.5)

    wire = wire_to(app)
    wire.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    wire.advance(1.75)
    assert wire.take() == b""
    wire.advance(0.25)
    assert wire.take().startswith(b"HTTP/1.1 503 ")


def test_the_next_request_has_the_time_of_its_own_route() -> None:
    app = App()

    @app.get("/short", timeout=1)
    @app.get("/usual")
    async def handler(ctx: Context) -> str:
        await ctx.sleep(float(ctx.request.query.get("for", "0")))
        return "ok"

    @app.post("/upload")
    async def upload(ctx: Context) -> str:
        return str(len(await ctx.request.body()))

    wire = wire_to(app, request_timeout=5)
    wire.receive(b"GET /short HTTP/1.1\r\nHost: a\r\n\r\n")
    assert wire.take().endswith(b"ok")
    wire.receive(b"GET /usual?for=3 HTTP/1.1\r\nHost: a\r\n\r\n")
    wire.advance(3)
    assert wire.take().endswith(b"ok")
    wire.receive(post("/upload", 2))
    for _ in range(2):
        wire.advance(3)
        wire.receive(b"x")
    assert wire.take().endswith(b"2")


# --- registration --------------------------------------------------------------------------------


def test_the_inner_word_counts_at_each_level() -> None:
    app = App(body_limit=1, timeout=1)
    outer = Router("/outer", body_limit=2)
    inner = Router("/inner", timeout=3)
    inner.get("/none")(length)
    inner.get("/own", body_limit=4, timeout=4)(length)
    outer.include(inner)
    app.include(outer)
    app.get("/app")(length)
    outer.get("/outer")(length)
    inner.websocket("/later", timeout=5)(length)
    assert {str(route.pattern): tuple(route.bounds) for route in app.routes} == {
        "/outer/inner/none": (2, 3),
        "/outer/inner/own": (4, 4),
        "/app": (1, 1),
        "/outer/outer": (2, 1),
        "/outer/inner/later": (2, 5),
    }
