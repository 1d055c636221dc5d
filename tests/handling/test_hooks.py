"""The order of hooks, what ends it, and what becomes of exceptions."""

from __future__ import annotations

from typing import Any

import pytest

from anylane import STOP, App, Context, HTTPError, Response, Router, UsageError
from anylane.testing import Lockstep

WEBSOCKET = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def get(path: str = "/", *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: a", *headers, "", ""]).encode()


def ask(app: App, data: bytes = get()) -> tuple[str, Lockstep]:
    """The response to one request, and its wire."""
    wire = Lockstep(app)
    wire.receive(data)
    return wire.sent.decode("latin-1"), wire


def status_of(answer: str) -> int:
    return int(answer.split(" ")[1])


def errors(wire: Lockstep) -> list[str]:
    return [record.message for record in wire.log if record.level == "error"]


def noting(app: Router, seen: list[str], name: str, order: int = 0) -> None:
    """One hook of each kind."""

    @app.middleware(order)
    async def around(ctx: Context, call_next: Any) -> None:
        seen.append(f"{name} in")
        await call_next()
        seen.append(f"{name} out")

    @app.request_middleware(order)
    async def before(ctx: Context) -> None:
        seen.append(f"{name} request {ctx.params}")

    @app.response_middleware(order)
    def after(ctx: Context) -> None:
        seen.append(f"{name} response {ctx.response.status}")


# -- order ----------------------------------------------------------------------------------------


def test_the_documented_order() -> None:
    app = App()
    seen: list[Any] = []
    noting(app, seen, "late", order=1)
    noting(app, seen, "early", order=-1)

    async def own(ctx: Context, call_next: Any) -> None:
        seen.append("own in")
        await call_next()
        seen.append("own out")

    @app.get("/{id:int}", middleware=[own])
    async def handler(ctx: Context) -> str:
        seen.append("handler")
        ctx.response.set_status(201)
        return "made"

    answer, _ = ask(app, get("/7"))
    assert answer.endswith("made")
    assert seen == [
        "early in",
        "late in",
        "early request {'id': 7}",
        "late request {'id': 7}",
        "own in",
        "handler",
        "own out",
        "late out",
        "early out",
        "early response 201",
        "late response 201",
    ]


def test_hooks_of_a_router_apply_to_its_routes_only_inside_those_of_the_app() -> None:
    app, part = App(), Router("/part")
    seen: list[Any] = []
    noting(part, seen, "part")
    noting(app, seen, "app")
    part.get("/x")(lambda ctx: "x")
    app.get("/")(lambda ctx: "home")
    app.include(part)
    ask(app, get("/"))
    assert seen == ["app in", "app request {}", "app out", "app response 200"]
    seen.clear()
    ask(app, get("/part/x"))
    # Equal orders: in registration order, wherever they were registered.
    assert seen[:4] == ["part in", "app in", "part request {}", "app request {}"]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (get("/nowhere"), 404),
        (get("/x", method="DELETE"), 405),
        (get("/x", method="OPTIONS"), 204),
        (get("*", method="OPTIONS"), 204),
    ],
)
def test_what_has_no_route_runs_the_hooks_of_the_app(data: bytes, status: int) -> None:
    app = App()
    seen: list[Any] = []
    noting(app, seen, "app")
    app.get("/x")(lambda ctx: "x")
    answer, wire = ask(app, data)
    assert status_of(answer) == status
    assert seen == ["app in", "app request {}", "app out", f"app response {status}"]
    assert ("Allow: GET, HEAD, OPTIONS".lower() in answer.lower()) is (status != 404)
    assert not errors(wire)


def test_a_guard_sees_the_parameters_of_its_route() -> None:
    app = App()
    app.get("/{id:int}", when=lambda ctx: ctx.params["id"] > 9, name="big")(lambda ctx: "big")
    app.get("/{id:int}")(lambda ctx: "small")
    assert ask(app, get("/10"))[0].endswith("big")
    assert ask(app, get("/9"))[0].endswith("small")


