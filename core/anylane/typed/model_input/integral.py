"""Integral numbers: JSON has one kind of number, and `1.0` is an integer (JSON Schema Validation
2020-12 §6.1.1).

The strict readers of msgspec and pydantic refuse it where an int is expected. Some clients write
it so: PHP's `json_encode(1.0)`, and what has computed with floats.
"""

from __future__ import annotations

from operator import is_
from typing import Any


def with_integers(value: Any) -> Any:
    """Return a value of JSON whose integral floats are ints; None if it has none of them."""
    try:
        found = _changed(value)
    except RecursionError:
        return None
    return None if found is value else found


def _changed(value: Any) -> Any:
    """Return the value itself if there is nothing to change."""
    kind = type(value)
    if kind is float:
        return int(value) if value.is_integer() else value
    if kind is list:
        items = [_changed(each) for each in value]
        return value if all(map(is_, items, value)) else items
    if kind is dict:
        members = {name: _changed(each) for name, each in value.items()}
        return value if all(map(is_, members.values(), value.values())) else members
    return value
