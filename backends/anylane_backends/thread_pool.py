"""The thread pool of the lanes whose handlers are coroutines."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

from anylane.lane.server_core import ServerCore

Job = tuple[Future[Any], Callable[[], Any]]


class Pool:
    """Runs blocking functions: `max_threads` at a time, while the others wait in order.

    Its threads are daemons, which ThreadPoolExecutor's are not: a handler that blocks must not
    hold the process after the drain has given it up.
    """

    def __init__(self, server: ServerCore) -> None:
        self._log = server.log
        self._limit = server.config.max_threads
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = Lock()
        self._threads = 0
        self._busy = 0

    def submit(self, func: Callable[[], Any], done: Callable[[], None]) -> Future[Any]:
        """Run a function in the pool. Return its future.

        done: called on the pool's thread, after the future has its result.
        """
        future: Future[Any] = Future()
        future.add_done_callback(lambda _: done())
        with self._lock:
            self._busy += 1
            if self._busy > self._threads < self._limit:
                self._threads += 1
                Thread(target=self._work, name=f"anylane pool {self._threads}", daemon=True).start()
        self._jobs.put((future, func))
        return future

    def close(self) -> None:
        """End the threads. Functions that still run end by themselves, or with the process."""
        if self._busy:
            self._log("warning", f"{self._busy} functions still block; they are left behind", None)
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, func = job
            result: Any = None
            error: BaseException | None = None
            try:
                result = func()
            except BaseException as exc:  # noqa: BLE001  # the future raises it
                error = exc
            with self._lock:
                self._busy -= 1
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
            del job, future, func, result, error
