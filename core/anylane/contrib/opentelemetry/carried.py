"""What a request carries of its caller's trace, as a propagator reads it.

OpenTelemetry's propagators write a warning with the client's text for each piece that they cannot
read. So what breaks a grammar is not shown to them: no client fills a log, and what is dropped is
what they would drop.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anylane.http.headers import Headers

MAX_LENGTH = 8192
"""Characters of a header: as many as W3C Baggage asks for."""

MAX_MEMBER, MAX_MEMBERS = 4096, 180
"""Characters of a list-member of baggage, and how many: as many as the propagator reads."""

MAX_STATES = 32
"""List-members of tracestate (W3C Trace Context §3.3.1.1)."""

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[ -~]{0,64})?")
"""W3C Trace Context §3.2; a later version may have more behind it."""

_STATE = re.compile(
    r"([a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
    r"=[ -+\--<>-~]{0,255}[!-+\--<>-~]"
)
"""W3C Trace Context §3.3.1.3."""

_NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_VALUE = r"[!#-+\--:<-\[\]-~]*"
_BAGGAGE = re.compile(
    rf"[ \t]*{_NAME}[ \t]*=[ \t]*{_VALUE}[ \t]*(;[ \t]*{_NAME}[ \t]*(=[ \t]*{_VALUE}[ \t]*)?)*"
)
"""W3C Baggage §3.3.1."""


_NO_SPACE = {ord(" "): None, ord("\t"): None}


class Carried:
    """Reads the headers of a request for a propagator; OpenTelemetry calls that a getter."""

    @staticmethod
    def get(carrier: Headers, key: str) -> list[str] | None:
        """Return the value of a header in a list; None where there is none that can be read."""
        found = carrier.get_all(key)
        if not found:
            return None
        value = found[0] if len(found) == 1 else ",".join(found)  # RFC 9110 §5.3
        readable = None if len(value) > MAX_LENGTH else _readable(key.lower(), value)
        return None if readable is None else [readable]

    @staticmethod
    def keys(carrier: Headers) -> list[str]:
        """Return the names of all headers, in lower case."""
        return list(dict.fromkeys(name.lower() for name, _ in carrier.items()))


def _readable(name: str, value: str) -> str | None:
    """Return a header without the white space that its grammar allows, because propagators take
    less of it; None for one that breaks the grammar."""
    match name:
        case "traceparent":
            return value if _TRACEPARENT.fullmatch(value) else None
        case "tracestate":
            states = [each for part in value.split(",") if (each := part.strip(" \t"))]
            names = {each.partition("=")[0] for each in states}
            whole = len(names) == len(states) <= MAX_STATES and all(map(_STATE.fullmatch, states))
            return ",".join(states) if whole else None
        case "baggage":
            members = value.split(",")
            whole = len(members) <= MAX_MEMBERS and all(
                len(each) <= MAX_MEMBER and _BAGGAGE.fullmatch(each) for each in members
            )
            return value.translate(_NO_SPACE) if whole else None
        case _:
            return value
