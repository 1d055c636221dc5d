"""Types that hypothesis draws, with values of each: what goes in and what comes out of JSON."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, make_dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import count
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pydantic
from hypothesis import strategies as st
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from anylane.json import dumps, loads


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


Values = st.SearchStrategy[Any]

FINITE = st.floats(allow_nan=False, allow_infinity=False)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=3)
MOMENTS = st.datetimes(timezones=st.just(UTC) | st.none())
SIGNED = st.timedeltas(min_value=timedelta(days=-9999), max_value=timedelta(days=9999))

# --- scalars ---------------------------------------------------------------------------------


def _duration(value: timedelta) -> str:
    sign, value = ("-", -value) if value < timedelta() else ("", value)
    return f"{sign}P{value.days}DT{value.seconds}.{value.microseconds:06}S"


def text_of(value: Any) -> str:
    """Return the text of a scalar, as a client writes it in a query."""
    match value:
        case bool():
            return str(value).lower()
        case enum.Enum():
            return str(value.value)
        case date() | time():
            return value.isoformat()
        case timedelta():
            return _duration(value)
        case _:
            return str(value)


SCALARS: dict[Any, Values] = {
    int: st.integers(),
    float: FINITE,
    bool: st.booleans(),
    UUID: st.uuids(),
    date: st.dates(),
    time: st.times(),
    datetime: MOMENTS,
    timedelta: SIGNED,
    Decimal: DECIMALS,
    Color: st.sampled_from(Color),
    Level: st.sampled_from(Level),
    Literal["a", "b", 3]: st.sampled_from(["a", "b", 3]),
    int | bool: st.integers(min_value=2),
    int | UUID | None: st.integers() | st.uuids(),
}
"""Types of one text, and their values. Text is none of these: every text is one."""

# --- types of JSON ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawn:
    """A type, with its values.

    document: returns the JSON of a value. widened: returns a value of the same fields and more,
    which no answer may show.
    """

    hint: Any
    values: Values
    document: Callable[[Any], Any]
    widened: Callable[[Any], Any]

    def __repr__(self) -> str:
        return repr(self.hint)


def _as_json(value: Any) -> Any:
    return loads(dumps([*value] if isinstance(value, set | frozenset) else value))


def _same(value: Any) -> Any:
    return value


def _leaf(hint: Any, values: Values) -> Drawn:
    return Drawn(hint, values, _as_json, _same)


LEAVES = [
    _leaf(int, st.integers()),
    _leaf(float, FINITE),
    _leaf(str, st.text(max_size=5)),
    _leaf(bool, st.booleans()),
    _leaf(UUID, st.uuids()),
    _leaf(date, st.dates()),
    _leaf(time, st.times()),
    _leaf(datetime, MOMENTS),
    _leaf(Decimal, DECIMALS),
    _leaf(Color, st.sampled_from(Color)),
    _leaf(Literal["a", 1], st.sampled_from(["a", 1])),
    _leaf(int | str, st.integers() | st.text(max_size=5)),
    _leaf(float | None, FINITE | st.none()),
    # Of one item: a set is sent in any order.
    _leaf(set[int], st.sets(st.integers(), max_size=1)),
    _leaf(frozenset[str], st.frozensets(st.text(max_size=3), max_size=1)),
]
BOUNDED = {
    "msgspec": [
        _leaf(Annotated[int, msgspec.Meta(ge=0, lt=10)], st.integers(0, 9)),
        _leaf(Annotated[str, msgspec.Meta(min_length=1)], st.text(min_size=1, max_size=4)),
    ],
    "pydantic": [
        _leaf(Annotated[int, pydantic.Field(ge=0, lt=10)], st.integers(0, 9)),
        _leaf(Annotated[str, pydantic.Field(min_length=1)], st.text(min_size=1, max_size=4)),
    ],
}


def _listed(item: Drawn) -> Drawn:
    return Drawn(
        list[item.hint],  # type: ignore[name-defined]
        st.lists(item.values, max_size=3),
        lambda value: [item.document(each) for each in value],
        lambda value: [item.widened(each) for each in value],
    )


def _row(item: Drawn) -> Drawn:
    return Drawn(
        tuple[item.hint, ...],  # type: ignore[name-defined]
        st.lists(item.values, max_size=3).map(tuple),
        lambda value: [item.document(each) for each in value],
        lambda value: tuple(item.widened(each) for each in value),
    )


def _pair(one: Drawn, other: Drawn) -> Drawn:
    return Drawn(
        tuple[one.hint, other.hint],  # type: ignore[name-defined]
        st.tuples(one.values, other.values),
        lambda value: [one.document(value[0]), other.document(value[1])],
        lambda value: (one.widened(value[0]), other.widened(value[1])),
    )


def _table(item: Drawn) -> Drawn:
    return Drawn(
        dict[str, item.hint],  # type: ignore[name-defined]
        st.dictionaries(st.sampled_from(["x", "y", "z"]), item.values),
        lambda value: {name: item.document(each) for name, each in value.items()},
        lambda value: {name: item.widened(each) for name, each in value.items()},
    )


def _maybe(item: Drawn) -> Drawn:
    return Drawn(
        item.hint | None,
        item.values | st.none(),
        lambda value: None if value is None else item.document(value),
        lambda value: None if value is None else item.widened(value),
    )


NAMES = ("a", "b", "c")
_serial = count()


def _model(kind: str, fields: dict[str, Drawn]) -> Drawn:
    """Return a class with named fields."""
    name = f"{kind}{next(_serial)}"
    hints = {each: drawn.hint for each, drawn in fields.items()}
    plain: Any
    wide: Any
    match kind:
        case "dataclass":
            plain = make_dataclass(name, hints.items())
            wide = make_dataclass(f"Wide{name}", [("secret", str)], bases=(plain,))
        case "typed_dict":
            make: Any = TypedDict
            plain, wide = make(name, hints), dict
        case "struct":
            plain = msgspec.defstruct(name, hints.items())
            wide = msgspec.defstruct(f"Wide{name}", [("secret", str)], bases=(plain,))
        case _:
            plain = pydantic.create_model(name, **hints)
            wide = pydantic.create_model(f"Wide{name}", __base__=plain, secret=str)

    def items(value: Any) -> dict[str, Any]:
        return {n: value[n] if kind == "typed_dict" else getattr(value, n) for n in fields}

    return Drawn(
        plain,
        st.fixed_dictionaries({n: each.values for n, each in fields.items()}).map(
            lambda given: plain(**given)
        ),
        lambda value: {n: fields[n].document(each) for n, each in items(value).items()},
        lambda value: wide(
            **{n: fields[n].widened(each) for n, each in items(value).items()}, secret="secret"
        ),
    )


KINDS = {
    "msgspec": ("dataclass", "typed_dict", "struct"),
    "pydantic": ("pydantic", "pydantic", "dataclass", "typed_dict"),
}
"""What models of a library may have in them."""


@st.composite
def types(draw: st.DrawFn, family: str, depth: int = 2) -> Drawn:
    """Draw a type of JSON. family: the library that reads its models."""
    how = draw(st.integers(0, 6 if depth else 0))
    if how == 0:
        return draw(st.sampled_from(LEAVES + BOUNDED[family]))
    inner = draw(types(family, depth - 1))
    match how:
        case 1:
            return _listed(inner)
        case 2:
            return _table(inner)
        case 3:
            return inner if inner.hint == float | None else _maybe(inner)
        case 4:
            return _pair(inner, draw(types(family, 0)))
        case 5:
            return _row(inner)
        case _:
            return draw(models(family, depth - 1))


@st.composite
def models(draw: st.DrawFn, family: str, depth: int = 2) -> Drawn:
    """Draw a class with named fields. family: the library that reads it."""
    names = draw(st.sets(st.sampled_from(NAMES), min_size=1))
    fields = {name: draw(types(family, depth)) for name in sorted(names)}
    return _model(draw(st.sampled_from(KINDS[family])), fields)


def families() -> st.SearchStrategy[str]:
    """Draw a library that reads models."""
    return st.sampled_from(sorted(KINDS))