# -- the order of many ----------------------------------------------------------------------------

REGISTERED = {
    "around": [("api", 0), ("app", 0), ("nested", -1), ("app", 5), ("nested", 0), ("api", 3)],
    "request": [("nested", 2), ("app", 2), ("api", -3), ("app", -3), ("api", 2), ("nested", 0)],
    "response": [("app", 1), ("nested", 1), ("api", 1), ("nested", -2), ("app", 0), ("api", 4)],
}
"""Kind of hook -> (where, order), in the order of registration. `nested` is included in `api`, and
`api` in `app`. Each kind has orders that mix the three, and ties among them."""

# What docs/hooks.md makes of that: ascending order, ties as registered, over all routers.
INTO = ["in nested -1", "in api 0", "in app 0", "in nested 0", "in api 3", "in app 5"]
REQUEST = ["request api -3", "request app -3", "request nested 0", "request nested 2",
           "request app 2", "request api 2"]  # fmt: skip
OWN_INTO = ["in own 1", "in own 2", "in own 3"]
OWN_OUT = ["out own 3", "out own 2", "out own 1"]
RESPONSE = ["response nested -2", "response nested 1", "response api 1", "response api 4",
            "response app 0", "response app 1"]  # fmt: skip
OUT = ["out app 5", "out api 3", "out nested 0", "out app 0", "out api 0", "out nested -1"]


def passed_by(out: list[str]) -> list[str]:
    """What the same middleware notes where an exception passes it."""
    return [name.replace("out", "raised past") for name in out]


class Known(Exception):
    """There is a handler for it."""


def many_hooks(seen: list[str], at: str = "", then: Any = None, *, may_answer: bool = True) -> App:
    """An app whose hooks, handlers and middleware note their names. The one named `at` raises or
    returns `then`."""

    def note(name: str) -> Any:
        seen.append(name)
        if name != at:
            return None
        if isinstance(then, Exception):
            raise then
        return then

    def around(name: str) -> Any:
        async def answering(ctx: Context, call_next: Any) -> Any:
            if (answer := note(f"in {name}")) is not None:
                return answer
            try:
                await call_next()
            except Exception:
                note(f"raised past {name}")
                raise
            return note(f"out {name}")

        async def silent(ctx: Context, call_next: Any) -> None:
            note(f"in {name}")
            await call_next()
            note(f"out {name}")

        return answering if may_answer else silent

    app, api, nested = App(), Router("/api"), Router("/v1")
    routers = {"app": app, "api": api, "nested": nested}
    for where, order in REGISTERED["around"]:
        routers[where].middleware(order)(around(f"{where} {order}"))
    for where, order in REGISTERED["request"]:
        name = f"request {where} {order}"
        routers[where].request_middleware(order)(lambda ctx, name=name: note(name))
    for where, order in REGISTERED["response"]:
        name = f"response {where} {order}"
        routers[where].response_middleware(order)(lambda ctx, name=name: note(name))
    nested.get("/x", middleware=[around(f"own {n}") for n in (1, 2, 3)])(
        lambda ctx: note("handler") or "made"
    )
    app.exception_handler(Known)(lambda ctx, exc: note("exception handler") or "known")
    api.include(nested)
    app.include(api)
    return app


@pytest.mark.parametrize("may_answer", [True, False], ids=["may answer", "silent"])
def test_many_hooks_of_all_levels_run_by_order_and_ties_as_registered(may_answer: bool) -> None:
    seen: list[str] = []
    answer, _ = ask(many_hooks(seen, may_answer=may_answer), get("/api/v1/x"))
    assert answer.endswith("made")
    assert seen == [*INTO, *REQUEST, *OWN_INTO, "handler", *OWN_OUT, *OUT, *RESPONSE]


