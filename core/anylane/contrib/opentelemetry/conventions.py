"""OpenTelemetry's semantic conventions for HTTP servers, which are stable since 1.23.

Nothing in the name of a span and in the attributes of a metric is a client's to choose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anylane.errors import HTTPError, Refused

if TYPE_CHECKING:
    from anylane.handling.context import Context

METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE")
)
"""Those of RFC 9110 §9 and RFC 5789; another one is `_OTHER`, so that no client makes up names."""

OTHER = "_OTHER"

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Upper bounds of `http.server.request.duration` in seconds, which the conventions advise."""

MAX_TEXT = 1024
"""Characters of a client's text in an attribute; the rest is cut off, as in an access log."""

Attributes = dict[str, str | int]


def shared_of(ctx: Context) -> Attributes:
    """Return what a span and the requests that run have in common."""
    method, scheme = ctx.request.method, ctx.request.scheme
    known = _SHARED.get((method, scheme))
    return known or {"http.request.method": OTHER, "url.scheme": scheme}


_SHARED: dict[tuple[str, str], Attributes] = {
    (method, scheme): {"http.request.method": method, "url.scheme": scheme}
    for method in METHODS
    for scheme in ("http", "https")
}


def span_of(ctx: Context, shared: Attributes, *, query: bool) -> tuple[str, Attributes]:
    """Return the name of a span, such as "GET /users/{id}", and the attributes that it begins with.

    query: whether `url.query` is among them.
    """
    request, route = ctx.request, ctx.route
    head, headers = ctx.exchange.head, request.headers
    assert head is not None, "what could not be parsed passes no part"
    text = head.text
    name = text.method
    found = {
        **shared,
        "url.path": text.path[:MAX_TEXT],
        "network.protocol.version": head.version.decode("ascii"),
    }
    if name not in METHODS:
        found["http.request.method_original"] = name[:MAX_TEXT]
        name = "HTTP"
    if route is not None:
        found["http.route"] = pattern = route.pattern.text
        name = f"{name} {pattern}"
    if query and text.query:
        found["url.query"] = text.query[:MAX_TEXT]
    agent = headers.get("user-agent")
    if agent is not None:
        found["user_agent.original"] = agent[:MAX_TEXT]
    client, connection = request.client, ctx.link.driver.connection
    peer = connection.peer if connection.proxy is None else connection.proxy.address
    if isinstance(client, tuple) and client:
        found["client.address"] = str(client[0])
    if isinstance(peer, tuple) and len(peer) > 1:
        found["network.peer.address"] = str(peer[0])
        found["network.peer.port"] = peer[1]
    _put_server(found, request.host)
    return name, found


def _put_server(found: Attributes, host: str | None) -> None:
    """Add the name and the port that the client has asked for."""
    if not host:
        return
    name, colon, port = host.rpartition(":")
    if not colon or (name.startswith("[") and not name.endswith("]")):
        name, port = host, ""
    found["server.address"] = name.strip("[]")[:MAX_TEXT]
    if port.isdecimal() and len(port) <= len("65535"):
        found["server.port"] = int(port)


def failure_of(ctx: Context, status: int) -> BaseException | None:
    """Return the exception that an exchange has failed with: one that nothing has dealt with, or
    that is answered by a status from 500 on. An HTTPError is an answer, and no failure.

    status: what the client was sent, 0 for nothing.
    """
    error = ctx.error
    if isinstance(error, HTTPError | Refused):
        return None
    return error if ctx._failed or status >= 500 else None


def error_type(ctx: Context, status: int, failure: BaseException | None) -> str | None:
    """Return the value of `error.type` for an exchange that is over; None for one that went well.

    That is the class of an exception, else a status from 500 on, and else why the answer is not
    whole: "shutdown", "disconnected", or "deadline" where a 503 went nowhere.
    """
    exchange = ctx.exchange
    if failure is not None:
        kind = type(failure)
        return kind.__qualname__ if kind.__module__ == "builtins" else _dotted(kind)
    if status >= 500:
        return str(status)
    if exchange.interrupt is not None:
        return exchange.interrupt.value
    is_whole = exchange.started and ctx.request.method == "HEAD"
    if exchange.gone is None or is_whole or exchange.websocket is not None:
        return None  # A WebSocket has a code for its end, and its client leaves some time.
    return None if exchange.raw is not None or _is_event_stream(ctx) else "disconnected"


def _dotted(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _is_event_stream(ctx: Context) -> bool:
    """Return whether the answer was a stream of events, which ends when its client leaves."""
    # What was answered instead of a handler that is stuck is not to be had from `ctx.response`.
    if ctx.exchange.status != 200 or ctx.response.body is not None:
        return False
    return (ctx.response.headers.get("content-type") or "").startswith("text/event-stream")
