"""The workers of the threads lane: a bounded pool, and the loan of the selector to one of them.

Nothing here knows of connections. Jobs are functions that never raise.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from threading import Lock, Thread, get_ident
from time import monotonic

from anylane.lane.server_core import ServerCore

Job = Callable[[], None]

_LATE = 0.003
"""Seconds that one handler may hold up the connections of others, while it runs on the thread
that also selects. Under the interpreter's own switch interval of 5 ms."""

_ALLOWANCE = 0.0003
"""Seconds of a job that are worth no hand-over: one costs 0.1 ms of two threads' time."""

_QUIET = 10
"""Moments without a job after which the role is called back, so that an idle server sleeps."""

_PATIENCE, _MOST_PATIENCE = 0.05, 2.0
"""Seconds from a handler that was late to the next loan; doubled each time in a row."""

_GIL = getattr(sys, "_is_gil_enabled", lambda: True)()
"""Without it handlers run in parallel on the workers, which beats saving the hand-over."""


class Workers:
    """At most `limit` threads, started when there is something to do for one more.

    jobs: what waits, in order. `submit` queues, `spread` wakes: many jobs, one round of waking.
    """

    def __init__(self, limit: int) -> None:
        self.jobs: deque[Job] = deque()
        self._limit = limit
        self._lock = Lock()
        # Each idle worker waits for a lock of its own; the last to fall asleep is the first to
        # wake, because what it touches is still in the caches.
        self._idle: list[Lock] = []
        self._threads: list[Thread] = []
        self._waking = 0
        self._closed = False

    def take(self) -> Job | None:
        """The next job for whoever wants to do it."""
        try:
            return self.jobs.popleft()
        except IndexError:
            return None

    def spread(self) -> None:
        """Wake or start as many workers as there are jobs that nobody is on his way to."""
        with self._lock:
            while self._waking < len(self.jobs) and self._one_more():
                pass

    def lend(self, lead: Job) -> bool:
        """Have a free worker do this before all else; False if there is none."""
        with self._lock:
            self.jobs.appendleft(lead)
            if self._one_more():
                return True
            self.jobs.popleft()
            return False

    def close(self, timeout: float | None) -> None:
        """No more jobs. timeout: seconds to wait for a worker that is still busy, None for ever."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for bell in idle:
            bell.release()
        for thread in self._threads:
            thread.join(timeout)

    def _one_more(self) -> bool:
        if self._idle:
            self._idle.pop().release()
        elif len(self._threads) < self._limit:
            # A daemon, because a handler that never returns must not keep the process alive.
            name = f"anylane worker {len(self._threads)}"
            thread = Thread(target=self._work, name=name, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # The system gives no more: those that there are must do.
                if not self._threads:
                    raise
                return False
            self._threads.append(thread)
        else:
            return False
        self._waking += 1
        return True

    def _work(self) -> None:
        bell = Lock()
        bell.acquire()
        woken = True
        while True:
            with self._lock:
                self._waking -= woken
                job = self.take()
                if job is None:
                    if self._closed:
                        return
                    self._idle.append(bell)
            woken = job is None
            if job is None:
                bell.acquire()
            else:
                job()


class Loan:
    """The selector's role, lent to one worker: it selects *and* steps handlers, without a
    hand-over between two threads. It loses the role as soon as a handler is late.

    served: jobs done. recalled: ended because the lender wanted it back, not because a handler
    was late. error: what the leader died of.
    """

    def __init__(self) -> None:
        self.recalled = False
        self.served = 0
        self.error: BaseException | None = None
        self.began = monotonic()
        self._lock = Lock()
        self._back = Lock()
        self._back.acquire()
        self._ended = False
        self._leader = 0
        self._since: float | None = None
        self._debt = 0.0

    # -- the leader's ----------------------------------------------------------------------

    def recall(self) -> None:
        """On the leader's thread: stop when it is convenient."""
        self.recalled = True

    def lead(self, turn: Callable[[], None], jobs: Workers) -> None:
        """On the worker: do the jobs, select, until there is a reason to stop."""
        self._leader = get_ident()
        try:
            while not self.recalled and self._debt < _LATE:
                # What is there now, not what these put in line again.
                for _ in range(len(jobs.jobs)):
                    job = jobs.take()
                    if job is not None and not self._do(job):
                        return
                turn()
        except BaseException as exc:  # noqa: BLE001  # the lender raises it
            self.error = exc
        self.give_back()

    def _do(self, job: Job) -> bool:
        """False when the role was lost meanwhile."""
        since = self._since = monotonic()
        job()
        with self._lock:
            self._since = None
            if self._ended:
                return False
        self.served += 1
        # Handlers that block for a millisecond each are never late, and yet belong on threads.
        self._debt = max(0.0, self._debt + monotonic() - since - _ALLOWANCE)
        return True

    def give_back(self) -> None:
        """By the leader, also in the middle of a job that is about to block."""
        if self._leader == get_ident() and self._end():
            self._back.release()

    # -- the lender's ------------------------------------------------------------------------

    def returned(self, timeout: float = _LATE) -> bool:
        """Wait for a moment; True when the lender has the role again."""
        if self._back.acquire(timeout=timeout):
            return True
        with self._lock:
            since = self._since
            if since is None or monotonic() - since < _LATE or self._ended:
                return False
            self._ended = True
            return True

    def _end(self) -> bool:
        with self._lock:
            ended, self._ended = self._ended, True
        return not ended


class Lender:
    """When to lend: not to handlers that block, and less often the more often they did."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._loan: Loan | None = None
        self._next = 0.0
        self._patience = _PATIENCE

    @property
    def lent(self) -> bool:
        return self._loan is not None

    def give_back(self) -> None:
        """By any worker, before it blocks."""
        loan = self._loan
        if loan is not None:
            loan.give_back()

    def lend(self, turn: Callable[[], None], server: ServerCore) -> bool:
        """Lend the selector with the jobs that wait; returns with the role. False if not now.

        turn: selects once. Handing a job from one thread to another costs as much as a small
        job; while handlers are quick, they run where it is selected, and this thread watches.
        """
        began = monotonic()
        if not _GIL or began < self._next or server.draining:
            return False
        loan = self._loan = Loan()
        if not self._workers.lend(partial(loan.lead, turn, self._workers)):
            self._loan = None
            return False
        try:
            self._watch(loan, server)
        except BaseException:  # KeyboardInterrupt: the role must be back before all is closed.
            server.wakes.put(loan.recall)
            loan.returned(timeout=1)
            raise
        finally:
            self._loan = None
        if loan.error is not None:
            raise loan.error
        now = monotonic()
        if now - began > 1:
            self._patience = _PATIENCE
        if not loan.recalled:
            self._next = now + self._patience
            self._patience = min(2 * self._patience, _MOST_PATIENCE)
        self._workers.spread()
        return True

    def _watch(self, loan: Loan, server: ServerCore) -> None:
        served = quiet = 0
        while not loan.returned():
            quiet = quiet + 1 if loan.served == served else 0
            served = loan.served
            if quiet >= _QUIET or server.draining:
                server.wakes.put(loan.recall)
