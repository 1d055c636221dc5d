# pyright: reportMissingImports=false, reportUntypedFunctionDecorator=false
"""The declarations, for Litestar.

It has a converter in every path parameter, and takes the fields of a form as one class.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, cast
from uuid import UUID

import msgspec
from litestar import Litestar, get, post, put
from litestar.datastructures import UploadFile
from litestar.di import Provide
from litestar.enums import RequestEncodingType
from litestar.exceptions import NotAuthorizedException
from litestar.params import Body, Parameter

from tests.equality.models import (
    Account,
    Color,
    Event,
    Item,
    Level,
    Login,
    Order,
    Person,
    Point,
    Row,
    Tree,
    User,
    told,
)

handlers: list[Any] = []


# --- the path


@get("/path/int/{value:int}")
async def path_int(value: int) -> dict[str, str]:
    return told(value=value)


@get("/path/str/{value:str}")
async def path_str(value: str) -> dict[str, str]:
    return told(value=value)


@get("/path/float/{value:float}")
async def path_float(value: float) -> dict[str, str]:
    return told(value=value)


@get("/path/uuid/{value:uuid}")
async def path_uuid(value: UUID) -> dict[str, str]:
    return told(value=value)


@get("/path/bounded/{value:int}")
async def path_bounded(value: Annotated[int, Parameter(ge=1, le=9)]) -> dict[str, str]:
    return told(value=value)


@get("/path/tail/{rest:path}")
async def path_tail(rest: str) -> dict[str, str]:
    return told(rest=rest)


@get("/path/converted/{value:int}")
async def path_converted(value: int) -> dict[str, str]:
    return told(value=value)


handlers += [path_int, path_str, path_float, path_uuid, path_bounded, path_tail, path_converted]


# --- the query


def query(name: str, kind: Any, *default: Any) -> None:
    """Declare `/query/NAME` with one parameter, `value`, of a type."""

    async def handler(value: Any = None) -> dict[str, str]:
        return told(value=value)

    handler.__annotations__["value"] = kind
    handler.__defaults__ = default
    handlers.append(get(f"/query/{name}")(handler))


query("int", int)
query("float", float)
query("bool", bool)
query("str", str)
query("enum", Color)
query("level", Level)
query("literal", Literal["a", "b"])
query("uuid", UUID)
query("datetime", datetime)
query("date", date)
query("time", time)
query("timedelta", timedelta)
query("decimal", Decimal)
query("optional", int | None, None)
query("union", int | str)
query("default", int, 5)
query("list", list[int])
query("texts", list[str] | None, None)
query("set", set[int])
query("tuple", tuple[int, str])


@get("/query/bounds")
async def query_bounds(
    n: Annotated[int, Parameter(ge=1, lt=10)] = 1,
    m: Annotated[int, Parameter(multiple_of=5)] = 5,
    s: Annotated[str, Parameter(min_length=2, max_length=4)] = "ab",
    p: Annotated[str, Parameter(pattern="^[a-z]+$")] = "a",
) -> dict[str, str]:
    return told(n=n, m=m, s=s, p=p)


@get("/query/named")
async def query_named(page: Annotated[int, Parameter(query="the-page")]) -> dict[str, str]:
    return told(page=page)


@get("/query/several")
async def query_several(
    q: str, n: int, day: date, key: Annotated[UUID, Parameter(header="x-key")]
) -> dict[str, str]:
    return told(q=q, n=n, day=day, key=key)


# --- headers and cookies


@get("/header")
async def header(x_count: Annotated[int, Parameter(header="x-count")]) -> dict[str, str]:
    return told(x_count=x_count)


@get("/header/list")
async def header_list(tag: Annotated[list[str], Parameter(header="x-tag")]) -> dict[str, str]:
    return told(tag=tag)


@get("/cookie")
async def cookie(
    sid: Annotated[str, Parameter(cookie="sid", min_length=3)] = "none",
) -> dict[str, str]:
    return told(sid=sid)


handlers += [query_bounds, query_named, query_several, header, header_list, cookie]


# --- bodies


def body(name: str, kind: Any, *default: Any) -> None:
    """Declare `POST /body/NAME` with a body of a type."""

    async def handler(data: Any = None) -> dict[str, str]:
        return told(value=data)

    handler.__annotations__["data"] = kind
    handler.__defaults__ = default
    handlers.append(post(f"/body/{name}", status_code=200)(handler))


body("item", Item)
body("row", Row)
body("point", Point)
body("person", Person)
body("order", Order)
body("items", list[Item])
body("optional", Item | None, None)
body("dict", dict[str, Any])
body("event", Event)
body("tree", Tree)
body("login", Login)
body("ints", list[int])


@put("/body/both/{id:int}")
async def body_both(
    id: int, data: Item, verbose: bool, key: Annotated[UUID, Parameter(header="x-key")]
) -> dict[str, str]:
    return told(id=id, item=data, verbose=verbose, key=key)


# --- forms and files


@dataclass
class Fields:
    a: Annotated[int, msgspec.Meta(le=9)]
    b: str = "none"
    tags: list[str] = field(default_factory=list)


@dataclass
class Paper:
    paper: UploadFile
    note: str = "none"


@post("/form", status_code=200)
async def form(
    data: Annotated[Fields, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> dict[str, str]:
    return told(a=data.a, b=data.b, tags=data.tags)


@post("/form/person", status_code=200)
async def form_person(
    data: Annotated[Person, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> dict[str, str]:
    return told(person=data)


@post("/upload", status_code=200)
async def upload(
    data: Annotated[Paper, Body(media_type=RequestEncodingType.MULTI_PART)],
) -> dict[str, str]:
    return told(name=data.paper.filename, content=await data.paper.read(), note=data.note)


handlers += [body_both, form, form_person, upload]


# --- dependencies

made: list[str] = []
"""What dependencies did, in order, since `/depends/log` was last read."""


async def page(page: int = 1) -> int:
    made.append("page")
    return page


async def limits(again: int, size: int = 10) -> tuple[int, int]:
    return again, size


def session() -> Iterator[str]:
    made.append("open")
    yield "session"
    made.append("closed")


async def user(x_key: Annotated[str, Parameter(header="x-key")]) -> str:
    if x_key != "right":
        raise NotAuthorizedException
    return "Ada"


@get("/depends/nested", dependencies={"again": Provide(page), "found": Provide(limits)})
async def depends_nested(found: tuple[int, int], again: int) -> dict[str, str]:
    return told(found=found, again=again)


@get("/depends/generator", dependencies={"db": Provide(session)})
async def depends_generator(db: str) -> dict[str, str]:
    return told(db=db)


@get(
    "/depends/failing",
    dependencies={"db": Provide(session), "name": Provide(user)},
)
async def depends_failing(db: str, name: str) -> dict[str, str]:
    return told(db=db, name=name)


@get(
    "/depends/wrong",
    dependencies={
        "db": Provide(session),
        "again": Provide(page),
        "found": Provide(limits),
    },
)
async def depends_wrong(n: int, db: str, found: tuple[int, int]) -> dict[str, str]:
    return told(n=n, db=db, found=found)


@get("/depends/log")
async def depends_log() -> dict[str, str]:
    log = told(made=list(made))
    made.clear()
    return log


handlers += [depends_nested, depends_generator, depends_failing, depends_wrong, depends_log]


# --- answers


@post("/answer/created", status_code=201)
async def answer_created() -> User:
    return User(7, "Ada")


@get("/answer/subclass")
async def answer_subclass() -> User:
    return Account(7, "Ada")


@get("/answer/list")
async def answer_list() -> list[User]:
    return [User(7, "Ada"), Account(8, "Grace")]


@get("/answer/dict")
async def answer_dict() -> User:
    return cast("User", {"id": 7, "name": "Ada", "password_hash": "2b$"})


@get("/answer/text")
async def answer_text() -> User:
    return User("7", "Ada")  # type: ignore[arg-type]


@get("/answer/missing")
async def answer_missing() -> User:
    return cast("User", {"id": 7})


@get("/answer/none")
async def answer_none() -> User | None:
    return None


@get("/answer/nan")
async def answer_nan() -> dict[str, float]:
    return {"x": float("nan")}


@get("/answer/event")
async def answer_event() -> Event:
    return Event(
        datetime(2026, 11, 30, 12, 30),  # noqa: DTZ001
        length=timedelta(hours=1),
        cost=Decimal("1.50"),
        color=Color.RED,
    )


handlers += [
    answer_created,
    answer_subclass,
    answer_list,
    answer_dict,
    answer_text,
    answer_missing,
    answer_none,
    answer_nan,
    answer_event,
]

app = Litestar(handlers, openapi_config=None, logging_config=None)
