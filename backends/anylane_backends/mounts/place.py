"""Place: where a request finds a mounted application, and what is behind that."""

from __future__ import annotations

from typing import NamedTuple

from anylane.handling.context import Context
from anylane.http.urlencoded import unescaped


class Place(NamedTuple):
    """The two parts of a path, both percent-encoded as the client has written them."""

    root: str
    """What leads to the application: `root_path` of ASGI, SCRIPT_NAME of WSGI. The prefix of the
    server itself is in front of it, which a proxy has taken off."""
    inside: str
    """The rest, with the slash at its beginning: PATH_INFO of WSGI."""


def place_of(ctx: Context, rest: str) -> Place:
    """Return where a request is. rest: what the route of the mount leaves, decoded, without the
    slash at its beginning.

    The prefix as it was registered does not tell: a client may encode it, and apps around the one
    that it is mounted in have prefixes of their own, with parameters even.
    """
    request = ctx.request
    raw = request.raw_path
    at = raw.find("/")
    # The slash behind the prefix is the first one that leaves that rest: few are in front of it.
    while at >= 0 and unescaped(raw[at + 1 :]) != rest:
        at = raw.find("/", at + 1)
    at = len(raw) if at < 0 else at
    return Place(request.root_path + raw[:at], raw[at:])
