"""What an annotation holds back, however it is written, and at what cost."""

from __future__ import annotations

import base64
import sys
import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence, ValuesView
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypedDict, TypeVar

import msgspec
import pydantic
import pytest
import typing_extensions

from anylane import App, Context, HTTPError, Response, RouteError, Status
from anylane.testing import Lockstep, TestClient

T = TypeVar("T")


@dataclass
class User:
    name: str


@dataclass
class Account(User):
    password_hash: str = "SECRET"


@dataclass
class Full:
    name: str
    age: int


@dataclass
class SubFull(Full):
    password_hash: str = "SECRET"


ACCOUNT = Account("A")
A = {"name": "A"}


def client_of(kind: Any, value: Any) -> TestClient:
    async def handler(n: int = 0) -> Any:
        return value

    handler.__annotations__["return"] = kind
    app = App()
    app.get("/")(handler)
    return TestClient(app)


def answer(kind: Any, value: Any) -> Any:
    return client_of(kind, value).get("/")


# A union is decided by the class of the value.


class Neg(msgspec.Struct, tag="neg"):
    arg: Neg | Var | None
    power: int = 1


class Var(msgspec.Struct, tag="var"):
    arg: Neg | Var | None
    tags: set[str]
    name: str


class NegDict(TypedDict):
    arg: NegDict | VarDict | None
    power: int


class VarDict(TypedDict):
    arg: NegDict | VarDict | None
    power: int


def test_a_deep_value_of_two_classes_takes_no_exponential_time() -> None:
    app = App()

    @app.post("/")
    async def handler(e: Neg | Var) -> Neg | Var:
        return e

    client = TestClient(app)
    depth = 40
    body = b'{"type":"var","tags":["a"],"name":"x","arg":' * depth + b"null" + b"}" * depth
    begin = time.perf_counter()
    found = client.post("/", content=body, headers={"content-type": "application/json"})
    assert time.perf_counter() - begin < 2
    assert found.status == 200
    assert found.text.count('"name":"x"') == depth
    assert found.text.count('"type":"var"') == depth


def test_a_deep_dict_that_fits_neither_takes_no_exponential_time() -> None:
    value: dict[str, Any] = {"arg": 5, "power": 1}
    for _ in range(40):
        value = {"arg": value, "power": 1}
    begin = time.perf_counter()
    assert answer(NegDict | VarDict, value).status == 500
    assert time.perf_counter() - begin < 2


class One(TypedDict):
    kind: Literal["one"]
    users: list[User]


class Two(TypedDict):
    kind: Literal["two"]
    users: list[Full]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (User | Full, SubFull("A", 3), {"name": "A", "age": 3}),
        (Full | User, SubFull("A", 3), {"name": "A", "age": 3}),
        (list[User | Full], (SubFull("A", 3), ACCOUNT), [{"name": "A", "age": 3}, A]),
        (User | Account, ACCOUNT, {"name": "A", "password_hash": "SECRET"}),
        (One | Two, {"kind": "two", "users": [SubFull("A", 3)]}, None),
        (list[User] | list[Full], [Full("A", 3)], [{"name": "A", "age": 3}]),
        (Literal[1, "a"] | float, 2.5, 2.5),
        (int | str | list[User], [ACCOUNT], [A]),
        (dict[str, int] | User, {"x": 1}, {"x": 1}),
    ],
)
def test_the_nearest_class_decides(kind: Any, value: Any, expected: Any) -> None:
    found = answer(kind, value)
    assert found.status == 200, found.text
    if expected is None:
        expected = {"kind": "two", "users": [{"name": "A", "age": 3}]}
    assert found.json() == expected


# Any number of levels.


@dataclass
class Link:
    v: int
    next: Link | None = None


@dataclass
class Tree:
    v: int
    children: list[Tree] = field(default_factory=list)


class LinkDict(TypedDict):
    v: int
    next: LinkDict | None


@pytest.mark.parametrize("levels", [200, 300, 399])
@pytest.mark.parametrize("kind", [Link, LinkDict])
def test_what_comes_in_goes_out_at_any_depth(kind: Any, levels: int) -> None:
    async def handler(x: Any) -> Any:
        return x

    handler.__annotations__.update({"x": kind, "return": kind})
    app = App()
    app.post("/")(handler)
    body = b'{"v":1,"next":' * levels + b"null" + b"}" * levels
    client = TestClient(app)
    found = client.post("/", content=body, headers={"content-type": "application/json"})
    assert found.status == 200, (found.text, client.log)
    assert found.text == body.decode()


