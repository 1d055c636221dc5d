"""Broadcast: one sender, many receivers, from any thread, on any lane.

`send` never blocks and never waits. A receiver that lags loses its oldest items or is closed, as
the room was told. The sender does nothing once for each receiver: items are kept once, each
subscription is a position among them, and each runtime is woken once.
"""

from __future__ import annotations

from _thread import RLock
from collections import deque
from collections.abc import Callable, Hashable
from functools import partial
from itertools import count, islice
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeVar, cast
from weakref import WeakValueDictionary, ref

from anylane.errors import AnylaneError, UsageError
from anylane.lane.link import Link, current_link
from anylane.lane.wake_queue import WakeQueue
from anylane.realtime.item_forms import ItemForms
from anylane.realtime.position import Position
from anylane.realtime.source import ENDED, PENDING
from anylane.realtime.waiters import Waiter, Waiters

T = TypeVar("T")

OnLag = Literal["drop_oldest", "close", "error"]
"""What happens to a receiver that lags."""

Gone = list[Any]
"""Items on their way out, kept until the lock is released: an item's `__del__` may send."""


class Lagged(AnylaneError):
    """A subscription of a room with `on_lag="error"` lost items.

    It is raised once; the subscription then goes on with the oldest item that is still kept.

    count: how many items, since the last one that it gave.
    """

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count

    def __str__(self) -> str:
        return f"the subscription lost {self.count} items; receive faster or raise the capacity"


