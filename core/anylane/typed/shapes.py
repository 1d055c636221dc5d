"""Shapes: what an answer's annotation lets out, and nothing else.

A shape says of a value whether it can go to the encoder as it is, and makes of any other what has
exactly the fields of its type. No library is needed; pydantic's models have a shape elsewhere.
"""

from __future__ import annotations

import sys
from base64 import b64encode
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Any, get_origin
from uuid import UUID

from anylane.json import MAX_DEPTH
from anylane.shown import shown
from anylane.typed.written_types import is_typed_dict

_SHOWN = (str, int, float, NoneType, Decimal, date, time, timedelta, UUID, Enum)
"""What a message shows of a value that does not fit. Any other may have fields that nobody may
see."""


class Unfit(TypeError):
    """A value is not what its annotation says. place: where it is in the answer."""

    def __init__(self, place: str, expected: str, value: object) -> None:
        at = f" at {place}" if place else ""
        seen = f": {shown(value)}" if isinstance(value, _SHOWN) else ""
        super().__init__(f"the value{at} is a {type(value).__name__}{seen}; expected {expected}")


class Shape:
    """Any value: it goes out as it is."""

    name: str = "any value"
    is_flat: bool = True
    """Whether the depth of its values is that of the annotation."""
    classes: tuple[type, ...] = ()
    """Those by which a value is known to be one of it, and of no other member of a union."""

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
        self.classes: tuple[type, ...] = kinds
        self.name: str = name

    def is_exact(self, value: Any) -> bool:
        return type(value) in self.classes

    def project(self, value: Any, place: str) -> Any:
        # True is an int in Python and none in JSON.
        if isinstance(value, self.classes) and (type(value) is not bool or bool in self.classes):
            return value
        raise Unfit(place, self.name, value)


class OneOf(Shape):
    """One of the values of a Literal."""

    def __init__(self, values: tuple[Any, ...]) -> None:
        self._values = values
        self.classes: tuple[type, ...] = tuple({type(each) for each in values})
        self.name: str = "one of " + ", ".join(map(repr, values))

    def is_exact(self, value: Any) -> bool:
        return any(value == each and type(value) is type(each) for each in self._values)

    def project(self, value: Any, place: str) -> Any:
        if self.is_exact(value):
            return value
        raise Unfit(place, self.name, value)


class Converted(Shape):
    """What the encoder takes of no value as it is."""

    @property
    def is_leaf(self) -> bool:
        return False

    def is_exact(self, value: Any) -> bool:  # noqa: ARG002
        return False


class Bytes(Converted):
    """Bytes in a value: base64, as they are read."""

    name: str = "bytes"
    classes: tuple[type, ...] = (bytes, bytearray, memoryview)

    def project(self, value: Any, place: str) -> Any:
        if isinstance(value, bytes | bytearray | memoryview):
            return b64encode(value).decode("ascii")
        raise Unfit(place, self.name, value)


class Unset(Converted):
    """msgspec's UNSET: a member that has it is left out."""

    name: str = "UNSET"

    def __init__(self, kind: type) -> None:
        self.classes: tuple[type, ...] = (kind,)

    def project(self, value: Any, place: str) -> Any:
        raise Unfit(place, "a value", value)  # That of a member is left out before.


Step = tuple[Shape, Any, str]
"""A shape, a value inside of another, and its place."""
Steps = Generator[Step, Any, Any]


class Nested(Shape):
    """A shape with others in it."""

    def project(self, value: Any, place: str) -> Any:
        return _projected(self, value, place)

    def steps(self, value: Any, place: str) -> Steps:
        """Do what `project` does. Yield what is inside, and take what that becomes."""
        raise NotImplementedError


