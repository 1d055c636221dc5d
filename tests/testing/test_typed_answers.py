"""`response.json(User)`: answers as types, and what is said about others."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, TypedDict, assert_type

import msgspec
import pytest
from pydantic import BaseModel, Field

from anylane import App, Context, Depends, HTTPError, Response, UsageError
from anylane.testing import ClientResponse, TestClient


@dataclass
class User:
    id: int
    name: str
    tags: list[str] = field(default_factory=list)


class Point(msgspec.Struct):
    x: Annotated[int, msgspec.Meta(ge=0)]


class Pet(BaseModel):
    name: str = Field(min_length=1)


class Movie(TypedDict):
    year: int


def answer(value: Any) -> ClientResponse:
    app = App()

    @app.get("/x")
    async def x(ctx: Context) -> Any:
        return value

    return TestClient(app).get("/x")


def test_an_answer_becomes_its_type() -> None:
    user = answer({"id": 1, "name": "ada"}).json(User)
    assert_type(user, User)
    assert user == User(1, "ada")
    users = answer([{"id": 1, "name": "ada"}]).json(list[User])
    assert_type(users, list[User])
    assert users == [User(1, "ada")]
    named = answer({"a": {"x": 1}}).json(dict[str, Point])
    assert_type(named, dict[str, Point])
    assert named == {"a": Point(1)}
    assert_type(answer({"name": "Rex"}).json(Pet), Pet)
    assert answer({"name": "Rex"}).json(Pet) == Pet(name="Rex")
    assert answer([{"name": "Rex"}]).json(list[Pet]) == [Pet(name="Rex")]
    assert_type(answer({"year": 1999}).json(Movie), Movie)
    assert answer({"year": 1999}).json(Movie) == {"year": 1999}
    assert_type(answer(7).json(int), int)
    assert answer("2026-11-30").headers["content-type"].startswith("text/")
    assert answer({"day": "2026-11-30"}).json(dict[str, date]) == {"day": date(2026, 11, 30)}


def test_a_union_is_read_too() -> None:
    kind: Any = User | None
    assert (
        answer(Response(b"null", headers={"content-type": "application/json"})).json(kind) is None
    )
    assert answer({"id": 1, "name": "ada"}).json(kind) == User(1, "ada")


def test_without_a_type_it_is_any_json() -> None:
    found = answer({"id": 1}).json()
    assert_type(found, Any)
    assert found == {"id": 1}


def test_another_answer_is_told_with_each_fault() -> None:
    with pytest.raises(AssertionError) as caught:
        answer({"id": "1", "tags": ["a", 2]}).json(User)
    assert str(caught.value) == (
        "GET /x was answered with 200 and no User:\n"
        '  id: expected an integer, saw "1"\n'
        "  name: expected a value, which is missing\n"
        "  tags.1: expected a text, saw 2\n"
        '  in {"id":"1","tags":["a",2]}'
    )


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ([1], User, "and no User:\n  the body: expected "),
        ([{"x": -1}], list[Point], "no list[tests.testing.test_typed_answers.Point]:\n  0.x: "),
        ({"name": ""}, Pet, "no Pet:\n  name: expected a string with at least 1 character"),
        ("plain", User, "no User:\n  the body: expected JSON, saw "),
        ({"a": 1}, list, "no list:\n  the body: expected a JSON array, saw "),
    ],
)
def test_what_is_wrong_is_told(value: Any, kind: Any, expected: str) -> None:
    with pytest.raises(AssertionError) as caught:
        answer(value).json(kind)
    assert expected in str(caught.value)


def test_an_error_is_told_with_its_status_and_cause() -> None:
    app = App()

    @app.get("/x")
    async def x(ctx: Context) -> None:
        raise HTTPError(409, "that name is taken", detail={"name": "ada"})

    @app.get("/y")
    async def y(ctx: Context) -> None:
        raise KeyError("k")

    client = TestClient(app)
    with pytest.raises(AssertionError, match="answered with 409 and no User:") as caught:
        client.get("/x").json(User)
    assert "that name is taken" in str(caught.value)
    with pytest.raises(AssertionError, match="answered with 500") as caught:
        client.get("/y").json(User)
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize("kind", [7, App])
def test_a_type_that_json_cannot_have_is_refused(kind: object) -> None:
    with pytest.raises(UsageError, match=r"response.json\((7|App)\)"):
        answer({}).json(kind)


def test_a_dependency_is_replaced_for_a_client() -> None:
    def name() -> str:
        return "real"

    app = App()

    @app.get("/")
    async def home(name: Annotated[str, Depends(name)]) -> str:
        return name

    client = TestClient(app)
    assert client.get("/").text == "real"
    client.app.dependency_overrides[name] = lambda: "fake"
    assert client.get("/").text == "fake"
    client.app.dependency_overrides.clear()
    assert client.get("/").text == "real"
