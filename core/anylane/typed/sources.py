"""Sources: the markers that say where a parameter of a handler comes from.

They are written in an annotation: `Annotated[int, Query("page", ge=1)]`. Nothing here reads a
request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, ClassVar, Never

from anylane.errors import UsageError
from anylane.keywords import check_keywords
from anylane.shown import shown

_ELSEWHERE = {
    "alias": "the name comes first: Query('page')",
    "default": "a default is written at the parameter: `page: Annotated[int, Query()] = 1`",
    "regex": "did you mean 'pattern'?",
}
"""Keywords that the markers of other frameworks have."""

_NO_KEYWORDS = ("unknown", "return")


class Source:
    """Where a value comes from, and what it has to be.

    name: its name there; the parameter's own by default, with hyphens for a header.
    ge, gt, le, lt: bounds of a number. multiple_of: what it is a multiple of.
    min_length, max_length: bounds of a text, in characters, or of a list.
    pattern: a regular expression that is found in a text (`re.search`).
    description, examples: for the documentation.

    Raise UsageError for a bound that no value can meet.
    """

    where: ClassVar[str] = ""
    """The location, as faults name it."""

    __slots__ = ("constraints", "description", "examples", "name")

    def __init__(
        self,
        name: str | None = None,
        *,
        ge: float | None = None,
        gt: float | None = None,
        le: float | None = None,
        lt: float | None = None,
        multiple_of: float | None = None,
        min_length: int | None = None,
        max_length: int | None = None,
        pattern: str | None = None,
        description: str | None = None,
        examples: Iterable[Any] | None = None,
        **unknown: Never,
    ) -> None:
        if unknown:
            known = [each for each in Source.__init__.__annotations__ if each not in _NO_KEYWORDS]
            check_keywords(f"{type(self).__name__}()", unknown, known, _ELSEWHERE)
        if name is not None and not (isinstance(name, str) and name):  # type: ignore[redundant-expr]
            raise UsageError(
                f"{type(self).__name__}() got {shown(name)} as the name; expected a str. A "
                "default is written at the parameter: `page: Annotated[int, Query()] = 1`"
            )
        # The lines that read it have its `repr`; the member of an Enum has another.
        self.name: str | None = None if name is None else str.__str__(name)
        self.description: str | None = description
        self.examples: tuple[Any, ...] = () if examples is None else tuple(examples)
        self.constraints: dict[str, Any] = checked_constraints(
            {
                "ge": ge,
                "gt": gt,
                "le": le,
                "lt": lt,
                "multiple_of": multiple_of,
                "min_length": min_length,
                "max_length": max_length,
                "pattern": pattern,
            },
            type(self).__name__,
        )

    def __repr__(self) -> str:
        given = ([] if self.name is None else [repr(self.name)]) + [
            f"{key}={value!r}" for key, value in self.constraints.items()
        ]
        return f"{type(self).__name__}({', '.join(given)})"


class Path(Source):
    """A parameter of the route's pattern."""

    __slots__ = ()
    where = "path"


class Query(Source):
    """A parameter of the query string. A list takes every value of the name."""

    __slots__ = ()
    where = "query"


class Header(Source):
    """A header field of the request. Without a name it is the parameter's, with hyphens."""

    __slots__ = ()
    where = "header"


class Cookie(Source):
    """A cookie."""

    __slots__ = ()
    where = "cookie"


class JsonBody(Source):
    """The body, as JSON."""

    __slots__ = ()
    where = "body"


class Form(Source):
    """A field of an urlencoded or multipart form."""

    __slots__ = ()
    where = "form"


class File(Source):
    """A file of a multipart form: the parameter is an `Upload`."""

    __slots__ = ()
    where = "form"


class State(Source):
    """An attribute of `app.state`."""

    __slots__ = ()
    where = "state"


def checked_constraints(given: dict[str, Any], what: str) -> dict[str, Any]:
    """Return the constraints that are set. Raise UsageError for one that makes no sense.

    what: who was given them, for the message.
    """
    found = {name: value for name, value in given.items() if value is not None}
    for name in ("ge", "gt", "le", "lt", "multiple_of"):
        value = found.get(name)
        if value is None or (
            isinstance(value, int | float | Decimal) and not isinstance(value, bool)
        ):
            continue
        # A date is compared as it is. Whether it fits the type is seen with the parameter.
        if name == "multiple_of" or isinstance(value, bool):
            raise UsageError(f"{what}: {name} is {shown(value)}; expected a number")
    for name in ("min_length", "max_length"):
        value = found.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise UsageError(f"{what}: {name} is {shown(value)}; expected an int of 0 or more")
    if found.get("multiple_of") is not None and not found["multiple_of"] > 0:
        raise UsageError(f"{what}: multiple_of is {found['multiple_of']!r}; expected more than 0")
    if "min_length" in found and found["min_length"] > found.get("max_length", found["min_length"]):
        raise UsageError(
            f"{what}: min_length is {found['min_length']} and max_length {found['max_length']}; "
            "no value is both"
        )
    pattern = found.get("pattern")
    if pattern is not None:
        try:
            re.compile(pattern)
        except (re.error, TypeError) as exc:
            raise UsageError(f"{what}: the pattern {shown(pattern)} is none: {exc}") from None
    return found
