"""The heartbeat of a worker: how it shows that it is alive, and when it is taken for hung.

In the worker a thread of its own asks the loop and looks at the queue for a thread of the pool, and
writes what it saw into a pipe. In the supervisor a Heartbeat judges what came through.
"""

from __future__ import annotations

import math
import os
import threading
import time
from contextlib import suppress
from typing import Protocol

from anylane.lane.wake_queue import WakeQueue
from anylane_backends.hosting.supervision.recycling import Wear
from anylane_backends.workers import start_thread

READY = b"r"
"""What a worker writes once, as soon as it accepts."""

_LOOP = b"l"
"""What it writes when its loop has answered."""

_POOL = b"p"
"""What it writes unless an exchange waits for a thread and none has become free."""

LOOP_TIMEOUT = 60.0
"""Seconds without an answer of its loop after which a worker is taken for hung, unless the operator
says more or less. Nothing that belongs on a loop takes so long."""

START_TIMEOUT = 600.0
"""Seconds from its start after which a worker that does not accept is taken for hung, unless the
operator says more or less. Its startup hooks may migrate a database, which takes minutes."""

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
    """How long a worker may go without a sign of life, in seconds. None is for ever.

    start: until it accepts. loop: between two beats of its loop. pool: while an exchange waits for
    a thread, and none becomes free.
    """

    def __init__(self, *, start: float | None, loop: float | None, pool: float | None) -> None:
        self.start: float | None = start
        self.loop: float | None = loop
        self.pool: float | None = pool
        shortest = min(each for each in (start, loop, math.inf) if each is not None)
        self.interval: float = min(_MAX_INTERVAL, shortest / _BEATS)
        """Seconds between two beats, and between two looks at them."""

    def __bool__(self) -> bool:
        """Whether a worker is judged at all."""
        return self.start is not None or self.loop is not None


def patience_of(
    worker_timeout: float | None, start_timeout: float | None, *, debugged: bool = False
) -> Patience:
    """Return how long a worker may go without a sign of life.

    worker_timeout: for the loop and the pool. With None the loop has `LOOP_TIMEOUT`, and the pool
    is not judged: handlers may block for as long as they like. start_timeout: until it accepts,
    `START_TIMEOUT` with None. debugged: what is None is not judged, because a debugger stops all.
    """
    loop, start = worker_timeout, start_timeout
    if not debugged:
        loop = LOOP_TIMEOUT if loop is None else loop
        start = START_TIMEOUT if start is None else start
    return Patience(start=start, loop=loop, pool=worker_timeout)


class Heartbeat:
    """What one worker has shown of itself since its start. In the supervisor.

    Seconds count only while the supervisor itself runs: after a pause of the whole machine, or of
    its container, every beat is missing and no worker is hung.

    accepts: whether it has said that it does.
    """

    def __init__(self, patience: Patience, now: float) -> None:
        self._patience = patience
        self._looked = now
        self._start = self._loop = self._pool = 0.0
        self._news = b""
        self.accepts: bool = False

    def beat(self, data: bytes) -> None:
        """Take what came from the worker. Call `judge` next."""
        self._news += data
        self.accepts = self.accepts or READY in data

    def judge(self, now: float) -> str | None:
        """Return why the worker is hung, or None. Call this at least once in an interval."""
        patience = self._patience
        passed = min(now - self._looked, 2 * patience.interval)
        self._looked = now
        news, self._news = self._news, b""
        if not self.accepts:
            self._start += passed
            if patience.start is not None and self._start >= patience.start:
                return f"has not accepted within {patience.start:g} s of its start"
            return None
        self._loop = 0.0 if _LOOP in news or READY in news else self._loop + passed
        self._pool = 0.0 if _POOL in news or READY in news else self._pool + passed
        if patience.loop is not None and self._loop >= patience.loop:
            return f"is hung: its loop has not run for {patience.loop:g} s"
        if patience.pool is not None and self._pool >= patience.pool:
            return (
                f"is hung: all its threads have been busy for {patience.pool:g} s, and an exchange "
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
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        # The supervisor may be stopped, and nothing here may wait for it.
        os.set_blocking(pipe, False)
        server.wakes.put(self._answer)

    def start(self, interval: float) -> None:
        """Beat from now on, every so many seconds, in a thread of its own."""

        def beat() -> None:
            with suppress(BrokenPipeError):  # The supervisor is gone.
                while not self._stopped.wait(interval):
                    self.beat()

        self._thread = start_thread(beat, "anylane pulse")

    def stop(self) -> None:
        """Beat no more. The pipe is the caller's again."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

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
