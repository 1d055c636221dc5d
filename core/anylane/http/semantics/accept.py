"""Accept: what a client would rather have, JSON or text, gzip or br (RFC 9110 §12.5).

Nothing here answers. What cannot be read says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

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
"""A media range or a coding in lower case and its weight, None for one that is no weight."""

_Rank = tuple[float, int, int]
"""The weight, how specific the range is, and its place: 0 is the first, below it the later ones."""


_ALIASES = {"x-gzip": "gzip", "x-compress": "compress"}
"""What recipients take for another name of a coding (§8.4.1)."""


def preferred_coding(lines: Iterable[str], codings: Sequence[str]) -> str | None:
    """Return which of the codings a client would rather have than the others and than none; None
    where that is none of them (§12.5.3).

    lines: all Accept-Encoding fields of the request. Without one any coding would do, and none is
    what is meant. codings: in lower case, in our own order, which decides between equal weights. A
    client that wants no coding more than each of them gets none.
    """
    weights = coding_weights(lines)
    best, heaviest = None, 0.0
    for coding in codings:
        weight = weights.get(coding, weights.get("*", 0.0))
        if weight > heaviest:
            best, heaviest = coding, weight
    return None if weights.get("identity", weights.get("*", 0.0)) > heaviest else best


def coding_weights(lines: Iterable[str]) -> dict[str, float]:
    """Return the weight of each coding that Accept-Encoding names, `identity` and `*` among them.

    Names are in lower case. Of several elements with one name the first counts, and one whose
    weight cannot be read says nothing.
    """
    weights: dict[str, float] = {}
    for element in split_list(", ".join(lines)):
        name, weight = _media_range(element)
        if weight is not None:
            weights.setdefault(_ALIASES.get(name, name), weight)
    return weights


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