@pytest.mark.parametrize(
    ("path", "levels"),
    [
        ("/nowhere", ("app",)),
        ("/api/nowhere", ("app", "api")),
        ("/api", ("app", "api")),
        ("/apis", ("app",)),
        ("/api/v1/nowhere", ("app", "api", "nested")),
        ("/%61pi/v1/nowhere", ("app", "api", "nested")),
    ],
)
def test_many_hooks_of_the_routers_above_run_where_there_is_no_route(
    path: str, levels: tuple[str, ...]
) -> None:
    seen: list[str] = []
    answer, _ = ask(many_hooks(seen), get(path))
    assert status_of(answer) == 404
    everything = [*INTO, *REQUEST, *OUT, *RESPONSE]
    assert seen == [name for name in everything if any(f" {level} " in name for level in levels)]


TO_THE_ROUTE = [*INTO, *REQUEST]
TO_THE_HANDLER = [*TO_THE_ROUTE, *OWN_INTO, "handler"]
OWN_ANSWER = Response("own", 418)


@pytest.mark.parametrize(
    ("at", "then", "status", "order"),
    [
        # STOP in the middle of the request hooks, and of the response hooks.
        ("request nested 0", STOP, 204, [*INTO, *REQUEST[:3], *OUT, *RESPONSE]),
        ("response api 1", STOP, 200, [*TO_THE_HANDLER, *OWN_OUT, *OUT, *RESPONSE[:3]]),
        # Middleware in the middle answers by itself: nothing inside of it runs.
        ("in nested 0", OWN_ANSWER, 418, [*INTO[:4], *OUT[3:], *RESPONSE]),
        ("in own 2", OWN_ANSWER, 418,
         [*TO_THE_ROUTE, *OWN_INTO[:2], *OWN_OUT[2:], *OUT, *RESPONSE]),
        # It may also answer anew when what is inside of it has run.
        ("out nested 0", OWN_ANSWER, 418, [*TO_THE_HANDLER, *OWN_OUT, *OUT, *RESPONSE]),
        # A failure that has an answer, or a handler, becomes a response where it leaves the hooks.
        ("request nested 0", HTTPError(409), 409, [*INTO, *REQUEST[:3], *OUT, *RESPONSE]),
        ("request nested 0", Known(), 500,
         [*INTO, *REQUEST[:3], "exception handler", *OUT, *RESPONSE]),
        ("in own 2", Known(), 500,
         [*TO_THE_ROUTE, *OWN_INTO[:2], *passed_by(OWN_OUT[2:]), "exception handler", *OUT,
          *RESPONSE]),
        ("handler", HTTPError(409), 409,
         [*TO_THE_HANDLER, *passed_by(OWN_OUT), *OUT, *RESPONSE]),
        # A failure of middleware itself becomes a response outside of all middleware.
        ("in nested 0", Known(), 500,
         [*INTO[:4], *passed_by(OUT[3:]), "exception handler", *RESPONSE]),
        ("out nested 0", Known(), 500,
         [*TO_THE_HANDLER, *OWN_OUT, *OUT[:3], *passed_by(OUT[3:]), "exception handler",
          *RESPONSE]),
        # The other response hooks see what one has put in the place of the answer.
        ("response api 1", HTTPError(409), 409, [*TO_THE_HANDLER, *OWN_OUT, *OUT, *RESPONSE]),
        # A failure without a handler passes all but the response hooks.
        ("request nested 0", KeyError(), 500, [*INTO, *REQUEST[:3], *passed_by(OUT), *RESPONSE]),
        ("in nested 0", KeyError(), 500, [*INTO[:4], *passed_by(OUT[3:]), *RESPONSE]),
        ("handler", KeyError(), 500,
         [*TO_THE_HANDLER, *passed_by(OWN_OUT), *passed_by(OUT), *RESPONSE]),
        ("response api 1", KeyError(), 500, [*TO_THE_HANDLER, *OWN_OUT, *OUT, *RESPONSE]),
    ],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "name", None),
)  # fmt: skip
def test_what_ends_many_hooks_in_the_middle(
    at: str, then: Any, status: int, order: list[str]
) -> None:
    seen: list[str] = []
    answer, wire = ask(many_hooks(seen, at, then), get("/api/v1/x"))
    assert seen == order
    assert status_of(answer) == status
    assert len(errors(wire)) == isinstance(then, KeyError)


