"""Pace: a minimum rate for a peer that sends, or that takes what was sent.

A deadline for each piece alone is met by one byte a minute, for ever. Here each byte earns time.
"""

from __future__ import annotations

from anylane.protocol.timers import NEVER, Timer, Timers


class Pace:
    """Sets a deadline for the next piece, and sooner where the pieces are too small for their rate.

    timer: the row of `timers` that it sets; it is cleared when nothing more is waited for. rate:
    bytes a second, 0 for any. pause: seconds between two pieces. grace: seconds that a peer may
    be slower than its rate, beyond one pause. Every `now` is in seconds.

    However much has moved, it earns no more than one pause and the grace: a fast beginning is no
    licence to drip for hours.
    """

    __slots__ = ("_due", "_most", "_pause", "_rate", "_timer", "_timers")

    def __init__(
        self, timers: Timers, timer: Timer, *, rate: int, grace: float, pause: float
    ) -> None:
        self._timers = timers
        self._timer = timer
        self._rate = rate
        self._most = grace + pause
        self._pause = pause
        self._due = NEVER

    def begin(self, now: float) -> None:
        """Begin to wait, or begin again after a time in which the peer was not the reason."""
        self._due = now + self._most if self._rate else NEVER
        self._timers.set(self._timer, now + self._pause)

    def moved(self, size: int, now: float) -> None:
        """Take note that so many bytes have moved."""
        if self._rate:
            self._due = min(self._due + size / self._rate, now + self._most)
        self._timers.set(self._timer, min(now + self._pause, self._due))
