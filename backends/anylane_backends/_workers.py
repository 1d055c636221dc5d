"""The workers of the threads lane: a bounded pool, and the loan of the selector to one of them.

Nothing here knows of connections. Jobs are functions that never raise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock, Thread, get_ident
from time import monotonic

Job = Callable[[], None]

_LATE = 0.003
"""Seconds that one handler may hold up the connections of others, while it runs on the thread
that also selects. Under the interpreter's own switch interval of 5 ms."""

_ALLOWANCE = 0.0003
"""Seconds of a job that are worth no hand-over: one costs 0.1 ms of two threads' time."""


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
            thread.start()
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
                while (job := jobs.take()) is not None:
                    if not self._do(job):
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
