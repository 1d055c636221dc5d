"""Dates: the Date header of many responses, asked for once in a while."""

from __future__ import annotations

from collections.abc import Callable

_AGE = 0.1
"""Seconds that a value serves: what RFC 9110 §6.6.1 asks for is an approximation in whole seconds.
Nobody is asked for the time for each of 100,000 responses a second: 0.08 us of some 12."""


class Dates:
    """What `date` gives, on the clock of the caller's `now`. Connections of a server share it.

    date: gives the value now. value: what it gave last; good while `now` is before `until`.
    """

    __slots__ = ("date", "until", "value")

    def __init__(self, date: Callable[[], bytes]) -> None:
        self.date = date
        self.until = float("-inf")
        self.value = b""

    def latest(self) -> bytes:
        """Asked for now, where nobody knows the time; the others do not go back behind it."""
        self.value = self.date()
        return self.value

    def at(self, now: float) -> bytes:
        """The value, a tenth of a second old at most."""
        if now >= self.until:
            self.latest()
            self.until = now + _AGE
        return self.value
