"""Settings that go together, for two common places of a server; the rest stays at its default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anylane.config import Limits, Timeouts

STRICT: Mapping[str, Any] = {
    "max_connections": 1000,
    "request_timeout": 10.0,
    "limits": Limits(
        header_field=4 * 1024,
        header_section=16 * 1024,
        header_count=64,
        body=256 * 1024,
        message=64 * 1024,
    ),
    "timeouts": Timeouts(
        tls_handshake=5.0,
        head=5.0,
        body=10.0,
        keep_alive=5.0,
        write_stall=10.0,
        pong=10.0,
        linger=2.0,
        drain=10.0,
    ),
}
"""Little memory and little patience for each client: what a page or an API's JSON needs."""

RELAXED: Mapping[str, Any] = {
    "max_connections": 100_000,
    "request_timeout": 300.0,
    "limits": Limits(
        target=64 * 1024,
        header_field=64 * 1024,
        header_section=256 * 1024,
        header_count=1000,
        body=64 * 1024 * 1024,
        message=16 * 1024 * 1024,
    ),
    "timeouts": Timeouts(
        head=60.0, body=120.0, keep_alive=75.0, write_stall=120.0, pong=60.0, drain=60.0
    ),
}
"""Uploads, reports that take minutes, clients over slow links. nginx keeps idle ones for 75 s."""
