"""What a client reads of a wrong value says what was seen, and what was expected."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pydantic
import pytest

from anylane import App, JsonBody, Query
from anylane.testing import TestClient


class Known(msgspec.Struct, forbid_unknown_fields=True):
    name: str = ""


class Bounded(pydantic.BaseModel):
    text: str = pydantic.Field("ab", min_length=2, pattern="^a")
    items: list[int] = pydantic.Field([1], min_length=1)
    table: dict[str, int] = pydantic.Field({}, max_length=0)


app = App(errors="json")


@app.get("/tags")
async def tags(tag: Annotated[list[str], Query(max_length=2)]) -> None: ...


@app.get("/pair")
async def pair(pair: tuple[int, int]) -> None: ...


@app.post("/numbers")
async def numbers(numbers: Annotated[list[int], JsonBody(max_length=2)]) -> None: ...


@app.post("/number")
async def number(number: Annotated[int, JsonBody(ge=2)]) -> None: ...


@app.post("/table")
async def table(table: Annotated[dict[str, Any], JsonBody(max_length=0)]) -> None: ...


@app.post("/known")
async def known(known: Known) -> None: ...


@app.post("/bounded")
async def bounded(bounded: Bounded) -> None: ...


client = TestClient(app)


def test_too_many_values_are_counted() -> None:
    answer = client.get("/tags?tag=a&tag=b&tag=c")
    assert answer.json()["detail"] == "query tag is 3 values; expected a list of length 2 or less"
    answer = client.get("/pair?pair=1")
    assert answer.json()["detail"] == "query pair is 1 value; expected 2 values"


@pytest.mark.parametrize(
    ("path", "body", "detail"),
    [
        ("/numbers", [1, 2, 3], "body is 3 values; expected a list of length 2 or less"),
        ("/number", 1, "body is 1; expected at least 2"),
        ("/table", {"a": 1}, "body is an object; expected of length 0 or less"),
        ("/known", {"nam": "a"}, 'body nam is "a"; expected no such field'),
        ("/known", {"password": "a"}, "body password is (not shown); expected no such field"),
        (
            "/bounded",
            {"text": "a"},
            'body text is "a"; expected a string with at least 2 characters',
        ),
        (
            "/bounded",
            {"text": "bc"},
            "body text is \"bc\"; expected a string that matches pattern '^a'",
        ),
        ("/bounded", {"items": []}, "body items is an array; expected a list with at least 1 item"),
        ("/bounded", {"table": {"a": 1}}, "body table is an object; expected a dictionary with at"),
    ],
)
def test_a_wrong_body_is_shown(path: str, body: Any, detail: str) -> None:
    assert client.post(path, json=body).json()["detail"].startswith(detail)
