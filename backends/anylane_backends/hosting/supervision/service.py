"""Service: what a supervisor supervises, as the command supplies it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import NoReturn, Protocol

from anylane_backends.hosting.supervision.heartbeat import READY, Living, Patience, Pulse
from anylane_backends.hosting.supervision.recycling import Bounds, Wear

TAKEN = b"t"
"""What an interpreter sends once the descriptors that it was given are its own."""


@dataclass(frozen=True, slots=True)
class Post:
    """What a new worker is told.

    number: of its slot, from 0. row: its row in the `Spread`, None if none was left. news: the
    descriptor of its end of the pipe by which it says that it accepts and that it is alive.
    patience: when it is taken for hung. bounds: when it is recycled.
    """

    number: int
    row: int | None
    news: int
    patience: Patience
    bounds: Bounds

    def ready(self, server: Living) -> Pulse | None:
        """Say that this worker accepts, and begin to beat if that is looked at. Return what beats,
        to be stopped before the descriptor is closed."""
        os.write(self.news, READY)
        if self.patience.loop is None and not self.bounds:
            return None
        pulse = Pulse(server, self.news, Wear(self.bounds, time.monotonic()))
        pulse.start(self.patience.interval)
        return pulse


class Service(Protocol):
    """All but `work`, `watch` and `replace` are called in the supervisor."""

    def work(self, post: Post) -> None:
        """Serve until SIGTERM, in a worker process. SystemExit sets the exit code."""

    def code(self, post: Post, control: int) -> tuple[str, tuple[int, ...]]:
        """Return the source that serves until SIGTERM in an interpreter of this process, and the
        descriptors that it closes itself.

        control: one of them, of a socket. It sends `TAKEN` as soon as the descriptors are its own,
        and its exit code at the end. From there it reads the numbers of signals.
        """
        ...

    def watch(self, supervisor: int) -> None:
        """Send this process SIGHUP whenever the code changes, in a process of its own."""

    def replace(self, tell: int) -> NoReturn:
        """Become the new binary, in a process of its own. It writes a byte to the descriptor
        `tell` once it accepts."""
        ...

    def starts(self) -> None:
        """Take note that a worker is started for which the service manager waits: at the start,
        and in a reload."""

    def accepts(self) -> None:
        """Take note that all workers accept, for the first time."""

    def stopping(self) -> None:
        """Take note that the workers are about to be told to end: close the listeners."""

    def handed_over(self, pid: int) -> None:
        """Take note that the new binary accepts in this process's place. `stopping` is next."""

    def reread(self) -> bool:
        """Read the settings again, for the workers that are started from now on. Return False if
        none are to be started."""
        ...

    def reopen_logs(self) -> None:
        """Open the files of the log again, in this process."""

    def resized(self, workers: int) -> None:
        """Take note that there are to be so many workers from now on."""

    def log(self, level: str, message: str) -> None:
        """Write a line of the log."""

    def drain(self) -> float:
        """Return the seconds that a worker needs at most to drain."""
        ...

    def close(self) -> float:
        """Return the seconds that a worker has to end by itself which was given up."""
        ...
