"""The OpenAPI description of an app: what it says of routes, parameters, bodies and answers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, make_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import FunctionType
from typing import Annotated, Any, Generic, Literal, TypedDict, TypeVar
from uuid import UUID

import msgspec
import pytest
from openapi_spec_validator import validate
from pydantic import BaseModel, ConfigDict, Field, computed_field, create_model

from anylane import (
    App,
    Context,
    Cookie,
    Depends,
    File,
    Form,
    Header,
    HTTPError,
    JsonBody,
    Query,
    Response,
    RouteError,
    Router,
    Status,
    Upload,
    UsageError,
)
from anylane.middleware import CSRF, BasicAuth, BearerAuth, ETags, JWTAuth, RateLimit
from anylane.openapi.texts import DURATION
from anylane.realtime.event_stream import EventStream
from anylane.testing import TestClient


def described(app: App, **info: Any) -> dict[str, Any]:
    """The document of an app, as a client gets it. It is valid."""
    app.openapi(title="things", version="1", **info)
    with TestClient(app) as client:
        answer = client.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    document: dict[str, Any] = answer.json()
    validate(document)
    return document


def operation(app: App, path: str, method: str = "get") -> dict[str, Any]:
    found: dict[str, Any] = described(app)["paths"][path][method]
    return found


def schemas_of(app: App, path: str, method: str = "get") -> dict[str, Any]:
    """The schema of each parameter of an operation, by name."""
    return {each["name"]: each["schema"] for each in operation(app, path, method)["parameters"]}


@dataclass
class NewUser:
    """A user that is to be made."""

    name: str
    age: int = 0
    tags: list[str] = field(default_factory=list)


@dataclass
class User(NewUser):
    id: int = 0


class Movie(TypedDict):
    title: str
    year: int


class Point(msgspec.Struct):
    x: int
    y: Annotated[int, msgspec.Meta(ge=0)] = 0


class Pet(BaseModel):
    name: str = Field(min_length=1)
    owner: str | None = None


class Color(Enum):
    RED = "red"
    BLUE = "blue"


# -- the document


def test_the_document_says_what_it_was_told() -> None:
    app = App()
    app.get("/b", tags=["second"])(lambda ctx: None)
    app.get("/a", tags=["first", "other"])(lambda ctx: None)
    document = described(
        app, description="All of *it*.", tags={"first": "The first."}, servers=["https://a.example"]
    )
    assert document["openapi"] == "3.1.1"
    assert document["info"] == {"title": "things", "version": "1", "description": "All of *it*."}
    assert document["servers"] == [{"url": "https://a.example"}]
    assert document["tags"] == [
        {"name": "first", "description": "The first."},
        {"name": "second"},
        {"name": "other"},
    ]
    assert list(document["paths"]) == ["/b", "/a"]


def test_its_own_routes_are_not_in_it_nor_those_that_are_hidden() -> None:
    app = App()
    app.get("/hidden", include_in_schema=False)(lambda ctx: None)
    assert described(app)["paths"] == {}


def test_an_app_has_one_description() -> None:
    app = App()
    app.openapi(title="a", version="1")
    with pytest.raises(UsageError, match=r"app.openapi\(\) was called before"):
        app.openapi(title="b", version="1")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"title": ""}, "title of app.openapi() is ''; expected a str"),
        ({"version": 1}, "version of app.openapi() is 1; expected a str"),
        ({"servers": "https://a"}, "servers is 'https://a'; write ['https://a']"),
        ({"tags": ["a"]}, "tags of app.openapi() is ['a']; expected a mapping"),
    ],
)
def test_wrong_info_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        App().openapi(**{"title": "a", "version": "1", **wrong})
    assert message in str(caught.value)


def test_a_mounted_app_describes_itself_below_its_prefix() -> None:
    inner, outer = App(), App()
    inner.get("/users")(lambda ctx: None)
    inner.openapi(title="inner", version="2")
    outer.mount("/v1", inner)
    outer.openapi(title="outer", version="1")
    with TestClient(outer) as client:
        document = client.get("/v1/openapi.json").json()
        assert document["info"]["title"] == "inner"
        assert document["servers"] == [{"url": "/v1"}]
        assert list(document["paths"]) == ["/users"]
        assert list(client.get("/openapi.json").json()["paths"]) == ["/v1/users"]


# -- operations


def test_a_docstring_is_summary_and_description() -> None:
    app = App()

    @app.get("/users/{id:int}")
    async def show(id: int) -> User:
        """Show one
        user.

        With *all* of it.

            indented
        """
        raise HTTPError(404)

    found = operation(app, "/users/{id}")
    assert found["operationId"] == "show"
    assert found["summary"] == "Show one user"
    assert found["description"] == "With *all* of it.\n\n    indented"


def test_what_a_decorator_says_comes_first() -> None:
    app = App()

    @app.get("/", summary="S", description="D", deprecated=True, operation_id="home", tags=["t"])
    async def index() -> None:
        """Not this."""

    found = operation(app, "/")
    assert (found["summary"], found["description"], found["deprecated"]) == ("S", "D", True)
    assert (found["operationId"], found["tags"]) == ("home", ["t"])


def test_tags_of_routers_stand_in_front() -> None:
    app, outer, inner = App(), Router("/o", tags=["outer"]), Router("/i", tags=["inner", "own"])
    inner.get("/x", tags=["own"])(lambda ctx: None)
    outer.include(inner)
    app.include(outer)
    assert operation(app, "/o/i/x")["tags"] == ["outer", "inner", "own"]


def test_a_router_may_leave_its_routes_out() -> None:
    app, pages, below, api = App(), Router(include_in_schema=False), Router("/b"), Router("/api")
    pages.get("/")(lambda ctx: None)
    below.get("/x", include_in_schema=True)(lambda ctx: None)
    api.get("/x", tags=["t"])(lambda ctx: None)
    pages.include(below)
    app.include(pages)
    app.include(api)
    assert [*described(app)["paths"]] == ["/api/x"]


def test_operation_ids_are_unique_and_stay() -> None:
    app = App()

    def handler(ctx: Any) -> None: ...

    app.get("/a")(handler)
    app.get("/b/{id}")(handler)
    app.post("/b/{id}")(handler)
    app.route("/c", ["GET", "PUT"], name="both")(handler)
    app.get("/d", operation_id="handler_get_a")(handler)
    paths = described(app)["paths"]
    ids = {
        (path, method): each["operationId"]
        for path, item in paths.items()
        for method, each in item.items()
    }
    assert ids == {
        ("/a", "get"): "handler",
        ("/b/{id}", "get"): "handler_get_b_id",
        ("/b/{id}", "post"): "handler_post_b_id",
        ("/c", "get"): "both_get",
        ("/c", "put"): "both_put",
        ("/d", "get"): "handler_get_a",
    }


def test_an_operation_id_is_given_once() -> None:
    app = App()
    app.get("/a", operation_id="x")(lambda ctx: None)
    app.get("/b", operation_id="x")(lambda ctx: None)
    app.openapi(title="a", version="1")
    with pytest.raises(UsageError, match=r"operation_id 'x' of .* is that of .* already"):
        TestClient(app).__enter__()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"tags": "users"}, "tags of '/' is 'users'; write ['users']"),
        ({"tags": [1]}, "tags of '/' has 1; expected texts"),
        ({"tags": 1}, "tags of '/' is 1; expected a list of texts"),
        ({"summary": 1}, "summary of '/' is 1; expected a str"),
        ({"deprecated": 1}, "deprecated of '/' is 1; expected True or False"),
        ({"responses": [404]}, "responses of '/' is [404]; expected a mapping"),
        ({"responses": {"404": "x"}}, "has the status '404'; expected an int from 100 to 599"),
        ({"responses": {404: {"model": 1}}}, "for 404; expected a text that says when it comes"),
    ],
)
def test_wrong_options_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(RouteError) as caught:
        App().get("/", **wrong)
    assert message in str(caught.value)


def test_unknown_options_are_refused() -> None:
    with pytest.raises(TypeError, match="unknown option 'response_model'; the annotation"):
        App().get("/", response_model=int)  # type: ignore[call-arg]


# -- paths


def test_patterns_are_templates() -> None:
    app = App()
    app.get(r"/a b/{id:int}/{x:float}/{k:uuid}/{name}/{code:[a-z]+}/{rest:path}")(lambda ctx: None)
    app.get(r"/v{major:int}.{minor:int}/{odd:(?P<x>a)+}")(lambda ctx: None)
    document = described(app)
    first, second = document["paths"]
    assert first == "/a%20b/{id}/{x}/{k}/{name}/{code}/{rest}"
    assert second == "/v{major}.{minor}/{odd}"
    found = document["paths"][first]["get"]["parameters"]
    assert [(each["name"], each["schema"]) for each in found] == [
        ("id", {"type": "integer", "minimum": 0}),
        ("x", {"type": "number", "minimum": 0}),
        ("k", {"type": "string", "format": "uuid"}),
        ("name", {"type": "string", "minLength": 1}),
        ("code", {"type": "string", "pattern": "^(?:[a-z]+)$"}),
        ("rest", {"type": "string"}),
    ]
    assert all(each["required"] and each["in"] == "path" for each in found)
    assert found[-1]["description"] == "The rest of the path, slashes included."
    odd = document["paths"][second]["get"]["parameters"][-1]
    assert odd["schema"] == {"type": "string"}
    assert odd["description"] == "It has to match '(?P<x>a)+', as in Python."


def test_one_path_has_one_entry_whatever_its_parameters_are_called() -> None:
    app = App()

    @app.get("/users/{name}")
    async def by_name(name: str) -> NewUser:
        raise HTTPError(404)

    @app.get("/users/{id:int}", responses={410: "It is gone."})
    async def by_id(id: int) -> User:
        """Show a user."""
        raise HTTPError(404)

    @app.put("/users/{user:[a-z]+}")
    async def replace(user: str) -> None: ...

    paths = described(app)["paths"]
    assert list(paths) == ["/users/{id}"]
    get, put = paths["/users/{id}"]["get"], paths["/users/{id}"]["put"]
    assert get["operationId"] == "by_id"
    assert get["description"] == "`/users/{name}`: by_name"
    assert "410" in get["responses"]
    assert [each["name"] for each in put["parameters"]] == ["id"]


def test_methods_that_have_no_place_are_in_an_extension() -> None:
    app = App()
    app.route("/dav", ["PROPFIND", "TRACE"])(lambda ctx: None)
    item = described(app)["paths"]["/dav"]
    assert item.keys() == {"trace", "x-oai-additionalOperations"}
    assert item["x-oai-additionalOperations"].keys() == {"PROPFIND"}


def test_hosts_are_servers() -> None:
    app, api = App(), Router(host="api.example.com")
    api.get("/x")(lambda ctx: None)
    app.include(api)
    assert operation(app, "/x")["servers"] == [{"url": "//api.example.com"}]


def test_mounted_directories_are_no_operations(tmp_path: Any) -> None:
    from anylane.contrib import StaticFiles

    app = App()
    app.mount("/static", StaticFiles(tmp_path))
    assert described(app)["paths"] == {}


# -- parameters


def test_scalars_have_schemas() -> None:
    app = App()

    @app.get("/")
    async def index(  # noqa: PLR0917
        a: int,
        b: float,
        c: bool,
        d: str,
        e: UUID,
        f: datetime,
        g: date,
        h: time,
        i: timedelta,
        j: Decimal,
        k: Color,
        m: Literal[1, 2],
        n: int | bool,
        o: list[int],
        p: tuple[int, str],
        q: set[Color],
        r: int | None = None,
        s: Color = Color.BLUE,
        t: date = date(2026, 11, 30),
    ) -> None: ...

    assert schemas_of(app, "/") == {
        "a": {"type": "integer"},
        "b": {"type": "number"},
        "c": {"type": "boolean"},
        "d": {"type": "string"},
        "e": {"type": "string", "format": "uuid"},
        "f": {"type": "string", "format": "date-time"},
        "g": {"type": "string", "format": "date"},
        "h": {"type": "string", "format": "time"},
        "i": {"type": "string", "pattern": DURATION},
        "j": {"type": "number"},
        "k": {"type": "string", "enum": ["red", "blue"]},
        "m": {"type": "integer", "enum": [1, 2]},
        "n": {"anyOf": [{"type": "integer"}, {"type": "boolean"}]},
        "o": {"type": "array", "items": {"type": "integer"}},
        "p": {
            "type": "array",
            "prefixItems": [{"type": "integer"}, {"type": "string"}],
            "items": False,
            "minItems": 2,
            "maxItems": 2,
        },
        "q": {"type": "array", "items": {"type": "string", "enum": ["red", "blue"]}},
        "r": {"type": "integer"},
        "s": {"type": "string", "enum": ["red", "blue"], "default": "blue"},
        "t": {"type": "string", "format": "date", "default": "2026-11-30"},
    }


def test_bounds_descriptions_and_examples_are_said() -> None:
    app = App()

    @app.get("/{size:int}")
    async def index(  # noqa: PLR0917
        size: Annotated[int, Query(le=9)] = 3,
        tag: Annotated[list[str], Query("t", min_length=1, max_length=2)] = [],  # noqa: B006
        name: Annotated[
            str, Query(pattern="^a", min_length=2, description="its name", examples=["abc"])
        ] = "aa",
        step: Annotated[float, Query(gt=0, lt=1, multiple_of=0.1)] = 0.5,
        meta: Annotated[int, msgspec.Meta(ge=1, description="a page")] = 1,
        other: Annotated[int, Field(ge=2)] = 2,
    ) -> None: ...

    found = {
        each["name"]: each
        for each in operation(app, "/{size}")["parameters"]
        if each["in"] == "query"
    }
    assert found["size"]["schema"] == {"type": "integer", "maximum": 9, "default": 3}
    assert found["t"]["schema"] == {
        "type": "array",
        "items": {"type": "string"},
        "minItems": 1,
        "maxItems": 2,
    }
    assert found["name"]["description"] == "its name"
    assert found["name"]["schema"] == {
        "type": "string",
        "pattern": "^a",
        "minLength": 2,
        "default": "aa",
        "examples": ["abc"],
    }
    assert found["step"]["schema"] == {
        "type": "number",
        "exclusiveMinimum": 0,
        "exclusiveMaximum": 1,
        "multipleOf": 0.1,
        "default": 0.5,
    }
    assert found["meta"]["description"] == "a page"
    assert found["other"]["schema"]["minimum"] == 2


def test_headers_and_cookies_are_parameters_and_those_of_dependencies() -> None:
    app = App()

    async def page(page: int = 1, size: Annotated[int, Query(le=100)] = 10) -> int:
        return page * size

    @app.get("/")
    async def index(
        offset: Annotated[int, Depends(page)],
        user_agent: Annotated[str, Header()],
        accept: Annotated[str, Header()],
        sid: Annotated[str | None, Cookie()] = None,
    ) -> None: ...

    found = operation(app, "/")["parameters"]
    assert [(each["in"], each["name"], each["required"]) for each in found] == [
        ("header", "user-agent", True),
        ("cookie", "sid", False),
        ("query", "page", False),
        ("query", "size", False),
    ]


def test_bounds_are_numbers_and_those_that_are_none_are_left_out() -> None:
    app = App()

    @app.get("/x")
    async def x(
        price: Annotated[Decimal, Field(ge=Decimal("0.5"), le=Decimal(2))],
        day: Annotated[date, Field(gt=date(2026, 1, 1))],
    ) -> None: ...

    assert schemas_of(app, "/x") == {
        "price": {"type": "number", "minimum": 0.5, "maximum": 2},
        "day": {"type": "string", "format": "date"},
    }


# -- bodies


@pytest.mark.parametrize("kind", [NewUser, Movie, Point, Pet])
def test_models_are_components(kind: Any) -> None:
    app = App()

    async def create(new: Any) -> None: ...

    create.__annotations__["new"] = kind
    app.post("/")(create)
    document = described(app)
    name = kind.__name__
    assert document["paths"]["/"]["post"]["requestBody"] == {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}},
    }
    component = document["components"]["schemas"][name]
    assert component["type"] == "object"
    assert component["properties"].keys() == kind.__annotations__.keys()


def test_models_say_what_they_are() -> None:
    app = App()

    @app.post("/")
    async def create(new: NewUser) -> None: ...

    @app.put("/")
    async def move(at: Point) -> None: ...

    @app.patch("/")
    async def pet(pet: Pet) -> None: ...

    found = described(app)["components"]["schemas"]
    assert found["NewUser"]["description"] == "A user that is to be made."
    assert found["NewUser"]["required"] == ["name"]
    assert found["NewUser"]["properties"]["age"] == {"type": "integer", "default": 0}
    assert found["Point"]["properties"]["y"] == {"type": "integer", "minimum": 0, "default": 0}
    assert found["Pet"]["properties"]["name"]["minLength"] == 1


def test_bodies_need_not_be_models() -> None:
    app = App()

    @app.post("/dict")
    async def anything(data: dict) -> None: ...  # type: ignore[type-arg]

    @app.post("/list")
    async def users(
        users: Annotated[
            list[NewUser], JsonBody(min_length=1, description="All of them.", examples=[[]])
        ],
    ) -> None: ...

    @app.post("/optional")
    async def optional(user: NewUser | None = None) -> None: ...

    @app.post("/number")
    async def number(number: Annotated[int, JsonBody(ge=1)]) -> None: ...

    paths = described(app)["paths"]

    def body(path: str) -> Any:
        return paths[path]["post"]["requestBody"]

    def schema(path: str) -> Any:
        return body(path)["content"]["application/json"]["schema"]

    assert schema("/dict") == {"type": "object"}
    assert body("/list")["description"] == "All of them."
    assert schema("/list") == {
        "allOf": [{"type": "array", "items": {"$ref": "#/components/schemas/NewUser"}}],
        "minItems": 1,
        "examples": [[]],
    }
    assert body("/optional")["required"] is False
    assert schema("/optional") == {
        "anyOf": [{"$ref": "#/components/schemas/NewUser"}, {"type": "null"}]
    }
    assert schema("/number") == {"allOf": [{"type": "integer"}], "minimum": 1}


def test_forms_and_files() -> None:
    app = App()

    @app.post("/fields")
    async def fields(
        name: Annotated[str, Form(min_length=1, description="who")],
        tags: Annotated[list[str], Form("tag")] = [],  # noqa: B006
    ) -> None: ...

    @app.post("/model")
    async def model(user: Annotated[NewUser, Form()]) -> None: ...

    @app.post("/files")
    async def files(
        one: Upload,
        more: Annotated[list[Upload], File("more")] = [],  # noqa: B006
    ) -> None: ...

    paths = described(app)["paths"]
    content = paths["/fields"]["post"]["requestBody"]["content"]
    assert list(content) == ["application/x-www-form-urlencoded", "multipart/form-data"]
    assert content["multipart/form-data"]["schema"] == {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1, "description": "who"},
            "tag": {"type": "array", "items": {"type": "string"}, "default": []},
        },
        "required": ["name"],
    }
    content = paths["/model"]["post"]["requestBody"]["content"]
    assert content["multipart/form-data"]["schema"] == {"$ref": "#/components/schemas/NewUser"}
    content = paths["/files"]["post"]["requestBody"]["content"]
    assert list(content) == ["multipart/form-data"]
    file = {
        "type": "string", "format": "binary", "contentMediaType": "application/octet-stream",
    }  # fmt: skip
    found = content["multipart/form-data"]["schema"]
    assert found["properties"]["one"] == file
    assert found["properties"]["more"] == {"type": "array", "items": file, "default": []}


def test_classes_of_one_name_are_told_apart() -> None:
    app = App()

    def first() -> Any:
        @dataclass
        class Item:
            a: int

        return Item

    class Item(BaseModel):
        b: int

    class ProblemDetails(TypedDict):
        mine: int

    for number, kind in enumerate((first(), Item, ProblemDetails)):

        async def create(new: Any) -> None: ...

        create.__annotations__["new"] = kind
        app.post(f"/{number}")(create)
    document = described(app)

    def properties(number: int) -> Any:
        content = document["paths"][f"/{number}"]["post"]["requestBody"]["content"]
        place = content["application/json"]["schema"]["$ref"].removeprefix("#/components/schemas/")
        return document["components"]["schemas"][place]["properties"].keys()

    assert [*map(properties, range(3))] == [{"a"}, {"b"}, {"mine"}]
    ours = document["components"]["schemas"]["ProblemDetails"]
    assert ours["required"] == ["title", "status"]


def test_models_of_both_libraries_are_described_in_each_other() -> None:
    @dataclass
    class Home:
        pets: list[Pet]
        at: Point

    app = App()

    @app.post("/")
    async def create(home: Home) -> None: ...

    found = described(app)["components"]["schemas"]
    assert found["Home"]["properties"]["pets"]["items"] == {"$ref": "#/components/schemas/Pet"}
    assert found["Home"]["properties"]["at"] == {"$ref": "#/components/schemas/Point"}
    body = {"pets": [{"name": "Rex"}], "at": {"x": 1}}
    with TestClient(app) as client:
        assert client.post("/", json=body).status == 204


def test_a_type_without_a_form_in_json_is_named() -> None:
    class Odd(BaseModel):
        model_config = {"arbitrary_types_allowed": True}
        app: App

    app = App()

    @app.post("/odd")
    async def odd(odd: Odd) -> None: ...

    app.openapi(title="a", version="1")
    with pytest.raises(UsageError, match=r"the body of .*odd .* that JSON Schema cannot describe"):
        TestClient(app).__enter__()


# -- answers of the framework


def statuses(app: App, path: str, method: str = "get") -> set[str]:
    return set(operation(app, path, method)["responses"])


def test_a_plain_route_has_no_refusals() -> None:
    app = App()
    app.get("/")(lambda ctx: None)
    assert statuses(app, "/") == {"200"}


def test_refusals_are_those_that_a_request_can_get() -> None:
    app = App()

    @app.put("/{id:int}", responses={409: "The name is taken.", 410: NewUser})
    async def put(id: int, new: NewUser) -> User:
        raise HTTPError(404)

    found = operation(app, "/{id}", "put")["responses"]
    assert list(found) == ["200", "400", "404", "409", "410", "413", "415", "422"]
    problem = {"$ref": "#/components/schemas/ProblemDetails"}
    assert found["409"]["description"] == "The name is taken."
    assert found["409"]["content"]["application/problem+json"]["schema"] == problem
    assert found["410"]["description"] == "A user that is to be made."
    assert found["410"]["content"] == {
        "application/json": {"schema": {"$ref": "#/components/schemas/NewUser"}}
    }


def test_a_query_that_is_any_text_cannot_be_wrong() -> None:
    app = App()

    @app.get("/")
    async def index(a: str = "", b: str | None = None) -> str:
        return "a"

    @app.get("/needed")
    async def needed(a: str) -> str:
        return a

    found = described(app)["paths"]
    assert found["/"]["get"]["responses"].keys() == {"200", "400"}
    assert found["/needed"]["get"]["responses"].keys() == {"200", "400", "422"}


@pytest.mark.parametrize(
    ("errors", "kinds"),
    [
        ("auto", ["application/problem+json", "text/plain"]),
        ("json", ["application/problem+json"]),
        ("text", ["text/plain"]),
    ],
)
def test_refusals_are_written_as_the_router_says(errors: Any, kinds: list[str]) -> None:
    app, router = App(), Router(errors=errors)
    router.get("/{id:int}")(lambda ctx: None)
    app.include(router)
    responses = described(app)["components"]["responses"]
    assert list(responses["NotFound"]["content"]) == kinds


def test_parts_say_what_they_add() -> None:
    app, router = App(), Router("/r")
    router.use(RateLimit("10/minute"))
    router.use(CSRF())
    router.use(ETags())

    @router.get("/")
    async def index() -> dict[str, int]:
        raise HTTPError(404)

    @router.post("/")
    async def post() -> None: ...

    app.include(router)
    document = described(app)
    found = document["paths"]["/r/"]
    assert found["get"]["responses"].keys() == {"200", "304", "429"}
    assert found["post"]["responses"].keys() == {"204", "403", "429"}
    assert "Retry-After" in document["components"]["responses"]["TooManyRequests"]["headers"]
    assert "content" not in document["components"]["responses"]["NotModified"]


def test_a_part_of_the_user_says_so_too() -> None:
    from anylane.middleware import PartDocumentation

    class Closed:
        def request(self, ctx: Any) -> None: ...

        def documentation(self, method: str) -> PartDocumentation:
            return PartDocumentation(responses={451: f"No {method} here."})

    app = App()
    app.get("/", middleware=[Closed()])(lambda ctx: None)
    assert described(app)["components"]["responses"]["UnavailableForLegalReasons"][
        "description"
    ] == "No GET here."  # fmt: skip


# -- credentials


def verify(token: str) -> str:
    return token


def test_credentials_are_security_schemes() -> None:
    app = App()
    bearer = BearerAuth(verify, inline=True)
    app.get("/bearer", middleware=[bearer])(lambda ctx: None)
    app.get("/jwt", middleware=[JWTAuth("x" * 32)])(lambda ctx: None)
    app.get("/basic", middleware=[BasicAuth(lambda name, password: True)])(lambda ctx: None)
    app.get("/maybe", middleware=[BearerAuth(verify, inline=True, optional=True)])(lambda ctx: None)
    app.get("/two", middleware=[bearer, BasicAuth(lambda name, password: True)])(lambda ctx: None)
    app.get("/open")(lambda ctx: None)
    document = described(app)
    assert document["components"]["securitySchemes"] == {
        "BearerAuth": {"type": "http", "scheme": "bearer"},
        "JWTAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "BasicAuth": {"type": "http", "scheme": "basic"},
    }
    found = {path: item["get"].get("security") for path, item in document["paths"].items()}
    assert found == {
        "/bearer": [{"BearerAuth": []}],
        "/jwt": [{"JWTAuth": []}],
        "/basic": [{"BasicAuth": []}],
        "/maybe": [{"BearerAuth": []}, {}],
        "/two": [{"BearerAuth": [], "BasicAuth": []}],
        "/open": None,
    }
    assert document["paths"]["/basic"]["get"]["responses"].keys() == {"200", "401", "403"}
    assert "400" in document["paths"]["/bearer"]["get"]["responses"]


# -- streams


def test_websockets_are_described_as_far_as_it_goes() -> None:
    app = App()

    @app.websocket("/chat/{room}", ["chat"], origins=["same-origin"], tags=["live"])
    async def chat(ctx: Any, room: str, since: int = 0) -> None:
        """Talk in a room."""

    found = operation(app, "/chat/{room}")
    assert found["x-websocket"] == {"subprotocols": ["chat"]}
    assert found["summary"] == "Talk in a room"
    assert list(found["responses"]) == ["101", "400", "403", "404", "422", "426"]
    assert [each["name"] for each in found["parameters"]] == [
        "room",
        "Connection",
        "Upgrade",
        "Sec-WebSocket-Version",
        "Sec-WebSocket-Key",
        "since",
    ]


# -- answers


@dataclass
class Missing:
    """There is no such thing."""

    id: int


def test_answers_are_those_of_the_annotation() -> None:
    app = App()

    @app.get("/user")
    async def user() -> User | Annotated[Missing, Status(404)]:
        return Missing(1)

    @app.post("/users", status=201)
    async def create() -> Response[User]:
        return Response(User("a"))

    @app.get("/either")
    async def either() -> User | Missing | None:
        return None

    @app.get("/text")
    async def text() -> str:
        return "a"

    @app.get("/bytes")
    async def data() -> bytes:
        return b"a"

    @app.get("/table")
    async def table(ctx: Context) -> dict[str, list[int]]:
        return {}

    @app.get("/lines")
    async def lines() -> AsyncIterator[User]:
        yield User("a")

    @app.delete("/user")
    async def delete() -> None: ...

    @app.put("/user")
    async def put() -> Annotated[User, Status(202, "It is on its way.")]:
        return User("a")

    @app.get("/anything")
    async def anything(ctx: Context) -> Response:
        return Response(status=299)

    @app.get("/problem")
    async def problem() -> Annotated[HTTPError, Status(402)] | Literal["a", "b"]:
        raise HTTPError(402)

    paths = described(app)["paths"]

    def answers(path: str, method: str = "get") -> dict[str, Any]:
        return {
            status: {kind: each["schema"] for kind, each in answer.get("content", {}).items()}
            for status, answer in paths[path][method]["responses"].items()
        }

    ref = {"$ref": "#/components/schemas/User"}
    assert answers("/user") == {
        "200": {"application/json": ref},
        "404": {"application/json": {"$ref": "#/components/schemas/Missing"}},
    }
    assert answers("/users", "post") == {"201": {"application/json": ref}}
    assert answers("/either") == {
        "200": {"application/json": {"anyOf": [ref, {"$ref": "#/components/schemas/Missing"}]}},
        "204": {},
    }
    assert answers("/text") == {"200": {"text/plain; charset=utf-8": {"type": "string"}}}
    binary = {"type": "string", "format": "binary"}
    assert answers("/bytes") == {"200": {"application/octet-stream": binary}}
    assert answers("/table") == {
        "200": {
            "application/json": {
                "type": "object",
                "additionalProperties": {"type": "array", "items": {"type": "integer"}},
            }
        }
    }
    assert answers("/lines") == {"200": {"application/jsonl": ref}}
    assert answers("/user", "delete") == {"204": {}}
    assert answers("/user", "put") == {"202": {"application/json": ref}}
    assert paths["/user"]["put"]["responses"]["202"]["description"] == "It is on its way."
    assert answers("/anything") == {"200": {}}
    assert answers("/problem")["402"].keys() == {"application/problem+json", "text/plain"}


def test_given_responses_say_more() -> None:
    app = App()

    @app.get("/", responses={200: "All is well.", 404: Annotated[Missing, "It is gone."]})
    async def index() -> User:
        return User("a")

    @app.get("/events", responses={200: EventStream})
    async def events(ctx: Context) -> None:
        async with ctx.event_stream():
            pass

    @app.get("/accepted", responses={202: None})
    async def accepted(ctx: Context) -> None: ...

    paths = described(app)["paths"]
    found = paths["/"]["get"]["responses"]
    assert found["200"]["description"] == "All is well."
    assert "application/json" in found["200"]["content"]
    assert found["404"]["description"] == "It is gone."
    assert "application/json" in found["404"]["content"]
    assert paths["/events"]["get"]["responses"]["200"]["content"] == {
        "text/event-stream": {"schema": {}}
    }
    assert paths["/accepted"]["get"]["responses"].keys() == {"202"}


# -- routes of one method and path, models that differ


def test_routes_of_one_method_and_path_are_one_operation() -> None:
    app = App()

    @app.get("/{a}", when=lambda ctx: False)
    async def first(a: str, q: int, both: int) -> User:
        raise HTTPError(404)

    @app.get("/{a}")
    async def second(a: str, r: int, both: int) -> Missing:
        """Do it otherwise."""
        raise HTTPError(404)

    found = operation(app, "/{a}")
    assert found["operationId"] == "first"
    assert found["description"] == "`/{a}`: Do it otherwise"
    assert [(each["name"], each["required"]) for each in found["parameters"]] == [
        ("a", True),
        ("q", False),
        ("both", True),
        ("r", False),
    ]
    assert found["responses"]["200"]["content"]["application/json"]["schema"] == {
        "anyOf": [{"$ref": "#/components/schemas/User"}, {"$ref": "#/components/schemas/Missing"}]
    }
    assert "405" in found["responses"]


class Square(BaseModel):
    side: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def area(self) -> int:
        """How large it is."""
        return self.side**2


def test_a_model_that_is_sent_otherwise_than_it_is_read_has_two_components() -> None:
    app = App()

    @app.post("/")
    async def square(square: Square) -> Square:
        return square

    found = described(app)
    schemas = found["components"]["schemas"]
    assert schemas["Square-Input"]["properties"].keys() == {"side"}
    assert schemas["Square-Output"]["properties"].keys() == {"side", "area"}
    assert TestClient(app).post("/", json={"side": 3}).json() == {"side": 3, "area": 9}


@dataclass
class Node:
    """One of a tree."""

    value: int
    children: list[Node] = field(default_factory=list)


Kind = TypeVar("Kind")


@dataclass
class Paged(Generic[Kind]):
    items: list[Kind]


def test_models_may_name_themselves_and_be_generic() -> None:
    app = App()

    @app.put("/")
    async def put(node: Node) -> Paged[Node]:
        return Paged([node])

    schemas = described(app)["components"]["schemas"]
    reference = {"$ref": "#/components/schemas/Node"}
    assert schemas["Node"]["properties"]["children"]["items"] == reference
    assert schemas["Paged_Node_"]["properties"]["items"]["items"] == reference
    assert TestClient(app).put("/", json={"value": 1}).json() == {
        "items": [{"value": 1, "children": []}]
    }


def test_operations_share_nothing_that_is_changed() -> None:
    app = App()

    @app.get("/one")
    async def page() -> str:
        return "a"

    @app.websocket("/one")
    async def one(ctx: Context) -> None: ...

    @app.websocket("/two")
    async def two(ctx: Context) -> None: ...

    paths = described(app)["paths"]
    needed = {
        path: [each["required"] for each in paths[path]["get"]["parameters"]] for path in paths
    }
    assert needed == {"/one": [False] * 4, "/two": [True] * 4}


# -- corner cases


def test_a_body_without_a_default_is_required_though_it_may_be_null() -> None:
    app = App()

    @app.post("/")
    async def create(user: NewUser | None) -> None: ...

    assert operation(app, "/", "post")["requestBody"]["required"] is True
    assert TestClient(app).post("/").status == 400
    null: Any = {"content": "null", "headers": {"content-type": "application/json"}}
    assert TestClient(app).post("/", **null).status == 204


def test_joined_operations_have_the_bodies_of_both() -> None:
    app = App()

    @app.post("/second", when=lambda ctx: False)
    async def without() -> None: ...

    @app.post("/second")
    async def with_one(new: NewUser) -> None: ...

    @app.post("/both", when=lambda ctx: False)
    async def point(new: Point) -> None: ...

    @app.post("/both")
    async def user(new: NewUser) -> None: ...

    @app.post("/form", when=lambda ctx: False)
    async def form(name: Annotated[str, Form()]) -> None: ...

    @app.post("/form")
    async def pet(new: Pet) -> None: ...

    paths = described(app)["paths"]

    def body(path: str) -> Any:
        return paths[path]["post"]["requestBody"]

    reference = "#/components/schemas/"
    assert body("/second") == {
        "required": False,
        "content": {"application/json": {"schema": {"$ref": reference + "NewUser"}}},
    }
    assert body("/both") == {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [{"$ref": reference + "Point"}, {"$ref": reference + "NewUser"}]
                }
            }
        },
    }
    assert body("/form")["content"].keys() == {
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/json",
    }


def test_joined_operations_have_the_credentials_of_either() -> None:
    app = App()
    bearer = BearerAuth(lambda token: token or None)
    basic = BasicAuth(lambda name, password: name)

    for path, first, second in (
        ("/none", [bearer], []),
        ("/two", [bearer], [basic]),
        ("/same", [bearer], [bearer]),
        ("/late", [], [bearer]),
    ):
        app.get(path, when=lambda ctx: False, middleware=first, name=f"a{path[1:]}")(hello)
        app.get(path, middleware=second, name=f"b{path[1:]}")(hello)

    paths = described(app)["paths"]
    assert {path: each["get"]["security"] for path, each in paths.items()} == {
        "/none": [{"BearerAuth": []}, {}],
        "/two": [{"BearerAuth": []}, {"BasicAuth": []}],
        "/same": [{"BearerAuth": []}],
        "/late": [{"BearerAuth": []}, {}],
    }


async def hello() -> str:
    return "hello"


def test_joined_operations_have_the_values_of_either() -> None:
    app = App()

    @app.get("/{id:int}")
    async def by_id(
        id: int, q: int, w: int | bool, n: Annotated[str, Header("X-N")], d: int | bool = 1
    ) -> str:
        return "id"

    @app.get("/{name}")
    async def by_name(
        name: str, q: bool, w: str, d: str, n: Annotated[str, Header("x-n")] = ""
    ) -> str:
        return "name"

    @app.get("/{word:[a-z]+}")
    async def by_word(word: str, q: bool) -> str:
        return "word"

    parameters = operation(app, "/{id}")["parameters"]
    assert [(each["in"], each["name"].lower(), each["required"]) for each in parameters] == [
        ("path", "id", True),
        ("query", "q", True),
        ("query", "w", False),
        ("header", "x-n", False),
        ("query", "d", False),
    ]
    found = {each["name"]: each["schema"] for each in parameters}
    number = {"anyOf": [{"type": "integer"}, {"type": "boolean"}], "default": 1}
    assert found["d"] == {"anyOf": [number, {"type": "string"}]}
    assert found["id"] == {
        "anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": "^(?:[a-z]+)$"},
            {"type": "string", "minLength": 1},
        ]
    }
    assert found["q"] == {"anyOf": [{"type": "integer"}, {"type": "boolean"}]}
    assert found["w"] == {"anyOf": [{"type": "integer"}, {"type": "boolean"}, {"type": "string"}]}


def test_a_parameter_that_is_read_twice_is_what_both_say() -> None:
    app = App()

    async def needs(
        k: int,
        low: Annotated[int, Query(ge=1)],
        token: Annotated[str, Header("X-Token")],
        same: int = 1,
    ) -> int:
        return k

    @app.get("/")
    async def index(
        n: Annotated[int, Depends(needs)],
        k: str = "d",
        low: Annotated[int, Query(le=9)] = 2,
        token: Annotated[str, Header("x-token", description="Ours.")] = "",
        same: int = 1,
    ) -> str:
        return k

    found = operation(app, "/")["parameters"]
    assert [(each["name"].lower(), each["required"]) for each in found] == [
        ("k", True),
        ("low", True),
        ("x-token", True),
        ("same", False),
    ]
    schemas = {each["name"].lower(): each["schema"] for each in found}
    assert schemas == {
        "k": {"type": "integer"},
        "low": {
            "allOf": [{"type": "integer", "maximum": 9}, {"type": "integer", "minimum": 1}],
        },
        "same": {"type": "integer", "default": 1},
        "x-token": {"type": "string"},
    }
    assert found[2]["description"] == "Ours."
    client = TestClient(app)
    assert client.get("/?low=2", headers={"x-token": "a"}).status == 422
    assert client.get("/?low=2&k=1", headers={"x-token": "a"}).status == 200


def test_a_field_that_is_read_twice_is_what_both_say() -> None:
    app = App()

    async def needs(k: Annotated[int, Form()]) -> int:
        return k

    @app.post("/")
    async def index(n: Annotated[int, Depends(needs)], k: Annotated[str, Form()] = "d") -> str:
        return k

    content = operation(app, "/", "post")["requestBody"]["content"]
    assert content["multipart/form-data"]["schema"] == {
        "type": "object",
        "properties": {"k": {"type": "integer"}},
        "required": ["k"],
    }


def test_durations_may_be_negative() -> None:
    app = App()

    @app.get("/")
    async def index(d: timedelta = timedelta(seconds=-5)) -> str:
        return str(d.total_seconds())

    schema = schemas_of(app, "/")["d"]
    assert schema == {"type": "string", "pattern": DURATION, "default": "-PT5S"}
    client = TestClient(app)
    for text in ("P1D", "-P1D", "P2W", "PT1H2M3.5S", "-PT5S"):
        assert re.search(DURATION, text) and client.get(f"/?d={text}").status == 200, text
    for text in ("", "P", "PT", "P1DT", "1D", "P1Y", "P1D\n", "PT1.5M", "P1234567890D"):
        assert not re.search(DURATION.replace("$", r"\Z"), text), text
        assert client.get("/", params={"d": text}).status == 422, text


class Linked(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"$ref": "hello"}]})
    default: Pet
    link: dict[str, str] = {"$ref": "abc"}
    kind: Literal["a"] = Field("a", json_schema_extra={"const": {"$ref": "x"}})


@dataclass
class Held:
    linked: Linked
    ref: Annotated[str, msgspec.Meta(extra_json_schema={"examples": [{"$ref": "#/x"}]})]


def test_references_in_values_are_left_alone() -> None:
    plain = msgspec.defstruct("Plain", [("ref", str, msgspec.field(name="$ref"))])
    app = App()

    async def take(held: Any) -> None: ...

    for number, kind in enumerate((Held, Linked, plain)):
        take = copied(take)
        take.__annotations__["held"] = kind
        app.post(f"/{number}")(take)
    app.openapi(title="things", version="1")
    # Not `described`: the validator looks for references in values, too.
    schemas = TestClient(app).get("/openapi.json").json()["components"]["schemas"]
    assert schemas["Linked"]["examples"] == [{"$ref": "hello"}]
    assert schemas["Linked"]["properties"]["link"]["default"] == {"$ref": "abc"}
    assert schemas["Linked"]["properties"]["kind"]["const"] == {"$ref": "x"}
    assert schemas["Linked"]["properties"]["default"] == {"$ref": "#/components/schemas/Pet"}
    assert schemas["Held"]["properties"]["ref"]["examples"] == [{"$ref": "#/x"}]
    assert schemas["Plain"]["properties"]["$ref"] == {"type": "string"}


def copied(func: Any) -> Any:
    """A function like another one, with annotations of its own."""
    found = FunctionType(func.__code__, func.__globals__, func.__name__)
    found.__annotations__ = dict(func.__annotations__)
    return found


def test_a_mapping_of_a_discriminator_has_the_names_of_the_components() -> None:
    class ProblemDetails(msgspec.Struct, tag="mine"):
        a: int

    class Other(msgspec.Struct, tag="other"):
        b: int

    app = App()

    async def take(data: Any) -> None: ...

    take.__annotations__["data"] = ProblemDetails | Other
    app.post("/")(take)
    document = described(app)
    content = document["paths"]["/"]["post"]["requestBody"]["content"]["application/json"]
    schema = content["schema"]
    assert schema["discriminator"]["mapping"] == {
        "mine": "#/components/schemas/ProblemDetails_2",
        "other": "#/components/schemas/Other",
    }


def test_patterns_that_only_python_has_are_told_in_words() -> None:
    app = App()

    @app.get("/")
    async def index(
        made: Annotated[str, Field(pattern=re.compile("^a$"))],
        flags: Annotated[str, Field(pattern=re.compile("^a$", re.IGNORECASE))],
        inline: Annotated[str, Query(pattern="(?i)^abc$")],
        end: Annotated[str, Query(pattern=r"^\d+\Z", description="A number.")],
    ) -> str:
        return made

    found = {each["name"]: each for each in operation(app, "/")["parameters"]}
    assert {name: each["schema"] for name, each in found.items()} == {
        "made": {"type": "string", "pattern": "^a$"},
        "flags": {
            "type": "string",
            "description": "It has to match re.compile('^a$', re.IGNORECASE), as in Python.",
        },
        "inline": {
            "type": "string",
            "description": "It has to match '(?i)^abc$', as in Python.",
        },
        "end": {
            "type": "string",
            "description": r"It has to match '^\\d+\\Z', as in Python.",
        },
    }
    assert found["end"]["description"] == "A number."


def test_servers_may_be_an_iterator() -> None:
    app = App()
    app.openapi(title="a", version="1", servers=iter(["https://a.example"]))
    client = TestClient(app)
    for _ in range(2):
        assert client.get("/openapi.json").json()["servers"] == [{"url": "https://a.example"}]


def test_a_router_is_in_the_description_or_not() -> None:
    with pytest.raises(RouteError) as caught:
        Router(include_in_schema="no")  # type: ignore[arg-type]
    assert str(caught.value) == "include_in_schema of Router is 'no'; expected True or False"


def test_classes_of_one_name_have_their_modules_in_front() -> None:
    def names(*kinds: type) -> list[str]:
        app = App()
        for number, kind in enumerate(kinds):
            take = copied(take_any)
            take.__annotations__["data"] = kind
            app.post(f"/{number}")(take)
        found = described(app)["components"]["schemas"]
        return [name for name in found if "Book" in name]

    def plain(module: str) -> type:
        kind = make_dataclass("Book", [("a", int)])
        kind.__module__ = module  # From 3.12 on `make_dataclass` sets it itself.
        return kind

    def model(module: str) -> type:
        # Those whose schemas are equal are one component.
        return create_model("Book", __module__=module, a=(str, module))

    assert names(plain("shop.books"), plain("library.books")) == [
        "library.books.Book", "shop.books.Book",
    ]  # fmt: skip
    assert names(model("shop.books"), model("library.books")) == [
        "library__books__Book", "shop__books__Book",
    ]  # fmt: skip
    assert names(plain("shop.books"), model("library.books")) == ["Book", "Book_2"]


async def take_any(data: Any) -> None: ...