class Broadcast(Generic[T]):
    """A room: what is sent goes to all of its subscriptions.

    Raises UsageError for a capacity that is no int from 1, and for another *on_lag*.

    capacity: items kept for each receiver that has not taken them.
    on_lag: what happens to a receiver that is *capacity* items behind when one more is sent.
        "drop_oldest" counts the lost item in `subscription.lagged`. "error" counts it and raises
        Lagged in that receiver. "close" ends the receiver's iteration after what it has. In
        `ctx.select` use "error", because an ended source is dropped there without an error.
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
        # Items are numbered. `_items` are those from number `_first` on that some subscription has
        # not taken. `_at[i]` says how many subscriptions take number `_first + i` next, and its
        # last element how many have taken all. One that lags is counted at `_first`, and finds
        # that out at its next `poll`.
        self._items: deque[T] = deque()
        self._at: deque[int] = deque((0,))
        self._first = 0
        self._lost = 0
        self._open: dict[int, ref[Subscription[T]]] = {}
        self._numbers = count()
        # Held for every change. A signal handler, or a finalizer that the garbage collector calls,
        # may interrupt a change and ask for another on the same thread. An ordinary lock would hang
        # there. This one admits it, and it finds `_changing` set and queues its change in `_later`.
        self._lock = RLock()
        self._waiters = Waiters(self._lock)
        self._changing = False
        self._later: deque[Callable[[Gone], object]] = deque()
        self._forms: WeakValueDictionary[Hashable, ItemForms] = WeakValueDictionary()

    @property
    def receivers(self) -> int:
        """The number of live subscriptions."""
        return len(self._open)

    @property
    def lagged(self) -> int:
        """The number of items that its subscriptions have lost so far, all of them together."""
        return self._lost

    def send(self, item: T) -> int:
        """Give *item* to every live subscription, and return how many there were.

        It never blocks, and may be called from any thread, a signal handler or a finalizer. It
        takes as long for ten thousand receivers as for one. All of them get the same object.
        """
        receivers = self._change(partial(self._append, item))
        self._waiters.wake()
        return len(self._open) if receivers is None else receivers

    def subscribe(self) -> Subscription[T]:
        """Return a subscription to everything that is sent from now on.

        It ends when its block is left:

        `with room.subscribe() as subscription: async for item in subscription: ...`
        """
        return Subscription(self)

    # -- changes, one at a time -----------------------------------------------------------------

    def _change(self, change: Callable[[Gone], int]) -> int | None:
        """Make a change, and return what it returns.

        None says that it interrupts another change, after which it is made.
        """
        gone: Gone = []
        with self._lock:
            if self._changing:
                self._later.append(change)
                return None
            self._changing = True
            try:
                result = change(gone)
            finally:
                self._changing = False
            if self._later:
                self._make_later(gone)
            return result

    def _make_later(self, gone: Gone) -> None:
        """Make the changes that interrupted this one."""
        # A change that comes after the last look finds none under way, and is made at once.
        while self._later:
            self._changing = True
            try:
                self._later.popleft()(gone)
            finally:
                self._changing = False

    def _enter(self, subscription: Subscription[T], _: Gone) -> int:
        """Add a subscription, at the end of the items."""
        subscription._next = self._first + len(self._items)
        self._open[subscription._number] = ref(subscription)
        self._at[-1] += 1
        return 0

    def _leave(self, number: int, following: int, gone: Gone) -> int:
        """Remove a subscription, whose next item has the number *following*."""
        if self._open.pop(number, None) is not None:
            self._at[max(0, following - self._first)] -= 1
            self._trim(gone)
        return 0

    def _append(self, item: T, gone: Gone) -> int:
        """Add an item, and return how many receivers there were."""
        receivers = len(self._open)
        if len(self._items) >= self.capacity:
            if self.on_lag == "close":
                self._close_laggards(gone)
            if len(self._items) >= self.capacity:
                gone.append(self._items.popleft())
                behind = self._at.popleft()
                self._lost += behind
                self._at[0] += behind
                self._first += 1
        if self._open:
            self._items.append(item)
            self._at.append(0)
        return receivers

    def _close_laggards(self, gone: Gone) -> None:
        """Close every subscription that has not taken the oldest item."""
        # This looks at all of them, but runs only when it closes at least one.
        first = self._first
        for each in tuple(self._open.values()):
            subscription = each()
            if subscription is not None and subscription._next <= first:
                subscription._rest = self._items.copy()
                subscription._next = first
                subscription._lost += 1
                self._lost += 1
                self._leave(subscription._number, subscription._next, gone)

    def _drop_if_idle(self, wakes: WakeQueue, _: Gone) -> int:
        """Drop a runtime on which no link waits for this room."""
        self._waiters.drop_if_idle(wakes)
        return 0

    def _trim(self, gone: Gone) -> None:
        """Drop the items that every receiver has taken."""
        while self._items and not self._at[0]:
            gone.append(self._items.popleft())
            self._at.popleft()
            self._first += 1
        for forms in self._forms.values():
            gone += forms.drop(self._first - 1)  # The last receiver has yet to ask for its form.


class Subscription(Position, Generic[T]):
    """One receiver: `async for item in subscription`, or a source of `ctx.select`.

    It ends when its block is left, by `close`, or when nothing holds it any more. Iterating outside
    a handler raises UsageError: it waits on the handler's lane.
    """

    __slots__ = ("__weakref__", "_attached", "_link", "_number", "relayed")

    def __init__(self, room: Broadcast[T]) -> None:
        super().__init__(room)
        self._number = next(room._numbers)
        self._attached = 0
        self.relayed: bool = False
        self._link: Link | None = None
        room._change(partial(room._enter, self))

    @property
    def lagged(self) -> int:
        """The number of items that it has lost."""
        with self._room._lock:
            return self._lost + (max(0, self._room._first - self._next) if self._is_open() else 0)

    def __len__(self) -> int:
        """Return how many items wait to be taken."""
        return self.waiting if self._rest is None else len(self._rest)

    def close(self) -> None:
        """Receive no more. What waits can still be taken.

        Any thread may call it, more than once too.
        """
        room = self._room
        room._change(partial(self._close, room))
        if self._attached:
            room._waiters.wake()
        if (link := self._link) is not None:
            self.expect_nothing(link)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if self._rest is None:
            # By its numbers, not by itself: it must not live on in a change that waits.
            room = self._room
            room._change(partial(room._leave, self._number, self._next))
            if (link := self._link) is not None:
                self.expect_nothing(link)

    def poll(self, link: Link | None = None) -> Any:
        """Return an item, PENDING or ENDED, without waiting. For `ctx.select`.

        Raises Lagged with `on_lag="error"`. Hot path, once for each receiver and item, and so all
        of it in one function: 0.6 us.

        link: if given and the result is PENDING, it is woken once, as soon as there is something
            new.
        """
        # Written out in Position.poll_all (tests/test_inlined_copies.py).
        room = self._room
        gone: Gone | None = None
        with room._lock:
            if room._changing:
                return PENDING  # Only a finalizer gets here, and it cannot wait.
            if self._rest is not None:
                if not self._rest:
                    return ENDED
                self._next += 1
                return self._rest.popleft()
            room._changing = True
            at = self._next - room._first
            try:
                if at < 0:
                    self._catch_up(-at)
                    at = 0
                if at == len(room._items):
                    if link is not None:
                        if self._link is not link:
                            self._changes_hands(link)
                        room._waiters.expect(link)
                    return PENDING
                item = room._items[at]
                room._at[at] -= 1
                room._at[at + 1] += 1
                self._next += 1
                if not room._at[0]:
                    gone = []
                    room._trim(gone)
            finally:
                room._changing = False
                if room._later:
                    room._make_later(gone := gone or [])
                    if link is not None:
                        link.wake()  # The change may have been made before `expect`.
            return item

    poll_or_wait = poll

    def attach(self, link: Waiter) -> None:
        """Have the link woken for each item. For `ctx.select` and relays."""
        # A change, so that no finalizer drops the runtime in the middle of it.
        self._room._change(partial(self._attach, link))

    def detach(self, link: Waiter) -> None:
        """Undo one `attach`."""
        with self._room._lock:
            self._attached -= 1
            self._room._waiters.remove(link)

    def __aiter__(self) -> Subscription[T]:
        return self

    async def __anext__(self) -> T:
        link = current_link.get(None)
        item = self.poll(link)
        if item is PENDING:
            if link is None:
                raise UsageError(
                    "a subscription can only be awaited inside a handler: it waits on the "
                    "handler's own lane"
                )
            exchange = link.exchange
            try:
                while item is PENDING:
                    if exchange.interrupt is not None:
                        await link.hear()
                    exchange.check()
                    await link.wait()
                    item = self.poll(link)
            except BaseException:
                self.expect_nothing(link)
                raise
        if item is ENDED:
            raise StopAsyncIteration
        return cast(T, item)

    def expect_nothing(self, link: Link) -> None:
        """Do not wake the link for this subscription any more.

        A finalizer may call this.
        """
        room = self._room
        with room._lock:
            self._link = None
            forgotten = room._waiters.forget(link)
        if forgotten:
            room._change(partial(room._drop_if_idle, link.wakes))
            # The handler may wait for the same room elsewhere, and has to ask again there.
            link.wake()

    # -- with the room's lock held --------------------------------------------------------------

    def _is_open(self) -> bool:
        """Return whether it is one of the live subscriptions."""
        return self._number in self._room._open

    def _changes_hands(self, link: Link) -> None:
        """Note that another handler waits for it now."""
        # Two handlers share it, which is rare, so `close` simply wakes the whole room then.
        if self._link is not None:
            self._attached += 1
        self._link = link

    def _attach(self, link: Waiter, _: Gone) -> int:
        """Have the link woken for each item."""
        self._attached += 1
        self._room._waiters.add(link)
        return 0

    def _catch_up(self, lost: int) -> None:
        """Go to the oldest item that is kept, and count the lost ones.

        Raises Lagged with `on_lag="error"`.
        """
        self._next += lost
        self._lost += lost
        if self._room.on_lag == "error":
            raise Lagged(lost)

    def _close(self, room: Broadcast[T], gone: Gone) -> int:
        """Leave the room, with a copy of the items that wait."""
        if self._is_open():
            self._lost = self.lagged
            self._next = max(self._next, room._first)
            self._rest = deque(islice(room._items, self._next - room._first, None))
            room._leave(self._number, self._next, gone)
        return 0
