"""Unwrapping: the type itself, of one that is written with more around it."""

from __future__ import annotations

from typing import Annotated, Any, Final, NotRequired, Required, get_args, get_origin


def unwrapped(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return a type without Annotated, and what stood there. A name for a type is what it names.
    Required, NotRequired and Final say nothing of the values of a type."""
    metadata: tuple[Any, ...] = ()
    while True:
        if get_origin(kind) is Annotated:
            kind, *rest = get_args(kind)
            metadata = (*rest, *metadata)
        elif get_origin(kind) in (Required, NotRequired, Final):
            kind = get_args(kind)[0]
        elif type(kind).__name__ == "TypeAliasType":  # `type Users = list[User]`, Python 3.12
            kind = kind.__value__
        elif hasattr(kind, "__supertype__"):  # NewType
            kind = kind.__supertype__
        else:
            return kind, metadata
