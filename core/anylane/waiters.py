"""Waiters: links that wait for the same thing, on any number of runtimes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anylane.link import Link
    from anylane.wake_queue import WakeQueue


class Waiters:
    """`add` and `remove` under their owner's lock; `wake` without it, from anywhere."""

    __slots__ = ("_runtimes",)

    def __init__(self) -> None:
        self._runtimes: dict[WakeQueue, RuntimeWaiters] = {}

    def add(self, link: Link) -> None:
        """As often as it waits."""
        wakes = link.wakes
        waiters = self._runtimes.get(wakes)
        if waiters is None:
            waiters = self._runtimes[wakes] = RuntimeWaiters(wakes)
        waiters.links[link] = waiters.links.get(link, 0) + 1

    def remove(self, link: Link) -> None:
        """One `add` less."""
        waiters = self._runtimes[link.wakes]
        left = waiters.links[link] - 1
        if left:
            waiters.links[link] = left
            return
        del waiters.links[link]
        if not waiters.links:
            # A server that has ended must not be held by a room that goes on.
            self._runtimes.pop(link.wakes, None)

    def wake(self) -> None:
        """All that wait now: one entry in each runtime's queue, however many there are."""
        for waiters in tuple(self._runtimes.values()):
            waiters.wake()


class RuntimeWaiters:
    """Those of one runtime.

    links: who waits, and how often.
    """

    __slots__ = ("_due", "_wakes", "links")

    def __init__(self, wakes: WakeQueue) -> None:
        self._wakes = wakes
        self._due = False
        self.links: dict[Link, int] = {}

    def wake(self) -> None:
        # Two threads may both see False: harmless. Who sees True knows that `_notify` has not
        # looked at the links yet.
        if not self._due:
            self._due = True
            self._wakes.put(self._notify)

    def _notify(self) -> None:
        self._due = False
        for link in tuple(self.links):
            link.woken()
