"""Accept: what a client would rather have, JSON or text (RFC 9110 §12.5.1).

Nothing here answers. What cannot be read says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from anylane.http.parameters import split_list, split_parameters

_WEIGHT = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


def prefers_json(lines: Iterable[str]) -> bool | None:
    """Return whether a client would rather have JSON than text, and None if it does not say.

    lines: all Accept fields of the request.

    A weight is that of the most specific range. The higher weight wins. Of two equal ones the more
    specific range wins, and of two such the one that stands first: a client that writes
    `application/json, */*` wants JSON.
    """
    ranges = [_media_range(element) for element in split_list(", ".join(lines))]
    json, text = _rank(ranges, _is_json), _rank(ranges, _is_text)
    if json[0] == text[0] == 0.0 or json == text:
        return None
    return json > text


_Range = tuple[str, float | None]
"""A media range in lower case and its weight, None for one that is no weight."""

_Rank = tuple[float, int, int]
"""The weight, how specific the range is, and its place: 0 is the first, below it the later ones."""


def _media_range(element: str) -> _Range:
    name, parameters = split_parameters(element)
    weight = parameters.get("q", "1")
    return name.lower(), float(weight) if _WEIGHT.fullmatch(weight) else None


def _rank(ranges: list[_Range], specificity: Callable[[str], int]) -> _Rank:
    """Return the rank of what is accepted by those of the ranges that name it most closely."""
    named = [
        (specificity(name), weight, -place)
        for place, (name, weight) in enumerate(ranges)
        if weight is not None and specificity(name)
    ]
    closest = max((each[0] for each in named), default=0)
    return max(
        ((weight, closest, place) for close, weight, place in named if close == closest),
        default=(0.0, 0, 0),
    )


def _is_json(name: str) -> int:
    """Return how closely a range names JSON: 3 by its name, 1 as anything, 0 not at all."""
    if name == "application/json" or name.endswith("+json"):
        return 3
    return {"application/*": 2, "*/*": 1}.get(name, 0)


def _is_text(name: str) -> int:
    """Return how closely a range names plain text."""
    return {"text/plain": 3, "text/*": 2, "*/*": 1}.get(name, 0)
