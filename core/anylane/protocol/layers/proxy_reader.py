"""Reading of the PROXY protocol's header, of either version, from the first bytes that come."""

from __future__ import annotations

from anylane.protocol.layers import proxy_v1, proxy_v2
from anylane.protocol.layers.proxy_header import BadHeader, Found


def read_header(data: bytes, limit: int) -> Found | None:
    """Return the header that *data* begins with, or None while it is not whole.

    limit: bytes of a header of version 2 at most. Raise BadHeader as soon as it can be none.
    """
    if data.startswith(proxy_v2.SIGNATURE):
        return proxy_v2.read(data, limit)
    if data.startswith(proxy_v1.SIGNATURE):
        return proxy_v1.read(data)
    if proxy_v2.SIGNATURE.startswith(data) or proxy_v1.SIGNATURE.startswith(data):
        return None
    raise BadHeader(f"no PROXY header but {data[:40]!r}")
