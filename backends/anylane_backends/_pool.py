"""The thread pool of the lanes whose handlers are coroutines."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from anylane.config import ServerConfig

POOL = "anylane pool"
"""What the names of its threads begin with."""


class Pool:
    """Runs blocking functions; `max_threads` at a time, the others wait in order."""

    def __init__(self, config: ServerConfig) -> None:
        self._executor = ThreadPoolExecutor(config.max_threads, thread_name_prefix=POOL)

    def submit(self, func: Callable[[], Any], done: Callable[[], None]) -> Future[Any]:
        """done: called from the thread, after the future is."""
        future = self._executor.submit(func)
        future.add_done_callback(lambda _: done())
        return future

    def close(self) -> None:
        """Threads that still run are left to end by themselves."""
        self._executor.shutdown(wait=False, cancel_futures=True)
