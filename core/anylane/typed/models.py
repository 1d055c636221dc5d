"""Models: JSON and forms into dataclasses, TypedDicts, msgspec Structs and pydantic models.

The two libraries do the work, and neither is imported unless a handler's annotation needs it. What
JSON is, and what a client is told, does not depend on which.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, is_dataclass, replace
from functools import partial
from types import NoneType, UnionType
from typing import Annotated, Any, Protocol, Union, get_args, get_origin

from anylane import json
from anylane.errors import InvalidJSON, UsageError
from anylane.extras import load
from anylane.http.values.faults import MAX_FAULTS, NOT_SHOWN, Fault, shown_in_json
from anylane.typed.model_input.fault_walk import MAX_NAME, Walk
from anylane.typed.model_input.finite import has_decimals, schema_has_decimals, unfit_numbers
from anylane.typed.model_input.integral import with_integers
from anylane.typed.model_input.messages import MAX_EXPECTED
from anylane.typed.model_input.nesting import can_nest, check_levels
from anylane.typed.model_input.secrets import secret_names
from anylane.typed.model_input.text_ends import has_ends, loose_ends, may_end_in_line_feed
from anylane.typed.written_types import is_typed_dict, types_in

MAX_COUNTED = 5_000
"""Faults of one body up to which pydantic gives its account of them: 3 us for each."""


class Model(Protocol):
    """Reads the values of one type. Made once, when a handler is registered."""

    def from_json(self, data: bytes, faults: list[Fault]) -> Any:
        """Return the value of a JSON text. Raise InvalidJSON for what is no JSON. Add to *faults*
        what is wrong with any other; the value means nothing then."""
        ...

    def from_fields(self, fields: dict[str, Any], faults: list[Fault]) -> Any:
        """Return the value that the fields of a form stand for, as `from_json` does."""
        ...


def is_model(kind: Any) -> bool:
    """Return whether a type is read from a JSON body without a marker: a dataclass, TypedDict,
    Struct or pydantic model, a list or dict of these, a bare dict, and a union of such."""
    origin = get_origin(kind)
    if origin is Union or origin is UnionType:
        kinds = [each for each in get_args(kind) if each is not NoneType]
        return bool(kinds) and all(is_model(each) for each in kinds)
    if kind is dict or origin is dict:
        return True
    if origin in (list, tuple, set, frozenset):
        return any(is_model(each) for each in get_args(kind))
    return is_object(kind)


def is_object(kind: Any) -> bool:
    """Return whether a class has named fields."""
    kind = get_origin(kind) or kind
    if not isinstance(kind, type):
        return False
    return is_dataclass(kind) or is_typed_dict(kind) or is_struct(kind) or is_pydantic(kind)


def is_struct(kind: Any) -> bool:
    """Return whether a class is a msgspec Struct."""
    return isinstance(kind, type) and hasattr(kind, "__struct_fields__")


def is_pydantic(kind: Any) -> bool:
    """Return whether a class is a pydantic model, or a pydantic dataclass."""
    return isinstance(kind, type) and hasattr(kind, "__pydantic_core_schema__")


def needs_pydantic(kind: Any) -> bool:
    """Return whether a type has a pydantic model in it, outside of other models."""
    return any(map(is_pydantic, types_in(kind)))


def model_of(kind: Any, needed_by: str, metadata: Sequence[Any] = ()) -> Model:
    """Return what reads values of a type.

    needed_by: what it is for, for messages. metadata: what stands in the annotation beside it, for
    pydantic, which finds validators there. Raise UsageError if the library that it needs is not
    installed, and for a type that this library does not read.
    """
    if kind is dict or kind is list or kind is Any:
        return _Plain(kind)
    if needs_pydantic(kind):
        pydantic = load("pydantic", extra="pydantic", needed_by=needed_by)
        try:
            return _Pydantic(pydantic, Annotated[(kind, *metadata)] if metadata else kind)
        except pydantic.PydanticUserError as exc:
            said = exc.message.partition("\n\n")[0]
            raise UsageError(f"{needed_by} is nothing that pydantic reads: {said}") from exc
    msgspec = load("msgspec", extra="typed", needed_by=needed_by)
    try:
        info = msgspec.inspect.type_info(kind)
        foreign = next(_foreign(info, set()), None)
        if foreign is None:
            return _Msgspec(msgspec, kind, needed_by, info)
    except TypeError as exc:
        raise UsageError(f"{needed_by} is nothing that msgspec reads: {exc}") from exc
    raise UsageError(f"{needed_by} has a {foreign.__name__} in it, which no JSON is read as")


def _foreign(info: Any, known: set[int]) -> Iterator[type]:
    """Yield the classes in a type, as msgspec describes it, that no value of JSON is an object
    of."""
    if isinstance(info, tuple):
        for each in info:
            yield from _foreign(each, known)
    elif hasattr(info, "__struct_fields__") and id(info) not in known:
        known.add(id(info))
        cls: Any = getattr(info, "cls", None)
        if type(info).__name__ == "CustomType" and not (
            is_pydantic(cls) or any(issubclass(each, cls) for each in _JSON)
        ):
            yield cls
        for name in info.__struct_fields__:
            yield from _foreign(getattr(info, name), known)


_JSON = (dict, list, str, int, float, bool, NoneType)


def _loaded(data: bytes) -> Any:
    """Return the value of a JSON body, by the rules of `anylane.json`."""
    try:
        return json.loads(data)
    except ValueError as exc:
        raise InvalidJSON(f"the body is not JSON: {exc}") from None


@dataclass(frozen=True, slots=True)
class _Plain:
    """A bare dict or list, and Any: what JSON itself has."""

    kind: Any

    def from_json(self, data: bytes, faults: list[Fault]) -> Any:
        value = _loaded(data)
        if self.kind is not Any and not isinstance(value, self.kind):
            expected = "a JSON object" if self.kind is dict else "a JSON array"
            faults.append(Fault("body", "", expected, shown_in_json("", value)))
        return value

    def from_fields(self, fields: dict[str, Any], faults: list[Fault]) -> Any:  # noqa: ARG002
        return fields


class _Msgspec:
    """What msgspec reads: all but pydantic's models."""

    def __init__(self, library: Any, kind: Any, needed_by: str, info: Any) -> None:
        self._library = library
        self._kind = kind
        self._info = info
        self._can_nest = can_nest(info)
        self._has_ends = has_ends(info)
        self._foreign = _Foreign(needed_by)
        self._decode: Callable[[bytes], Any] = library.json.Decoder(
            kind, dec_hook=self._foreign.value
        ).decode
        self._errors: tuple[type[Exception], ...] = (
            library.MsgspecError,
            UnicodeError,
            RecursionError,
        )
        self._has_decimals = has_decimals(library, kind)
        self._needs_look = self._has_decimals or self._has_ends

    def from_json(self, data: bytes, faults: list[Fault]) -> Any:
        if self._can_nest:
            check_levels(data)
        try:
            value = self._decode(data)
        except self._errors:
            # Read again by our own rules: they say what is JSON, and from here on every fault is
            # found and not the first one alone.
            value = self._converted(_loaded(data), "body", faults)
        if self._needs_look:
            self._look(value, data, faults)
        return value

    def _look(self, value: Any, data: bytes, faults: list[Fault]) -> None:
        """Add what msgspec has let through."""
        if self._has_decimals:
            faults += _first(unfit_numbers(value, "body"))
        if self._has_ends and not faults and may_end_in_line_feed(data):
            faults += _first(loose_ends(self._info, _loaded(data), "body"))

    def from_fields(self, fields: dict[str, Any], faults: list[Fault]) -> Any:
        value = self._converted(fields, "form", faults)
        faults += _first(unfit_numbers(value, "form"))
        if self._has_ends and not faults:
            faults += _first(loose_ends(self._info, fields, "form"))
        return value

    def _converted(self, value: Any, location: str, faults: list[Fault]) -> Any:
        convert = partial(self._library.convert, dec_hook=self._foreign.value)
        try:
            return convert(value, self._kind)
        except self._errors as exc:
            problem = str(exc)
        if location == "body" and (whole := with_integers(value)) is not None:
            try:
                return convert(whole, self._kind)
            except self._errors as exc:
                value, problem = whole, str(exc)
        walk = Walk(self._library, convert, self._foreign.faults, location)
        found = list(_first(walk.inside(value, self._kind, problem)))
        faults += found or [Fault(location, "", "something else", shown_in_json("", value))]
        return None


