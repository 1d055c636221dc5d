"""Service: what a supervisor supervises, as the command supplies it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, Protocol

from anylane_backends.hosting.supervision.heartbeat import Living


@dataclass(frozen=True, slots=True)
class Post:
    """What a new worker process is told.

    number: of its slot, from 0. row: its row in the `Spread`, None if none was left. ready: to be
    called with the server, once that accepts.
    """

    number: int
    row: int | None
    ready: Callable[[Living], None]


class Service(Protocol):
    """All but `work`, `watch` and `replace` are called in the supervisor."""

    def work(self, post: Post) -> None:
        """Serve until SIGTERM, in a worker process. SystemExit sets the exit code."""

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
