"""CORS: which pages may send what, and read the answers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from anylane import App, Context, HTTPError, Router, UsageError
from anylane.middleware import CORS
from anylane.testing import TestClient

PAGE = "https://app.example.com"
ASKING = {"origin": PAGE, "access-control-request-method": "PUT"}


def client(part: CORS) -> TestClient:
    app = App()
    app.use(part)

    @app.get("/")
    async def home(ctx: Context) -> str:
        return "home"

    @app.get("/vary")
    async def vary(ctx: Context) -> str:
        ctx.response.set_header("vary", "Accept-Encoding, cookie")
        return "vary"

    @app.get("/vary/{value}")
    async def varies(ctx: Context) -> str:
        ctx.response.add_header("Vary", ctx.params["value"]).add_header("vary", "x-one")
        return "vary"

    @app.get("/own")
    async def own(ctx: Context) -> str:
        ctx.response.set_header("Access-Control-Allow-Origin", "https://other.example")
        return "own"

    @app.get("/items")
    async def items(ctx: Context) -> AsyncIterator[str]:
        yield "item"

    @app.get("/fail")
    async def fail(ctx: Context) -> str:
        raise KeyError("x")

    @app.get("/teapot")
    async def teapot(ctx: Context) -> str:
        raise HTTPError(418, headers={"vary": "x-tea"})

    @app.options("/options")
    async def options(ctx: Context) -> str:
        return "the handler"

    return TestClient(app)


# --- what an answer has -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 200), ("/items", 200), ("/fail", 500), ("/teapot", 418), ("/nowhere", 404)],
)
def test_every_answer_may_be_read_by_a_page_that_is_allowed(path: str, status: int) -> None:
    answer = client(CORS([PAGE])).get(path, headers={"origin": PAGE})
    assert answer.status == status
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "access-control-allow-credentials" not in answer.headers
    assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "https://app.example.com.evil.example", "http://app.example.com",
     "https://app.example.com:8443", "null", "", "HTTPS://APP.EXAMPLE.COM"],
)  # fmt: skip
def test_another_page_gets_nothing_but_vary(origin: str) -> None:
    answer = client(CORS([PAGE], credentials=True)).get("/", headers={"origin": origin})
    assert answer.status == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["vary"] == "Origin"


def test_two_origins_are_none() -> None:
    answer = client(CORS([PAGE])).get("/", headers=[("origin", PAGE), ("origin", PAGE)])
    assert "access-control-allow-origin" not in answer.headers


def test_vary_is_there_without_an_origin_too_for_a_cache_may_keep_the_answer() -> None:
    assert client(CORS([PAGE])).get("/").headers["vary"] == "Origin"


@pytest.mark.parametrize(
    ("path", "vary"),
    [
        ("/vary", ["Accept-Encoding, cookie, Origin"]),
        ("/vary/origin", ["origin", "x-one"]),
        ("/vary/*", ["*", "x-one"]),
        ("/vary/a, b", ["a, b, x-one, Origin"]),
        ("/teapot", ["x-tea, Origin"]),
    ],
)
def test_vary_keeps_what_the_handler_has_set(path: str, vary: list[str]) -> None:
    answer = client(CORS([PAGE])).get(path.replace(" ", "%20"), headers={"origin": PAGE})
    assert answer.headers.get_all("vary") == vary


def test_all_pages_share_one_answer() -> None:
    answer = client(CORS(["*"])).get("/", headers={"origin": "https://any.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "vary" not in answer.headers


def test_credentials_and_exposed_headers() -> None:
    part = CORS([PAGE], credentials=True, expose=["x-total", "etag"])
    answer = client(part).get("/", headers={"origin": PAGE})
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-expose-headers"] == "x-total, etag"


def test_what_a_handler_says_itself_stays() -> None:
    answer = client(CORS([PAGE])).get("/own", headers={"origin": PAGE})
    assert answer.headers.get_all("access-control-allow-origin") == ["https://other.example"]


# --- which pages --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origins",
    [
        [PAGE],
        ["https://APP.example.com"],
        (each for each in [PAGE]),
        re.compile(r"https://[a-z]+\.example\.com"),
        ["http://localhost:3000", re.compile(r"https://[a-z]+\.example\.com")],
        lambda origin: origin.endswith(".example.com"),
    ],
)
def test_origins_by_list_pattern_or_function(origins: Any) -> None:
    asked = client(CORS(origins))
    allowed = asked.get("/", headers={"origin": PAGE})
    assert allowed.headers["access-control-allow-origin"] == PAGE
    for other in (f"{PAGE}.evil.example", "null", f"x{PAGE}\\"):
        found = asked.get("/", headers={"origin": other})
        assert "access-control-allow-origin" not in found.headers


def test_no_function_lets_null_in() -> None:
    answer = client(CORS(lambda origin: True)).get("/", headers={"origin": "null"})
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("value", [None, 1, "yes", object()])
def test_a_function_that_returns_neither_true_nor_false_is_a_500(value: object) -> None:
    asked = client(CORS(lambda origin: value))  # type: ignore[arg-type, return-value]
    answer = asked.get("/", headers={"origin": PAGE})
    assert answer.status == 500
    assert any("expected True or False" in each.message for each in asked.log)


def test_a_function_that_fails_is_a_500_that_says_which() -> None:
    def lookup(origin: str) -> bool:
        raise LookupError(origin)

    asked = client(CORS(lookup))
    assert asked.get("/", headers={"origin": PAGE}).status == 500
    assert asked.request("OPTIONS", "/", headers=ASKING).status == 500


@pytest.mark.parametrize(
    ("origin", "advice"),
    [
        ("https://a.example/", "without a slash or path: 'https://a.example'"),
        ("https://a.example/page?x", "without a slash or path: 'https://a.example'"),
        ("https://me@a.example", "has no user: 'https://a.example'"),
        ("a.example", "expected a scheme: 'https://a.example'"),
        ("https://a.example:443", "leave the port of the scheme out: 'https://a.example'"),
        ("http://a.example:80", "leave the port of the scheme out: 'http://a.example'"),
        ("https://a.example:0", "port from 1 to 65535"),
        ("https://a.example:65536", "port from 1 to 65535"),
        ("https://*.example", "re.compile"),
        ("null", "leave it out"),
        ("https://é.example", "xn--"),
        ("", "expected 'https://example.com'"),
        ("https://", "expected 'https://example.com'"),
        ("https://a b", "expected 'https://example.com'"),
    ],
)
def test_an_origin_that_no_browser_sends_is_refused_with_advice(origin: str, advice: str) -> None:
    with pytest.raises(UsageError, match=re.escape(advice)):
        CORS([origin])


@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "https://[::1]:8443", "capacitor://localhost",
               "chrome-extension://abcdefghijklmnop"],
)  # fmt: skip
def test_origins_of_all_kinds_are_taken(origin: str) -> None:
    answer = client(CORS([origin])).get("/", headers={"origin": origin})
    assert answer.headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"origins": PAGE}, f"write ['{PAGE}']"),
        ({"origins": []}, "is empty"),
        ({"origins": [b"x"]}, "expected a str or a compiled pattern"),
        ({"origins": 5}, "expected a list"),
        ({"origins": re.compile(b"x")}, "expected a pattern of str"),
        ({"origins": ["*"], "credentials": True}, "list the origins"),
        ({"origins": re.compile("https?://.*"), "credentials": True}, "matches every page"),
        ({"origins": lambda: True}, "given to CORS as origins"),
        ({"origins": [PAGE], "credentials": 1}, "expected True or False"),
        ({"origins": [PAGE], "private_network": "yes"}, "expected True or False"),
        ({"origins": [PAGE], "headers": "x-token"}, "write ['x-token']"),
        ({"origins": [PAGE], "headers": ["x token"]}, "expected a name"),
        ({"origins": [PAGE], "methods": ["GET\r\n"]}, "expected a name"),
        ({"origins": [PAGE], "expose": [1]}, "expected a name"),
        ({"origins": [PAGE], "expose": ["*"], "credentials": True}, "list the headers"),
        ({"origins": [PAGE], "max_age": -1}, "seconds, 0 or more"),
        ({"origins": [PAGE], "max_age": True}, "seconds, 0 or more"),
        ({"origins": [PAGE], "max_age": 1.5}, "seconds, 0 or more"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        CORS(**arguments)


def test_an_async_function_is_refused() -> None:
    async def lookup(origin: str) -> bool:
        return True

    with pytest.raises(UsageError, match="an `async def`"):
        CORS(lookup)  # type: ignore[arg-type]


# --- preflights ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/nowhere", "/options", "/fail"])
def test_a_preflight_is_answered_without_a_handler_on_any_path(path: str) -> None:
    answer = client(CORS([PAGE])).request("OPTIONS", path, headers=ASKING)
    assert (answer.status, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD, POST, PUT, PATCH, DELETE"
    assert "content-type" in answer.headers["access-control-allow-headers"]
    assert answer.headers["access-control-max-age"] == "86400"
    assert answer.headers["vary"] == (
        "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
    )
    assert "access-control-expose-headers" not in answer.headers


def test_an_options_request_that_is_no_preflight_is_the_handlers() -> None:
    asked = client(CORS([PAGE]))
    for headers in ({}, {"origin": PAGE}, {"access-control-request-method": "PUT"}):
        assert asked.request("OPTIONS", "/options", headers=headers).text == "the handler"


def test_the_preflight_of_another_page_is_refused() -> None:
    headers = {**ASKING, "origin": "https://evil.example"}
    answer = client(CORS([PAGE])).request("OPTIONS", "/options", headers=headers)
    assert answer.status == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert "Origin" in answer.headers["vary"]


def test_lists_are_told_as_they_are() -> None:
    part = CORS([PAGE], credentials=True, headers=["x-token"], methods=["put", "GET"], max_age=5)
    answer = client(part).request("OPTIONS", "/", headers=ASKING)
    assert answer.headers["access-control-allow-methods"] == "PUT, GET"
    assert answer.headers["access-control-allow-headers"] == "x-token"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-max-age"] == "5"


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("x-token, content-type", "x-token, content-type"),
        ("x-token;", None),
        ("x-token\tx", None),
        ("", None),
    ],
)
def test_a_star_tells_what_was_asked_for_if_it_is_a_list_of_names(
    wanted: str, told: str | None
) -> None:
    part = CORS([PAGE], credentials=True, headers=["*"], methods=["*"])
    headers = {**ASKING, "access-control-request-headers": wanted}
    answer = client(part).request("OPTIONS", "/", headers=headers)
    assert answer.headers["access-control-allow-methods"] == "PUT"
    assert answer.headers.get("access-control-allow-headers") == told


def test_a_method_that_is_no_token_is_not_told() -> None:
    headers = {**ASKING, "access-control-request-method": "PUT, x"}
    answer = client(CORS([PAGE], methods=["*"])).request("OPTIONS", "/", headers=headers)
    assert answer.headers["access-control-allow-methods"] == "*"


@pytest.mark.parametrize(("on", "told"), [(True, "true"), (False, None)])
def test_a_private_network_is_opened_on_request(on: bool, told: str | None) -> None:
    asked = client(CORS([PAGE], private_network=on))
    headers = {**ASKING, "access-control-request-private-network": "true"}
    answer = asked.request("OPTIONS", "/", headers=headers)
    assert answer.headers.get("access-control-allow-private-network") == told
    vary = answer.headers["vary"]
    assert ("Access-Control-Request-Private-Network" in vary) is on
    answer = asked.request("OPTIONS", "/", headers=ASKING)
    assert "access-control-allow-private-network" not in answer.headers


# --- on routers and routes ----------------------------------------------------------------------


def parted() -> TestClient:
    app = App()
    seen: list[str] = []

    @app.request_middleware
    def note(ctx: Context) -> None:
        seen.append(ctx.request.method)

    prefixed, bare = Router("/api"), Router()
    prefixed.use(CORS([PAGE]))
    bare.use(CORS([PAGE]))

    async def handler(ctx: Context) -> str:
        return "handled"

    prefixed.put("/x")(handler)
    bare.put("/bare/{id:int}")(handler)
    app.put("/own", middleware=[CORS([PAGE])])(handler)
    app.get("/own")(handler)
    app.put("/without")(handler)
    app.include(prefixed)
    app.include(bare)
    return TestClient(app)


@pytest.mark.parametrize("path", ["/api/x", "/api/nowhere", "/bare/5", "/own"])
def test_a_preflight_about_a_route_passes_the_cors_of_its_router_and_its_own(path: str) -> None:
    answer = parted().request("OPTIONS", path, headers=ASKING)
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "PUT" in answer.headers["access-control-allow-methods"]


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/without", "PUT"),
        ("/own", "GET"),
        ("/bare/5", "GET"),
        ("/bare/x", "PUT"),
        ("/own", "\xff"),
    ],
)
def test_a_preflight_about_another_route_does_not(path: str, method: str) -> None:
    headers = {**ASKING, "access-control-request-method": method}
    answer = parted().request("OPTIONS", path, headers=headers)
    assert "access-control-allow-origin" not in answer.headers


def test_answers_of_a_route_have_the_headers() -> None:
    for path in ("/api/x", "/bare/5", "/own"):
        answer = parted().put(path, headers={"origin": PAGE})
        assert (answer.text, answer.headers["access-control-allow-origin"]) == ("handled", PAGE)


# --- WebSockets ---------------------------------------------------------------------------------


def test_a_websocket_is_opened_as_without_it() -> None:
    app = App()
    app.use(CORS([PAGE]))

    @app.websocket("/echo")
    async def echo(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.send("hello")

    with TestClient(app).websocket("/echo", headers={"origin": "https://evil.example"}) as ws:
        assert ws.receive() == "hello"


def test_its_arguments_have_an_order() -> None:
    answer = client(CORS([PAGE], True, ["x-one"], ["PUT"], ["x-two"], 60)).options(
        "/", headers=ASKING
    )
    assert {
        name: answer.headers[f"access-control-{name}"]
        for name in (
            "allow-credentials",
            "allow-headers",
            "allow-methods",
            "max-age",
        )
    } == {
        "allow-credentials": "true",
        "allow-headers": "x-one",
        "allow-methods": "PUT",
        "max-age": "60",
    }
