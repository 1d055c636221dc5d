"""Deadlines: one heap for all connections of a lane that has no timers of its own.

Pure: the lane asks `next` for when to wake up, and calls `fire` with the time it is then.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count


class Deadline:
    """A deadline that `Deadlines.arm` has set.

    at: its time, in seconds on the lane's clock. number: orders deadlines of equal time. call: what
    is called then, None once it was cancelled.
    """

    __slots__ = ("at", "call", "number")

    def __init__(self, at: float, number: int, call: Callable[[], None]) -> None:
        self.at: float = at
        self.number: int = number
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Have it called no longer; harmless if it was called or cancelled before.

        A `fire` that has begun may still call it: ringing too early must be harmless.
        """
        # The reference is dropped at once: a closed connection must not live on in the heap.
        self.call = None

    def __lt__(self, other: Deadline) -> bool:
        return (self.at, self.number) < (other.at, other.number)


_SWEEP = 256
"""Entries at which cancelled ones are first removed. After that they are removed whenever the
number of entries has doubled."""


class Deadlines:
    """Absolute times on one clock, in seconds, and what to call at each."""

    __slots__ = ("_heap", "_numbers", "_sweep_at")

    def __init__(self) -> None:
        self._heap: list[Deadline] = []
        self._numbers = count()
        self._sweep_at = _SWEEP

    def arm(self, at: float, call: Callable[[], None]) -> Deadline:
        """Have `call()` called by the first `fire` whose `now` is `at` or later.

        Return the deadline, which may be cancelled.
        """
        if len(self._heap) >= self._sweep_at:
            # A handler that sleeps a millisecond at a time cancels a far deadline each time.
            self._heap = [each for each in self._heap if each.call is not None]
            heapq.heapify(self._heap)
            self._sweep_at = max(_SWEEP, 2 * len(self._heap))
        deadline = Deadline(at, next(self._numbers), call)
        heapq.heappush(self._heap, deadline)
        return deadline

    def next(self) -> float | None:
        """Return the time of the earliest deadline, or None: call `fire` then at the latest."""
        heap = self._heap
        while heap and heap[0].call is None:
            heapq.heappop(heap)
        return heap[0].at if heap else None

    def fire(self, now: float) -> None:
        """Call what is due at `now`, the earliest first.

        What a call arms waits for the next `fire`. What a call raises passes through, and the calls
        that were due after it are lost.
        """
        due: list[Callable[[], None]] = []
        heap = self._heap
        while heap and (heap[0].call is None or heap[0].at <= now):
            call = heapq.heappop(heap).call
            if call is not None:
                due.append(call)
        for call in due:
            call()
