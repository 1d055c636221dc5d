"""Foreign syntax: how other frameworks write parameters of a path, and what is written here.

A segment in one of these forms would be plain text, which no request ever matches. So it is refused
where it is registered, with the form that was meant.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from anylane.errors import RouteError
from anylane.routing.patterns.converters import CONVERTERS

_ANGLED = re.compile(r"<(\w+)(?::(\w+))?>")
"""Flask and Django: <id>, <int:id>; Bottle: <id:int>."""

_COLON = re.compile(r":([A-Za-z_]\w*)")
"""Express, Sinatra, Rails, Gin: /:id."""

_STAR = re.compile(r"\*+(\w*)")
"""Globs: /*, /**; Rails and Gin: /*rest."""

_SQUARE = re.compile(r"\[(\.\.\.)?(\w+)\]")
"""Next: /[id], /[...rest]."""


def refuse_foreign(literal: str, text: str, *, at_start: bool) -> None:
    """Raise RouteError if literal text of the pattern *text* is another framework's parameter.

    at_start: whether it begins a segment. Angle brackets are refused anywhere: in a path they are
    percent-encoded (RFC 3986 §3.3).
    """
    if (found := _ANGLED.search(literal)) is not None:
        first, second = found.groups()
        if second is not None and second not in CONVERTERS:
            first, second = second, first
        _refuse(found[0], _parameter(first, second), text, "'<'")
    for bracket in "<>":
        if bracket in literal:
            raise RouteError(
                f"pattern {text!r} has {bracket!r}, which no path has as it is; a parameter is "
                f"written {{name}} (as plain text it is written %{ord(bracket):X})"
            )
    if not at_start:
        return
    if (found := _COLON.match(literal)) is not None:
        _refuse(found[0], _parameter(found[1], None), text, "':'")
    if (found := _STAR.match(literal)) is not None:
        _refuse(found[0], _parameter(found[1] or "rest", "path"), text, "'*'")
    if (found := _SQUARE.fullmatch(literal)) is not None:
        _refuse(found[0], _parameter(found[2], "path" if found[1] else None), text, "'['")


def _parameter(name: str, converter: str | None) -> str:
    return f"{{{name}:{converter}}}" if converter in CONVERTERS else f"{{{name}}}"


def _refuse(seen: str, ours: str, text: str, letter: str) -> None:
    which = ", which no path has as it is" if letter == "'<'" else ""
    raise RouteError(
        f"pattern {text!r} has {letter}{which}; write {ours} "
        f"(as plain text it is written {quote(seen, safe='')})"
    )
