"""Values that are meant to harm: each is refused, at a bounded cost, and no answer gives anything
away."""

from __future__ import annotations

import enum
import itertools
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import (
    Annotated,
    Any,
    Final,
    Generic,
    Literal,
    NewType,
    NotRequired,
    Required,
    TypedDict,
    TypeVar,
)
from uuid import UUID

import msgspec
import pydantic
import pytest

from anylane import App, Context, Cookie, Form, JsonBody, Query
from anylane.json import dumps
from anylane.testing import TestClient
from anylane.typed import models
from anylane.typed.model_input import fault_walk
from anylane.typed.model_input.finite import unfit_numbers

T = TypeVar("T")

JSON = {"content-type": "application/json"}


class Color(enum.Enum):
    RED = "red"


@dataclass
class Item:
    name: str
    price: float
    tags: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


@dataclass
class Moment:
    at: datetime | None = None
    length: timedelta | None = None
    key: UUID | None = None
    cost: Decimal | None = None
    more: list[Decimal] = field(default_factory=list)


@dataclass
class Tree:
    children: list[Tree] = field(default_factory=list)


class Model(pydantic.BaseModel):
    name: str = ""
    price: float = 0
    tags: list[str] = []
    counts: dict[str, int] = {}
    child: Model | None = None


def client_of(kind: Any, marker: Any = None) -> TestClient:
    async def handler(value) -> str:
        return repr(value)

    handler.__annotations__["value"] = Annotated[kind, marker or JsonBody()]
    app = App(errors="json")
    (app.get if isinstance(marker, Query) else app.post)("/")(handler)
    return TestClient(app)


def faults(response: Any) -> list[tuple[str, str, str | None]]:
    assert response.status == 422, (response.status, response.text[:500])
    return [
        (each["field"], each["expected"], each.get("seen")) for each in response.json()["errors"]
    ]


def posted(kind: Any, value: Any) -> Any:
    content = value if isinstance(value, bytes) else dumps(value)
    return client_of(kind).post("/", content=content, headers=JSON)


# --- bounds of what is checked


@pytest.mark.parametrize(
    ("kind", "bound", "text", "fits"),
    [
        (float, 0.1, "1e300", True),
        (float, 0.1, "0.3", True),
        (float, 0.3, "1e300", False),
        (float, 0.1, "1e-300", False),
        (Decimal, 5, "1e9999", True),
        (Decimal, 3, "1e9999", False),
        (Decimal, 0.5, "1e-9999", False),
        (int, 0.5, "9" * 600, True),
        (int, 0.8, "9" * 600, False),
    ],
)
def test_multiples_are_exact_however_large(kind: Any, bound: float, text: str, fits: bool) -> None:
    answer = client_of(kind, Query(multiple_of=bound)).get(f"/?value={text}")
    assert answer.status == (200 if fits else 422)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("^[a-z]+$", "ab", True),
        ("^[a-z]+$", "ab%0A", False),
        ("^(a|b$)$", "b%0A", False),
        (r"^a\$$", "a$", True),
        (r"^a\$$", "a$%0A", False),
        (r"^[$]$", "$", True),
        (r"^[^]$]$", "$", False),
        (r"^[]$]$", "$", True),
        ("(?m)^a$", "a%0A", True),
    ],
)
def test_the_end_of_a_pattern_is_the_end_of_the_text(pattern: str, text: str, fits: bool) -> None:
    # ECMA-262, whose expressions those of JSON Schema are: `$` is not in front of a line feed.
    answer = client_of(str, Query(pattern=pattern)).get(f"/?value={text}")
    assert answer.status == (200 if fits else 422)


# --- the cost of a wrong body


def test_the_walk_through_a_long_list_ends_with_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    visited = 0
    at = fault_walk._at

    def counted(place: str, name: object) -> str:
        nonlocal visited
        visited += 1
        return at(place, name)

    monkeypatch.setattr(fault_walk, "_at", counted)
    answer = posted(list[int], b"[" + b"1," * 300_000 + b'"x"]')
    assert faults(answer) == [("300000", "an integer", '"x"')]
    assert visited <= fault_walk.MAX_STEPS + 10


def test_a_fault_behind_the_steps_is_named_where_it_is() -> None:
    body = [{"name": "a", "price": 1}] * 20_000
    assert faults(posted(list[Item], [*body, {"name": 5, "price": 1}])) == [
        ("20000.name", "a text", "5")
    ]
    wrong = {"name": "a", "price": 1, "counts": {"x": "secret"}}
    assert faults(posted(list[Item], [*body, wrong])) == [
        ("20000.counts", "an integer for each member", "an object")
    ]


