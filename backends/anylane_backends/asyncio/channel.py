"""AsyncioChannelDriver: one channel of messages on asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import TYPE_CHECKING, Protocol, cast

from anylane.lane.link import Errand
from anylane.protocol import Exchange
from anylane.protocol.channel.message_channel import MessageChannel
from anylane_backends.asyncio.driver import DriverLane, Task, call_at
from anylane_backends.channels.delivery import Delivery, DeliveryLane

if TYPE_CHECKING:
    from anylane_backends.asyncio.link import AsyncioLink


class ChannelLane(DriverLane, DeliveryLane, Protocol):
    """What a driver of a channel needs of its lane."""


class AsyncioChannelDriver(Delivery[ChannelLane]):
    """One exchange that the loop's host has brought. Its handler runs in the host's context."""

    __slots__ = ("_timer",)

    def __init__(self, lane: ChannelLane, channel: MessageChannel, context: Context) -> None:
        self._timer: asyncio.TimerHandle | None = None
        super().__init__(lane, channel, context)

    def start_beside(self, func: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        async def run() -> None:
            await func()

        task = self.lane.loop.create_task(run(), context=self._context.copy())
        self.lane.keep(task)
        return task

    def set_timer(self, at: float) -> None:
        self.over()
        self._timer = call_at(self.lane.loop, at, self.timeout, self.lane.variables)

    def look_for_ends(self) -> None:
        for link in tuple(self.links):
            cast("AsyncioLink", link).look()

    def watch_ends(self) -> None:
        for link in self.links:
            cast("AsyncioLink", link).watch(self.lane.keep)

    # -- verbs -------------------------------------------------------------------------------------

    def now(self) -> float:
        return self.lane.loop.time()

    def start(self, exchange: Exchange) -> None:
        lane, context = self.lane, self._context.copy()
        link = lane.new_link(self, exchange, lane)
        self.started(link)
        coroutine = self.server.run_exchange(exchange, link)
        if lane.eager:
            task = Task(coroutine, loop=lane.loop, context=context, eager_start=True)
            if task.done():
                self.finished(link)
                return
        else:
            task = lane.loop.create_task(coroutine, context=context)
        link.runs_in(task)
        if self._lasts:
            link.watch(lane.keep)

    def detach(self, errand: Errand) -> None:
        self.lane.run_errand(errand)

    def over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
