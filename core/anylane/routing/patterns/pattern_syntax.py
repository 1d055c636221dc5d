"""The syntax of patterns: from text to segments.

Every error is a RouteError that says how to write the pattern, and is raised at registration. Of
this file only `decode_segment` and the `read` of a segment run during a request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from anylane.errors import RouteError
from anylane.http.urlencoded import percent_decoded
from anylane.routing.patterns.converters import CONVERTERS, MAX_DIGITS, PLAIN, Converter, Kind
from anylane.routing.patterns.foreign_syntax import refuse_foreign

if TYPE_CHECKING:
    from anylane.routing.patterns.converters import Reader, Values


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
    """Static: the decoded text. Regex: its source, without names. Empty for any other kind."""
    parts: tuple[str | Parameter, ...]
    """More than one if text and parameters are mixed, as in `{name}.{suffix}`."""
    takes_rest: bool
    """Whether it is matched with all that is left of the path, slashes included."""
    read: Callable[[str], Values | None] = field(repr=False, compare=False)
    """Takes decoded text and returns the values of its parameters, or None if it does not match."""


_LITERAL = re.compile("[^/{}]+")
_BAD_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")


def decode_segment(text: str) -> str | None:
    """Return a percent-decoded segment, or None if it is malformed.

    It is malformed if a '%' is not followed by two hexadecimal digits, or if the bytes are not
    UTF-8. Characters outside ASCII stand for themselves.
    """
    if "%" not in text:
        return text
    if _BAD_PERCENT.search(text):
        return None
    try:
        return percent_decoded(text).decode()
    except UnicodeError:
        return None


def split_text(text: str) -> list[list[str | Parameter]]:
    """Return the parts of each segment of a pattern. Raises RouteError for a stray brace."""
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
            refuse_foreign(literal[0], text, at_start=not segments[-1])
            segments[-1].append(_literal(literal[0], text))
            index = literal.end()
        else:
            raise RouteError(
                f"pattern {text!r} has a '}}' without a '{{' before it, at {index}; "
                f"as plain text it is written %7D"
            )
    return segments


def _closing_brace(text: str, start: int) -> int:
    """Return the index of the brace that ends the parameter opened at *start*.

    A regular expression may contain braces if they are balanced, escaped, or in a character class.
    Raises RouteError if the parameter is not closed.
    """
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
    """Return the index of the bracket that ends a character class. Raise RouteError without one."""
    found = _CLASS.match(text, start)
    if found is None:
        raise RouteError(
            f"pattern {text!r} has a '[' that is never closed, at {start}, in the regular "
            f"expression of the '{{' at {brace}; as plain text it is written \\["
        )
    return found.end() - 1


def _literal(literal: str, text: str) -> str:
    """Return literal text, decoded. Raise RouteError if it cannot be part of a path."""
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
    """Return the parameter between two braces. Raise RouteError if it is malformed."""
    name, colon, spec = inner.partition(":")
    if not name.isidentifier():
        raise RouteError(
            f"pattern {text!r} has a parameter {{{inner}}} whose name is {name!r}; "
            f"expected a Python name, as in {{id}} or {{id:int}}"
        )
    if not colon:
        return Parameter(name, PLAIN)
    if not spec:
        raise RouteError(
            f"pattern {text!r} has nothing behind the colon of {{{inner}}}; write {{{name}}}"
        )
    if spec in CONVERTERS:
        return Parameter(name, CONVERTERS[spec])
    if name in CONVERTERS and spec.isidentifier():
        raise RouteError(
            f"pattern {text!r} has a parameter {{{inner}}}; the name comes first: "
            f"write {{{spec}:{name}}}"
        )
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


def parse_segment(parts: tuple[str | Parameter, ...], text: str, *, last: bool) -> Segment:
    """Return the segment that these parts make.

    Raises RouteError for a parameter that must stand alone or last and does not.
    """
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
    """Return a segment such as `v{major:int}.{minor:int}`, as one regular expression.

    No part but a user's own expression ever backtracks by more than one step, so the time for a
    hostile segment stays linear in its length.
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
    """Return the regular expression for one parameter of a mixed segment."""
    match part.converter.kind:
        case Kind.PLAIN:
            return f"(?s:(?:(?!{re.escape(following)}).)++)" if following else "(?s:.+)"
        case Kind.INT | Kind.UUID | Kind.STATIC:
            return f"(?>{part.converter.source})"
        case Kind.FLOAT:
            # `{x:float}.{suffix}` must read '1.png', so the fraction may be given back.
            return f"(?>[0-9]{{1,{MAX_DIGITS}}})(?>\\.[0-9]{{1,{MAX_DIGITS}}})?"
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
