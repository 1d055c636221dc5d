"""Texts: what a text has to be that stands for a value, as JSON Schema.

These are the types that parameters are read as without a library. What a client writes for them is
the grammar of `anylane.http.values.scalars`.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

from anylane import json
from anylane.openapi.schemas import Schema
from anylane.typed.constraints import constraints_of

DURATION = (
    "^-?P(?=[0-9T])([0-9]{1,9}W)?([0-9]{1,9}D)?"
    "(T(?=[0-9])([0-9]{1,9}H)?([0-9]{1,9}M)?([0-9]{1,12}([.][0-9]{1,6})?S)?)?$"
)
"""Of RFC 3339 Appendix A what has a length of its own, as a year and a month have none, and weeks
beside the rest. A minus sign is of ISO 8601-2, so `format` cannot say it."""

SCALARS: Mapping[Any, Schema] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    Decimal: {"type": "number"},
    str: {"type": "string"},
    UUID: {"type": "string", "format": "uuid"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    time: {"type": "string", "format": "time"},
    timedelta: {"type": "string", "pattern": DURATION},
}

# What Python's expressions have and those of ECMA-262 have not, which JSON Schema asks for (JSON
# Schema Validation 2020-12 §6.3.3): named groups, flags, comments, atomic and possessive parts.
_PYTHON_ONLY = re.compile(r"\(\?P|\(\?[aiLmsux#>(-]|\\[AZ]|[*+?}]\+")

_COLLECTIONS = (list, set, frozenset, tuple)

_BOUNDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
}
_LENGTHS = {"string": ("minLength", "maxLength"), "array": ("minItems", "maxItems")}


def text_schema(kind: Any) -> dict[str, Any]:
    """Return the schema of a type that is read from one text, or from several of a name."""
    while get_origin(kind) is Annotated:
        kind, *metadata = get_args(kind)
        return bounded(text_schema(kind), constraints_of(metadata))
    found = SCALARS.get(kind) if isinstance(kind, type) else None
    if found is not None:
        return dict(found)
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if origin is Literal:
        return _one_of(list(arguments))
    if origin in (Union, UnionType):
        kinds = [text_schema(each) for each in arguments if each is not NoneType]
        return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _one_of([each.value for each in kind])
    if origin in _COLLECTIONS:
        return _array(origin, arguments)
    return {}


def _one_of(values: list[Any]) -> dict[str, Any]:
    types = {type(each) for each in values}
    name = SCALARS.get(types.pop(), {}).get("type") if len(types) == 1 else None
    return {"enum": values} if name is None else {"type": name, "enum": values}


def _array(origin: Any, arguments: tuple[Any, ...]) -> dict[str, Any]:
    if origin is tuple and arguments and Ellipsis not in arguments:
        items = [text_schema(each) for each in arguments]
        return {"type": "array", "prefixItems": items, "items": False,
                "minItems": len(items), "maxItems": len(items)}  # fmt: skip
    # A set drops what comes twice and refuses nothing, so it is no array of unique items.
    return {
        "type": "array",
        "items": text_schema(arguments[0]) if arguments else {"type": "string"},
    }


def bounded(schema: dict[str, Any], constraints: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema with the bounds that an annotation has."""
    found = dict(schema)
    lengths = _LENGTHS.get(found.get("type", "string"), _LENGTHS["string"])
    for name, bound in constraints.items():
        if name == "pattern":
            pattern = ecma_pattern(bound)
            found |= in_words(bound) if pattern is None else {name: pattern}
        elif name in _BOUNDS:
            if (value := _number(bound)) is not None:
                found[_BOUNDS[name]] = value
        else:
            found[lengths[name == "max_length"]] = bound
    return found


def ecma_pattern(pattern: str | re.Pattern[str]) -> str | None:
    """Return the source of a pattern; None for one that ECMA-262 has not or reads otherwise."""
    if isinstance(pattern, re.Pattern):
        if pattern.flags != re.UNICODE:
            return None
        pattern = pattern.pattern
    return None if _PYTHON_ONLY.search(pattern) else pattern


def in_words(pattern: str | re.Pattern[str]) -> dict[str, str]:
    """Return what describes a pattern that JSON Schema has no form for."""
    return {"description": f"It has to match {pattern!r}, as in Python."}


def _number(bound: Any) -> int | float | None:
    """Return a bound as JSON Schema has it; None for one that is no number, such as a date (JSON
    Schema Validation 2020-12 §6.2)."""
    if isinstance(bound, Decimal):
        return int(bound) if bound == bound.to_integral_value() else float(bound)
    return bound if isinstance(bound, int | float) else None


def as_json(value: Any) -> Any:
    """Return a value as JSON has it, for a default or an example; None if it has no form."""
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError):
        return None
