"""ClientLog: what the server of a test client has logged, and for which connection.

It keeps what it is told. Warnings and errors it writes to stderr as well, with their tracebacks:
a runner of tests shows that beside a test that fails, and beside no other.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from traceback import format_exception
from typing import Any

from anylane.lane.link import current_link
from anylane.testing.world import LogRecord

_SHOWN = ("warning", "error")


class ClientLog:
    """A log for a ServerCore that keeps what it is told, and shows what went wrong.

    records: every record, in order.
    """

    def __init__(self) -> None:
        self.records: list[LogRecord] = []
        self._failures: list[tuple[Any, BaseException]] = []

    def __call__(self, level: str, message: str, error: BaseException | None) -> None:
        self.records.append(LogRecord(level, message, error))
        if level in _SHOWN:
            _show(level, message, error)
        # What is logged in a handler's context belongs to the connection of its exchange.
        link = current_link.get(None)
        if error is not None and level == "error" and link is not None:
            self._failures.append((link.driver.connection.peer, error))

    def mark(self) -> int:
        """Return a mark for `failure`: only later exceptions count."""
        return len(self._failures)

    def failure(self, peer: Any, mark: int) -> BaseException | None:
        """Return the first exception since *mark* that a handler of that connection raised."""
        return next((error for name, error in self._failures[mark:] if name == peer), None)


def _show(level: str, message: str, error: BaseException | None) -> None:
    """Write a line of the log to stderr, and the traceback that belongs to it."""
    lines = [f"{level}: {message}\n", *(() if error is None else format_exception(error))]
    # A runner of tests has put it there. No server ends because it is None or closed.
    with suppress(AttributeError, OSError, ValueError):
        sys.stderr.write("".join(lines))
