"""Constraints: bounds of a value, from the markers of this package and of other libraries."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from anylane.shown import shown
from anylane.typed.sources import Source, checked_constraints

NAMES = ("ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length", "pattern")

Check = Callable[[Any], bool]


def constraints_of(markers: Iterable[Any]) -> dict[str, Any]:
    """Return what the markers of an annotation say about a value.

    They are `Source`s, `msgspec.Meta`, pydantic's `Field` and the classes of annotated-types, which
    are known by their attributes: none of these libraries is imported.
    """
    found: dict[str, Any] = {}
    for marker in markers:
        if isinstance(marker, Source):
            found.update(marker.constraints)
            continue
        if isinstance(marker, type):
            continue
        found.update(
            (name, value)
            for name in NAMES
            if (value := getattr(marker, name, None)) is not None and not callable(value)
        )
        # What pydantic's Field was given lies in a list of such markers.
        found.update(constraints_of(getattr(marker, "metadata", None) or ()))
    return checked_constraints(found, "the annotation")


def compiled(constraints: Mapping[str, Any]) -> tuple[Check | None, str]:
    """Return what checks a value, and what it has to be, for answers; None where all are right.

    The check returns whether the value is right, and never raises.
    """
    checks: list[Check] = []
    texts: list[str] = []
    for name, bound in constraints.items():
        check, text = _COMPILERS[name](bound)
        checks.append(check)
        texts.append(text)
    if not checks:
        return None, ""

    def holds(value: Any) -> bool:
        try:
            return all(check(value) for check in checks)
        # A date without a zone beside one that has one; a text that has to be a multiple.
        except (TypeError, ValueError, ArithmeticError):
            return False

    return (holds, " and ".join(texts))


def misplaced(constraints: Mapping[str, Any], kind: Any, *, several: bool) -> str:
    """Return what is wrong with constraints that no value of a type could be held to, for a
    message; empty if nothing is.

    kind: the type of a parameter. several: whether it takes several values of a name.
    """
    if not several and kind not in _COMPARED:
        return ""  # A union, an Enum: some of its values may have what others lack.
    for name, bound in constraints.items():
        if name in ("min_length", "max_length"):
            if not several and kind is not str:
                return f"{name} is for a text or a list"
        elif name == "pattern":
            if several or kind is not str:
                return "pattern is for a text"
        elif several or (name == "multiple_of" and kind not in _NUMBERS):
            return f"{name} is for a number"
        elif isinstance(bound, bool) or not isinstance(bound, _COMPARED[kind]):
            expected = "a number" if kind in _NUMBERS else f"a {kind.__name__}"
            return f"{name} is {shown(bound)}; expected {expected}"
    return ""


_NUMBERS = (int, float, Decimal)
_COMPARED: Mapping[Any, tuple[type, ...]] = {
    **dict.fromkeys((*_NUMBERS, bool), _NUMBERS),
    **{kind: (kind,) for kind in (str, datetime, date, time, timedelta, UUID)},
}
"""What values of each type are compared with."""


def _divides(bound: Any) -> Check:
    # Digits as they were written: 0.3 is a multiple of 0.1. As fractions, because the remainder of
    # a Decimal has 28 digits and fails beyond them.
    divisor = Fraction(str(bound))

    def check(value: Any) -> bool:
        if type(value) is int and isinstance(bound, int):
            return value % bound == 0
        return Fraction(str(value)) % divisor == 0

    return check


_END = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\\\]])*\]|(\$)", re.DOTALL)
"""Escapes and sets of characters of a regular expression, and each `$` outside of them."""


def has_end(pattern: str | re.Pattern[str] | None) -> bool:
    """Return whether there is a `$` in a regular expression that stands for the end of a text."""
    return isinstance(pattern, str) and any(each[1] for each in _END.finditer(pattern))


def pattern_check(pattern: str | re.Pattern[str]) -> Check:
    """Return what says whether a regular expression is found in a text."""
    if isinstance(pattern, str) and not re.search(r"\(\?[a-z]*m", pattern):
        # The end of the text, as in the expressions of JSON Schema (ECMA-262 §22.2.2.4). Python's
        # own is in front of a line feed, too, so that "a\n" would fit `^[a-z]$`.
        pattern = _END.sub(lambda each: r"\Z" if each[1] else each[0], pattern)
    search = re.compile(pattern).search
    return lambda value: search(value) is not None


_COMPILERS: dict[str, Callable[[Any], tuple[Check, str]]] = {
    "ge": lambda bound: (lambda value: value >= bound, f"at least {bound}"),
    "gt": lambda bound: (lambda value: value > bound, f"more than {bound}"),
    "le": lambda bound: (lambda value: value <= bound, f"at most {bound}"),
    "lt": lambda bound: (lambda value: value < bound, f"less than {bound}"),
    "multiple_of": lambda bound: (_divides(bound), f"a multiple of {bound}"),
    "min_length": lambda bound: (lambda value: len(value) >= bound, f"of length {bound} or more"),
    "max_length": lambda bound: (lambda value: len(value) <= bound, f"of length {bound} or less"),
    "pattern": lambda bound: (pattern_check(bound), f"matching {bound}"),
}
