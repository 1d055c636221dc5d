"""WakeQueue: many wake-ups from any thread, one wake-up of the loop.

Pure: how a loop is woken is the lane's, which hands it in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class WakeQueue:
    """Runs small functions on a lane's own thread.

    kick: makes the lane call `run()` soon; it is called from any thread. It is called once for all
    functions that are put before the next `run()`: a broadcast to two thousand subscribers kicks
    once. The queue is true while functions wait in it.
    """

    __slots__ = ("_kick", "_kicked", "_queue")

    def __init__(self, kick: Callable[[], None]) -> None:
        self._kick = kick
        self._queue: deque[Callable[[], object]] = deque()
        self._kicked = False

    def put(self, func: Callable[[], object]) -> None:
        """Have `func()` called on the lane's own thread. Call this from any thread, or from a
        signal handler.

        func: must not block. What it returns is ignored.
        """
        self._queue.append(func)
        # Two threads may both see False and kick twice: harmless. The append comes first, so
        # a `run` that has reset the flag finds it.
        if not self._kicked:
            self._kicked = True
            self._kick()

    def run(self) -> None:
        """Call the functions that are queued now, in order. The lane calls this on its own thread.

        Functions that they queue in turn wait for the next `run()`, for which there is a kick. What
        a function raises passes through; there is a kick for the functions behind it, too.
        """
        self._kicked = False
        try:
            for _ in range(len(self._queue)):
                self._queue.popleft()()
        finally:
            # Also behind one that raised: the others must not wait until the next `put`.
            if self._queue and not self._kicked:
                self._kicked = True
                self._kick()

    def __bool__(self) -> bool:
        """Whether `run` is to be called."""
        # Also when what was put has run meanwhile: until `run` resets the flag, there is no other
        # kick.
        return self._kicked or bool(self._queue)
