# pyright: reportMissingImports=false, reportUntypedFunctionDecorator=false
"""The declarations, for FastAPI. It knows no msgspec Struct."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from fastapi import (
    Body,
    Cookie,
    Depends,
    FastAPI,
    File,
    Form,
    Header,
    HTTPException,
    Path,
    Query,
    UploadFile,
)
from typing_extensions import TypedDict

from tests.equality.models import (
    Account,
    Color,
    Event,
    Item,
    Level,
    Login,
    Order,
    Person,
    Tree,
    User,
    told,
)

app = FastAPI(openapi_url=None)


class Row(TypedDict, total=False):  # pydantic refuses that of typing before Python 3.12.
    a: int
    b: str


# --- the path


@app.get("/path/int/{value}")
async def path_int(value: int) -> dict[str, str]:
    return told(value=value)


@app.get("/path/str/{value}")
async def path_str(value: str) -> dict[str, str]:
    return told(value=value)


@app.get("/path/float/{value}")
async def path_float(value: float) -> dict[str, str]:
    return told(value=value)


@app.get("/path/uuid/{value}")
async def path_uuid(value: UUID) -> dict[str, str]:
    return told(value=value)


@app.get("/path/bounded/{value}")
async def path_bounded(value: Annotated[int, Path(ge=1, le=9)]) -> dict[str, str]:
    return told(value=value)


@app.get("/path/tail/{rest:path}")
async def path_tail(rest: str) -> dict[str, str]:
    return told(rest=rest)


@app.get("/path/converted/{value:int}")
async def path_converted(value: int) -> dict[str, str]:
    return told(value=value)


# --- the query


def query(name: str, kind: Any, *default: Any) -> None:
    """Declare `/query/NAME` with one parameter, `value`, of a type."""

    async def handler(value: Any = None) -> dict[str, str]:
        return told(value=value)

    handler.__annotations__["value"] = Annotated[kind, Query()]
    handler.__defaults__ = default
    app.get(f"/query/{name}")(handler)


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


@app.get("/query/bounds")
async def query_bounds(
    n: Annotated[int, Query(ge=1, lt=10)] = 1,
    m: Annotated[int, Query(multiple_of=5)] = 5,
    s: Annotated[str, Query(min_length=2, max_length=4)] = "ab",
    p: Annotated[str, Query(pattern="^[a-z]+$")] = "a",
) -> dict[str, str]:
    return told(n=n, m=m, s=s, p=p)


@app.get("/query/named")
async def query_named(page: Annotated[int, Query(alias="the-page")]) -> dict[str, str]:
    return told(page=page)


@app.get("/query/several")
async def query_several(
    q: str, n: int, day: date, key: Annotated[UUID, Header(alias="x-key")]
) -> dict[str, str]:
    return told(q=q, n=n, day=day, key=key)


# --- headers and cookies


@app.get("/header")
async def header(x_count: Annotated[int, Header()]) -> dict[str, str]:
    return told(x_count=x_count)


@app.get("/header/list")
async def header_list(tag: Annotated[list[str], Header(alias="x-tag")]) -> dict[str, str]:
    return told(tag=tag)


@app.get("/cookie")
async def cookie(sid: Annotated[str, Cookie(min_length=3)] = "none") -> dict[str, str]:
    return told(sid=sid)


# --- bodies


def body(name: str, kind: Any, *default: Any) -> None:
    """Declare `POST /body/NAME` with a body of a type."""

    async def handler(value: Any = None) -> dict[str, str]:
        return told(value=value)

    handler.__annotations__["value"] = Annotated[kind, Body()]
    handler.__defaults__ = default
    app.post(f"/body/{name}")(handler)


body("item", Item)
body("row", Row)
body("person", Person)
body("order", Order)
body("items", list[Item])
body("optional", Item | None, None)
body("dict", dict[str, Any])
body("event", Event)
body("tree", Tree)
body("login", Login)
body("ints", list[int])


@app.put("/body/both/{id}")
async def body_both(
    id: int, item: Item, verbose: bool, key: Annotated[UUID, Header(alias="x-key")]
) -> dict[str, str]:
    return told(id=id, item=item, verbose=verbose, key=key)


# --- forms and files


@app.post("/form")
async def form(
    a: Annotated[int, Form(le=9)],
    b: Annotated[str, Form()] = "none",
    tags: Annotated[list[str], Form()] = [],  # noqa: B006
) -> dict[str, str]:
    return told(a=a, b=b, tags=tags)


@app.post("/form/person")
async def form_person(person: Annotated[Person, Form()]) -> dict[str, str]:
    return told(person=person)


@app.post("/upload")
async def upload(
    paper: Annotated[UploadFile, File()], note: Annotated[str, Form()] = "none"
) -> dict[str, str]:
    return told(name=paper.filename, content=await paper.read(), note=note)


# --- dependencies

made: list[str] = []
"""What dependencies did, in order, since `/depends/log` was last read."""


async def page(page: int = 1) -> int:
    made.append("page")
    return page


async def limits(start: Annotated[int, Depends(page)], size: int = 10) -> tuple[int, int]:
    return start, size


def session() -> Iterator[str]:
    made.append("open")
    yield "session"
    made.append("closed")


async def user(x_key: Annotated[str, Header()]) -> str:
    if x_key != "right":
        raise HTTPException(401)
    return "Ada"


@app.get("/depends/nested")
async def depends_nested(
    found: Annotated[tuple[int, int], Depends(limits)], again: Annotated[int, Depends(page)]
) -> dict[str, str]:
    return told(found=found, again=again)


@app.get("/depends/generator")
async def depends_generator(db: Annotated[str, Depends(session)]) -> dict[str, str]:
    return told(db=db)


@app.get("/depends/failing")
async def depends_failing(
    db: Annotated[str, Depends(session)], name: Annotated[str, Depends(user)]
) -> dict[str, str]:
    return told(db=db, name=name)


@app.get("/depends/wrong")
async def depends_wrong(
    n: int, db: Annotated[str, Depends(session)], found: Annotated[tuple[int, int], Depends(limits)]
) -> dict[str, str]:
    return told(n=n, db=db, found=found)


@app.get("/depends/log")
async def depends_log() -> dict[str, str]:
    log = told(made=list(made))
    made.clear()
    return log


# --- answers


@app.post("/answer/created", status_code=201)
async def answer_created() -> User:
    return User(7, "Ada")


@app.get("/answer/subclass")
async def answer_subclass() -> User:
    return Account(7, "Ada")


@app.get("/answer/list")
async def answer_list() -> list[User]:
    return [User(7, "Ada"), Account(8, "Grace")]


@app.get("/answer/dict")
async def answer_dict() -> User:
    return cast("User", {"id": 7, "name": "Ada", "password_hash": "2b$"})


@app.get("/answer/text")
async def answer_text() -> User:
    return User("7", "Ada")  # type: ignore[arg-type]


@app.get("/answer/missing")
async def answer_missing() -> User:
    return cast("User", {"id": 7})


@app.get("/answer/none")
async def answer_none() -> User | None:
    return None


@app.get("/answer/nan")
async def answer_nan() -> dict[str, float]:
    return {"x": float("nan")}


@app.get("/answer/event")
async def answer_event() -> Event:
    return Event(
        datetime(2026, 11, 30, 12, 30),  # noqa: DTZ001
        length=timedelta(hours=1),
        cost=Decimal("1.50"),
        color=Color.RED,
    )
