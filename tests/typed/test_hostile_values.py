"""Values that are meant to harm: each is refused, at a bounded cost, and no answer gives anything
away."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pydantic
import pytest

from anylane import App, JsonBody, Query
from anylane.json import dumps
from anylane.testing import TestClient

JSON = {"content-type": "application/json"}


class Color(enum.Enum):
    RED = "red"


@dataclass
class Item:
    name: str
    price: float
    tags: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


@dataclass
class Moment:
    at: datetime | None = None
    length: timedelta | None = None
    key: UUID | None = None
    cost: Decimal | None = None
    more: list[Decimal] = field(default_factory=list)


@dataclass
class Tree:
    children: list[Tree] = field(default_factory=list)


class Model(pydantic.BaseModel):
    name: str = ""
    price: float = 0
    tags: list[str] = []
    counts: dict[str, int] = {}
    child: Model | None = None


def client_of(kind: Any, marker: Any = None) -> TestClient:
    async def handler(value) -> str:
        return repr(value)

    handler.__annotations__["value"] = Annotated[kind, marker or JsonBody()]
    app = App(errors="json")
    (app.get if isinstance(marker, Query) else app.post)("/")(handler)
    return TestClient(app)


def faults(response: Any) -> list[tuple[str, str, str | None]]:
    assert response.status == 422, (response.status, response.text[:500])
    return [
        (each["field"], each["expected"], each.get("seen")) for each in response.json()["errors"]
    ]


def posted(kind: Any, value: Any) -> Any:
    content = value if isinstance(value, bytes) else dumps(value)
    return client_of(kind).post("/", content=content, headers=JSON)


# --- bounds of what is checked


@pytest.mark.parametrize(
    ("kind", "bound", "text", "fits"),
    [
        (float, 0.1, "1e300", True),
        (float, 0.1, "0.3", True),
        (float, 0.3, "1e300", False),
        (float, 0.1, "1e-300", False),
        (Decimal, 5, "1e9999", True),
        (Decimal, 3, "1e9999", False),
        (Decimal, 0.5, "1e-9999", False),
        (int, 0.5, "9" * 600, True),
        (int, 0.8, "9" * 600, False),
    ],
)
def test_multiples_are_exact_however_large(kind: Any, bound: float, text: str, fits: bool) -> None:
    answer = client_of(kind, Query(multiple_of=bound)).get(f"/?value={text}")
    assert answer.status == (200 if fits else 422)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("^[a-z]+$", "ab", True),
        ("^[a-z]+$", "ab%0A", False),
        ("^(a|b$)$", "b%0A", False),
        (r"^a\$$", "a$", True),
        (r"^a\$$", "a$%0A", False),
        (r"^[$]$", "$", True),
        (r"^[^]$]$", "$", False),
        (r"^[]$]$", "$", True),
        ("(?m)^a$", "a%0A", True),
    ],
)
def test_the_end_of_a_pattern_is_the_end_of_the_text(pattern: str, text: str, fits: bool) -> None:
    # ECMA-262, whose expressions those of JSON Schema are: `$` is not in front of a line feed.
    answer = client_of(str, Query(pattern=pattern)).get(f"/?value={text}")
    assert answer.status == (200 if fits else 422)
