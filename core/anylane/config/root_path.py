"""The prefix under which a proxy shows an app, and takes it off before it passes a request on."""

from __future__ import annotations

import re

FORWARDED = "forwarded"
"""The setting that leaves the prefix to the proxy, which writes it in X-Forwarded-Prefix."""

MAX_LENGTH = 256
"""Characters. It stands in each address that an answer names, and a proxy's header is as long as a
client likes that can write it."""

_SEGMENT = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+"
_PREFIX = re.compile(rf"(?:/{_SEGMENT})*")
_CONFUSING = re.compile(r"%(?:2[fF]|5[cC]|2[eE]|00)|/\.{1,2}(?:/|$)")
"""What some clients and proxies take for a slash, a dot segment (RFC 3986 §5.2.4) or an end."""


def root_path(text: str) -> str:
    """Return a prefix such as "/api" as it is, without a slash at its end; "" for "/".

    Raise ValueError for what is no path, or could be taken for another one: "//host" names a host
    (RFC 3986 §4.2), and so may a backslash.
    """
    prefix = text.removesuffix("/")
    if (
        len(prefix) > MAX_LENGTH
        or _PREFIX.fullmatch(prefix) is None
        or _CONFUSING.search(prefix) is not None
    ):
        raise ValueError(
            f"{text[:80]!r}; expected a path such as '/api', percent-encoded, of {MAX_LENGTH} "
            "characters at most, without empty and dot segments"
        )
    return prefix
