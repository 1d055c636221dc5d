"""Workers: a bounded pool of threads.

Nothing here knows of connections. Jobs are functions that never raise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock, Thread

Job = Callable[[], None]


def make_thread(target: Callable[[], object], name: str) -> Thread:
    """Return a thread that does not keep the process alive, where there are such threads.

    A handler that never returns must not hold the process after the drain has given it up.

    A subinterpreter refuses daemons (PEP 684): there it is a plain thread, for whose end the
    interpreter waits.
    """
    try:
        return Thread(target=target, name=name, daemon=True)
    except RuntimeError:
        return Thread(target=target, name=name)


def start_thread(target: Callable[[], object], name: str) -> Thread:
    """Start a thread of `make_thread`, and return it.

    Raise RuntimeError where no thread can be started: in an isolated subinterpreter before Python
    3.12, under WebAssembly, or when the system has none left.
    """
    thread = make_thread(target, name)
    thread.start()
    return thread


class Workers:
    """At most `limit` threads. One more is started when there is something to do for it.

    name: begins the names of the threads. jobs: those that wait, in order. Append to it, then call
    `spread` once for all of them.

    Handlers and background work have workers of their own: a job waits for jobs of its own kind
    only, and as many of both kinds as are allowed can block at the same time.
    """

    def __init__(self, limit: int, name: str) -> None:
        self.jobs: deque[Job] = deque()
        self._limit = limit
        self._name = name
        self._lock = Lock()
        # Each idle worker waits for a lock of its own; the last to fall asleep is the first to
        # wake, because what it touches is still in the caches.
        self._idle: list[Lock] = []
        self._threads: list[Thread] = []
        self._waking = 0
        self._closed = False

    def take(self) -> Job | None:
        """Return the next job, which the caller has to do, or None."""
        try:
            return self.jobs.popleft()
        except IndexError:
            return None

    def oldest(self) -> Job | None:
        """Return the job that waits longest, or None. Call this from any thread."""
        try:
            return self.jobs[0]
        except IndexError:
            return None

    def spread(self) -> None:
        """Wake or start one more worker for each job to which none is on its way, as far as there
        are any."""
        with self._lock:
            while self._waking < len(self.jobs) and self._one_more():
                pass

    def lend(self, lead: Job) -> bool:
        """Have a free worker do this before all other jobs. Return False if none is free."""
        with self._lock:
            self.jobs.appendleft(lead)
            if self._one_more():
                return True
            self.jobs.popleft()
            return False

    def close(self, timeout: float | None) -> None:
        """End the workers once the jobs are done, and wait for their end.

        timeout: seconds to wait for each worker that is still busy, None for ever.
        """
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
            try:
                thread = start_thread(self._work, f"{self._name} {len(self._threads) + 1}")
            except RuntimeError:  # The system has no thread left: those that run must do.
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
