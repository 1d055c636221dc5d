"""Sec-WebSocket-Extensions: what a client offers, as its grammar says (RFC 6455 §9.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from anylane.errors import Refused


@dataclass(frozen=True, slots=True)
class Offer:
    """One extension with its parameters, in the client's order; a value may be missing."""

    name: str
    parameters: tuple[tuple[str, str | None], ...] = ()


_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# RFC 6455 §9.1: a value in quotes must be a token once the quotes are gone.
_PARAMETER = rf"[ \t]*;[ \t]*({_WORD})(?:[ \t]*=[ \t]*(?:({_WORD})|\"({_WORD})\"))?"
_NEXT_PARAMETER = re.compile(_PARAMETER)
_EXTENSION = re.compile(rf"[ \t]*({_WORD})((?:{_PARAMETER})*)[ \t]*(?:,|$)")
_EMPTY = re.compile(r"[ \t]*(?:,|$)")


def parse_extensions(value: bytes) -> tuple[Offer, ...]:
    """The offers in a header, the client's preference first. Raises Refused with 400 for what
    breaks the grammar: the connection must then be failed (RFC 6455 §9.1)."""
    text = value.decode("latin-1")
    offers: list[Offer] = []
    at = 0
    while at < len(text):
        # RFC 9110 §5.6.1: empty elements of a list are skipped.
        found = _EMPTY.match(text, at) or _EXTENSION.match(text, at)
        if found is None:
            raise Refused(400, "Sec-WebSocket-Extensions is malformed", value[at : at + 64])
        if found.re is _EXTENSION:
            parameters = tuple(
                (name, token or quoted or None)
                for name, token, quoted in _NEXT_PARAMETER.findall(found[2])
            )
            offers.append(Offer(found[1], parameters))
        at = found.end()
    return tuple(offers)
