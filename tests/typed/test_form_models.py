"""The fields of a form are read by the grammar of queries, also where a class takes all of them."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
import pydantic
import pytest

from anylane import App, Form
from anylane.testing import TestClient


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclass
class Plain:
    n: Annotated[int, msgspec.Meta(ge=1)]
    note: str | None = None
    day: date | None = None
    level: Level = Level.LOW
    kind: Literal["a", 1] = "a"
    open: bool = False
    cost: Decimal = Decimal(0)
    tags: list[int] = field(default_factory=list)
    pair: tuple[int, str] | None = None


class Struct(msgspec.Struct):
    n: Annotated[int, msgspec.Meta(ge=1)]
    note: str | None = None
    day: date | None = None
    level: Level = Level.LOW
    kind: Literal["a", 1] = "a"
    open: bool = False
    cost: Decimal = Decimal(0)
    tags: list[int] = []
    pair: tuple[int, str] | None = None


class Model(pydantic.BaseModel):
    n: Annotated[int, pydantic.Field(ge=1)]
    note: str | None = None
    day: date | None = None
    level: Level = Level.LOW
    kind: Literal["a", 1] = "a"
    open: bool = False
    cost: Decimal = Decimal(0)
    tags: list[int] = []
    pair: tuple[int, str] | None = None


def posted(kind: Any, data: dict[str, Any]) -> Any:
    async def handler(value) -> dict[str, str]:
        return {name: repr(getattr(value, name)) for name in data}

    handler.__annotations__["value"] = Annotated[kind, Form()]
    app = App(errors="json")
    app.post("/")(handler)
    return TestClient(app).post("/", data=data)


KINDS = pytest.mark.parametrize("kind", [Plain, Struct, Model])


@KINDS
def test_texts_are_read_as_in_a_query(kind: Any) -> None:
    data = {
        "n": "7",
        "note": "null",
        "day": "2026-11-30",
        "level": "2",
        "kind": "1",
        "open": "ON",
        "cost": "1.10",
        "tags": ["1", "2"],
        "pair": ["3", "4"],
    }
    assert posted(kind, data).json() == {
        "n": "7",
        "note": "'null'",
        "day": "datetime.date(2026, 11, 30)",
        "level": "<Level.HIGH: 2>",
        "kind": "1",
        "open": "True",
        "cost": "Decimal('1.10')",
        "tags": "[1, 2]",
        "pair": "(3, '4')",
    }


@KINDS
@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("n", "1.0", ("n", "an integer", "1.0")),
        ("n", "1_0", ("n", "an integer", "1_0")),
        ("n", "", ("n", "an integer", "")),
        ("day", "null", ("day", "a date such as 2026-11-30", "null")),
        ("day", "1764505845", ("day", "a date such as 2026-11-30", "1764505845")),
        ("level", "LOW", ("level", "one of 1, 2", "LOW")),
        ("open", "t", ("open", "true or false", "t")),
        ("cost", "nan", ("cost", "a decimal number", "nan")),
        ("tags", ["1", "x"], ("tags.1", "an integer", "x")),
        ("pair", ["x", "4"], ("pair.0", "an integer", "x")),
    ],
)
def test_what_no_query_has_is_refused_once(kind: Any, name: str, value: Any, fault: Any) -> None:
    answer = posted(kind, {"n": "1", name: value})
    assert answer.status == 422, answer.text
    assert [
        (each["field"], each["expected"], each.get("seen")) for each in answer.json()["errors"]
    ] == [fault]


@KINDS
def test_faults_of_texts_and_of_the_class_are_named_together(kind: Any) -> None:
    answer = posted(kind, {"day": "x", "tags": "x"})
    assert sorted(each["field"] for each in answer.json()["errors"]) == ["day", "n", "tags.0"]
    assert [each["field"] for each in posted(kind, {"n": "0"}).json()["errors"]] == ["n"]
