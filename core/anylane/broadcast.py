"""Broadcast: one sender, many receivers, from any thread, on any lane.

`send` never blocks and never waits: a receiver that lags loses its oldest items, or is closed,
as the room was told.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Generic, Literal, TypeVar, cast

from anylane.errors import AnylaneError, UsageError
from anylane.link import Link, current_link
from anylane.source import ENDED, PENDING

T = TypeVar("T")
OnLag = Literal["drop_oldest", "close", "error"]


class Lagged(AnylaneError):
    """A subscription with `on_lag="error"` lost items: `count` since the last item it gave."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count

    def __str__(self) -> str:
        return f"the subscription lost {self.count} items; receive faster or raise the capacity"


class Broadcast(Generic[T]):
    """A room. capacity: items kept for each receiver that has not taken them.

    on_lag: what happens to a receiver that is `capacity` behind: "drop_oldest" counts in
        `subscription.lagged`, "close" ends its iteration, "error" raises Lagged there.
    """

    def __init__(self, capacity: int = 1024, on_lag: OnLag = "drop_oldest") -> None:
        if not isinstance(capacity, int) or capacity < 1:  # type: ignore[redundant-expr]
            raise UsageError(f"Broadcast capacity is {capacity!r}; expected an int from 1")
        if on_lag not in ("drop_oldest", "close", "error"):
            raise UsageError(
                f"Broadcast on_lag is {on_lag!r}; expected 'drop_oldest', 'close' or 'error'"
            )
        self.capacity = capacity
        self.on_lag: OnLag = on_lag
        self._lock = allocate_lock()
        self._subscriptions: dict[Subscription[T], None] = {}

    @property
    def receivers(self) -> int:
        """How many live subscriptions there are."""
        return len(self._subscriptions)

    def send(self, item: T) -> int:
        """Give it to every live subscription; returns how many there were.

        From any thread; not from a signal handler, which may interrupt a send on its own thread.
        """
        wake: list[Link] = []
        # Kept until the lock is released: an item's `__del__` may send in turn.
        dropped: list[T] = []
        with self._lock:
            count = len(self._subscriptions)
            for subscription in tuple(self._subscriptions):
                subscription._push(item, dropped)
                wake.extend(subscription._links)
        for link in wake:
            link.wake()
        return count

    @contextmanager
    def subscribe(self) -> Generator[Subscription[T]]:
        """Everything that is sent from this moment until the block is left."""
        subscription = Subscription(self)
        with self._lock:
            self._subscriptions[subscription] = None
        try:
            yield subscription
        finally:
            with self._lock:
                subscription._end()

    def _drop(self, subscription: Subscription[T]) -> None:
        self._subscriptions.pop(subscription, None)


class Subscription(Generic[T]):
    """One receiver: `async for item in subscription`, or a source of `ctx.select`.

    lagged: how many items it has lost.
    """

    __slots__ = ("_items", "_links", "_lost", "_open", "_room", "lagged")

    def __init__(self, room: Broadcast[T]) -> None:
        self._room = room
        self._items: deque[T] = deque()
        self._links: list[Link] = []
        self._open = True
        self._lost = 0
        self.lagged = 0

    def __len__(self) -> int:
        """How many items wait."""
        return len(self._items)

    def poll(self) -> Any:
        """For `ctx.select`: an item, PENDING or ENDED; raises Lagged with on_lag="error"."""
        with self._room._lock:
            if self._lost and self._room.on_lag == "error":
                lost, self._lost = self._lost, 0
                raise Lagged(lost)
            if self._items:
                return self._items.popleft()
            return PENDING if self._open else ENDED

    def attach(self, link: Link) -> None:
        with self._room._lock:
            self._links.append(link)

    def detach(self, link: Link) -> None:
        with self._room._lock:
            self._links.remove(link)

    def __aiter__(self) -> Subscription[T]:
        return self

    async def __anext__(self) -> T:
        item = self.poll()
        if item is PENDING:
            link = current_link.get(None)
            if link is None:
                raise UsageError(
                    "a subscription can only be awaited inside a handler: it waits on the "
                    "handler's own lane"
                )
            self.attach(link)
            try:
                while (item := self.poll()) is PENDING:
                    link.exchange.check()
                    await link.wait()
            finally:
                self.detach(link)
        if item is ENDED:
            raise StopAsyncIteration
        return cast(T, item)

    # Called with the room's lock held.

    def _push(self, item: T, dropped: list[T]) -> None:
        if len(self._items) >= self._room.capacity:
            self._lost += 1
            self.lagged += 1
            if self._room.on_lag == "close":
                self._end()
                return
            dropped.append(self._items.popleft())
        self._items.append(item)

    def _end(self) -> None:
        self._open = False
        self._room._drop(self)


class Rooms(Generic[T]):
    """Broadcasts by key: `rooms["general"]`; made when first asked for.

    A room that nobody has subscribed to and nobody holds is forgotten by `prune()`.
    """

    def __init__(self, capacity: int = 1024, on_lag: OnLag = "drop_oldest") -> None:
        self._capacity = capacity
        self._on_lag: OnLag = on_lag
        self._lock = allocate_lock()
        self._rooms: dict[Any, Broadcast[T]] = {}

    def __getitem__(self, key: Any) -> Broadcast[T]:
        with self._lock:
            room = self._rooms.get(key)
            if room is None:
                room = self._rooms[key] = Broadcast(self._capacity, self._on_lag)
            return room

    def pair(self, one: Any, other: Any) -> Broadcast[T]:
        """The room of two; the order does not matter."""
        return self[frozenset((one, other))]

    def prune(self) -> int:
        """Forget rooms without receivers; returns how many."""
        with self._lock:
            empty = [key for key, room in self._rooms.items() if not room.receivers]
            for key in empty:
                del self._rooms[key]
            return len(empty)

    def __len__(self) -> int:
        return len(self._rooms)
