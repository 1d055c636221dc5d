"""The gate for answers: what response hooks see and may change, and what refuses an answer."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from anylane import (
    STOP,
    App,
    Cancelled,
    ConfigError,
    Context,
    HTTPError,
    Limits,
    Response,
    Router,
    ServerConfig,
    Timeouts,
    UsageError,
)
from anylane.testing import Lockstep

HANDSHAKE = (
    "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)  # fmt: skip
CONFIG = ServerConfig(
    request_timeout=1,
    limits=Limits(body=100),
    timeouts=Timeouts(body=0.5, close=0.25),
    headers=(("x-default", "everywhere"), ("x-own", "default")),
)


def request(path: str, *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: a", *headers, "", ""]).encode()


def every_form() -> App:  # noqa: C901  # one route after the other
    """An app with a route for each form of answer."""
    app = App()

    @app.get("/value")
    async def value(ctx: Context) -> str:
        return "value"

    @app.get("/nothing")
    async def nothing(ctx: Context) -> None: ...

    @app.get("/response")
    async def response(ctx: Context) -> Response:
        return Response("response", 203)

    @app.get("/items")
    async def items(ctx: Context) -> AsyncIterator[str]:
        yield "item"

    @app.get("/send")
    async def send(ctx: Context) -> None:
        ctx.response.set_text("sent")
        await ctx.send()

    @app.get("/stream")
    async def stream(ctx: Context) -> None:
        async with ctx.stream() as out:
            await out.write("piece")

    @app.get("/events")
    async def events(ctx: Context) -> None:
        async with ctx.event_stream() as out:
            await out.send("event")

    @app.get("/refuse")
    async def refuse(ctx: Context) -> None:
        raise HTTPError(402)

    @app.get("/fail")
    async def fail(ctx: Context) -> None:
        raise KeyError

    @app.get("/base")
    async def base(ctx: Context) -> None:
        raise GeneratorExit

    @app.get("/late")
    async def late(ctx: Context) -> None:
        await ctx.sleep(60)

    @app.post("/body")
    async def body(ctx: Context) -> str:
        return await ctx.request.text()

    @app.websocket("/socket", origins=["https://good"])
    async def socket(ctx: Context) -> None:
        await ctx.accept(headers=[("x-accept", "yes")])

    @app.get("/raw")
    async def raw(ctx: Context) -> None:
        await ctx.take_over()

    @app.route("/", ["CONNECT"])
    async def connect(ctx: Context) -> None:
        await ctx.take_over()

    return app


FORMS: dict[str, tuple[list[bytes | float], int]] = {
    "a value": ([request("/value")], 200),
    "nothing": ([request("/nothing")], 204),
    "a Response": ([request("/response")], 203),
    "an iterator": ([request("/items")], 200),
    "ctx.send": ([request("/send")], 200),
    "ctx.stream": ([request("/stream")], 200),
    "ctx.event_stream": ([request("/events")], 200),
    "HTTPError": ([request("/refuse")], 402),
    "404": ([request("/nowhere")], 404),
    "405": ([request("/value", method="DELETE")], 405),
    "OPTIONS": ([request("/value", method="OPTIONS")], 204),
    "408": ([request("/body", "Content-Length: 9", method="POST"), 0.75], 408),
    "413": (
        [request("/body", "Transfer-Encoding: chunked", method="POST") + b"65\r\n"], 413
    ),
    "413 of a declared length": (
        [request("/body", "Content-Length: 101", method="POST") + b"x" * 101], 413
    ),
    "400 in a body": (
        [request("/body", "Transfer-Encoding: chunked", method="POST") + b"x\r\n"], 400
    ),
    "426": ([request("/socket")], 426),
    "a refused origin": ([request("/socket", *HANDSHAKE, "Origin: https://evil")], 403),
    "500": ([request("/fail")], 500),
    "500 of a BaseException": ([request("/base")], 500),
    "503": ([request("/late"), 2.0], 503),
    "101 of accept": ([request("/socket", *HANDSHAKE, "Origin: https://good")], 101),
    "101 of take_over": ([request("/raw", "Connection: Upgrade", "Upgrade: x")], 101),
    "200 to CONNECT": ([b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"], 200),
}  # fmt: skip


def play(app: App, said: list[bytes | float]) -> tuple[str, Lockstep]:
    wire = Lockstep(app, CONFIG)
    for each in said:
        if not isinstance(each, bytes):
            wire.advance(each)
        else:
            wire.receive(each)
    return wire.sent.decode("latin-1"), wire


@pytest.mark.parametrize("form", FORMS)
def test_a_response_hook_sees_every_form_of_answer_once_before_its_head(form: str) -> None:
    said, status = FORMS[form]
    app, seen = every_form(), []

    @app.response_middleware
    def stamp(ctx: Context) -> None:
        seen.append(ctx.response.status)
        assert not ctx.response.sent
        ctx.response.set_header("x-status", str(ctx.response.status))

    answer, _ = play(app, said)
    head = answer.partition("\r\n\r\n")[0]
    assert seen == [status]
    assert head.startswith(f"HTTP/1.1 {status} ")
    assert f"\r\nx-status: {status}" in head
    assert "\r\nx-default: everywhere" in head


def test_what_could_not_be_parsed_has_default_headers_and_no_response_hook() -> None:
    app, seen = App(), []
    app.response_middleware(lambda ctx: seen.append("hook"))
    answer, _ = play(app, [b"nonsense\r\n\r\n"])
    assert answer.startswith("HTTP/1.1 400 ")
    assert "x-default: everywhere" in answer
    assert seen == []


def test_default_headers_give_way_to_those_of_an_answer_and_are_not_in_a_1xx() -> None:
    app = App()

    @app.get("/")
    async def home(ctx: Context) -> str:
        await ctx.early_hints(["</a>"])
        ctx.response.set_header("X-Own", "mine")
        return "x"

    answer, _ = play(app, [request("/")])
    hints, final, _ = answer.split("\r\n\r\n")
    assert "x-default" not in hints
    assert "X-Own: mine" in final and "x-own: default" not in final


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ([("Content-Length", "1")], "the server sets that field itself"),
        ([("connection", "close")], "the server sets that field itself"),
        ([("Sec-WebSocket-Accept", "x")], "the server sets that field itself"),
        ([("a b", "x")], "expected a token"),
        ([("a", "x\r\ny: z")], "expected a token"),
        ([("a", 1)], "expected pairs"),
        (["a: b"], "expected pairs"),
        ("a: b", "expected pairs"),
    ],
)
def test_default_headers_are_checked(headers: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ServerConfig(headers=headers)


# -- what a hook may do ---------------------------------------------------------------------------


STARTED = ["/send", "/stream", "/events"]
WHOLE = ["/value", "/response", "/items", "/refuse", "/nowhere", "/fail"]


@pytest.mark.parametrize("path", [*STARTED, *WHOLE])
def test_an_http_error_out_of_a_hook_is_the_answer_and_the_others_see_it(path: str) -> None:
    app, seen = every_form(), []

    @app.response_middleware(1)
    def refuse(ctx: Context) -> None:
        ctx.response.set_header("x-gone", "yes")
        raise HTTPError(409, "no")

    @app.response_middleware(2)
    def after(ctx: Context) -> None:
        seen.append(ctx.response.status)
        ctx.response.set_header("x-after", "yes")

    answer, wire = play(app, [request(path)])
    assert answer.startswith("HTTP/1.1 409 ") and "x-after: yes" in answer
    assert "x-gone" not in answer
    assert seen == [409]
    assert [each.level for each in wire.log if each.level == "error"] == ["error"] * (
        path == "/fail"
    )


@pytest.mark.parametrize("path", [*STARTED, *WHOLE])
def test_a_hook_that_fails_is_a_logged_500_which_the_others_see(path: str) -> None:
    app, seen = every_form(), []

    @app.response_middleware(1)
    def breaks(ctx: Context) -> None:
        raise ValueError("oops")

    @app.response_middleware(2)
    def after(ctx: Context) -> None:
        seen.append(ctx.response.status)
        ctx.response.set_header("x-after", "yes")

    answer, wire = play(app, [request(path)])
    assert answer.startswith("HTTP/1.1 500 ") and "x-after: yes" in answer
    assert seen == [500]
    (line,) = [each.message for each in wire.log if "oops" in each.message]
    assert "breaks (" in line and f"GET {path}" in line


def test_a_second_failure_is_a_bare_500_and_ends_the_hooks() -> None:
    app, seen = every_form(), []

    @app.response_middleware(1)
    def first(ctx: Context) -> None:
        raise ValueError("first")

    @app.response_middleware(2)
    def second(ctx: Context) -> None:
        raise ValueError("second")

    app.response_middleware(3)(lambda ctx: seen.append("third"))
    answer, wire = play(app, [request("/value")])
    assert answer.startswith("HTTP/1.1 500 ") and answer.endswith("\r\n\r\n")
    assert "content-length: 0" in answer
    assert len([each for each in wire.log if each.level == "error"]) == 2
    assert seen == []


@pytest.mark.parametrize("path", STARTED)
def test_what_waited_for_a_refused_answer_raises_usage_error(path: str) -> None:
    app, seen = App(), []

    @app.get("/send")
    async def send(ctx: Context) -> None:
        with pytest.raises(UsageError, match="a response middleware refused the answer"):
            await ctx.send()
        seen.append("told")

    @app.get("/stream")
    async def stream(ctx: Context) -> None:
        with pytest.raises(UsageError, match="a response middleware refused the answer"):
            async with ctx.stream():
                pytest.fail("entered")
        seen.append("told")

    @app.get("/events")
    async def events(ctx: Context) -> None:
        with pytest.raises(UsageError, match="a response middleware refused the answer"):
            async with ctx.event_stream():
                pytest.fail("entered")
        seen.append("told")

    @app.response_middleware
    def refuse(ctx: Context) -> None:
        raise HTTPError(409)

    answer, wire = play(app, [request(path)])
    assert answer.startswith("HTTP/1.1 409 ")
    assert seen == ["told"] and not wire.log


def test_a_refused_handshake_is_answered_with_what_refused_it() -> None:
    app = every_form()

    @app.response_middleware
    def refuse(ctx: Context) -> None:
        if ctx.response.status == 101:
            raise HTTPError(403, "not you")

    answer, wire = play(app, [request("/socket", *HANDSHAKE, "Origin: https://good")])
    assert answer.startswith("HTTP/1.1 403 ") and "upgrade: websocket" not in answer
    assert not wire.log


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda r: r.set_status(200), "status"),
        (lambda r: r.set_text("x"), "body"),
        (lambda r: r.set_json({}), "body"),
        (lambda r: r.redirect("/"), "status"),
        (lambda r: r.close_connection(), "connection"),
        (lambda r: r.set_header("Content-Length", "1"), "Content-Length"),
        (lambda r: r.add_header("transfer-encoding", "chunked"), "transfer-encoding"),
        (lambda r: r.set_header("Upgrade", "x"), "Upgrade"),
        (lambda r: r.remove_header("connection"), "connection"),
        (lambda r: r.set_header("sec-websocket-accept", "x"), "sec-websocket-accept"),
    ],
)
@pytest.mark.parametrize("form", ["101 of accept", "101 of take_over", "200 to CONNECT"])
def test_at_a_handshake_status_body_and_framing_cannot_be_changed(
    form: str, change: Callable[[Response], Any], field: str
) -> None:
    app, said = every_form(), FORMS[form][0]

    @app.response_middleware
    def hook(ctx: Context) -> None:
        if ctx.error is None:
            with pytest.raises(UsageError, match=f"(?i)the (header )?{field} cannot be changed"):
                change(ctx.response)
            ctx.response.set_header("x-hook", "yes").set_cookie("a", "b")

    answer, wire = play(app, said)
    assert answer.startswith(f"HTTP/1.1 {FORMS[form][1]} ")
    assert "x-hook: yes" in answer and "set-cookie: a=b" in answer
    assert not wire.log


def test_what_was_set_before_accept_goes_out_with_the_101() -> None:
    app = App()

    @app.request_middleware
    def before(ctx: Context) -> None:
        ctx.response.set_header("x-before", "yes").set_cookie("a", "b").set_text("no body here")

    @app.websocket("/socket")
    async def socket(ctx: Context) -> None:
        await ctx.accept()
        with pytest.raises(UsageError, match="head was sent"):
            ctx.response.set_header("too", "late")

    answer, wire = play(app, [request("/socket", *HANDSHAKE)])
    assert answer.startswith("HTTP/1.1 101 ")
    assert "x-before: yes" in answer and "set-cookie: a=b" in answer
    assert "content-" not in answer and not wire.log


def test_a_hook_may_give_a_body_to_an_answer_without_one() -> None:
    app = every_form()
    app.response_middleware(lambda ctx: ctx.response.set_text("something") and None)
    answer, _ = play(app, [request("/nothing")])
    assert answer.startswith("HTTP/1.1 200 ") and answer.endswith("something")


def test_a_returned_response_keeps_what_was_set_before_and_it_does_not_mention() -> None:
    app = App()

    @app.request_middleware
    def before(ctx: Context) -> None:
        ctx.response.set_status(201).set_header("x-before", "yes").set_header("x-both", "before")
        ctx.response.set_cookie("a", "b")

    app.get("/")(lambda ctx: Response("x", headers={"X-Both": "own"}))
    app.get("/status")(lambda ctx: Response("x", 203))
    answer, _ = play(app, [request("/")])
    assert answer.startswith("HTTP/1.1 201 ")
    assert "x-before: yes" in answer and "X-Both: own" in answer and "x-both: before" not in answer
    assert "set-cookie: a=b" in answer
    assert play(app, [request("/status")])[0].startswith("HTTP/1.1 203 ")


def test_the_response_of_a_handler_that_is_stuck_is_detached() -> None:
    app, kept = App(), []

    @app.get("/")
    async def home(ctx: Context) -> None:
        kept.append(ctx.response.set_header("x-stuck", "yes"))
        await ctx.sleep(60)

    answer, _ = play(app, [request("/"), 2.0])
    assert answer.startswith("HTTP/1.1 503 ") and "x-stuck" not in answer
    for change in (
        lambda: kept[0].set_status(200),
        lambda: kept[0].set_header("a", "b"),
        lambda: kept[0].set_text("x"),
    ):
        with pytest.raises(BaseException, match="another response was sent") as caught:
            change()
        assert type(caught.value).__name__ == "Cancelled"


# -- middleware that does not do its part ---------------------------------------------------------


def only(middleware: Any) -> App:
    app = App()
    app.middleware(middleware)
    app.get("/")(lambda ctx: "x")
    return app


def test_middleware_that_neither_goes_on_nor_answers_is_a_500_that_says_so() -> None:
    async def forgetful(ctx: Context, call_next: Any) -> None: ...

    answer, wire = play(only(forgetful), [request("/")])
    assert answer.startswith("HTTP/1.1 500 ")
    (line,) = [each.message for each in wire.log]
    assert "forgetful" in line and "neither called `await call_next()` nor answered" in line


def test_a_routes_own_middleware_that_neither_goes_on_nor_answers_is_a_500_too() -> None:
    async def forgetful(ctx: Context, call_next: Any) -> None: ...

    app = App()
    app.middleware(passing)
    app.get("/", middleware=[forgetful])(lambda ctx: "x")
    answer, wire = play(app, [request("/")])
    assert answer.startswith("HTTP/1.1 500 ") and "forgetful" in wire.log[0].message


async def passing(ctx: Context, call_next: Any) -> None:
    await call_next()


@pytest.mark.parametrize("own", [False, True], ids=["of the app", "of the route"])
def test_middleware_that_goes_on_twice_is_a_500_that_says_so(own: bool) -> None:
    async def twice(ctx: Context, call_next: Any) -> None:
        await call_next()
        await call_next()

    app = App()
    calls: list[int] = []

    def handler(ctx: Context) -> str:
        calls.append(1)
        return "x"

    if not own:
        app.middleware(twice)
    app.get("/", middleware=[twice] if own else [])(handler)
    answer, wire = play(app, [request("/")])
    assert answer.startswith("HTTP/1.1 500 ")
    assert "twice" in wire.log[0].message and "call_next() twice" in wire.log[0].message
    assert calls == [1]


def test_middleware_may_hand_the_context_on_and_nothing_else() -> None:
    async def hands_on(ctx: Context, call_next: Any) -> None:
        await call_next(ctx)

    async def hands_on_what_it_returns(ctx: Context, call_next: Any) -> Any:
        return await call_next(ctx)

    async def wrong(ctx: Context, call_next: Any) -> None:
        await call_next(ctx.request)

    for good in (hands_on, hands_on_what_it_returns):
        assert play(only(good), [request("/")])[0].endswith("x")
    answer, wire = play(only(wrong), [request("/")])
    assert answer.startswith("HTTP/1.1 500 ") and "write call_next()" in wire.log[0].message


def test_middleware_may_answer_with_stop_or_by_the_response() -> None:
    async def stops(ctx: Context, call_next: Any) -> Any:
        return STOP

    async def sets(ctx: Context, call_next: Any) -> None:
        ctx.response.set_status(204)

    for good in (stops, sets):
        answer, wire = play(only(good), [request("/")])
        assert answer.startswith("HTTP/1.1 204 ") and not wire.log


@pytest.mark.parametrize("kind", ["request", "around", "response", "handler", "own"])
def test_a_failure_is_logged_as_that_of_the_function_it_came_out_of(kind: str) -> None:
    app = App()

    def check(name: str) -> None:
        if name == kind:
            raise ValueError

    @app.request_middleware
    def request_hook(ctx: Context) -> None:
        check("request")

    @app.middleware
    async def around_hook(ctx: Context, call_next: Any) -> None:
        await call_next()
        check("around")

    @app.response_middleware
    def response_hook(ctx: Context) -> None:
        check("response")

    async def own_hook(ctx: Context, call_next: Any) -> None:
        await call_next()
        check("own")

    @app.get("/", middleware=[own_hook])
    async def handler_hook(ctx: Context) -> str:
        check("handler")
        return "x"

    _, wire = play(app, [request("/")])
    assert f".{kind}_hook (" in wire.log[0].message


# -- parts ----------------------------------------------------------------------------------------


class Noting:
    """A part that notes when it is asked."""

    def __init__(self, name: str, seen: list[str]) -> None:
        self.name = name
        self.seen = seen

    def request(self, ctx: Context) -> None:
        self.seen.append(f"{self.name} request")

    async def around(self, ctx: Context, call_next: Any) -> None:
        self.seen.append(f"{self.name} in")
        await call_next()
        self.seen.append(f"{self.name} out")

    async def response(self, ctx: Context) -> None:
        self.seen.append(f"{self.name} response")


def test_requests_pass_parts_outermost_first_and_answers_innermost_first() -> None:
    seen: list[str] = []
    app, router = App(), Router("/r")
    router.use(Noting("router 2", seen), order=2)
    router.use(Noting("router 1", seen), order=1)
    app.use(Noting("app tie 1", seen))
    app.use(Noting("app tie 2", seen))
    app.use(Noting("app -1", seen), order=-1)
    for order in (2, 1):
        app.response_middleware(order)(lambda ctx, n=order: seen.append(f"app hook {n}"))
        router.response_middleware(order)(lambda ctx, n=order: seen.append(f"router hook {n}"))
    router.get("/x", middleware=[Noting("route 1", seen), Noting("route 2", seen)])(
        lambda ctx: seen.append("handler")
    )
    app.include(router)
    play(app, [request("/r/x")])
    into = ["app -1", "app tie 1", "app tie 2", "router 1", "router 2", "route 1", "route 2"]
    assert seen == [
        *(f"{name} {what}" for name in into for what in ("request", "in")),
        "handler",
        *(f"{name} out" for name in reversed(into)),
        "route 2 response",
        "route 1 response",
        "router hook 1",
        "router hook 2",
        "router 2 response",
        "router 1 response",
        "app hook 1",
        "app hook 2",
        "app tie 2 response",
        "app tie 1 response",
        "app -1 response",
    ]


def test_a_part_that_says_stop_ends_the_pipeline_and_answers_pass_all() -> None:
    class Closed:
        def request(self, ctx: Context) -> Any:
            ctx.response.set_status(403)
            return STOP

    seen: list[str] = []
    app = App()
    app.use(Noting("outer", seen))
    app.use(Closed(), order=1)
    app.use(Noting("inner", seen), order=2)
    app.get("/")(lambda ctx: seen.append("handler"))
    answer, wire = play(app, [request("/")])
    assert answer.startswith("HTTP/1.1 403 ") and not wire.log
    assert seen == [
        "outer request", "outer in", "outer out", "inner response", "outer response"
    ]  # fmt: skip


class Shouting:
    """A part that makes text loud, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def body(self, ctx: Context) -> Any:
        self.asked += 1
        return Loud() if ctx.response.headers.get("content-type", "").startswith("text/") else None