def test_a_deep_tree_of_subclasses_is_converted() -> None:
    @dataclass
    class Secret(Tree):
        password_hash: str = "SECRET"

    tree: Tree = Secret(0)
    for _ in range(200):
        tree = Secret(1, [tree])
    found = answer(Tree, tree)
    assert found.status == 200
    assert found.text.count('"v":1') == 200
    assert "SECRET" not in found.text


def test_a_value_that_holds_itself_is_a_failure_with_a_reason() -> None:
    link = Link(1)
    link.next = link
    client = client_of(Link, link)
    assert client.get("/").status == 500
    assert "expected at most 1024 levels" in str(client.log)


# No annotation lets the fields of a subclass out.


@dataclass
class Page(Generic[T]):
    items: list[T]
    first: T | None = None
    named: Annotated[dict[str, T], "by name"] = field(default_factory=dict)


@dataclass
class UserPage(Page[User]):
    pass


@dataclass
class Wide(Page[list[T]], Generic[T]):
    one: T | None = None


class TPage(TypedDict, Generic[T]):
    items: list[T]


class TUsers(TPage[User]):
    pass


class EPage(typing_extensions.TypedDict, Generic[T]):
    items: typing_extensions.NotRequired[list[T]]


class SPage(msgspec.Struct, Generic[T]):
    items: list[T]


class SUsers(SPage[User]):
    pass


class Holder(msgspec.Struct):
    page: Page[User]


class Pair(NamedTuple):
    user: User
    n: int = 1


class GPair(NamedTuple, Generic[T]):
    user: T


@dataclass
class Fields:
    a: Collection[User]
    b: Iterable[User]
    c: Pair
    d: Sequence[User]
    e: deque[User]


class Users(list[User]):
    pass


class ByName(dict[str, T]):
    pass


B = TypeVar("B", bound=User)


@dataclass
class BoundPage(Generic[B]):
    items: list[B]


class Own(Response[T]):
    pass


class OwnUser(Response[User]):
    pass


class OwnSub(Own[User]):
    pass


Many = typing_extensions.TypeAliasType("Many", list[T], type_params=(T,))


@dataclass
class Responds(User):
    respond: bool = False


@dataclass
class SecretResponds(Responds):
    password_hash: str = "SECRET"


PAGE: dict[str, Any] = {"items": [A], "first": None, "named": {}}

LEAKS: list[tuple[Any, Any, Any]] = [
    (Page[User], Page([ACCOUNT]), PAGE),
    (
        Page[User],
        Page([], ACCOUNT, {"x": ACCOUNT}),
        {"items": [], "first": A, "named": {"x": A}},
    ),
    (Response[Page[User]], Response(Page([ACCOUNT])), PAGE),
    (Page[User] | None, Page([ACCOUNT]), PAGE),
    (list[Page[User]], [Page([ACCOUNT])], [PAGE]),
    (Page[Page[User]], Page([Page([ACCOUNT])]), {"items": [PAGE], "first": None, "named": {}}),
    (UserPage, UserPage([ACCOUNT]), PAGE),
    (Wide[User], Wide([[ACCOUNT]], None, {}, ACCOUNT), {**PAGE, "items": [[A]], "one": A}),
    (TPage[User], {"items": [ACCOUNT]}, {"items": [A]}),
    (TUsers, {"items": [ACCOUNT]}, {"items": [A]}),
    (EPage[User], {"items": [ACCOUNT]}, {"items": [A]}),
    (SPage[User], SPage([ACCOUNT]), {"items": [A]}),
    (SUsers, SUsers([ACCOUNT]), {"items": [A]}),
    (Holder, Holder(Page([ACCOUNT])), {"page": PAGE}),
    (Many[User], [ACCOUNT], [A]),
    (Collection[User], [ACCOUNT], [A]),
    (Collection[User], {"x": ACCOUNT}.values(), [A]),
    (ValuesView[User], {"x": ACCOUNT}.values(), [A]),
    (Iterable[User], {"x": ACCOUNT}.values(), [A]),
    (
        Fields,
        Fields([ACCOUNT], iter([ACCOUNT]), Pair(ACCOUNT), (ACCOUNT,), deque([ACCOUNT])),
        {"a": [A], "b": [A], "c": [A, 1], "d": [A], "e": [A]},
    ),
    (Pair, Pair(ACCOUNT), [A, 1]),
    (GPair[User], GPair(ACCOUNT), [A]),
    (list[Pair], [Pair(ACCOUNT)], [[A, 1]]),
    (Users, [ACCOUNT], [A]),
    (Users, Users([ACCOUNT]), [A]),
    (ByName[User], {"x": ACCOUNT}, {"x": A}),
    (ByName[User], ByName(x=ACCOUNT), {"x": A}),
    (BoundPage, BoundPage([ACCOUNT]), {"items": [A]}),
    (Own[User], Own(ACCOUNT), A),
    (Own[User], Response(ACCOUNT), A),
    (OwnUser, OwnUser(ACCOUNT), A),
    (OwnSub, OwnSub(ACCOUNT), A),
    (Responds, SecretResponds("A"), {"name": "A", "respond": False}),
    (Responds, Responds("A"), {"name": "A", "respond": False}),
]


