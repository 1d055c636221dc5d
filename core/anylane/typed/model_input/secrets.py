"""Secrets: the fields whose type says that their value must not be shown, `pydantic.SecretStr`."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from anylane.typed.model_input.fault_walk import members
from anylane.typed.written_types import types_in, unwrapped


def secret_names(kind: Any) -> frozenset[str]:
    """Return the names of all secret fields in a type, at any depth, as pydantic names them."""
    found: set[str] = set()
    seen: list[Any] = []
    open_ = [kind]
    while open_:
        each = unwrapped(open_.pop())[0]
        if each in seen:
            continue
        seen.append(each)
        open_ += get_args(each)
        for names, member in _members(each):
            open_.append(member)
            if _is_secret(member):
                found |= names
    return frozenset(found)


def _members(kind: Any) -> list[tuple[set[str], Any]]:
    """Return the names and the type of each field of a class."""
    known: Any = getattr(kind, "__pydantic_fields__", None)
    if known is None or not isinstance(kind, type):
        if hasattr(get_origin(kind) or kind, "__struct_fields__"):
            return []  # pydantic reads none.
        return [({name}, member) for name, member, _ in members(None, kind)]
    return [({name, *_aliases(each)}, each.annotation) for name, each in known.items()]


def _aliases(field: Any) -> list[str]:
    alias = field.validation_alias
    given = [field.alias, alias, *getattr(alias, "choices", ())]
    return [each for each in given if isinstance(each, str)]


def _is_secret(kind: Any) -> bool:
    """Return whether a type is secret, or has one among its arguments."""
    return any(hasattr(each, "get_secret_value") for each in types_in(kind))
