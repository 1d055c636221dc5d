"""Rooms: broadcasts by key. A room without receivers takes no memory.

It never decides what is sent; a room is an ordinary Broadcast.
"""

from __future__ import annotations

from _thread import RLock
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

from anylane.realtime.broadcast import Broadcast, OnLag

T = TypeVar("T")


class Rooms(Generic[T]):
    """Broadcasts by key: `rooms["general"]` is the same one for everything that asks for it.

    A room exists as long as it has a subscription or is held, so nothing piles up. `for key in
    rooms`, `key in rooms` and `len(rooms)` are about rooms with receivers. Any thread may ask.

    capacity, on_lag: of each room, as for `Broadcast`. Raises UsageError for a value out of its
        bounds.
    """

    def __init__(self, capacity: int = 1024, on_lag: OnLag = "drop_oldest") -> None:
        self._capacity = capacity
        self._on_lag: OnLag = on_lag
        # Re-entrant, because a finalizer may ask for a room (see Broadcast).
        self._lock = RLock()
        self._rooms: WeakValueDictionary[Hashable, Broadcast[T]] = WeakValueDictionary()
        Broadcast(capacity, on_lag)  # A bad option is an error here, not for the first receiver.

    def __getitem__(self, key: Hashable) -> Broadcast[T]:
        """Return the room of that key, any hashable value. It is made if there is none."""
        room = self._rooms.get(key)
        if room is None:
            fresh: Broadcast[T] = Broadcast(self._capacity, self._on_lag)
            with self._lock:
                room = self._rooms.setdefault(key, fresh)
        return room

    def pair(self, one: Hashable, other: Hashable) -> Broadcast[T]:
        """Return the room of two keys, in whatever order they are named.

        Its own key is `frozenset((one, other))`.
        """
        return self[frozenset((one, other))]

    @property
    def receivers(self) -> int:
        """The number of live subscriptions in all rooms together."""
        return sum(room.receivers for _, room in self._snapshot())

    def __contains__(self, key: Hashable) -> bool:
        room = self._rooms.get(key)
        return room is not None and room.receivers > 0

    def __iter__(self) -> Iterator[Hashable]:
        return iter([key for key, room in self._snapshot() if room.receivers])

    def __len__(self) -> int:
        return sum(room.receivers > 0 for _, room in self._snapshot())

    def _snapshot(self) -> list[tuple[Hashable, Broadcast[T]]]:
        """Return the rooms that exist now, as a list."""
        with self._lock:
            return list(self._rooms.items())
