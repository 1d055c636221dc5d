"""Parameters are given what their annotations ask for, and a request learns all its faults."""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Literal, TypedDict
from uuid import UUID

import msgspec
import pydantic
import pytest

from anylane import (
    App,
    Context,
    Cookie,
    File,
    Form,
    Header,
    JsonBody,
    Path,
    Query,
    RouteError,
    Router,
    Upload,
    UsageError,
)
from anylane.json import dumps
from anylane.testing import TestClient


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Item:
    name: str
    price: float
    tags: list[str] = field(default_factory=list)


class Row(TypedDict, total=False):
    a: int


class Sized(msgspec.Struct, forbid_unknown_fields=True):
    size: Annotated[int, msgspec.Meta(ge=1)]
    items: list[Item] = []


class Deep(msgspec.Struct):
    a: Deep | list[int]


class Person(pydantic.BaseModel):
    name: str
    age: Annotated[int, pydantic.Field(ge=0)]


def client_of(handler: Callable[..., Any], path: str = "/", method: str = "GET") -> TestClient:
    app = App(errors="json")
    app.route(path, [method])(handler)
    return TestClient(app)


def faults(response: Any) -> list[tuple[str, str, str, str | None]]:
    assert response.status == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"
    return [
        (each["location"], each["field"], each["expected"], each.get("seen"))
        for each in response.json()["errors"]
    ]


def test_every_source_in_one_request() -> None:
    async def handler(  # noqa: PLR0917
        ctx: Context,
        id: int,
        q: str,
        color: Color,
        page: Annotated[int, Query("p", ge=1)] = 1,
        agent: Annotated[str | None, Header("user-agent")] = None,
        x_key: Annotated[UUID | None, Header] = None,
        sid: Annotated[str, Cookie()] = "none",
        tag: list[int] = [],  # noqa: B006
    ) -> Any:
        return [type(ctx).__name__, id, q, color, page, agent, x_key, sid, tag]

    client = client_of(handler, "/u/{id:int}")
    key = "12345678-1234-5678-1234-567812345678"
    answer = client.get(
        "/u/7?q=a%20b&color=blue&p=3&tag=1&tag=2",
        headers={"user-agent": "me", "x-key": key, "cookie": "sid=s"},
    )
    assert answer.json() == ["Context", 7, "a b", "blue", 3, "me", key, "s", [1, 2]]
    answer = client.get("/u/7?q=&color=red", headers={"user-agent": "me"})
    assert answer.json() == ["Context", 7, "", "red", 1, "me", None, "none", []]


def test_a_list_of_a_header_is_the_same_in_one_line_and_in_several() -> None:
    # RFC 9110 §5.3: whoever passes a request on may combine its lines.
    async def handler(tag: Annotated[list[str], Header("x-tag")], n: Annotated[set[int], Header()]):
        return [tag, sorted(n)]

    client = client_of(handler)
    for lines in ([("x-tag", "a"), ("x-tag", '"b,c"')], [("x-tag", 'a , ,"b,c"')]):
        answer = client.get("/", headers=[*lines, ("n", "1, 2")])
        assert answer.json() == [["a", '"b,c"'], [1, 2]]
    assert faults(client.get("/", headers=[("x-tag", ","), ("n", "1, x")])) == [
        ("header", "x-tag", "a value", None),
        ("header", "n", "an integer", "x"),
    ]


def test_all_faults_of_a_request_are_named_at_once() -> None:
    async def handler(
        q: str,
        item: Item,
        page: Annotated[int, Query(ge=1)] = 1,
        day: date | None = None,
        tag: list[int] = [],  # noqa: B006
    ) -> None: ...

    client = client_of(handler, method="POST")
    answer = client.post("/?page=0&day=x&tag=1&tag=y", json={"price": "1", "tags": [1, "a", None]})
    assert faults(answer) == [
        ("query", "q", "a text", None),
        ("query", "page", "an integer at least 1", "0"),
        ("query", "day", "a date such as 2026-11-30", "x"),
        ("query", "tag", "an integer", "y"),
        ("body", "name", "a value", None),
        ("body", "price", "a number", '"1"'),
        ("body", "tags.0", "a text", "1"),
        ("body", "tags.2", "a text", "null"),
    ]


