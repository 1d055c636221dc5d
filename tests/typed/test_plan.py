"""The function that is written for a handler calls it as Python would, and tracebacks show it."""

from __future__ import annotations

import linecache
import re
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest

from anylane import App, Header, Query
from anylane.testing import TestClient
from anylane.typed.arguments.code import function


def test_parameters_may_have_the_names_that_the_written_function_uses() -> None:
    app = App()

    @app.post("/{endpoint:int}/{handler}")
    async def handle(  # noqa: PLR0917
        endpoint: int,
        handler: str,
        item: dict,  # type: ignore[type-arg]
        faults: int,
        texts: int,
        request: str = "r",
        value_faults: int = 0,
        MISSING: int = 1,  # noqa: N803
        from_state: bool = False,
        read: Annotated[str, Query('a "quoted\\" name')] = "",
        answer: Annotated[str, Header("x-it's")] = "",
        *,
        call: int,
        größe: int = 5,  # noqa: PLC2401
    ) -> Any:
        return [endpoint, handler, item, faults, texts, request, value_faults, MISSING, from_state,
                read, answer, call, größe]  # fmt: skip

    got = TestClient(app).post(
        "/1/two?faults=3&texts=4&MISSING=5&from_state=on&a+%22quoted%5C%22+name=r&call=6&"
        "gr%C3%B6%C3%9Fe=7",
        json={"a": 1},
        headers={"x-it's": "h"},
    )
    assert got.json() == [1, "two", {"a": 1}, 3, 4, "r", 0, 5, True, "r", "h", 6, 7]


def test_one_handler_under_two_patterns() -> None:
    app = App()

    @app.get("/number/{id:int}")
    @app.get("/text/{id}")
    async def show(id: int) -> Any:
        return id

    client = TestClient(app)
    assert client.get("/number/7").json() == 7
    assert client.get("/text/8").json() == 8
    assert client.get("/text/x").status == 422


@dataclass
class Item:
    name: str


def test_the_documents_show_the_function_that_is_written() -> None:
    app = App()

    @app.put("/items/{id:int}")
    async def documented(id: int, item: Item, page: int = 1) -> Item:
        return item

    written = [
        "".join(entry[2])
        for name, entry in linecache.cache.items()
        if name.startswith("<anylane, for ") and "documented" in name and len(entry) == 4
    ]
    page = Path(__file__).parents[2] / "docs" / "typed-handlers.md"
    shown = re.search(r"```text\n(async def endpoint.*?)```", page.read_text("utf-8"), re.DOTALL)
    assert shown is not None
    assert written == [shown[1]]


def test_defaults_are_given_and_not_copied() -> None:
    app, kept = App(), object()

    @app.get("/")
    async def show(tag: Annotated[list[int], Query()] = kept) -> Any:  # type: ignore[assignment]
        return tag is kept

    assert TestClient(app).get("/").json() is True


def test_a_traceback_shows_the_lines_that_were_written() -> None:
    def divide(by: str) -> Any:
        return function("divide", "def divide(x):", [f"return {by} / x"], {}, "for a test")

    first, same, other = divide("1"), divide("1"), divide("2")
    for made, place in (
        (first, "<for a test>"),
        (same, "<for a test>"),
        (other, "<for a test, 2>"),
    ):
        with pytest.raises(ZeroDivisionError) as caught:
            made(0)
        assert f'File "{place}", line 2, in divide\n    return ' in "".join(
            traceback.format_exception(caught.value)
        )
