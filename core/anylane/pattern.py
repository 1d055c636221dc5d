"""A route pattern such as `/users/{id:int}`, as data: read once, checked when it is registered.

1. Whatever is wrong with a pattern is said here, at registration, never during a request.
2. This file knows one pattern at a time. Which of two wins is the business of matcher.py.
3. A path is split at '/' first and percent-decoded afterwards, so that %2F never splits.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import quote, unquote_to_bytes

from anylane.errors import RouteError

__all__ = ["Converter", "Kind", "Parameter", "Pattern", "RouteError", "Segment", "decode_segment"]


Values: TypeAlias = tuple[Any, ...]


Reader: TypeAlias = Callable[[str], Any]
"""Text of a decoded segment -> the value, or `None` if the text does not belong to the class."""


class Kind(enum.IntEnum):
    """The classes of segments; at one position the lower number is tried first."""

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
    expected: str
    """For messages: what a value must look like."""
    source: str
    """A regular expression for the same texts; may be wider than `read`, never narrower."""
    read: Reader = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One `{name}` or `{name:converter}`."""

    name: str
    converter: Converter


@dataclass(frozen=True, slots=True)
class Segment:
    """What stands between two slashes of a pattern."""

    kind: Kind
    text: str
    """Static: the decoded text. Regex: its source, without names. Empty otherwise."""
    parts: tuple[str | Parameter, ...]
    """More than one if text and parameters are mixed, as in `{name}.{suffix}`."""
    takes_rest: bool
    """It is matched with all that is left of the path, slashes included."""
    read: Callable[[str], Values | None] = field(repr=False, compare=False)
    """Decoded text -> the values of its parameters, or `None`: no match."""


# sys.int_info.str_digits_check_threshold: no setting of Python's guard against slow conversions
# (4300 digits by default) refuses a number of this length or takes long over it.
_MAX_DIGITS = 640


_INT = re.compile(rf"[0-9]{{1,{_MAX_DIGITS}}}")


_FLOAT = re.compile(rf"[0-9]{{1,{_MAX_DIGITS}}}(?:\.[0-9]{{1,{_MAX_DIGITS}}})?")


# RFC 9562 section 4, the form with hyphens only; both cases are to be accepted on input.
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
    # Imported late: few apps need it, and it reaches for the clock (UUIDs of versions 1, 6, 7).
    from uuid import UUID

    return UUID(text)


def _read_plain(text: str) -> str | None:
    return text or None


def _read_tail(text: str) -> str | None:
    return text


_PLAIN = Converter(Kind.PLAIN, "text that is not empty", "(?s:.+)", _read_plain)


_TAIL = Converter(Kind.TAIL, "any text", "(?s:.*)", _read_tail)


CONVERTERS = {
    "int": Converter(
        Kind.INT, f"1 to {_MAX_DIGITS} ASCII digits without a sign", _INT.pattern, _read_int
    ),
    "float": Converter(
        Kind.FLOAT, "digits, or digits.digits, without a sign", _FLOAT.pattern, _read_float
    ),
    "uuid": Converter(Kind.UUID, "a UUID with hyphens (8-4-4-4-12)", _UUID.pattern, _read_uuid),
    "path": _TAIL,
}


_LITERAL = re.compile("[^/{}]+")


_BAD_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")


# RFC 3986 section 3.3: pchar without the unreserved characters, which quote() never touches.
_PCHAR = "!$&'()*+,;=:@"


