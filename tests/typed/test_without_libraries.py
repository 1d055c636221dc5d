"""Typed handlers without msgspec and pydantic, as in Pyodide: what works, and what is told."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import pytest

from anylane import App, Header, Query, RouteError
from anylane.testing import TestClient

KEY = "12345678-1234-5678-1234-567812345678"


class Color(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    x: int
    y: int


@pytest.fixture(autouse=True)
def no_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("msgspec", "pydantic", "pydantic_core"):
        monkeypatch.setitem(sys.modules, name, None)


def test_converters_of_routes_need_none() -> None:
    app = App()

    @app.get("/{number:int}/{size:float}/{key:uuid}/{rest:path}")
    async def all_of_them(number: int, size: float, key: UUID, rest: str) -> dict[str, Any]:
        return {"number": number, "size": size, "key": key, "rest": rest}

    client = TestClient(app)
    assert client.get(f"/7/1.5/{KEY}/a/b").json() == {
        "number": 7,
        "size": 1.5,
        "key": KEY,
        "rest": "a/b",
    }
    assert client.get(f"/seven/1.5/{KEY}/a").status == 404


def test_scalars_are_converted_and_their_faults_told_at_once() -> None:
    app = App()

    @app.get("/find")
    async def find(  # noqa: PLR0917
        day: date,
        color: Color,
        agent: Annotated[str, Header("user-agent")],
        price: Annotated[Decimal, Query(ge=0)],
        tags: Annotated[list[str], Query()] = [],  # noqa: B006  # it is copied
        verbose: bool = False,
    ) -> dict[str, Any]:
        return {"day": day, "color": color, "price": price, "tags": tags, "verbose": verbose}

    client = TestClient(app, headers={"user-agent": "test"})
    found = client.get("/find?day=2026-11-30&color=blue&price=2.50&tags=a&tags=b&verbose=on")
    assert found.json() == {
        "day": "2026-11-30",
        "color": "blue",
        "price": "2.50",
        "tags": ["a", "b"],
        "verbose": True,
    }
    wrong = client.get("/find?day=today&color=green&price=-1&verbose=maybe")
    assert wrong.status == 422
    assert [each["field"] for each in wrong.json()["errors"]] == [
        "day",
        "color",
        "price",
        "verbose",
    ]


def test_a_body_that_becomes_a_model_names_the_library_in_the_registering_line() -> None:
    app = App()
    with pytest.raises(RouteError, match=r"'point' of .* msgspec.*pip install 'anylane\[typed\]'"):

        @app.post("/points")
        async def create(point: Point) -> None: ...


def test_answers_of_dataclasses_need_none() -> None:
    app = App()

    @app.get("/points")
    async def points() -> list[Point]:
        return [Point(1, 2)]

    assert TestClient(app).get("/points").json() == [{"x": 1, "y": 2}]