def test_more_faults_of_pydantic_than_can_be_listed_are_counted() -> None:
    answer = posted(list[Model], [{"name": 1}] * (models.MAX_COUNTED + 1))
    assert faults(answer) == [
        ("", f"at most {models.MAX_COUNTED} faults", f"{models.MAX_COUNTED + 1} faults")
    ]
    assert len(faults(posted(list[Model], [{"name": 1}] * 60))) == 50


def test_of_several_members_with_one_name_the_last_is_checked() -> None:
    assert posted(Item, b'{"name":1,"name":"a","price":1}').status == 200
    assert faults(posted(Item, b'{"name":"a","name":1,"price":1}')) == [("name", "a text", "1")]


# --- what an answer gives away


@pytest.mark.parametrize("kind", [Item, Model, dict[str, dict[str, int]]])
def test_long_names_are_cut(kind: Any) -> None:
    name = "k" * 10_000
    value = {"name": "a", "price": 1, "counts": {f"{name}{index}": "x" for index in range(60)}}
    if kind not in (Item, Model):
        value = {"counts": value["counts"]}
    answer = posted(kind, value)
    assert len(faults(answer)) == 50
    assert len(answer.content) < 50_000


def test_no_answer_repeats_a_value_in_what_it_expects() -> None:
    secret = "hunter2" * 1000
    answer = posted(dict[str, Color], {"password": secret, "color": secret})
    assert [each[:2] for each in faults(answer)] == [
        ("password", "one of red"),
        ("color", "one of red"),
    ]
    assert answer.text.count("hunter2") < 30

    class A(msgspec.Struct, tag="a"):
        x: int

    class B(msgspec.Struct, tag="b"):
        y: int

    answer = posted(A | B, {"type": secret})
    assert len(answer.content) < 500


def test_a_body_is_not_repeated_where_pydantic_goes_no_deeper() -> None:
    value: Any = {"name": "hunter2"}
    for _ in range(300):
        value = {"child": value}
    answer = client_of(Model).post(
        "/", content=dumps({"password": "hunter2", **value}), headers=JSON
    )
    assert answer.status == 400
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"at": "10000-01-01T00:00:00Z"}, "a date and time such as 2026-11-30T12:30:00Z"),
        ({"at": 5}, "a date and time such as 2026-11-30T12:30:00Z"),
        ({"length": "P99999999999999D"}, "a shorter duration"),
        ({"length": "x"}, "a duration such as P1DT2H30M"),
        ({"key": "x"}, "a UUID with hyphens"),
        ({"cost": "x"}, "a decimal number"),
    ],
)
def test_what_is_expected_of_a_scalar_in_a_body(value: Any, expected: str) -> None:
    assert [each[1] for each in faults(posted(Moment, value))] == [expected]


class Sapling(pydantic.BaseModel):
    children: list[Sapling] = []


def nested(kind: Any, levels: int) -> Any:
    async def handler(value) -> str:
        return type(value).__name__

    handler.__annotations__["value"] = Annotated[kind, JsonBody()]
    app = App(errors="json")
    app.post("/")(handler)
    arrays, objects = divmod(levels, 2)
    body = b'{"children":[' * arrays + b"{}" * objects + b"]}" * arrays
    return TestClient(app).post("/", content=body, headers={"content-type": "application/json"})


@pytest.mark.parametrize("kind", [Tree, dict[str, Any]])
def test_a_body_is_read_to_the_same_level_on_every_python(kind: Any) -> None:
    assert nested(kind, 400).status == 200
    for levels in (401, 1_000, 20_000):
        answer = nested(kind, levels)
        assert answer.status == 400
        assert answer.json()["detail"] == "the body is nested deeper than 400 levels"


def test_pydantic_has_a_bound_of_levels_too() -> None:
    assert nested(Sapling, 180).status == 200
    assert nested(Sapling, 1_000).status == nested(Sapling, 20_000).status == 400


# --- numbers that are none


@pytest.mark.parametrize("text", ["NaN", "sNaN", "-Infinity", "inf", "1e999999999", "nan123"])
def test_a_decimal_number_of_a_body_is_finite(text: str) -> None:
    seen = str(Decimal(text))
    assert faults(posted(Moment, {"cost": text})) == [("cost", "a decimal number", seen)]
    assert faults(posted(Moment, {"cost": "1", "more": ["1", text]})) == [
        ("more.1", "a decimal number", seen)
    ]
    escaped = b'{"cost":"' + b"".join(b"\\u%04x" % ord(each) for each in text) + b'"}'
    assert len(faults(posted(Moment, escaped))) == 1


def test_a_decimal_number_of_a_body_may_be_long_and_small() -> None:
    answer = posted(Moment, {"cost": "1e-9999", "more": ["1.10", "1e5"]})
    assert answer.status == 200
    assert "Decimal('1.10'), Decimal('1E+5')" in answer.text


