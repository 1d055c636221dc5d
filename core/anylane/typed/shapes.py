"""Shapes: what an answer's annotation lets out, and nothing else.

A shape says of a value whether it can go to the encoder as it is, and makes of any other what has
exactly the fields of its type. No library is needed, but for pydantic's models.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import (
    Any,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)
from uuid import UUID

from anylane.extras import load
from anylane.shown import shown
from anylane.typed.models import is_pydantic, is_struct
from anylane.typed.written_types import is_typed_dict, typed_dict_fields, unwrapped


class Unfit(TypeError):
    """A value is not what its annotation says. place: where it is in the answer."""

    def __init__(self, place: str, expected: str, value: object) -> None:
        at = f" at {place}" if place else ""
        super().__init__(
            f"the value{at} is a {type(value).__name__}: {shown(value)}; expected {expected}"
        )


class Shape:
    """Any value: it goes out as it is."""

    name: str = "any value"

    def is_exact(self, value: Any) -> bool:  # noqa: ARG002
        """Return whether encoding the value sends what its type has, and no more."""
        return True

    def project(self, value: Any, place: str) -> Any:  # noqa: ARG002
        """Return the value as its type has it. Raise Unfit for what cannot be one. place: where it
        is, for the message."""
        return value

    @property
    def is_leaf(self) -> bool:
        """Whether nothing in it could have a field too many."""
        return True


class Scalar(Shape):
    """One of some classes that have no fields."""

    def __init__(self, kinds: tuple[type, ...], name: str) -> None:
        self._kinds = kinds
        self.name: str = name

    def is_exact(self, value: Any) -> bool:
        return type(value) in self._kinds

    def project(self, value: Any, place: str) -> Any:
        # True is an int in Python and none in JSON.
        if isinstance(value, self._kinds) and (type(value) is not bool or bool in self._kinds):
            return value
        raise Unfit(place, self.name, value)


class OneOf(Shape):
    """One of the values of a Literal."""

    def __init__(self, values: tuple[Any, ...]) -> None:
        self._values = values
        self.name: str = "one of " + ", ".join(map(repr, values))

    def is_exact(self, value: Any) -> bool:
        return any(value == each and type(value) is type(each) for each in self._values)

    def project(self, value: Any, place: str) -> Any:
        if self.is_exact(value):
            return value
        raise Unfit(place, self.name, value)


class Items(Shape):
    """A list, set or tuple of one shape. is_set: whether it is a set, which has no form in JSON."""

    def __init__(self, item: Shape, *, is_set: bool = False) -> None:
        self._item = item
        self._is_set = is_set
        self.name: str = f"a list of {item.name}"

    @property
    def is_leaf(self) -> bool:
        return self._item.is_leaf and not self._is_set

    def is_exact(self, value: Any) -> bool:
        return type(value) is list and all(map(self._item.is_exact, value))

    def project(self, value: Any, place: str) -> Any:
        if isinstance(value, str | bytes | Mapping) or not isinstance(
            value, Sequence | AbstractSet
        ):
            raise Unfit(place, self.name, value)
        project = self._item.project
        return [project(item, f"{place}[{index}]") for index, item in enumerate(value)]


class Row(Shape):
    """A tuple with a shape for each place."""

    def __init__(self, items: tuple[Shape, ...]) -> None:
        self._items = items
        self.name: str = f"{len(items)} values"

    @property
    def is_leaf(self) -> bool:
        return all(each.is_leaf for each in self._items)

    def is_exact(self, value: Any) -> bool:
        return (
            type(value) is tuple
            and len(value) == len(self._items)
            and all(shape.is_exact(item) for shape, item in zip(self._items, value, strict=True))
        )

    def project(self, value: Any, place: str) -> Any:
        if isinstance(value, _TEXTS) or not isinstance(value, Sequence):
            raise Unfit(place, self.name, value)
        if len(value) != len(self._items):
            raise Unfit(place, self.name, value)
        return [
            shape.project(item, f"{place}[{index}]")
            for index, (shape, item) in enumerate(zip(self._items, value, strict=True))
        ]


class Table(Shape):
    """A dict whose values have one shape."""

    def __init__(self, item: Shape) -> None:
        self._item = item
        self.name: str = f"a dict of {item.name}"

    @property
    def is_leaf(self) -> bool:
        return self._item.is_leaf

    def is_exact(self, value: Any) -> bool:
        return type(value) is dict and all(map(self._item.is_exact, value.values()))

    def project(self, value: Any, place: str) -> Any:
        if not isinstance(value, Mapping):
            raise Unfit(place, self.name, value)
        return {
            name: self._item.project(item, f"{place}[{name!r:.40}]") for name, item in value.items()
        }


class Object(Shape):
    """A class with named fields. Its members are found when it is first needed: a class may name
    itself."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self._class = get_origin(kind) or kind
        self.name: str = self._class.__name__
        self._members: list[tuple[str, str, Shape, bool]] = []
        """The name in Python, the name in JSON, the shape, and whether it may be missing."""
        self._nested: list[tuple[str, Shape]] = []
        self._is_mapping = is_typed_dict(self._class)

    def set_members(self, members: Iterable[tuple[str, str, Shape, bool]]) -> None:
        """Say what it has. An Object is made before its members are."""
        self._members = list(members)
        self._nested = [(each[0], each[2]) for each in self._members if not each[2].is_leaf]

    @property
    def is_leaf(self) -> bool:
        return False

    def is_exact(self, value: Any) -> bool:
        if self._is_mapping or type(value) is not self._class:
            return False
        # Most have none nested, and `all` would make a generator for them.
        for name, shape in self._nested:  # noqa: SIM110
            if not shape.is_exact(getattr(value, name)):
                return False
        return True

    def project(self, value: Any, place: str) -> Any:
        if isinstance(value, Mapping):
            return self._from_mapping(value, place)
        if self._is_mapping or isinstance(value, str | bytes | int | float | list | tuple):
            raise Unfit(place, self.name, value)
        found = {}
        for name, key, shape, may_be_missing in self._members:
            try:
                item = getattr(value, name)
            except AttributeError:
                if may_be_missing:
                    continue
                raise Unfit(place, f"{self.name}, which has {name!r}", value) from None
            found[key] = shape.project(item, f"{place}.{name}")
        return found

    def _from_mapping(self, value: Mapping[str, Any], place: str) -> Any:
        found = {}
        for name, key, shape, may_be_missing in self._members:
            if name in value:
                found[key] = shape.project(value[name], f"{place}[{name!r}]")
            elif not may_be_missing:
                raise Unfit(place, f"{self.name}, which has {name!r}", value)
        return found


