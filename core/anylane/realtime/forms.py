"""Forms: what the items of one room are on a wire, each made once for all receivers of a kind."""

from __future__ import annotations

from _thread import allocate_lock
from collections.abc import Callable
from typing import Any


class Forms:
    """The forms of those items of a room that some receiver may still take.

    Receivers of several threads share it. It lives as long as one of them holds it.
    """

    __slots__ = ("__weakref__", "_lock", "_made")

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._made: dict[int, Any] = {}

    def of(self, number: int, oldest: int, make: Callable[[], Any]) -> Any:
        """Return the form of the item with that number; make it if it is the first time.

        oldest: the number of the oldest item that the room keeps. Forms of older ones are dropped.
        Raise what `make` raises; then nothing is kept. Two threads may both make one.
        """
        made = self._made.get(number)
        if made is not None:
            return made
        made = make()
        dropped: list[Any] = []  # Until the lock is released: an item's `__del__` may send.
        with self._lock:
            self._made[number] = made
            while self._made and (first := next(iter(self._made))) < oldest:
                dropped.append(self._made.pop(first))
        return made
