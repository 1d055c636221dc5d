"""ReadinessChannelDriver: one channel of messages on trio, or on anyio."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any

from anylane.lane.deadlines import Deadline
from anylane.lane.driver import Driver
from anylane.lane.link import Errand, Link, Scope
from anylane.protocol import Closing, Exchange
from anylane.protocol.channel.message_channel import MessageChannel
from anylane.shown import shown
from anylane_backends.channels.delivery import Delivery, Host
from anylane_backends.readiness.driver import ReadinessDriver
from anylane_backends.readiness.link import ReadinessLink
from anylane_backends.readiness.poller import PolledLoop
from anylane_backends.sockets.sockets import NO_SOCKET


class ReadinessChannelDriver(Driver):
    """One exchange that the loop's host has brought. Its handler runs in the host's context."""

    __slots__ = ("_context", "_deadline", "_delivery", "lane")

    def __init__(self, lane: PolledLoop, channel: MessageChannel, context: Context) -> None:
        self.lane: PolledLoop = lane
        self._context = context
        self._delivery = Delivery(lane)
        self._deadline: Deadline | None = None
        super().__init__(lane.server, peer=None, local=None, connection=channel)

    async def run(self, channel: MessageChannel, host: Host) -> None:
        """Carry the exchange to its end (see `Delivery.run`)."""
        await self._delivery.run(self, channel, host, self._start_beside)

    def _start_beside(self, func: Callable[[], Awaitable[None]]) -> Scope:
        scope = self.lane.scope()

        async def run() -> None:
            async with scope:
                await func()

        self.lane.start(run, context=self._context.copy())
        return scope

    # -- verbs -------------------------------------------------------------------------------------

    def now(self) -> float:
        return time.monotonic()

    def write(self, chunks: list[Any]) -> None:
        self._delivery.write(chunks)

    def unsent(self) -> int:
        return self._delivery.size

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

    def finished(self, link: Link) -> None:
        super().finished(link)
        self._delivery.tell()

    def input_comes_first(self) -> bool:
        return self._delivery.host_comes_first(self.now())

    def arm(self, deadline: float) -> None:
        self.over()
        deadline = self._delivery.armed(deadline, self.now())
        self._deadline = self.lane.arm(deadline, self.timeout)

    def set_reading(self, on: bool) -> None:
        self._delivery.set_reading(on)

    def close(self, how: Closing) -> None:
        self._delivery.close(how)

    def detach(self, errand: Errand) -> None:
        ReadinessDriver(self.lane, NO_SOCKET, None, None, errand)

    def over(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
