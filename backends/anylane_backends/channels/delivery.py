"""Delivery: drives one channel, and moves its messages to and from the host.

It has what a socket's reader and writer are to a connection: one task asks the host for more while
the channel wants it, and the calling task gives the host what was written. Loops supply events and
scopes; nothing here imports one.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from anylane.lane.driver import Driver
from anylane.lane.link import Link, Scope
from anylane.lane.server_core import ServerCore
from anylane.protocol import Closing
from anylane.protocol.channel.message_channel import MessageChannel
from anylane.protocol.channel.outputs import Message
from anylane.protocol.timers import NEVER
from anylane_backends.suspended import go_on

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

    server: ServerCore

    def event(self) -> Event:
        """Return a new event that is not set."""
        ...

    def checkpoint(self) -> Awaitable[None]:
        """Let every other task that can run have its turn. Raise where this one was cancelled."""
        ...

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


LaneT = TypeVar("LaneT", bound=DeliveryLane)


class Delivery(Driver, Generic[LaneT]):
    """One exchange that the loop's host has brought. Its handler runs in the host's context.

    A lane derives from it, and supplies its tasks and its timer. Until something takes longer than
    the next turns of the loop no timer is set, and the channel is not told what the host has not
    taken yet. A handler that never waits needs neither; they were a quarter of its request.
    """

    __slots__ = ("_asking", "_channel", "_context", "_due", "_given_turns", "_giving", "_lasts",
                 "_messages", "_news", "_resumed", "_unsent", "lane")  # fmt: skip

    written: int

    def __init__(self, lane: LaneT, channel: MessageChannel, context: Context) -> None:
        self.lane: LaneT = lane
        self._channel = channel
        self._context = context
        self._messages: deque[Message] = deque()
        self._unsent = 0
        self._news: Event | None = None
        self._resumed: Event | None = None
        self._giving: Scope | None = None
        self._asking = False
        self._lasts = False
        self._due = NEVER
        self._given_turns = 0
        super().__init__(lane.server, peer=None, local=None, connection=channel)

    # -- a lane's own ------------------------------------------------------------------------------

    @abstractmethod
    def start_beside(self, func: Callable[[], Awaitable[None]]) -> Detached:
        """Run a coroutine function beside, in the caller's context. Return what cancels it."""

    @abstractmethod
    def set_timer(self, at: float) -> None:
        """Have `timeout` called at that time, and not at an earlier one that was set."""

    def look_for_ends(self) -> None:
        """Call `finished` for exchanges whose tasks are done, where they do not do so themselves.
        Called behind each turn until it `_lasts`."""

    def watch_ends(self) -> None:
        """Have `finished` called behind the end of each exchange that runs. From here on it is
        called for new ones, too."""

    # -- verbs -------------------------------------------------------------------------------------

    def _write(self) -> None:
        # What stays is reported when a send is suspended. Mostly nothing does: the calling task has
        # the next turn.
        size = self.connection.queued
        if not self.lost and (messages := self.connection.data_to_send()):
            self.written += size
            self._unsent += size
            self.write(messages)

    def write(self, chunks: list[Any]) -> None:
        self._messages.extend(chunks)
        self._tell()

    def unsent(self) -> int:
        return self._unsent

    def lose(self, exc: BaseException | None) -> None:
        if self._parting or self._errands is not None:
            self._last()  # Hooks and background work go on behind the end.
        super().lose(exc)

    def finished(self, link: Link) -> None:
        super().finished(link)
        self._tell()

    def set_reading(self, on: bool) -> None:
        if not on:
            self._resumed = self.lane.event()
        elif self._resumed is not None:
            resumed, self._resumed = self._resumed, None
            resumed.set()

    def close(self, how: Closing) -> None:
        # In the middle of a message, for ABORT.
        if how is Closing.ABORT:
            self._drop()
            if self._giving is not None:
                self._giving.cancel()
        self._tell()

    def _drop(self) -> None:
        self._messages.clear()
        self._unsent = 0

    def _tell(self) -> None:
        """Wake the calling task: something has changed."""
        if self._news is not None:
            news, self._news = self._news, None
            news.set()

    # -- deadlines ---------------------------------------------------------------------------------

    def arm(self, deadline: float) -> None:
        self._due = deadline
        if self._lasts:  # Not in the turns of the host.
            self.set_timer(self.now() + TURN if self._given_turns else deadline)

    def _last(self) -> None:
        """Take note that it takes longer: from here on the timer runs, and ends are watched."""
        if not self._lasts:
            self._lasts = True
            self.watch_ends()
            if self._due != NEVER:
                self.arm(self._due)

    def input_comes_first(self) -> bool:
        """Return whether the host has turns before a deadline is judged that has come: the loop was
        late, and what came in time may be on its way through the host."""
        late = self._given_turns or self.now() - self._due > LATE
        if not late or not self._asking or self._given_turns == TURNS:
            self._given_turns = 0
            return False
        self._given_turns += 1
        return True

    # -- the calling task --------------------------------------------------------------------------

    async def run(self, host: Host) -> None:
        """Carry the exchange from its start to its end. Raise Incomplete if the host has to end the
        connection, and what the host raised if that was no departure of the client.

        A cancellation of the calling task interrupts the handler, and passes when that has ended.
        """
        # A handler that never waits runs in the first, or at the latest in the second. So it needs
        # no task that listens for its client.
        checkpoints = 2
        reading: Detached | None = None
        failure: Exception | None = None
        try:
            self.pump()
            while not self._has_ended():
                if self._messages:
                    failure = await self._give(host) or failure
                elif checkpoints:
                    checkpoints -= 1
                    await self.lane.checkpoint()
                    self.look_for_ends()
                elif reading is None:
                    self._last()
                    reading = self.start_beside(partial(self._read, host))
                else:
                    await self._wait()
        except BaseException:
            self._last()
            self.abort()
            await self.lane.to_the_end(self._until_ended)
            raise
        finally:
            if reading is not None:
                reading.cancel()
            if not self.lost:
                self.lose(None)
        if failure is not None and not isinstance(failure, OSError):
            raise failure
        if self._channel.cut and failure is None:
            raise Incomplete("the answer is not whole; the log says why")

    def _has_ended(self) -> bool:
        if self.closing is Closing.ABORT and not self.lost:
            self.lose(None)
        return not self.links and not self._messages and (self.lost or bool(self.closing))

    async def _wait(self) -> None:
        news = self._news = self.lane.event()
        await news.wait()

    async def _until_ended(self) -> None:
        """Wait for a handler that was interrupted. One that does not end is left to itself."""
        seconds = self.server.config.timeouts.close
        given_up: list[None] = []

        def give_up() -> None:
            given_up.append(None)
            self._tell()

        timer = self.lane.arm(self.now() + seconds, give_up)
        while self.links and not given_up:
            await self._wait()
        timer.cancel()

    async def _give(self, host: Host) -> Exception | None:
        """Give the host what was written, until it is all gone or the channel is aborted."""
        self._giving = self.lane.scope()
        try:
            async with self._giving:
                while self._messages:
                    message = self._messages.popleft()
                    sending = host.send(message)
                    try:
                        trap = sending.send(None)
                    except StopIteration:  # As mostly: the client keeps up.
                        self._unsent -= len(message)
                        continue
                    self._last()
                    self.writable()
                    await go_on(sending, trap)
                    self._unsent -= len(message)
                    self.writable()
        except Exception as exc:  # noqa: BLE001  # `run` raises it, when the handler has ended
            self._drop()
            self.lose(exc)
            return exc
        finally:
            self._giving = None
        if self.links or self._errands is not None:  # Else the end comes now.
            self.writable()
        return None

    async def _read(self, host: Host) -> None:
        try:
            while not self.lost and not self._channel.eof:
                if self._resumed is not None:
                    await self._resumed.wait()
                    continue
                self._asking = True
                message = await host.receive()
                self._asking = False
                goes_on = host.take(message, self.now())
                self.pump()
                if goes_on is False:
                    return
        except Exception as exc:  # noqa: BLE001  # The host has failed, not the server.
            self.lose(exc)
            self._tell()
