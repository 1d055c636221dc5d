"""The heartbeat of a worker process: how it shows that it is alive, and when it is taken for hung.

In the worker a thread of its own asks the loop and looks at the queue for a thread of the pool, and
writes what it saw into a pipe. In the supervisor a Heartbeat judges what came through.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from typing import Protocol

from anylane.lane.wake_queue import WakeQueue
from anylane_backends.hosting.supervision.recycling import Wear

READY = b"r"
"""What a worker writes once, as soon as it accepts."""

_LOOP = b"l"
"""What it writes when its loop has answered."""

_POOL = b"p"
"""What it writes unless an exchange waits for a thread and none has become free."""

LOOP_TIMEOUT = 60.0
"""Seconds without an answer of its loop after which a worker is taken for hung, unless the operator
says more or less. Nothing that belongs on a loop takes so long."""

_MAX_INTERVAL = 1.0
"""Seconds between two beats, at most."""

_BEATS = 4
"""How many beats have to be missed, at least."""


class Living(Protocol):
    """The parts of a ServerCore that tell whether it is alive."""

    wakes: WakeQueue
    exchanges_begun: int

    def longest_waiting(self) -> object | None:
        """Return what waits longest for a thread, or None."""
        ...


class Patience:
    """How long a worker may go without a beat.

    timeout: seconds, for the loop and for the pool. With None the loop has `LOOP_TIMEOUT`, and the
    pool is not judged: handlers may block for as long as they like.
    """

    def __init__(self, timeout: float | None = None) -> None:
        self.loop: float = LOOP_TIMEOUT if timeout is None else timeout
        self.pool: float | None = timeout
        self.interval: float = min(_MAX_INTERVAL, self.loop / _BEATS)
        """Seconds between two beats."""


class Heartbeat:
    """What one worker has shown of itself since it accepts. In the supervisor.

    Seconds count only while the supervisor itself runs: after a pause of the whole machine, or of
    its container, every beat is missing and no worker is hung.
    """

    def __init__(self, patience: Patience, now: float) -> None:
        self._patience = patience
        self._looked = now
        self._loop = self._pool = 0.0
        self._news = b""

    def beat(self, data: bytes) -> None:
        """Take what came from the worker. Call `judge` next."""
        self._news += data

    def judge(self, now: float) -> str | None:
        """Return why the worker is hung, or None. Call this at least once in an interval."""
        passed = min(now - self._looked, 2 * self._patience.interval)
        self._looked = now
        self._loop = 0.0 if _LOOP in self._news else self._loop + passed
        self._pool = 0.0 if _POOL in self._news else self._pool + passed
        self._news = b""
        if self._loop >= self._patience.loop:
            return f"its loop has not run for {self._patience.loop:g} s"
        if self._patience.pool is not None and self._pool >= self._patience.pool:
            return (
                f"all its threads have been busy for {self._patience.pool:g} s, and an exchange "
                "waits for one"
            )
        return None


class Pulse:
    """Beats for a server. In the worker.

    pipe: the descriptor to write to. wear: when the worker is to be recycled, if ever.
    """

    def __init__(self, server: Living, pipe: int, wear: Wear | None = None) -> None:
        self._server = server
        self._pipe = pipe
        self._wear = wear
        self._answered = False
        self._waiting: object | None = None
        # The supervisor may be stopped, and nothing here may wait for it.
        os.set_blocking(pipe, False)
        server.wakes.put(self._answer)

    def start(self, interval: float) -> None:
        """Beat from now on, every so many seconds, in a thread of its own."""

        def beat() -> None:
            with suppress(BrokenPipeError):  # The supervisor is gone.
                while True:
                    time.sleep(interval)
                    self.beat()

        threading.Thread(target=beat, name="anylane pulse", daemon=True).start()

    def beat(self) -> None:
        """Tell what has happened since the last beat."""
        seen = b""
        if self._answered:
            self._answered = False
            self._server.wakes.put(self._answer)
            seen += _LOOP
        # While no thread is free the same job is the first in line.
        waiting = self._server.longest_waiting()
        if waiting is None or waiting is not self._waiting:
            seen += _POOL
        self._waiting = waiting
        if self._wear is not None:
            seen += self._wear.look(self._server.exchanges_begun, time.monotonic())
        if seen:
            with suppress(BlockingIOError):
                os.write(self._pipe, seen)

    def _answer(self) -> None:
        self._answered = True