# -- STOP -----------------------------------------------------------------------------------------


def test_stop_in_a_request_hook_answers_and_response_hooks_still_run() -> None:
    app = App()
    seen: list[Any] = []

    @app.request_middleware
    def no(ctx: Context) -> Any:
        ctx.response.set_status(403).set_text("no")
        return STOP

    @app.request_middleware
    async def never(ctx: Context) -> None:
        seen.append("never")

    @app.response_middleware
    async def after(ctx: Context) -> None:
        ctx.response.set_header("x-after", "yes")

    app.get("/")(lambda ctx: seen.append("handler"))
    answer, _ = ask(app)
    assert status_of(answer) == 403
    assert "x-after: yes" in answer
    assert seen == []


def test_stop_in_a_response_hook_skips_the_others() -> None:
    app = App()
    app.get("/")(lambda ctx: "x")
    app.response_middleware(1)(lambda ctx: STOP)
    app.response_middleware(2)(lambda ctx: ctx.response.set_status(500) and None)
    assert status_of(ask(app)[0]) == 200


def test_middleware_that_answers_by_itself_is_followed_by_the_response_hooks() -> None:
    app = App()

    @app.middleware
    async def closed(ctx: Context, call_next: Any) -> Response:
        return Response("closed", 503)

    @app.response_middleware
    def after(ctx: Context) -> None:
        ctx.response.set_header("x-after", str(ctx.response.status))

    app.get("/")(lambda ctx: "open")
    answer, _ = ask(app)
    assert answer.endswith("closed")
    assert "x-after: 503" in answer


def test_a_hook_that_returns_something_else_is_a_500_that_says_what_to_do() -> None:
    app = App()
    app.request_middleware(lambda ctx: {"not": "like this"})  # type: ignore[type-var]
    app.get("/")(lambda ctx: "x")
    answer, wire = ask(app)
    assert status_of(answer) == 500
    assert "{'not': 'like this'}" in errors(wire)[0]
    assert "return STOP" in errors(wire)[0]


def test_middleware_must_be_async() -> None:
    with pytest.raises(UsageError, match="is no `async def`"):
        App().middleware(lambda ctx, call_next: None)  # type: ignore[type-var]


# -- exceptions -----------------------------------------------------------------------------------


class Teapot(ValueError):
    pass


def failing(exc: Exception) -> App:
    app = App()

    @app.get("/")
    async def handler(ctx: Context) -> None:
        ctx.response.set_header("x-half-built", "yes").set_cookie("a", "b")
        raise exc

    return app


def test_the_handler_of_the_nearest_class_answers() -> None:
    app = failing(Teapot("short"))
    app.exception_handler(Exception)(lambda ctx, exc: "panic")
    app.exception_handler(ValueError)(lambda ctx, exc: Response(f"value {exc}", 418))
    app.response_middleware(
        lambda ctx: ctx.response.set_header("x-error", repr(ctx.error)) and None
    )
    answer, wire = ask(app)
    assert status_of(answer) == 418
    assert answer.endswith("value short")
    assert "x-error: Teapot('short')" in answer
    assert "half-built" not in answer and "set-cookie" not in answer
    assert not errors(wire)


def test_an_exception_handler_begins_with_the_status_of_its_exception() -> None:
    app = failing(HTTPError(409, headers={"x-why": "twice"}))
    app.exception_handler(HTTPError)(lambda ctx, exc: {"code": exc.status})
    answer, _ = ask(app)
    assert status_of(answer) == 409
    assert "x-why: twice" in answer
    app = failing(ValueError())
    app.exception_handler(ValueError)(lambda ctx, exc: "oh")
    assert status_of(ask(app)[0]) == 500


