"""Successor: a new binary that takes this supervisor's place, as far as this process is concerned.

What the new one does is in `takeover`.
"""

from __future__ import annotations

import os
import selectors
from collections.abc import Callable

from anylane_backends.hosting.supervision.child import Nursery, tell
from anylane_backends.hosting.supervision.service import Service


class Successor:
    """At most one at a time, from its start until it accepts or has ended.

    accepted: called once it accepts. pid: 0 while there is none.
    """

    def __init__(
        self,
        service: Service,
        nursery: Nursery,
        selector: selectors.BaseSelector,
        accepted: Callable[[], None],
    ) -> None:
        self._service = service
        self._nursery = nursery
        self._selector = selector
        self._accepted = accepted
        self._news = -1
        self.pid: int = 0

    def __bool__(self) -> bool:
        """Whether there is one."""
        return self.pid > 0

    def start(self) -> None:
        """Start it, in a process that does not end with this one. Raise OSError if the system
        refuses that."""
        news, ours = os.pipe()
        # A worker of the new one may hold the other end still when the new one has ended.
        os.set_blocking(news, False)
        os.set_inheritable(ours, True)

        def replace() -> None:
            os.close(news)
            self._service.replace(ours)

        try:
            self.pid = self._nursery.fork(replace, bound=False)
        except OSError:
            os.close(news)
            raise
        finally:
            os.close(ours)
        self._news = news
        self._selector.register(news, selectors.EVENT_READ, self._hear)
        self._service.log("info", f"started a new binary, process {self.pid}")

    def ended(self, pid: int, how: str) -> bool:
        """Take note that a process has ended. Return whether it was this one."""
        if pid != self.pid:
            return False
        if self._news >= 0:
            self._hear()  # It may have accepted before.
        if self.pid:
            self.pid = 0
            self._service.log("error", f"the new binary ended with {how}: this one stays")
        return True

    def tell(self, number: int) -> None:
        """Send it a signal, if it is there."""
        if self.pid:
            tell(self.pid, number)

    def release(self) -> None:
        """Close what is the supervisor's own, in a child."""
        if self._news >= 0:
            os.close(self._news)

    def _hear(self) -> None:
        try:
            accepts = bool(os.read(self._news, 1))
        except BlockingIOError:
            accepts = False
        self._selector.unregister(self._news)
        os.close(self._news)
        self._news = -1
        if accepts:
            pid, self.pid = self.pid, 0
            self._service.log("info", f"the new binary, process {pid}, accepts: draining")
            self._service.handed_over(pid)
            self._accepted()
