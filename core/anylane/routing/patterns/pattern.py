"""A route pattern such as `/users/{id:int}`, as data, checked when it is registered.

1. What is wrong with a pattern is said here, at registration, never during a request.
2. This file knows one pattern at a time. Which of two wins is decided in matcher.py.
3. A path is split at '/' first and percent-decoded afterwards, so that %2F never splits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from anylane.errors import RouteError
from anylane.routing.patterns.converters import Kind
from anylane.routing.patterns.pattern_syntax import Parameter, parse_segment, split_text

if TYPE_CHECKING:
    from anylane.routing.patterns.pattern_syntax import Segment


# RFC 3986 §3.3: pchar without the unreserved characters, which quote() never touches.
_PCHAR = "!$&'()*+,;=:@"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed pattern. Build it with `Pattern.parse`.

    * `{id}` takes one segment that is not empty.
    * `{id:int}`, `{x:float}` and `{k:uuid}` take one that looks like such a value.
    * `{name:regex}` takes one that the regular expression matches as a whole. In last place it
      takes all that is left of the path, slashes included, if the expression matches that.
    * `{rest:path}` takes what is left, which may be empty: `/files/{rest:path}` matches `/files/`,
      but not `/files`.

    Text and parameters can be mixed in one segment, which is then of the regex class, as in
    `{name}.{suffix}`. A plain parameter ends where the text after it begins.
    """

    text: str
    """The pattern as it was written."""
    segments: tuple[Segment, ...]
    """What stands between its slashes."""
    names: tuple[str, ...]
    """The names of its parameters, in order."""

    def __str__(self) -> str:
        return self.text

    @property
    def is_static(self) -> bool:
        """Whether it has no parameter."""
        return all(segment.kind is Kind.STATIC for segment in self.segments)

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Return the pattern that *text* writes.

        Raises RouteError, which says what is wrong and how to write it.
        """
        if not isinstance(text, str):
            raise RouteError(f"a pattern is a str, got {text!r}; write the path: @app.get('/path')")
        if not text:
            raise RouteError("the pattern is empty; the root of the site is '/'")
        if text[0] != "/":
            raise RouteError(f"pattern {text!r} does not start with '/'; write {'/' + text!r}")

        split = split_text(text)
        last = len(split) - 1
        segments = tuple(
            parse_segment(tuple(parts), text, last=index == last)
            for index, parts in enumerate(split)
        )
        names = tuple(
            part.name for seg in segments for part in seg.parts if isinstance(part, Parameter)
        )
        for name in names:
            if names.count(name) > 1:
                raise RouteError(f"pattern {text!r} has two parameters {name!r}; rename one")
        return cls(text, segments, names)

    def format(self, /, **params: object) -> str:
        """Return the percent-encoded path for these parameters. Matching it gives them back.

        Values may be str, int, float or UUID. Raises RouteError for a missing or surplus parameter,
        for a value that its converter would not read, and for what no client would send as written:
        the segments '.' and '..', which clients remove (RFC 3986 §5.2.4), and a path that begins
        with '//', which they read as a host (§4.2).
        """
        missing = [name for name in self.names if name not in params]
        surplus = [name for name in params if name not in self.names]
        if missing or surplus:
            raise RouteError(
                f"pattern {self.text!r} needs the parameters {_listed(self.names)}, "
                f"got {_listed(params)}"
            )
        path = "".join("/" + self._format(segment, params) for segment in self.segments)
        if path.startswith("//"):
            raise RouteError(f"{path!r}, from {self.text!r}, would be read as the name of a host")
        return path

    def _format(self, segment: Segment, params: dict[str, object]) -> str:
        text = ""
        values = []
        for part in segment.parts:
            if isinstance(part, str):
                text += part
                continue
            written = _written(params[part.name])
            value = None if written is None else part.converter.read(written)
            if written is None or value is None:
                raise RouteError(
                    f"parameter {part.name!r} of {self.text!r} is {_shown(params[part.name])}; "
                    f"expected {part.converter.expected}"
                )
            values.append(value)
            text += written

        if len(segment.parts) > 1 and segment.read(text) != tuple(values):
            raise RouteError(
                f"{text!r}, for {self.text!r}, would not be read back as {_listed(values)}; "
                f"a value must not contain the text that separates it from the next one"
            )
        pieces = text.split("/") if segment.takes_rest else [text]
        if "." in pieces or ".." in pieces:
            raise RouteError(
                f"{text!r}, for {self.text!r}, has a segment '.' or '..', which clients remove"
            )
        try:
            return "/".join(quote(piece, safe=_PCHAR) for piece in pieces)
        except UnicodeError:
            raise RouteError(f"{text!r}, for {self.text!r}, cannot be written in UTF-8") from None


def _written(value: object) -> str | None:
    """Return how *value* is written in a path, or None for a type that is most likely a mistake."""
    match value:
        case str():
            return str.__str__(value)
        case bool():
            return None
        case int():
            try:
                return int.__repr__(value)
            except ValueError:  # more digits than Python writes
                return None
        case float():
            return _float_text(value)
        case _:
            from uuid import UUID

            return str(value) if isinstance(value, UUID) else None


def _shown(value: object) -> str:
    """Return a value for a message."""
    try:
        return repr(value)
    except ValueError:  # more digits than Python writes
        return "a very large number"


def _float_text(value: float) -> str:
    """Return a float without an exponent, which the converter would not read."""
    text = float.__repr__(value)
    if "e" not in text:
        return text
    from decimal import Decimal

    return format(Decimal(text), "f")


def _listed(items: Any) -> str:
    return ", ".join(repr(item) for item in items) or "none"
