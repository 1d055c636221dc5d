"""From a Context to an ASGI scope (ASGI spec, "HTTP & WebSocket", 2.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anylane.handling.context import Context
from anylane.http.urlencoded import unescaped
from anylane_backends.mounts.place import place_of

_ASGI = {"version": "3.0", "spec_version": "2.4"}


def scope_of(ctx: Context, rest: str, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scope of a request, the whole path in it.

    rest: what the route of the mount leaves of the path. state: of the application's lifespan, of
    which each request gets a copy.
    """
    request = ctx.request
    place = place_of(ctx, rest)
    path = place.root + place.inside
    return {
        "type": "http",
        "asgi": dict(_ASGI),
        "http_version": request.version,
        "method": request.method,
        "scheme": request.scheme,
        "path": unescaped(path),
        "raw_path": path.encode("ascii"),
        "query_string": request.query_string.encode("ascii"),
        "root_path": unescaped(place.root),
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in request.headers.items()
        ],
        "client": _address(request.client),
        "server": _address(request.server),
        "state": dict(state),
        "extensions": {"http.response.trailers": {}, "http.response.early_hint": {}},
    }


def websocket_scope_of(ctx: Context, rest: str, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scope of a WebSocket, as of a request."""
    scope = scope_of(ctx, rest, state)
    del scope["method"]
    offered = ctx.request.headers.get_all("sec-websocket-protocol")
    return {
        **scope,
        "type": "websocket",
        "scheme": "wss" if scope["scheme"] == "https" else "ws",
        "subprotocols": [
            name for line in offered for each in line.split(",") if (name := each.strip())
        ],
        "extensions": {"websocket.http.response": {}},
    }


def _address(given: Any) -> tuple[str, int | None] | None:
    if isinstance(given, tuple):
        return given[0], given[1]
    return (given, None) if given else None
