"""The pages from which a WebSocket may be opened (RFC 6454, RFC 6455 §10.2).

Browsers let any page open a WebSocket anywhere, cookies included, and say in Origin which page it
was. So a server that trusts cookies has to look. Nothing else is judged here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from anylane.errors import HTTPError, RouteError

if TYPE_CHECKING:
    from anylane.http.request import Request


SAME_ORIGIN = "same-origin"
"""Stands for pages that came from the host that the request names."""

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s]+")

Origins = frozenset[str | None]
"""Origins in lower case, SAME_ORIGIN, and None for a client that sends none."""


def parse_origins(origins: Iterable[str | None], where: str) -> Origins:
    """Return *origins* in lower case. Raises RouteError for one that no browser sends.

    where: the pattern of the route, for the message.
    """
    if isinstance(origins, str):
        raise RouteError(f"origins of {where!r} is {origins!r}; write [{origins!r}]")
    found = frozenset(each.lower() if each is not None else None for each in origins)
    for each in found - {None, SAME_ORIGIN, "null"}:
        if each is not None and not _ORIGIN.fullmatch(each):
            raise RouteError(
                f"origins of {where!r} has {each!r}; expected 'https://example.com' without a "
                f"path, '{SAME_ORIGIN}', or None for clients that send no Origin"
            )
    if not found:
        raise RouteError(
            f"origins of {where!r} is empty, so no client could connect; leave it out to admit all"
        )
    return found


def check_origin(origins: Origins, request: Request) -> None:
    """Raise HTTPError 403 unless the request comes from one of *origins*."""
    values = request.headers.get_all("origin")
    origin = values[0].lower() if values else None
    if len(values) <= 1 and origin in origins - {SAME_ORIGIN}:
        return
    # The scheme is not compared: a proxy that ends TLS would make it differ.
    same = origin is not None and origin.partition("://")[2] == (request.host or "").lower()
    if len(values) == 1 and same and SAME_ORIGIN in origins:
        return
    seen = ", ".join(values) if values else "missing"
    raise HTTPError(403, f"Origin is {seen}; this WebSocket is not open to it")
