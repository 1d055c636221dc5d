"""WorkerStarts: how worker processes are made, and what each of them does first."""

from __future__ import annotations

import faulthandler
import os
import time
from collections.abc import Callable
from functools import partial

from anylane_backends.hosting.supervision.child import Nursery
from anylane_backends.hosting.supervision.crew import Slot, Worker
from anylane_backends.hosting.supervision.heartbeat import (
    READY,
    Heartbeat,
    Living,
    Patience,
    Pulse,
)
from anylane_backends.hosting.supervision.hung_workers import STACKS
from anylane_backends.hosting.supervision.recycling import Bounds, Wear
from anylane_backends.hosting.supervision.service import Post, Service
from anylane_backends.sockets.spread import Spread


class WorkerStarts:
    """Makes the worker processes of one supervisor, and keeps their rows in the `Spread`."""

    def __init__(
        self,
        service: Service,
        nursery: Nursery,
        *,
        spread: Spread,
        patience: Patience,
        bounds: Callable[[], Bounds],
    ) -> None:
        self._service = service
        self._nursery = nursery
        self._spread = spread
        self._patience = patience
        self._bounds = bounds
        self._rows: dict[int, int | None] = {}

    def start(self, slot: Slot) -> Worker:
        """Start a worker for a slot, and return it. Raise OSError if the system refuses that."""
        news, ours = os.pipe()
        row = self._spread.enter()

        def work() -> None:
            os.close(news)
            # By number: a handler that hangs may have changed sys.stderr.
            faulthandler.register(STACKS, file=2, chain=False)
            self._service.work(Post(slot.number, row, partial(self._ready, ours)))

        try:
            pid = self._nursery.fork(work)
        except OSError:
            os.close(news)
            self._spread.free(row)
            raise
        finally:
            os.close(ours)
        self._rows[pid] = row
        now = time.monotonic()
        return Worker(pid, news, now, row, Heartbeat(self._patience, now))

    def ended(self, pid: int) -> None:
        """Take note that a process has ended, a worker or any other."""
        self._spread.free(self._rows.pop(pid, None))

    # -- in the worker

    def _ready(self, pipe: int, server: Living) -> None:
        """Say that this worker accepts, and begin to beat."""
        os.write(pipe, READY)
        bounds = self._bounds()
        if self._patience.loop is not None or bounds:
            wear = Wear(bounds, time.monotonic())
            Pulse(server, pipe, wear).start(self._patience.interval)