@pytest.mark.parametrize(("kind", "value", "expected"), LEAKS)
def test_fields_of_a_subclass_stay_here(kind: Any, value: Any, expected: Any) -> None:
    client = client_of(kind, value)
    found = client.get("/")
    assert "SECRET" not in found.text
    assert found.status == 200, client.log
    assert found.json() == expected


@pytest.mark.parametrize(
    ("kind", "item", "expected"),
    [(Page[User], Page([ACCOUNT]), PAGE), (Pair, Pair(ACCOUNT), [A, 1]), (Users, [ACCOUNT], [A])],
)
def test_lines_of_these_hold_too(kind: Any, item: Any, expected: Any) -> None:
    class Lines(Iterator[kind]):
        def __init__(self) -> None:
            self._items = iter([item])

        def __next__(self) -> Any:
            return next(self._items)

    for written in (Iterator[kind], Lines):
        found = answer(written, Lines())
        assert found.headers["content-type"] == "application/jsonl"
        assert msgspec.json.decode(found.text) == expected


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python 3.12 keeps the bases")
def test_a_typed_dict_of_which_python_forgets_the_bases_is_refused() -> None:
    class Sub(TUsers):
        pass

    with pytest.raises(RouteError, match="'items' of Sub, a type variable"):
        client_of(Sub, {"items": [ACCOUNT]})


@pytest.mark.skipif(sys.version_info < (3, 13), reason="syntax of 3.12, and its names in text")
def test_type_parameters_hold_too() -> None:
    space: dict[str, Any] = {"User": User, "dataclass": dataclass, "__name__": __name__}
    exec(
        "type Users[X] = list[X]\n@dataclass\nclass Page[X]:\n    items: list[X]\n"
        "class Sub(Page[User]): pass\n",
        space,
    )
    page, sub, users = space["Page"], space["Sub"], space["Users"]
    assert answer(page[User], page([ACCOUNT])).json() == {"items": [A]}
    assert answer(sub, sub([ACCOUNT])).json() == {"items": [A]}
    assert answer(users[User], [ACCOUNT]).json() == [A]


# The log.


@dataclass
class Other:
    x: int


class Model(pydantic.BaseModel):
    name: int


@dataclass
class Other2(Other):
    password_hash: str = "SECRET"


class Holding(pydantic.BaseModel):
    user: User


@pytest.mark.parametrize(
    "kind", [Other, Model, list[Other], dict[str, Other], tuple[int, Other], Other | Model]
)
@pytest.mark.parametrize("value", [ACCOUNT, [ACCOUNT], {"x": ACCOUNT, "name": ACCOUNT}])
def test_the_log_line_has_no_field_of_what_does_not_fit(kind: Any, value: Any) -> None:
    async def handler(n: int = 0) -> Any:
        return value

    handler.__annotations__["return"] = kind
    app = App()
    app.get("/")(handler)
    wire = Lockstep(app)
    wire.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert wire.sent.startswith(b"HTTP/1.1 500 ")
    assert "expected" in wire.log[-1].message
    assert "SECRET" not in str(wire.log)


