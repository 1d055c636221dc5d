"""Memory: what comes again and again, kept for the next time, bounded."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class RepeatCache(Generic[K, V]):
    """Up to `most` values, by keys that were offered more than once lately.

    What comes only once would take the place of what comes often, and the time to be forgotten
    again. So a key that is new leaves its hash, and is kept when it comes again before `most`
    others did. A full memory begins anew: what comes often is back at once.

    Any thread may ask: what two offer at once is kept once. get: as of a dict.
    """

    __slots__ = ("_kept", "_most", "_seen", "get")

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[K, V] = {}
        self._seen: set[int] = set()
        self.get = self._kept.get

    def __len__(self) -> int:
        return len(self._kept)

    def offer(self, key: K, value: V) -> None:
        """Keep it, if the key comes again."""
        seen, trace = self._seen, hash(key)
        if trace in seen:
            if len(self._kept) >= self._most and key not in self._kept:
                self._kept.clear()
            self._kept[key] = value
        else:
            if len(seen) >= self._most:
                seen.clear()
            seen.add(trace)
