"""Messages: what msgspec says of a wrong value, as answers say it.

Its messages name the first wrong value and what it has to be. Some repeat the value, which may be
long or secret: nothing of that gets through.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from anylane.http.values.scalars import SCALARS, converter_of

MAX_EXPECTED = 200
"""Characters of what a value has to be."""

_PLACE = re.compile(r" - at (?:`key` in )?`[^`]*`$")
_PATH = re.compile(r" - at (?:`key` in )?`\$([^`]*)`$")
_STEP = re.compile(r"\.([^.\[]+)|\[([0-9]+)\]|\[\.\.\.\]")

_NAMES = {
    "int": "an integer",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "null": "null",
    "object": "an object",
    "array": "an array",
    "bytes": "a text in base64",
    "datetime": SCALARS[datetime].expected,
    "date": SCALARS[date].expected,
    "time": SCALARS[time].expected,
    "duration": SCALARS[timedelta].expected,
    "uuid": SCALARS[UUID].expected,
    "decimal": SCALARS[Decimal].expected,
}

_MESSAGES = {
    "Invalid RFC3339 encoded datetime": SCALARS[datetime].expected,
    "Invalid RFC3339 encoded date": SCALARS[date].expected,
    "Invalid RFC3339 encoded time": SCALARS[time].expected,
    "Invalid ISO8601 duration": SCALARS[timedelta].expected,
    "Duration is out of range": "a shorter duration",
    "Invalid UUID": SCALARS[UUID].expected,
    "Invalid decimal string": SCALARS[Decimal].expected,
    "Invalid base64 encoded string": "a text in base64",
    "Number out of range": "a number closer to 0",
    "Integer value out of range": "an integer closer to 0",
}

_BEGINNINGS = {
    "invalid enum value": "one of the known values",
    "invalid value": "one of the known values",
    "object contains unknown field": "no unknown field",
    "maximum recursion depth": "fewer levels",
}


def expected(message: str, kind: Any = None) -> str:
    """Return what a value has to be, from a message such as "Expected `int`, got `str`".

    kind: its type, for the values of an Enum or a Literal.
    """
    if " - at `key` in `" in message:
        return f"{expected(_PLACE.sub('', message))} as the name of each member"
    message = _PLACE.sub("", message)
    found = re.match(r"Expected (.+?)(?:, got .*)?$", message, re.DOTALL)
    if found is not None:
        return re.sub(r"`([^`]*)`", lambda each: _names(each[1]), found[1])[:MAX_EXPECTED]
    known = _MESSAGES.get(message)
    if known is not None:
        return known
    lower = message[:1].lower() + message[1:]
    for beginning, text in _BEGINNINGS.items():
        if lower.startswith(beginning):
            values = converter_of(kind)
            return text if values is None else values.expected[:MAX_EXPECTED]
    return lower[:MAX_EXPECTED]


def located(message: str, value: Any) -> tuple[list[str | int], Any, bool]:
    """Return the place that a message names inside a value, what is there, and whether it is one of
    the members of that, which msgspec does not tell apart."""
    place: list[str | int] = []
    found = _PATH.search(message)
    for name, index in _STEP.findall(found[1]) if found is not None else ():
        try:
            step: str | int = name or int(index)
            value = value[step]
        except (ValueError, LookupError, TypeError):
            return place, value, True
        place.append(step)
    return place, value, False


def _names(text: str) -> str:
    return " or ".join(_NAMES.get(each, each) for each in text.split(" | "))