class _Foreign:
    """pydantic's models where they are members of what msgspec reads."""

    def __init__(self, needed_by: str) -> None:
        self._needed_by = needed_by
        self._models: dict[Any, _Pydantic] = {}

    def value(self, kind: Any, value: Any) -> Any:
        """Return a value of JSON as a type. Raise ValueError if it is none."""
        if not is_pydantic(kind):
            raise TypeError(f"nothing reads {kind!r} from JSON")
        faults: list[Fault] = []
        found = self._model(kind).from_json(json.dumps(value), faults)
        if faults:
            raise ValueError(faults[0].expected)
        return found

    def faults(self, kind: Any, value: Any, location: str, place: str) -> list[Fault] | None:
        """Return what is wrong with a value, place by place; None for a type of another library."""
        if not is_pydantic(kind):
            return None
        found: list[Fault] = []
        self._model(kind).from_json(json.dumps(value), found)
        return [
            replace(each, location=location, field=f"{place}.{each.field}".strip("."))
            for each in found
        ]

    def _model(self, kind: Any) -> _Pydantic:
        found = self._models.get(kind)
        if found is None:
            library = load("pydantic", extra="pydantic", needed_by=self._needed_by)
            found = self._models[kind] = _Pydantic(library, kind)
        return found


class _Pydantic:
    """A pydantic model, and what has one in it."""

    def __init__(self, library: Any, kind: Any) -> None:
        self._adapter: Any = library.TypeAdapter(kind)
        if not self._adapter.pydantic_complete:
            try:
                self._adapter.rebuild()
            except NameError as exc:
                raise UsageError(
                    f"the model {getattr(kind, '__name__', kind)} names {exc.name!r}, which does "
                    "not exist yet; define it before the handler"
                ) from exc
        self._error: type[Exception] = library.ValidationError
        self._has_decimals = schema_has_decimals(self._adapter.core_schema)
        self._secrets = secret_names(kind)

    def from_json(self, data: bytes, faults: list[Fault]) -> Any:
        # pydantic's own reader takes NaN and Infinity.
        value = _loaded(data)
        try:
            found = self._adapter.validate_json(data, strict=True)
        except self._error as exc:
            if (whole := with_integers(value)) is None:
                faults += self._faults(exc, "body", value)
                return None
            try:
                found = self._adapter.validate_json(json.dumps(whole), strict=True)
            except self._error as again:
                # pydantic 2.11 takes no integer of 19 digits for a float, which 1e18 is here.
                told: tuple[Any, Any] = again, exc
                fewest = min(told, key=lambda each: each.error_count())
                faults += self._faults(fewest, "body", value)
                return None
        if self._has_decimals:
            faults += _first(unfit_numbers(found, "body"))
        return found

    def from_fields(self, fields: dict[str, Any], faults: list[Fault]) -> Any:
        try:
            value = self._adapter.validate_python(fields)
        except self._error as exc:
            faults += self._faults(exc, "form", fields)
            return None
        faults += _first(unfit_numbers(value, "form"))
        return value

    def _faults(self, exc: Any, location: str, value: Any) -> Iterator[Fault]:
        count: int = exc.error_count()
        if count > MAX_COUNTED:
            yield Fault(location, "", f"at most {MAX_COUNTED} faults", f"{count} faults")
            return
        expected: dict[tuple[tuple[str, ...], str | None], list[str]] = {}
        for each in exc.errors(include_url=False)[:MAX_FAULTS]:
            if each["type"] == "json_invalid":
                # Its own bound of levels, which is lower than ours. The input is the whole body.
                raise InvalidJSON(f"the body cannot be read: {each['msg']}")
            missing = each["type"] == "missing"
            place = _place(each["loc"], value, missing=missing)
            seen = None if missing else shown_in_json(".".join(place), each["input"])
            if seen is not None and not self._secrets.isdisjoint(each["loc"]):
                seen = NOT_SHOWN
            # Each member of a union says what it expected.
            expected.setdefault((place, seen), []).append(_spoken(each)[:MAX_EXPECTED])
        for (place, seen), texts in expected.items():
            field = ".".join(part[:MAX_NAME] for part in place)
            yield Fault(location, field, " or ".join(dict.fromkeys(texts)), seen)


