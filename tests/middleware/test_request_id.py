"""RequestId: one id in the answer, in ctx.state and in all that is logged about a request."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pytest

from anylane import App, Context, HTTPError, Router, ServerConfig, UsageError
from anylane.middleware import RequestId
from anylane.testing import Lockstep, TestClient, World

ID = re.compile(r"[0-9a-f]{32}")


def client(part: RequestId, config: ServerConfig | None = None) -> TestClient:
    app = App()
    app.use(part)

    @app.get("/")
    async def home(ctx: Context) -> dict[str, object]:
        return {"state": ctx.state.request_id, "current": RequestId.current()}

    @app.get("/def")
    def blocking(ctx: Context) -> dict[str, object]:
        return {"state": ctx.state.request_id, "current": RequestId.current()}

    @app.get("/fail")
    async def fail(ctx: Context) -> str:
        raise KeyError("x")

    @app.get("/teapot")
    async def teapot(ctx: Context) -> str:
        raise HTTPError(418)

    return TestClient(app, config)


@pytest.mark.parametrize("path", ["/", "/def"])
def test_the_id_is_the_same_everywhere(path: str) -> None:
    answer = client(RequestId()).get(path)
    shown = answer.headers["x-request-id"]
    assert ID.fullmatch(shown)
    assert answer.json() == {"state": shown, "current": shown}


def test_each_request_has_its_own() -> None:
    asked = client(RequestId())
    assert len({asked.get("/").headers["x-request-id"] for _ in range(5)}) == 5
    assert RequestId.current() is None


@pytest.mark.parametrize(("path", "status"), [("/fail", 500), ("/teapot", 418), ("/nowhere", 404)])
def test_errors_have_one_and_so_has_the_line_about_them(path: str, status: int) -> None:
    asked = client(RequestId())
    answer = asked.get(path)
    assert answer.status == status
    (shown,) = answer.headers.get_all("x-request-id")
    errors = [each.message for each in asked.log if each.level == "error"]
    assert all(line.endswith(f" [request {shown}]") for line in errors)
    assert len(errors) == (status == 500)


def test_a_line_about_another_request_has_none() -> None:
    app, inner = App(), Router()
    inner.use(RequestId())

    @inner.get("/with")
    async def with_id(ctx: Context) -> str:
        return "x"

    @app.get("/without")
    async def without(ctx: Context) -> str:
        raise KeyError(str(RequestId.current()))

    app.include(inner)
    asked = TestClient(app)
    assert "x-request-id" in asked.get("/with").headers
    assert "x-request-id" not in asked.get("/without").headers
    (line,) = [each.message for each in asked.log if each.level == "error"]
    assert "KeyError('None')" in line
    assert "[request" not in line


@pytest.mark.parametrize(
    ("trust", "taken"),
    [
        (False, False),
        (True, True),
        (["192.0.2.0/24"], True),
        (("10.0.0.0/8", "192.0.2.1"), True),
        (["10.0.0.0/8"], False),
        ([], False),
    ],
)
def test_the_clients_id_is_taken_from_trusted_peers_only(
    trust: bool | list[str], taken: bool
) -> None:
    answer = client(RequestId(trust=trust)).get("/", headers={"x-request-id": "abc-1"})
    assert (answer.headers["x-request-id"] == "abc-1") is taken
    assert answer.json()["state"] == answer.headers["x-request-id"]


def test_the_peer_is_asked_and_not_the_client_that_it_names() -> None:
    config = ServerConfig(proxy_headers=True, forwarded_allow_ips=("192.0.2.1",))
    asked = client(RequestId(trust=["192.0.2.1"]), config)
    headers = {"x-request-id": "abc", "x-forwarded-for": "203.0.113.5"}
    assert asked.get("/", headers=headers).headers["x-request-id"] == "abc"
    asked = client(RequestId(trust=["203.0.113.5"]), config)
    assert asked.get("/", headers=headers).headers["x-request-id"] != "abc"


@pytest.mark.parametrize(
    ("trust", "taken"),
    [
        (True, True),
        (["203.0.113.5"], True),
        (["192.0.2.1"], False),
        (["*"], False),
        (False, False),
    ],
)
def test_behind_a_proxy_header_the_client_that_it_names_is_asked(trust: Any, taken: bool) -> None:
    config = ServerConfig(proxy_protocol=True, forwarded_allow_ips=("192.0.2.1",))
    world = World(client(RequestId(trust=trust)).app, config)
    wire = Lockstep(world=world, peer=("192.0.2.1", 1))
    wire.receive(
        b"PROXY TCP4 203.0.113.5 192.0.2.9 4711 443\r\n"
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: abc\r\n\r\n"
    )
    assert (b"x-request-id: abc\r\n" in wire.take()) is taken


@pytest.mark.parametrize(
    "given",
    [
        "",
        "a" * 129,
        "a b",
        'a"b',
        "a\\b",
        "a,b",
        "a;b",
        "\xe9",
        "a\tb",
        "<script>",
        "%0d%0a",
        "a\x80",
    ],
)
def test_an_id_with_other_characters_is_not_taken(given: str) -> None:
    answer = client(RequestId(trust=True)).get("/", headers={"x-request-id": given})
    assert ID.fullmatch(answer.headers["x-request-id"])


def test_two_ids_are_none() -> None:
    lines = [("x-request-id", "a"), ("X-Request-Id", "b")]
    answer = client(RequestId(trust=True)).get("/", headers=lines)
    assert ID.fullmatch(answer.headers["x-request-id"])


def test_another_header() -> None:
    asked = client(RequestId("x-correlation-id", trust=True))
    answer = asked.get("/", headers={"x-correlation-id": "a" * 128})
    assert answer.headers["x-correlation-id"] == "a" * 128
    assert "x-request-id" not in answer.headers


def test_an_answer_of_a_part_before_it_has_one_too() -> None:
    class Gone:
        def request(self, ctx: Context) -> None:
            raise HTTPError(410)

    app = App()
    app.use(Gone(), order=-1)
    app.use(RequestId())
    answer = TestClient(app).get("/")
    assert answer.status == 410
    assert ID.fullmatch(answer.headers["x-request-id"])


def test_a_request_that_a_handler_sends_to_another_app_has_an_id_of_its_own() -> None:
    inner = client(RequestId())
    app = App()
    app.use(RequestId())

    @app.get("/")
    async def home(ctx: Context) -> list[str]:
        return [inner.get("/def").headers["x-request-id"] for _ in range(2)]

    answer = TestClient(app).get("/")
    first, second = answer.json()
    assert first != second
    assert inner.get("/").headers["x-request-id"] not in (first, second)


def test_two_of_them_give_one_id() -> None:
    app, inner = App(), Router()
    app.use(RequestId())
    inner.use(RequestId("x-correlation-id"))

    @inner.get("/")
    async def home(ctx: Context) -> str:
        return str(ctx.state.request_id)

    app.include(inner)
    answer = TestClient(app).get("/")
    assert answer.text == answer.headers["x-request-id"] == answer.headers["x-correlation-id"]


def test_what_an_app_keeps_by_that_name_goes_into_no_header() -> None:
    app = App()
    app.use(RequestId(), order=1)

    @app.get("/")
    async def home(ctx: Context) -> str:
        ctx.state.request_id = "a\r\nb: c"
        return "home"

    answer = TestClient(app).get("/")
    assert ID.fullmatch(answer.headers["x-request-id"])
    assert answer.headers["x-request-id"].endswith("1")  # The first, and no second one.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"header": "x request"}, "expected a name such as"),
        ({"header": 5}, "expected a name such as"),
        ({"header": "Content-Length"}, "belongs to the framing"),
        ({"trust": "10.0.0.0/8"}, "expected True, False or a list"),
        ({"trust": None}, "expected True, False or a list"),
        ({"trust": ["proxy"]}, "expected an address, a network"),
        ({"trust": [5]}, "expected a list of str"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        RequestId(**arguments)


def test_background_work_logs_under_the_id_of_its_request() -> None:
    app = App()
    app.use(RequestId())

    @app.get("/")
    async def home(ctx: Context) -> str:
        ctx.background(fail, "async")
        ctx.background(blocking)
        return "home"

    async def fail(text: str) -> None:
        raise KeyError(text)

    def blocking() -> None:
        raise KeyError(RequestId.current())

    asked = TestClient(app)
    shown = asked.get("/").headers["x-request-id"]
    errors: Iterable[str] = [each.message for each in asked.log if each.level == "error"]
    first, second = errors
    assert first.endswith(f" [request {shown}]")
    assert shown in second
