"""BlackSheep: the work "typed" by pydantic models, which check what is sent, and by dataclasses,
whose fields it takes as they come; with orjson as its documentation shows."""

from __future__ import annotations

from dataclasses import dataclass

import orjson
from blacksheep import Application, FromJSON
from blacksheep.server.routing import Router
from blacksheep.settings.json import json_settings
from pydantic import BaseModel

json_settings.use(
    loads=orjson.loads,
    dumps=lambda value: orjson.dumps(value, default=lambda model: model.model_dump()).decode(),
)
app = Application(router=Router())
unchecked = Application(router=Router())


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


@app.router.put("/typed/{id}")
async def store(
    id: int, item: FromJSON[Item], page: int = 1, size: int = 20, verbose: bool = False
) -> Stored:
    data = item.value
    return Stored(
        id=id,
        page=page,
        size=size,
        verbose=verbose,
        name=data.name,
        score=data.score,
        tags=data.tags,
        visits=data.visits,
    )


@dataclass
class PlainItem:
    name: str
    email: str
    age: int
    score: float
    is_active: bool
    nickname: str | None
    tags: list[str]
    visits: int


@dataclass
class PlainStored:
    id: int
    page: int
    size: int
    verbose: bool
    name: str
    score: float
    tags: list[str]
    visits: int


@unchecked.router.put("/typed/{id}")
async def store_unchecked(
    id: int, item: FromJSON[PlainItem], page: int = 1, size: int = 20, verbose: bool = False
) -> PlainStored:
    data = item.value
    return PlainStored(id, page, size, verbose, data.name, data.score, data.tags, data.visits)
