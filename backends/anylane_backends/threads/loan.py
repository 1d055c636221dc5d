"""The loan of the selector: one worker selects and steps handlers, while they are quick."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from threading import Lock, get_ident
from time import monotonic
from typing import TYPE_CHECKING

from anylane.lane.server_core import ServerCore

if TYPE_CHECKING:
    from anylane_backends.threads.workers import Job, Workers


_LATE = 0.003
"""Seconds that one handler may hold up the connections of others, while it runs on the thread
that also selects. Under the interpreter's own switch interval of 5 ms."""


_ALLOWANCE = 0.0003
"""Seconds of a job that are worth no hand-over: one costs 0.1 ms of two threads' time."""


_QUIET = 10
"""Moments without a job after which the role is called back, so that an idle server sleeps."""


_PATIENCE, _MAX_PATIENCE = 0.05, 2.0
"""Seconds from a handler that was late to the next loan; doubled each time in a row."""


_GIL = getattr(sys, "_is_gil_enabled", lambda: True)()
"""Without it handlers run in parallel on the workers, which beats saving the hand-over."""


class Loan:
    """The selector's role, lent to one worker: it selects *and* steps handlers, without a
    hand-over between two threads. It loses the role as soon as a handler is late.

    served: jobs done. recalled: ended because the lender wanted it back, not because a handler
    was late. error: what the leader died of.
    """

    def __init__(self) -> None:
        self.recalled: bool = False
        self.served: int = 0
        self.error: BaseException | None = None
        self.began: float = monotonic()
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

    def __init__(self, workers: Workers, *, lends: bool = True) -> None:
        self._workers = workers
        self._lends = lends and _GIL
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
        if not self._lends or began < self._next or server.draining:
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
            self._patience = min(2 * self._patience, _MAX_PATIENCE)
        self._workers.spread()
        return True

    def _watch(self, loan: Loan, server: ServerCore) -> None:
        served = quiet = 0
        while not loan.returned():
            quiet = quiet + 1 if loan.served == served else 0
            served = loan.served
            if quiet >= _QUIET or server.draining:
                server.wakes.put(loan.recall)
