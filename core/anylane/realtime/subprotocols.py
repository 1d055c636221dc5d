"""Which subprotocol a WebSocket gets (RFC 6455 §4.2.2), also where one carries a credential.

A browser cannot set headers at a handshake. So clients put a token among the subprotocols, behind a
name that says what it is: `bearer, <token>`. The name may be answered, the token never.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from anylane.errors import UsageError


class Credential(NamedTuple):
    """A credential among the subprotocols that a client offers."""

    name: str
    """The name in front of it, which is the answer where nothing else is spoken."""
    secret: str
    """The credential itself."""


def offered(lines: Iterable[str]) -> list[str]:
    """Return what the client offers in Sec-WebSocket-Protocol, in its order."""
    return [name for part in ",".join(lines).split(",") if (name := part.strip())]


def settled(
    chosen: str | None, spoken: tuple[str, ...], lines: Iterable[str], credential: Credential | None
) -> str | None:
    """Return the subprotocol to answer with, or None.

    chosen: what the handler asks for; it counts. spoken: those of the route; the client's first
    choice among them is next. credential: its name is the last choice, without which a browser
    would give up the connection. Raise UsageError where the handler has chosen the credential.
    """
    secret = None if credential is None else credential.secret
    if chosen is not None:
        if chosen == secret:
            raise UsageError(
                "the handler accepts with the token of the client as subprotocol, which would send "
                "it back; leave subprotocol out"
            )
        return chosen
    if spoken:
        for name in offered(lines):
            if name in spoken and name != secret:
                return name
    return None if credential is None else credential.name
