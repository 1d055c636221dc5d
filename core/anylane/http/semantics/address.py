"""Absolute URLs of what this server answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anylane.errors import RouteError

if TYPE_CHECKING:
    from anylane.http.request import Request
    from anylane.protocol.peer import Address

_PORTS = {"http": 80, "https": 443}

_WEBSOCKET = {"http": "ws", "https": "wss"}


def absolute_url(
    request: Request, path: str, host: str | None = None, *, websocket: bool = False
) -> str:
    """Return the URL under which the client of *request* finds *path*.

    The scheme is the request's (RFC 6455 §3: "ws" or "wss" for a *websocket*), and so are name and
    port of the server: what the Host header says, which any client may choose. host: the pattern of
    a route's host, whose name is taken instead; None for any. Raises RouteError for a pattern with
    "*" that the name in the request does not match.
    """
    scheme = request.scheme
    name, port = _split(request.host or _authority(request.server, scheme))
    if host is not None and not host.startswith("*"):
        name = host
    elif host is not None and not name.lower().removesuffix(".").endswith(host[1:]):
        raise RouteError(f"{path!r} is for the host {host!r}, and the request for {name!r}")
    return f"{_WEBSOCKET[scheme] if websocket else scheme}://{name}{port}{path}"


def _split(authority: str) -> tuple[str, str]:
    """Return the name and the port, with the colon before it; "" for an empty one."""
    name, colon, port = authority.rpartition(":")
    if not colon or port.endswith("]"):
        return authority, ""
    return name, f":{port}" if port else ""


def _authority(server: Address, scheme: str) -> str:
    """Return what the Host header would say of our end of the connection. HTTP/1.0 has none."""
    if not isinstance(server, tuple):
        return "localhost"  # A unix socket has no name that a client could use.
    name, port = str(server[0]).partition("%")[0], server[1]
    name = f"[{name}]" if ":" in name else name
    return name if port == _PORTS[scheme] else f"{name}:{port}"
