"""A bookshop: an app of thirty-odd routes of every kind, to hold its description to what it does.

anylane run --app-dir tests/openapi bookshop:app
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, TypedDict
from uuid import UUID

import msgspec
import pydantic

from anylane import (
    App,
    Context,
    Cookie,
    Depends,
    EventStream,
    File,
    Form,
    Header,
    HTTPError,
    JsonBody,
    Query,
    Response,
    Router,
    State,
    Status,
    Upload,
)
from anylane.middleware import CSRF, BasicAuth, BearerAuth, ETags, RateLimit


class Genre(Enum):
    """What a book is about."""

    NOVEL = "novel"
    POEMS = "poems"
    FACTS = "facts"


Title = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Pages = Annotated[int, msgspec.Meta(ge=1, le=10_000)]


@dataclass
class NewBook:
    """A book that is to be added."""

    title: Title
    pages: Pages = 100
    genre: Genre = Genre.NOVEL
    tags: list[str] = field(default_factory=list)
    published: date | None = None


@dataclass
class Book(NewBook):
    """A book that is there."""

    id: int = 0


class Change(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What is to be changed of a book."""

    title: Title | msgspec.UnsetType = msgspec.UNSET
    pages: Pages | msgspec.UnsetType = msgspec.UNSET


class Price(TypedDict):
    """What a book costs."""

    amount: int
    currency: Literal["EUR", "USD"]


class Order(pydantic.BaseModel):
    """Books for somebody."""

    model_config = pydantic.ConfigDict(extra="forbid")
    book: int = pydantic.Field(ge=0)
    copies: int = pydantic.Field(ge=1, le=100)
    gift: bool = False


@dataclass
class Missing:
    """There is no such thing."""

    id: int


@dataclass
class Page:
    """Some of the books."""

    books: list[Book]
    total: int


class Shop:
    """All that is kept."""

    def __init__(self) -> None:
        self.books: dict[int, Book] = {0: Book("Emma", 474, id=0)}
        self.next = 1

    def book(self, id: int) -> Book:
        """Return a book, or raise HTTPError 404."""
        if id not in self.books:
            raise HTTPError(404, "there is no such book")
        return self.books[id]


app = App(errors="json")
app.openapi(
    title="Bookshop",
    version="1",
    description="Some thirty routes of every kind.",
    tags={"books": "What is sold.", "values": "What is sent, comes back."},
    docs=None,
)


@app.lifespan
async def opened(app: App) -> AsyncIterator[None]:
    app.state.shop = Shop()
    yield


ShopState = Annotated[Shop, State("shop")]


async def paging(
    page: Annotated[int, Query(ge=1, le=1000)] = 1, size: Literal[10, 50] = 10
) -> slice:
    """Return which of a list are wanted."""
    return slice((page - 1) * size, page * size)


# -- books


books = Router("/books", tags=["books"])


@books.get("")
async def list_books(
    shop: ShopState, wanted: Annotated[slice, Depends(paging)], genre: Genre | None = None
) -> Page:
    """List books, page by page."""
    found = [each for each in shop.books.values() if genre in (None, each.genre)]
    return Page(found[wanted], len(found))


@books.post("", status=201)
async def add_book(new: NewBook, shop: ShopState, ctx: Context) -> Book:
    """Add a book."""
    if len(shop.books) < 100:
        shop.next += 1
    book = shop.books[shop.next] = Book(
        new.title, new.pages, new.genre, new.tags, new.published, shop.next
    )
    ctx.response.set_header("location", f"/books/{book.id}")
    return book


@books.get("/{id:int}")
async def show_book(id: int, shop: ShopState) -> Book | Annotated[Missing, Status(404)]:
    """Show a book."""
    return shop.books.get(id) or Missing(id)


@books.put("/{id:int}", responses={404: "There is no such book."})
async def replace_book(id: int, new: NewBook, shop: ShopState) -> Book:
    """Replace a book."""
    shop.book(id)
    shop.books[id] = Book(new.title, new.pages, new.genre, new.tags, new.published, id)
    return shop.books[id]


@books.patch("/{id:int}", responses={404: "There is no such book."})
async def change_book(id: int, change: Change, shop: ShopState) -> Book:
    """Change some of a book."""
    book = shop.book(id)
    if change.title is not msgspec.UNSET:
        book.title = change.title
    if change.pages is not msgspec.UNSET:
        book.pages = change.pages
    return book


@books.delete("/{id:int}", responses={404: "There is no such book."})
async def remove_book(id: int, shop: ShopState) -> None:
    """Remove a book."""
    shop.book(id)
    if id:
        del shop.books[id]


@books.get("/{id:int}/price", responses={404: "There is no such book."})
async def price(id: int, shop: ShopState, currency: Literal["EUR", "USD"] = "EUR") -> Price:
    """Say what a book costs."""
    return {"amount": shop.book(id).pages, "currency": currency}


@books.post("/batch", status=201)
async def add_books(
    new: Annotated[list[NewBook], JsonBody(min_length=1, max_length=5)],
) -> list[Book]:
    """Say what several books would become."""
    return [Book(each.title, each.pages, id=at) for at, each in enumerate(new)]


@books.get("/lines")
async def book_lines(shop: ShopState) -> AsyncIterator[Book]:
    """Send each book as a line of JSON."""
    for book in list(shop.books.values()):
        yield book


@books.get("/{slug:[a-z]+-[0-9]+}")
async def by_slug(slug: str) -> dict[str, str]:
    """Find a book by what stands in its address."""
    return {"slug": slug}


# -- values of every kind


values = Router("/values", tags=["values"])


