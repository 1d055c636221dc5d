"""What goes out has the fields of the annotation, and nothing else."""

from __future__ import annotations

import enum
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, TypedDict
from uuid import UUID

import msgspec
import pydantic
import pytest

from anylane import App, Context, HTTPError, JsonBody, Response, RouteError
from anylane.testing import Lockstep, TestClient


@dataclass
class User:
    name: str
    age: int = 0


@dataclass
class Account(User):
    password: str = "secret"


@dataclass
class Team:
    lead: User
    members: list[User] = field(default_factory=list)
    by_name: dict[str, User] = field(default_factory=dict)
    deputy: User | None = None
    pair: tuple[User, int] | None = None


class Point(msgspec.Struct, rename="camel"):
    x_axis: int


class Point3(Point):
    z_axis: int = 9


class Person(pydantic.BaseModel):
    name: str


class Admin(Person):
    password: str = "secret"


class Crew(pydantic.BaseModel):
    people: list[Person]


class Row(TypedDict):
    a: int


class Loose(TypedDict, total=False):
    a: int
    b: int


class Color(enum.Enum):
    RED = "red"


class Node(msgspec.Struct):
    value: int
    next: Node | None = None


class Attributes:
    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


def answer(kind: Any, value: Any) -> Any:
    async def handler(ctx: Context, n: int = 0) -> Any:
        return value

    handler.__annotations__["return"] = kind
    app = App()
    app.get("/")(handler)
    client = TestClient(app)
    return client.get("/")


FITS: list[tuple[Any, Any, Any]] = [
    (User, User("a", 1), {"name": "a", "age": 1}),
    (User, Account("a", 1), {"name": "a", "age": 1}),
    (User, {"name": "a", "age": 1, "password": "secret"}, {"name": "a", "age": 1}),
    (User, Attributes(name="a", age=1, password="secret"), {"name": "a", "age": 1}),
    (list[User], [Account("a")], [{"name": "a", "age": 0}]),
    (list[User], (User("a"),), [{"name": "a", "age": 0}]),
    (dict[str, User], {"x": Account("a")}, {"x": {"name": "a", "age": 0}}),
    (
        Team,
        Team(Account("a"), [Account("b")], {"c": Account("c")}, Account("d"), (Account("e"), 1)),
        {
            "lead": {"name": "a", "age": 0},
            "members": [{"name": "b", "age": 0}],
            "by_name": {"c": {"name": "c", "age": 0}},
            "deputy": {"name": "d", "age": 0},
            "pair": [{"name": "e", "age": 0}, 1],
        },
    ),
    (Point, Point(1), {"xAxis": 1}),
    (Point, Point3(1), {"xAxis": 1}),
    (Node, Node(1, Node(2)), {"value": 1, "next": {"value": 2, "next": None}}),
    (Person, Person(name="a"), {"name": "a"}),
    (Person, Admin(name="a"), {"name": "a"}),
    (Person, {"name": "a", "password": "secret"}, {"name": "a"}),
    (Crew, Crew(people=[Admin(name="a")]), {"people": [{"name": "a"}]}),
    (list[Person], [Admin(name="a")], [{"name": "a"}]),
    (Row, {"a": 1, "secret": 2}, {"a": 1}),
    (Loose, {"b": 1, "secret": 2}, {"b": 1}),
    (User | Point, Point3(1), {"xAxis": 1}),
    (User | None, User("a"), {"name": "a", "age": 0}),
    (Annotated[User, "note"], Account("a"), {"name": "a", "age": 0}),
    (Iterable[User], [Account("a")], [{"name": "a", "age": 0}]),
    (Sequence[User], (Account("a"),), [{"name": "a", "age": 0}]),
    (Mapping[str, User], {"x": Account("a")}, {"x": {"name": "a", "age": 0}}),
]


@pytest.mark.parametrize(("kind", "value", "expected"), FITS)
def test_an_answer_has_the_fields_of_its_annotation(kind: Any, value: Any, expected: Any) -> None:
    found = answer(kind, value)
    assert found.status == 200, found.text
    assert found.headers["content-type"] == "application/json"
    assert found.json() == expected
    assert "secret" not in found.text


