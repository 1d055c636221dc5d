"""The thread pool of the lanes whose handlers are coroutines, and how threads are started."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from threading import Lock
from typing import Any

from anylane.lane.server_core import ServerCore
from anylane_backends.workers import Job, Workers


class Pool:
    """Runs blocking functions: `max_threads` at a time, while the others wait in order.

    Background work has as many threads of its own, so that it delays no handler.
    Where no thread can be started, a function runs at once, on the thread that submits it.
    """

    def __init__(self, server: ServerCore) -> None:
        self._log = server.log
        threads = server.config.max_threads
        self._handlers = Workers(threads, "anylane pool")
        self._background = Workers(threads, "anylane background")
        server.longest_waiting = self._handlers.oldest
        self._lock = Lock()
        self._unfinished = 0
        self._told = False

    def submit(
        self, func: Callable[[], Any], done: Callable[[], None], *, background: bool = False
    ) -> Future[Any]:
        """Run a function in the pool. Return its future.

        done: called on the pool's thread, after the future has its result. background: whether it
        belongs to no connection's exchange.
        """
        future: Future[Any] = Future()
        future.add_done_callback(lambda _: done())
        workers = self._background if background else self._handlers
        with self._lock:
            self._unfinished += 1
        job = partial(self._run, future, func)
        workers.jobs.append(job)
        if not self._spread(workers, job):
            job()  # Not in an `except`: what it raises has not come of the missing thread.
        return future

    def _spread(self, workers: Workers, job: Job) -> bool:
        """Have a thread do the job. Return False, and take the job back, if none can be started."""
        try:
            workers.spread()
        except RuntimeError as exc:
            workers.jobs.remove(job)
            # In WebAssembly no thread ever is, and nothing could be done about it.
            if not self._told and sys.platform != "emscripten":
                self._told = True
                self._log("warning", f"no thread can be started ({exc}): `def` runs inline", None)
            return False
        return True

    def close(self) -> None:
        """End the threads. Functions that still run end by themselves, or with the process."""
        left = self._unfinished
        if left:
            self._log("warning", f"{left} functions still block; they are left behind", None)
        for workers in (self._handlers, self._background):
            workers.close(0)

    def _run(self, future: Future[Any], func: Callable[[], Any]) -> None:
        result: Any = None
        error: BaseException | None = None
        try:
            result = func()
        except BaseException as exc:  # noqa: BLE001  # the future raises it
            error = exc
        with self._lock:  # Before the result is known: the end of the server may come of it.
            self._unfinished -= 1
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
        # The traceback knows this frame: without a cycle all is freed at once.
        del future, func, result, error
