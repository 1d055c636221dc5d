"""Reports: what a supervisor tells the service manager while it runs."""

from __future__ import annotations

import os

from anylane_backends.hosting.systemd import notify, watchdog_interval


class Reports:
    """Tells how the workers are when that changes, and that the supervisor itself is alive."""

    def __init__(self) -> None:
        self._interval = watchdog_interval(os.environ)
        self._told = ""
        self._next = 0.0

    def begin(self, summary: str) -> None:
        """Tell that the service is ready."""
        self._told = summary
        notify(f"READY=1\nSTATUS={summary}")

    def tell(self, summary: str, now: float) -> None:
        """Tell what is to be told now. Call this in each turn of the loop, and no later than
        `next` says: a watchdog that is not told restarts the service."""
        if summary != self._told:
            self._told = summary
            notify(f"STATUS={summary}", waits=False)
        if self._interval is not None and now >= self._next:
            self._next = now + self._interval
            notify("WATCHDOG=1", waits=False)

    def next(self) -> float | None:
        """Return when to call `tell`, or None."""
        return None if self._interval is None else self._next
