"""The other end of a connection: its address, and what TLS says about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class TlsInfo:
    """`ctx.request.tls`: how this connection is protected, and who the client is."""

    version: str
    """"TLSv1.2" or "TLSv1.3"."""
    cipher: str
    """The cipher suite by its OpenSSL name."""
    alpn: str | None = None
    """The protocol agreed upon (RFC 7301), None when the client offered none that is spoken."""
    server_name: str | None = None
    """The host the client asked for (SNI, RFC 6066 §3); not verified."""
    peer_certificate: dict[str, Any] | None = None
    """The client's certificate as `ssl.SSLSocket.getpeercert` gives it. It was verified: without
    `ssl_cert_reqs` clients are not asked for one, and this is None."""


Address = Any
"""As the socket module gives it: (host, port), (host, port, flow, scope), a path, or None."""
