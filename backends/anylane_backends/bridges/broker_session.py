"""BrokerSession: one connection to a broker, from when it is open until it is lost.

This is all that differs between brokers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from anylane_backends.bridges.outbox import Message

Deliver = Callable[[str, bytes], None]
"""Takes a subject and a message that came in."""

Lose = Callable[[BaseException], None]
"""Takes why a connection was lost. It may be called more than once."""


class BrokerSession(Protocol):
    """All methods are awaited on the bridge's thread, one at a time, and may be cancelled. What one
    of them raises ends the session."""

    max_payload: int | None
    """Bytes that the broker takes, None if it did not say."""

    async def subscribe(self, subjects: Iterable[str]) -> None:
        """Subscribe, and return once the broker has all of them."""
        ...

    async def unsubscribe(self, subjects: Iterable[str]) -> None:
        """End subscriptions."""
        ...

    async def publish(self, messages: list[Message]) -> None:
        """Send messages in order, and return once the broker has them."""
        ...

    async def ping(self) -> None:
        """Return once the broker has answered on each connection."""
        ...

    async def close(self) -> None:
        """Close the connection. One that takes long is aborted."""
        ...
