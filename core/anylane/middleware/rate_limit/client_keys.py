"""Client keys: which requests are of the same client."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any

from anylane.errors import UsageError
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.handling.context import Context

MAX_KEY = 128
"""Characters of a key. A longer one is kept as its hash: a client may decide how long it is."""


def client_key(ctx: Context) -> str:
    """Return the network of the client: its IPv4 address, or the first 64 bits of its IPv6 address,
    because one customer of a provider has all behind them (RFC 6177 §2).

    All clients of a unix socket are one, unless `ServerConfig.proxy_headers` tells them apart.
    """
    client = ctx.request.client
    host: object = client[0] if isinstance(client, tuple) and client else None
    if not isinstance(host, str):
        return "unix"
    if ":" not in host:
        return host
    try:
        address = IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    mapped = address.ipv4_mapped
    return str(mapped) if mapped is not None else address.packed[:8].hex()


def user_key(ctx: Context) -> str:
    """Return what tells the user from others: `sub` and `iss` of claims, a str or an int itself, or
    its attribute `id`. Anonymous users count by their network.

    Raise UsageError for a user that has none of these.
    """
    user = ctx.user
    if user is None:
        return f"client {client_key(ctx)}"
    found: Any = user
    if isinstance(user, Mapping):
        subject = user.get("sub")
        found = None if subject is None else f"{user.get('iss', '')} {subject}"
    elif not isinstance(user, str | int):
        found = getattr(user, "id", None)
    if found is None or isinstance(found, bool):
        raise UsageError(
            f"RateLimit(key='user') cannot tell users apart by a {type(user).__name__}; expected "
            "claims with `sub`, a str, an int, or an object with an `id`. Or give a function: "
            "key=lambda ctx: ctx.user.name"
        )
    return f"user {found}"


def bounded(key: str) -> str:
    """Return a key that is short enough to be kept."""
    if len(key) <= MAX_KEY:
        return key
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def checked(key: object, where: str) -> str | None:
    """Return what a function of the application's gave as a key; None if the request is not to be
    counted. Raise UsageError for anything that is no key. where: the function, for the message."""
    if key is None or isinstance(key, str):
        return key
    if isinstance(key, int) and not isinstance(key, bool):
        return str(key)
    raise UsageError(
        f"{where} returned {shown(key)}; expected a str or an int that is the same for the same "
        "client, or None to count nothing"
    )
