"""ServerSettings: the fields of ServerConfig, for functions that take them by keyword.

Type checkers alone read it. tests/config/test_server_settings.py holds the two together.
"""

from __future__ import annotations

from typing import TypedDict

from anylane.config.limits import Deflate, Limits, Timeouts


class ServerSettings(TypedDict, total=False):
    """What `app.run`, `ServerConfig.strict` and `.relaxed` take. ServerConfig says what each is."""

    host: str
    port: int
    uds: str | None
    uds_mode: int
    fd: int | None
    bind: tuple[str, ...]
    backlog: int
    nodelay: bool
    ttl: int | None
    linger: int | None
    http_buffer_size: int | None
    ws_buffer_size: int | None
    max_connections: int
    max_connections_per_address: int | None
    max_connections_per_network: int | None
    when_full: str
    max_threads: int
    request_timeout: float
    eager: bool
    express: bool
    headers: tuple[tuple[str, str], ...]
    cors_origins: tuple[str, ...]
    compression: bool
    root_path: str
    proxy_headers: bool
    forwarded_allow_ips: tuple[str, ...]
    proxy_protocol: bool
    ssl_certfile: str | None
    ssl_keyfile: str | None
    ssl_keyfile_password: str | None
    ssl_ca_certs: str | None
    ssl_cert_reqs: str
    ssl_ciphers: str | None
    ssl_min_version: str
    limits: Limits
    timeouts: Timeouts
    deflate: Deflate
