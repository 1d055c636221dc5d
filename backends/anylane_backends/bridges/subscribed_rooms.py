"""SubscribedRooms: the rooms of a bridge, and those of them that the broker has to know."""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import Any
from weakref import WeakValueDictionary

from anylane.errors import HTTPError, UsageError
from anylane_backends.bridges.bridged_rooms import BridgedRoom


class SubscribedRooms:
    """Rooms by subject. They are held weakly, as those of `Rooms` are.

    max_rooms: rooms that may have a subscription at once.
    """

    def __init__(self, max_rooms: int) -> None:
        self._max_rooms = max_rooms
        # Re-entrant, because a finalizer may ask for a room (see Broadcast).
        self._lock = RLock()
        self._rooms: WeakValueDictionary[str, BridgedRoom[Any]] = WeakValueDictionary()
        # Subject -> whether the room was empty when it was looked at last.
        self._wanted: dict[str, bool] = {}

    def find(self, subject: str) -> BridgedRoom[Any] | None:
        """Return the room of a subject, None if there is none."""
        return self._rooms.get(subject)

    def get(self, subject: str, make: Callable[[], BridgedRoom[Any]]) -> BridgedRoom[Any]:
        """Return the room of a subject, made if there is none.

        Raise UsageError if it has another capacity or on_lag than the one that would be made.
        """
        fresh = make()
        with self._lock:
            room = self._rooms.setdefault(subject, fresh)
        if (room.capacity, room.on_lag) != (fresh.capacity, fresh.on_lag):
            raise UsageError(
                f"the room {subject!r} was made with capacity={room.capacity} and "
                f"on_lag={room.on_lag!r}; ask for it with the same"
            )
        return room

    def expect(self, subject: str) -> bool:
        """Want a room, and return whether it was not wanted before.

        Raise HTTPError 503 if too many are.
        """
        with self._lock:
            is_new = subject not in self._wanted
            if is_new and len(self._wanted) >= self._max_rooms:
                for each in [each for each in self._wanted if self._is_empty(each)]:
                    del self._wanted[each]
                if len(self._wanted) >= self._max_rooms:
                    raise HTTPError(503, "too many rooms are open; try again later")
            self._wanted[subject] = False
        return is_new

    def drop_empty(self) -> None:
        """Want no more what was empty at the last call, and is still."""
        with self._lock:
            for subject, was_empty in tuple(self._wanted.items()):
                is_empty = self._is_empty(subject)
                if was_empty and is_empty:
                    del self._wanted[subject]
                else:
                    self._wanted[subject] = is_empty

    def wanted(self) -> set[str]:
        """Return the subjects that the broker has to know."""
        with self._lock:
            return set(self._wanted)

    def _is_empty(self, subject: str) -> bool:
        room = self._rooms.get(subject)
        return room is None or not room.receivers
