"""Types that are written in other ways, and what mixtures of libraries mean."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, NewType, NotRequired, Optional
from uuid import UUID

import msgspec
import pydantic
import pytest
from typing_extensions import TypeAliasType, TypedDict

from anylane import App, Form, JsonBody, Query, RouteError
from anylane.json import dumps
from anylane.testing import TestClient
from anylane.typed.model_input.secrets import secret_names
from anylane.typed.models import needs_pydantic
from anylane.typed.written_types import types_in


class Person(pydantic.BaseModel):
    name: str
    size: int | str | None = None


class Row(TypedDict):
    a: int
    b: NotRequired[int]


@dataclass
class Team:
    lead: Person


class Crew(TypedDict):
    people: list[Person]


@dataclass
class Pairs:
    one: tuple[int, str]
    more: tuple[int, ...] = ()
    tags: frozenset[str] = frozenset()


@dataclass
class Other:
    b: int


@dataclass
class Odd:
    value: complex


class Part(msgspec.Struct):
    x: int


class Held(Person):
    model_config = pydantic.ConfigDict(defer_build=True)

    part: Part


Number = NewType("Number", int)
Small = TypeAliasType("Small", Annotated[int, Query(lt=10)])


def handler_of(kind: Any, *, returns: Any = None) -> Callable[..., Any]:
    async def handler(v) -> Any:
        return v if returns is not None else repr(v)

    handler.__annotations__ = {"v": kind} if returns is None else {"v": kind, "return": returns}
    return handler


def posted(kind: Any, value: Any, *, returns: Any = None) -> Any:
    app = App()
    app.post("/")(handler_of(Annotated[kind, JsonBody()], returns=returns))
    return TestClient(app).post(
        "/", content=dumps(value), headers={"content-type": "application/json"}
    )


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        (Optional[Annotated[int, Query(lt=10)]], "10"),  # noqa: UP045  # pyright knows no other
        (Number, "x"),
        (Small, "10"),
        (Small | None, "10"),
        (Annotated[Small, msgspec.Meta(ge=5)], "4"),
    ],
)
def test_a_type_by_another_name_is_read_as_that_type(kind: Any, bad: str) -> None:
    app = App()
    app.get("/")(handler_of(kind))
    client = TestClient(app)
    assert client.get("/?v=5").text == "5"
    assert client.get(f"/?v={bad}").status == 422


def test_the_text_of_a_form_is_a_plain_str() -> None:
    class Whole(pydantic.BaseModel):
        v: str

    app = App()

    @app.post("/")
    async def handler(v: Annotated[str, Form()], w: Annotated[list[str], Form()]) -> list[bool]:
        return [type(each) is str for each in (v, *w)]

    @app.post("/whole")
    async def whole(form: Annotated[Whole, Form()]) -> bool:
        return type(form.v) is str

    client = TestClient(app)
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/", content=b"v=a&w=b&w=c", headers=headers).json() == [True] * 3
    assert client.post("/whole", content=b"v=a", headers=headers).json() is True


@pytest.mark.parametrize(
    ("kind", "good", "bad", "field"),
    [
        (Row, {"a": 1}, {"a": "x"}, "a"),
        (Row, {"a": 1, "b": 2}, {}, "a"),
        (Team, {"lead": {"name": "a", "size": None}}, {"lead": {"name": 5}}, "lead.name"),
        (Crew, {"people": [{"name": "a", "size": 1}]}, {"people": [{}]}, "people.0.name"),
        (Pairs, {"one": [1, "a"], "more": [1], "tags": ["x"]}, {"one": [1, 2]}, "one.1"),
        (Pairs, {"one": [1, "a"], "more": [], "tags": []}, {"one": [1]}, "one"),
        (
            Pairs,
            {"one": [1, "a"], "more": [], "tags": []},
            {"one": [1, "a"], "more": [1, "x"]},
            "more.1",
        ),
    ],
)
def test_what_comes_in_goes_out(kind: Any, good: Any, bad: Any, field: str) -> None:
    answer = posted(kind, good, returns=kind)
    assert (answer.status, answer.json()) == (200, good)
    assert [each["field"] for each in posted(kind, bad).json()["errors"]] == [field]


def test_a_typed_dict_of_another_library_holds_answers_too() -> None:
    app = App()

    @app.get("/")
    async def handler() -> list[Row]:
        return [{"a": 1, "secret": 2}]  # type: ignore[typeddict-unknown-key]

    assert TestClient(app).get("/").text == '[{"a":1}]'


def test_a_fault_of_a_union_names_the_field_and_no_member() -> None:
    assert posted(Person, {"name": "a", "size": [1]}).json()["errors"] == [
        {
            "location": "body",
            "field": "size",
            "expected": "a valid integer or a valid string",
            "seen": "an array",
        }
    ]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Other | Pairs, "'v' of .* is nothing that msgspec reads: .*more than one"),
        (Odd, "'v' of .* has a complex in it, which no JSON is read as"),
        (Held, "'v' of .* is nothing that pydantic reads: .*Part"),
    ],
)
def test_a_body_that_can_never_be_read_is_refused(kind: Any, message: str) -> None:
    with pytest.raises(RouteError, match=message):
        App().post("/")(handler_of(Annotated[kind, JsonBody()]))


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (set[int], {1}, "[1]"),
        (frozenset[str], frozenset("a"), '["a"]'),
        (dict[str, set[int]], {"a": {1}}, '{"a":[1]}'),
        (Pairs, Pairs((1, "a"), (2,), frozenset("x")), '{"one":[1,"a"],"more":[2],"tags":["x"]}'),
        (date, date(2026, 11, 30), '"2026-11-30"'),
        (UUID | None, UUID(int=5), f'"{UUID(int=5)}"'),
    ],
)
def test_what_json_has_no_form_for_is_sent_by_its_annotation(
    kind: Any, value: Any, text: str
) -> None:
    async def handler() -> Any:
        return value

    handler.__annotations__["return"] = kind
    app = App()
    app.get("/")(handler)
    answer = TestClient(app).get("/")
    assert (answer.status, answer.text) == (200, text)
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="syntax of 3.12")
def test_a_name_for_a_type_may_be_in_what_it_names() -> None:
    source = (
        "type Tree = dict[str, Tree] | str\n"
        "class Page(pydantic.BaseModel):\n    tree: Tree\n    key: pydantic.SecretStr\n"
    )
    space: dict[str, Any] = {"pydantic": pydantic, "__name__": __name__}
    exec(compile(source, "", "exec", dont_inherit=True), space)
    assert secret_names(space["Page"]) == {"key"}
    assert not needs_pydantic(space["Tree"])


def test_all_types_in_the_brackets_of_a_type_are_found_once() -> None:
    kind = Annotated[dict[str, list[Optional[int]]], "x"] | tuple[int, str]  # noqa: UP045
    plain = [each for each in types_in(kind) if each in (int, str, type(None))]
    assert sorted(plain, key=repr) == [type(None), int, str]
