"""What the three apps declare alike: the types of bodies and answers, and what a handler tells."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, TypedDict
from uuid import UUID

import msgspec
import pydantic


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclass
class Item:
    name: str
    price: float
    count: int = 1
    tags: list[str] = field(default_factory=list)
    note: str | None = None


@dataclass
class Order:
    item: Item
    others: list[Item] = field(default_factory=list)
    by_name: dict[str, Item] = field(default_factory=dict)


@dataclass
class Event:
    at: datetime
    day: date | None = None
    hour: time | None = None
    length: timedelta | None = None
    cost: Decimal | None = None
    key: UUID | None = None
    color: Color | None = None
    public: bool | None = None


@dataclass
class Tree:
    value: int
    children: list[Tree] = field(default_factory=list)


@dataclass
class Login:
    user: str
    password: int


class Row(TypedDict, total=False):
    a: int
    b: str


class Point(msgspec.Struct):
    x: int
    y: int = 0


class Person(pydantic.BaseModel):
    name: str
    age: Annotated[int, pydantic.Field(ge=0)] = 0
    born: date | None = None


@dataclass
class User:
    id: int
    name: str


@dataclass
class Account(User):
    password_hash: str = "2b$"


def told(**values: Any) -> dict[str, str]:
    """Return what a handler was given, as the same text in each framework."""
    return {name: shown(value) for name, value in values.items()}


def shown(value: Any) -> str:
    """Return a value with its type, whichever library has made it."""
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, datetime | date | time):
        return f"{type(value).__name__} {value.isoformat()}"
    if isinstance(value, timedelta):
        return f"timedelta {value.total_seconds():g} s"
    if isinstance(value, UUID):
        return f"UUID {value}"
    if isinstance(value, set | frozenset):
        return "{" + ", ".join(sorted(map(shown, value))) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(shown, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(shown, value)) + ")"
    if isinstance(value, dict):
        members = (f"{name!a}: {shown(each)}" for name, each in value.items())
        return "{" + ", ".join(members) + "}"
    names = _fields(value)
    if names:
        members = (f"{name}={shown(getattr(value, name))}" for name in names)
        return f"{type(value).__name__}({', '.join(members)})"
    return ascii(value)


def _fields(value: Any) -> list[str]:
    if is_dataclass(value):
        return [each.name for each in fields(value)]
    return [*(getattr(type(value), "__struct_fields__", None) or type_fields(value))]


def type_fields(value: Any) -> list[str]:
    """Return the names of the fields of a pydantic model; none of any other value."""
    return [*type(value).model_fields] if isinstance(value, pydantic.BaseModel) else []
