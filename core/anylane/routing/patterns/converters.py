"""Converters: `{id:int}` and the like, from the text of a segment to a value.

None of them raises because of what a client sent: a text that does not belong to a class is None.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Values: TypeAlias = tuple[Any, ...]
"""The values of the parameters of a path, in order."""

Reader: TypeAlias = Callable[[str], Any]
"""Takes the text of a decoded segment and returns its value, or None if it is not of the class."""


class Kind(enum.IntEnum):
    """The classes of segments. At one position the lower number is tried first."""

    STATIC = 0
    UUID = 1
    INT = 2
    FLOAT = 3
    REGEX = 4
    PLAIN = 5
    TAIL = 6


@dataclass(frozen=True, slots=True)
class Converter:
    """What stands behind the colon of a parameter."""

    kind: Kind
    """Its class."""
    expected: str
    """What a value must look like, for messages."""
    source: str
    """A regular expression for the same texts. It may be wider than `read`, never narrower."""
    read: Reader = field(repr=False, compare=False)
    """Reads a value."""


MAX_DIGITS = 640
"""Digits of a number. As sys.int_info.str_digits_check_threshold: Python's guard against slow
conversions (4300 digits by default) can be set no lower, and no number of this length takes
long."""

_INT = re.compile(rf"[0-9]{{1,{MAX_DIGITS}}}")
_FLOAT = re.compile(rf"[0-9]{{1,{MAX_DIGITS}}}(?:\.[0-9]{{1,{MAX_DIGITS}}})?")

# RFC 9562 §4, the form with hyphens only. Both cases are accepted on input.
_UUID = re.compile("[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")


def _read_int(text: str) -> int | None:
    return int(text) if _INT.fullmatch(text) else None


def _read_float(text: str) -> float | None:
    if not _FLOAT.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def _read_uuid(text: str) -> Any:
    if not _UUID.fullmatch(text):
        return None
    # Imported late: few apps need it, and it uses the clock (UUIDs of versions 1, 6, 7).
    from uuid import UUID

    return UUID(text)


def _read_plain(text: str) -> str | None:
    return text or None


def _read_tail(text: str) -> str | None:
    return text


PLAIN = Converter(Kind.PLAIN, "text that is not empty", "(?s:.+)", _read_plain)
_TAIL = Converter(Kind.TAIL, "any text", "(?s:.*)", _read_tail)

CONVERTERS = {
    "int": Converter(
        Kind.INT, f"1 to {MAX_DIGITS} ASCII digits without a sign", _INT.pattern, _read_int
    ),
    "float": Converter(
        Kind.FLOAT, "digits, or digits.digits, without a sign", _FLOAT.pattern, _read_float
    ),
    "uuid": Converter(Kind.UUID, "a UUID with hyphens (8-4-4-4-12)", _UUID.pattern, _read_uuid),
    "path": _TAIL,
}
"""The converters by name."""