def decode_segment(text: str) -> str | None:
    """Percent-decode one segment; `None` if a '%' is not followed by two hexadecimal digits or
    the bytes are not UTF-8. Characters outside ASCII stand for themselves."""
    if "%" not in text:
        return text
    if _BAD_PERCENT.search(text):
        return None
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeError:
        return None


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed pattern. Build it with `Pattern.parse`.

    `{id}` takes one segment that is not empty; `{id:int}`, `{x:float}` and `{k:uuid}` take one
    that looks like it; `{name:regex}` takes one that the regular expression matches as a whole,
    and in last place all that is left of the path, if the expression matches that, slashes
    included; `{rest:path}` takes what is left, be it empty (`/files/{rest:path}` matches
    `/files/`, not `/files`). Text and parameters can be mixed in one segment, which is then of
    the regex class: `{name}.{suffix}`; a plain parameter ends where the text after it begins.
    """

    text: str
    segments: tuple[Segment, ...]
    names: tuple[str, ...]

    def __str__(self) -> str:
        return self.text

    @property
    def is_static(self) -> bool:
        return all(segment.kind is Kind.STATIC for segment in self.segments)

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Raises `RouteError` that says what is wrong with *text* and how to write it."""
        if not isinstance(text, str):
            raise RouteError(f"a pattern is a str, got {text!r}; write the path: @app.get('/path')")
        if not text:
            raise RouteError("the pattern is empty; the root of the site is '/'")
        if text[0] != "/":
            raise RouteError(f"pattern {text!r} does not start with '/'; write {'/' + text!r}")

        split = _split(text)
        last = len(split) - 1
        segments = tuple(
            _segment(tuple(parts), text, last=index == last) for index, parts in enumerate(split)
        )
        names = tuple(
            part.name for seg in segments for part in seg.parts if isinstance(part, Parameter)
        )
        for name in names:
            if names.count(name) > 1:
                raise RouteError(f"pattern {text!r} has two parameters {name!r}; rename one")
        return cls(text, segments, names)

    def format(self, /, **params: object) -> str:
        """The percent-encoded path for these parameters; matched against this pattern alone, it
        gives them back.

        Values may be str, int, float or UUID. Raises `RouteError` for a missing or surplus
        parameter, for a value that its converter would not read, and for what no client would
        send as written: the segments '.' and '..' (removed, RFC 3986 section 5.2.4) and a path
        that begins with '//' (read as a host, section 4.2).
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


def _split(text: str) -> list[list[str | Parameter]]:
    segments: list[list[str | Parameter]] = [[]]
    index = 1
    while index < len(text):
        if text[index] == "/":
            segments.append([])
            index += 1
        elif text[index] == "{":
            end = _closing_brace(text, index)
            segments[-1].append(_parameter(text[index + 1 : end], text))
            index = end + 1
        elif literal := _LITERAL.match(text, index):
            segments[-1].append(_literal(literal[0], text))
            index = literal.end()
        else:
            raise RouteError(
                f"pattern {text!r} has a '}}' without a '{{' before it, at {index}; "
                f"as plain text it is written %7D"
            )
    return segments


def _closing_brace(text: str, start: int) -> int:
    """Where the parameter opened at *start* ends. A regular expression may contain braces: they
    must be balanced, escaped, or in a character class."""
    depth = 0
    index = start
    while index < len(text):
        match text[index]:
            case "\\":
                index += 1
            case "[":
                index = _end_of_class(text, index, start)
            case "{":
                depth += 1
            case "}":
                depth -= 1
                if depth == 0:
                    return index
            case _:
                pass
        index += 1
    raise RouteError(
        f"pattern {text!r} has a '{{' that is never closed, at {start}; "
        f"as plain text it is written %7B"
    )


_CLASS = re.compile(r"\[\^?\]?(?:[^\]\\]|\\.)*\]", re.DOTALL)


def _end_of_class(text: str, start: int, brace: int) -> int:
    found = _CLASS.match(text, start)
    if found is None:
        raise RouteError(
            f"pattern {text!r} has a '[' that is never closed, at {start}, in the regular "
            f"expression of the '{{' at {brace}; as plain text it is written \\["
        )
    return found.end() - 1


def _literal(literal: str, text: str) -> str:
    for char in "?#":
        if char in literal:
            raise RouteError(
                f"pattern {text!r} has a {char!r}, which ends the path of a URL; leave the query "
                f"out, it is in ctx.request.query (as plain text it is written %{ord(char):X})"
            )
    decoded = decode_segment(literal)
    if decoded is None:
        raise RouteError(
            f"pattern {text!r} has wrong percent-encoding in {literal!r}; expected '%' with two "
            f"hexadecimal digits, UTF-8 (a plain '%' is written %25)"
        )
    return decoded


def _parameter(inner: str, text: str) -> Parameter:
    name, colon, spec = inner.partition(":")
    if not name.isidentifier():
        raise RouteError(
            f"pattern {text!r} has a parameter {{{inner}}} whose name is {name!r}; "
            f"expected a Python name, as in {{id}} or {{id:int}}"
        )
    if not colon:
        return Parameter(name, _PLAIN)
    if not spec:
        raise RouteError(
            f"pattern {text!r} has nothing behind the colon of {{{inner}}}; write {{{name}}}"
        )
    if spec in CONVERTERS:
        return Parameter(name, CONVERTERS[spec])
    # A bare word as a regular expression matches only itself: far more likely, it is a typo.
    if spec.isidentifier():
        raise RouteError(
            f"pattern {text!r} has an unknown converter {spec!r}; expected one of "
            f"{', '.join(CONVERTERS)}, or a regular expression (the word itself is written "
            f"{{{name}:(?:{spec})}}); {{{name}}} takes any text"
        )
    try:
        fullmatch = re.compile(spec).fullmatch
    except (re.error, OverflowError, RecursionError) as error:
        raise RouteError(
            f"pattern {text!r} has a bad regular expression {spec!r}: {error}"
        ) from None

    def read(value: str) -> str | None:
        return value if fullmatch(value) else None

    return Parameter(name, Converter(Kind.REGEX, f"text that matches {spec!r}", spec, read))


def _segment(parts: tuple[str | Parameter, ...], text: str, *, last: bool) -> Segment:
    if len(parts) > 1:
        return _mixed(parts, text)
    part = parts[0] if parts else ""
    if isinstance(part, str):
        return Segment(Kind.STATIC, part, (part,), False, lambda value: None)

    converter = part.converter
    if converter.kind is Kind.TAIL and not last:
        raise RouteError(
            f"pattern {text!r} has {{{part.name}:path}} before its end; "
            f"it takes the rest of the path, so it must be the last segment"
        )
    convert = converter.read

    def read(value: str) -> Values | None:
        converted = convert(value)
        return None if converted is None else (converted,)

    regex = converter.kind is Kind.REGEX
    takes_rest = converter.kind is Kind.TAIL or (regex and last)
    return Segment(converter.kind, converter.source if regex else "", parts, takes_rest, read)


def _mixed(parts: Sequence[str | Parameter], text: str) -> Segment:
    """A segment such as `v{major:int}.{minor:int}`, as one regular expression.

    No part but a user's own expression ever backtracks by more than one step, so that the time
    for a hostile segment stays linear in its length.
    """
    source = ""
    readers: list[Reader] = []
    for part, following in zip(parts, [*parts[1:], ""], strict=True):
        if isinstance(part, str):
            source += re.escape(part)
            continue
        if isinstance(following, Parameter):
            raise RouteError(
                f"pattern {text!r} has {part.name!r} and {following.name!r} with nothing between "
                f"them; put some text there, or make them one parameter"
            )
        source += f"({_fragment(part, following, text)})"
        readers.append(part.converter.read)
    try:
        fullmatch = re.compile(source).fullmatch
    except re.error as error:
        raise RouteError(f"pattern {text!r} has a bad regular expression: {error}") from None

    def read(value: str) -> Values | None:
        found = fullmatch(value)
        if found is None:
            return None
        values = tuple(
            convert(group) for convert, group in zip(readers, found.groups(), strict=True)
        )
        return None if None in values else values

    return Segment(Kind.REGEX, source, tuple(parts), False, read)


def _fragment(part: Parameter, following: str, text: str) -> str:
    match part.converter.kind:
        case Kind.PLAIN:
            return f"(?s:(?:(?!{re.escape(following)}).)++)" if following else "(?s:.+)"
        case Kind.INT | Kind.UUID | Kind.STATIC:
            return f"(?>{part.converter.source})"
        case Kind.FLOAT:
            # `{x:float}.{suffix}` must read '1.png', so the fraction may be given back.
            return f"(?>[0-9]{{1,{_MAX_DIGITS}}})(?>\\.[0-9]{{1,{_MAX_DIGITS}}})?"
        case Kind.REGEX:
            if re.compile(part.converter.source).groups:
                raise RouteError(
                    f"pattern {text!r} has a group in the regular expression of {part.name!r}, "
                    f"next to other text; write it as (?:...)"
                )
            return part.converter.source
        case Kind.TAIL:
            raise RouteError(
                f"pattern {text!r} has text next to {{{part.name}:path}}; "
                f"it takes whole segments, so it must stand alone"
            )


def _written(value: object) -> str | None:
    """How *value* is written in a path; `None` for types that are most likely a mistake."""
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
    try:
        return repr(value)
    except ValueError:  # more digits than Python writes
        return "a very large number"


def _float_text(value: float) -> str:
    text = float.__repr__(value)
    if "e" not in text:
        return text
    from decimal import Decimal

    return format(Decimal(text), "f")


def _listed(items: Any) -> str:
    return ", ".join(repr(item) for item in items) or "none"
