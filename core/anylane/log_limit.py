"""LogLimit: how many lines of one kind go into the log, and how many are only counted.

Clients decide how often they are refused. So lines about that have a bound, and what is beyond it
is told by its number. Lines about the application's own failures have none.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass

MAX_LINES = 10
"""Lines of one kind in a second. More are counted, and told in one line. A few show what happens; a
flood of them fills the disk."""


@dataclass(frozen=True, slots=True)
class LogKind:
    """Lines of one kind. name: as the line with their number says it, in the plural.

    lines: so many go into the log in each period, of so many seconds.
    """

    name: str
    lines: int = MAX_LINES
    seconds: float = 1.0


CLOSED = LogKind("WebSockets closed for what their client sent")
"""Messages that a handler could not take, with 1007 or 1008."""

REFUSED = LogKind("refused requests")
"""Requests that could not be parsed, or are over a bound."""

TLS = LogKind("failed TLS connections")
"""Handshakes that fail or take too long, and what else a client gets wrong about TLS."""

PROXY = LogKind("connections without a PROXY header that is believed")
"""What a peer gets wrong about the PROXY protocol, where a server asks for it."""

TURNED_AWAY = LogKind("connections turned away")
"""Connections that an on_connect hook does not let in."""

TOO_SLOW = LogKind("handlers that took too long")
"""Handlers that were interrupted by `request_timeout`."""

TEARDOWN = LogKind("teardowns that took too long")
"""Dependencies that are given back late, or too early, which a client can cause by leaving."""

ACCEPTING = LogKind("pauses in accepting", lines=1, seconds=60.0)
"""Pauses because there are no descriptors left. They come again and again until there are some."""


class _Period:
    """What has come of one kind since a moment."""

    __slots__ = ("began", "counted", "level", "written")

    def __init__(self, began: float) -> None:
        self.began = began
        self.written = 0
        self.counted = 0
        self.level = "info"


class LogLimit:
    """Writes the first lines of each kind in a period, and counts the others.

    Their number is told with the first line of the kind behind the period, by `tell_due`, and at
    the end by `tell_all`, so that none is lost. May be used from any thread.

    write: takes the level and the message of each line. time: gives the time in seconds; it may
    jump.
    counting: whether any line was counted that has not been told yet.
    """

    __slots__ = ("_lock", "_periods", "_time", "_write", "counting")

    def __init__(self, write: Callable[[str, str], None], time: Callable[[], float]) -> None:
        self._write = write
        self._time = time
        self._periods: dict[LogKind, _Period] = {}
        self._lock = allocate_lock()
        self.counting: bool = False

    def log(self, kind: LogKind, level: str, message: str) -> None:
        """Write a line of this kind, or count it."""
        now = self._time()
        with self._lock:
            period = self._periods.get(kind)
            old = None
            if period is None or not 0 <= now - period.began < kind.seconds:
                period, old = _Period(now), period
                self._periods[kind] = period
            period.level = level
            if is_written := period.written < kind.lines:
                period.written += 1
            else:
                period.counted += 1
                self.counting = True
        if old is not None:
            self._tell(kind, old, now)
        if is_written:
            self._write(level, message)

    def tell_due(self) -> None:
        """Tell the numbers whose periods are over. It is called when anything else happens."""
        now = self._time()
        self._end(lambda kind, period: not 0 <= now - period.began < kind.seconds)

    def tell_all(self) -> None:
        """Tell all numbers: the server ends."""
        self._end(lambda _kind, _period: True)

    def _end(self, is_over: Callable[[LogKind, _Period], bool]) -> None:
        now = self._time()
        with self._lock:
            ended = [each for each in self._periods.items() if is_over(*each)]
            for kind, _ in ended:
                del self._periods[kind]
            self.counting = any(each.counted for each in self._periods.values())
        for kind, period in ended:
            self._tell(kind, period, now)

    def _tell(self, kind: LogKind, period: _Period, now: float) -> None:
        if period.counted:
            seconds = max(kind.seconds, now - period.began)
            line = f"{kind.name}: {period.counted:,} more in the last {seconds:,.0f} s"
            # In no request's context: the line is about many of them.
            Context().run(self._write, period.level, line)
