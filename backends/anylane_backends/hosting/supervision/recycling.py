"""Recycling: when a worker has served for long enough and is replaced by a fresh one.

It bounds what an application or a library under it leaks. The worker looks at itself, beside its
heartbeat, and says so by a byte. The supervisor starts its replacement and then has it drain, so no
request is refused: a bound is reached by the requests of about a second too late.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

REASONS: Mapping[bytes, str] = MappingProxyType(
    {
        b"n": "has had its requests (max_requests)",
        b"m": "has grown over its bound (max_memory)",
        b"a": "has come of age (max_age)",
    }
)
"""What a worker writes to be replaced -> why, behind "worker 123"."""

Draw = Callable[[float, float], float]
"""Returns a random number from the first to the second."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a worker may reach. None is no bound. requests, memory (bytes), age (seconds).

    The jitters are added to the bound of each worker, up to so much: workers that began together
    do not all reach it together.
    """

    requests: int | None = None
    requests_jitter: int = 0
    memory: int | None = None
    age: float | None = None
    age_jitter: float = 0.0

    def __bool__(self) -> bool:
        """Whether there is any."""
        return (self.requests, self.memory, self.age) != (None, None, None)


class Wear:
    """How far one worker is. Make it in the worker, when it begins to accept."""

    def __init__(self, bounds: Bounds, now: float, draw: Draw = random.uniform) -> None:
        self._memory = bounds.memory
        self._requests: int | None = None
        self._until: float | None = None
        if bounds.requests is not None:
            self._requests = bounds.requests + round(draw(0, bounds.requests_jitter))
        if bounds.age is not None:
            self._until = now + bounds.age + draw(0, bounds.age_jitter)

    def look(self, requests: int, now: float) -> bytes:
        """Return a key of REASONS once a bound is reached, else nothing. requests: so far."""
        if self._requests is not None and requests >= self._requests:
            return b"n"
        if self._until is not None and now >= self._until:
            return b"a"
        if self._memory is not None and resident() >= self._memory:
            return b"m"
        return b""


def resident() -> int:
    """Return the bytes of memory that this process holds, without what is swapped out.

    Without Linux's /proc it is the most that it ever held (getrusage(2)).
    """
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123  # once a second, for ever
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource  # Workers come by fork(), and where that is, this is too.

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def reason_in(news: bytes) -> str | None:
    """Return why the worker that wrote this asks to be replaced, or None."""
    return next((why for code, why in REASONS.items() if code in news), None)