def test_the_log_line_has_no_field_of_a_model_that_pydantic_does_not_write() -> None:
    client = client_of(Holding, Holding.model_construct(user=Other2(1)))
    assert client.get("/").status == 500
    assert "SECRET" not in str(client.log)


# Statuses.


@pytest.mark.parametrize("status", [204, 205, 304])
@pytest.mark.parametrize("kind", [User, list[int], str, Iterator[User], Response[User]])
def test_a_value_has_no_status_without_a_body(kind: Any, status: int) -> None:
    with pytest.raises(RouteError, match=f"has the status {status}, which has no body"):
        client_of(Annotated[kind, Status(status)], User("A"))


def test_none_and_a_response_may_have_a_status_without_a_body() -> None:
    assert answer(User | Annotated[None, Status(204)], None).status == 204
    assert answer(User | Annotated[None, Status(205)], None).status == 205
    assert answer(Annotated[Response, Status(204)], Response()).status == 204


@pytest.mark.parametrize(
    "kind", [User | Annotated[str, Status(404)], Response[User] | Annotated[str, Status(404)]]
)
@pytest.mark.parametrize("value", ["no", Response("no")])
def test_a_text_has_its_status_in_a_response_too(kind: Any, value: Any) -> None:
    found = answer(kind, value)
    assert (found.status, found.text) == (404, "no")


# Structs, as msgspec itself writes them.


class Cat(msgspec.Struct, tag="cat"):
    name: str


class Dog(msgspec.Struct, tag="dog"):
    name: str


class Kitten(Cat, tag="kitten"):
    password_hash: str = "SECRET"


class Point(msgspec.Struct, array_like=True):
    x: int
    y: int = 2


class TaggedPoint(Point, tag=3, array_like=True):
    pass


class NamedTag(msgspec.Struct, tag_field="kind", tag="k"):
    name: str


@pytest.mark.parametrize("cls", [list, tuple])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Cat("a"), {"type": "cat", "name": "a"}),
        (Point(1), [1, 2]),
        (TaggedPoint(1), [3, 1, 2]),
        (NamedTag("a"), {"kind": "k", "name": "a"}),
    ],
)
def test_a_converted_struct_is_written_as_msgspec_does(cls: Any, value: Any, expected: Any) -> None:
    kind: Any = type(value)
    assert answer(list[kind], cls([value])).json() == [expected]


def test_a_subclass_of_a_struct_has_the_tag_of_the_annotation() -> None:
    assert answer(Cat, Kitten("a")).json() == {"type": "cat", "name": "a"}


def test_the_tag_of_a_dict_decides() -> None:
    @dataclass
    class Pets:
        of: dict[str, Cat | Dog]

    value = {"x": {"type": "cat", "name": "a"}, "y": {"type": "dog", "name": "a"}}
    assert answer(Pets, Pets(value)).json() == {"of": value}  # type: ignore[arg-type]


# Bytes and what is not set.


@dataclass
class Data:
    data: bytes
    more: bytes | None = None


class DataStruct(msgspec.Struct):
    data: bytes
    more: bytes | None = None


TEXT = base64.b64encode(b"\x00\xff").decode()


@pytest.mark.parametrize("kind", [Data, DataStruct])
def test_bytes_in_an_answer_are_base64(kind: Any) -> None:
    for data, more in ((b"\x00\xff", None), (b"", b"\x00\xff")):
        expected = {
            "data": base64.b64encode(data).decode(),
            "more": None if more is None else base64.b64encode(more).decode(),
        }
        assert answer(kind, kind(data, more)).json() == expected
        assert answer(kind, {"data": data, "more": more}).json() == expected


def test_bytes_alone_are_a_body_and_in_a_list_are_texts() -> None:
    assert answer(bytes, b"ab").headers["content-type"] == "application/octet-stream"
    assert answer(bytes | None, b"ab").headers["content-type"] == "application/octet-stream"
    assert answer(list[bytes], [b"\x00\xff"]).json() == [TEXT]


class Inner(msgspec.Struct, omit_defaults=True):
    value: int = 1_000_000


class Sparse(msgspec.Struct, omit_defaults=True, rename="camel"):
    a: int
    text: str = "abc" * 100
    some_items: list[int] = []
    table: dict[str, int] = msgspec.field(default_factory=dict)
    number: float = 1.5
    large: int = 10**6
    inner: Inner | None = None
    made: list[int] = msgspec.field(default_factory=lambda: [])  # noqa: PIE807  # not known to be empty
    row: tuple[int, ...] = ()


