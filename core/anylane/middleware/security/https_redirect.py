"""HTTPSRedirect: sends requests over plain HTTP to https."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from anylane.errors import HTTPError, UsageError
from anylane.log_limit import LogKind
from anylane.middleware.security.trusted_hosts import host_of
from anylane.protocol.websocket.handshake import is_websocket
from anylane.routing.documentation import PartDocumentation
from anylane.routing.hooks import STOP, Stop
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.handling.context import Context

_STATUSES = (301, 302, 307, 308)

LOOPS = LogKind("redirects of what may have come by https", lines=1, seconds=60.0)
"""Requests whose proxy says https and is not believed: each would be redirected again and again."""


class HTTPSRedirect:
    """Redirects a request over plain HTTP to the same host, path and query over https.

    Behind a proxy that ends TLS the scheme is what the proxy says, if it is believed
    (`proxy_headers`, `forwarded_allow_ips`). WebSocket handshakes get 403: browsers follow no
    redirect there. Strict-Transport-Security is the business of SecurityHeaders.

    status: 308 and 307 keep method and body; 308 and 301 may be remembered by the client.
    host: where to send requests. By default it is the host that the request names, so use
        TrustedHosts before this part, or say it here.
    port: of https, if it is not 443.
    exempt: paths that are answered over plain HTTP: "/health", or "/.well-known/" for all below.

    Raise UsageError for another status, and for what can be no host, port or path.
    """

    name = "HTTPSRedirect"

    def __init__(
        self,
        *,
        status: int = 308,
        host: str | None = None,
        port: int = 443,
        exempt: Iterable[str] = (),
    ) -> None:
        if status not in _STATUSES:
            raise UsageError(
                f"status of HTTPSRedirect is {shown(status)}; expected 301, 302, 307 or 308"
            )
        if type(port) is not int or not 1 <= port <= 65_535:
            raise UsageError(f"port of HTTPSRedirect is {shown(port)}; expected 1 to 65535")
        if host is not None:
            found = host_of(host) if isinstance(host, str) else None  # type: ignore[redundant-expr]
            if found is None or found[1] is not None:
                raise UsageError(
                    f"host of HTTPSRedirect is {shown(host)}; expected a name such as "
                    "'example.com'; its port is port="
                )
            host = found[0]
        if isinstance(exempt, str):
            raise UsageError(f"exempt of HTTPSRedirect is {exempt!r}; write [{exempt!r}]")
        paths = list(exempt)
        for each in paths:
            if not isinstance(each, str) or not each.startswith("/"):  # type: ignore[redundant-expr]
                raise UsageError(
                    f"exempt of HTTPSRedirect has {shown(each)}; expected a path such as '/health'"
                )
        self._status = status
        self._host = host
        self._port = "" if port == 443 else f":{port}"
        self._exempt = frozenset(paths)
        self._below = tuple(each for each in paths if each.endswith("/"))

    def documentation(self, method: str) -> PartDocumentation:  # noqa: ARG002
        """Return what is said about it in the OpenAPI description of an operation."""
        return PartDocumentation(
            responses={self._status: "It is answered over HTTPS only.",
                       400: "The request names no host to be redirected to."},
            headers={self._status: {"Location": {"required": True, "schema": {"type": "string"}}}},
        )  # fmt: skip

    def request(self, ctx: Context) -> Stop | None:
        """Redirect what did not come over https."""
        request = ctx.request
        if request.scheme == "https":
            return None
        path = request.path
        if path in self._exempt or path.startswith(self._below):
            return None
        head = ctx.exchange.head
        if head is not None and is_websocket(head):
            raise HTTPError(403, "this WebSocket is open over wss:// only")
        host = self._host
        if host is None:
            found = host_of(request.host)
            if found is None:
                raise HTTPError(400, "the request names no host to be redirected to")
            host = found[0]
        if (request.headers.get("x-forwarded-proto") or "").strip().lower() == "https":
            ctx.link.host.log_limit.log(
                LOOPS,
                "warning",
                "HTTPSRedirect redirects a request whose X-Forwarded-Proto says https already, "
                "from a peer that is not believed: set proxy_headers and forwarded_allow_ips",
            )
        raw = request.raw_path
        target = "" if raw == "*" else request.root_path + raw
        if request.query_string or request.target.endswith("?"):
            target += f"?{request.query_string}"
        ctx.response.redirect(f"https://{host}{self._port}{target}", self._status)
        return STOP