class Pydantic(Shape):
    """A pydantic model. pydantic itself sends the fields of the annotation alone."""

    def __init__(self, kind: Any, needed_by: str) -> None:
        library = load("pydantic", extra="pydantic", needed_by=needed_by)
        self._adapter = library.TypeAdapter(kind)
        self._error: type[Exception] = library.ValidationError
        self._kind = kind
        self.name: str = kind.__name__

    @property
    def is_leaf(self) -> bool:
        return False

    def is_exact(self, value: Any) -> bool:  # noqa: ARG002
        return False

    def project(self, value: Any, place: str) -> Any:
        if type(value) is not self._kind:
            try:
                value = self._adapter.validate_python(value, from_attributes=True)
            except self._error as exc:
                raise Unfit(place, f"{self.name} ({exc})", value) from exc
        return self._adapter.dump_python(value, mode="json", by_alias=True, warnings="error")


class Either(Shape):
    """One of several shapes."""

    def __init__(self, shapes: tuple[Shape, ...]) -> None:
        self._shapes = shapes
        self.name: str = " or ".join(each.name for each in shapes)

    @property
    def is_leaf(self) -> bool:
        return all(each.is_leaf for each in self._shapes)

    def is_exact(self, value: Any) -> bool:
        return any(each.is_exact(value) for each in self._shapes)

    def project(self, value: Any, place: str) -> Any:
        for each in self._shapes:
            if each.is_exact(value):
                return value
        failures = []
        for each in self._shapes:
            try:
                return each.project(value, place)
            except Unfit as exc:
                failures.append(exc)
        raise Unfit(place, self.name, value)


_ANY = Shape()
_TEXTS = (str, bytes, bytearray)
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
        self._objects: dict[Any, Shape] = {}

    def of(self, kind: Any) -> Shape:  # a line for each kind of type
        """Return the shape of a type."""
        kind = unwrapped(kind)[0]
        if kind is Any or kind is object:
            return _ANY
        origin, arguments = get_origin(kind), get_args(kind)
        if origin in (Union, UnionType):
            return Either(tuple(map(self.of, arguments)))
        if origin is Literal:
            return OneOf(arguments)
        if kind in _SCALARS:
            return _SCALARS[kind]
        if isinstance(kind, type) and issubclass(kind, Enum):
            return Scalar((kind,), f"a {kind.__name__}")
        base = origin or kind
        if base is tuple and arguments and Ellipsis not in arguments:
            return Row(tuple(map(self.of, arguments)))
        if isinstance(base, type) and issubclass(base, Mapping) and not is_typed_dict(base):
            return Table(self.of(arguments[1]) if len(arguments) == 2 else _ANY)
        if (
            isinstance(base, type)
            and issubclass(base, Sequence | AbstractSet)
            and base is not bytes
        ):
            item = self.of(arguments[0]) if arguments else _ANY
            return Items(item, is_set=issubclass(base, AbstractSet))
        return self._object(kind)

    def _object(self, kind: Any) -> Shape:
        found = self._objects.get(kind)
        if found is not None:
            return found
        cls = get_origin(kind) or kind
        if is_pydantic(cls):
            made: Shape = Pydantic(kind, self._needed_by)
            self._objects[kind] = made
            return made
        if not isinstance(cls, type) or not (
            is_dataclass(cls) or is_typed_dict(cls) or is_struct(cls)
        ):
            # What `json_default` of the app may have a form for.
            return Scalar((cls,), f"a {cls.__name__}") if isinstance(cls, type) else _ANY
        shape = self._objects[kind] = Object(kind)
        shape.set_members(self._members(cls, kind))
        return shape

    def _members(self, cls: Any, kind: Any) -> list[tuple[str, str, Shape, bool]]:
        if is_struct(cls):
            library = load("msgspec", extra="typed", needed_by=self._needed_by)
            return [
                (each.name, each.encode_name, self.of(each.type), False)
                for each in library.structs.fields(kind)
            ]
        if is_typed_dict(cls):
            return [
                (name, name, self.of(hint), not required)
                for name, hint, required in typed_dict_fields(cls)
            ]
        hints = get_type_hints(cls, include_extras=True)
        return [(each.name, each.name, self.of(hints[each.name]), False) for each in fields(cls)]


def has_fields(kind: Any) -> bool:
    """Return whether an annotation names, at any depth, a class with fields, or a set, which JSON
    has as a list."""
    kind = unwrapped(kind)[0]
    cls = get_origin(kind) or kind
    if isinstance(cls, type) and (
        is_dataclass(cls)
        or is_typed_dict(cls)
        or is_struct(cls)
        or is_pydantic(cls)
        or issubclass(cls, AbstractSet)
    ):
        return True
    return any(has_fields(each) for each in get_args(kind))