def _projected(shape: Nested, value: Any, place: str) -> Any:
    """Return a value as its type has it, without one call inside another for each level."""
    open_: list[tuple[Steps, Nested, Any]] = [(shape.steps(value, place), shape, value)]
    tried: dict[tuple[int, int], tuple[Any, Any, Unfit | None]] = {}
    """What values became where a union tries several shapes. It tries no value twice: the time
    would double with each level. The value itself is here so that its id stays its own."""
    result: Any = None
    failure: Unfit | None = None
    while open_:
        steps, shape, value = open_[-1]
        try:
            inner, item, place = steps.send(result) if failure is None else steps.throw(failure)
        except StopIteration as done:
            result, failure = done.value, None
        except Unfit as exc:
            result, failure = None, exc
        else:
            result = failure = None
            if isinstance(inner, Either):
                inner = inner.narrowed(item)
            if inner.is_flat or not isinstance(inner, Nested):
                try:
                    result = inner.project(item, place)
                except Unfit as exc:
                    failure = exc
            elif (known := tried.get((id(inner), id(item)))) is not None:
                _, result, failure = known
            elif len(open_) < 2 * MAX_DEPTH:  # Each level may be that of a union, too.
                open_.append((inner.steps(item, place), inner, item))
            else:
                failure = Unfit("", f"at most {MAX_DEPTH} levels", item)
            continue
        open_.pop()
        if isinstance(shape, Either):
            tried[id(shape), id(value)] = value, result, failure
    if failure is not None:
        raise failure
    return result


class Items(Nested):
    """A list, set or tuple of one shape. is_set: whether it is a set, which has no form in JSON.
    is_read_once: whether it may be an iterator."""

    def __init__(self, item: Shape, *, is_set: bool = False, is_read_once: bool = False) -> None:
        self._item = item
        self._is_set = is_set
        self._taken = (Collection, Iterator) if is_read_once else (Collection,)
        self.is_flat: bool = item.is_flat
        self.name: str = f"a list of {item.name}"

    @property
    def is_leaf(self) -> bool:
        return self._item.is_leaf and not self._is_set and len(self._taken) == 1

    def is_exact(self, value: Any) -> bool:
        kind = type(value)
        return (kind is list or kind is tuple) and all(map(self._item.is_exact, value))

    def steps(self, value: Any, place: str) -> Steps:
        if isinstance(value, (*_TEXTS, Mapping)) or not isinstance(value, self._taken):
            raise Unfit(place, self.name, value)
        if self.is_flat:
            project = self._item.project
            return [project(item, f"{place}[{index}]") for index, item in enumerate(value)]
        found = []
        for index, item in enumerate(value):
            found.append((yield self._item, item, f"{place}[{index}]"))
        return found


