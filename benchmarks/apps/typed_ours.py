"""anylane: the work "typed" by each kind of model, and by hand, each on an app of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import orjson
import pydantic

from anylane import App, Context

app, structs, models, by_hand = App(), App(), App(), App()


@dataclass
class Item:
    name: str
    email: str
    age: int
    score: float
    is_active: bool
    nickname: str | None
    tags: list[str]
    visits: int


@dataclass
class Stored:
    id: int
    page: int
    size: int
    verbose: bool
    name: str
    score: float
    tags: list[str]
    visits: int


@app.put("/typed/{id:int}")
async def store(
    id: int, item: Item, page: int = 1, size: int = 20, verbose: bool = False
) -> Stored:
    return Stored(id, page, size, verbose, item.name, item.score, item.tags, item.visits)


class ItemStruct(msgspec.Struct):
    name: str
    email: str
    age: int
    score: float
    is_active: bool
    nickname: str | None
    tags: list[str]
    visits: int


class StoredStruct(msgspec.Struct):
    id: int
    page: int
    size: int
    verbose: bool
    name: str
    score: float
    tags: list[str]
    visits: int


@structs.put("/typed/{id:int}")
async def store_struct(
    id: int, item: ItemStruct, page: int = 1, size: int = 20, verbose: bool = False
) -> StoredStruct:
    return StoredStruct(id, page, size, verbose, item.name, item.score, item.tags, item.visits)


class ItemModel(pydantic.BaseModel):
    name: str
    email: str
    age: int
    score: float
    is_active: bool
    nickname: str | None
    tags: list[str]
    visits: int


class StoredModel(pydantic.BaseModel):
    id: int
    page: int
    size: int
    verbose: bool
    name: str
    score: float
    tags: list[str]
    visits: int


@models.put("/typed/{id:int}")
async def store_model(
    id: int, item: ItemModel, page: int = 1, size: int = 20, verbose: bool = False
) -> StoredModel:
    return StoredModel(
        id=id,
        page=page,
        size=size,
        verbose=verbose,
        name=item.name,
        score=item.score,
        tags=item.tags,
        visits=item.visits,
    )


@by_hand.put("/typed/{id:int}")
async def store_by_hand(ctx: Context) -> dict[str, Any]:
    query = ctx.request.query.first()
    item = orjson.loads(await ctx.request.body())
    return {
        "id": ctx.params["id"],
        "page": int(query.get("page", 1)),
        "size": int(query.get("size", 20)),
        "verbose": query.get("verbose", "false") == "true",
        "name": item["name"],
        "score": item["score"],
        "tags": item["tags"],
        "visits": item["visits"],
    }
