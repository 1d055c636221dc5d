"""Finite: the numbers in a value that are none, or too large to calculate with.

The libraries that make models let some of them in. Texts of a query never give one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from types import NoneType
from typing import Any, get_args, get_origin

from anylane.http.values.faults import Fault, shown_value
from anylane.http.values.scalars import SCALARS
from anylane.typed.model_input.fault_walk import MAX_NAME, members
from anylane.typed.written_types import unwrapped

MAX_EXPONENT = 10_000
"""Digits in front of the point of a Decimal, or zeros behind it. `int()` of one with an exponent of
999999999 would take all memory."""


def has_decimals(library: Any, kind: Any) -> bool:
    """Return whether a type has a Decimal in it, or a float as the name of a member, at any depth.
    library: msgspec."""
    seen: list[Any] = []
    open_ = [kind]
    while open_:
        each = unwrapped(open_.pop())[0]
        if each is Decimal:
            return True
        if each in seen:
            continue
        seen.append(each)
        origin, arguments = get_origin(each), get_args(each)
        if arguments and isinstance(origin, type) and issubclass(origin, Mapping):
            name = unwrapped(arguments[0])[0]
            if float in (name, *get_args(name)):
                return True
        open_ += arguments
        open_ += [member for _, member, _ in members(library, each)]
    return False


def schema_has_decimals(schema: Any, *, in_a_name: bool = False) -> bool:
    """Return the same of a type as pydantic describes it. in_a_name: whether it is that of the
    names of members."""
    if isinstance(schema, dict):
        kind = schema.get("type")
        if kind == "decimal" or (in_a_name and kind == "float"):
            return True
        # Else its names are those of fields.
        others = _OTHERS if isinstance(kind, str) else ()
        return any(
            schema_has_decimals(each, in_a_name=in_a_name or name == "keys_schema")
            for name, each in schema.items()
            if name not in others
        )
    return isinstance(schema, list | tuple) and any(
        schema_has_decimals(each, in_a_name=in_a_name) for each in schema
    )


_OTHERS = ("default", "metadata", "serialization")
"""What has no type of a value in it."""


def unfit_numbers(value: Any, location: str) -> Iterator[Fault]:
    """Yield a fault for each float that is not finite and each Decimal that is not, or has too many
    digits in front of or behind its point. location: where the value is, as faults name it."""
    open_: list[tuple[Any, str]] = [(value, "")]
    opened: dict[int, Any] = {}  # An object may have itself inside.
    while open_:
        value, place = open_.pop()
        if isinstance(value, float):
            if not math.isfinite(value):
                yield Fault(location, place, SCALARS[float].expected, shown_value(place, value))
        elif isinstance(value, Decimal):
            if not value.is_finite() or abs(value.adjusted()) >= MAX_EXPONENT:
                yield Fault(location, place, SCALARS[Decimal].expected, shown_value(place, value))
        elif not isinstance(value, _LEAVES) and id(value) not in opened:
            opened[id(value)] = value
            inside = [(each, f"{place}.{name}".strip(".")) for name, each in _inside(value)]
            open_ += reversed(inside)


def _inside(value: Any) -> Iterator[tuple[object, Any]]:
    """Yield the name and value of each member of a container or object."""
    if isinstance(value, dict):
        for name, each in value.items():
            at = str(name)[:MAX_NAME]
            if isinstance(name, float | Decimal):
                yield at, name
            yield at, each
    elif isinstance(value, list | tuple | set | frozenset):
        yield from enumerate(value)
    elif is_dataclass(value):
        # One with init=False may not be set.
        yield from ((each.name, getattr(value, each.name, None)) for each in fields(value))
    else:
        kind = type(value)
        names: Any = getattr(kind, "__struct_fields__", None) or getattr(kind, "model_fields", ())
        yield from ((name, getattr(value, name, None)) for name in names)


_LEAVES = (str, int, bytes, NoneType)
