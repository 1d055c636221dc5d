"""Expiring: a bounded table whose entries end by themselves."""

from __future__ import annotations

from itertools import islice
from typing import Generic, TypeVar

from anylane.errors import UsageError
from anylane.lane.link import current_link

V = TypeVar("V")

_SWEPT = 2
"""Entries that are looked at with each write, the ones that were written longest ago. Two for each
one that comes: so what has expired is gone before long, and no write takes long."""


class Expiring(Generic[V]):
    """Values by key, each until a moment. It has no lock: its owner has.

    max_items: with one more, the value goes that was written longest ago.
    """

    __slots__ = ("_items", "_max_items")

    def __init__(self, max_items: int) -> None:
        self._max_items = max_items
        self._items: dict[str, tuple[V, float]] = {}

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: str, now: float) -> V | None:
        """Return a value; None if there is none, or its time is over."""
        found = self._items.get(key)
        return None if found is None or found[1] <= now else found[0]

    def set(self, key: str, value: V, until: float, now: float) -> list[V]:
        """Keep a value until that moment. Return the values that had to go for it, its own before
        among them."""
        items = self._items
        before = items.pop(key, None)
        gone = [] if before is None else [before[0]]
        items[key] = value, until
        for oldest in tuple(islice(items, _SWEPT)):
            if items[oldest][1] > now and len(items) <= self._max_items:
                break
            gone.append(items.pop(oldest)[0])
        return gone

    def pop(self, key: str) -> V | None:
        """Take a value out and return it; None if there is none."""
        found = self._items.pop(key, None)
        return None if found is None else found[0]

    def pop_oldest(self) -> V:
        """Take out the value that was written longest ago. Raise KeyError if there is none."""
        for key in self._items:
            return self._items.pop(key)[0]
        raise KeyError("the table is empty")


def core_clock() -> float:
    """Return the core's clock of the request that runs, in seconds. Raise UsageError outside of
    one."""
    link = current_link.get(None)
    if link is None:
        raise UsageError(
            "a store in memory takes the clock of the request that runs, and none does here; use "
            "it in a handler, a hook or background work"
        )
    return link.now()
