"""What people write wrongly: they are told what was seen, what was expected, what to do.

Most of it a type checker sees first; not everybody has one.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pytest

from anylane import (
    STOP,
    App,
    Context,
    Disconnected,
    Header,
    Headers,
    HTTPError,
    Path,
    Query,
    Response,
    RouteError,
    Router,
    Server,
    UsageError,
)
from anylane.errors import RegistrationError
from anylane.testing import IncompleteResponse, Lockstep, TestClient
from anylane_backends.hosting.loading import BackendError


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
        (lambda: Response(NUMBER), UsageError, "the body is 404; expected text, bytes or what"),
        (lambda: Response().set_body(TEXT), UsageError, "the body is 'main:app'; expected bytes"),
        (lambda: Server(TEXT), UsageError, "the app is 'main:app'; expected an anylane.App"),
        (lambda: TestClient(TEXT).get("/"), UsageError, "the app is 'main:app'; expected an"),
        (lambda: Server(App(), TEXT), UsageError, "the config is 'main:app'; expected a ServerCo"),
        (lambda: Lockstep(App(), TEXT), UsageError, "the config is 'main:app'; expected a Serve"),
        (lambda: TestClient(App(), TEXT).get("/"), UsageError, "after it: backend='threads'"),
        (lambda: Lockstep(App()).receive(TEXT), UsageError, "the client sends 'main:app'; expect"),
        (lambda: Response().set_text(NUMBER), UsageError, "the text is 404; expected a str."),
        (lambda: Response().set_html(NUMBER), UsageError, "the text is 404; expected a str."),
        (lambda: Response(headers=TEXT), UsageError, "headers are 'main:app'; expected a mapping"),
        (lambda: Headers(NUMBER), UsageError, "headers are 404; expected a mapping or pairs: {'x"),
        (lambda: Response().redirect("/", 200), UsageError, "is 200; expected 300 to 399, such as"),
        (lambda: Server(App(), backend=NUMBER), BackendError, "404 is no backend: it has no"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_the_line_that_makes_it(wrong: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind) as raised:
        wrong()
    assert message in str(raised.value)


KEYWORDS: list[tuple[Any, str]] = [
    (lambda given: Query(**given("alias")), "Query() … 'alias'; the name comes first"),
    (lambda given: Path(**given("min_len")), "Path() … 'min_len'; did you mean 'min_length'?"),
    (lambda given: Header(**given("deprecated")), "Header() … 'deprecated'; it takes name, ge, "),
    (lambda given: App().run(**given("workers")), "app.run() … 'workers'; that is the command's"),
    (lambda given: App().run(**given("prot")), "app.run() … 'prot'; did you mean 'port'?"),
    (
        lambda given: Response().set_cookie("a", "b", **given("maxage")),
        "set_cookie() … 'maxage'; did you mean 'max_age'?",
    ),
    (
        lambda given: Response().delete_cookie("a", **given("max_age")),
        "delete_cookie() … 'max_age'; it takes path, domain, ",
    ),
    (
        lambda given: TestClient(App()).get("/", **given("timeout")),
        "TestClient.get() … 'timeout'; TestClient(app, patience=) says",
    ),
    (
        lambda given: TestClient(App()).stream("GET", "/", **given("follow_redirects")),
        "TestClient.stream() … 'follow_redirects'; it takes params, ",
    ),
    (lambda given: TestClient(App()).events("/", **given("json")), "TestClient.events() … 'json'"),
    (
        lambda given: TestClient(App()).websocket("/", **given("subprotocol")),
        "TestClient.websocket() … 'subprotocol'; did you mean 'subprotocols'?",
    ),
]


@pytest.mark.parametrize(("call", "message"), KEYWORDS)
def test_a_keyword_that_does_not_exist_is_told_of_what_was_typed(call: Any, message: str) -> None:
    with pytest.raises(TypeError) as raised:
        call(lambda name: {name: 1})
    assert message.replace("…", "got an unexpected keyword argument") in str(raised.value)


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


async def around(ctx: Context) -> None: ...


def nothing() -> None: ...


async def two(ctx: Context, other: object) -> None: ...


async def three(a: object, b: object, c: object) -> None: ...


@pytest.mark.parametrize(
    ("register", "wrong", "message"),
    [
        (lambda app: app.middleware, around, "around (.*) of @app.middleware takes (ctx: 'Context"),
        (lambda app: app.middleware(order=1), around, "; write (ctx, call_next)"),
        (lambda app: app.middleware, lambda ctx, call_next: None, "is no `async def`; middleware"),
        (lambda app: app.request_middleware, nothing, "takes () -> 'None'; write (ctx)"),
        (lambda app: app.response_middleware(order=2), two, "two (.*) of @app.response_middleware"),
        (lambda app: app.on_connect, nothing, "nothing (.*) of @app.on_connect takes ()"),
        (lambda app: app.on_disconnect, nothing, "nothing (.*) of @app.on_disconnect takes ()"),
        (lambda app: app.on_startup, handler, "takes (ctx: 'Context') -> 'None'; write ()"),
        (lambda app: app.on_shutdown, handler, "takes (ctx: 'Context') -> 'None'; write ()"),
        (lambda app: app.lifespan, three, "; write () or (app)"),
        (lambda app: app.request_error, three, "; write (ctx) or (ctx, error)"),
        (lambda app: app.exception_handler(OSError), handler, "; write (ctx, exc)"),
        (lambda app: app.get("/", middleware=[around]), handler, "of '/' takes (ctx: 'Context') "),
        (lambda app: app.get("/", middleware=[handler]), handler, "of '/' is no `async def`; mid"),
        (lambda app: app.get("/", when=nothing), handler, "takes () -> 'None'; write (ctx)"),
        (lambda app: app.get("/", when=404), handler, "is 404, no function: when=lambda ctx: ..."),
    ],
)  # fmt: skip
def test_parameters_that_do_not_fit_are_told_where_they_are_written(
    register: Any, wrong: Any, message: str
) -> None:
    with pytest.raises((UsageError, RouteError)) as raised:
        register(App())(wrong)
    assert re.search(re.escape(message).replace(r"\.\*", ".*"), str(raised.value))


def test_parameters_of_what_is_called_count_not_of_what_it_wraps() -> None:
    app = App()

    @app.lifespan
    @contextmanager
    def managed(app: App) -> Generator[None]:
        yield

    class Counter:
        async def __call__(self, ctx: Context, call_next: Any) -> None:
            await call_next()

    app.middleware(Counter())
    app.on_startup(print)
    app.exception_handler(OSError)(partial(two))
    app.request_error(lambda ctx, error=None: None)
    assert TestClient(app).get("/").status == 404


async def late(*args: Any) -> None: ...


@pytest.mark.parametrize(
    "register",
    [
        lambda app, router: app.get("/late")(late),
        lambda app, router: router.get("/late")(late),
        lambda app, router: app.include(Router("/later")),
        lambda app, router: router.include(Router("/later")),
        lambda app, router: app.middleware(late),
        lambda app, router: app.request_middleware(late),
        lambda app, router: router.request_middleware(order=1)(late),
        lambda app, router: router.response_middleware(late),
        lambda app, router: router.middleware(order=1)(late),
        lambda app, router: app.on_startup(late),
        lambda app, router: app.on_shutdown(late),
        lambda app, router: app.lifespan(late),
        lambda app, router: app.on_connect(late),
        lambda app, router: app.on_disconnect(late),
        lambda app, router: app.request_error(late),
        lambda app, router: app.exception_handler(OSError)(late),
    ],
)
def test_what_is_registered_too_late_is_told_so_instead_of_being_ignored(register: Any) -> None:
    app, router, inner = App(), Router("/api"), Router("/v1")
    app.include(router)
    router.include(inner)
    TestClient(app).get("/")
    for each in (router, inner):
        with pytest.raises(RegistrationError, match="on an app that already serves; register bef"):
            register(app, each)


def test_a_body_is_anything_that_holds_bytes() -> None:
    for body in (b"ab", bytearray(b"ab"), memoryview(b"ab")):
        assert Response(body).body == b"ab"


async def returns_a_status(ctx: Context) -> object:
    return {"a": 1}, 201


async def selects_a_list(ctx: Context) -> None:
    async for _ in ctx.select([1, 2]):  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
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
        (returns_a_status, "A status goes with Response(body, status)"),
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


async def accepts_without_await(ctx: Context) -> None:
    ws: Any = ctx.accept()
    with _closing(ws):
        await ws.receive()


async def receives_without_await(ctx: Context) -> None:
    ws: Any = ctx.accept()
    with _closing(ws):
        async for _ in ws:
            pass


async def reads_without_await(ctx: Context) -> str:
    body: Any = ctx.request.json()
    with _closing(body):
        return str(body["name"])


@contextmanager
def _closing(coroutine: Any) -> Generator[None]:
    try:
        yield
    finally:
        coroutine.close()  # Python warns of it otherwise, which is an error in tests.


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (accepts_without_await, "called and not awaited: write `await ctx.accept(...)`"),
        (receives_without_await, "it was called and not awaited: write `await ...`"),
        (reads_without_await, "it was called and not awaited: write `await ...`"),
    ],
)
def test_what_was_not_awaited_is_told(wrong: Any, message: str) -> None:
    app = App()
    app.websocket("/")(wrong)
    wire = Lockstep(app)
    wire.receive(HANDSHAKE)
    assert wire.sent.startswith(b"HTTP/1.1 500 ")
    assert message in next(record.message for record in wire.world.log if record.error is not None)


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


async def returns_a_coroutine(app: App) -> None: ...


@pytest.mark.parametrize("span", [returns_a_coroutine, lambda: 404])
def test_a_lifespan_that_is_no_context_manager_is_told_so(span: Any) -> None:
    app = App()
    app.lifespan(span)
    with pytest.raises(
        UsageError, match=r"@app\.lifespan .*test_mistakes.* returned .*, no context"
    ):
        TestClient(app).get("/")


def test_an_answer_that_never_began_is_told_in_words_of_http() -> None:
    app = App()

    @app.on_connect
    def keep_out(ctx: Context) -> None:
        raise HTTPError(403)

    with pytest.raises(IncompleteResponse, match=r"the server closed the connection$"):
        TestClient(app).get("/")


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
    assert ["nor a hook that returned STOP has" in line.message for line in wire.log] == [True]


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
