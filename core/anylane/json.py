"""JSON, with one meaning whether orjson can be imported or not.

orjson does what it does rightly, which is nearly everything. The rest, and everything where it is
missing, is left to the standard library, with the rules of this file around it. Nothing else in the
core may encode or decode JSON. Two things may differ: the wording of errors, and the spelling of a
number (`1e-7` and `1e-07`).
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any, NoReturn, cast
from uuid import UUID

try:
    import orjson
except ImportError:
    _orjson: Any = None
else:
    _orjson = orjson
    # Its own way with a dataclass writes whatever the object's __dict__ holds, such as the values
    # of cached properties, and leaves out fields that begin with "_". It writes a time of 10 ms as
    # ".10000" and an offset of 59 minutes and 30 seconds as "+00:60" (3.13.0).
    _OPTIONS = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME

MAX_DEPTH = 1024
"""Levels of arrays and objects in a text that is read or written. orjson's own bound for reading,
so that it costs nothing to hold; no honest document comes near. What was read can be written."""

json_default: ContextVar[Callable[[Any], Any] | None] = ContextVar("json_default", default=None)
"""What the app that answers makes of a value that JSON has no form for: `App(json_default=...)`."""


# --- reading


# orjson makes a float of an integer over 64 bits, which has 19 digits or more. So it gets the texts
# that have no run of 19. Translating is the cheapest way to find one: 0.7 ns for each byte, where
# an expression takes 10 and orjson 4. A run covers one of every 19 bytes, which shows in a tenth of
# that time that a long text without digits has none. `find`, because `in` first takes bytes for a
# number, which costs an exception.
_DIGITS = b"0123456789"
_ZEROS = bytes(48 if byte in _DIGITS else 0 for byte in range(256))
_RUN = b"0" * 19


def _has_some_digits(data: bytes) -> bool:
    some = data[18::19]
    return len(some) != len(some.translate(None, _DIGITS))


def loads(data: bytes | str) -> Any:
    """Return the value of a JSON text (RFC 8259) in UTF-8.

    An integer stays one, whatever its size. Of several members with one name the last counts.

    Raises ValueError if *data* is not JSON, is nested deeper than `MAX_DEPTH`, or has a number that
    is no finite float. A lone surrogate, a byte order mark and any other encoding are no JSON (RFC
    8259 §8.1, RFC 7493 §2.1). So is an integer of more digits than Python reads (4,300 unless
    `sys.set_int_max_str_digits` says otherwise).
    """
    if type(data) is not bytes:
        data = data.encode("utf-8") if isinstance(data, str) else bytes(data)
    if _orjson is not None and (
        (size := len(data)) < 19
        or (size > 512 and not _has_some_digits(data))
        or data.translate(_ZEROS).find(_RUN) < 0
    ):
        return _orjson.loads(data)
    return _read(data.decode("utf-8"))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value - value != 0.0:
        raise ValueError(f"the number {text:.40} is out of range")
    return value


_decoder = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)

_BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)
_SURROGATES = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u(?![dD][89a-fA-F])|[^u]|(u))",
    re.DOTALL,
)
"""Every escape of a text; only that of a lone surrogate has the group."""


def _read(text: str) -> Any:
    """Do what `loads` does, by the standard library."""
    if is_deeper(text, MAX_DEPTH):
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
    try:
        value = _decoder.decode(text)
    except RecursionError:
        # The standard library goes as deep as the caller's stack leaves it room.
        value = _read_deep(text)
    if "\\u" in text and any(each[1] for each in _SURROGATES.finditer(text)):
        raise ValueError("it has half of a surrogate pair")
    return value


def is_deeper(text: str, levels: int) -> bool:
    """Return whether more arrays and objects than that are open at once in a JSON text."""
    if text.count("[") + text.count("{") <= levels:
        return False
    depth = 0
    for each in _BRACKETS.finditer(text):
        bracket = each[0]
        if bracket in ("[", "{"):
            depth += 1
            if depth > levels:
                return True
        elif bracket in ("]", "}"):
            depth -= 1
    return False


def _read_deep(text: str) -> Any:
    """Return the value of a text without one call inside another for each level."""
    open_: list[tuple[Any, str]] = []
    """Arrays and objects that are not closed yet, each with the name that waits for a value."""
    at = _skip(text, 0)
    while True:
        opener = text[at : at + 1]
        if opener in ("[", "{"):
            container: Any = [] if opener == "[" else {}
            at = _skip(text, at + 1)
            if text[at : at + 1] != ("]" if opener == "[" else "}"):
                name, at = ("", at) if opener == "[" else _member(text, at)
                open_.append((container, name))
                continue
            value, at = container, at + 1
        else:
            value, at = _decoder.raw_decode(text, at)
        while open_:
            container, name = open_[-1]
            is_array = isinstance(container, list)
            if is_array:
                container.append(value)
            else:
                container[name] = value
            at = _skip(text, at)
            mark, at = text[at : at + 1], at + 1
            if mark == ",":
                at = _skip(text, at)
                if not is_array:
                    name, at = _member(text, at)
                    open_[-1] = container, name
                break
            if mark != ("]" if is_array else "}"):
                raise json.JSONDecodeError("Expecting ',' or a closing bracket", text, at - 1)
            value = open_.pop()[0]
        else:
            if (at := _skip(text, at)) != len(text):
                raise json.JSONDecodeError("Extra data", text, at)
            return value


_WHITE_SPACE = re.compile(r"[ \t\n\r]*")


def _skip(text: str, at: int) -> int:
    """Return where the white space at that place ends."""
    found = _WHITE_SPACE.match(text, at)
    assert found is not None, "it may be empty"
    return found.end()


def _member(text: str, at: int) -> tuple[str, int]:
    """Return the name of a member of an object that begins there, and where its value does."""
    if text[at : at + 1] != '"':
        raise json.JSONDecodeError("Expecting a name in double quotes", text, at)
    name, at = _decoder.raw_decode(text, at)
    at = _skip(text, at)
    if text[at : at + 1] != ":":
        raise json.JSONDecodeError("Expecting ':'", text, at)
    return name, _skip(text, at + 1)


# --- writing


def dumps(value: object) -> bytes:
    """Return *value* as compact JSON in UTF-8.

    Beside what JSON knows it takes datetime, date, time, timedelta (ISO 8601), UUID, Enum (its
    value), Decimal (as a string), dataclasses (all their fields), named tuples (as arrays),
    msgspec's Structs, pydantic models, and what `App(json_default=...)` knows. The name of a member
    may be any of these that is no container.

    Raises TypeError for a value that JSON has no form for, such as NaN; the message says where in
    *value* it is.
    """
    if _orjson is None:
        return _dumps_plainly(value)
    try:
        data: bytes = _orjson.dumps(value, _converted, _OPTIONS)
    except TypeError:
        try:
            # Names that are no str, mostly. orjson takes them with an option, and not all as we do.
            data = _orjson.dumps(_with_names(value), _converted, _OPTIONS)
        except (TypeError, ValueError, RecursionError):
            return _write(value)
    # orjson writes null for NaN and the infinities.
    try:
        if data.find(b"null") < 0 or not _may_hold_nan((value,)):
            return data
    except RecursionError:
        pass  # The caller's stack leaves no room for a look.
    return _write(value)


def _with_names(value: Any) -> Any:
    """Return the same value with all names of members as str."""
    kind = type(value)
    if kind is dict:
        return {
            name if type(name) is str else _name(name): _with_names(item)
            for name, item in value.items()
        }
    return [_with_names(item) for item in value] if kind is list or kind is tuple else value


_NEVER_NAN = frozenset((str, int, bool, type(None), datetime, date, time, UUID, Decimal))


def _may_hold_nan(container: Any) -> bool:
    """Return whether there is a NaN or an infinity among the values, or something unusual that
    could become one. orjson has written them, so they are not nested too deeply."""
    # A hot path where a value is None: 50 ns for each value. `marshal`, to search in what it
    # writes, takes as long.
    if type(container) is dict:
        container = container.values()
    for item in container:
        kind: Any = type(item)
        if kind in _NEVER_NAN:
            continue
        if kind is float:
            if item - item != 0.0:
                return True
        elif kind is dict or kind is list or kind is tuple:
            if _may_hold_nan(item):
                return True
        elif isinstance(item, Enum):
            if _may_hold_nan((item.value,)):
                return True
        elif (opened := _opener(kind)) is None or _may_hold_nan(opened(item)):
            return True
    return False


def _dumps_plainly(value: object) -> bytes:
    """Return JSON without orjson."""
    try:
        text = _encoder.encode(value)
        if not is_deeper(text, MAX_DEPTH):
            return text.encode("utf-8")
    except (TypeError, ValueError, RecursionError):
        pass
    return _write(value)  # It says where, and goes deeper.


def _converted(value: Any) -> Any:
    """Return something simpler for a value that neither library takes by itself.

    Raises TypeError if there is nothing.
    """
    kind: Any = type(value)
    opened = _opener(kind)
    if opened is not None:
        return opened(value)
    if isinstance(value, _SPELLED):
        return _text(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [*value]
    if isinstance(value, float):
        return float(value)
    # By what they have and not by their classes, which most apps never import.
    if hasattr(kind, "__pydantic_serializer__"):
        return value.model_dump(mode="json")
    default = json_default.get()
    if default is not None:
        return default(value)
    raise TypeError(f"{kind.__qualname__} has no form in JSON")


_SPELLED = (date, time, timedelta, UUID, Decimal)  # A datetime is a date.
_KEPT = (datetime, *_SPELLED)


@lru_cache(maxsize=512)
def _opener(kind: Any) -> Callable[[Any], Any] | None:
    """Return what makes a dict of a dataclass or a Struct, and None for any other class."""
    if issubclass(kind, (*_SPELLED, Enum)):
        return None
    if is_dataclass(kind):
        # A hot path: a dict display of eight fields takes 0.19 us, where `getattr` for each takes
        # 0.42. The names are identifiers: `dataclass` has made functions of them.
        members = ", ".join(f"{each.name!r}: value.{each.name}" for each in fields(kind))
        return cast("Callable[[Any], Any]", eval(f"lambda value: {{{members}}}"))  # noqa: S307
    return _from_struct if hasattr(kind, "__struct_fields__") else None


def _from_struct(value: Any) -> Any:
    convert = sys.modules["msgspec"].to_builtins
    return convert(value, builtin_types=_KEPT, enc_hook=_converted)


def _text(value: Any) -> str:
    """Return one of `_SPELLED` as text: ISO 8601 for a moment or a duration, plain digits for a
    Decimal."""
    if isinstance(value, timedelta):
        return _duration(value)
    return str(value) if isinstance(value, UUID | Decimal) else value.isoformat()


def _duration(value: timedelta) -> str:
    """Return a duration as P1DT2H30M, with a minus sign in front of a negative one (ISO 8601-2)."""
    sign, value = ("-", -value) if value.days < 0 else ("", value)
    minutes, seconds = divmod(value.seconds, 60)
    clock = "".join(f"{n}{unit}" for n, unit in ((minutes // 60, "H"), (minutes % 60, "M")) if n)
    if seconds or value.microseconds:
        fraction = f".{value.microseconds:06}".rstrip("0") if value.microseconds else ""
        clock += f"{seconds}{fraction}S"
    day = f"{value.days}D" if value.days else ""
    return f"{sign}P{day}" + (f"T{clock}" if clock else "" if day else "T0S")


def _write(value: Any) -> bytes:
    """Return the JSON of *value* without orjson, and without one call inside another for each
    level. Raises TypeError, which says where the value is that has no form."""
    pieces: list[str] = []
    open_: list[tuple[Iterator[tuple[Any, Any]], str]] = []
    """What is left of the arrays and objects that are not closed yet, with their brackets."""
    path: list[Any] = []
    while True:
        try:
            simple = _simple(value)
            if isinstance(simple, str):
                pieces.append(simple)
            elif len(open_) >= MAX_DEPTH:
                raise TypeError(f"it is nested deeper than {MAX_DEPTH} levels")
            else:
                if isinstance(simple, dict):
                    pieces.append("{")
                    open_.append((iter(simple.items()), "}"))
                else:
                    pieces.append("[")
                    open_.append((enumerate(simple), "]"))
                path.append(None)
            while open_:
                entries, closing = open_[-1]
                entry = next(entries, None)
                if entry is None:
                    pieces.append(closing)
                    open_.pop()
                    path.pop()
                    continue
                path[-1], value = entry
                if pieces[-1] not in ("[", "{"):
                    pieces.append(",")
                if closing == "}":
                    pieces.append(f"{_quoted(_name(path[-1]))}:")
                break
            else:
                return "".join(pieces).encode("utf-8")
        except (TypeError, ValueError) as exc:
            raise TypeError(f"the value{_place(path)} cannot be JSON: {exc}") from exc


def _place(path: list[Any]) -> str:
    """Return the place of a value as Python writes it, such as `['rows'][3]`."""
    shown = "".join(f"[{key!r:.40}]" for key in path[:8])
    return f"{shown}..." if len(path) > 8 else shown


def _simple(value: Any) -> str | dict[Any, Any] | list[Any] | tuple[Any, ...]:
    """Return the JSON of a value that has no others in it, and any other value as a container."""
    for _ in range(MAX_DEPTH):
        if value is None:
            return "null"
        if value is True or value is False:
            return "true" if value else "false"
        if isinstance(value, str):
            return _quoted(value)
        if isinstance(value, Enum):
            value = value.value
        elif isinstance(value, int):
            return int.__repr__(value)
        elif isinstance(value, float):
            if value - value != 0.0:
                raise ValueError(f"{float.__repr__(value)} has no form in JSON")
            return float.__repr__(value)
        elif isinstance(value, dict | list) or type(value) is tuple:
            return value
        elif _orjson is not None and isinstance(value, _orjson.Fragment):
            return str(_orjson.dumps(value), "utf-8")
        else:
            value = _converted(value)
    raise TypeError("what it is converted to has no form in JSON either")


def _name(key: Any) -> str:
    """Return the name of a member of an object."""
    if isinstance(key, Enum):
        key = key.value
    if isinstance(key, str):
        return key
    if isinstance(key, _SPELLED):
        return _text(key)
    if key is None or isinstance(key, int | float):
        simple = _simple(key)
        assert isinstance(simple, str), "these have no others in them"
        return simple
    raise TypeError(f"a {type(key).__qualname__} cannot be the name of a member")


def _quoted(text: str) -> str:
    text.encode("utf-8")  # A lone surrogate has no form.
    return encode_basestring(text)


_encoder = json.JSONEncoder(
    default=_converted,
    ensure_ascii=False,
    allow_nan=False,
    # Where it is not looked for, a value that holds itself is a RecursionError; in WebAssembly it
    # would be the end of the interpreter.
    check_circular=sys.platform == "emscripten",
    separators=(",", ":"),
)
