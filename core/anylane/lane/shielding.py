"""Shielding: what a handler may still wait for after its interruption, to clean up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from anylane.protocol.timers import NEVER

if TYPE_CHECKING:
    from anylane.lane.link import Link


async def shielded(link: Link, work: Callable[[], Awaitable[Any]]) -> Any:
    """Await `work` although the exchange was interrupted, and return what it returns.

    A handler that has not heard of its interruption hears of it first. All of this together gets
    `Timeouts.close` seconds from its first use; after that the interruption is raised again.
    """
    exchange = link.exchange
    if not link.heard:
        await link.hear()
    alarms = exchange.alarms
    if alarms.shielded_until == NEVER:
        alarms.shielded_until = link.now() + exchange.carrier.config.timeouts.close
    if link.now() >= alarms.shielded_until:
        raise link.cancellation()
    result: Any = None
    scope = link.shield()
    async with scope:
        alarm = alarms.set(alarms.shielded_until, scope.cancel)
        try:
            result = await work()
        finally:
            alarms.cancel(alarm)
    if scope.caught:
        raise link.cancellation()
    return result
