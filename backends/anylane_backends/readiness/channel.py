"""ReadinessChannelDriver: one channel of messages on trio, or on anyio."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextvars import Context

from anylane.lane.deadlines import Deadline
from anylane.lane.link import Errand, Scope
from anylane.protocol import Exchange
from anylane.protocol.channel.message_channel import MessageChannel
from anylane.shown import shown
from anylane_backends.channels.delivery import Delivery
from anylane_backends.readiness.driver import ReadinessDriver
from anylane_backends.readiness.link import ReadinessLink
from anylane_backends.readiness.poller import PolledLoop
from anylane_backends.sockets.sockets import NO_SOCKET


class ReadinessChannelDriver(Delivery[PolledLoop]):
    """One exchange that the loop's host has brought. Its handler runs in the host's context."""

    __slots__ = ("_deadline",)

    def __init__(self, lane: PolledLoop, channel: MessageChannel, context: Context) -> None:
        self._deadline: Deadline | None = None
        super().__init__(lane, channel, context)

    def start_beside(self, func: Callable[[], Awaitable[None]]) -> Scope:
        scope = self.lane.scope()

        async def run() -> None:
            async with scope:
                await func()

        self.lane.start(run, context=self._context.copy())
        return scope

    def set_timer(self, at: float) -> None:
        self.over()
        self._deadline = self.lane.arm(at, self.timeout)

    # -- verbs -------------------------------------------------------------------------------------

    def now(self) -> float:
        return time.monotonic()

    def start(self, exchange: Exchange) -> None:
        link = ReadinessLink(self, exchange, self.lane)
        self.started(link)
        self.lane.start(self._run, link, context=self._context.copy())

    async def _run(self, link: ReadinessLink) -> None:
        try:
            await self.server.run_exchange(link.exchange, link)
        except Exception as exc:  # noqa: BLE001  # No bug may end the server.
            self.server.log("error", f"an exchange failed: {shown(exc, 1000)}", exc)
        finally:
            self.finished(link)

    def detach(self, errand: Errand) -> None:
        ReadinessDriver(self.lane, NO_SOCKET, None, None, errand)

    def over(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
