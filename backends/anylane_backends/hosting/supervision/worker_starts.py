"""WorkerStarts: how the workers of a supervisor are started, whatever they are."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from anylane_backends.hosting.supervision.crew import Slot, Worker
from anylane_backends.hosting.supervision.heartbeat import Heartbeat, Patience
from anylane_backends.hosting.supervision.recycling import Bounds
from anylane_backends.hosting.supervision.service import Post
from anylane_backends.hosting.supervision.workforce import Workforce
from anylane_backends.sockets.spread import Spread


class WorkerStarts:
    """Starts the workers of one supervisor, and keeps their rows in the `Spread`."""

    def __init__(
        self,
        workforce: Workforce,
        *,
        spread: Spread,
        patience: Patience,
        bounds: Callable[[], Bounds],
    ) -> None:
        self._workforce = workforce
        self._spread = spread
        self._patience = patience
        self._bounds = bounds
        self._rows: dict[int, int | None] = {}

    def start(self, slot: Slot) -> Worker:
        """Start a worker for a slot, and return it. Raise OSError if the system refuses that."""
        news, theirs = os.pipe()
        row = self._spread.enter()
        try:
            worker = self._workforce.start(
                Post(slot.number, row, theirs, self._patience, self._bounds()), news
            )
        except OSError:
            os.close(news)
            self._spread.free(row)
            raise
        self._rows[worker] = row
        now = time.monotonic()
        return Worker(worker, news, now, row, Heartbeat(self._patience, now))

    def ended(self, worker: int) -> None:
        """Take note that a worker has ended, or any other process."""
        self._spread.free(self._rows.pop(worker, None))