def test_the_panic_hook_is_for_what_nothing_else_deals_with_and_it_is_logged() -> None:
    app = failing(KeyError("bug"))

    @app.exception_handler(Exception)
    async def panic(ctx: Context, exc: Exception) -> Any:
        return {"sorry": True}

    answer, wire = ask(app)
    assert status_of(answer) == 500
    assert answer.endswith('{"sorry":true}')
    (message,) = errors(wire)
    assert "KeyError('bug')" in message and "GET /" in message
    assert status_of(ask(app, get("/nowhere"))[0]) == 404  # HTTPError is nobody's bug.


@pytest.mark.parametrize("kind", ["request", "response", "around", "handler", "panic"])
def test_whatever_fails_gives_one_logged_500_and_disturbs_nobody(kind: str) -> None:
    app = App()
    good = app.get("/good")(lambda ctx: "good")
    part = Router()
    app.include(part)

    def fail(ctx: Context, *_: Any) -> None:
        raise ValueError(kind)

    async def fail_around(ctx: Context, call_next: Any) -> None:
        await call_next()
        raise ValueError(kind)

    part.get("/bad")(fail if kind in ("handler", "panic") else good)
    if kind == "request":
        part.request_middleware(fail)
    elif kind == "response":
        part.response_middleware(fail)
    elif kind == "around":
        part.middleware(fail_around)
    elif kind == "panic":
        app.exception_handler(ValueError)(fail)
        app.exception_handler(Exception)(fail)
    wire = Lockstep(app)
    neighbour = wire.open()
    neighbour.receive(get("/good")[:-2])
    wire.receive(get("/bad") + get("/good"))
    neighbour.receive(b"\r\n")
    first, second = wire.sent.split(b"HTTP/1.1 ")[1:]
    assert first.startswith(b"500 ") and second.startswith(b"200 ")
    assert neighbour.sent.startswith(b"HTTP/1.1 200 ")
    (message,) = errors(wire)
    assert f"ValueError('{kind}')" in message


def test_an_exception_in_middleware_reaches_the_handlers_and_the_response_hooks() -> None:
    app = App()

    @app.middleware
    async def guard(ctx: Context, call_next: Any) -> None:
        raise HTTPError(401)

    app.response_middleware(lambda ctx: ctx.response.set_header("x-after", "yes") and None)
    app.get("/")(lambda ctx: "secret")
    answer, _ = ask(app)
    assert status_of(answer) == 401
    assert "x-after: yes" in answer


def test_middleware_sees_what_nobody_has_dealt_with_and_may_answer() -> None:
    app = failing(ValueError("x"))

    @app.middleware
    async def net(ctx: Context, call_next: Any) -> None:
        try:
            await call_next()
        except ValueError:
            ctx.response = Response("caught", 502)

    answer, wire = ask(app)
    assert status_of(answer) == 502
    assert not errors(wire)


# -- malformed requests ---------------------------------------------------------------------------

MALFORMED = b"GET / HTTP/1.1\nHost: a\r\n\r\n"


def test_malformed_requests_run_request_error_only() -> None:
    app = App()
    seen: list[Any] = []
    noting(app, seen, "app")
    app.exception_handler(Exception)(lambda ctx, exc: seen.append("panic"))

    @app.request_error
    async def bad(ctx: Context) -> None:
        error: Any = ctx.error
        seen.append((error.status, error.reason, error.excerpt))
        ctx.response.set_header("x-bad", "yes")

    answer, wire = ask(app, MALFORMED)
    assert status_of(answer) == 400
    assert "x-bad: yes" in answer
    assert "bare LF as line end" in answer
    assert seen == [(400, "bare LF as line end", b"GET / HTTP/1.1\n")]
    assert wire.eof_sent


def test_request_error_may_set_the_response() -> None:
    app = App()

    @app.request_error
    def bad(ctx: Context, error: Any) -> Any:
        ctx.response.set_status(422)
        return {"reason": error.reason}

    answer, _ = ask(app, MALFORMED)
    assert status_of(answer) == 422
    assert answer.endswith('{"reason":"bare LF as line end"}')
    assert "connection: close" in answer