@pytest.mark.parametrize("kind", [Item, Model])
@pytest.mark.parametrize("text", ["inf", "nan", "-Infinity"])
def test_a_number_of_a_form_is_finite(kind: Any, text: str) -> None:
    answer = client_of(kind, Form()).post("/", data={"name": "a", "price": text})
    assert faults(answer) == [("price", "a number", text)]


# --- lists in a form


@pytest.mark.parametrize("kind", [Item, Model])
def test_a_list_of_a_form_may_have_one_value(kind: Any) -> None:
    client = client_of(kind, Form())
    assert "tags=['x']" in client.post("/", data={"name": "a", "price": "1", "tags": "x"}).text
    answer = client.post("/", data={"name": ["a", "b"], "price": "1", "tags": ["x", "y"]})
    assert "name='a'" in answer.text
    assert "tags=['x', 'y']" in answer.text


# --- what a type is written with


class Inner(TypedDict):
    a: Required[int]
    b: NotRequired[int]


class Public(TypedDict):
    item: NotRequired[Item]


@dataclass
class Priced(Item):
    secret: str = "hunter2"


def test_a_wrong_member_that_may_be_missing_is_named() -> None:
    assert faults(posted(Inner, {"b": "x"})) == [
        ("a", "a value", None),
        ("b", "an integer", '"x"'),
    ]


Named = NewType("Named", Item)


@dataclass
class Kept:
    item: Final[Item]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Public, {"item": Priced("a", 1)}),
        (Kept, Kept(Priced("a", 1))),
        (list[Named], [Priced("a", 1)]),
        (dict[str, Named], {"x": Priced("a", 1)}),
    ],
)
def test_what_a_type_is_wrapped_in_lets_no_field_out(kind: Any, value: Any) -> None:
    async def returned() -> Any:
        return value

    returned.__annotations__["return"] = kind
    app = App(errors="json")
    app.get("/")(returned)
    answer = TestClient(app).get("/")
    assert answer.status == 200
    assert "hunter2" not in answer.text


# --- secrets


@pytest.mark.parametrize("name", ["pwd", "passphrase", "credentials", "client_secret", "X-API-Key"])
def test_other_names_of_secrets(name: str) -> None:
    assert "hunter2" not in posted(dict[str, int], {name: "hunter2"}).text


def test_no_cookie_is_sent_back() -> None:
    # A script cannot read one that is HttpOnly, and could read the answer.
    async def handler(ctx: Context, sid: Annotated[int, Cookie()] = 0) -> int:
        return ctx.request.cookies.int("other")

    app = App(errors="json")
    app.get("/")(handler)
    for cookie in ("sid=hunter2; other=1", "other=hunter2"):
        answer = TestClient(app).get("/", headers={"cookie": cookie})
        assert [each[1:] for each in faults(answer)] == [("an integer", "(not shown)")]


def test_a_wrong_name_of_a_member_is_told_from_a_wrong_value() -> None:
    assert [each[1] for each in faults(posted(dict[int, str], {"x": "y"}))] == [
        "an integer as the name of each member"
    ]


def test_what_pydantic_expects_is_said_as_an_expectation() -> None:
    class Strict(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="forbid")
        a: int = 0

        @pydantic.field_validator("a")
        @classmethod
        def check(cls, value: int) -> int:
            if value < 0:
                raise ValueError("a positive integer")
            return value

    assert faults(posted(Strict, {"a": -1, "b": 1})) == [
        ("a", "a positive integer", "-1"),
        ("b", "no such field", "1"),
    ]


# --- what models let in


@pytest.mark.parametrize(
    ("kind", "body"), [(int | str, b'"abc"'), (int | bool, b"true"), (Any, b'"x"'), (Any, b"{}")]
)
def test_what_is_no_number_is_no_multiple(kind: Any, body: bytes) -> None:
    answer = client_of(kind, JsonBody(multiple_of=2)).post("/", content=body, headers=JSON)
    assert [each[1] for each in faults(answer)] == ["a multiple of 2"]


@dataclass
class Linked:
    price: Decimal
    children: list[Linked] = field(default_factory=list)
    parent: Any = None

    def __post_init__(self) -> None:
        for child in self.children:
            child.parent = self


def test_an_object_that_names_its_parent_is_looked_through_once() -> None:
    value = {"price": "1", "children": [{"price": "2"}]}
    found = msgspec.convert(value, Linked)
    looked_at = list(itertools.islice(unfit_numbers(found, "body"), 10))
    assert looked_at == []
    found.children[0].price = Decimal("NaN")
    faults_found = unfit_numbers(found, "body")
    assert [each.field for each in itertools.islice(faults_found, 10)] == ["children.0.price"]


def test_a_field_that_was_never_set_has_no_number() -> None:
    @dataclass
    class Lazy:
        price: Decimal
        sum: Decimal = field(init=False)

    assert list(unfit_numbers(Lazy(Decimal(1)), "body")) == []


