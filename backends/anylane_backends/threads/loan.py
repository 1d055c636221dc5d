"""The loan of the selector: while handlers are quick, one worker selects and steps them, too."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from threading import Lock, get_ident
from time import monotonic
from typing import TYPE_CHECKING

from anylane.lane.server_core import ServerCore

if TYPE_CHECKING:
    from anylane_backends.workers import Job, Workers


_LATE = 0.003
"""Seconds for which one handler may hold up other connections, while it runs on the thread that
also selects. It is less than the interpreter's own switch interval of 5 ms."""


_ALLOWANCE = 0.0003
"""Seconds of a job that are not worth a hand-over, which costs two threads 0.1 ms."""


_QUIET = 10
"""Waits of the lender, of `_LATE` each, without a job after which it recalls the loan, so that an
idle server sleeps."""


_PATIENCE, _MAX_PATIENCE = 0.05, 2.0
"""Seconds from a handler that was late to the next loan, at first and at most: they double each
time in a row."""


_GIL = getattr(sys, "_is_gil_enabled", lambda: True)()
"""Whether threads share one interpreter lock. Without it handlers run in parallel on the workers,
which is worth more than the hand-over that a loan saves."""


class Loan:
    """The selector's role, lent to one worker, the leader.

    It selects *and* steps handlers, without a hand-over between two threads. It loses the role as
    soon as a handler is late.

    served: how many jobs it has done. recalled: whether the lender wanted the role back; else a
    handler was late. error: the exception that ended the leader, or None.
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
        """Have the leader give the role back after this turn. On its own thread."""
        self.recalled = True

    def lead(self, turn: Callable[[], None], jobs: Workers) -> None:
        """Do the jobs and select, in turn, until there is a reason to stop. On the worker.

        turn: selects once. jobs: where the jobs are.
        """
        self._leader = get_ident()
        try:
            while not self.recalled and self._debt < _LATE:
                # Those that are there now, not those that these put in line again.
                for _ in range(len(jobs.jobs)):
                    job = jobs.take()
                    if job is not None and not self._do(job):
                        return
                turn()
        except BaseException as exc:  # noqa: BLE001  # the lender raises it
            self.error = exc
        self.give_back()

    def _do(self, job: Job) -> bool:
        """Do one job. Return False if the role was lost meanwhile."""
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
        """Give the role back, also in the middle of a job that is about to block.

        By the leader. Called by another thread it does nothing.
        """
        if self._leader == get_ident() and self._end():
            self._back.release()

    # -- the lender's ------------------------------------------------------------------------

    def returned(self, timeout: float = _LATE) -> bool:
        """Wait for so many seconds at most. Return whether the lender has the role again.

        The leader has given it back then, or is late and loses it here.
        """
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
    """Decides when to lend: not while handlers block, and less often the more often they did.

    lends: False switches it off.
    """

    def __init__(self, workers: Workers, *, lends: bool = True) -> None:
        self._workers = workers
        self._lends = lends and _GIL
        self._loan: Loan | None = None
        self._next = 0.0
        self._patience = _PATIENCE

    @property
    def lent(self) -> bool:
        """Whether the selector is lent now."""
        return self._loan is not None

    def give_back(self) -> None:
        """Give the role back if this thread has it. By any worker, before it blocks."""
        loan = self._loan
        if loan is not None:
            loan.give_back()

    def lend(self, turn: Callable[[], None], server: ServerCore) -> bool:
        """Lend the selector with the jobs that wait. Return True with the role when the loan has
        ended, and False at once if nothing is lent now. Raise what the leader raised.

        turn: selects once. Handing a job from one thread to another costs as much as a small job.
        While handlers are quick, they run on the thread that selects, and this one watches.
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
        except BaseException:
            # A KeyboardInterrupt: the role must be back before the selector is closed.
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