@pytest.mark.parametrize(
    ("kind", "good", "bad", "field"),
    [
        (Item, {"name": "a", "price": 1}, {"name": "a"}, "price"),
        (Row, {"a": 1}, {"a": "1"}, "a"),
        (Sized, {"size": 1}, {"size": 0}, "size"),
        (Sized, {"size": 1, "items": []}, {"size": 1, "more": 1}, "more"),
        (Sized, {"size": 1}, {"size": 1, "items": [{"name": 1, "price": 1}]}, "items.0.name"),
        (Person, {"name": "a", "age": 1}, {"name": "a", "age": "1"}, "age"),
        (Person, {"name": "a", "age": 1}, {"name": "a", "age": -1}, "age"),
        (list[Item], [{"name": "a", "price": 1}], [{"name": "a", "price": None}], "0.price"),
        (list[Person], [{"name": "a", "age": 1}], [{"name": "a"}], "0.age"),
        (dict[str, Item], {"x": {"name": "a", "price": 1}}, {"x": {"price": 1}}, "x.name"),
        (dict, {"any": [1, None]}, [1], ""),
        (Item | None, None, {"name": 1, "price": 1}, "name"),
    ],
)
def test_bodies(kind: Any, good: Any, bad: Any, field: str) -> None:
    async def handler(value) -> str:
        return repr(value)

    handler.__annotations__["value"] = Annotated[kind, JsonBody()]
    client = client_of(handler, method="POST")
    json = {"content-type": "application/json"}
    assert client.post("/", content=dumps(good), headers=json).status == 200
    assert [each[1] for each in faults(client.post("/", json=bad))] == [field]


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"name": "a", "price": NaN}', "application/json", 400),
        (b'\xef\xbb\xbf{"name": "a", "price": 1}', "application/json", 400),
        (b'{"name": "a", "price": 1e999}', "application/json", 400),
        (b'{"name": "\\ud800", "price": 1}', "application/json", 400),
        (b"[" * 2000, "application/json", 400),
        (b"", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"name=a", "application/x-www-form-urlencoded", 415),
        (b'{"name": "a", "price": 1}', "application/vnd.x+json; charset=utf-8", 200),
        (b'{"name": "a", "price": 1}', "Application/JSON", 200),
        (b'{"name": "a", "price": 1}', None, 415),
        (b"", None, 400),
    ],
)
@pytest.mark.parametrize("kind", [Item, Sized, Person])
def test_what_is_no_json(kind: Any, content: bytes, content_type: str | None, status: int) -> None:
    async def handler(value) -> None: ...

    handler.__annotations__["value"] = kind
    headers = {} if content_type is None else {"content-type": content_type}
    answer = client_of(handler, method="POST").post("/", content=content, headers=headers)
    if kind is Item or status != 200:
        assert answer.status == (204 if status == 200 else status), answer.text


def test_a_missing_body_may_have_a_default() -> None:
    async def handler(item: Item | None = None) -> str:
        return repr(item)

    client = client_of(handler, method="POST")
    assert client.post("/").text == "None"
    assert client.post("/", json={"name": "a", "price": 1}).text.startswith("Item(")


def test_forms_and_files() -> None:
    async def handler(
        a: Annotated[int, Form(le=9)],
        paper: Annotated[Upload, File("file")],
        more: Annotated[list[str], Form()] = [],  # noqa: B006
        photos: Annotated[list[Upload] | None, File()] = None,
    ) -> Any:
        return [a, paper.read().decode(), more, photos]

    client = client_of(handler, method="POST")
    answer = client.post("/", data={"a": "5", "more": ["x", "y"]}, files={"file": ("n", b"text")})
    assert answer.json() == [5, "text", ["x", "y"], None]
    answer = client.post("/", data={"a": "10", "file": "no"})
    assert faults(answer) == [
        ("form", "a", "an integer at most 9", "10"),
        ("form", "file", "a file", "a text"),
    ]
    answer = client.post("/", files={"a": ("n", b"5"), "file": ("n", b"text")})
    assert faults(answer) == [("form", "a", "an integer at most 9", "a file")]
    assert client.post("/", json={}).status == 415


def test_a_model_of_a_whole_form() -> None:
    async def handler(item: Annotated[Item, Form()]) -> Item:
        return item

    client = client_of(handler, method="POST")
    assert client.post("/", data={"name": "a", "price": "1.5", "tags": ["x", "y"]}).json() == {
        "name": "a",
        "price": 1.5,
        "tags": ["x", "y"],
    }
    assert [each[:2] for each in faults(client.post("/", data={"price": "x"}))] == [
        ("form", "name"),
        ("form", "price"),
    ]


