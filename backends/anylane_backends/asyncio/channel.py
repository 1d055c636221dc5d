"""AsyncioChannelDriver: one channel of messages on asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any, Protocol

from anylane.lane.driver import Driver
from anylane.lane.link import Errand, Link
from anylane.protocol import Closing, Exchange
from anylane.protocol.channel.message_channel import MessageChannel
from anylane_backends.asyncio.driver import DriverLane, call_at, run_in_task
from anylane_backends.channels.delivery import Delivery, DeliveryLane, Host


class ChannelLane(DriverLane, DeliveryLane, Protocol):
    """What a driver of a channel needs of its lane."""


class AsyncioChannelDriver(Driver):
    """One exchange that the loop's host has brought. Its handler runs in the host's context."""

    __slots__ = ("_context", "_delivery", "_timer", "lane")

    def __init__(self, lane: ChannelLane, channel: MessageChannel, context: Context) -> None:
        self.lane: ChannelLane = lane
        self._context = context
        self._delivery = Delivery(lane)
        self._timer: asyncio.TimerHandle | None = None
        super().__init__(lane.server, peer=None, local=None, connection=channel)

    async def run(self, channel: MessageChannel, host: Host) -> None:
        """Carry the exchange to its end (see `Delivery.run`)."""
        await self._delivery.run(self, channel, host, self._start_beside)

    def _start_beside(self, func: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        async def run() -> None:
            await func()

        task = self.lane.loop.create_task(run(), context=self._context.copy())
        self.lane.keep(task)
        return task

    # -- verbs -------------------------------------------------------------------------------------

    def now(self) -> float:
        return self.lane.loop.time()

    def write(self, chunks: list[Any]) -> None:
        self._delivery.write(chunks)

    def unsent(self) -> int:
        return self._delivery.size

    def start(self, exchange: Exchange) -> None:
        run_in_task(self, exchange, self.lane, self._context.copy())

    def finished(self, link: Link) -> None:
        super().finished(link)
        self._delivery.tell()

    def input_comes_first(self) -> bool:
        return self._delivery.host_comes_first(self.now())

    def arm(self, deadline: float) -> None:
        self.over()
        deadline = self._delivery.armed(deadline, self.now())
        self._timer = call_at(self.lane.loop, deadline, self.timeout, self.lane.variables)

    def set_reading(self, on: bool) -> None:
        self._delivery.set_reading(on)

    def close(self, how: Closing) -> None:
        self._delivery.close(how)

    def detach(self, errand: Errand) -> None:
        self.lane.run_errand(errand)

    def over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
