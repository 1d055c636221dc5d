"""Rooms: broadcasts by key. A room that nobody is in is nowhere."""

from __future__ import annotations

from _thread import RLock
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

from anylane.realtime.broadcast import Broadcast, OnLag

T = TypeVar("T")


class Rooms(Generic[T]):
    """`rooms["general"]` is a Broadcast, the same for everybody who is in or holds it.

    capacity, on_lag: of each room. A room exists as long as somebody subscribes to it or holds
    it, so nothing piles up. `for key in rooms`, `key in rooms` and `len(rooms)` are about rooms
    with receivers.
    """

    def __init__(self, capacity: int = 1024, on_lag: OnLag = "drop_oldest") -> None:
        self._capacity = capacity
        self._on_lag: OnLag = on_lag
        # Re-entered where a finalizer asks for a room (see Broadcast).
        self._lock = RLock()
        self._rooms: WeakValueDictionary[Hashable, Broadcast[T]] = WeakValueDictionary()
        Broadcast(capacity, on_lag)  # A bad option is told here, not to the first who comes.

    def __getitem__(self, key: Hashable) -> Broadcast[T]:
        room = self._rooms.get(key)
        if room is None:
            fresh: Broadcast[T] = Broadcast(self._capacity, self._on_lag)
            with self._lock:
                room = self._rooms.setdefault(key, fresh)
        return room

    def pair(self, one: Hashable, other: Hashable) -> Broadcast[T]:
        """The room of two; the order does not matter. Its key is `frozenset((one, other))`."""
        return self[frozenset((one, other))]

    @property
    def receivers(self) -> int:
        """How many live subscriptions there are in all rooms together."""
        return sum(room.receivers for _, room in self._snapshot())

    def __contains__(self, key: Hashable) -> bool:
        room = self._rooms.get(key)
        return room is not None and room.receivers > 0

    def __iter__(self) -> Iterator[Hashable]:
        return iter([key for key, room in self._snapshot() if room.receivers])

    def __len__(self) -> int:
        return sum(room.receivers > 0 for _, room in self._snapshot())

    def _snapshot(self) -> list[tuple[Hashable, Broadcast[T]]]:
        with self._lock:
            return list(self._rooms.items())
