"""Annotated shapes: the shape that a return annotation says, made once for each handler."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from operator import is_
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin
from uuid import UUID

from anylane.errors import UsageError
from anylane.extras import load
from anylane.typed.models import is_object, is_pydantic, is_struct
from anylane.typed.pydantic_shape import PydanticShape
from anylane.typed.shapes import (
    Bytes,
    Either,
    Items,
    Object,
    OneOf,
    Row,
    Scalar,
    Shape,
    Table,
    Unset,
)
from anylane.typed.written_types import (
    element_types,
    field_types,
    is_typed_dict,
    is_unpacked,
    plain,
    typed_dict_fields,
)

_ANY = Shape()
_BINARY = (bytes, bytearray, memoryview)
_SCALARS: dict[Any, Shape] = {
    str: Scalar((str,), "a str"),
    int: Scalar((int,), "an int"),
    float: Scalar((float, int), "a float"),
    bool: Scalar((bool,), "a bool"),
    NoneType: Scalar((NoneType,), "None"),
    datetime: Scalar((datetime,), "a datetime"),
    date: Scalar((date,), "a date"),
    time: Scalar((time,), "a time"),
    timedelta: Scalar((timedelta,), "a timedelta"),
    UUID: Scalar((UUID,), "a UUID"),
    Decimal: Scalar((Decimal,), "a Decimal"),
}


class Shapes:
    """Makes the shapes of one annotation. needed_by: what they are for, for messages."""

    def __init__(self, needed_by: str) -> None:
        self._needed_by = needed_by
        # What stands in an Annotated may have no hash.
        self._known: list[tuple[Any, Shape]] = []

    def of(self, kind: Any) -> Shape:  # a line for each kind of type
        """Return the shape of a type."""
        kind = plain(kind)
        origin, arguments = get_origin(kind), get_args(kind)
        base = origin or kind
        if origin in (Union, UnionType):
            return either([self.of(each) for each in arguments])
        if origin is Literal:
            return OneOf(arguments)
        if base is Any or base is object or not isinstance(base, type):
            return _ANY
        if origin is None and base in _SCALARS:
            return _SCALARS[base]
        if issubclass(base, Enum):
            return Scalar((base,), f"a {base.__name__}")
        if is_object(base):
            return self._object(kind, base)
        if issubclass(base, _BINARY):
            return Bytes()
        if issubclass(base, Iterable) and not issubclass(base, str):
            return self._container(kind, base)
        if (base.__module__, base.__name__) == ("msgspec", "UnsetType"):
            return Unset(base)
        # What `json_default` of the app may have a form for.
        return Scalar((base,), f"a {base.__name__}")

    def _container(self, kind: Any, base: type) -> Shape:
        elements = element_types(kind)
        if issubclass(base, Mapping):
            return Table(self.of(elements[1]) if len(elements) == 2 else _ANY)
        if issubclass(base, tuple) and hasattr(base, "_fields"):
            return self._named_tuple(kind, base)
        if issubclass(base, tuple) and elements and Ellipsis not in elements:
            if any(map(is_unpacked, elements)):
                raise UsageError(
                    f"{self._needed_by} has a tuple with another one unpacked in it; write a type "
                    "for each place, such as tuple[int, list[str]], or a class"
                )
            row = Row(tuple)
            row.set_items(tuple(map(self.of, elements)))
            return row
        if elements or issubclass(base, Sequence | AbstractSet):
            return Items(
                self.of(elements[0]) if elements else _ANY,
                is_set=issubclass(base, AbstractSet),
                is_read_once=not issubclass(base, Collection),
            )
        return Scalar((base,), f"a {base.__name__}")

    def _named_tuple(self, kind: Any, base: Any) -> Shape:
        found = self._found(kind)
        if found is not None:
            return found
        row = Row(base)
        self._known.append((kind, row))
        hints = field_types(kind)
        row.set_items(tuple(self.of(hints.get(name, Any)) for name in base._fields))
        return row

    def _found(self, kind: Any) -> Shape | None:
        return next((shape for each, shape in self._known if each == kind), None)

    def _object(self, kind: Any, cls: Any) -> Shape:
        found = self._found(kind)
        if found is not None:
            return found
        if is_pydantic(cls):
            made: Shape = PydanticShape(kind, self._needed_by)
            self._known.append((kind, made))
            return made
        constants, is_array = {}, False
        if is_struct(cls):
            config = cls.__struct_config__
            is_array = config.array_like
            if config.tag is not None:
                constants[config.tag_field] = config.tag
        shape = Object(kind, constants, is_array=is_array)
        self._known.append((kind, shape))
        shape.set_members(self._members(cls, kind), self._omitted(cls, kind))
        return shape

    def _omitted(self, cls: Any, kind: Any) -> dict[str, Callable[[Any], bool]]:
        """Return which values of the members of a Struct msgspec leaves out."""
        if not is_struct(cls):
            return {}
        config = cls.__struct_config__
        if config.array_like or not config.omit_defaults:
            return {}
        library = load("msgspec", extra="typed", needed_by=self._needed_by)
        found: dict[str, Callable[[Any], bool]] = {}
        for each in library.structs.fields(kind):
            if each.default is not library.NODEFAULT:
                found[each.name] = partial(is_, each.default)
            elif each.default_factory in (list, dict, set):
                found[each.name] = partial(_is_empty, each.default_factory)
        return found

    def _members(self, cls: Any, kind: Any) -> list[tuple[str, str, Shape, bool]]:
        if is_struct(cls):
            library = load("msgspec", extra="typed", needed_by=self._needed_by)
            return [
                (each.name, each.encode_name, self.of(each.type), False)
                for each in library.structs.fields(kind)
            ]
        if is_typed_dict(cls):
            members = typed_dict_fields(kind)
            own = getattr(cls, "__parameters__", ())
            for name, hint, _ in members:
                left = getattr(hint, "__parameters__", ()) or (hint,)
                if any(type(each).__name__ == "TypeVar" and each not in own for each in left):
                    raise UsageError(
                        f"{self._needed_by} has {name!r} of {cls.__name__}, a type variable of a "
                        "base that this Python forgets; use typing_extensions.TypedDict"
                    )
            return [(name, name, self.of(hint), not required) for name, hint, required in members]
        hints = field_types(kind)
        return [(each.name, each.name, self.of(hints[each.name]), False) for each in fields(cls)]


def _is_empty(kind: type, value: Any) -> bool:
    return type(value) is kind and not value


def either(shapes: list[Shape]) -> Shape:
    """Return the shape of what has one of some shapes."""
    each_once: list[Shape] = []
    for shape in shapes:
        each_once += shape.shapes if isinstance(shape, Either) else (shape,)
    return each_once[0] if len(each_once) == 1 else Either(tuple(each_once))


def has_fields(kind: Any, *, is_inside: bool = False) -> bool:
    """Return whether an annotation names, at any depth, a class with fields, or what has another
    form in JSON: a set, and bytes inside of another value. is_inside: whether this is."""
    kind = plain(kind)
    origin = get_origin(kind)
    cls = origin or kind
    if isinstance(cls, type):
        if is_object(cls) or issubclass(cls, AbstractSet):
            return True
        if issubclass(cls, _BINARY):
            return is_inside
        if issubclass(cls, tuple) and hasattr(cls, "_fields"):
            return True
    is_union = origin in (Union, UnionType)
    return any(
        has_fields(each, is_inside=is_inside or not is_union)
        for each in (element_types(kind) or get_args(kind))
    )
