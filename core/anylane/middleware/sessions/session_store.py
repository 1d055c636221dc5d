"""SessionStore: where sessions are kept if not in the cookie itself."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class SessionStore(Protocol):
    """Keeps what sessions hold on the server. The cookie then holds only a key.

    Its methods are awaited in the task of the exchange that needs them. What one raises is a logged
    500. It may be used from any thread, and by many requests of one session at once: the last one
    that writes counts.
    """

    async def get(self, key: str) -> bytes | None:
        """Return what was kept under a key, or None if there is nothing or its time is over."""
        ...

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """Keep a value for that many seconds, in the place of what was kept before."""
        ...

    async def delete(self, key: str) -> None:
        """Forget what is kept under a key. Harmless if there is nothing."""
        ...
