"""ServerCore: everything that a backend serves, and nothing that it does itself.

Pure: clock, randomness, log and temporary files are handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any

from anylane.errors import UsageError
from anylane.lane.arrivals.entrance import Arrival, Entrance
from anylane.lane.arrivals.open_driver import OpenDriver
from anylane.lane.arrivals.places import Places
from anylane.lane.errand import run_errand
from anylane.lane.host import ServerStatus
from anylane.lane.life.schedule import Schedule
from anylane.lane.life.worker import Worker
from anylane.lane.wake_queue import WakeQueue
from anylane.log_limit import LogLimit
from anylane.protocol.peer import Address
from anylane.request_tag import tagging

if TYPE_CHECKING:
    from types import FrameType

    from anylane.config.server_config import ServerConfig
    from anylane.lane.application import Application
    from anylane.lane.arrivals.entrance import Wrap
    from anylane.lane.host import AccessLine, Forwarded, Log, Spool
    from anylane.lane.life.lifespan import Lifespan, ToTheEnd
    from anylane.lane.life.schedule import JobLane
    from anylane.lane.link import Errand, Link, Scope
    from anylane.protocol.any_connection import AnyConnection
    from anylane.protocol.exchange import Exchange
    from anylane.protocol.request_head import RequestHead


@dataclass(frozen=True, slots=True)
class Access:
    """One exchange after its end, for an access log.

    peer: the client, as in `ctx.request.client`. head: None when the request could not be parsed.
    status: 0 when nothing was answered. sent: bytes of the body, or of the frames of a WebSocket's
    messages. seconds: how long the exchange ran, from its start to the end of its handler.
    """

    peer: Address
    head: RequestHead | None
    status: int
    sent: int
    seconds: float


class ServerCore:
    """One application, one configuration, and the connections that are open.

    application: answers the exchanges, such as `app.freeze()`.
    time: gives the wall time, in seconds since 1970. date: gives the value of the Date header.
    token: gives that many random bytes. log: takes what an operator should see. lane: the name of
    the backend. spool: opens a temporary file for a large upload; without it, that is in memory.
    wrap: makes the layer around each connection, where there is one (TLS).

    Raises UsageError if `application` is none, such as an App that was not frozen.

    Set by the hosting code afterwards:

    listeners: bound and listening sockets, opaque to the core. attached: called once a backend has
        attached, in its loop and before the startup hooks. on_ready: called when the backend
        accepts.
    on_listeners_idle: the backend calls it once it drains and has stopped watching the listeners,
        which are closed then: new clients are refused, and not left waiting in the backlog.
    access: takes an Access for each exchange after its end, unless a part has written a line about
        it by `write_access_line`; None, the default, costs nothing.
    access_line: takes such a line and the fields that it was made of; by default it is logged.
    workers: how many processes serve the same sockets. number: which one this is, from 0.

    For backends and drivers:

    log_limit: takes what clients can cause as often as they like.
    schedule: the periodic jobs; their `lead` says whether they run here and not in another worker.
    drivers: those that are open. errands: background work that was deferred and has not ended.
    places: who of them may stay, and who goes for a newcomer. started: when a backend attached, in
        seconds since 1970. status: all that others may know of the server while it runs.
    exchanges_begun: how many requests and WebSockets had a handler so far: 0.05 us for each.
    draining: no more is accepted. aborted: everything that was open has been ended.
    wakes: runs functions on the lane's own thread, once a backend has attached.
    longest_waiting: returns what waits longest for a thread, for as long the same object, or None;
    set by a backend that has threads for handlers. It is called from any thread.
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
                f"ServerCore got {application!r:.80}; expected an Application: app.freeze()"
            )
        application = application.configured(config)
        self.application = application
        self.config = config
        self.time = time
        self.token = token
        self.log: Log = tagging(log)
        log = self.log
        self.log_limit: LogLimit = LogLimit(lambda level, message: log(level, message, None), time)
        self.access_line: AccessLine = lambda line, _fields: log("info", line, None)
        self.lane = lane
        self.spool = spool
        self.forwarded: Forwarded | None = application.forwarded(config)
        self.root_path: str = config.root_path
        self.listeners: list[Any] = []
        self.drivers: set[OpenDriver] = set()
        self.places: Places = Places(config, log, self.drivers, lambda: self.wakes.put(self._tell))
        self.draining: bool = False
        self.wakes: WakeQueue = WakeQueue(_not_attached)
        self.attached: Callable[[], None] = _not_attached
        self.on_ready: Callable[[], None] = _not_attached
        self.on_listeners_idle: Callable[[], None] = _not_attached
        self.access: Callable[[Access], None] | None = None
        self._with_line: set[Exchange] = set()
        self.workers: int = 1
        self.number: int = 0
        self.exchanges_begun: int = 0
        self.started: float = time()
        self.status: ServerStatus = ServerStatus(self)
        self.errands: set[Errand] = set()
        self.aborted: bool = False
        self.longest_waiting: Callable[[], object | None] = _not_attached
        self._changed: Callable[[], None] = _not_attached
        self._told = (True, False, False)
        self._stop_requested = False
        self._lifespan = application.lifespan(log)
        self._lifespan.timeouts = config.timeouts
        self.schedule: Schedule = Schedule(application.jobs, log)
        self._job_lane: JobLane | None = None
        self._entrance = Entrance(
            config, self.places, self.log_limit, date=date, token=token, wrap=wrap
        )

    def attach(
        self, wakes: WakeQueue, changed: Callable[[], None], jobs: JobLane | None = None
    ) -> None:
        """Give the server to a backend, which calls this before anything else.

        wakes: runs functions on the lane's own thread. changed: called there whenever `accepting`,
        `draining` or `over` may have changed. jobs: runs the periodic jobs of the application. If a
        shutdown was requested before, it begins with the first `wakes.run()`.

        Raise UsageError for an application with jobs if the backend cannot run them.
        """
        if self.schedule and jobs is None:
            raise UsageError(
                f"the app has jobs (@app.every), and the {self.lane} lane cannot run them; its "
                "backend gives `jobs` to ServerCore.attach() where it can"
            )
        self._job_lane = jobs
        self.wakes = wakes
        self.started = self.time()
        self._changed = changed
        if self._stop_requested:
            wakes.put(self.shutdown)
        self.attached()

    def ready(self) -> None:
        """Take note that the lane accepts: its backend calls this once, on the lane's own thread.

        The periodic jobs begin to count.
        """
        if self._job_lane is not None and self.schedule:
            self.schedule.start(self._job_lane)
        self.on_ready()

    @property
    def accepting(self) -> bool:
        """Whether one more connection may be accepted. While it is False new ones wait in the
        backlog. Look at it before each."""
        accepting = not self.draining and self.places.has_room()
        if not accepting:  # Who looks knows it now, and has to be told of the contrary.
            self._told = (False, *self._told[1:])
        return accepting

    @property
    def told_to_stop(self) -> bool:
        """Whether a shutdown was requested, although it may not have begun."""
        return self._stop_requested or self.draining

    @property
    def over(self) -> bool:
        """Whether the server has drained, so that the backend is to return."""
        return self.draining and not self.drivers and not self.errands

    def new_connection(
        self,
        *,
        now: float,
        peer: Address = None,
        local: Address = None,
        tls: Any = None,
        number: int = 0,
    ) -> AnyConnection:
        """Return what a driver drives for a new connection: a Connection, or a layer around one.

        now: the lane's clock, in seconds. peer, local: socket addresses. tls: what the handler sees
        as `ctx.request.tls`, from a transport that speaks TLS by itself; no layer is put around the
        connection then. number: that of its driver, for what the layer logs.
        """
        return self._entrance.connection(now, Arrival(peer, local, number), tls)

    def run_exchange(self, exchange: Exchange, link: Link) -> Coroutine[Any, Any, None]:
        """Return the coroutine of one exchange or errand, for a lane to run natively.

        Nothing of a handler's or the peer's comes out of it. A native cancellation from outside
        passes through, after the exchange was ended.
        """
        if exchange.errand is not None:
            return run_errand(exchange, link)
        self.exchanges_begun += 1
        if self.access is None:
            return self.application.run(exchange, link)
        return self._run_logged(self.application.run, exchange, link, self.access)

    def relieve(self, stuck: Link, exchange: Exchange, link: Link) -> Coroutine[Any, Any, None]:
        """Return the coroutine that answers an exchange of `Connection.relieve`, as `run_exchange`.

        stuck: the link of the handler that blocks its thread beyond its deadline.
        """
        run = partial(self.application.relieve, stuck)
        if self.access is None:
            return run(exchange, link)
        return self._run_logged(run, exchange, link, self.access, self.config.request_timeout)

    async def _run_logged(
        self,
        run: Callable[[Exchange, Link], Coroutine[Any, Any, None]],
        exchange: Exchange,
        link: Link,
        access: Callable[[Access], None],
        ago: float = 0.0,
    ) -> None:
        began = link.now() - ago
        try:
            await run(exchange, link)
        finally:
            if exchange in self._with_line:
                self._with_line.discard(exchange)
            elif not link.relieved:
                peer, seconds = link.driver.connection.peer, link.now() - began
                if self.forwarded is not None:
                    proxy = link.driver.connection.proxy
                    peer = self.forwarded.client(peer, exchange.head, proxy)
                # What is answered to a client that has left goes nowhere.
                status, sent = (exchange.status, exchange.sent) if exchange.started else (0, 0)
                access(Access(peer, exchange.head, status, sent, seconds))

    def write_access_line(self, exchange: Exchange, line: str, fields: Mapping[str, Any]) -> None:
        """Write a part's line of an access log about an exchange that is over, as text and as the
        fields that it was made of. It takes the place of the line that `access` would write."""
        if self.access is not None:
            self._with_line.add(exchange)
        self.access_line(line, fields)

    def lifespan(
        self, to_the_end: ToTheEnd | None = None, scope: Callable[[], Scope] | None = None
    ) -> Lifespan:
        """Return the lifespan of this server: `async with server.lifespan():` around serving.

        Enter and leave it in one task. to_the_end: awaits a shutdown hook to its end even if the
        lane was cancelled. scope: makes a scope of native cancellation, as `Link.scope` does; with
        it a startup hook is cancelled when the server is told to stop, and `wakes` must run by
        then. Entering raises what a startup hook raises, and Cancelled if the server was told to
        stop: do not serve then, and let it pass.
        """
        self._lifespan.worker = Worker(self.number, self.workers)
        return self._lifespan.through(to_the_end, scope)

    def is_starting(self, frame: FrameType | None) -> bool:
        """Return whether a startup hook blocks the thread whose innermost frame this is, so that
        raising Cancelled there ends the hook. For signal handlers."""
        return self._lifespan.is_interruptible(frame)

    async def startup(self) -> None:
        """Do what entering `lifespan()` does, where a block cannot be used. Raise what that
        raises; then `cleanup` is not needed."""
        self._lifespan.worker = Worker(self.number, self.workers)
        await self._lifespan.start()

    async def cleanup(self) -> None:
        """Do what leaving `lifespan()` does, at a normal end, in the task that ran `startup`."""
        await self._lifespan.stop()

    def shutdown(self) -> None:
        """Drain: accept no more, and end every connection as soon as that cuts nothing off.

        Each has `Timeouts.drain` seconds; after that it is aborted. Call this on the lane's own
        thread; `request_shutdown` works from any. The server is `over` when all have ended.
        """
        self.draining = True
        self.status.changed()
        self.log_limit.tell_all()
        self._lifespan.give_up()
        self.schedule.end()
        for driver in tuple(self.drivers):
            driver.shutdown()
        self._tell()

    def request_shutdown(self) -> None:
        """Have `shutdown` called on the lane's own thread.

        Call this from any thread, at any time: also before a backend has attached.
        """
        self._stop_requested = self._lifespan.given_up = True
        self.wakes.put(self.shutdown)

    def abort(self) -> None:
        """End every connection now, and the background work. Call this on the lane's own thread."""
        self.draining = self.aborted = True
        self.status.changed()
        self._lifespan.give_up()
        self.schedule.end()
        for driver in tuple(self.drivers):
            driver.abort()
        self._tell()

    def add(self, driver: OpenDriver) -> None:
        """Count a new driver among those that are open."""
        self.drivers.add(driver)
        if self.log_limit.counting:
            self.log_limit.tell_due()
        self.places.add(driver)
        self.status.changed()
        if self.draining:
            self._tell()

    def forget(self, driver: OpenDriver) -> None:
        """Take note that the connection of a driver is over, and so is its last exchange."""
        if self.log_limit.counting:
            self.log_limit.tell_due()
        if driver in self.drivers:
            self.drivers.discard(driver)
            self.places.forget(driver)
            if driver.errand is not None:
                self.errands.discard(driver.errand)
            self.status.changed()
        if self.draining or self.places.crowded:
            self._tell()

    def run_apart(self, errand: Errand, detach: Callable[[Errand], None]) -> None:
        """Run an errand apart from any connection (`Driver.run_apart`). detach: of a driver."""
        self.errands.add(errand)
        self.wakes.put(partial(self._run_apart, errand, detach))

    def _run_apart(self, errand: Errand, detach: Callable[[Errand], None]) -> None:
        if self.aborted:
            self.forget_errand(errand)
        else:
            detach(errand)

    def forget_errand(self, errand: Errand) -> None:
        """Take note that an errand will not be run."""
        self.errands.discard(errand)
        self._tell()

    def _tell(self) -> None:
        if self.over:
            self.log_limit.tell_all()
        told = self._told
        now = (self.accepting, self.draining, self.over)
        if now != told:
            self._told = now
            self._changed()


def _not_attached() -> None:
    """Do nothing: no backend has attached yet."""
