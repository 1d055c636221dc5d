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

_PORTS = {"http": "80", "https": "443"}

Origins = frozenset[str | None]
"""Origins in lower case, SAME_ORIGIN, and None for a client that sends none."""


def _without_port(origin: str) -> str:
    """Return *origin* without the port that its scheme has anyway (RFC 6454 §4, §6.2)."""
    scheme, _, host = origin.partition("://")
    name, colon, port = host.rpartition(":")
    return f"{scheme}://{name}" if colon and port in ("", _PORTS.get(scheme)) else origin


def parse_origins(origins: Iterable[str | None], where: str) -> Origins:
    """Return *origins* in lower case. Raises RouteError for one that no browser sends.

    where: the pattern of the route, for the message.
    """
    if isinstance(origins, str):
        raise RouteError(f"origins of {where!r} is {origins!r}; write [{origins!r}]")
    found = frozenset(None if each is None else _without_port(each.lower()) for each in origins)
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


def is_from(origins: Origins, request: Request) -> bool:
    """Return whether a request comes from one of *origins*."""
    values = request.headers.get_all("origin")
    origin = _without_port(values[0].lower()) if values else None
    if len(values) <= 1 and origin in origins - {SAME_ORIGIN}:
        return True
    if SAME_ORIGIN in origins and len(values) == 1 and origin is not None and request.host:
        # The scheme is not compared: a proxy that ends TLS would make it differ. The host is taken
        # to be of the origin's, which says what port a host without one means.
        scheme = origin.partition("://")[0]
        return origin == _without_port(f"{scheme}://{request.host.lower()}")
    return False


def check_origin(origins: Origins, request: Request) -> None:
    """Raise HTTPError 403 unless the request comes from one of *origins*."""
    if not is_from(origins, request):
        values = request.headers.get_all("origin")
        seen = ", ".join(values) if values else "missing"
        raise HTTPError(403, f"Origin is {seen}; this WebSocket is not open to it")
