"""NativeCancel: the half of a Link that cancels its exchange's own task, with no scope around it.

A scope for each request would be a tenth of its time.
"""

from __future__ import annotations

from anylane.lane.link import Link


class NativeCancel(Link):
    """A Link whose exchange runs in a task that it can cancel.

    A lane supplies `cancel_task` and `is_own_cancellation`.
    """

    __slots__ = ()

    native = True

    def cancel_task(self) -> None:
        """End natively what the exchange awaits, now or at the task's next chance.

        Called on the lane's own thread, and at most once: an exchange is interrupted only once.
        """
        raise NotImplementedError

    def begin(self) -> None:
        exchange = self.exchange
        exchange.on_interrupt = self._interrupt  # As Exchange.begin(), without the call.
        if exchange.interrupt is not None:
            self._interrupt()

    def _interrupt(self) -> None:
        # It always goes through the queue: a task that cancels itself would be hit at a later
        # await, outside of the exchange.
        self.driver.wakes.put(self._cancel)

    def _cancel(self) -> None:
        if not self.exchange.finished:
            self.cancel_task()
