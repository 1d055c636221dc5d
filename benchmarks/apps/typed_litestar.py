"""Litestar: the work "typed" by msgspec's Structs, the fastest that it takes."""

from __future__ import annotations

from litestar import Litestar, put
from msgspec import Struct


class Item(Struct):
    name: str
    email: str
    age: int
    score: float
    is_active: bool
    nickname: str | None
    tags: list[str]
    visits: int


class Stored(Struct):
    id: int
    page: int
    size: int
    verbose: bool
    name: str
    score: float
    tags: list[str]
    visits: int


@put("/typed/{id:int}")
async def store(
    id: int, data: Item, page: int = 1, size: int = 20, verbose: bool = False
) -> Stored:
    return Stored(id, page, size, verbose, data.name, data.score, data.tags, data.visits)


app = Litestar([store], openapi_config=None, logging_config=None)
