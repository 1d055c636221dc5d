"""Timeout: a block that is cancelled natively when it takes too long, on the core's clock."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from anylane.protocol.timers import deadline_after

if TYPE_CHECKING:
    from anylane.handling.context import Context


class Timeout:
    """A time-out on the core's clock, cancelling natively what runs inside."""

    __slots__ = ("_alarm", "_ctx", "_scope", "_seconds")

    def __init__(self, ctx: Context, seconds: float) -> None:
        self._ctx = ctx
        self._seconds = seconds
        self._scope = ctx.link.scope()

    async def __aenter__(self) -> Self:
        ctx = self._ctx
        deadline = deadline_after(ctx.link.now(), self._seconds)
        # Nothing behind it may raise: a native scope that is entered has to be left.
        await self._scope.__aenter__()
        self._alarm = ctx.exchange.alarms.set(deadline, self._scope.cancel)
        ctx.link.pump()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._ctx.exchange.alarms.cancel(self._alarm)
        swallowed = await self._scope.__aexit__(kind, exc, traceback)
        if self._scope.caught:
            raise TimeoutError(f"took longer than {self._seconds:g} seconds")
        return swallowed