def test_annotations_that_are_text_hold_too() -> None:
    async def users(ctx: Context) -> list[User]:
        return [Account("a")]

    async def by_name(ctx: Context) -> dict[str, User]:
        return {"a": Account("a")}

    def maybe(ctx: Context) -> User | None:
        return Account("a")

    assert users.__annotations__["return"] == "list[User]"  # As `from __future__` makes it.
    for handler in (users, by_name, maybe):
        app = App()
        app.get("/")(handler)
        answer = TestClient(app).get("/")
        assert answer.status == 200
        assert "secret" not in answer.text


UNFIT: list[tuple[Any, Any, str]] = [
    (User, {"name": "a"}, "expected User, which has 'age'"),
    (User, {"name": 5, "age": 1}, r"\['name'\] is a int: 5; expected a str"),
    (User, {"name": "a", "age": True}, r"\['age'\] is a bool: True; expected an int"),
    (User, "a", "is a str: 'a'; expected User"),
    (User, [1], "expected User"),
    (list[User], {"a": 1}, "expected a list of User"),
    (list[User], [User("a"), 5], r"\[1\] is a int: 5; expected User"),
    (Team, Team(5), r"\.lead is a int: 5; expected User"),  # type: ignore[arg-type]
    (dict[str, User], [1], "expected a dict of User"),
    (tuple[User, int], [User("a")], "expected 2 values"),
    (Person, {"nome": "a"}, "expected Person"),
    (User | Row, 5, "expected User or Row"),
    (User, None, "returned None; its annotation says User"),
]


@pytest.mark.parametrize(("kind", "value", "message"), UNFIT)
def test_what_does_not_fit_is_a_500_that_says_where(kind: Any, value: Any, message: str) -> None:
    async def handler(ctx: Context) -> Any:
        return value

    handler.__annotations__["return"] = kind
    app = App()
    app.get("/")(handler)
    wire = Lockstep(app)
    wire.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert wire.sent.startswith(b"HTTP/1.1 500 ")
    assert b"expected" not in wire.sent
    assert re.search(message, wire.log[-1].message), wire.log[-1].message
    assert "handler" in wire.log[-1].message


@pytest.mark.parametrize(
    ("kind", "value", "status", "text"),
    [
        (User, Response("as it is", status=202), 202, "as it is"),
        (str, HTTPError(404, "gone"), 404, "404 Not Found: gone\n"),
        (User | None, None, 204, ""),
        (str, "text", 200, "text"),
        (
            dict[str, Any],
            {"a": Account("a")},
            200,
            '{"a":{"name":"a","age":0,"password":"secret"}}',
        ),
        (Any, Account("a"), 200, '{"name":"a","age":0,"password":"secret"}'),
        (User | Response, Response("r"), 200, "r"),
        (Literal["a"], "a", 200, "a"),
    ],
)
def test_what_the_annotation_does_not_hold(kind: Any, value: Any, status: int, text: str) -> None:
    found = answer(kind, value)
    assert (found.status, found.text) == (status, text)


class Own:
    async def respond(self, ctx: Context) -> None:
        ctx.response.set_text("own")


@pytest.mark.parametrize("kind", [Own, User | Own, Iterable[User]])
def test_an_answer_of_its_own_kind_passes(kind: Any) -> None:
    assert answer(kind, Own()).text == "own"


def test_status_and_headers_that_were_set_stay() -> None:
    app = App()

    @app.post("/", status=201)
    async def create(ctx: Context, user: User) -> User:
        ctx.response.set_header("location", "/1").set_header("content-type", "application/x+json")
        return user

    @app.get("/other", status=201)
    async def other(ctx: Context) -> Response:
        return Response("x", status=202)

    @app.get("/error", status=201)
    def error(ctx: Context) -> str:
        raise HTTPError(404)

    client = TestClient(app)
    found = client.post("/", json={"name": "a"})
    assert (found.status, found.headers["location"]) == (201, "/1")
    assert found.headers["content-type"] == "application/x+json"
    assert client.get("/other").status == 202
    assert client.get("/error").status == 404


@pytest.mark.parametrize("status", [0, 199, 600, 101])
def test_a_status_that_no_answer_has_is_refused(status: int) -> None:
    with pytest.raises(RouteError, match=f"status of '/' is {status}; expected an int from 200"):
        App().get("/", status=status)


