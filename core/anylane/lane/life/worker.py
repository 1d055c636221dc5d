"""Worker: what a process knows of its place among those that serve the same app."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process, as `@app.on_worker_start` hooks see it."""

    number: int = 0
    """Of its slot, from 0. The replacement of a worker has the same one."""
    workers: int = 1
    """How many workers there were to be when it was started."""
