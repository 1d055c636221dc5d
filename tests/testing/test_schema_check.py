"""`TestClient(app, check_schema=True)`: wrong apps are found, and right ones are left alone."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from prometheus_client import CollectorRegistry

from anylane import (
    STOP,
    App,
    Context,
    Form,
    Header,
    HTTPError,
    Query,
    Response,
    Router,
    Stop,
    UsageError,
)
from anylane.contrib import Health, Metrics
from anylane.middleware import CORS, BearerAuth, RateLimit
from anylane.testing import TestClient


@dataclass
class Book:
    id: int
    title: str
    tags: list[str] = field(default_factory=list)


def client_of(app: App, **options: Any) -> TestClient:
    app.openapi(title="Books", version="1", docs=None)
    return TestClient(app, check_schema=True, **options)


def fault(call: Callable[[], Any]) -> str:
    with pytest.raises(AssertionError) as caught:
        call()
    return str(caught.value)


def lying(answer: Any, responses: dict[int, Any] | None = None, **options: Any) -> TestClient:
    """A client of an app whose GET /books/{id} answers something else than a Book: its typed
    answer would be held to the annotation, so what is described is said beside it."""
    app = App()

    @app.get("/books/{id:int}", responses=responses or {200: Book}, **options)
    async def book(ctx: Context) -> Any:
        return answer(ctx) if callable(answer) else answer

    return client_of(app)


# -- answers


def test_a_right_answer_passes() -> None:
    right = {"id": 7, "title": "Emma", "tags": []}
    with lying(right) as client:
        assert client.get("/books/7").json() == right


def test_a_wrong_body_is_told_with_each_place() -> None:
    with lying({"id": "7", "title": "Emma", "tags": ["a", 1]}) as client:
        assert fault(lambda: client.get("/books/7?x=1")) == (
            "GET /books/7?x=1 was answered with 200: the description of GET /books/{id} does not "
            "say so:\n"
            '  body at id: saw "7"; expected type "integer"\n'
            '  body at tags.1: saw 1; expected type "string"'
        )


def test_a_missing_field_is_told() -> None:
    with lying({"id": 7}) as client:
        message = fault(lambda: client.get("/books/7"))
    assert "  body: saw {\"id\":7}, and 'title' is a required property" in message


def test_a_body_that_is_no_json_is_told() -> None:
    def answer(ctx: Context) -> bytes:
        ctx.response.set_header("content-type", "application/json")
        return b"{"

    with lying(answer) as client:
        assert "\n  body: is no JSON: " in fault(lambda: client.get("/books/7"))


def test_another_status_is_told() -> None:
    def answer(ctx: Context) -> Any:
        raise HTTPError(410, "gone")

    with lying(answer) as client:
        message = fault(lambda: client.get("/books/7"))
    assert message.startswith("GET /books/7 was answered with 410: the description of GET ")
    assert message.endswith("\n  status 410: expected one of 200, 404")


def test_another_status_that_is_described_passes() -> None:
    def answer(ctx: Context) -> Any:
        raise HTTPError(410, "gone")

    with lying(answer, {200: Book, 410: "It was here."}) as client:
        assert client.get("/books/7").status == 410


def test_a_handler_that_fails_is_shown() -> None:
    def answer(ctx: Context) -> Any:
        raise KeyError("title")

    with lying(answer) as client, pytest.raises(AssertionError, match="status 500") as caught:
        client.get("/books/7")
    assert isinstance(caught.value.__cause__, KeyError)


def test_another_media_type_is_told() -> None:
    with lying("Emma") as client:
        assert (
            "\n  content-type: saw 'text/plain; charset=utf-8'; expected one of application/json"
        ) in fault(lambda: client.get("/books/7"))
    with lying(Response(b"", headers={"content-type": ""})) as client:
        assert "content-type: saw ''" in fault(lambda: client.get("/books/7"))


def test_a_required_header_that_is_missing_is_told() -> None:
    app = App()
    router = Router(prefix="/few")
    router.use(RateLimit("1/minute"))

    @router.get("/")
    async def few() -> str:
        return "one"

    app.include(router)
    client = client_of(app)
    assert app.description is not None
    responses: Any = app.description.document()["paths"]["/few/"]["get"]["responses"]
    responses["200"]["headers"] = {"X-Needed": {"required": True, "schema": {"type": "string"}}}
    with client:
        assert "\n  header X-Needed: missing; expected, as it is required" in fault(
            lambda: client.get("/few/")
        )
        assert client.get("/few/").status == 429


def test_the_fault_of_a_format_is_told() -> None:
    app = App()

    @app.get("/", responses={200: Annotated[dict[str, Any], "a moment"]})
    async def moment(ctx: Context) -> Any:
        return {"at": "2026-02-30"}

    client = client_of(app)
    assert app.description is not None
    document: Any = app.description.document()
    content = document["paths"]["/"]["get"]["responses"]["200"]["content"]["application/json"]
    content["schema"] = {"properties": {"at": {"type": "string", "format": "date"}}}
    with client:
        message = fault(lambda: client.get("/"))
    assert '\n  body at at: saw "2026-02-30"; expected format "date"' in message


def test_many_faults_are_bounded() -> None:
    with lying({"id": 7, "title": "E", "tags": [*range(15)]}) as client:
        lines = fault(lambda: client.get("/books/7")).splitlines()
    assert len(lines) == 12
    assert lines[-1] == "  and 5 more"


def test_head_has_no_body_and_is_checked_as_get() -> None:
    with lying({"id": 7, "title": "E", "tags": []}) as client:
        assert client.head("/books/7").status == 200
        assert "content" not in client.head("/books/x").text
    with lying("Emma", {201: Book}) as client:
        assert "status 200: expected one of 201, 404" in fault(lambda: client.head("/books/7"))


@pytest.mark.parametrize("declared", ["2XX", "default"])
def test_a_status_may_be_described_by_its_class(declared: str) -> None:
    client = lying({"id": "7"})
    description = client.app.description
    assert description is not None
    responses: Any = description.document()["paths"]["/books/{id}"]["get"]["responses"]
    responses[declared] = responses.pop("200")
    with client:
        assert "body at id" in fault(lambda: client.get("/books/7"))


# -- where there is no operation


def test_what_is_refused_need_not_be_described() -> None:
    with lying({}) as client:
        assert client.get("/nothing").status == 404
        assert client.post("/books/7").status == 405
        assert client.options("/books/7").status == 204


def test_what_is_answered_has_to_be_described() -> None:
    app = App()

    @app.request_middleware
    async def answers(ctx: Context) -> Stop:
        ctx.response.set_text("by a hook")
        return STOP

    with client_of(app) as client:
        assert fault(lambda: client.get("/health")) == (
            "GET /health was answered with 200: its description has no such operation"
        )


def test_the_own_paths_of_parts_are_left_alone() -> None:
    inner, router, outer = App(), Router("/in"), App()
    outer.use(Health(ready=None))
    outer.use(Metrics(registry=CollectorRegistry()))
    inner.use(Health(path=None))
    inner.get("/x")(lambda ctx: None)
    outer.mount("/v1", inner)
    router.use(Health(path="/in/health", ready=None))
    router.get("/x")(lambda ctx: None)
    outer.include(router)
    with client_of(outer) as client:
        for path in ("/health", "/metrics?x=1", "/v1/ready", "/in/health"):
            assert client.get(path).status == 200, path


def test_what_is_hidden_is_left_alone() -> None:
    app = App()
    app.get("/hidden", include_in_schema=False)(lambda ctx: "hi")
    app.get("/{name}")(lambda ctx: {"name": ctx.params["name"]})
    with client_of(app) as client:
        assert client.get("/hidden").text == "hi"
        assert client.get("/openapi.json").status == 200
        assert client.get("/other").status == 200


def test_the_operation_is_the_one_of_the_route_that_answers() -> None:
    app = App()
    app.get("/files/{name}/{rest:path}", responses={200: "a file"})(lambda ctx: "file")
    app.get("/files/{name}/size", responses={200: int})(lambda ctx: "text")
    app.get("/files/{n:int}", responses={200: int})(lambda ctx: 7)
    with client_of(app) as client:
        assert client.get("/files/a/b/c").text == "file"
        assert client.get("/files/7").json() == 7
        assert "GET /files/{name}/size" in fault(lambda: client.get("/files/a/size"))


def test_mounted_apps_and_preflights_are_checked_too() -> None:
    inner, outer = App(), App()
    inner.get("/x", responses={200: int})(lambda ctx: "text")
    outer.use(CORS(["https://a.example"]))
    outer.mount("/v1", inner)
    with client_of(outer) as client:
        assert "GET /v1/x does not say so" in fault(lambda: client.get("/v1/x"))
        asked = {"origin": "https://a.example", "access-control-request-method": "GET"}
        assert client.options("/v1/x", headers=asked).status in (200, 204)


def test_redirects_are_checked_one_by_one() -> None:
    app = App()

    @app.get("/old", responses={307: "It has moved."})
    async def old(ctx: Context) -> None:
        ctx.response.redirect("/new", 307)

    app.get("/new", responses={200: int})(lambda ctx: "text")
    with client_of(app) as client:
        assert client.get("/old").status == 307
        assert "GET /new" in fault(lambda: client.get("/old", follow_redirects=True))


# -- streams


def test_of_a_stream_the_head_is_checked() -> None:
    app = App()

    @app.get("/rows")
    async def rows() -> AsyncIterator[Book]:
        yield Book(1, "a")

    @app.get("/events", responses={200: int})
    async def events(ctx: Context) -> None:
        async with ctx.event_stream() as out:
            await out.send("x")

    with client_of(app) as client:
        assert client.get("/rows").status == 200
        with client.stream("GET", "/rows") as response:
            assert response.status == 200
        with pytest.raises(AssertionError, match="text/event-stream"), client.events("/events"):
            pass
        assert client.get("/rows").status == 200


# -- requests


def typed() -> App:
    app = App()

    @app.post("/books", status=201)
    async def add(new: Book, dry: bool = False) -> Book:
        return new

    @app.get("/search")
    async def search(
        q: str,
        n: Annotated[int, Query(ge=1)] = 1,
        sort: Literal["up", "down"] = "up",
        tag: Annotated[list[int], Query()] = [],  # noqa: B006
        key: Annotated[str, Header("x-key")] = "",
    ) -> int:
        return n

    @app.post("/form")
    async def form(name: Annotated[str, Form()]) -> str:
        return name

    return app


def test_right_requests_pass() -> None:
    with client_of(typed()) as client:
        book = {"id": 1, "title": "a", "tags": []}
        for dry in ("1", "true", "off", "No"):
            assert client.post(f"/books?dry={dry}", json=book).status == 201
        assert client.get("/search", params={"q": "7", "n": 2, "tag": [1, 2]}).json() == 2
        assert client.get("/search?q=a&tag=1&undescribed=x", headers={"x-key": "1"}).json() == 1
        assert client.post("/form", data={"name": "n"}).text == "n"


def test_wrong_requests_that_are_refused_pass() -> None:
    with client_of(typed()) as client:
        assert client.post("/books", json={"id": "1"}).status == 422
        assert client.post("/books", content="{").status == 415
        assert client.get("/search", params={"n": 0}).status == 422


def careless() -> App:
    """It takes what its description does not allow."""
    app = typed()
    app.openapi(title="Books", version="1", docs=None)
    assert app.description is not None
    document: Any = app.description.document()
    careless = App()

    @careless.post("/books", status=201, responses={201: "Made."})
    async def add(ctx: Context) -> None:
        ctx.response.set_status(201)

    careless.get("/search", responses={200: "Found."})(lambda ctx: 1)
    careless.post("/form", responses={200: "Taken."})(lambda ctx: "n")
    careless.openapi(title="Books", version="1", docs=None)
    assert careless.description is not None
    described: Any = careless.description.document()
    for path, method in (("/books", "post"), ("/search", "get"), ("/form", "post")):
        for name in ("parameters", "requestBody"):
            if name in document["paths"][path][method]:
                described["paths"][path][method][name] = document["paths"][path][method][name]
    described["components"] = document["components"]
    return careless


@pytest.mark.parametrize(
    ("method", "url", "options", "expected"),
    [
        ("POST", "/books", {"json": {"id": "1", "title": "a"}}, 'body at id: saw "1"; expected'),
        ("POST", "/books", {}, "body: missing; expected, as it is required"),
        (
            "POST",
            "/books",
            {"content": "x", "headers": {"content-type": "text/plain"}},
            "content-type: saw 'text/plain'; expected one of application/json",
        ),
        ("GET", "/search", {}, "query parameter q: missing; expected, as it is required"),
        ("GET", "/search?q=a&n=0", {}, "query parameter n: saw"),
        ("GET", "/search?q=a&n=x", {}, 'query parameter n: saw "x"; expected type "integer"'),
        ("GET", "/search?q=a&sort=left", {}, 'query parameter sort: saw "left"; expected enum'),
        ("GET", "/search?q=a&tag=1&tag=x", {}, "query parameter tag"),
        ("GET", "/search?q=a", {"content": "x"}, "body: saw one; expected none"),
        ("POST", "/form", {"json": {}}, "content-type: saw 'application/json'; expected one of"),
    ],
)
def test_a_wrong_request_that_is_taken_is_told(
    method: str, url: str, options: Any, expected: str
) -> None:
    with TestClient(careless(), check_schema=True) as client:
        message = fault(lambda: client.request(method, url, **options))
    assert f"\n  the request is not described: {expected}" in message


def test_a_credential_is_no_parameter() -> None:
    app = App()
    app.use(BearerAuth(lambda token: token))

    @app.get("/me")
    async def me() -> str:
        return "me"

    with client_of(app) as client:
        assert client.get("/me", headers={"authorization": "Bearer x"}).text == "me"
        assert client.get("/me").status == 401


@pytest.mark.parametrize(
    ("kind", "query", "headers"),
    [
        (Decimal, "v=1e400", {}),
        (Annotated[Decimal, Query(ge=1, multiple_of=0.5)], "v=1e400", {}),
        (Annotated[float, Query(multiple_of=0.1)], "v=0.3", {}),
        (Annotated[Decimal, Query(multiple_of=0.1)], "v=0.3", {}),
        (timedelta, "v=-P1D", {}),
        (datetime, "v=2026-11-30T12:30", {}),
        (datetime, "v=2026-11-30+12:30:00Z", {}),
        (datetime | None, "v=2026-11-30T12:30", {}),
        (list[time], "v=12:30&v=12:30:01", {}),
        (time, "v=12:30", {}),
        (date, "v=2026-11-30", {}),
        (int, "v=1&v=2", {}),
        (int, "v=1&v=x", {}),
        (str, "v=1&v=2", {}),
        (Annotated[list[int], Header("x-n")], "", {"x-n": "1, 2"}),
        (Annotated[list[str], Header("x-n", min_length=3)], "", [("x-n", "1, 2"), ("x-n", "3")]),
        (Annotated[str, Header("x-n")], "", {"x-n": "1, 2"}),
    ],
)
def test_what_is_read_is_described(kind: Any, query: str, headers: Any) -> None:
    app = App()

    async def index(v: Any) -> str:
        return str(v)[:20]

    index.__annotations__["v"] = kind
    app.get("/")(index)
    with client_of(app) as client:
        assert client.get(f"/?{query}", headers=headers).status == 200


@pytest.mark.parametrize(
    ("kind", "query", "expected"),
    [
        (Annotated[int, Query(le=9)], "v=1e400", 'saw "1e400"; expected type "integer"'),
        (Annotated[Decimal, Query(le=9)], "v=1e400", 'v: saw "1e400"; expected'),
        (Annotated[float, Query(multiple_of=0.1)], "v=0.35", 'v: saw "0.35"; expected'),
        (datetime, "v=2026-11-30T12:30:99", 'expected format "date-time"'),
        (int, "v=x&v=1", "x"),
    ],
)
def test_what_is_described_otherwise_is_told(kind: Any, query: str, expected: str) -> None:
    app, other = App(), App()

    async def index(v: Any) -> str:
        return "a"

    index.__annotations__["v"] = kind
    app.get("/")(index)
    app.openapi(title="Books", version="1", docs=None)
    assert app.description is not None
    right: Any = app.description.document()
    other.get("/", responses={200: "Found."})(lambda ctx: 1)
    other.openapi(title="Books", version="1", docs=None)
    assert other.description is not None
    wrong: Any = other.description.document()
    wrong["paths"]["/"]["get"]["parameters"] = right["paths"]["/"]["get"]["parameters"]
    with TestClient(other, check_schema=True) as client:
        assert expected in fault(lambda: client.get(f"/?{query}"))


# -- what it needs


def test_an_app_without_a_description_is_refused() -> None:
    with pytest.raises(UsageError, match=r"check_schema=True needs a description .* app.openapi\("):
        TestClient(App(), check_schema=True)


def test_it_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    app = App()
    app.openapi(title="a", version="1", docs=None)
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    TestClient(app).close()
    with pytest.raises(UsageError, match=r"needs the package jsonschema, .*anylane\[schema\]"):
        TestClient(app, check_schema=True)


def test_it_works_on_a_real_lane() -> None:
    with TestClient(typed_with_description(), check_schema=True, backend="threads") as client:
        assert client.get("/search?q=a").json() == 1
        assert "GET /wrong" in fault(lambda: client.get("/wrong"))


def typed_with_description() -> App:
    app = typed()
    app.get("/wrong", responses={200: int})(lambda ctx: "text")
    app.openapi(title="Books", version="1", docs=None)
    return app
