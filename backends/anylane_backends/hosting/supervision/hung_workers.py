"""HungWorkers: how workers that hang are ended. They drain first, and tell where they were."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass

STACKS = signal.SIGQUIT
"""The signal on which a worker writes the stacks of its threads, as Java and Go do it on theirs."""

_WRITING = 1.0
"""Seconds that a worker has to write its stacks."""


@dataclass(slots=True)
class _Hung:
    pid: int
    at: float
    drained: bool = False


class HungWorkers:
    """The workers that were found to be hung, each until its end.

    tell: sends a signal to a process. grace: returns the seconds for which a worker may drain.
    """

    def __init__(self, tell: Callable[[int, int], None], grace: Callable[[], float]) -> None:
        self._tell = tell
        self._grace = grace
        self._workers: list[_Hung] = []
        self._writer_until = 0.0

    def __len__(self) -> int:
        """Return how many of them have not ended yet."""
        return len(self._workers)

    def add(self, pid: int, now: float) -> None:
        """Have a worker stop accepting, and drain as far as it can."""
        self._workers.append(_Hung(pid, now + self._grace()))
        self._tell(pid, signal.SIGTERM)

    def ended(self, pid: int) -> bool:
        """Take note that a process has ended. Return whether it was one of these."""
        left = [each for each in self._workers if each.pid != pid]
        found = len(left) < len(self._workers)
        self._workers = left
        return found

    def act(self, now: float) -> None:
        """Have those whose grace is over write their stacks, and then kill them.

        One writes after the other: they share standard error, and two at a time cannot be read."""
        for each in self._workers:
            if now < each.at:
                continue
            if each.drained:
                self._tell(each.pid, signal.SIGKILL)
                each.at = now + _WRITING
            elif now < self._writer_until:
                each.at = self._writer_until
            else:
                each.drained = True
                self._tell(each.pid, STACKS)
                each.at = self._writer_until = now + _WRITING

    def next(self) -> float | None:
        """Return when to call `act`, or None."""
        return min((each.at for each in self._workers), default=None)
