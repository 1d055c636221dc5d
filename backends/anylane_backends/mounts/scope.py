"""From a Context to an ASGI scope (ASGI spec, "HTTP & WebSocket", 2.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anylane.handling.context import Context

_ASGI = {"version": "3.0", "spec_version": "2.4"}


def scope_of(ctx: Context, prefix: str, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scope of a request below *prefix*, the whole path in it.

    state: of the application's lifespan, of which each request gets a copy.
    """
    request = ctx.request
    return {
        "type": "http",
        "asgi": dict(_ASGI),
        "http_version": request.version,
        "method": request.method,
        "scheme": request.scheme,
        "path": request.path,
        "raw_path": request.raw_path.encode("ascii"),
        "query_string": request.query_string.encode("ascii"),
        "root_path": prefix,
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in request.headers.items()
        ],
        "client": _address(request.client),
        "server": _address(request.server),
        "state": dict(state),
        "extensions": {"http.response.trailers": {}, "http.response.early_hint": {}},
    }


def websocket_scope_of(ctx: Context, prefix: str, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scope of a WebSocket below *prefix*."""
    scope = scope_of(ctx, prefix, state)
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
