"""Rate: how many requests in how many seconds, and whether one more is too many.

The rule is the generic cell rate algorithm of ATM (ITU-T I.371, annex A), in its form as virtual
scheduling. One number for each client says all: the moment until which its past requests would take
at the steady rate. It needs no list of requests, and no window jumps.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from anylane.errors import UsageError
from anylane.shown import shown

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}

MAX_LIMIT = 10**9
"""Requests, and those of a burst."""

MAX_PER_SECOND = 100_000
"""Nothing that serves Python has to be kept from more."""

MAX_PERIOD = 366 * 86400
"""Seconds. A limit by the year is a quota, which belongs into a database."""

MAX_WINDOW = 10**15 - 1
"""Seconds in which a burst is earned. The fields can say no larger number (RFC 9651 §3.3.1)."""

_TEXT = re.compile(
    r"\s*(\d{1,10})\s*/\s*(?:(\d{1,9})\s*)?(second|minute|hour|day|s|m|min|h|d)s?"
    r"(?:\s+burst\s+(\d{1,10}))?\s*",
    re.IGNORECASE | re.ASCII,
)

_SHORT = {"s": "second", "m": "minute", "min": "minute", "h": "hour", "d": "day"}

ROUNDING = 1e-6
"""Seconds that sums of floats may be off by: a client that waits as long as it was told must
pass."""


class Usage(NamedTuple):
    """What one client has used of a rate, after one more request."""

    allowed: bool
    """Whether that request passes."""
    remaining: int
    """So many more would pass now."""
    wait: float
    """Seconds until the next one passes; 0 if one does now."""
    reset: float
    """Seconds until nothing is used any more."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in so many seconds."""

    limit: int
    """Requests."""
    period: float
    """Seconds."""
    burst: int
    """Requests that may come at once. Behind them, one passes each `period / limit` seconds."""
    interval: float = field(init=False, repr=False, compare=False)
    """Seconds between two requests at the steady rate."""
    window: float = field(init=False, repr=False, compare=False)
    """Seconds in which a whole burst is earned."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "interval", self.period / self.limit)
        object.__setattr__(self, "window", self.burst * self.interval)

    @classmethod
    def parse(cls, text: object) -> Rate:
        """Return the rate of "10/minute", "100/15 minutes" or "5/second burst 20".

        Without a burst it is the limit. Raise UsageError for anything else.
        """
        found = _TEXT.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            raise UsageError(
                f"the rate is {shown(text)}; expected e.g. '10/minute', '100/15 minutes' or "
                "'5/second burst 20', in seconds, minutes, hours or days"
            )
        unit = found[3].lower()
        limit, period = int(found[1]), int(found[2] or 1) * _UNITS[_SHORT.get(unit, unit)]
        burst = int(found[4] or limit)
        if not (1 <= limit <= MAX_LIMIT and 1 <= burst <= MAX_LIMIT and 1 <= period <= MAX_PERIOD):
            raise UsageError(
                f"the rate is {shown(text)}; expected 1 to {MAX_LIMIT} requests in 1 second to "
                f"{MAX_PERIOD // 86400} days"
            )
        if limit > period * MAX_PER_SECOND:
            raise UsageError(
                f"the rate is {shown(text)}; expected {MAX_PER_SECOND} requests a second at most"
            )
        if burst * period > limit * MAX_WINDOW:
            raise UsageError(
                f"the rate is {shown(text)}; its burst would take more than {MAX_WINDOW} seconds "
                "to be earned: expected a smaller one"
            )
        return cls(limit, float(period), burst)

    def after_one(self, until: float | None, now: float) -> tuple[float, Usage]:
        """Count one more request.

        until: what this returned for the client's last one; None if nothing is known of it. now: in
        seconds, on the same clock. Return what to remember, until that moment, and what it says. A
        request that does not pass is not counted.
        """
        interval, window = self.interval, self.window
        before = now if until is None or until < now else until
        after = before + interval
        allowed = after - now <= window + ROUNDING
        until = after if allowed else before
        return until, self.usage(until - now, allowed=allowed)

    def usage(self, used: float, *, allowed: bool) -> Usage:
        """Return what `after_one` says of a client that has used so many seconds of the window."""
        free = self.window - used + ROUNDING
        return Usage(
            allowed,
            max(0, int(free / self.interval)),
            0.0 if free >= self.interval else used + self.interval - self.window,
            used,
        )