def test_request_error_that_fails_is_one_logged_500() -> None:
    app = App()
    app.request_error(lambda ctx: 1 / 0)
    answer, wire = ask(app, MALFORMED)
    assert status_of(answer) == 500
    assert len(errors(wire)) == 1


# -- once the head is out -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "touch",
    [
        lambda r: r.set_status(201),
        lambda r: r.set_header("a", "b"),
        lambda r: r.add_header("a", "b"),
        lambda r: r.remove_header("a"),
        lambda r: r.headers.set("a", "b"),
        lambda r: r.set_cookie("a", "b"),
        lambda r: r.delete_cookie("a"),
        lambda r: r.set_text("a"),
        lambda r: r.redirect("/"),
        lambda r: r.close_connection(),
    ],
)
def test_once_the_head_is_out_touching_the_response_is_a_usage_error(touch: Any) -> None:
    app = App()
    seen: list[Any] = []

    @app.get("/")
    async def handler(ctx: Context) -> None:
        ctx.response.set_text("sent")
        await ctx.send()
        for attempt in (touch, lambda r: setattr(ctx, "response", Response())):
            with pytest.raises(UsageError, match="head was sent"):
                attempt(ctx.response)
        seen.append(ctx.response.status)

    answer, wire = ask(app)
    assert answer.endswith("sent")
    assert seen == [200]
    assert not errors(wire)


def test_a_returned_iterator_is_sent_after_the_response_hooks() -> None:
    app = App()
    seen: list[Any] = []

    @app.get("/")
    async def handler(ctx: Context) -> Any:
        async def items() -> Any:
            try:
                for n in range(2):
                    seen.append(n)
                    yield f"{n}"
            finally:
                seen.append("closed")

        return items()

    @app.response_middleware
    def after(ctx: Context) -> None:
        seen.append("hook")
        ctx.response.set_header("x-after", "yes")

    answer, _ = ask(app)
    assert "x-after: yes" in answer
    assert answer.endswith("1\r\n0\r\n1\r\n1\r\n0\r\n\r\n")
    assert seen == [0, "hook", 1, "closed"]


def test_an_iterator_that_is_not_sent_is_closed() -> None:
    app = App()
    seen: list[Any] = []

    @app.get("/")
    def handler(ctx: Context) -> Any:
        try:
            yield "first"
            yield "second"
        finally:
            seen.append("closed")

    app.response_middleware(lambda ctx: ctx.response.set_text("instead") and None)
    answer, _ = ask(app)
    assert answer.endswith("instead")
    assert seen == ["closed"]


def test_an_iterator_that_fails_at_once_is_answered_like_a_handler() -> None:
    app = App()

    @app.get("/")
    async def handler(ctx: Context) -> Any:
        if ctx.request.path == "/":
            raise HTTPError(404)
        yield "never"

    assert status_of(ask(app)[0]) == 404


# -- WebSocket ------------------------------------------------------------------------------------


def test_websocket_routes_run_the_request_hooks_before_accept() -> None:
    app = App()
    seen: list[Any] = []

    @app.request_middleware
    async def before(ctx: Context) -> Any:
        seen.append("request")
        if "reject" in ctx.request.query:
            ctx.response.set_status(403)
            return STOP
        return None

    app.response_middleware(lambda ctx: seen.append(f"response {ctx.response.status}"))

    @app.websocket("/ws")
    async def handler(ctx: Context) -> None:
        seen.append("handler")
        await ctx.accept()

    answer, _ = ask(app, WEBSOCKET)
    assert status_of(answer) == 101
    assert seen == ["request", "handler", "response 101"]
    seen.clear()
    answer, _ = ask(app, WEBSOCKET.replace(b"/ws", b"/ws?reject"))
    assert status_of(answer) == 403
    assert seen == ["request", "response 403"]
