"""The worker whose lines these are, where several workers write from one process.

Each interpreter has this module for itself, so what is set here is that interpreter's own.
"""

from __future__ import annotations

_worker: int | None = None


def name_worker(worker: int) -> None:
    """Have the lines of this interpreter say which worker has written them."""
    global _worker
    _worker = worker


def current_worker() -> int | None:
    """Return the worker whose lines these are, None where the process itself tells that."""
    return _worker
