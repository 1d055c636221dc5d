"""BridgedRoom and BridgedRooms: a Broadcast, and Rooms, of which each process has its end."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Hashable
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

from anylane.errors import UsageError
from anylane.realtime.broadcast import Broadcast, OnLag, Subscription
from anylane.realtime.rooms import Rooms
from anylane.shown import shown

T = TypeVar("T")

MAX_SUBJECT = 200
"""Characters of a subject. Longer names of rooms travel as their hash."""

# What NATS takes as a subject (without its wildcards * and >) and Valkey as a channel.
_SUBJECT = re.compile(r"[!-)+-=?-~]+")
_PREFIX = re.compile(r"[!-)+-=?-~]*")


class RoomOwner(Protocol):
    """What a room asks of its bridge."""

    def encode(self, item: Any) -> bytes:
        """Return an item as it travels. Raise UsageError for one that cannot."""
        ...

    def publish(self, subject: str, data: bytes) -> None:
        """Send a message to the other processes. Never block."""

    def expect(self, subject: str) -> None:
        """Have messages of a subject come in. Raise HTTPError 503 where there are too many."""

    def room(self, subject: str, capacity: int, on_lag: OnLag) -> BridgedRoom[Any]:
        """Return the room of a subject."""
        ...


class BridgedRoom(Broadcast[T]):
    """A Broadcast whose `send` also reaches the subscribers in other processes.

    What it returns is the number of subscriptions in this process: nothing tells how many others
    there are. Subscriptions here get the item itself, at once.
    """

    def __init__(self, owner: RoomOwner, subject: str, capacity: int, on_lag: OnLag) -> None:
        super().__init__(capacity, on_lag)
        self._owner = owner
        self.subject = subject

    def send(self, item: T) -> int:
        """Give *item* to every live subscription in this process and in all others that have a
        bridge to the same broker. Return how many there are in this process.

        It never blocks, and may be called from any thread. Other processes get it at most once, and
        in the order in which this one sends. While there is no broker, before the bridge starts and
        after it stops, they do not get it, and it is counted in `bridge.lost`.

        Raise UsageError, with nothing sent, for an item that would arrive as something else, and
        for one over `max_payload`.
        """
        data = self._owner.encode(item)
        receivers = super().send(item)
        self._owner.publish(self.subject, data)
        return receivers

    def deliver(self, item: T) -> None:
        """Give an item that came from another process to the subscriptions in this one."""
        super().send(item)

    def subscribe(self) -> Subscription[T]:
        """Return a subscription, as that of a Broadcast. What other processes send is among its
        items as soon as the broker knows of it, milliseconds later.

        Raise HTTPError 503 where the process has `max_rooms` rooms with a subscription already.
        """
        self._owner.expect(self.subject)
        return super().subscribe()


class BridgedRooms(Rooms[T]):
    """Rooms by key, each of which is one room in all processes. A key is a str, of any characters:
    what has a meaning for the broker is escaped. So `bridge.rooms("chat.")["lobby"]` is
    `bridge.room("chat.lobby")`."""

    def __init__(self, owner: RoomOwner, prefix: str, capacity: int, on_lag: OnLag) -> None:
        super().__init__(capacity, on_lag)
        self._owner = owner
        self._prefix = prefix

    def __getitem__(self, key: Hashable) -> Broadcast[T]:
        """Return the room of a key. Raise UsageError for one that is no str (see `pair` too)."""
        room = self._rooms.get(key)
        if room is None:
            subject = self._prefix + _token(key)
            fresh = self._owner.room(subject, self._capacity, self._on_lag)
            with self._lock:
                room = self._rooms.setdefault(key, fresh)
        return room


def _token(key: Hashable) -> str:
    """Return what stands for a key in a subject."""
    if isinstance(key, str):
        token = _escaped(key)
    elif isinstance(key, frozenset) and key and all(isinstance(each, str) for each in key):
        # Two that are the same make a set of one.
        names = sorted(map(_escaped, key))
        token = f"{names[0]}&{names[-1]}"
    else:
        raise UsageError(
            f"a key of bridge.rooms() is {shown(key)}; expected a str: other processes have to "
            "find the same room by it"
        )
    if not token:
        raise UsageError("a key of bridge.rooms() is empty; expected a name")
    if len(token) <= MAX_SUBJECT // 2:
        return token
    return "=" + hashlib.sha256(token.encode()).hexdigest()


def _escaped(name: str) -> str:
    # quote() leaves the dot, which divides subjects, alone.
    return quote(name, safe="", errors="surrogatepass").replace(".", "%2E")


def checked_subject(subject: object) -> str:
    """Return a subject that every broker takes. Raise UsageError for any other."""
    if (
        not isinstance(subject, str)
        or not _SUBJECT.fullmatch(subject)
        or not all(subject.split("."))
        or len(subject) > MAX_SUBJECT
    ):
        raise UsageError(
            f"the subject of a room is {shown(subject)}; expected 1 to {MAX_SUBJECT} printable "
            "ASCII characters without blanks, * and >, in parts between dots such as 'chat.lobby'"
        )
    return subject


def checked_prefix(prefix: object) -> str:
    """Return what the subjects of several rooms begin with. Raise UsageError for what cannot be."""
    if (
        not isinstance(prefix, str)
        or not _PREFIX.fullmatch(prefix)
        or ".." in prefix
        or prefix.startswith(".")
        or len(prefix) > MAX_SUBJECT // 2
    ):
        raise UsageError(
            f"the prefix of rooms is {shown(prefix)}; expected up to {MAX_SUBJECT // 2} printable "
            "ASCII characters without blanks, * and >, such as 'chat.'"
        )
    return prefix
