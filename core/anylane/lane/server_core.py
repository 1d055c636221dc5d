"""ServerCore: everything a backend serves, and nothing it does itself. Pure."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any, Protocol

from anylane.errors import UsageError
from anylane.lane.errand import run_errand
from anylane.lane.wake_queue import WakeQueue
from anylane.protocol.connection import Connection
from anylane.protocol.dates import Dates
from anylane.protocol.http1.express import Heads
from anylane.protocol.peer import Address

if TYPE_CHECKING:
    from anylane.config.server_config import ServerConfig
    from anylane.lane.application import Application
    from anylane.lane.host import Log, Spool
    from anylane.lane.lifespan import Lifespan, ToTheEnd
    from anylane.lane.link import Errand, Link
    from anylane.protocol.any_connection import AnyConnection
    from anylane.protocol.exchange import Exchange
    from anylane.protocol.request_head import RequestHead


class Wrap(Protocol):
    """Puts a layer around each connection (TLS): the hosting code hands it in, so that the core
    knows none."""

    def __call__(
        self,
        make: Callable[[float, Any], Connection],
        *,
        config: ServerConfig,
        now: float,
        peer: Address,
        local: Address,
        log: Log,
        date: Callable[[], bytes],
    ) -> AnyConnection:
        """make: called once, with the time and with what `ctx.request.tls` will be, when the
        connection inside can begin."""
        ...


@dataclass(frozen=True, slots=True)
class Access:
    """One exchange, after its end, for a log.

    peer: what `ctx.request.client` says. head: None when it could not be parsed. status: 0 when
    nothing was answered. sent: bytes of the body, or of the frames of a WebSocket's messages.
    seconds: how long the handler took.
    """

    peer: Address
    head: RequestHead | None
    status: int
    sent: int
    seconds: float


class OpenDriver(Protocol):
    """What a server asks of each `Driver` that belongs to it."""

    errand: Errand | None

    def shutdown(self) -> None: ...
    def abort(self) -> None: ...


class ServerCore:
    """One application, one configuration, and the connections that are open.

    application: what answers, such as `app.freeze()`.
    time: gives the wall time, in seconds since 1970. date: gives the value of the Date header.
    token: gives n random bytes. log: takes what an operator should see.
    lane: the name of the backend, for messages.
    spool: opens a temporary file for a large upload; in memory unless it is given.
    wrap: makes the layer around each connection, where there is one (TLS).

    Set by the hosting code afterwards:

    listeners: bound and listening, opaque to the core. ready: the backend calls it when it accepts.
    on_listeners_idle: the backend calls it once it drains and has stopped watching the listeners,
        which are closed then: new clients are refused, and not left waiting in the backlog.
    access: takes a line's worth for each exchange; None, the default, costs nothing.
    """

    def __init__(
        self,
        application: Application,
        config: ServerConfig,
        *,
        time: Callable[[], float],
        date: Callable[[], bytes],
        token: Callable[[int], bytes],
        log: Log,
        lane: str,
        spool: Spool = BytesIO,
        wrap: Wrap | None = None,
    ) -> None:
        if not hasattr(application, "run") or hasattr(application, "freeze"):
            raise UsageError(
                f"ServerCore got {application!r:.80}; expected what answers exchanges: app.freeze()"
            )
        self.application = application
        self.config = config
        self.time = time
        self.token = token
        self.log = log
        self.lane = lane
        self.spool = spool
        self.forwarded = application.forwarded(config)
        self.listeners: list[Any] = []
        self.drivers: set[OpenDriver] = set()
        self.draining = False
        self.wakes = WakeQueue(_not_attached)
        self.ready: Callable[[], None] = _not_attached
        self.on_listeners_idle: Callable[[], None] = _not_attached
        self.access: Callable[[Access], None] | None = None
        self.errands: set[Errand] = set()
        self.aborted = False
        self._changed: Callable[[], None] = _not_attached
        self._told = (True, False, False)
        self._stop_requested = False
        self._without_connection = 0
        self._lifespan = application.lifespan(log)
        self._dates = Dates(date)
        self._wrap = wrap
        self._heads = Heads(config.limits)

    def attach(self, wakes: WakeQueue, changed: Callable[[], None]) -> None:
        """Give the server to a backend.

        wakes: runs functions on the lane's thread. changed: called there whenever `accepting`,
        `draining` or `over` may have changed.
        """
        self.wakes = wakes
        self._changed = changed
        if self._stop_requested:
            wakes.put(self.shutdown)

    @property
    def accepting(self) -> bool:
        """Whether one more connection may be accepted. While it is False new ones wait in the
        backlog, and no open one is dropped."""
        open_now = len(self.drivers) - self._without_connection
        return not self.draining and open_now < self.config.max_connections

    @property
    def over(self) -> bool:
        """Whether the server has drained, so that the backend is to return."""
        return self.draining and not self.drivers and not self.errands

    def new_connection(
        self, *, now: float, peer: Address = None, local: Address = None, tls: Any = None
    ) -> AnyConnection:
        """Return the machine of a new connection.

        tls: from a transport that speaks TLS by itself; then no layer is put around it.
        """
        if self._wrap is None or tls is not None:
            return self._make_connection(peer, local, now, tls)
        return self._wrap(
            partial(self._make_connection, peer, local),
            config=self.config,
            now=now,
            peer=peer,
            local=local,
            log=self.log,
            date=self._dates.date,
        )

    def _make_connection(self, peer: Address, local: Address, now: float, tls: Any) -> Connection:
        return Connection(
            self.config,
            now=now,
            peer=peer,
            local=local,
            tls=tls,
            date=self._dates,
            token=self.token,
            heads=self._heads,
        )

    def run_exchange(self, exchange: Exchange, link: Link) -> Coroutine[Any, Any, None]:
        """Return the coroutine of one exchange, for a lane to run natively."""
        if exchange.errand is not None:
            return run_errand(exchange, link)
        if self.access is None:
            return self.application.run(exchange, link)
        return self._run_logged(exchange, link, self.access)

    async def _run_logged(
        self, exchange: Exchange, link: Link, access: Callable[[Access], None]
    ) -> None:
        began = link.now()
        try:
            await self.application.run(exchange, link)
        finally:
            peer, seconds = link.driver.connection.peer, link.now() - began
            if self.forwarded is not None:
                peer = self.forwarded.client(peer, exchange.head)
            access(Access(peer, exchange.head, exchange.status, exchange.sent, seconds))

    def lifespan(self, to_the_end: ToTheEnd | None = None) -> Lifespan:
        """`async with server.lifespan():` around serving; enter and leave it in one task.

        to_the_end: awaits a shutdown hook even if the lane was cancelled.
        """
        return self._lifespan if to_the_end is None else self._lifespan.through(to_the_end)

    async def startup(self) -> None:
        """Do what entering `lifespan()` does, where a block cannot be used."""
        await self._lifespan.start()

    async def cleanup(self) -> None:
        """Do what leaving `lifespan()` does."""
        await self._lifespan.stop()

    def shutdown(self) -> None:
        """Drain: accept no more, end every connection as soon as it can be. On the lane."""
        self.draining = True
        for driver in tuple(self.drivers):
            driver.shutdown()
        self._tell()

    def request_shutdown(self) -> None:
        """Have `shutdown` called on the lane; from any thread, at any time."""
        self._stop_requested = True
        self.wakes.put(self.shutdown)

    def abort(self) -> None:
        """End every connection now, and the background work. On the lane."""
        self.draining = self.aborted = True
        for driver in tuple(self.drivers):
            driver.abort()
        self._tell()

    def add(self, driver: OpenDriver) -> None:
        """Count a new driver."""
        self.drivers.add(driver)
        if driver.errand is not None:  # Background work: no connection to count.
            self._without_connection += 1
        if self.draining or len(self.drivers) >= self.config.max_connections:
            self._tell()  # Below its limit, a server that does not drain has nothing to tell.

    def forget(self, driver: OpenDriver) -> None:
        """Take note that its connection is over, and so is the last of its exchanges."""
        if driver in self.drivers:
            self.drivers.discard(driver)
            if driver.errand is not None:
                self._without_connection -= 1
                self.errands.discard(driver.errand)
        if self.draining or len(self.drivers) + 1 >= self.config.max_connections:
            self._tell()

    def forget_errand(self, errand: Errand) -> None:
        """Take note that it will not be run."""
        self.errands.discard(errand)
        self._tell()

    def _tell(self) -> None:
        now = (self.accepting, self.draining, self.over)
        if now != self._told:
            self._told = now
            self._changed()


def _not_attached() -> None:
    """Do nothing: no backend has attached yet."""
