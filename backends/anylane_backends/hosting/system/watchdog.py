"""Watchdog: a server in one process shows the service manager that its loop runs."""

from __future__ import annotations

import os
import time

from anylane.lane.wake_queue import WakeQueue
from anylane_backends.hosting.systemd import notify, watchdog_interval
from anylane_backends.workers import start_thread


class Watchdog:
    """Asks the loop again and again to send "WATCHDOG=1". A loop that is blocked sends nothing.

    wakes: of the server, whose backend has attached.
    """

    def __init__(self, wakes: WakeQueue) -> None:
        self._wakes = wakes
        self._asked = False

    def start(self) -> None:
        """Begin, in a thread of its own, if a service manager waits for that."""
        interval = watchdog_interval(os.environ)
        if interval is None:
            return

        def ask() -> None:
            while True:
                self.ask()
                time.sleep(interval)

        start_thread(ask, "anylane watchdog")

    def ask(self) -> None:
        """Have the loop send one, unless it was asked before and has not done that yet."""
        if not self._asked:
            self._asked = True
            self._wakes.put(self._send)

    def _send(self) -> None:
        self._asked = False
        notify("WATCHDOG=1", waits=False)
