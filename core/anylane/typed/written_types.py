"""Types as they are written: with more around them, by another name, or by another library."""

from __future__ import annotations

from typing import (
    Annotated,
    Any,
    Final,
    NotRequired,
    Required,
    get_args,
    get_origin,
    get_type_hints,
)


def unwrapped(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return a type without Annotated, and what stood there. A name for a type is what it names."""
    metadata: tuple[Any, ...] = ()
    while True:
        if _is_qualifier(get_origin(kind)):
            kind = get_args(kind)[0]
        elif get_origin(kind) is Annotated:
            kind, *rest = get_args(kind)
            metadata = (*rest, *metadata)
        elif type(kind).__name__ == "TypeAliasType":  # `type Users = list[User]`, Python 3.12
            kind = kind.__value__
        elif hasattr(kind, "__supertype__"):  # NewType
            kind = kind.__supertype__
        else:
            return kind, metadata


def is_typed_dict(kind: Any) -> bool:
    """Return whether a class is a TypedDict, also one of typing_extensions, which is another class
    before Python 3.12."""
    return isinstance(kind, type) and issubclass(kind, dict) and hasattr(kind, "__required_keys__")


def typed_dict_fields(cls: Any) -> list[tuple[str, Any, bool]]:
    """Return the name and the type of each field of a TypedDict, and whether it is required."""
    optional: frozenset[str] = getattr(cls, "__optional_keys__", frozenset())
    found = []
    for name, annotation in get_type_hints(cls, include_extras=True).items():
        hint = annotation
        # Python itself does not see NotRequired where annotations are text.
        required = name not in optional
        while _is_qualifier(origin := get_origin(hint)):
            if origin in (Required, NotRequired):
                required = origin is Required
            hint = get_args(hint)[0]
        found.append((name, hint, required))
    return found


def _is_qualifier(origin: Any) -> bool:
    # ReadOnly is of Python 3.13, and of typing_extensions before.
    return origin in (Required, NotRequired, Final) or getattr(origin, "_name", "") == "ReadOnly"
