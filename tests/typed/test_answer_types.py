"""What a return annotation names: `Response[T]`, and unions by status."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from types import NoneType
from typing import Annotated, Any, Literal, Never, NewType, TypedDict, Union, Unpack

import msgspec
import pydantic
import pytest
from typing_extensions import TypeAliasType

from anylane import App, Context, EventStream, HTTPError, Response, RouteError, Status, UsageError
from anylane.contrib import FileResponse
from anylane.http.response import BYTES, JSON, TEXT
from anylane.routing.route import Route
from anylane.testing import Lockstep, TestClient
from anylane.typed.answer_types import JSON_LINES, AnswerType


@dataclass
class User:
    name: str


@dataclass
class Account(User):
    password: str = "secret"


@dataclass
class Missing:
    detail: str


class Point(msgspec.Struct):
    x: int


class Person(pydantic.BaseModel):
    name: str


class Row(TypedDict):
    a: int


class Row2(TypedDict):
    b: int


UserName = NewType("UserName", Account)
Users = TypeAliasType("Users", list[User])


def app_of(kind: Any, value: Any, *, status: int | None = None) -> App:
    async def handler(ctx: Context) -> Any:
        return value

    handler.__annotations__["return"] = kind
    app = App()
    app.get("/", status=status)(handler)
    return app


def answer(kind: Any, value: Any, *, status: int | None = None) -> Any:
    return TestClient(app_of(kind, value, status=status)).get("/")


def route(kind: Any) -> Route:
    (found,) = app_of(kind, None).routes
    return found


# --- what is kept for documentation ------------------------------------------------------------

NAMED: list[tuple[Any, list[tuple[Any, int | None, str | None]]]] = [
    (User, [(User, None, JSON)]),
    (list[User], [(list[User], None, JSON)]),
    (dict[str, int], [(dict[str, int], None, JSON)]),
    (int, [(int, None, JSON)]),
    (str, [(str, None, TEXT)]),
    (Literal["a", "b"], [(Literal["a", "b"], None, TEXT)]),
    (bytes, [(bytes, None, BYTES)]),
    (None, [(NoneType, None, None)]),
    (Any, [(Any, None, None)]),
    (Response, [(Any, None, None)]),
    (FileResponse, [(FileResponse, None, None)]),
    (User | None, [(User, None, JSON), (NoneType, None, None)]),
    (User | HTTPError, [(User, None, JSON)]),
    (Response[User], [(User, None, JSON)]),
    (Response[User | Missing], [(User, None, JSON), (Missing, None, JSON)]),
    (Annotated[User, Status(201)], [(User, 201, JSON)]),
    (Annotated[User | Missing, Status(201)], [(User, 201, JSON), (Missing, 201, JSON)]),
    (
        Response[User] | Annotated[Missing, Status(404)],
        [(User, None, JSON), (Missing, 404, JSON)],
    ),
    (
        Annotated[User | Annotated[Missing, Status(404)], Status(201)],
        [(User, 201, JSON), (Missing, 404, JSON)],
    ),
    (Annotated[None, Status(204)], [(NoneType, 204, None)]),
    (AsyncIterator[User], [(User, None, JSON_LINES)]),
    (Iterator[str], [(str, None, TEXT)]),
    (Iterator, [(Any, None, None)]),
    (Users, [(list[User], None, JSON)]),
]


@pytest.mark.parametrize(("kind", "expected"), NAMED)
def test_the_plan_of_a_route_names_its_answers(kind: Any, expected: Any) -> None:
    found = route(kind).plan.answers
    assert [(each.kind, each.status, each.media_type) for each in found] == expected


def test_a_handler_that_never_returns_answers_nothing() -> None:
    assert route(Never).plan is None


def test_what_is_said_of_an_answer_is_kept() -> None:
    kind = Response[User] | Annotated[Missing, Status(404, "There is no such user.")]
    assert route(kind).plan.answers == (
        AnswerType(kind=User, media_type=JSON, in_response=True),
        AnswerType(kind=Missing, media_type=JSON, status=404, description="There is no such user."),
    )
    assert route(Iterable[User]).plan.answers[0].takes_lists


@pytest.mark.parametrize(
    "kind", [None, str, dict[str, int], Any, Response, Response[dict[str, int]], int]
)
def test_an_answer_without_fields_costs_no_endpoint(kind: Any) -> None:
    assert route(kind).endpoint is None


@pytest.mark.parametrize(
    "kind", [EventStream, EventStream | None, Annotated[EventStream, Status(200)]]
)
def test_an_event_stream_is_no_answer_to_return(kind: Any) -> None:
    with pytest.raises(RouteError, match=r"no handler returns: ctx\.event_stream\(\) sends it"):
        app_of(kind, None)


@pytest.mark.parametrize(
    "kind",
    [
        tuple[int, *tuple[User, ...]],
        tuple[int, *tuple[User, User]],
        tuple[Unpack[tuple[int, ...]], str],  # noqa: UP044
        list[tuple[User, *tuple[int, ...]]],
    ],
)
def test_a_tuple_unpacked_in_another_is_refused(kind: Any) -> None:
    with pytest.raises(RouteError, match=r"unpacked in it; write a type for each place"):
        app_of(kind, None)


def test_annotations_that_are_text_are_named_too() -> None:
    app = App()

    @app.get("/a")
    async def a(ctx: Context) -> Response[User]:
        return Response(User("a"))

    @app.get("/b")
    async def b(ctx: Context) -> str:
        return "b"

    @app.get("/c")
    async def c(ctx: Context): ...

    answers = [getattr(each.plan, "answers", None) for each in app.routes]
    assert answers == [
        (AnswerType(kind=User, media_type=JSON, in_response=True),),
        (AnswerType(kind=str, media_type=TEXT),),
        None,
    ]


# --- Response[T] -------------------------------------------------------------------------------


def test_a_response_has_a_value_with_status_and_headers() -> None:
    response = Response(Account("a"), 201, {"location": "/1"})
    for kind, text in [
        (Response[User], '{"name":"a"}'),
        (Response[Account], '{"name":"a","password":"secret"}'),
        (Response, '{"name":"a","password":"secret"}'),
        (User | Response, '{"name":"a","password":"secret"}'),
        (Any, '{"name":"a","password":"secret"}'),
        (User, '{"name":"a"}'),
    ]:
        found = answer(kind, response)
        assert (found.status, found.text) == (201, text)
        assert found.headers["location"] == "/1"
        assert found.headers.get_all("content-type") == ["application/json"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": 1}, '{"a":1}'),
        ([1], "[1]"),
        (Point(1), '{"x":1}'),
        (Person(name="a"), '{"name":"a"}'),
        (date(2026, 11, 30), '"2026-11-30"'),
        ({}, "{}"),
    ],
)
def test_what_becomes_json_is_a_body(value: Any, text: str) -> None:
    found = answer(Response, Response(value))
    assert (found.status, found.text) == (200, text)
    kind: Any = type(value)
    assert answer(Response[kind], Response(value)).text == text


def test_the_headers_of_a_response_name_its_media_type() -> None:
    response: Response[Any] = Response({"a": 1}, content_type="application/x+json")
    assert answer(Response[Any], response).headers["content-type"] == "application/x+json"
    response = Response({"a": 1}, headers={"Content-Type": "application/x+json"})
    assert answer(Response[Any], response).headers["content-type"] == "application/x+json"


def test_a_response_may_be_returned_again_and_again() -> None:
    response = Response({"a": 1})
    app = app_of(Response[dict[str, int]], response)
    client = TestClient(app)
    assert client.get("/").json() == {"a": 1}
    assert client.get("/").json() == {"a": 1}
    assert response.body == b'{"a":1}'


@pytest.mark.parametrize("wrong", [404, 1.5, True])
def test_a_number_is_no_body(wrong: Any) -> None:
    with pytest.raises(UsageError, match=r"A status is written Response\(status=...\)"):
        Response(wrong)


def test_text_bytes_and_nothing_pass() -> None:
    assert answer(Response[User], Response("text", 202)).text == "text"
    assert answer(Response[User], Response(status=304)).status == 304
    assert answer(Response[User], HTTPError(404)).status == 404


def test_json_default_of_the_app_is_used() -> None:
    app = App(json_default=str)

    @app.get("/")
    async def handler(ctx: Context) -> Response[dict[str, complex]]:
        return Response({"a": 2j})

    assert TestClient(app).get("/").json() == {"a": "2j"}


def test_response_hooks_see_the_encoded_body() -> None:
    app = app_of(Response[User], Response(Account("a")))
    seen: list[bytes | None] = []

    @app.response_middleware
    async def look(ctx: Context) -> None:
        seen.append(ctx.response.body)

    @app.get("/assigned")
    async def assigned(ctx: Context) -> None:
        ctx.response = Response({"a": 1}, 201)

    client = TestClient(app)
    assert client.get("/").text == '{"name":"a"}'
    found = client.get("/assigned")
    assert (found.status, found.text) == (201, '{"a":1}')
    assert seen == [b'{"name":"a"}', b'{"a":1}']


def test_a_response_by_itself_gives_its_body() -> None:
    response = Response({"a": 1})
    assert response.body == b'{"a":1}'
    assert response.wire() == (200, [("content-type", "application/json")], b'{"a":1}')
    assert response.complete() and response.status == 200
    assert response.set_text("other").body == b"other"


def test_headers_and_status_that_were_set_before_stay() -> None:
    app = App()

    @app.get("/", status=202)
    async def handler(ctx: Context) -> Response[User]:
        ctx.response.set_cookie("a", "b").set_status(203)
        return Response(User("a"))

    @app.get("/route", status=202)
    async def of_the_route(ctx: Context) -> Response[User]:
        return Response(User("a"))

    client = TestClient(app)
    assert client.get("/").status == 203
    assert client.get("/").headers["set-cookie"].startswith("a=b")
    assert client.get("/route").status == 202


# --- unions by status --------------------------------------------------------------------------

FOUND = User | Annotated[Missing, Status(404)]

BY_STATUS: list[tuple[Any, Any, int, str]] = [
    (FOUND, User("a"), 200, '{"name":"a"}'),
    (FOUND, Account("a"), 200, '{"name":"a"}'),
    (FOUND, Missing("b"), 404, '{"detail":"b"}'),
    (FOUND, {"detail": "b"}, 404, '{"detail":"b"}'),
    (FOUND, Response(Missing("b")), 404, '{"detail":"b"}'),
    (FOUND, Response(Missing("b"), 410), 410, '{"detail":"b"}'),
    (Annotated[User, Status(201)], Account("a"), 201, '{"name":"a"}'),
    (User | Annotated[Account, Status(201)], Account("a"), 201, '{"name":"a","password":"secret"}'),
    (User | Annotated[Account, Status(201)], User("a"), 200, '{"name":"a"}'),
    (Response[User] | Annotated[Missing, Status(404)], Response(Account("a")), 200, '{"name":"a"}'),
    (Response[User] | Annotated[Missing, Status(404)], Missing("b"), 404, '{"detail":"b"}'),
    (
        Response[User] | Annotated[Response[Missing], Status(404)],
        Response(Missing("b"), headers={"x": "y"}),
        404,
        '{"detail":"b"}',
    ),
    (Response[User] | Annotated[Response[str], Status(404)], Response("gone"), 404, "gone"),
    (
        Response[User] | Annotated[Response[str], Status(404)],
        Response(User("a")),
        200,
        '{"name":"a"}',
    ),
    (User | Annotated[str, Status(404)], "gone", 404, "gone"),
    (User | str, "text", 200, "text"),
    (dict[str, int] | Annotated[str, Status(404)], {"a": 1}, 200, '{"a":1}'),
    (User | Annotated[None, Status(204)], None, 204, ""),
    (User | None | Annotated[Missing, Status(404)], None, 204, ""),
    (Annotated[None, Status(205)], None, 205, ""),
    (Point | Annotated[Person, Status(404)], Person(name="a"), 404, '{"name":"a"}'),
    (Row | Annotated[list[int], Status(404)], [1], 404, "[1]"),
    (AsyncIterator[User] | Annotated[Missing, Status(404)], Missing("b"), 404, '{"detail":"b"}'),
    (
        Annotated[Iterator[User], Status(206)] | Annotated[Missing, Status(404)],
        iter([Account("a")]),
        206,
        '{"name":"a"}\n',
    ),
    (Iterator[str] | Annotated[Missing, Status(404)], iter("ab"), 200, "ab"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "status", "text"), BY_STATUS)
def test_the_member_that_fits_decides_the_status(
    kind: Any, value: Any, status: int, text: str
) -> None:
    found = answer(kind, value)
    assert (found.status, found.text) == (status, text)


def test_a_member_without_one_has_the_status_of_the_route() -> None:
    assert answer(FOUND, User("a"), status=202).status == 202
    assert answer(FOUND, Missing("b"), status=202).status == 404


def test_a_status_that_the_handler_sets_stays() -> None:
    app = App()

    @app.get("/")
    async def handler(ctx: Context) -> User | Annotated[Missing, Status(404)]:
        ctx.response.set_status(410)
        return Missing("b")

    assert TestClient(app).get("/").status == 410


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (FOUND, 5, "is a int: 5; expected User or Missing"),
        (FOUND, Missing(5), r"\.detail is a int: 5; expected a str"),  # type: ignore[arg-type]
        (FOUND, None, "returned None; its annotation says User or Missing"),
        (Response[User], Response({"nome": "a"}), "expected User, which has 'name'"),
        (Response[User], Response([User("a")]), "expected User"),
        (Response[User], {"nome": "a"}, "expected User, which has 'name'"),
        (Response[list[User]], Response([5]), r"at \[0\] is a int: 5; expected User"),
        (Any, Response({"a": object()}), "cannot be JSON"),
        (Response[Any], Response({"a": object()}), "cannot be JSON"),
        (Users, [5], r"at \[0\] is a int: 5; expected User"),
        (UserName, User("a"), "expected Account, which has 'password'"),
    ],
)
def test_what_fits_no_member_is_a_500(kind: Any, value: Any, message: str) -> None:
    wire = Lockstep(app_of(kind, value))
    wire.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert wire.sent.startswith(b"HTTP/1.1 500 ")
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(wire.log[-1].message)
    assert "handler" in wire.log[-1].message


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (User | Annotated[User, Status(404)], "of the route and 404, and in both cases be a User"),
        (Row | Annotated[Row2, Status(404)], "be a dict"),
        (list[User] | Annotated[list[Missing], Status(404)], "be a list"),
        (Union[None, Annotated[None, Status(204)]], "be a NoneType"),  # noqa: UP007  # None has no |
        (Iterator[User] | Annotated[Iterator[Missing], Status(404)], "be a Iterator"),
        (Annotated[User, Status(199)], "handler.* is 199; expected an int from 200 to 599"),
        (Annotated[User, Status(600)], "is 600"),
        (Annotated[User, Status("404")], "is '404'"),  # type: ignore[arg-type]
        (Annotated[User, Status(True)], "is True"),
        (Response[Response[User]], "a Response in a Response"),
        (Response[Iterator[User]], "an iterator in a Response"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_apart_is_refused(kind: Any, message: str) -> None:
    with pytest.raises(RouteError, match=message):
        app_of(kind, None)


def test_a_handler_of_such_responses_speaks_json() -> None:
    app = App()

    @app.get("/")
    async def handler(ctx: Context) -> Response[User]:
        raise HTTPError(409)

    assert TestClient(app).get("/").headers["content-type"] == "application/problem+json"
