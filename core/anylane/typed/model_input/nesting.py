"""Nesting: the levels of a body, where its type lets a client choose them."""

from __future__ import annotations

from typing import Any

from anylane import json
from anylane.errors import InvalidJSON

MAX_NESTED = 400
"""Levels of arrays and objects in a body that becomes a model. pydantic itself reads 200. msgspec
goes as deep as the stack of this Python lets it, and what an app does with the value may not."""


def can_nest(info: Any) -> bool:
    """Return whether values of a type may have any number of levels: one that names itself, or has
    something of any type in it. info: what `msgspec.inspect.type_info` says of it."""
    return _can_nest(info, ())


def _can_nest(info: Any, around: tuple[int, ...]) -> bool:
    if isinstance(info, tuple):
        return any(_can_nest(each, around) for each in info)
    names = getattr(info, "__struct_fields__", None)
    if names is None:
        return False
    if id(info) in around or type(info).__name__ == "AnyType":
        return True
    return any(_can_nest(getattr(info, name), (*around, id(info))) for name in names)


def check_levels(data: bytes) -> None:
    """Raise InvalidJSON for a body with too many levels."""
    # Fewer bytes cannot have them. Most bodies end here.
    if data.count(b"[") + data.count(b"{") <= MAX_NESTED:
        return
    if json.is_deeper(data.decode("utf-8", "replace"), MAX_NESTED):
        raise InvalidJSON(f"the body is nested deeper than {MAX_NESTED} levels")
