"""RepeatCache: a bounded cache that admits a key the second time it is offered.

docs/performance.md says what each use of it is worth. It must never change an answer, only the time
that an answer takes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class RepeatCache(Generic[K, V]):
    """A cache of at most *limit* values, for keys that come more than once.

    A key that comes only once would push out one that comes often, and would cost the time to store
    and to drop it. So the first offer of a key leaves its hash only. The key is admitted when it is
    offered again before *limit* other keys were. A full cache is cleared: what comes often is back
    at once, and no use has to be recorded.

    Any thread may read and offer. Two threads that offer the same key at once store one value.

    get: `dict.get` of the cached values.
    """

    __slots__ = ("_cached", "_limit", "_seen", "get")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._cached: dict[K, V] = {}
        self._seen: set[int] = set()
        self.get: Callable[[K], V | None] = self._cached.get

    def __len__(self) -> int:
        return len(self._cached)

    def offer(self, key: K, value: V) -> None:
        """Store *value*, if *key* was offered before."""
        seen, trace = self._seen, hash(key)
        if trace in seen:
            if len(self._cached) >= self._limit and key not in self._cached:
                self._cached.clear()
            self._cached[key] = value
        else:
            if len(seen) >= self._limit:
                seen.clear()
            seen.add(trace)
