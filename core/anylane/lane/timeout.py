"""Timeout: a block that is cancelled when it takes too long, on the core's clock."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from anylane.protocol.timers import deadline_after

if TYPE_CHECKING:
    from anylane.lane.link import Link
    from anylane.protocol.exchange import Exchange


class Timeout:
    """Cancels what runs inside once it has taken so many seconds, and raises TimeoutError then.

    seconds: on the core's clock, which is virtual in tests. The cancellation is the lane's own
    where it has one; on lanes without an event loop it is seen at the next use of `ctx`. Entering
    raises UsageError if `seconds` is no number. Any other exception passes through the block.
    """

    __slots__ = ("_alarm", "_exchange", "_link", "_scope", "_seconds")

    def __init__(self, exchange: Exchange, link: Link, seconds: float) -> None:
        self._exchange = exchange
        self._link = link
        self._seconds = seconds
        self._scope = link.scope()

    async def __aenter__(self) -> Self:
        deadline = deadline_after(self._link.now(), self._seconds)
        # Nothing after this line may raise: a native scope that is entered has to be left.
        await self._scope.__aenter__()
        self._alarm = self._exchange.alarms.set(deadline, self._scope.cancel)
        self._link.pump()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._exchange.alarms.cancel(self._alarm)
        swallowed = await self._scope.__aexit__(kind, exc, traceback)
        if self._scope.caught:
            if self._exchange.interrupt is not None:
                await self._link.hear()  # It came inside, and only the time-out was seen.
            raise TimeoutError(f"took longer than {self._seconds:g} seconds")
        return swallowed
