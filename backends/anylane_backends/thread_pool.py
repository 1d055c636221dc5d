"""The thread pool of the lanes whose handlers are coroutines, and how threads are started."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

from anylane.lane.server_core import ServerCore

Job = tuple[Future[Any], Callable[[], Any]]


def start_thread(target: Callable[[], object], name: str) -> Thread:
    """Start a thread that does not keep the process alive, where there are such threads.

    A subinterpreter refuses daemons (PEP 684): there it is a plain thread, for whose end the
    interpreter waits. Raise RuntimeError where no thread can be started: in an isolated
    subinterpreter before Python 3.12, under WebAssembly, or when the system has none left.
    """
    try:
        thread = Thread(target=target, name=name, daemon=True)
    except RuntimeError:
        thread = Thread(target=target, name=name)
    thread.start()
    return thread


class Pool:
    """Runs blocking functions: `max_threads` at a time, while the others wait in order.

    Its threads are daemons where they can be, which ThreadPoolExecutor's are not: a handler that
    blocks must not hold the process after the drain has given it up. Where no thread can be
    started, a function runs at once, on the thread that submits it.
    """

    def __init__(self, server: ServerCore) -> None:
        self._log = server.log
        self._limit = server.config.max_threads
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = Lock()
        self._threads = 0
        self._busy = 0
        self._told = False

    def submit(self, func: Callable[[], Any], done: Callable[[], None]) -> Future[Any]:
        """Run a function in the pool. Return its future.

        done: called on the pool's thread, after the future has its result.
        """
        future: Future[Any] = Future()
        future.add_done_callback(lambda _: done())
        with self._lock:
            self._busy += 1
            if self._busy > self._threads < self._limit:
                self._one_more()
        if self._threads:
            self._jobs.put((future, func))
        else:
            self._run(future, func)
        return future

    def _one_more(self) -> None:
        try:
            start_thread(self._work, f"anylane pool {self._threads + 1}")
        except RuntimeError as exc:  # Those that there are must do.
            if not self._threads and not self._told:
                self._told = True
                self._log("warning", f"no thread can be started ({exc}): `def` runs inline", None)
        else:
            self._threads += 1

    def close(self) -> None:
        """End the threads. Functions that still run end by themselves, or with the process."""
        if self._busy:
            self._log("warning", f"{self._busy} functions still block; they are left behind", None)
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._run(*job)
            del job

    def _run(self, future: Future[Any], func: Callable[[], Any]) -> None:
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
