"""The other end of a connection: its address, and what TLS says about it. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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


@dataclass(frozen=True, kw_only=True, slots=True)
class ProxyInfo:
    """What a proxy says of its client in a header of the PROXY protocol: `ctx.request.proxy`."""

    version: int
    """The version of the header: 1 or 2."""
    address: Address = None
    """The socket address of the proxy itself."""
    client: Address = None
    """The client, as the socket module gives it. None if the proxy speaks for itself (LOCAL) or
    does not know (UNKNOWN)."""
    server: Address = None
    """The address that the client has connected to. None as for `client`."""
    alpn: str | None = None
    """The protocol that the client and the proxy have agreed upon (RFC 7301)."""
    server_name: str | None = None
    """The host that the client asked for (SNI). It is not verified."""
    unique_id: bytes | None = None
    """What the proxy calls this connection, 128 bytes at most."""
    tls: TlsInfo | None = None
    """How the connection between client and proxy is protected; None if it is not, or if the proxy
    does not say. Of a certificate there is the common name, if the proxy has verified it."""

    @property
    def names_client(self) -> bool:
        """Whether it says who the client is."""
        return self.client is not None


@dataclass(frozen=True, slots=True)
class Hosted:
    """What the other server says that carries an exchange of a channel."""

    root_path: str = ""
    """The prefix that it has taken off the path, percent-encoded."""
    state: Mapping[str, Any] = field(default_factory=dict)
    """What is on `ctx.state` when the exchange begins."""


Address = Any
"""As the socket module gives it: (host, port), (host, port, flow, scope), a path, or None."""
