"""What people write wrongly: they are told what was seen, what was expected, what to do.

Most of it a type checker sees first; not everybody has one.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from anylane import (
    STOP,
    App,
    Context,
    Disconnected,
    HTTPError,
    Response,
    Router,
    Server,
    UsageError,
)
from anylane.testing import Lockstep, TestClient
from anylane_backends.serving import BackendError


def handler(ctx: Context) -> None: ...


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
NUMBER: Any = 404
TEXT: Any = "main:app"
FUNCTION: Any = handler


@pytest.mark.parametrize(
    ("wrong", "kind", "message"),
    [
        (lambda: App().exception_handler(NUMBER), UsageError, "got 404; expected a class of"),
        (lambda: App().exception_handler(FUNCTION), UsageError, "expected a class of exceptions"),
        (lambda: App().exception_handler(OSError)(TEXT), UsageError, "@app.exception_handler(O"),
        (lambda: HTTPError(TEXT), UsageError, "HTTPError status is 'main:app'; expected an int"),
        (lambda: HTTPError(200), UsageError, "return a Response or set ctx.response"),
        (lambda: Response(NUMBER), UsageError, "the body is 404; expected bytes. set_text() takes"),
        (lambda: Response().set_body(TEXT), UsageError, "the body is 'main:app'; expected bytes"),
        (lambda: Server(TEXT), UsageError, "the app is 'main:app'; expected an anylane.App"),
        (lambda: TestClient(TEXT).get("/"), UsageError, "the app is 'main:app'; expected an"),
        (lambda: Server(App(), backend=NUMBER), BackendError, "404 is no backend: it has no"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_the_line_that_makes_it(wrong: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind) as raised:
        wrong()
    assert message in str(raised.value)


@pytest.mark.parametrize(
    "decorator",
    ["middleware", "request_middleware", "response_middleware", "on_startup", "on_shutdown",
     "lifespan", "on_connect", "on_disconnect", "request_error"],
)  # fmt: skip
def test_a_hook_is_a_function(decorator: str) -> None:
    with pytest.raises(UsageError, match=f"@app.{decorator} got 'http'; expected a function: "):
        getattr(App(), decorator)("http")


def test_a_hook_with_an_order_is_a_function() -> None:
    with pytest.raises(UsageError, match=r"@app\.middleware got 404; expected a function: "):
        Router().middleware(order=1)(NUMBER)


def test_a_body_is_anything_that_holds_bytes() -> None:
    for body in (b"ab", bytearray(b"ab"), memoryview(b"ab")):
        assert Response(body).body == b"ab"


async def returns_a_status(ctx: Context) -> object:
    return {"a": 1}, 201


async def selects_a_list(ctx: Context) -> None:
    async for _ in ctx.select([1, 2]):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        pass


async def calls_its_background(ctx: Context) -> None:
    async def work() -> None: ...

    called: Any = work()
    ctx.background(called)


async def streams_twice(ctx: Context) -> None:
    for _ in range(2):
        async for _ in ctx.request.stream():
            break


async def streams_then_reads(ctx: Context) -> None:
    async for _ in ctx.request.stream():
        pass
    await ctx.request.body()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (returns_a_status, "returned a tuple: ({'a': 1}, 201); expected str, bytes, dict, list, "),
        (returns_a_status, "or None. A status goes with Response(body, status)"),
        (selects_a_list, "ctx.select() got [1, 2]; expected sources, such as a WebSocket or a "),
        (calls_its_background, "ctx.background() got <coroutine object calls_its_background"),
        (streams_twice, "is read as a stream already, and what was read is gone; keep the itera"),
        (streams_then_reads, "was read as a stream, and what was read is gone; read it whole fi"),
    ],
)
def test_a_mistake_of_a_handler_is_a_500_and_the_log_says_what_to_do(
    wrong: Any, message: str
) -> None:
    app = App()
    app.post("/")(wrong)
    wire = Lockstep(app)
    wire.receive(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
    assert wire.sent.startswith(b"HTTP/1.1 500 ")
    (error,) = [record.error for record in wire.world.log if record.error is not None]
    assert type(error) is UsageError
    assert message in str(error)


def test_a_stream_that_was_left_can_be_gone_on_with() -> None:
    app = App()

    @app.post("/")
    async def in_two_parts(ctx: Context) -> list[str]:
        pieces = ctx.request.stream()
        first = await anext(pieces)
        return [first.decode(), *[piece.decode() async for piece in pieces]]

    wire = Lockstep(app)
    wire.receive(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nhi")
    wire.receive(b"ho")
    assert wire.sent.endswith(b'["hi","ho"]')


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda ctx: ctx.early_hints("</a.css>"), "links is '</a.css>'; expected a list of such"),
        (lambda ctx: ctx.run_sync(ctx.sleep, 1), "an `async def`; it takes a function that"),
    ],
)
def test_a_mistake_with_the_context_is_told_too(mistake: Any, message: str) -> None:
    app = App()
    seen = []

    @app.get("/")
    async def home(ctx: Context) -> None:
        with pytest.raises(UsageError) as raised:
            await mistake(ctx)
        seen.append(str(raised.value))

    Lockstep(app).receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert len(seen) == 1
    assert message in seen[0]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (lambda ctx: None, 500),
        (lambda ctx: "no", 200),
        (lambda ctx: Response().set_status(204), 204),
        (lambda ctx: ctx.response.set_status(204) and None, 204),
    ],
)
def test_a_websocket_handler_has_to_say_something(answer: Any, status: int) -> None:
    app = App()

    @app.websocket("/")
    async def handler(ctx: Context) -> Any:
        return answer(ctx)

    wire = Lockstep(app)
    wire.receive(HANDSHAKE)
    assert wire.sent.startswith(b"HTTP/1.1 %d " % status)
    assert ["has answered the WebSocket" in line.message for line in wire.log] == [True] * (
        status == 500
    )


def test_a_hook_that_stops_a_handshake_has_to_say_something() -> None:
    app = App()

    @app.websocket("/")
    async def handler(ctx: Context) -> None:
        await ctx.accept()

    @app.request_middleware
    async def stop(ctx: Context) -> Any:
        return STOP

    wire = Lockstep(app)
    wire.receive(HANDSHAKE)
    assert wire.sent.startswith(b"HTTP/1.1 500 ")
    assert ["nor a hook that said STOP has" in line.message for line in wire.log] == [True]


def test_who_ends_because_the_client_left_has_not_forgotten_to_accept() -> None:
    app = App()

    @app.websocket("/")
    async def handler(ctx: Context) -> None:
        with suppress(Disconnected):
            await ctx.sleep(1)
            await ctx.accept()

    wire = Lockstep(app)
    wire.receive(HANDSHAKE)
    wire.lose()
    wire.advance(2)
    assert wire.log == []
