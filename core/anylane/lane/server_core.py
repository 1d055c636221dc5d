"""ServerCore: everything a backend serves, and nothing it does itself. Pure."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any, Protocol

from anylane.app import App, check_served
from anylane.config.server_config import ServerConfig
from anylane.handling.run_exchange import run_exchange
from anylane.http.forms import Spool
from anylane.lane.errand import run_errand
from anylane.lane.lifespan import Lifespan, ToTheEnd
from anylane.lane.wake_queue import WakeQueue
from anylane.protocol.connection import Connection
from anylane.protocol.dates import Dates
from anylane.protocol.http1.express import Heads
from anylane.protocol.interfaces import AnyConnection
from anylane.protocol.peer import Address

if TYPE_CHECKING:
    from anylane.http.forwarded import Proxies
    from anylane.lane.driver import Driver
    from anylane.lane.errand import Errand
    from anylane.lane.link import BaseLink
    from anylane.protocol.exchange import Exchange
    from anylane.protocol.request_head import RequestHead


Log = Callable[[str, str, BaseException | None], None]
"""level ("info", "warning", "error"), message, the exception if there is one."""


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
    """One exchange, after its end, for a log. `peer` is what `ctx.request.client` says; `head` is
    None when it could not be parsed; `status` is 0 when nothing was answered; `sent` is the size of
    the body, or of the frames of a WebSocket's messages; `seconds` the handler's time."""

    peer: Address
    head: RequestHead | None
    status: int
    sent: int
    seconds: float


class ServerCore:
    """One app, one configuration, and the connections that are open.

    listeners: bound and listening, opaque to the core. ready: the backend calls it when it accepts.
    on_listeners_idle: the backend calls it once it drains and has stopped watching the listeners,
    which are closed then: new clients are refused, and not left waiting in the backlog.
    date: the value of the Date header, made once a second. token: n random bytes.
    log: takes what an operator should see. lane: the backend's name, for messages.
    spool: opens a temporary file for a large upload; in memory unless it is given.
    wrap: the layer around each connection, where there is one.
    access: takes a line's worth for each exchange; None, the default, costs nothing.
    proxies: whose X-Forwarded-For and X-Forwarded-Proto are believed; None: nobody's.
    """

    def __init__(
        self,
        app: App,
        config: ServerConfig,
        *,
        date: Callable[[], bytes],
        token: Callable[[int], bytes],
        log: Log,
        lane: str,
        spool: Spool = BytesIO,
        wrap: Wrap | None = None,
    ) -> None:
        check_served(app, config)
        self.frozen = app.freeze()
        self.config = config
        self.lane = lane
        self.log = log
        self.spool = spool
        self.listeners: list[Any] = []
        self.drivers: set[Driver] = set()
        self.draining = False
        self.wakes = WakeQueue(_nobody)
        self.ready: Callable[[], None] = _nobody
        self.on_listeners_idle: Callable[[], None] = _nobody
        self.access: Callable[[Access], None] | None = None
        self.proxies: Proxies | None = None
        if config.proxy_headers:
            from anylane.http.forwarded import Proxies

            self.proxies = Proxies(config.forwarded_allow_ips)
        self._changed: Callable[[], None] = _nobody
        self._told = (True, False, False)
        self._stop_requested = False
        self.errands: set[Errand] = set()
        self.aborted = False
        self._apart = 0
        self._lifespan = Lifespan(app, self.frozen.life, log)
        self._dates = Dates(date)
        self.token = token
        self._wrap = wrap
        self._heads = Heads(config.limits)

    def attach(self, wakes: WakeQueue, changed: Callable[[], None]) -> None:
        """A backend takes the server over.

        wakes: runs functions on the lane's thread. changed: called there whenever `accepting`,
        `draining` or `over` may have changed.
        """
        self.wakes = wakes
        self._changed = changed
        if self._stop_requested:
            wakes.put(self.shutdown)

    @property
    def accepting(self) -> bool:
        """Whether one more connection may be accepted; False pauses, it drops nobody."""
        open_now = len(self.drivers) - self._apart
        return not self.draining and open_now < self.config.max_connections

    @property
    def over(self) -> bool:
        """Drained: the backend is to return."""
        return self.draining and not self.drivers and not self.errands

    def new_connection(
        self,
        *,
        now: float,
        peer: Address = None,
        local: Address = None,
        tls: Any = None,
        bare: bool = False,
    ) -> AnyConnection:
        """tls: from a transport that speaks TLS by itself; then no layer is put around it. bare:
        there is no transport."""

        if self._wrap is None or tls is not None or bare:
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

    def run_exchange(self, exchange: Exchange, link: BaseLink) -> Coroutine[Any, Any, None]:
        """Run one exchange's handler (see `anylane.handling.run_exchange`)."""
        if exchange.errand is not None:
            return run_errand(exchange, link)
        if self.access is None:
            return run_exchange(exchange, self, link)
        return self._run_logged(exchange, link, self.access)

    async def _run_logged(
        self, exchange: Exchange, link: BaseLink, access: Callable[[Access], None]
    ) -> None:
        began = link.now()
        try:
            await run_exchange(exchange, self, link)
        finally:
            peer, seconds = link.driver.connection.peer, link.now() - began
            if self.proxies is not None:
                peer = self.proxies.client(peer, exchange.head)
            access(Access(peer, exchange.head, exchange.status, exchange.sent, seconds))

    def lifespan(self, to_the_end: ToTheEnd | None = None) -> Lifespan:
        """`async with server.lifespan():` around serving; enter and leave it in one task.

        to_the_end: awaits a shutdown hook even if the lane was cancelled.
        """
        return self._lifespan if to_the_end is None else self._lifespan.through(to_the_end)

    async def startup(self) -> None:
        """What entering `lifespan()` does, for those who cannot use a block."""
        await self._lifespan.start()

    async def cleanup(self) -> None:
        """What leaving it does."""
        await self._lifespan.stop()

    def shutdown(self) -> None:
        """Drain: accept no more, end every connection as soon as it can be. On the lane."""
        self.draining = True
        for driver in tuple(self.drivers):
            driver.shutdown()
        self._tell()

    def request_shutdown(self) -> None:
        """`shutdown`, from any thread, at any time."""
        self._stop_requested = True
        self.wakes.put(self.shutdown)

    def abort(self) -> None:
        """End every connection now, and the background work. On the lane."""
        self.draining = self.aborted = True
        for driver in tuple(self.drivers):
            driver.abort()
        self._tell()

    def add(self, driver: Driver) -> None:
        self.drivers.add(driver)
        if driver.apart is not None:  # Background work: no connection to count.
            self._apart += 1
        if self.draining or len(self.drivers) >= self.config.max_connections:
            self._tell()  # Below its limit, a server that does not drain has nothing to tell.

    def forget(self, driver: Driver) -> None:
        """Its connection is over, and so is the last of its exchanges."""
        if driver in self.drivers:
            self.drivers.discard(driver)
            if driver.apart is not None:
                self._apart -= 1
                self.errands.discard(driver.apart)
        if self.draining or len(self.drivers) + 1 >= self.config.max_connections:
            self._tell()

    def forget_errand(self, errand: Errand) -> None:
        """It will not be run."""
        self.errands.discard(errand)
        self._tell()

    def _tell(self) -> None:
        now = (self.accepting, self.draining, self.over)
        if now != self._told:
            self._told = now
            self._changed()


def _nobody() -> None:
    """No backend has attached yet."""
