"""Waiting for what other processes and threads do, with a bound."""

from __future__ import annotations

import time
from collections.abc import Callable


def eventually(
    condition: Callable[[], object], seconds: float = 20, tell: Callable[[], str] = lambda: ""
) -> None:
    """Wait until a condition holds. tell: returns what a failure shows, a log for example."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it did not come to pass\n{tell()}"
        time.sleep(0.02)
