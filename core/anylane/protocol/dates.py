"""Dates: the one cache of the Date header.

This file never reads a clock. What makes a value is handed in, and so is `now`.
"""

from __future__ import annotations

from collections.abc import Callable

_MAX_AGE = 0.1
"""Seconds for which a value serves. RFC 9110 §6.6.1 asks for an approximation in whole seconds, and
a value that is a tenth of a second old is one. Making a new one takes 1.8 us, and a whole response
some 12 (CPython 3.13)."""


class Dates:
    """The value of the Date header, made at most ten times a second for whole responses.

    The connections of a server share one. No value is older than a tenth of a second on the
    clock of the caller's `now`.

    date: returns the value for this moment. value: what it returned last. until: the time, in
        seconds, before which `value` still serves; a hot path compares it instead of calling `at`.
    """

    __slots__ = ("date", "until", "value")

    def __init__(self, date: Callable[[], bytes]) -> None:
        self.date: Callable[[], bytes] = date
        self.until: float = float("-inf")
        self.value: bytes = b""

    def latest(self) -> bytes:
        """Return a fresh value. For callers that have no `now`.

        `value` becomes the same, so that no later response seems to be an earlier one.
        """
        self.value = self.date()
        return self.value

    def at(self, now: float) -> bytes:
        """Return `value`, made anew if it has served its time at `now`, in seconds."""
        # Written out in Http1.conclude (tests/test_inlined_copies.py).
        if now >= self.until:
            self.latest()
            self.until = now + _MAX_AGE
        return self.value
