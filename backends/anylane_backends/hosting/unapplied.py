"""Settings that were set and have no effect here, each with its reason, for the operator."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

from anylane.config.server_config import ServerConfig
from anylane.lane.backend import Backend
from anylane_backends.sockets.sockets import UNIX

_SOMAXCONN = Path("/proc/sys/net/core/somaxconn")


_TCP_ONLY = ("ttl", "linger")


_BY_ADDRESS = ("max_connections_per_address", "max_connections_per_network")


def unapplied(
    config: ServerConfig, backend: Backend, listeners: list[socket.socket]
) -> Iterator[str]:
    """Yield one line for each setting that has no effect on this backend or these listeners.

    A setting that has its default value is never named, because it was not asked for.
    """
    default = ServerConfig()

    def asked_for(name: str) -> bool:
        return bool(getattr(config, name) != getattr(default, name))

    # `ignores` is optional: setting -> why it has no effect on the backend.
    for name, why in getattr(backend, "ignores", {}).items():
        if asked_for(name):
            yield f"{name} has no effect: {why}"
    if all(each.family == UNIX for each in listeners):
        # A header of the PROXY protocol names addresses on a unix socket, too.
        for name in _TCP_ONLY + (() if config.proxy_protocol else _BY_ADDRESS):
            if asked_for(name):
                yield f"{name} has no effect: it is TCP's, and only unix sockets are served"
    if asked_for("forwarded_allow_ips") and not (config.proxy_headers or config.proxy_protocol):
        yield "forwarded_allow_ips has no effect: proxy_headers and proxy_protocol are off"
    if config.ssl_ciphers is not None and config.ssl_min_version == "TLSv1.3":
        yield "ssl_ciphers has no effect: it is for TLS 1.2, and ssl_min_version is TLSv1.3"
    limit = _somaxconn()
    if asked_for("backlog") and limit is not None and config.backlog > limit:
        yield f"backlog is {limit}, not {config.backlog}: raise net.core.somaxconn"


def _somaxconn() -> int | None:
    try:
        return int(_SOMAXCONN.read_text(encoding="ascii"))
    except (OSError, ValueError):  # Not Linux.
        return None