def _sync() -> Iterator[User]:
    yield Account("a")
    yield User("b")


async def _async() -> AsyncIterator[User]:
    for each in _sync():
        yield each


def test_iterators_of_models_are_lines_of_json() -> None:
    app = App()

    @app.get("/async")
    async def lines(n: int = 0) -> AsyncIterator[User]:
        yield Account("a")
        yield User("b")

    @app.get("/sync")
    def sync_lines(ctx: Context) -> Iterator[User]:
        yield Account("a")
        yield User("b")

    @app.get("/returned")
    async def returned(ctx: Context) -> AsyncIterator[User]:
        return _async()

    @app.get("/text")
    async def text(ctx: Context) -> AsyncIterator[str]:
        yield "a"

    client = TestClient(app)
    for path in ("/async", "/sync", "/returned"):
        found = client.get(path)
        assert found.headers["content-type"] == "application/jsonl"
        assert found.text == '{"name":"a","age":0}\n{"name":"b","age":0}\n'
    assert client.get("/text").headers["content-type"] == "text/plain; charset=utf-8"


def test_values_with_a_spelling_of_their_own() -> None:
    @dataclass
    class Mixed:
        at: datetime
        price: Decimal
        color: Color

    value = Mixed(datetime(2026, 11, 30, tzinfo=UTC), Decimal("1.10"), Color.RED)
    expected = {"at": "2026-11-30T00:00:00+00:00", "price": "1.10", "color": "red"}
    assert answer(Mixed, value).json() == expected
    assert answer(Mixed, vars(value)).json() == expected


def test_nan_is_refused_as_everywhere() -> None:
    @dataclass
    class Number:
        x: float

    class NumberModel(pydantic.BaseModel):
        x: float

    assert answer(Number, Number(float("nan"))).status == 500
    assert answer(NumberModel, NumberModel(x=float("nan"))).status == 500


def test_bodies_go_in_and_come_out() -> None:
    def echo(kind: Any) -> Callable[..., Any]:
        async def handler(value) -> Any:
            return value

        handler.__annotations__.update({"value": Annotated[kind, JsonBody()], "return": kind})
        return handler

    app = App()
    kinds = {"user": User, "point": Point, "person": Person, "users": list[User], "node": Node}
    for name, kind in kinds.items():
        app.post(f"/{name}", name=name)(echo(kind))
    client = TestClient(app)
    for name, value in {
        "user": {"name": "a", "age": 1},
        "point": {"xAxis": 1},
        "person": {"name": "a"},
        "users": [{"name": "a", "age": 1}],
        "node": {"value": 1, "next": {"value": 2, "next": None}},
    }.items():
        assert client.post(f"/{name}", json=value).json() == value


KEY = UUID("12345678-1234-5678-1234-567812345678")


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (UUID, KEY, f'"{KEY}"'),
        (datetime, datetime(2026, 11, 30, 12, tzinfo=UTC), '"2026-11-30T12:00:00+00:00"'),
        (date, date(2026, 11, 30), '"2026-11-30"'),
        (time, time(12, 30), '"12:30:00"'),
        (timedelta, timedelta(hours=1), '"PT1H"'),
        (Decimal, Decimal("1.50"), '"1.50"'),
        (Color, Color.RED, '"red"'),
        (set[int], {1}, "[1]"),
        (frozenset[int] | None, frozenset([2]), "[2]"),
        (UUID | None, None, ""),
    ],
)
def test_values_go_out_as_json_where_the_annotation_says_so(
    kind: Any, value: Any, text: str
) -> None:
    async def handler() -> Any:
        return value

    handler.__annotations__["return"] = kind
    app = App()
    app.get("/")(handler)
    answer = TestClient(app).get("/")
    assert answer.text == text
    assert answer.headers.get("content-type") == ("application/json" if text else None)


def test_another_value_is_a_failure() -> None:
    app = App()

    @app.get("/")
    async def handler() -> UUID:
        return "1"  # type: ignore[return-value]

    client = TestClient(app)
    assert client.get("/").status == 500
    assert "does not fit its annotation" in str(client.log)