def test_what_is_secret_is_not_sent_back() -> None:
    async def handler(
        token: Annotated[int, Header("authorization")],
        password: Annotated[str, Query(min_length=20)],
        body: dict[str, Sized],
    ) -> None: ...

    client = client_of(handler, method="POST")
    secret = "hunter2"
    answer = client.post(
        f"/?password={secret}",
        json={"api_key": secret, "password": {"size": secret}},
        headers={"authorization": secret},
    )
    assert len(faults(answer)) == 4
    assert secret not in answer.text


def test_the_list_of_faults_is_bounded() -> None:
    async def handler(body: list[Item], n: list[int]) -> None: ...

    client = client_of(handler, method="POST")
    answer = client.post("/?n=" + "&n=".join(["x"] * 200), json=[{}] * 5000)
    assert len(faults(answer)) == 50
    answer = client.post("/?n=1", json=[{"name": "y" * 100_000, "price": "z" * 100_000}] * 3)
    assert len(answer.content) < 2000


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"1," * 400_000 + b'"x"]',
        b'{"a":' * 200 + b"[" + b"0," * 100_000 + b'"x"]' + b"}" * 200,
    ],
    ids=["long", "deep"],
)
def test_a_wrong_body_takes_no_more_than_so_many_looks(
    body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    convert = msgspec.convert

    def counted(*args: Any, **options: Any) -> Any:
        nonlocal looks
        looks += 1
        return convert(*args, **options)

    async def handler(body: Annotated[Any, JsonBody()]) -> None: ...

    kind = list[int] if body.startswith(b"[") else Deep
    handler.__annotations__["body"] = Annotated[kind, JsonBody()]
    client = client_of(handler, method="POST")
    monkeypatch.setattr(msgspec, "convert", counted)
    answer = client.post("/", content=body, headers={"content-type": "application/json"})
    assert answer.status == 422
    assert 0 < looks <= 10_001


def test_path_parameters_have_what_the_pattern_gives() -> None:
    async def handler(id: int, rest: str, ctx: Context) -> str:
        return f"{id!r} {rest!r} {ctx.request.method}"

    client = client_of(handler, "/a/{id:int}/{rest:path}")
    assert client.get("/a/7/b/c").text == "7 'b/c' GET"
    assert client.get("/a/x/b").status == 404

    async def plain(id: int, x: Annotated[float, Path(lt=1)]) -> str:
        return f"{id!r} {x!r}"

    client = client_of(plain, "/{id}/{x:float}")
    assert client.get("/7/0.5").text == "7 0.5"
    assert faults(client.get("/y/2.5")) == [
        ("path", "id", "an integer", "y"),
        ("path", "x", "less than 1", "2.5"),
    ]


def test_plain_functions_and_dependencies_of_their_form() -> None:
    def blocking(n: int) -> int:
        return n + 1

    def generator(n: int) -> Any:
        for each in range(n):
            yield str(each)

    assert client_of(blocking).get("/?n=1").json() == 2
    assert client_of(generator).get("/?n=3").text == "012"


def test_a_handler_of_the_context_alone_is_called_as_it_is() -> None:
    app = App()

    @app.get("/a")
    async def a(ctx: Context) -> str:
        return ""

    @app.get("/b")
    def b(c) -> dict[str, int]:
        return {}

    @app.get("/c")
    async def c(ctx: object, n: int = 3) -> None: ...

    @app.get("/d")
    async def d(ctx, value=a): ...

    assert [route.endpoint is None for route in app.routes] == [True, True, False, True]


class Opaque: ...


def _cases() -> dict[str, tuple[str, str, Callable[..., Any], str]]:  # noqa: C901
    async def two_bodies(a: Item, b: Sized) -> None: ...
    async def body_of_get(a: Item) -> None: ...
    async def lacks(ctx: Context) -> None: ...
    async def disagrees(id: str) -> None: ...
    async def disagrees_too(id: date) -> None: ...
    async def unsupported(x: Opaque) -> None: ...
    async def bytes_of_query(x: bytes) -> None: ...
    async def no_annotation(ctx: Context, x) -> None: ...
    async def not_in_path(x: Annotated[int, Path()]) -> None: ...
    async def default_in_path(id: int = 5) -> None: ...
    async def model_in_path(id: Item) -> None: ...
    async def list_in_path(id: list[int]) -> None: ...
    async def two_sources(x: Annotated[int, Query(), Header()]) -> None: ...
    async def body_and_form(a: Item, b: Annotated[str, Form()]) -> None: ...
    async def many_cookies(x: Annotated[list[int], Cookie()]) -> None: ...
    async def starred(ctx: Context, id: int, *rest: int) -> None: ...
    async def no_file(x: Annotated[str, File()]) -> None: ...

    async def bad_pattern(x: Annotated[str, pydantic.Field(pattern="(")]) -> None: ...
    async def never(x: Annotated[int, pydantic.Field(multiple_of=0)]) -> None: ...
    async def socket(x: Item) -> None: ...

    return {
        "two bodies": ("POST", "/", two_bodies, "two bodies, 'a' and 'b'"),
        "body of GET": ("GET", "/", body_of_get, r"'a' of .* is of the body, which a GET"),
        "disagrees": (
            "GET",
            "/{id:int}",
            disagrees,
            r"'id' of .* is str, and .* gives int",
        ),
        "disagrees too": ("GET", "/{id:int}", disagrees_too, "make them agree"),
        "unsupported": ("GET", "/", unsupported, r"'x' of .* is Opaque, .* JsonBody"),
        "bytes": ("GET", "/", bytes_of_query, "'x' of .* is bytes"),
        "no annotation": ("GET", "/", no_annotation, "'x' of .* has no annotation"),
        "not in the path": ("GET", "/", not_in_path, "the pattern has no 'x'"),
        "default in the path": ("GET", "/{id}", default_in_path, "a path always has a value"),
        "model in the path": ("GET", "/{id}", model_in_path, "no segment of a path"),
        "list in the path": ("GET", "/{id}", list_in_path, "no segment of a path is read as"),
        "two sources": ("GET", "/", two_sources, "has two sources: Query.*Header"),
        "body and form": ("POST", "/", body_and_form, "takes a JSON body, 'a', and a form, 'b'"),
        "many cookies": ("GET", "/", many_cookies, "a cookie has one value"),
        "starred": ("GET", "/{id}", starred, r"\*rest: .*int.* has no name"),
        "no file": ("POST", "/", no_file, "a file is an anylane.Upload"),
        "bad pattern": ("GET", "/", bad_pattern, r"the pattern '\(' is none"),
        "never": ("GET", "/", never, "multiple_of is 0; expected more than 0"),
    }


@pytest.mark.parametrize("name", _cases())
def test_what_cannot_be_resolved_is_refused_in_the_registering_line(name: str) -> None:
    method, path, handler, message = _cases()[name]
    with pytest.raises(RouteError, match=message):
        App().route(path, [method])(handler)


def test_names_that_exist_for_type_checkers_alone_are_refused() -> None:
    async def handler(x) -> None: ...

    handler.__annotations__["x"] = "Elsewhere"
    with pytest.raises(RouteError, match=r"names 'Elsewhere', .* not under `if TYPE_CHECKING`"):
        App().get("/")(handler)


def test_classes_of_the_function_around_are_found() -> None:
    @dataclass
    class Local:
        a: int

    app, router = App(), Router("/r")

    @app.post("/")
    async def one(value: Local) -> Local:
        return value

    @router.post("/")
    async def two(value: Local) -> Local:
        return value

    app.include(router)
    client = TestClient(app)
    assert client.post("/", json={"a": 1}).json() == {"a": 1}
    assert client.post("/r/", json={"a": 1}).json() == {"a": 1}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Query(5), "got 5 as the name"),  # type: ignore[arg-type]
        (lambda: Query(ge="x", multiple_of="y"), "multiple_of is 'y'; expected a number"),  # type: ignore[arg-type]
        (lambda: Query(min_length=-1), "min_length is -1"),
        (lambda: Query(min_length=3, max_length=2), "no value is both"),
        (lambda: Header(pattern="["), r"the pattern '\[' is none"),
    ],
)
def test_markers_refuse_what_no_value_meets(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_without_the_library_the_registering_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def handler(item: Item) -> None: ...

    monkeypatch.setitem(__import__("sys").modules, "msgspec", None)
    with pytest.raises(RouteError, match=r"'item' of .* msgspec.*pip install 'anylane\[typed\]'"):
        App().post("/")(handler)


def test_typed_reading_without_annotations() -> None:
    async def handler(ctx: Context) -> Any:
        request = ctx.request
        form = await request.form() if request.method == "POST" else None
        return [
            request.query.int("n", 1),
            request.query.bool("b", None),
            request.headers.float("x-f", 0.5),
            request.cookies.text("c", "-"),
            None if form is None else form.text("t"),
            None if form is None else form.file("f").filename,
        ]

    app = App(errors="json")
    app.route("/", ["GET", "POST"])(handler)
    client = TestClient(app)
    answer = client.get("/?n=5&b=on", headers={"x-f": "2", "cookie": "c=d"})
    assert answer.json() == [5, True, 2.0, "d", None, None]
    assert client.get("/").json() == [1, None, 0.5, "-", None, None]
    assert faults(client.get("/?n=x")) == [("query", "n", "an integer", "x")]
    assert faults(client.post("/", data={"u": "1"})) == [("form", "t", "a text", None)]
    assert faults(client.post("/", data={"t": "1", "f": "x"})) == [
        ("form", "f", "a file", "a text")
    ]


class Engine(pydantic.BaseModel):
    power: int
    fuel: Literal["gas", "none"] = "none"


@dataclass
class Car:
    name: str
    engine: Engine
    spare: list[Engine] = field(default_factory=list)


def test_pydantic_models_may_be_members_of_other_models() -> None:
    app = App()

    @app.post("/")
    async def create(car: Car) -> int:
        return car.engine.power + sum(each.power for each in car.spare)

    client = TestClient(app)
    good = {"name": "a", "engine": {"power": 1}, "spare": [{"power": 2, "fuel": "gas"}]}
    assert client.post("/", json=good).json() == 3
    bad = {"engine": {"power": "1"}, "spare": [{"power": 2}, {"power": 2, "fuel": 5}, 3]}
    answer = client.post("/", json=bad)
    assert answer.status == 422
    assert [(each["field"], each["expected"]) for each in answer.json()["errors"]] == [
        ("name", "a value"),
        ("engine.power", "a valid integer"),
        ("spare.1.fuel", "'gas' or 'none'"),
        ("spare.2", "an object"),
    ]


class Unfinished(pydantic.BaseModel):
    later: Later  # type: ignore[name-defined]  # noqa: F821


def test_models_that_are_not_defined_yet_are_refused() -> None:
    async def create(new: Unfinished) -> None: ...

    with pytest.raises(
        RouteError, match=r"model Unfinished names 'Later', which does not exist yet"
    ):
        App().post("/")(create)


def test_integral_numbers_are_integers() -> None:
    """JSON has one kind of number: 2.0 is an integer (JSON Schema Validation 2020-12 §6.1.1)."""

    async def sized(new: Sized) -> Any:
        return [new.size, new.items[0].price]

    async def person(new: Person) -> Any:
        return new.age

    client = client_of(sized, method="POST")
    body = {"size": 2.0, "items": [{"name": "a", "price": 3.0}]}
    assert client.post("/", json=body).text == "[2,3.0]"
    assert faults(client.post("/", json={"size": 2.5})) == [("body", "size", "an integer", "2.5")]
    assert faults(client.post("/", json={"size": 0.0})) == [
        ("body", "size", "an integer >= 1", "0")
    ]
    client = client_of(person, method="POST")
    assert client.post("/", json={"name": "a", "age": 3e2}).text == "300"
    assert faults(client.post("/", json={"name": "a", "age": 3.5})) == [
        ("body", "age", "a valid integer", "3.5")
    ]


class Reading(pydantic.BaseModel):
    name: str
    level: float


def test_a_large_float_is_no_fault_beside_another_one() -> None:
    """The second look, with integers for what is integral, must not name what the first took."""

    async def take(new: Reading) -> Any:
        return new.level

    client = client_of(take, method="POST")
    found = faults(client.post("/", json={"level": 1e18}))
    assert [field for _, field, *_ in found] == ["name"]
    assert client.post("/", json={"name": "a", "level": 1e18}).json() == 1e18


@pytest.mark.parametrize("kind", [list[str], set[str], Annotated[list[str], Header("tag")]])
def test_each_request_has_a_default_of_its_own(kind: Any) -> None:
    default: Any = set() if kind == set[str] else []

    async def handler(tag=default) -> int:
        tag.add("x") if isinstance(tag, set) else tag.append("x")
        return len(tag)

    handler.__annotations__["tag"] = kind
    client = client_of(handler)
    assert [client.get("/").text for _ in range(2)] == ["1", "1"]
    assert not default


def test_each_body_and_form_has_a_default_of_its_own() -> None:
    files: list[Upload] = []

    async def of_json(values: dict[str, Any] = {}) -> int:  # noqa: B006
        values[str(len(values))] = 1
        return len(values)

    async def of_form(
        photos: Annotated[list[Upload], File()] = files, n: Annotated[int, Form()] = 1
    ) -> int:
        photos.append(None)  # type: ignore[arg-type]
        return len(photos)

    for handler in (of_json, of_form):
        client = client_of(handler, method="POST")
        assert [client.post("/").text for _ in range(2)] == ["1", "1"]


def test_what_a_partial_has_bound_no_request_gives() -> None:
    async def base(mult: int, page: int = 1) -> int:
        return page * mult

    client = client_of(functools.partial(base, mult=3))
    assert client.get("/?page=2").text == "6"
    assert client.get("/?page=2&mult=100").text == "6"


class Named(enum.StrEnum):
    PAGE = "page"


class OldNamed(str, enum.Enum):  # noqa: UP042
    PAGE = "page"


@pytest.mark.parametrize("name", [Named.PAGE, OldNamed.PAGE])
def test_a_name_may_be_the_member_of_an_enum(name: str) -> None:
    async def handler(n: int) -> int:
        return n

    handler.__annotations__["n"] = Annotated[int, Query(name)]
    client = client_of(handler)
    assert client.get("/?page=2").text == "2"
    assert faults(client.get("/")) == [("query", "page", "an integer", None)]


@dataclass
class Contact:
    name: str
    age: int = 0


class PydanticContact(pydantic.BaseModel):
    name: str
    age: int = 0


@pytest.mark.parametrize("kind", [Contact, PydanticContact])
@pytest.mark.parametrize("is_none", [True, False])
def test_a_form_without_a_field_has_the_default(kind: Any, is_none: bool) -> None:
    default = None if is_none else kind(name="default")

    async def handler(v=default) -> str:
        return "none" if v is None else str(v.name)

    handler.__annotations__["v"] = Annotated[kind | None, Form()]
    client = client_of(handler, method="POST")
    encoded = {"content-type": "application/x-www-form-urlencoded"}
    expected = "none" if is_none else "default"
    assert client.post("/", content=b"", headers=encoded).text == expected
    assert client.post("/").text == expected
    assert client.post("/", content=b"name=a", headers=encoded).text == "a"
    answer = client.post("/", content=b"age=1", headers=encoded)
    assert [each[1] for each in faults(answer)] == ["name"]
    assert client.post("/", content=b"name=a").status == 415
    assert client.post("/", content=b"", headers={"content-type": "text/x"}).status == 415


def test_fields_of_a_form_that_have_defaults_need_no_body() -> None:
    async def handler(a: Annotated[str, Form()] = "a", photo: Upload | None = None) -> str:
        return f"{a} {photo}"

    async def needed(a: Annotated[str, Form()], b: Annotated[str, Form()] = "b") -> str:
        return a + b

    assert client_of(handler, method="POST").post("/").text == "a None"
    assert client_of(needed, method="POST").post("/").status == 415


def _double(value: Any) -> Any:
    value.age *= 2
    return value


def _odd(value: Any) -> Any:
    if value.age % 2 == 0:
        raise ValueError("an odd age")
    return value


def test_what_pydantic_finds_in_an_annotation_is_run() -> None:
    async def handler(
        p: Annotated[
            PydanticContact, pydantic.AfterValidator(_odd), pydantic.AfterValidator(_double)
        ],
    ) -> int:
        return p.age

    client = client_of(handler, method="POST")
    assert client.post("/", json={"name": "a", "age": 3}).text == "6"
    assert faults(client.post("/", json={"name": "a", "age": 2})) == [
        ("body", "", "an odd age", "an object")
    ]


class CatBody(pydantic.BaseModel):
    kind: Literal["cat"]


class DogBody(pydantic.BaseModel):
    kind: Literal["dog"]


def test_a_discriminator_of_a_parameter_is_used() -> None:
    async def handler(
        p: Annotated[CatBody | DogBody, pydantic.Field(discriminator="kind")],
        q: Annotated[int, pydantic.Field(ge=1)] = 1,
    ) -> str:
        return p.kind

    client = client_of(handler, method="POST")
    assert client.post("/", json={"kind": "dog"}).text == "dog"
    assert faults(client.post("/", json={"kind": "cow"})) == [
        ("body", "", "one of 'cat', 'dog' as its 'kind'", "an object")
    ]
