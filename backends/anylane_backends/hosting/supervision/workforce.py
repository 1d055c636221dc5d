"""Workforce: how a supervisor makes, tells and ends its workers, whatever they are."""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Iterator
from typing import Protocol

from anylane_backends.hosting.supervision.child import Nursery, tell
from anylane_backends.hosting.supervision.hung_workers import STACKS
from anylane_backends.hosting.supervision.service import Post, Service
from anylane_backends.sockets.wakeup import WakeupSocketpair


class Workforce(Protocol):
    """The workers of one kind. Each has an id: that of its process or of its thread, which the
    kernel gives out from the same numbers."""

    are_processes: bool
    """Whether each is a process. Then it can be killed, and the supervisor, which has one thread,
    may start other processes."""

    kill_after: float
    """Seconds that workers have at the end beyond their own last resort, until they are killed."""

    def start(self, post: Post, news: int, /) -> int:
        """Start a worker. Return its id. Raise OSError if the system refuses that.

        news: our end of the pipe whose other end is `post.news`. That one is the worker's, and
        closed here in any case.
        """
        ...

    def tell(self, worker: int, number: int) -> None:
        """Send a worker a signal, if it still is there."""

    def ended(self) -> Iterator[tuple[int, int]]:
        """Yield the id and the exit code of each worker that has ended, once. A negative code is
        that of the signal that has ended it. Other children of this process may be among them."""
        ...


class Processes:
    """Workers that are child processes of the supervisor. SIGCHLD wakes it when one has ended."""

    are_processes: bool = True
    kill_after: float = 5.0

    def __init__(self, service: Service, nursery: Nursery, _wakeup: WakeupSocketpair) -> None:
        self._service = service
        self._nursery = nursery

    def start(self, post: Post, news: int, /) -> int:
        """Start a worker (see `Workforce`)."""

        def work() -> None:
            os.close(news)
            # By number: a handler that hangs may have changed sys.stderr.
            faulthandler.register(STACKS, file=2, chain=False)
            self._service.work(post)

        try:
            return self._nursery.fork(work)
        finally:
            os.close(post.news)

    def tell(self, worker: int, number: int) -> None:
        """Send a worker a signal (see `Workforce`)."""
        tell(worker, number)

    def ended(self) -> Iterator[tuple[int, int]]:
        """Yield those that have ended (see `Workforce`)."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            yield pid, os.waitstatus_to_exitcode(status)
