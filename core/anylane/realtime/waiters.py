"""Waiters: links that wait for the same thing, on any number of runtimes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager as Lock

    from anylane.lane.link import Link
    from anylane.lane.wake_queue import WakeQueue


class Waiters:
    """`wake` and `take` from anywhere; all the others under the owner's lock, a re-entrant one."""

    __slots__ = ("_lock", "_runtimes")

    def __init__(self, lock: Lock[bool]) -> None:
        self._lock = lock
        self._runtimes: dict[WakeQueue, RuntimeWaiters] = {}

    def add(self, link: Link) -> None:
        """It waits until it is removed; as often as it is added."""
        links = self._runtime(link.wakes).links
        links[link] = links.get(link, 0) + 1

    def remove(self, link: Link) -> None:
        """One `add` less."""
        waiters = self._runtimes[link.wakes]
        left = waiters.links[link] - 1
        if left:
            waiters.links[link] = left
        else:
            del waiters.links[link]
            self.let_go(link.wakes)

    def expect(self, link: Link) -> None:
        """It is woken once. Cheaper than both of the others, for whoever asks again anyway."""
        self._runtime(link.wakes).once[link] = None

    def forget(self, link: Link) -> bool:
        """Not even that; whether it was still expected. Also from a finalizer."""
        waiters = self._runtimes.get(link.wakes)
        if waiters is None or link not in waiters.once:
            return False
        del waiters.once[link]
        return True

    def let_go(self, wakes: WakeQueue) -> None:
        """Of a runtime on which nobody waits: what has ended must not be held by a room that goes
        on. Not from a finalizer, which may interrupt `add` and `expect`."""
        waiters = self._runtimes.get(wakes)
        if waiters is not None and not waiters.links and not waiters.once:
            self._runtimes = {key: each for key, each in self._runtimes.items() if key is not wakes}

    def wake(self) -> None:
        """All that wait now: one entry in each runtime's queue, however many there are."""
        for waiters in self._runtimes.values():  # Never changed, but exchanged for another.
            waiters.wake()

    def take(self, waiters: RuntimeWaiters) -> tuple[Link, ...]:
        """Whom to wake on that runtime now."""
        with self._lock:
            # First away from where a finalizer may change it.
            once, waiters.once = waiters.once, {}
            links = {**waiters.links, **once} if waiters.links else once
            self.let_go(waiters.wakes)
        return tuple(links)

    def _runtime(self, wakes: WakeQueue) -> RuntimeWaiters:
        waiters = self._runtimes.get(wakes)
        if waiters is None:
            waiters = RuntimeWaiters(self, wakes)
            self._runtimes = {**self._runtimes, wakes: waiters}
        return waiters


class RuntimeWaiters:
    """Those of one runtime.

    links: who waits, and how often. once: who is woken once, in order.
    """

    __slots__ = ("_due", "_owner", "links", "once", "wakes")

    def __init__(self, owner: Waiters, wakes: WakeQueue) -> None:
        self._owner = owner
        self._due = False
        self.wakes = wakes
        self.links: dict[Link, int] = {}
        self.once: dict[Link, None] = {}

    def wake(self) -> None:
        # Two threads may both see False: harmless. Who sees True knows that `_notify` has not
        # looked at the links yet.
        if not self._due:
            self._due = True
            self.wakes.put(self._notify)

    def _notify(self) -> None:
        self._due = False
        for link in self._owner.take(self):
            link.woken()
