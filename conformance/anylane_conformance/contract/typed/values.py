"""Typed handlers: values of every source, bodies, and answers held to their annotation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Literal

import msgspec

from anylane import App, Context, Cookie, File, Form, Header, Query, Response, Status, Upload
from anylane_conformance.contract.stage import Stage


@dataclass
class User:
    """What goes out."""

    name: str
    age: int = 0


@dataclass
class Account(User):
    """What must not go out whole."""

    key: str = "secret"


class Order(msgspec.Struct):
    """What comes in."""

    id: int
    price: Annotated[float, msgspec.Meta(ge=0)]
    tags: list[str] = []


@dataclass
class Team:
    """What has others in it."""

    lead: User
    members: list[User] = field(default_factory=list)


@dataclass
class Missing:
    """What goes out in place of something that is not there."""

    detail: str


def build(app: App, stage: Stage) -> None:
    """Add the handlers, below /typed."""
    _sources(app)
    _bodies(app)
    _answers(app)
    _statuses(app)


def _sources(app: App) -> None:
    @app.get("/typed/{id:int}/{name}")
    async def sources(  # noqa: PLR0917  # as a handler has them
        id: int,
        name: Literal["a", "b"],
        q: str,
        day: date | None = None,
        page: Annotated[int, Query("p", ge=1)] = 1,
        tag: list[int] = [],  # noqa: B006
        x_key: Annotated[float, Header] = 0.5,
        sid: Annotated[str, Cookie()] = "none",
    ) -> list[Any]:
        return [id, name, q, day, page, tag, x_key, sid]

    @app.get("/typed-def")
    def blocking(n: int, ctx: Context) -> list[Any]:
        return [n, ctx.call(ctx.request.text)]

    @app.get("/typed-inline", inline=True)
    def inline(n: int) -> int:
        return n + 1

    @app.get("/typed-read")
    async def read(ctx: Context) -> list[Any]:
        return [ctx.request.query.int("n"), ctx.request.headers.bool("x-b", None)]

    @app.websocket("/typed-ws/{room}")
    async def socket(ctx: Context, room: str, n: int) -> None:
        ws = await ctx.accept()
        await ws.send(f"{room} {n}")


def _bodies(app: App) -> None:
    @app.post("/typed/orders", status=201)
    async def create(order: Order, dry: bool = False) -> dict[str, Any]:
        return {"id": order.id, "price": order.price, "tags": order.tags, "dry": dry}

    @app.post("/typed/orders-def")
    def create_blocking(order: Order) -> int:
        return order.id

    @app.post("/typed/form")
    async def form(
        n: Annotated[int, Form()],
        file: Annotated[Upload | None, File()] = None,
        more: Annotated[list[str], Form()] = [],  # noqa: B006
    ) -> list[Any]:
        return [n, None if file is None else file.read().decode(), more]


def _answers(app: App) -> None:
    @app.get("/typed/user")
    async def user() -> User:
        return Account("a", 1)

    @app.get("/typed/team")
    def team() -> Team:
        return Team(Account("a"), [Account("b")])

    @app.get("/typed/wrong")
    async def wrong() -> User:
        return {"name": 5}  # type: ignore[return-value]

    @app.get("/typed/lines")
    async def lines() -> AsyncIterator[User]:
        yield Account("a")
        yield User("b")

    @app.get("/typed/lines-def")
    def lines_blocking() -> Iterator[User]:
        yield Account("a")
        yield User("b")


def _statuses(app: App) -> None:
    def found(how: str) -> User | Missing:
        match how:
            case "found":
                return Account("a", 1)
            case "missing":
                return Missing("none")
            case _:
                return 5  # type: ignore[return-value]

    @app.get("/typed/response/{how}")
    async def response(how: str) -> Response[User] | Annotated[Missing, Status(404)]:
        value = found(how)
        if isinstance(value, Missing):
            return value
        return Response(value, status=201, headers={"Location": "/1"})

    @app.get("/typed/union/{how}")
    async def union(how: str) -> Annotated[User, Status(203)] | Annotated[Missing, Status(404)]:
        return found(how)

    @app.get("/typed/union-def/{how}")
    def union_blocking(how: str) -> Annotated[User, Status(203)] | Annotated[Missing, Status(404)]:
        return found(how)
