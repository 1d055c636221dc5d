"""Scalars: from the text of a parameter to a value, by the same grammar on every Python.

A converter takes a text and returns its value, or raises ValueError. The message is no part of
what a client is told: that is `Converter.expected`.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin
from uuid import UUID

MAX_DIGITS = 640
"""Digits of a number, as in the path of a URL."""

Read = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Converter:
    """Reads a text as one type."""

    read: Read
    """Return the value of a text. Raises ValueError if it has none."""
    expected: str
    """What a text has to be, for answers and documents."""
    rank: int = 0
    """Where it stands in a union: what fits fewer texts is tried first."""


_INT = re.compile(rf"-?[0-9]{{1,{MAX_DIGITS}}}")
_FLOAT = re.compile(
    rf"-?[0-9]{{1,{MAX_DIGITS}}}(?:\.[0-9]{{1,{MAX_DIGITS}}})?(?:[eE][+-]?[0-9]{{1,4}})?"
)
_UUID = re.compile("[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
# RFC 3339 §5.6; the seconds may be left out, as `datetime-local` fields do (HTML standard).
_TIME = re.compile(
    r"([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)
_DURATION = re.compile(
    r"(-)?P(?=.)(?:([0-9]{1,9})W)?(?:([0-9]{1,9})D)?"
    r"(?:T(?=.)(?:([0-9]{1,9})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,12})(?:\.([0-9]{1,6}))?S)?)?"
)

_TRUE, _FALSE = frozenset(("true", "1", "on", "yes")), frozenset(("false", "0", "off", "no"))


def _matched(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    found = pattern.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return found


def read_int(text: str) -> int:
    """Return the integer of ASCII digits, with a minus sign or without."""
    if _INT.fullmatch(text) is None:
        raise ValueError(text)
    return int(text)


def read_float(text: str) -> float:
    """Return the finite number that is written with digits, a point and an exponent."""
    value = float(_matched(_FLOAT, text).group())
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def read_decimal(text: str) -> Decimal:
    """Return the Decimal of what `read_float` takes, with every digit."""
    return Decimal(_matched(_FLOAT, text).group())


def read_bool(text: str) -> bool:
    """Return what true, 1, on, yes and false, 0, off, no stand for, in any case."""
    lower = text.lower()
    if lower in _TRUE:
        return True
    if lower in _FALSE:
        return False
    raise ValueError(text)


def read_text(text: str) -> str:
    """Return the text itself, as a plain str: that of a form is a class of its own."""
    return str(text)


def read_uuid(text: str) -> UUID:
    """Return the UUID of the form with hyphens (RFC 9562 §4)."""
    return UUID(_matched(_UUID, text).group())


def read_date(text: str) -> date:
    """Return the date that is written as 2026-11-30."""
    year, month, day = _matched(_DATE, text).groups()
    return date(int(year), int(month), int(day))


def read_time(text: str) -> time:
    """Return the time of day that is written as 12:30:45.5+01:00."""
    hour, minute, second, fraction, zone = _matched(_TIME, text).groups()
    # Digits beyond a microsecond are cut off, as `datetime.fromisoformat` does.
    micro = int((fraction or "")[:6].ljust(6, "0"))
    return time(int(hour), int(minute), int(second or 0), micro, _zone(zone))


def read_datetime(text: str) -> datetime:
    """Return the moment that is written as 2026-11-30T12:30:45.5Z (RFC 3339 §5.6)."""
    if len(text) < 11 or text[10] not in "Tt ":
        raise ValueError(text)
    return datetime.combine(read_date(text[:10]), read_time(text[11:]))


def read_timedelta(text: str) -> timedelta:
    """Return the duration that is written as P1DT2H30M or PT1.5S (ISO 8601)."""
    sign, weeks, days, hours, minutes, seconds, fraction = _matched(_DURATION, text).groups("0")
    found = timedelta(
        weeks=int(weeks),
        days=int(days),
        hours=int(hours),
        minutes=int(minutes),
        seconds=int(seconds),
        microseconds=int(fraction.ljust(6, "0")) if fraction != "0" else 0,
    )
    return -found if sign == "-" else found


def _zone(text: str | None) -> timezone | None:
    if text is None:
        return None
    if text in "Zz":
        return UTC
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 23 or minutes > 59:
        raise ValueError(text)
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)


def _guarded(read: Read) -> Read:
    """Return a reader whose OverflowError is a ValueError, as `timedelta` and `date` raise both."""

    def guarded(text: str) -> Any:
        try:
            return read(text)
        except OverflowError as exc:
            raise ValueError(text) from exc

    return guarded


SCALARS: dict[Any, Converter] = {
    bool: Converter(read_bool, "true or false", 1),
    int: Converter(read_int, "an integer", 2),
    float: Converter(read_float, "a number", 4),
    Decimal: Converter(read_decimal, "a decimal number", 3),
    UUID: Converter(read_uuid, "a UUID with hyphens", 1),
    datetime: Converter(_guarded(read_datetime), "a date and time such as 2026-11-30T12:30:00Z", 1),
    date: Converter(read_date, "a date such as 2026-11-30", 1),
    time: Converter(read_time, "a time such as 12:30:00", 1),
    timedelta: Converter(_guarded(read_timedelta), "a duration such as P1DT2H30M", 1),
    str: Converter(read_text, "a text", 9),
}
"""The converter of each scalar type."""


def converter_of(kind: Any) -> Converter | None:
    """Return what reads a text as a type; None for a type that no single text stands for.

    kind: a scalar, an Enum, a Literal, or a union of these. None in a union stands for a value
    that is missing, and no text is read as it.
    """
    found = SCALARS.get(kind) if _is_hashable(kind) else None
    if found is not None:
        return found
    origin = get_origin(kind)
    if origin is Literal:
        return _one_of(get_args(kind))
    if origin is Union or origin is UnionType:
        return _union([each for each in get_args(kind) if each is not NoneType])
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        inner = _one_of(tuple(each.value for each in kind))
        if inner is None:
            return None
        members, read = {each.value: each for each in kind}, inner.read
        return Converter(lambda text: members[read(text)], inner.expected)
    return None


def _one_of(values: tuple[Any, ...]) -> Converter | None:
    """Return what reads the text of one of these values."""
    table: dict[str, Any] = {}
    for value in values:
        if isinstance(value, bool):
            table[str(value).lower()] = value
        elif isinstance(value, str | int | float):
            table[str(value)] = value
        else:
            return None

    def read(text: str) -> Any:
        try:
            return table[text]
        except KeyError:
            raise ValueError(text) from None

    return Converter(read, "one of " + ", ".join(table))


def _union(kinds: list[Any]) -> Converter | None:
    found = [converter_of(kind) for kind in kinds]
    if None in found or not found:
        return None
    ordered = sorted((each for each in found if each is not None), key=lambda each: each.rank)
    if len(ordered) == 1:
        return ordered[0]
    reads = [each.read for each in ordered]

    def read(text: str) -> Any:
        for each in reads:
            try:
                return each(text)
            except ValueError:
                continue
        raise ValueError(text)

    return Converter(read, " or ".join(each.expected for each in ordered), ordered[-1].rank)


def _is_hashable(kind: Any) -> bool:
    try:
        hash(kind)
    except TypeError:
        return False
    return True
