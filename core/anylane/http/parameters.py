"""Lists and parameters in the values of header fields (RFC 9110 §5.6).

Nothing here judges a value: what cannot be read is skipped.
"""

from __future__ import annotations

import re

_QUOTED = r'"[^"\\]*(?:\\.[^"\\]*)*"'

_COMMAS = re.compile(rf"{_QUOTED}?|,", re.DOTALL)
_SEMICOLONS = re.compile(rf"{_QUOTED}?|;", re.DOTALL)
"""Quoted strings, one that is never closed too, and what separates outside of them."""

_PARAMETER = re.compile(
    rf"""([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=({_QUOTED}|[^"\s]*)""",
    re.DOTALL,
)
"""A value in no quotes may hold more than a token: mail programs write `boundary=----=_1`."""

_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def split_list(value: str) -> list[str]:
    """Return the elements of a list, without the white space around them. Empty ones are left out
    (§5.6.1.2)."""
    return [element for element in _split(_COMMAS, value) if element]


def split_parameters(value: str) -> tuple[str, dict[str, str]]:
    """Return what stands in front of the first `;` and the parameters behind it, by their names in
    lower case (§5.6.6). Of several with one name the first counts."""
    first, *rest = _split(_SEMICOLONS, value)
    found: dict[str, str] = {}
    for each in rest:
        parameter = _PARAMETER.fullmatch(each)
        if parameter is not None:
            name, text = parameter.groups()
            if text[:1] == '"':
                text = _ESCAPED.sub(r"\1", text[1:-1])
            found.setdefault(name.lower(), text)
    return first, found


def _split(separators: re.Pattern[str], value: str) -> list[str]:
    parts: list[str] = []
    start = 0
    for each in separators.finditer(value):
        if each[0][0] != '"':
            parts.append(value[start : each.start()])
            start = each.end()
    return [part.strip(" \t") for part in (*parts, value[start:])]
