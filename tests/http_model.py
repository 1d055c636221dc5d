"""A reference model of serving HTTP/1.1: what a client is to receive for what it asks.

It knows requests as their author means them and never sees a byte, so it shares no mistake with a
parser. It is short enough to be checked against the RFCs by reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ask:
    """One request.

    connection: the values of its Connection headers. body: None for none at all.
    chunks: how a chunked body is cut; None sends a Content-Length. trailer: of `x-t` behind it.
    expects: `Expect: 100-continue` is sent. waits: and its client waits for an answer to it.
    """

    method: str
    route: str
    token: str
    version: str = "1.1"
    connection: tuple[str, ...] = ()
    body: bytes | None = None
    chunks: tuple[int, ...] | None = None
    trailer: str | None = None
    expects: bool = False
    waits: bool = False

    @property
    def persists(self) -> bool:
        """RFC 9112 §9.3."""
        options = {each.strip().lower() for value in self.connection for each in value.split(",")}
        if "close" in options:
            return False
        return self.version == "1.1" or "keep-alive" in options

    @property
    def has_body(self) -> bool:
        return bool(self.body) or self.chunks is not None


@dataclass(frozen=True)
class Route:
    """What its handler does. length: it says the length of the body in advance."""

    methods: tuple[str, ...]
    status: int = 200
    body: Callable[[Ask], bytes] = lambda ask: b""
    reads: bool = False
    length: bool = True
    trailer: bool = False
    closes: bool = False


def _given(ask: Ask) -> bytes:
    return ask.body or b""


ROUTES = {
    "/plain": Route(("GET",), body=lambda ask: b"plain " + ask.token.encode()),
    "/both": Route(("GET", "POST"), body=lambda ask: b"both"),
    "/sync": Route(("GET", "POST"), body=_given, reads=True),
    "/echo": Route(("POST",), body=_given, reads=True),
    "/late": Route(("POST",), body=_given, reads=True),
    "/slow": Route(("GET", "POST"), body=lambda ask: b"slow"),
    "/ignore": Route(("POST",), body=lambda ask: b"ignored"),
    "/early": Route(("POST",), body=lambda ask: b"early"),
    "/pass": Route(("POST",), body=_given, reads=True, length=False),
    "/stream": Route(("GET",), body=lambda ask: b"one" * 50 + b"two", length=False, trailer=True),
    "/sized": Route(("GET",), body=lambda ask: b"one" * 50 + b"two"),
    "/nothing": Route(("GET", "POST"), 204),
    "/same": Route(("GET",), 304),
    "/raise": Route(("GET", "POST"), 500, body=lambda ask: b"500 Internal Server Error\n"),
    "/teapot": Route(("GET", "POST"), 418, body=lambda ask: b"418 I'm a Teapot: no coffee\n"),
    "/goodbye": Route(("GET", "POST"), body=lambda ask: b"goodbye", closes=True),
    "/trailer": Route(
        ("POST",), body=lambda ask: (ask.trailer or "none").encode(), reads=True
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Reply:
    """One response.

    framing: "none", "length", "chunked" or "close". body: None for whatever the server likes.
    stays: the connection outlives it; None where both are right. continues: how many times 100
    comes before it.
    """

    status: int
    framing: str
    body: bytes | None
    stays: bool | None
    token: str
    trailer: str | None = None
    continues: tuple[int, ...] = (0,)


def predict(asks: Iterable[Ask]) -> list[Reply]:
    """The responses, up to the one that ends the connection."""
    replies = []
    for ask in asks:
        reply = _reply(ask)
        replies.append(reply)
        if reply.stays is not True:
            break
    return replies


def _reply(ask: Ask) -> Reply:
    route = ROUTES.get(ask.route)
    methods = route.methods + ("HEAD",) * ("GET" in route.methods) if route is not None else ()
    if route is None:
        route = Route((), 404)
        body = None
    elif ask.method in methods:
        body = route.body(ask)
    else:
        # RFC 9110 §9.3.7 and §15.5.6
        route = Route((), 204 if ask.method == "OPTIONS" else 405)
        body = None
    stays: bool | None = ask.persists and not route.closes
    framing = "length" if route.length else "chunked"
    if ask.method == "HEAD" or route.status in (204, 304):
        framing, body = "none", b""
    elif ask.version == "1.0" and not route.length:
        framing, stays = "close", False
    expects = ask.expects and ask.has_body and ask.version == "1.1"
    continues: tuple[int, ...] = (0,)
    if expects and route.reads:
        # RFC 9110 §10.1.1: it may be left out where the body has begun to come.
        continues = (1,) if ask.waits else (0, 1)
    elif expects and stays:
        # The body will not be asked for. The client may send it or not, so framing ends here.
        stays = False if ask.waits else None
    trailer = ask.token if route.trailer and framing == "chunked" else None
    return Reply(route.status, framing, body, stays, ask.token, trailer, continues)
