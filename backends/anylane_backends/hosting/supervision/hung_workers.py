"""HungWorkers: how workers that were given up are ended, and how they tell where they were."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass

STACKS = signal.SIGQUIT
"""The signal on which a worker writes the stacks of its threads, as Java and Go do it on theirs."""

_WRITING = 1.0
"""Seconds that a worker has to write its stacks."""

HUNG = (signal.SIGTERM, STACKS, signal.SIGKILL)
"""What a worker that accepts is told: it drains as far as it can, then shows where it blocks."""

HUNG_AT_START = (STACKS, signal.SIGTERM, signal.SIGKILL)
"""What a worker is told that does not come to accept. It has nothing to drain, and SIGTERM may end
it before it has shown where it is."""

SUPERSEDED = (signal.SIGTERM, signal.SIGKILL)
"""What a worker is told whose start has become pointless."""


@dataclass(slots=True)
class _Hung:
    """steps: the signals that are to come, the last one again and again. at: when the next is."""

    pid: int
    steps: tuple[int, ...]
    at: float


class HungWorkers:
    """The workers that were given up, each until its end.

    tell: sends a signal to a worker. grace: returns the seconds that one has to end by itself.
    """

    def __init__(self, tell: Callable[[int, int], None], grace: Callable[[], float]) -> None:
        self._tell = tell
        self._grace = grace
        self._workers: list[_Hung] = []
        self._writer_until = 0.0

    def __len__(self) -> int:
        """Return how many of them have not ended yet."""
        return len(self._workers)

    def add(self, pid: int, now: float, steps: tuple[int, ...] = HUNG) -> None:
        """Have a worker end: by itself, or else by SIGKILL, the last of its steps."""
        self._workers.append(_Hung(pid, steps, now))
        self.act(now)

    def ended(self, pid: int) -> bool:
        """Take note that a process has ended. Return whether it was one of these."""
        left = [each for each in self._workers if each.pid != pid]
        found = len(left) < len(self._workers)
        self._workers = left
        return found

    def act(self, now: float) -> None:
        """Take the step of each that is due.

        One writes its stacks after the other: they share standard error, and two at a time cannot
        be read."""
        for each in self._workers:
            if now < each.at:
                continue
            number, *later = each.steps
            if number == STACKS:
                if now < self._writer_until:
                    each.at = self._writer_until
                    continue
                self._writer_until = now + _WRITING
            each.steps = tuple(later) or each.steps
            each.at = now + (self._grace() if number == signal.SIGTERM else _WRITING)
            self._tell(each.pid, number)

    def next(self) -> float | None:
        """Return when to call `act`, or None."""
        return min((each.at for each in self._workers), default=None)