def _place(path: tuple[int | str, ...], value: Any, *, missing: bool) -> tuple[str, ...]:
    """Return the place of a fault in a value. pydantic's has the names of the members of unions in
    it, which are no fields."""
    found = []
    for index, part in enumerate(path):
        if isinstance(value, dict) and str(part) in value:
            value = value[str(part)]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        elif not (missing and index == len(path) - 1):
            continue
        found.append(str(part))
    return tuple(found)


def _spoken(error: dict[str, Any]) -> str:
    """Return what pydantic expected, from a message such as "Input should be a valid integer"."""
    message: str = error["msg"]
    if error["type"] == "union_tag_invalid":  # Its message has the tag, however long.
        told = error["ctx"]
        return f"one of {told['expected_tags']} as its {told['discriminator']}"
    if error["type"] == "union_tag_not_found":
        return f"a value with a {error['ctx']['discriminator']}"
    found = re.fullmatch(
        r"(?:Input should be|Value error,|Assertion failed,) (.*)", message, re.DOTALL
    )
    if found is not None:
        return found[1]
    # "List should have at least 1 item after validation, not 0"
    found = re.fullmatch(r"(\w+) should (have|match) (.*?)( after validation, .*)?", message)
    if found is not None:
        verb = {"have": "with", "match": "that matches"}[found[2]]
        return f"a {found[1].lower()} {verb} {found[3]}"
    return _SPOKEN.get(message, message)


_SPOKEN = {"Field required": "a value", "Extra inputs are not permitted": "no such field"}


def _first(faults: Iterator[Fault]) -> Iterator[Fault]:
    for _, fault in zip(range(MAX_FAULTS), faults, strict=False):
        yield fault
