"""Waiters: links, and relays, that wait for the same thing, on any number of runtimes.

Only `wake` and `take` may be called without the owner's lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager as Lock

    from anylane.lane.wake_queue import WakeQueue


class Waiter(Protocol):
    """What can be woken: a link, or a relay."""

    @property
    def wakes(self) -> WakeQueue:
        """Return the queue of its runtime."""
        ...

    def woken(self) -> None:
        """Look at what there is, on the lane's own thread. Raise nothing."""


class Waiters:
    """The links that one owner wakes.

    `wake` and `take` may be called from any thread. All other methods are called with the owner's
    lock held, which is re-entrant.
    """

    __slots__ = ("_lock", "_runtimes")

    def __init__(self, lock: Lock[bool]) -> None:
        self._lock = lock
        self._runtimes: dict[WakeQueue, RuntimeWaiters] = {}

    def add(self, link: Waiter) -> None:
        """Have a link woken each time, until it is removed as often as it was added."""
        links = self._runtime(link.wakes).links
        links[link] = links.get(link, 0) + 1

    def remove(self, link: Waiter) -> None:
        """Undo one `add`."""
        waiters = self._runtimes[link.wakes]
        left = waiters.links[link] - 1
        if left:
            waiters.links[link] = left
        else:
            del waiters.links[link]
            self.drop_if_idle(link.wakes)

    def expect(self, link: Waiter) -> None:
        """Have a link woken once.

        Cheaper than `add` and `remove`, for a link that asks again after it was woken.
        """
        self._runtime(link.wakes).once[link] = None

    def forget(self, link: Waiter) -> bool:
        """Undo `expect`, and return whether the link was still expected.

        A finalizer may call this.
        """
        waiters = self._runtimes.get(link.wakes)
        if waiters is None or link not in waiters.once:
            return False
        del waiters.once[link]
        return True

    def drop_if_idle(self, wakes: WakeQueue) -> None:
        """Drop a runtime on which no link waits.

        A runtime that has ended must not be held by a room that goes on. A finalizer must not call
        this: it may interrupt `add` and `expect`.
        """
        waiters = self._runtimes.get(wakes)
        if waiters is not None and not waiters.links and not waiters.once:
            self._runtimes = {key: each for key, each in self._runtimes.items() if key is not wakes}

    def wake(self) -> None:
        """Wake every link that waits now, by one entry in each runtime's queue."""
        for waiters in self._runtimes.values():  # This dict is replaced, never changed.
            waiters.wake()

    def take(self, waiters: RuntimeWaiters) -> tuple[Waiter, ...]:
        """Return the links to wake on that runtime now."""
        with self._lock:
            # Taken away first, because a finalizer may change it.
            once, waiters.once = waiters.once, {}
            links = {**waiters.links, **once} if waiters.links else once
            self.drop_if_idle(waiters.wakes)
        return tuple(links)

    def _runtime(self, wakes: WakeQueue) -> RuntimeWaiters:
        """Return the waiters of a runtime. They are made if there are none."""
        waiters = self._runtimes.get(wakes)
        if waiters is None:
            waiters = RuntimeWaiters(self, wakes)
            self._runtimes = {**self._runtimes, wakes: waiters}
        return waiters


class RuntimeWaiters:
    """The waiting links of one runtime.

    links: those that are woken each time, with how often they were added.
    once: those that are woken once, in order.
    """

    __slots__ = ("_due", "_owner", "links", "once", "wakes")

    def __init__(self, owner: Waiters, wakes: WakeQueue) -> None:
        self._owner = owner
        self._due = False
        self.wakes: WakeQueue = wakes
        self.links: dict[Waiter, int] = {}
        self.once: dict[Waiter, None] = {}

    def wake(self) -> None:
        """Put one entry into the runtime's queue, unless there is one."""
        # Two threads may both see False, which is harmless. A thread that sees True knows that
        # `_notify` has not looked at the links yet.
        if not self._due:
            self._due = True
            self.wakes.put(self._notify)

    def _notify(self) -> None:
        self._due = False
        for link in self._owner.take(self):
            link.woken()
