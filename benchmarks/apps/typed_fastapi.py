"""FastAPI: the work "typed" by pydantic models."""

from __future__ import annotations

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI(openapi_url=None)


class Item(BaseModel):
    name: str
    email: str
    age: int
    score: float
    is_active: bool
    nickname: str | None
    tags: list[str]
    visits: int


class Stored(BaseModel):
    id: int
    page: int
    size: int
    verbose: bool
    name: str
    score: float
    tags: list[str]
    visits: int


@app.put("/typed/{id}")
async def store(
    id: int, item: Item, page: int = 1, size: int = 20, verbose: bool = False
) -> Stored:
    return Stored(
        id=id,
        page=page,
        size=size,
        verbose=verbose,
        name=item.name,
        score=item.score,
        tags=item.tags,
        visits=item.visits,
    )
