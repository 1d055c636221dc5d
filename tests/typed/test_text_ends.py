"""`$` in the pattern of a model means the end of the text, whichever library reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple, NotRequired, TypedDict

import msgspec
import pydantic
import pytest

from anylane import App, Form, JsonBody
from anylane.testing import TestClient

Word = Annotated[str, msgspec.Meta(pattern="^[a-z]+$")]


@dataclass
class Data:
    word: Word
    words: list[Word] = field(default_factory=list)


class Table(TypedDict):
    word: Word
    by_name: NotRequired[dict[Word, Word | int | None]]


class Struct(msgspec.Struct, rename="upper"):
    word: Word
    inner: Struct | None = None


class Row(msgspec.Struct, array_like=True, tag="row"):
    word: Word


class One(msgspec.Struct, tag="one"):
    word: Word


class Other(msgspec.Struct, tag="other"):
    word: str


class Pair(NamedTuple):
    number: int
    word: Word


class Model(pydantic.BaseModel):
    word: str = pydantic.Field(pattern="^[a-z]+$")


def faults(kind: Any, value: Any) -> list[tuple[str, str]]:
    app = App()

    async def handler(value) -> str:
        return "taken"

    handler.__annotations__ = {"value": Annotated[kind, JsonBody()]}
    app.post("/")(handler)
    answer = TestClient(app).post("/", json=value)
    if answer.status == 200:
        return []
    assert answer.status == 422
    return [(each["field"], each["seen"]) for each in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("kind", "good", "bad", "places"),
    [
        (Data, {"word": "a"}, {"word": "a\n"}, ["word"]),
        (Data, {"word": "a"}, {"word": "a", "words": ["a", "b\n", "c\n"]}, ["words.1", "words.2"]),
        (Table, {"word": "a"}, {"word": "a\n"}, ["word"]),
        (Table, {"word": "a", "by_name": {"b": 1}}, {"word": "a", "by_name": {"b": "c\n"}},
         ["by_name.b"]),
        (Table, {"word": "a"}, {"word": "a", "by_name": {"b\n": None}}, ["by_name.b\n"]),
        (Struct, {"WORD": "a"}, {"WORD": "a", "INNER": {"WORD": "b\n"}}, ["INNER.WORD"]),
        (Row, ["row", "a"], ["row", "a\n"], ["1"]),
        (One | Other, {"type": "other", "word": "a\n"}, {"type": "one", "word": "a\n"}, ["word"]),
        (Pair, [1, "a"], [1, "a\n"], ["1"]),
        (list[Word], ["a"], ["a\n"], ["0"]),
        (tuple[int, Word], [1, "a"], [1, "a\n"], ["1"]),
        (Model, {"word": "a"}, {"word": "a\n"}, ["word"]),
    ],
)  # fmt: skip
def test_a_last_line_feed_is_no_end(kind: Any, good: Any, bad: Any, places: list[str]) -> None:
    assert faults(kind, good) == []
    found = faults(kind, bad)
    assert [place for place, _ in found] == places
    assert all(seen.endswith('\n"') for _, seen in found)


@pytest.mark.parametrize("escaped", ["\\n", "\\u000a", "\\u000A"])
def test_however_it_is_escaped(escaped: str) -> None:
    app = App()

    @app.post("/")
    async def handler(value: Data) -> str:
        return "taken"

    body = f'{{"word": "a{escaped}"}}'
    answer = TestClient(app).post("/", content=body, headers={"content-type": "application/json"})
    assert answer.json()["errors"] == [
        {
            "location": "body",
            "field": "word",
            "expected": "a text matching regex '^[a-z]+$'",
            "seen": '"a\n"',
        }
    ]


def test_a_form_is_read_alike() -> None:
    app = App()

    @app.post("/")
    async def handler(value: Annotated[Data, Form()]) -> str:
        return "taken"

    client = TestClient(app)
    assert client.post("/", data={"word": "a"}).status == 200
    [fault] = client.post("/", data={"word": "a\n"}).json()["errors"]
    assert (fault["location"], fault["field"]) == ("form", "word")


def test_where_a_line_feed_is_meant_it_is_taken() -> None:
    assert faults(list[Annotated[str, msgspec.Meta(pattern=r"^a\s$")]], ["a\n"]) == []
    assert faults(list[Annotated[str, msgspec.Meta(pattern=r"^a[$]?")]], ["a\n"]) == []
    assert faults(list[Annotated[str, msgspec.Meta(pattern="(?m)^a$")]], ["a\n"]) == []