@values.get("/{key:uuid}")
async def by_key(key: UUID) -> UUID:
    """Send a UUID back."""
    return key


@values.get("/float/{x:float}")
async def by_number(x: float) -> float:
    """Send a number back."""
    return x


@values.get("/text/{text}")
async def by_text(
    text: Annotated[str, Query(max_length=20)] = "a", n: Annotated[int, Query(ge=0, le=3)] = 0
) -> str:
    """Send a text back."""
    return text * n


@values.get("/path/{rest:path}")
async def by_path(rest: str) -> dict[str, int]:
    """Count what a path has."""
    return {"length": len(rest)}


@values.get("/scalars")
async def scalars(  # noqa: PLR0917
    a: int,
    b: float = 0.5,
    c: bool = False,
    d: Decimal | None = None,
    e: date | None = None,
    f: datetime | None = None,
    g: timedelta | None = None,
    h: UUID | None = None,
    i: Literal["x", "y"] = "x",
) -> dict[str, Any]:
    """Take a value of every kind."""
    return {"a": a, "b": b, "c": c, "d": str(d), "e": e, "f": f, "g": str(g), "h": h, "i": i}


@values.get("/lists")
async def lists(
    n: Annotated[list[int], Query(min_length=1, max_length=4)],
    genre: frozenset[Genre] = frozenset(),
) -> dict[str, int]:
    """Take several values of a name."""
    return {"sum": sum(n), "genres": len(genre)}


@values.get("/bounds")
async def bounds(
    n: Annotated[int, Query(ge=1, lt=10)],
    step: Annotated[float, Query(gt=0, le=1)] = 1.0,
    even: Annotated[int, Query(multiple_of=2)] = 2,
    name: Annotated[str, Query(pattern="^[a-z]+$", min_length=2, max_length=5)] = "abc",
) -> float:
    """Take values within bounds."""
    return n * step + even + len(name)


@values.get("/headers")
async def headers(
    x_count: Annotated[int, Header(ge=0)],
    x_key: Annotated[UUID | None, Header()] = None,
    sid: Annotated[str | None, Cookie(max_length=8)] = None,
) -> dict[str, Any]:
    """Take header fields and a cookie."""
    return {"count": x_count, "key": x_key, "sid": sid}


@values.post("/anything")
async def anything(data: dict[str, Any]) -> dict[str, int]:
    """Take any object."""
    return {"length": len(data)}


@values.post("/optional")
async def optional(book: NewBook | None = None) -> bool:
    """Take a book, or none."""
    return book is not None


@values.post("/either")
async def either(value: Annotated[int | list[str], JsonBody()]) -> int | list[str]:
    """Take a number or texts."""
    return value


@values.post("/order")
async def order(order: Order) -> Order:
    """Take an order."""
    return order


# -- forms


forms = Router("/forms")


@forms.post("/fields")
async def fields(
    name: Annotated[str, Form(min_length=1)],
    age: Annotated[int, Form(ge=0, le=150)],
    tag: Annotated[list[str], Form()] = [],  # noqa: B006
) -> dict[str, Any]:
    """Take the fields of a form."""
    return {"name": name, "age": age, "tags": len(tag)}


@forms.post("/upload")
async def upload(
    file: Annotated[Upload, File()], note: Annotated[str, Form()] = ""
) -> dict[str, int]:
    """Take a file."""
    return {"bytes": file.size, "note": len(note)}


# -- who may


def known(token: str) -> str | None:
    return "ada" if token == "secret" else None


def account(name: str, password: str) -> str | None:
    return name if password == "secret" else None


private = Router("/private", tags=["private"])
private.use(BearerAuth(known, inline=True))


@private.get("/me")
async def me(ctx: Context) -> str:
    """Say who asks."""
    return str(ctx.user)


@private.post("/note", status=202, middleware=[CSRF(exempt=lambda ctx: True)])
async def note(data: dict[str, int]) -> dict[str, int]:
    """Leave a note."""
    return data


@app.get("/basic", middleware=[BasicAuth(account, inline=True)])
async def basic(ctx: Context) -> dict[str, str]:
    """Say who asks, by name and password."""
    return {"user": str(ctx.user)}


# -- answers of other kinds


@app.get("/tagged", middleware=[ETags()])
async def tagged() -> dict[str, int]:
    """Send what may be kept."""
    return {"a": 1}


@app.get("/limited", middleware=[RateLimit("20/second")])
async def limited() -> None:
    """Send nothing, and not often."""


@app.get("/teapot")
async def teapot() -> Annotated[Response[Missing], Status(203)]:
    """Send an answer with a status and a header of its own."""
    return Response(Missing(1), status=203, headers=[("x-spout", "one")])


@app.get("/bytes")
async def data() -> bytes:
    """Send bytes."""
    return b"\0\1"


@app.get("/numbers")
def numbers(count: Annotated[int, Query(ge=0, le=9)] = 3) -> Iterator[int]:
    """Send numbers, each in a line."""
    yield from range(count)


@app.get("/events", responses={200: EventStream})
async def events(ctx: Context) -> None:
    """Send some events."""
    async with ctx.event_stream() as events:
        for number in range(3):
            await events.send(str(number))


@app.get("/old", deprecated=True, responses={302: "It is elsewhere now."})
async def old(ctx: Context) -> None:
    """Lead to somewhere else."""
    ctx.response.redirect("/tagged", 302)


@app.websocket("/chat/{room}")
async def chat(ctx: Context, room: str) -> None:
    """Talk."""
    ws = await ctx.accept()
    async for message in ws:
        await ws.send(message if message != "room" else room)


for router in (books, values, forms, private):
    app.include(router)
