"""From an ASGI scope to the channel of an exchange (ASGI spec, "HTTP & WebSocket", 2.5)."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from itertools import chain
from typing import Any
from urllib.parse import quote

from anylane.config.limits import Limits
from anylane.errors import Refused
from anylane.protocol import RequestHead, TlsInfo
from anylane.protocol.channel.message_channel import MessageChannel
from anylane.protocol.channel.outlet import Abilities
from anylane.protocol.fields import is_token
from anylane.protocol.peer import Hosted
from anylane.protocol.request_head import Fields, RawHeaders
from anylane_backends.asgi.embedded import MAX_REMEMBERED, Embedded
from anylane_backends.channels.limits import check_limits, declared_length, without_prefix

ScopeMapping = MutableMapping[str, Any]

_SAFE = "/!$&'()*+,;=:@-._~"
"""What RFC 3986 §3.3 lets stand in a path."""

_TARGET = re.compile(rb"[\x21-\x7e]+")

_NO_OPTIONS: frozenset[bytes] = frozenset()

_VERSIONS = {"1.0": b"1.0", "2": b"2", "3": b"3"}


def channel_of(scope: ScopeMapping, here: Embedded) -> MessageChannel:
    """Return the channel of one HTTP request or WebSocket."""
    websocket = scope["type"] == "websocket"
    head: RequestHead | None = None
    refused: Refused | None = None
    root = b""
    try:
        root = _root(scope)
        head = _head(scope, root, here, websocket=websocket)
    except Refused as exc:
        refused = exc
    return here.channel(
        head,
        subprotocols=tuple(scope.get("subprotocols") or ()) if websocket else None,
        abilities=_abilities(
            tuple(scope.get("extensions") or ()),
            # RFC 9113 §8.2.2: later versions of HTTP have no such field.
            closes=not websocket and scope.get("http_version", "1.1") in ("1.0", "1.1"),
        ),
        peer=_address(scope.get("client")),
        local=_address(scope.get("server")),
        tls=_tls(scope),
        hosted=_hosted(root, scope.get("state")),
        refused=refused,
    )


@lru_cache(maxsize=64)
def _abilities(extensions: tuple[str, ...], *, closes: bool) -> Abilities:
    """Return what the server can do. It says the same for each request."""
    return Abilities(
        hints="http.response.early_hint" in extensions,
        trailers="http.response.trailers" in extensions,
        denials="websocket.http.response" in extensions,
        closes=closes,
    )


_NOTHING_MORE = Hosted()


def _hosted(root: bytes, state: Mapping[str, Any] | None) -> Hosted:
    return Hosted(root.decode("ascii"), dict(state or {})) if root or state else _NOTHING_MORE


def _head(scope: ScopeMapping, root: bytes, here: Embedded, *, websocket: bool) -> RequestHead:
    """Return the request. Requests that are the same share theirs, as on our own lanes: 0.88 of the
    time of a plain one. Raise Refused as `_checked` does."""
    target = _target(scope, root)
    headers: RawHeaders = [(bytes(name).lower(), bytes(value)) for name, value in scope["headers"]]
    if websocket:
        return _checked(scope, target, headers, here.limits, websocket=True)
    key = (scope.get("method"), scope.get("http_version"), target, *headers)
    head = here.heads.get(key)
    if head is None:
        head = _checked(scope, target, headers, here.limits, websocket=False)
        if len(target) + sum(map(len, chain.from_iterable(headers))) <= MAX_REMEMBERED:
            here.heads.offer(key, head)
    return head


def _checked(
    scope: ScopeMapping, target: bytes, headers: RawHeaders, limits: Limits, *, websocket: bool
) -> RequestHead:
    """Return the request. Raise Refused for one that is over a limit of ours, and for what no
    request has: the server may be less strict than the rest takes for granted."""
    check_limits(target, headers, limits)
    if _TARGET.fullmatch(target) is None:
        raise Refused(400, "target with bytes that must be percent-encoded", target)
    method = scope.get("method", "GET")
    if not is_token(method):
        raise Refused(400, "method that is no token (RFC 9110 §9.1)")
    version = _VERSIONS.get(scope.get("http_version", "1.1"), b"1.1")
    values = dict(headers)
    if len(values) < len(headers) and sum(name == b"host" for name, _ in headers) > 1:
        raise Refused(400, "more than one Host (RFC 9112 §3.2)")
    connection = _NO_OPTIONS
    if b"connection" in values:
        connection = frozenset(each.strip().lower() for each in values[b"connection"].split(b","))
    if websocket:
        # Over HTTP/2 there is no such field (RFC 8441 §5), and it is how the rest knows one.
        headers += () if b"upgrade" in values else ((b"upgrade", b"websocket"),)
        connection |= {b"upgrade"}
        protocols = scope.get("subprotocols") or ()
        if not all(map(is_token, protocols)):
            raise Refused(400, "subprotocol that is no token (RFC 6455 §4.1)")
        offered = ", ".join(protocols)
        if offered and b"sec-websocket-protocol" not in values:  # Some hosts take it away.
            headers.append((b"sec-websocket-protocol", offered.encode("ascii")))
    size = declared_length(values.get(b"content-length", b""))
    # HTTP/2 says by the stream whether there is a body, and ASGI does not pass that on.
    framed = b"transfer-encoding" in values or version in (b"2", b"3")
    return RequestHead(
        method=method.encode("ascii"),
        target=target,
        version=version,
        fields=Fields(b"", headers),
        content_length=None if websocket else size,
        chunked=framed and size is None and not websocket,
        expects_continue=values.get(b"expect", b"").lower() == b"100-continue",
        connection=connection,
    )


def _target(scope: ScopeMapping, root: bytes) -> bytes:
    """Return the target without the prefix under which the app is mounted (`root_path`)."""
    raw = scope.get("raw_path")
    path = bytes(raw) if raw else _quoted(scope["path"], _SAFE)
    path = path.partition(b"?")[0]  # Some hosts leave the query there.
    query = bytes(scope.get("query_string") or b"")
    return without_prefix(path, root) + (b"?" + query if query else b"")


def _root(scope: ScopeMapping) -> bytes:
    """Return the prefix under which the app is mounted, percent-encoded."""
    prefix = scope.get("root_path")
    return _quoted(prefix, _SAFE + "%").rstrip(b"/") if prefix else b""


def _quoted(text: str, safe: str) -> bytes:
    """Return a path percent-encoded. What a host could not decode may be surrogates (PEP 383)."""
    try:
        return quote(text, safe=safe, errors="surrogateescape").encode("ascii")
    except UnicodeEncodeError:
        raise Refused(400, "path with a lone surrogate") from None


def _address(given: Any) -> Any:
    """Return (host, port), or None. Some hosts give the port as text."""
    if not given:
        return None
    host, port = given[0], given[1]
    return host if port is None else (host, int(port))


def _tls(scope: ScopeMapping) -> TlsInfo | None:
    if scope.get("scheme") not in ("https", "wss"):
        return None
    return TlsInfo(version="", cipher="")  # The host tells no more.
