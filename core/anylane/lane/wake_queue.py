"""WakeQueue: many wake-ups from any thread, one wake-up of the loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class WakeQueue:
    """Runs small functions on a lane's own thread.

    kick: makes the lane call `run()` soon, from any thread. A broadcast to two thousand
    subscribers kicks once.
    """

    __slots__ = ("_kick", "_kicked", "_queue")

    def __init__(self, kick: Callable[[], None]) -> None:
        self._kick = kick
        self._queue: deque[Callable[[], object]] = deque()
        self._kicked = False

    def put(self, func: Callable[[], object]) -> None:
        """From any thread; `func` must not block."""
        self._queue.append(func)
        # Two threads may both see False and kick twice: harmless. The append comes first, so
        # a `run` that has reset the flag finds it.
        if not self._kicked:
            self._kicked = True
            self._kick()

    def run(self) -> None:
        """On the lane's own thread: what is queued now, not what it queues in turn."""
        self._kicked = False
        try:
            for _ in range(len(self._queue)):
                self._queue.popleft()()
        finally:
            # Also behind one that raised: the others must not wait until somebody puts again.
            if self._queue and not self._kicked:
                self._kicked = True
                self._kick()

    def __bool__(self) -> bool:
        return bool(self._queue)
