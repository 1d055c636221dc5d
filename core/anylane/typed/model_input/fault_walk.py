"""The walk through a value that msgspec has refused, to find each of its faults.

msgspec names the first one alone. This is run for wrong requests only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from anylane.http.values.faults import Fault, shown_in_json
from anylane.typed.model_input.messages import expected, located
from anylane.typed.written_types import field_types, is_typed_dict, typed_dict_fields, unwrapped

Convert = Callable[[Any, Any], Any]

Foreign = Callable[[Any, Any, str, str], list[Fault] | None]
"""Takes a type, a value, the location and the place."""

MAX_LEVELS = 8
"""Levels of objects and lists that are walked through. What lies deeper is one fault: at each level
all that is below it is converted again, which takes 10 ms for a megabyte."""

MAX_STEPS = 10_000
"""Values that are looked at: 10 ms. A wrong body of a million values must not hold up others."""


MAX_NAME = 200
"""Characters of the name of a member, as a client may choose it."""


class Walk:
    """Walks through one value.

    library: msgspec. convert: returns a value as a type, or raises. foreign: returns the faults of
    a value whose type another library reads, None for any other type. location: where the value is,
    as faults name it.
    """

    __slots__ = ("_convert", "_foreign", "_left", "_library", "_location")

    def __init__(self, library: Any, convert: Convert, foreign: Foreign, location: str) -> None:
        self._library = library
        self._convert = convert
        self._foreign = foreign
        self._location = location
        self._left = MAX_STEPS

    def faults(self, value: Any, kind: Any, place: str = "") -> Iterator[Fault]:
        """Yield each fault of a value that is not of a type; none if it is. place: where it is."""
        self._left -= 1
        if self._left < 0:
            return
        problem = self._problem(value, kind)
        if problem is not None:
            yield from self.inside(value, kind, problem, place)

    def inside(self, value: Any, kind: Any, problem: str, place: str = "") -> Iterator[Fault]:
        """Yield each fault of a value that was refused. problem: what msgspec said of it."""
        inner = unwrapped(kind)[0]
        if get_origin(inner) in (Union, UnionType):
            kinds = [each for each in get_args(inner) if each is not NoneType]
            if len(kinds) == 1 and value is not None:
                yield from self.faults(value, kinds[0], place)
                return
        others = self._foreign(inner, value, self._location, place)
        if others:
            yield from others
            return
        found = False
        if place.count(".") < MAX_LEVELS:
            for fault in self._inside(value, inner, place):
                found = True
                yield fault
        if not found:
            yield self._where_it_says(problem, value, inner, place)

    def _where_it_says(self, problem: str, value: Any, kind: Any, place: str) -> Fault:
        """Return the fault of what was not walked through, at the place that msgspec names."""
        steps, value, is_member = located(problem, value)
        for step in steps:
            place = _at(place, step)
        text = expected(problem, None if steps or is_member else kind)
        if is_member:
            text += " for each member"
        return Fault(self._location, place, text, shown_in_json(place, value))

    def _problem(self, value: Any, kind: Any) -> str | None:
        try:
            self._convert(value, kind)
        except (self._library.MsgspecError, UnicodeError, RecursionError) as exc:
            return str(exc)
        return None

    def _inside(self, value: Any, kind: Any, place: str) -> Iterator[Fault]:
        """Yield the faults of the members of an object or the items of a list."""
        origin, arguments = get_origin(kind), get_args(kind)
        if isinstance(value, list) and origin in (list, set, frozenset) and arguments:
            for index, item in enumerate(value):
                if self._left < 0:
                    return
                yield from self.faults(item, arguments[0], _at(place, index))
        elif isinstance(value, list) and origin is tuple:
            kinds = arguments[:1] * len(value) if arguments[1:] == (Ellipsis,) else arguments
            if len(kinds) == len(value):
                for index, (item, each) in enumerate(zip(value, kinds, strict=True)):
                    yield from self.faults(item, each, _at(place, index))
        elif isinstance(value, dict) and origin is dict and len(arguments) == 2:
            for name, item in value.items():
                if self._left < 0:
                    return
                yield from self.faults(item, arguments[1], _at(place, name))
        elif isinstance(value, dict):
            yield from self._members(value, kind, place)

    def _members(self, value: dict[str, Any], kind: Any, place: str) -> Iterator[Fault]:
        known = members(self._library, kind)
        for name, member, required in known:
            if name in value:
                yield from self.faults(value[name], member, _at(place, name))
            elif required:
                yield Fault(self._location, _at(place, name), "a value")
        config = getattr(kind, "__struct_config__", None)
        if config is not None and config.forbid_unknown_fields:
            names = {name for name, _, _ in known}
            for name, item in value.items():
                if name not in names and name != config.tag_field:
                    at = _at(place, name)
                    yield Fault(self._location, at, "no such field", shown_in_json(at, item))


def members(library: Any, kind: Any) -> list[tuple[str, Any, bool]]:
    """Return the name in JSON, the type and whether it is required, of each field of a class with
    named fields; none for any other type."""
    cls = get_origin(kind) or kind
    if not isinstance(cls, type):
        return []
    if hasattr(cls, "__struct_fields__"):
        return [
            (each.encode_name, each.type, each.required) for each in library.structs.fields(kind)
        ]
    if is_dataclass(cls):
        hints = field_types(kind)
        return [
            (
                each.name,
                hints[each.name],
                each.default is MISSING and each.default_factory is MISSING,
            )
            for each in fields(cls)
            if each.init
        ]
    if is_typed_dict(cls):
        return typed_dict_fields(kind)
    return []


def _at(place: str, name: object) -> str:
    name = str(name)[:MAX_NAME]
    return f"{place}.{name}" if place else name