class SparseRow(Sparse, array_like=True):
    pass


class MoreOfIt(Sparse):
    secret: str = ""


class MoreOfTheRow(SparseRow):
    secret: str = ""


@pytest.mark.parametrize(
    "values",
    [
        {},
        # Equal to the default, and not the same object: msgspec sends it.
        {"text": "".join(["abc"] * 100), "number": float("1.5"), "large": int("1000000")},
        {"some_items": [], "table": {}, "made": [], "row": (), "inner": Inner()},
        {"some_items": [1], "table": {"a": 1}, "inner": Inner(int("1000000"))},
    ],
)
@pytest.mark.parametrize(("kind", "more"), [(Sparse, MoreOfIt), (SparseRow, MoreOfTheRow)])
def test_what_a_struct_omits_is_omitted_of_its_subclass_too(
    kind: Any, more: Any, values: dict[str, Any]
) -> None:
    given = {"a": 1, **values}
    assert answer(kind, more(**given)).text == answer(kind, kind(**given)).text
    assert answer(kind, kind(**given)).content == msgspec.json.encode(kind(**given))


class Patch(msgspec.Struct):
    name: str | msgspec.UnsetType = msgspec.UNSET
    age: int = 0


class SubPatch(Patch):
    password_hash: str = "SECRET"


@dataclass
class PatchData:
    name: str | msgspec.UnsetType = msgspec.UNSET
    age: int = 0


@pytest.mark.parametrize("value", [Patch(), SubPatch(), {"name": msgspec.UNSET, "age": 0}])
def test_what_is_unset_is_left_out(value: Any) -> None:
    assert answer(Patch, value).json() == {"age": 0}
    assert answer(PatchData, value).json() == {"age": 0}


def test_what_is_unset_in_a_dataclass_is_left_out() -> None:
    assert answer(PatchData, PatchData()).json() == {"age": 0}
    assert answer(PatchData, PatchData("a")).json() == {"name": "a", "age": 0}


# Tuples.


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (tuple[int, str], (1, "a"), [1, "a"]),
        (tuple[int, ...], (1, 2), [1, 2]),
        (Sequence[int], (1, 2), [1, 2]),
        (Sequence[int], [1, 2], [1, 2]),
        (Sequence[int], range(2), [0, 1]),
        (Collection[int], (1, 2), [1, 2]),
        (tuple[int, str] | None, (1, "a"), [1, "a"]),
        (list[int], [1], [1]),
    ],
)
def test_tuples_go_out_as_lists(kind: Any, value: Any, expected: Any) -> None:
    client = client_of(kind, value)
    found = client.get("/")
    assert found.status == 200, client.log
    assert found.json() == expected


@pytest.mark.parametrize("value", ["ab", b"ab"])
@pytest.mark.parametrize("kind", [Sequence[str], Sequence[int], Collection[str], tuple[str, ...]])
def test_a_text_is_no_sequence(kind: Any, value: Any) -> None:
    assert answer(kind, value).status == 500


def test_an_unannotated_tuple_is_still_refused() -> None:
    app = App()

    @app.get("/")
    async def handler(ctx: Context):
        return {"a": 1}, 201

    assert TestClient(app).get("/").status == 500


# Annotations that cannot be keys.


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (list[Annotated[User, {"a": 1}]], [ACCOUNT], [A]),
        (Page[Annotated[User, {"a": 1}]], Page([ACCOUNT]), PAGE),
        (dict[str, Annotated[list[User], [1]]], {"x": [ACCOUNT]}, {"x": [A]}),
    ],
)
def test_an_annotation_that_has_no_hash(kind: Any, value: Any, expected: Any) -> None:
    assert answer(kind, value).json() == expected


def test_lines_of_an_annotation_that_has_no_hash() -> None:
    kind = Iterator[list[Annotated[User, {"a": 1}]]]
    assert answer(kind, iter([[ACCOUNT]])).text == '[{"name":"A"}]\n'


def test_an_error_that_answers_by_itself_may_have_any_status() -> None:
    class NotModified(HTTPError):
        pass

    assert answer(User | Annotated[NotModified, Status(304)], User("A")).json() == A
