"""Upkeep: what the thread of a bridge does, from the first try to connect to the end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from threading import Event
from weakref import WeakSet

from anylane.shown import spoken
from anylane_backends.bridges.broker_session import BrokerSession, Deliver, Lose
from anylane_backends.bridges.broker_thread import Connections, abort, opened_here, within
from anylane_backends.bridges.outbox import Outbox
from anylane_backends.bridges.settings import BridgeSettings
from anylane_backends.bridges.subscribed_rooms import SubscribedRooms

FIRST_DELAY = 0.1
"""Seconds until a broker that is away is tried again. It doubles, because many processes lose the
same broker at once, and a broker that starts has other things to do."""

MAX_DELAY = 2.0
"""Seconds between two tries at most: so soon after its return every process has found it."""

BATCH = 512
"""Messages that are sent before the broker is asked whether it has them."""

FLUSH = 0.5
"""Seconds in which what still waits is sent at the end. The end of a worker is not to depend on a
broker that does not answer."""

CLOSE = 0.1
"""Seconds in which a connection is closed. One that takes longer is aborted."""

Open = Callable[[Deliver, Lose], Coroutine[None, None, BrokerSession]]
"""Connects to a broker. It is cancelled when it takes too long."""


def delays() -> Iterator[float]:
    """Yield how long to wait before each further try, with jitter: 0.1 s, doubling, 2 s at most."""
    delay = FIRST_DELAY
    while True:
        yield delay * random.uniform(0.5, 1.0)  # noqa: S311  # spreads load, guards nothing
        delay = min(delay * 2, MAX_DELAY)


class Upkeep:
    """Keeps one bridge connected. Its coroutines run on the bridge's thread.

    connected: whether there is a broker. sent, lost, reconnects: counted since the start.
    subscriptions: subjects that the broker knows. tried: is set after the first try to connect.
    failure: why the last try failed, or the connection was lost. deadline: when its end has to be
    over, on the loop's clock, once it was told to stop.
    """

    def __init__(
        self,
        open_session: Open,
        deliver: Deliver,
        rooms: SubscribedRooms,
        settings: BridgeSettings,
        log: Callable[[str, str], None],
    ) -> None:
        self._open = open_session
        self._deliver = deliver
        self._rooms = rooms
        self._settings = settings
        self._log = log
        self.outbox: Outbox = Outbox(settings.max_queue, settings.max_queue_bytes)
        self.connected: bool = False
        self.max_payload: int | None = None
        self.sent: int = 0
        self.lost: int = 0
        self.reconnects: int = 0
        self.subscriptions: int = 0
        self.failure: BaseException | None = None
        self.tried: Event = Event()
        self.deadline: float = 0.0
        self._was_connected = False
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._is_due = False
        # Made here, used on the thread: since Python 3.10 no loop belongs to it before that.
        self._news = asyncio.Event()

    # -- on the bridge's thread -------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the bridge connected until it is stopped."""
        self._task = asyncio.current_task()
        try:
            await self._keep_connected()
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        finally:
            self.connected = False
            self.tried.set()

    async def _keep_connected(self) -> None:
        waits = delays()
        while not self._stopping:
            began = asyncio.get_running_loop().time()
            try:
                await self._connect()
            except Exception as exc:  # noqa: BLE001  # whatever a library raises, the broker is away
                self._down(exc)
            if asyncio.get_running_loop().time() - began > MAX_DELAY + self._settings.timeout:
                waits = delays()  # It had lasted, so this is another loss.
            if not self._stopping:
                await self._pause(next(waits))

    def stop(self) -> None:
        """Send what waits, if the broker takes it in time, and end."""
        loop = asyncio.get_running_loop()
        self._stopping = True
        self.deadline = loop.time() + FLUSH
        self._news.set()
        if self._task is not None:
            loop.call_at(self.deadline, self._task.cancel)

    def look(self) -> None:
        """Look at the queue and the rooms."""
        self._is_due = False
        self._news.set()

    async def _pause(self, seconds: float) -> None:
        deadline = asyncio.get_running_loop().time() + seconds
        while not self._stopping:
            self._news.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._news.wait()
            except TimeoutError:
                return

    async def _connect(self) -> None:
        """Connect, and serve until the connection is lost, which raises, or the end."""
        failure: list[BaseException] = []

        def lose(exc: BaseException) -> None:
            failure.append(exc)
            self._news.set()

        opened: Connections = WeakSet()
        opened_here.set(opened)
        session: BrokerSession | None = None
        try:
            session = await within(self._settings.timeout, self._open(self._deliver, lose))
            self._up(session)
            await self._serve(session, failure)
        finally:
            self.connected = False
            if session is not None:
                with suppress(Exception):
                    await within(CLOSE, session.close())
            abort(opened)

    async def _serve(self, session: BrokerSession, failure: list[BaseException]) -> None:
        loop = asyncio.get_running_loop()
        subscribed: set[str] = set()
        sweep = loop.time() + self._settings.unsubscribe_after
        ping = loop.time() + self._settings.ping_interval
        self._news.set()
        while True:
            try:
                async with asyncio.timeout_at(min(sweep, ping)):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            if failure:
                raise failure[0]
            if loop.time() >= sweep:
                self._rooms.drop_empty()
                sweep = loop.time() + self._settings.unsubscribe_after
            await self._match(session, subscribed)
            await self._send(session)
            if self._stopping:
                return
            if loop.time() >= ping:
                await within(self._settings.timeout, session.ping())
                ping = loop.time() + self._settings.ping_interval

    async def _match(self, session: BrokerSession, subscribed: set[str]) -> None:
        """Subscribe to what is wanted, and to nothing else."""
        wanted = self._rooms.wanted()
        if wanted == subscribed:
            return
        seconds = self._settings.timeout + len(wanted) / 1000
        if gone := subscribed - wanted:
            await within(seconds, session.unsubscribe(gone))
            subscribed -= gone
        if new := wanted - subscribed:
            await within(seconds, session.subscribe(new))
            subscribed |= new
        self.subscriptions = len(subscribed)

    async def _send(self, session: BrokerSession) -> None:
        """Send what waits."""
        while batch := self.outbox.take(BATCH):
            try:
                await within(self._settings.timeout, session.publish(batch))
            except BaseException:
                # Some may have arrived. They are not sent again: at most once.
                self.lost += len(batch)
                raise
            self.sent += len(batch)
            if len(batch) == BATCH:
                await asyncio.sleep(0)  # What came in has its turn.

    def _up(self, session: BrokerSession) -> None:
        self.max_payload = session.max_payload
        if self._was_connected:
            self.reconnects += 1
        if self.failure is not None:
            self._log("info", "connected")
        self.failure = None
        self.connected = self._was_connected = True
        self.tried.set()

    def _down(self, exc: BaseException) -> None:
        self.connected = False
        self.subscriptions = 0
        self.lost += self.outbox.clear()
        # One that is required and missing is told by what is raised.
        is_told = self._settings.required and not self._was_connected
        if self.failure is None and not self._stopping and not is_told:
            what = "the connection is lost" if self._was_connected else "no connection"
            self._log(
                "warning",
                f"{what} ({reason(exc)}); trying again, and what is sent meanwhile is lost to "
                "other processes",
            )
        self.failure = exc
        self.tried.set()

    # -- from any thread --------------------------------------------------------------------------

    def is_news(self) -> bool:
        """Return whether the thread has to be told to `look`: once for any number of news."""
        # Two threads may both get True, which is harmless. One that gets False knows that `look`
        # has not run yet.
        is_first, self._is_due = not self._is_due, True
        return is_first


def reason(exc: BaseException) -> str:
    """Return why a broker cannot be reached, in few words."""
    if isinstance(exc, TimeoutError):
        return "no answer in time"
    # The text may be the broker's, and must forge no line of the log.
    text = spoken(exc).strip()[:300].encode("unicode_escape").decode()
    return f"{type(exc).__name__}: {text}" if text else type(exc).__name__
