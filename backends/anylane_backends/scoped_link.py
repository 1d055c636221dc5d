"""ScopedLink: the half of a Link that interrupts its exchange by a scope of the loop's library."""

from __future__ import annotations

from typing import Protocol

from anylane.lane.link import Link, Scope
from anylane.protocol import Interrupt


class Canceller(Protocol):
    """What interrupts an exchange natively: its scope, or its runner.

    heard: whether the interruption has been raised in the exchange, as far as that is known.
    """

    @property
    def heard(self) -> bool: ...

    def strike(self) -> BaseException:
        """Return what the exchange's own code is to raise now. Where a checkpoint raises it
        natively from now on, that comes first."""
        ...


class NativeScope(Scope, Canceller, Protocol):
    """A scope of the loop's library around an exchange, or within it."""


class ScopedLink(Link):
    """A Link whose exchange runs in a scope of the loop's library.

    canceller: what interrupts the exchange. A lane supplies `scope`, `shield`, `checkpoint` and
    `is_native`.
    """

    __slots__ = ()

    canceller: Canceller

    async def checkpoint(self) -> None:
        """Give other tasks their turn; a cancellation arrives here."""
        raise NotImplementedError

    def is_native(self, exc: BaseException) -> bool:
        """Return whether `exc` is the loop's own cancellation of the current task."""
        raise NotImplementedError

    def entered(self, scope: NativeScope) -> None:  # type: ignore[override]  # `scope` makes it
        self.canceller = scope  # type: ignore[misc]  # The lane's class has the slot.
        super().entered(scope)

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

    def cancellation(self) -> BaseException:
        return self.canceller.strike()

    @property
    def heard(self) -> bool:
        return self.canceller.heard

    def is_cancellation(self, exc: BaseException) -> bool:
        return self.is_native(exc) or super().is_cancellation(exc)
