"""The timer table: every deadline that a connection can have, in one place.

It never reads a clock. Time comes in as an argument, the earliest deadline goes out.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from math import isnan, nan

from anylane.errors import UsageError
from anylane.shown import shown

NEVER = float("inf")
"""The deadline of what has none."""


class Timer(IntEnum):
    """What a deadline is for. There is at most one of each, SLEEP excepted."""

    TLS_HANDSHAKE = 0
    HEAD = 1
    BODY = 2
    KEEP_ALIVE = 3
    HANDLER = 4
    WRITE_STALL = 5
    PING = 6
    PONG = 7
    HEARTBEAT = 8
    SLEEP = 9
    CLOSE = 10
    LINGER = 11
    DRAIN = 12
    GO_ON = 13
    """Input that was put off is gone on with in a new turn. It is set to a time that has come."""


_COUNT = len(Timer)


class Timers:
    """Absolute deadlines by kind, in seconds on the clock of the caller's `now`.

    at: all of them, by `Timer`.
    bound: never later than `next()`, and free to read. It rises only when `next` is called or all
        are cleared, because most deadlines are set and cleared long before they come.
    """

    __slots__ = ("at", "bound")

    def __init__(self) -> None:
        self.at: list[float] = [NEVER] * _COUNT
        self.bound: float = NEVER

    def set(self, timer: Timer, deadline: float) -> None:
        """Set a deadline. It replaces one of the same kind."""
        # Written out in Http1._request and Http1.conclude (tests/test_inlined_copies.py).
        self.at[timer] = deadline
        if deadline < self.bound:  # noqa: PLR1730  # min() takes three times as long
            self.bound = deadline

    def clear(self, timer: Timer) -> None:
        """Clear a deadline; harmless if it is not set."""
        # Written out in Http1._request and Http1.conclude (tests/test_inlined_copies.py).
        self.at[timer] = NEVER

    def clear_all(self, *kept: Timer) -> None:
        """Clear every deadline but *kept*."""
        before, self.at, self.bound = self.at, [NEVER] * _COUNT, NEVER
        for timer in kept:
            self.set(timer, before[timer])

    def is_set(self, timer: Timer) -> bool:
        """Return whether a deadline is set."""
        return self.at[timer] != NEVER

    def next(self) -> float:
        """Return the earliest deadline, or NEVER."""
        self.bound = bound = min(self.at)
        return bound

    def take_due(self, now: float) -> Timer | None:
        """Return the timer whose deadline came first, and clear it; None if none has come.

        One at a time, because what it leads to may clear the others.
        """
        at, timer = min(zip(self.at, Timer, strict=True))
        if at > now:
            return None
        self.at[timer] = NEVER
        return timer


class Alarm:
    """One deadline of a handler: of `ctx.sleep`, or a time-out.

    deadline: when it comes, in seconds on the clock of `now`.
    fired: whether it has come.
    on_fire: called then. It must not block, and must not call back into the connection.
    """

    __slots__ = ("deadline", "fired", "on_fire")

    def __init__(self, deadline: float, on_fire: Callable[[], None] | None = None) -> None:
        self.deadline: float = deadline
        self.on_fire: Callable[[], None] | None = on_fire
        self.fired: bool = False


def deadline_after(now: float, seconds: float) -> float:
    """Return the deadline that many seconds from now.

    Raises UsageError for what is no number. NaN has no order: it would never come, and would hide
    the deadlines that do.
    """
    try:
        deadline = now + seconds
    except (TypeError, OverflowError):
        deadline = nan
    if isnan(deadline):
        raise UsageError(f"a time is {shown(seconds)}; expected seconds, an int or a float")
    return deadline


class Alarms:
    """The alarms of one exchange. They are few at a time: a list beats a heap below about ten.

    shielded_until: when what cleans up after an interruption is interrupted, too; NEVER until that
        is decided.
    """

    __slots__ = ("_pending", "shielded_until")

    def __init__(self) -> None:
        self._pending: list[Alarm] = []
        self.shielded_until: float = NEVER

    def set(self, deadline: float, on_fire: Callable[[], None] | None = None) -> Alarm:
        """Set an alarm, and return it."""
        alarm = Alarm(deadline, on_fire)
        self._pending.append(alarm)
        return alarm

    def cancel(self, alarm: Alarm) -> None:
        """Drop an alarm; harmless after it fired."""
        if not alarm.fired and alarm in self._pending:
            self._pending.remove(alarm)

    def clear(self) -> None:
        """Drop every alarm."""
        self._pending.clear()

    def next(self) -> float:
        """Return the earliest deadline, or NEVER."""
        if not self._pending:
            return NEVER
        return min(alarm.deadline for alarm in self._pending)

    def fire(self, now: float) -> bool:
        """Fire every alarm whose deadline has come, in the order of the deadlines."""
        due = [alarm for alarm in self._pending if alarm.deadline <= now]
        if not due:
            return False
        self._pending = [alarm for alarm in self._pending if alarm.deadline > now]
        for alarm in sorted(due, key=lambda alarm: alarm.deadline):
            alarm.fired = True
            if alarm.on_fire is not None:
                alarm.on_fire()
        return True


class HasAlarms:
    """What has deadlines of its own, as the handler of an exchange does.

    news: something happened that it may wait for. own_alarms: None until they are first asked for:
    few handlers have any.
    """

    __slots__ = ("news", "own_alarms")

    news: bool
    own_alarms: Alarms | None

    @property
    def alarms(self) -> Alarms:
        """Return its deadlines."""
        if self.own_alarms is None:
            self.own_alarms = Alarms()
        return self.own_alarms

    def next_alarm(self) -> float:
        """Return the earliest deadline of `alarms`, in seconds, or NEVER."""
        return NEVER if self.own_alarms is None else self.own_alarms.next()

    def fire_alarms(self, now: float) -> None:
        """Fire the alarms that are due."""
        if self.own_alarms is not None and self.own_alarms.fire(now):
            self.news = True