class Costs(pydantic.BaseModel):
    a: Decimal
    n: int = 0


@dataclass
class HasCosts:
    p: Costs


@dataclass
class PageOf(Generic[T]):
    items: list[T]


@dataclass
class Prices(PageOf[Decimal]):
    n: int = 0


class RowOf(TypedDict, Generic[T]):
    a: T


class PriceRow(RowOf[Decimal]): ...


class StructOf(msgspec.Struct, Generic[T]):
    a: T


class PriceStruct(StructOf[Decimal]): ...


@pytest.mark.parametrize("text", ["1e999999999", "NaN", "sNaN"])
@pytest.mark.parametrize(
    ("kind", "value", "place"),
    [
        (Costs, '{"a": "%s"}', "a"),
        (Costs, '{"n": 1.0, "a": "%s"}', "a"),
        (HasCosts, '{"p": {"a": "%s"}}', "p.a"),
        (Prices, '{"items": ["%s"]}', "items.0"),
        (PageOf[Decimal], '{"items": ["%s"]}', "items.0"),
        (PriceRow, '{"a": "%s"}', "a"),
        (RowOf[Decimal], '{"a": "%s"}', "a"),
        (PriceStruct, '{"a": "%s"}', "a"),
        (dict[Decimal, Tree], '{"%s": {}}', None),
        (dict[Decimal, Costs], '{"%s": {"a": 1}}', None),
    ],
    ids=str,
)
def test_every_decimal_is_finite_and_not_too_long(
    kind: Any, value: str, place: str | None, text: str
) -> None:
    found = faults(posted(kind, (value % text).encode()))
    assert len(found) == 1
    assert place is None or found[0][0] == place


_RING: list[Any] = []
_RING.append(_RING)


class Reserved(pydantic.BaseModel):
    metadata: Decimal
    type: str = "decimal"
    default: list[Any] = _RING
    default_in_field: Any = pydantic.Field(default=_RING)


def test_a_field_may_have_a_name_that_pydantic_uses_itself() -> None:
    ((field, _, _),) = faults(posted(Reserved, {"metadata": "1e999999999"}))
    assert field == "metadata"
    assert posted(Reserved, {"metadata": "1"}).status == 200


@pytest.mark.parametrize("kind", [dict[float, Tree], dict[float, Model]])
@pytest.mark.parametrize("text", ["nan", "1e999"])
def test_the_name_of_a_member_is_finite(kind: Any, text: str) -> None:
    assert len(faults(posted(kind, {text: {}}))) == 1
    assert posted(kind, {"1.5": {}}).status == 200


class Cat(pydantic.BaseModel):
    kind: Literal["cat"]


class Dog(pydantic.BaseModel):
    kind: Literal["dog"]


class Owner(pydantic.BaseModel):
    pet: Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]


def test_a_tag_that_nobody_knows_is_not_repeated() -> None:
    answer = posted(Owner, {"pet": {"kind": "x" * 5_000}})
    assert faults(answer) == [("pet", "one of 'cat', 'dog' as its 'kind'", "an object")]
    assert faults(posted(Owner, {"pet": {}})) == [("pet", "a value with a 'kind'", "an object")]


def test_what_a_validator_says_is_shortened() -> None:
    class Talkative(pydantic.BaseModel):
        a: str

        @pydantic.field_validator("a")
        @classmethod
        def check(cls, value: str) -> str:
            raise ValueError(f"no {value}")

    ((_, expected, _),) = faults(posted(Talkative, {"a": "x" * 5_000}))
    assert expected == f"no {'x' * 197}"


class Account(pydantic.BaseModel):
    pin: Annotated[pydantic.SecretStr, pydantic.Field(min_length=20)] = pydantic.SecretStr("x" * 20)
    keys: Annotated[list[pydantic.SecretBytes], pydantic.Field(max_length=1)] = []
    other: Annotated[pydantic.SecretStr | None, pydantic.Field(max_length=3, alias="oth")] = None
    name: Annotated[str, pydantic.Field(max_length=3)] = ""


class Accounts(pydantic.BaseModel):
    items: list[Account] = []


@pytest.mark.parametrize("kind", [Account, Accounts, list[Account]])
def test_a_secret_is_not_shown(kind: Any) -> None:
    value: Any = {"pin": "hunter2", "keys": [5], "oth": "hunter2", "name": "hunter2"}
    value = {"items": [value]} if kind is Accounts else [value] if kind is not Account else value
    seen = {field.rpartition("items.0.")[2]: seen for field, _, seen in faults(posted(kind, value))}
    seen = {name.removeprefix("0."): each for name, each in seen.items()}
    assert seen == {
        "pin": "(not shown)",
        "keys.0": "(not shown)",
        "oth": "(not shown)",
        "name": '"hunter2"',
    }
