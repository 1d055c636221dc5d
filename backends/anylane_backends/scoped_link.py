"""ScopedLink: the half of a Link that interrupts its exchange by a scope of the loop's library."""

from __future__ import annotations

from anylane.lane.link import Link
from anylane.protocol import Interrupt


class ScopedLink(Link):
    """A Link whose exchange is interrupted at the awaits of its task.

    A lane supplies `checkpoint`, `is_native` and `cancellation`, which makes the next checkpoint
    raise.
    """

    __slots__ = ()

    async def checkpoint(self) -> None:
        """Give other tasks their turn; a cancellation arrives here."""
        raise NotImplementedError

    def is_native(self, exc: BaseException) -> bool:
        """Return whether `exc` is the loop's own cancellation of the current task."""
        raise NotImplementedError

    async def interrupted(self) -> None:
        """Raise the interruption natively if one has come, and what was waited for came first."""
        if self.exchange.interrupt is not None and not self.exchange.told:
            self.cancellation()
            await self.checkpoint()

    async def hear(self) -> None:
        if self.exchange.interrupt not in (None, Interrupt.DISCONNECT):
            self.cancellation()
            await self.checkpoint()
        self.check()

    def is_cancellation(self, exc: BaseException) -> bool:
        return self.is_native(exc) or Link.is_cancellation(self, exc)
