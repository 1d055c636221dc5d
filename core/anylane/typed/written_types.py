"""Types as they are written: with more around them, by another name, or by another library."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Iterable, Iterator
from functools import reduce
from operator import or_
from types import NoneType
from typing import (
    Annotated,
    Any,
    Final,
    Generic,
    NotRequired,
    Required,
    Unpack,
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
        elif type(get_origin(kind)).__name__ == "TypeAliasType":  # `type Many[T] = list[T]`
            kind = replaced(get_origin(kind).__value__, substituted(kind))
        elif hasattr(kind, "__supertype__"):  # NewType
            kind = kind.__supertype__
        else:
            return kind, metadata


def types_in(kind: Any) -> Iterator[Any]:
    """Yield a type and those in its brackets, at any depth, each once: a name for a type may be in
    what it names, as in `type Json = dict[str, Json] | str`."""
    seen: list[Any] = []
    open_ = [kind]
    while open_:
        each = unwrapped(open_.pop())[0]
        if each not in seen:
            seen.append(each)
            yield each
            open_ += get_args(each)


def substituted(kind: Any) -> dict[Any, Any]:
    """Return what the type variables of a class stand for: {T: User} for `Page[User]`. One that
    takes any number of types stands for a tuple."""
    origin = get_origin(kind)
    given = list(get_args(kind))
    names = getattr(origin, "__parameters__", ()) or getattr(origin, "__type_params__", ())
    if not names and isinstance(origin, type):  # `class ByName(dict[str, T])`
        bases = origin.__dict__.get("__orig_bases__", ())
        names = tuple(
            dict.fromkeys(name for each in bases for name in getattr(each, "__parameters__", ()))
        )
    found: dict[Any, Any] = {}
    for index, name in enumerate(names):
        if type(name).__name__ == "TypeVarTuple":
            count = len(given) - (len(names) - index - 1)
            found[name] = tuple(given[:count])
            del given[:count]
        elif given:
            found[name] = given.pop(0)
    return found


def replaced(hint: Any, types: dict[Any, Any]) -> Any:
    """Return a type with what type variables stand for in their places. types: as `substituted`
    gives them."""
    if not types:
        return hint
    if type(hint).__name__ == "TypeVar":
        return types.get(hint, hint)
    names = () if isinstance(hint, type) else getattr(hint, "__parameters__", ())
    if not any(name in types for name in names):
        return hint
    given: list[Any] = []
    for name in names:
        if type(name).__name__ == "TypeVarTuple" and name in types:
            given += types[name]
        else:
            given.append(types.get(name, name))
    generic: Any = hint
    try:
        return generic[tuple(given)]
    except TypeError:  # A union takes no Annotated with something in it that has no hash.
        return generic[tuple(unwrapped(each)[0] for each in given)]


def bases_of(kind: Any) -> tuple[Any, ...]:
    """Return the bases of a class as they are written, `Page[User]` for `class Users(Page[User])`,
    and with what its type variables stand for in their places."""
    cls = get_origin(kind) or kind
    if not isinstance(cls, type):
        return ()
    types = substituted(kind)
    bases = cls.__dict__.get("__orig_bases__", cls.__bases__)
    return tuple(replaced(each, types) for each in bases if get_origin(each) is not Generic)


def arguments_of(kind: Any, base: type) -> tuple[Any, ...]:
    """Return what stands in the brackets of a base class: (User,) for `class Users(list[User])` and
    list. None where nothing is said."""
    if (get_origin(kind) or kind) is base:
        return get_args(kind)
    return next((found for each in bases_of(kind) if (found := arguments_of(each, base))), ())


def element_types(kind: Any) -> tuple[Any, ...]:
    """Return what stands in the brackets of a container, for a class of the user's in those of its
    base: (User,) for `list[User]` and for `class Users(list[User])`."""
    cls = get_origin(kind) or kind
    if not isinstance(cls, type) or not issubclass(cls, Iterable | AsyncIterable):
        return ()
    if cls.__module__ in ("builtins", "collections", "collections.abc"):
        return get_args(kind)
    return next((found for each in bases_of(kind) if (found := element_types(each))), ())


def is_unpacked(kind: Any) -> bool:
    """Return whether a type is one of those in another's brackets that stand for any number:
    `*tuple[int, ...]`, `*Ts` and `Unpack[Ts]`."""
    return bool(getattr(kind, "__unpacked__", False)) or get_origin(kind) is Unpack


def plain(kind: Any) -> Any:
    """Return a type as `unwrapped` does, and for a type variable of which nothing is known the
    type that it is at least."""
    kind = unwrapped(kind)[0]
    while type(kind).__name__ == "TypeVar":
        default = getattr(kind, "__default__", None)
        if isinstance(default, type) or get_origin(default) is not None:
            kind = default
        else:
            bound = kind.__bound__
            kind = reduce(or_, kind.__constraints__) if kind.__constraints__ else bound or Any
        kind = unwrapped(kind)[0]
    return NoneType if kind is None else kind


def field_types(kind: Any) -> dict[str, Any]:
    """Return the annotation of each field of a class, with what type variables stand for in their
    places: those of `Page[User]`, and of the bases in `class Users(Page[User])`."""
    cls = get_origin(kind) or kind
    types = substituted(kind)
    written = get_type_hints(cls, include_extras=True)
    found = {name: replaced(hint, types) for name, hint in written.items()}
    # A TypedDict has those of its bases among its own.
    own = () if is_typed_dict(cls) else inspect.get_annotations(cls)
    for base in reversed(bases_of(kind)):
        origin = get_origin(base) or base
        if isinstance(origin, type):  # TypedDict and NamedTuple are none.
            raw = get_type_hints(origin, include_extras=True)
            found |= {
                name: hint
                for name, hint in field_types(base).items()
                if name not in own and written.get(name) == raw[name]
            }
    return found


def is_typed_dict(kind: Any) -> bool:
    """Return whether a class is a TypedDict, also one of typing_extensions, which is another class
    before Python 3.12."""
    return isinstance(kind, type) and issubclass(kind, dict) and hasattr(kind, "__required_keys__")


def typed_dict_fields(kind: Any) -> list[tuple[str, Any, bool]]:
    """Return the name and the type of each field of a TypedDict, and whether it is required. kind:
    the class, or `Page[User]`."""
    optional: frozenset[str] = getattr(kind, "__optional_keys__", frozenset())
    found = []
    for name, annotation in field_types(kind).items():
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
