"""MemoryStore: sessions in the memory of this one process.

Another process, such as a second worker, does not see them, and they end with it.
"""

from __future__ import annotations

from _thread import allocate_lock

from anylane.errors import UsageError
from anylane.middleware.expiring import Expiring, core_clock
from anylane.shown import shown

MAX_SESSIONS = 10_000
"""Sessions that are kept. With one more, the one goes that was written longest ago, and its client
is logged out."""

MAX_BYTES = 64 * 1024 * 1024
"""Bytes of all sessions together, for the same reason."""


class MemoryStore:
    """A `SessionStore` for one process, for tests and small services.

    max_sessions: how many are kept. max_bytes: how large all of them may be. Beyond either, those
        go that were written longest ago.
    """

    def __init__(self, *, max_sessions: int = MAX_SESSIONS, max_bytes: int = MAX_BYTES) -> None:
        for name, value in (("max_sessions", max_sessions), ("max_bytes", max_bytes)):
            if not isinstance(value, int) or value < 1:  # type: ignore[redundant-expr]
                raise UsageError(f"{name} of MemoryStore is {shown(value)}; expected 1 or more")
        self._max_bytes = max_bytes
        self._table: Expiring[bytes] = Expiring(max_sessions)
        self._bytes = 0
        self._lock = allocate_lock()

    def __len__(self) -> int:
        return len(self._table)

    async def get(self, key: str) -> bytes | None:
        """Return what was kept under a key, or None."""
        with self._lock:
            return self._table.get(key, core_clock())

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """Keep a value for that many seconds on the core's clock."""
        now = core_clock()
        with self._lock:
            gone = self._table.set(key, value, now + ttl, now)
            self._bytes += len(value) - sum(map(len, gone))
            while self._bytes > self._max_bytes and self._table:
                self._bytes -= len(self._table.pop_oldest())

    async def delete(self, key: str) -> None:
        """Forget what is kept under a key."""
        with self._lock:
            self._bytes -= len(self._table.pop(key) or b"")
