"""Delivery: moves the messages of one channel between its driver and its host.

It is to a channel what a socket's reader and writer are to a connection: one task asks the host for
more while the channel wants it, and the calling task gives the host what was written. Loops supply
events and scopes; nothing here imports one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

from anylane.lane.driver import Driver
from anylane.lane.link import Scope
from anylane.protocol import Closing
from anylane.protocol.channel.message_channel import MessageChannel
from anylane.protocol.channel.outputs import Message

LATE = 0.02
"""Seconds by which a loop is late that something has blocked."""

TURN = 0.002
TURNS = 10
"""How long, in seconds, and how often a host has the loop to itself then. From its socket to us it
takes some five turns, and some hosts read in another thread."""


class Event(Protocol):
    """An event that is set once, from the loop's thread, without waiting."""

    def set(self) -> object: ...
    async def wait(self) -> object: ...


class Detached(Protocol):
    """A task that is not awaited."""

    def cancel(self) -> object:
        """Cancel it, from another task of the same loop."""


class DeliveryLane(Protocol):
    """What a delivery needs of its lane."""

    def event(self) -> Event:
        """Return a new event that is not set."""
        ...

    async def checkpoint(self) -> None:
        """Let every other task that can run have its turn. Raise where this one was cancelled."""

    def scope(self) -> Scope:
        """Return a scope of native cancellation (see `Link.scope`)."""
        ...

    async def to_the_end(self, func: Callable[[], Awaitable[Any]]) -> None:
        """Await the function to its end, even if the current task was cancelled."""

    def arm(self, at: float, call: Callable[[], None]) -> Any:
        """Call it at that time, in seconds on the clock of the lane. Return what has `cancel`."""
        ...


class Host(Protocol):
    """What has taken a request, and carries its answer."""

    async def receive(self) -> Any:
        """Wait for what comes next from the client."""
        ...

    def take(self, message: Any, now: float) -> bool | None:
        """Tell the channel of what has come. Return False to be asked for no more: what says the
        same again and again, without waiting, would stop the loop."""
        ...

    async def send(self, message: Message) -> None:
        """Carry a message on, and return when the client keeps up. Raise OSError if it is gone."""


class Incomplete(Exception):
    """The answer is not whole, so the host has to end its connection."""


class Delivery:
    """The messages of one channel on their way.

    The verbs of the driver of the channel come here.
    """

    __slots__ = ("_asking", "_due", "_giving", "_lane", "_messages", "_news", "_resumed",
                 "_turns", "size")  # fmt: skip

    def __init__(self, lane: DeliveryLane) -> None:
        self._lane = lane
        self._messages: deque[Message] = deque()
        self.size: int = 0
        self._news: Event | None = None
        self._resumed: Event | None = None
        self._giving: Scope | None = None
        self._asking = False
        self._due = 0.0
        self._turns = 0

    # -- verbs of the driver -----------------------------------------------------------------------

    def write(self, messages: list[Message]) -> None:
        """Take what is to be given to the host."""
        self._messages.extend(messages)
        self.size += sum(map(len, messages))
        self.tell()

    def set_reading(self, on: bool) -> None:
        """Park or resume the task that asks the host for more."""
        if not on:
            self._resumed = self._lane.event()
        elif self._resumed is not None:
            resumed, self._resumed = self._resumed, None
            resumed.set()

    def close(self, how: Closing) -> None:
        """End when all was given; at once, in the middle of a message, for ABORT."""
        if how is Closing.ABORT:
            self._messages.clear()
            self.size = 0
            if self._giving is not None:
                self._giving.cancel()
        self.tell()

    def tell(self) -> None:
        """Wake the calling task: something has changed."""
        if self._news is not None:
            news, self._news = self._news, None
            news.set()

    # -- deadlines ---------------------------------------------------------------------------------

    def armed(self, deadline: float, now: float) -> float:
        """Take note of a deadline, and return when to act on it: not in the turns of the host."""
        self._due = deadline
        return now + TURN if self._turns else deadline

    def host_comes_first(self, now: float) -> bool:
        """Return whether the host has turns before a deadline is judged that has come: the loop was
        late, and what came in time may be on its way through the host."""
        late = self._turns or now - self._due > LATE
        if not late or not self._asking or self._turns == TURNS:
            self._turns = 0
            return False
        self._turns += 1
        return True

    # -- the calling task --------------------------------------------------------------------------

    async def run(
        self,
        driver: Driver,
        channel: MessageChannel,
        host: Host,
        start: Callable[[Callable[[], Awaitable[None]]], Detached],
    ) -> None:
        """Carry the exchange from its start to its end. Raise Incomplete if the host has to end the
        connection, and what the host raised if that was no departure of the client.

        start: runs a coroutine function beside, in the caller's context, and returns what cancels
        it. It is not kept: the driver that it belongs to keeps us.

        A cancellation of the calling task interrupts the handler, and passes when that has ended.
        """
        # A handler that never waits runs in the first, and asyncio reports its end in the second.
        # So it needs no task that listens for its client.
        checkpoints = 2
        reading: Detached | None = None
        failure: Exception | None = None
        try:
            driver.pump()
            while not self._is_over(driver):
                if self._messages:
                    failure = await self._give(driver, host) or failure
                elif checkpoints:
                    checkpoints -= 1
                    await self._lane.checkpoint()
                elif reading is None:
                    reading = start(partial(self._read, driver, channel, host))
                else:
                    await self._wait()
        except BaseException:
            driver.abort()
            await self._lane.to_the_end(partial(self._until_ended, driver))
            raise
        finally:
            if reading is not None:
                reading.cancel()
            if not driver.lost:
                driver.lose(None)
        if failure is not None and not isinstance(failure, OSError):
            raise failure
        if channel.cut and failure is None:
            raise Incomplete("the answer is not whole; the log says why")

    def _is_over(self, driver: Driver) -> bool:
        if driver.closing is Closing.ABORT and not driver.lost:
            driver.lose(None)
        return not driver.links and not self._messages and (driver.lost or bool(driver.closing))

    async def _wait(self) -> None:
        news = self._news = self._lane.event()
        await news.wait()

    async def _until_ended(self, driver: Driver) -> None:
        """Wait for a handler that was interrupted. One that does not end is left to itself."""
        seconds = driver.server.config.timeouts.close
        given_up: list[None] = []

        def give_up() -> None:
            given_up.append(None)
            self.tell()

        timer = self._lane.arm(driver.now() + seconds, give_up)
        while driver.links and not given_up:
            await self._wait()
        timer.cancel()

    async def _give(self, driver: Driver, host: Host) -> Exception | None:
        """Give the host what was written, until it is all gone or the channel is aborted."""
        self._giving = self._lane.scope()
        try:
            async with self._giving:
                while self._messages:
                    message = self._messages.popleft()
                    await host.send(message)
                    self.size -= len(message)
                    driver.writable()
        except Exception as exc:  # noqa: BLE001  # `run` raises it, when the handler has ended
            self._messages.clear()
            self.size = 0
            driver.lose(exc)
            return exc
        finally:
            self._giving = None
        return None

    async def _read(self, driver: Driver, channel: MessageChannel, host: Host) -> None:
        try:
            while not driver.lost and not channel.eof:
                if self._resumed is not None:
                    await self._resumed.wait()
                    continue
                self._asking = True
                message = await host.receive()
                self._asking = False
                goes_on = host.take(message, driver.now())
                driver.pump()
                if goes_on is False:
                    return
        except Exception as exc:  # noqa: BLE001  # The host has failed, not the server.
            driver.lose(exc)
            self.tell()