class Row(Nested):
    """A tuple with a shape for each place. kind: its class. Its items are given when they are
    known: a class may name itself."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self._items: tuple[Shape, ...] = ()
        self.is_flat: bool = False
        self.classes: tuple[type, ...] = () if kind is tuple else (kind,)
        self.name: str = kind.__name__

    def set_items(self, items: tuple[Shape, ...]) -> None:
        """Say what is in each place."""
        self._items = items
        self.name = f"{len(items)} values"

    @property
    def is_leaf(self) -> bool:
        return self._kind is tuple and all(each.is_leaf for each in self._items)

    def is_exact(self, value: Any) -> bool:
        kind: Any = type(value)
        if kind is not self._kind or len(value) != len(self._items):
            return False
        for shape, item in zip(self._items, value, strict=True):  # noqa: SIM110  # fewer frames
            if not shape.is_exact(item):
                return False
        return True

    def steps(self, value: Any, place: str) -> Steps:
        if isinstance(value, _TEXTS) or not isinstance(value, Sequence):
            raise Unfit(place, self.name, value)
        if len(value) != len(self._items):
            raise Unfit(place, self.name, value)
        found = []
        for index, (shape, item) in enumerate(zip(self._items, value, strict=True)):
            found.append((yield shape, item, f"{place}[{index}]"))
        return found


class Table(Nested):
    """A dict whose values have one shape."""

    def __init__(self, item: Shape) -> None:
        self._item = item
        self.is_flat: bool = item.is_flat
        self.name: str = f"a dict of {item.name}"

    @property
    def is_leaf(self) -> bool:
        return self._item.is_leaf

    def is_exact(self, value: Any) -> bool:
        return type(value) is dict and all(map(self._item.is_exact, value.values()))

    def steps(self, value: Any, place: str) -> Steps:
        if not isinstance(value, Mapping):
            raise Unfit(place, self.name, value)
        found = {}
        for name, item in value.items():
            found[name] = yield self._item, item, f"{place}[{name!r:.40}]"
        return found


class Object(Nested):
    """A class with named fields. Its members are found when it is first needed: a class may name
    itself.

    constants: what goes out before the members, such as the tag of a Struct. is_array: whether it
    goes out as a list.
    """

    is_flat: bool = False

    def __init__(self, kind: Any, constants: dict[str, Any], *, is_array: bool) -> None:
        self._class = get_origin(kind) or kind
        self._constants = constants
        self._is_array = is_array
        self._is_mapping = is_typed_dict(self._class)
        self.name: str = self._class.__name__
        self.classes: tuple[type, ...] = () if self._is_mapping else (self._class,)
        self._members: list[tuple[str, str, Shape, bool]] = []
        """The name in Python, the name in JSON, the shape, and whether it may be missing."""
        self._omitted: Mapping[str, Callable[[Any], bool]] = {}
        self._nested: list[tuple[str, Shape]] = []

    def set_members(
        self,
        members: Iterable[tuple[str, str, Shape, bool]],
        omitted: Mapping[str, Callable[[Any], bool]],
    ) -> None:
        """Say what it has. An Object is made before its members are.

        omitted: by its name in Python, which values of a member are left out.
        """
        self._members = list(members)
        self._omitted = omitted
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

    def steps(self, value: Any, place: str) -> Steps:
        is_mapping = isinstance(value, Mapping)
        if not is_mapping and (self._is_mapping or isinstance(value, _NO_OBJECTS)):
            raise Unfit(place, self.name, value)
        found = dict(self._constants)
        if is_mapping and any(value.get(name, of) != of for name, of in found.items()):
            raise Unfit(place, self.name, value)
        unset = getattr(sys.modules.get("msgspec"), "UNSET", _MISSING)
        deeper = []
        for name, key, shape, may_be_missing in self._members:
            item = value.get(name, _MISSING) if is_mapping else getattr(value, name, _MISSING)
            if item is unset:
                if self._is_array:
                    found[key] = None
                continue
            if item is _MISSING:
                if may_be_missing:
                    continue
                raise Unfit(place, f"{self.name}, which has {name!r}", value)
            if name in self._omitted and self._omitted[name](item):
                continue
            inside = f"{place}[{name!r}]" if is_mapping else f"{place}.{name}"
            if shape.is_flat:
                found[key] = shape.project(item, inside)
            else:
                # What is flat decides first whether it fits at all.
                found[key] = None
                deeper.append((key, shape, item, inside))
        for key, shape, item, inside in deeper:
            found[key] = yield shape, item, inside
        return [*found.values()] if self._is_array else found


class Either(Nested):
    """One of several shapes: the one with the class of the value, or with the first of its base
    classes. A value of another class, such as a dict, is the first that it fits."""

    def __init__(self, shapes: tuple[Shape, ...]) -> None:
        self.shapes: tuple[Shape, ...] = shapes
        self.is_flat: bool = all(each.is_flat for each in shapes)
        self.classes: tuple[type, ...] = tuple(cls for each in shapes for cls in each.classes)
        self.name: str = " or ".join(each.name for each in shapes)
        self._by_class = {
            cls: tuple(each for each in shapes if cls in each.classes) for cls in self.classes
        }

    @property
    def is_leaf(self) -> bool:
        return all(each.is_leaf for each in self.shapes)

    def is_exact(self, value: Any) -> bool:
        for each in self.shapes:  # noqa: SIM110  # fewer frames
            if each.is_exact(value):
                return True
        return False

    def narrowed(self, value: Any) -> Shape:
        """Return the one shape that a value may have by its class, or this one."""
        found = self._possible(value)
        return found[0] if len(found) == 1 else self

    def _possible(self, value: Any) -> tuple[Shape, ...]:
        for base in type(value).__mro__[:-1]:
            found = self._by_class.get(base)
            if found is not None:
                return found
        return self.shapes

    def project(self, value: Any, place: str) -> Any:
        found = self.narrowed(value)
        return _projected(self, value, place) if found is self else found.project(value, place)

    def steps(self, value: Any, place: str) -> Steps:
        possible = self._possible(value)
        for each in possible:
            if is_exact(each, value):
                return value
        for each in possible:
            try:
                return (yield each, value, place)
            except Unfit:
                continue
        raise Unfit(place, self.name, value)


def is_exact(shape: Shape, value: Any) -> bool:
    """Return what `shape.is_exact` does, and False for what is too deep to look through."""
    try:
        return shape.is_exact(value)
    except RecursionError:
        return False


_MISSING = object()
_TEXTS = (str, bytes, bytearray, memoryview)
_NO_OBJECTS = (str, bytes, int, float, list, tuple)
