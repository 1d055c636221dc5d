"""The other end of a connection: its address, and what TLS says about it. Plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class TlsInfo:
    """How a connection is protected, and the client that it was made with: `ctx.request.tls`."""

    version: str
    """The version of TLS: "TLSv1.2" or "TLSv1.3"."""
    cipher: str
    """The cipher suite by its OpenSSL name."""
    alpn: str | None = None
    """The protocol agreed upon (RFC 7301). None if the client offered none that is spoken."""
    server_name: str | None = None
    """The host that the client asked for (SNI, RFC 6066 §3). It is not verified."""
    peer_certificate: dict[str, Any] | None = None
    """The client's verified certificate, as `ssl.SSLSocket.getpeercert` returns it.

    None without `ssl_cert_reqs`, because clients are not asked for one then.
    """


Address = Any
"""As the socket module gives it: (host, port), (host, port, flow, scope), a path, or None."""