class Loud:
    def feed(self, chunk: bytes) -> bytes:
        return chunk.upper()

    def flush(self) -> bytes:
        return b""

    def finish(self) -> bytes:
        return b"!"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/value", "VALUE!"),
        ("/send", "SENT!"),
        ("/items", "4\r\nITEM\r\n1\r\n!\r\n0\r\n\r\n"),
        ("/stream", "5\r\npiece\r\n0\r\n\r\n"),
        ("/nothing", ""),
        ("/nowhere", "404 NOT FOUND\n!"),
    ],
)
def test_a_transform_changes_bodies_of_every_form_and_its_part_is_asked_once(
    path: str, body: str
) -> None:
    app, part = every_form(), Shouting()
    app.use(part)
    answer, wire = play(app, [request(path)])
    assert answer.endswith(f"\r\n\r\n{body}")
    assert part.asked == (path != "/nothing") and not wire.log


def test_the_bytes_of_a_head_request_are_those_of_get() -> None:
    app = every_form()
    app.use(Shouting())
    got = play(app, [request("/value")])[0].partition("\r\n\r\n")[0]
    assert play(app, [request("/value", method="HEAD")])[0] == got + "\r\n\r\n"


def test_a_compressed_stream_can_be_read_piece_by_piece() -> None:
    class Deflated:
        def body(self, ctx: Context) -> Any:
            ctx.response.set_header("content-encoding", "deflate")
            return Deflating()

    class Deflating:
        def __init__(self) -> None:
            self._zlib = zlib.compressobj()

        def feed(self, chunk: bytes) -> bytes:
            return self._zlib.compress(chunk)

        def flush(self) -> bytes:
            return self._zlib.flush(zlib.Z_SYNC_FLUSH)

        def finish(self) -> bytes:
            return self._zlib.flush()

    app = App()
    app.use(Deflated())

    @app.get("/")
    async def slowly(ctx: Context) -> None:
        async with ctx.stream(length=6) as out:
            await out.write("one")
            await ctx.sleep(1)
            await out.write("two")

    wire = Lockstep(app)
    wire.receive(request("/"))
    inflate = zlib.decompressobj()

    def read(data: bytes) -> bytes:
        out = b""
        while data and not data.startswith(b"0\r\n"):
            size, _, data = data.partition(b"\r\n")
            out += inflate.decompress(data[: int(size, 16)])
            data = data[int(size, 16) + 2 :]
        return out

    head, _, first = wire.take().partition(b"\r\n\r\n")
    assert b"content-length" not in head and b"transfer-encoding: chunked" in head
    assert read(first) == b"one"
    wire.advance(1)
    assert read(wire.take()) == b"two"
    assert inflate.eof


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (object(), "expected an object with one or more of the methods"),
        (Noting, "write its parentheses"),
        (lambda ctx: None, "expected an object with one or more of the methods"),
        (type("P", (), {"request": 1})(), "P.request is 1; expected a method"),
        (type("P", (), {"request": lambda self: None})(), r"takes \(\); write \(ctx\)"),
        (type("P", (), {"around": lambda self, ctx, call_next: None})(), "is no `async def`"),
    ],
)
def test_what_is_no_part_is_refused(part: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        App().use(part)
    with pytest.raises(UsageError, match="the order of a part"):
        App().use(Noting("x", []), order="first")  # type: ignore[arg-type]


def test_what_fails_at_the_503_of_a_deadline_is_logged_and_the_bare_503_closes() -> None:
    class Breaks:
        def body(self, ctx: Context) -> None:
            raise KeyError("in a part")

    app = App()

    @app.get("/", middleware=[Breaks()])
    async def late(ctx: Context) -> None:
        await ctx.sleep(60)

    wire = Lockstep(app, CONFIG)
    wire.receive(request("/"))
    wire.advance(1)
    head = wire.take()
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"connection: close" in head
    errors = [each.message for each in wire.log if each.level == "error"]
    assert len(errors) == 1
    assert "in a part" in errors[0]


def test_the_503_of_a_deadline_has_a_context_of_its_own() -> None:
    app = App()
    kept: list[Context] = []

    @app.response_middleware()
    async def stamp(ctx: Context) -> None:
        assert ctx is not kept[0]
        assert ctx.state is kept[0].state
        kept[0].state.seen = True
        with pytest.raises(Cancelled):
            kept[0].response.set_status(200)
        ctx.response.set_header("x-seen", str(ctx.state.seen))
        ctx.background(kept.append, ctx)

    @app.get("/")
    async def late(ctx: Context) -> None:
        kept.append(ctx)
        await ctx.sleep(60)

    wire = Lockstep(app, CONFIG)
    wire.receive(request("/"))
    wire.advance(1)
    head = wire.take()
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"x-seen: True" in head
    assert len(kept) == 2
