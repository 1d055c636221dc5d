"""Errands: exchanges that no client has asked for.

The hooks of a connection and the background work of a response need a coroutine, a Link and an
end, as handlers do. So a lane starts them as it starts any exchange, and they can wait, be
cancelled and be drained as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from anylane.errors import Disconnected, UsageError
from anylane.lane.link import Errand, Link, current_link
from anylane.protocol.exchange import Exchange
from anylane.protocol.interfaces import Closing
from anylane.protocol.timers import NEVER, Timers

if TYPE_CHECKING:
    from anylane.config.server_config import ServerConfig
    from anylane.protocol.interfaces import Carrier


class NoStream:
    """The stream of an exchange without a client: nothing to read, and nothing to answer."""

    __slots__ = ()

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise UsageError("there is no request to answer here, only a connection or its end")

    send_informational = _refuse
    send_head = _refuse
    send_data = _refuse
    send_end = _refuse
    conclude = _refuse
    limit_body = _refuse
    limit_time = _refuse
    check_accept = _refuse
    check_take_over = _refuse
    begin_events = _refuse
    accept = _refuse
    take_over = _refuse

    def body_wanted(self, now: float) -> None:
        """Do nothing: there is no body."""

    def finish(self, now: float) -> None:
        """Do nothing: no response was begun."""


_NO_STREAM = NoStream()


class NoConnection:
    """What a driver without a transport drives.

    It is a connection that is over, and the carrier of its errands, which is never congested.
    """

    __slots__ = ("backlog", "closing", "config", "high", "moved", "out", "queued", "timers",
                 "waiting")  # fmt: skip

    peer = local = tls = proxy = hosted = read_size = None
    ready = caught_up = True
    wants_read = idle = congested = refused = False
    unsent = pending = 0
    deadline_bound = NEVER
    idle_since: float = NEVER
    handler_due: float = NEVER

    def __init__(self, config: ServerConfig) -> None:
        self.config: ServerConfig = config
        self.timers: Timers = Timers()
        self.closing: Closing = Closing.ABORT
        self.waiting: list[Exchange] = []
        self.out: list[bytes] = []
        self.queued: int = 0
        self.backlog: int = 0
        self.moved: float = -NEVER
        self.high: int = 0

    def _ignore(self, *_: Any, **__: Any) -> None:
        """Do nothing: this connection is over."""

    receive_data = _ignore
    receive_eof = _ignore
    connection_lost = _ignore
    handle_timeout = _ignore
    data_unsent = _ignore
    data_taken = _ignore
    peer_left = _ignore
    shutdown = _ignore
    dismiss = _ignore
    abort = _ignore
    forget = _ignore
    release = _ignore
    send = _ignore
    close = _ignore
    linger = _ignore

    def data_to_send(self) -> list[bytes]:
        """Return nothing to write."""
        return []

    def next_exchange(self) -> None:
        """Return None: no client asks for anything here."""

    def next_deadline(self) -> None:
        """Return None: nothing is waited for."""

    def relieve(self, stuck: Exchange, now: float) -> NoConnection:  # noqa: ARG002  # as Connection
        """Return itself: no client waits here for a handler that could block its owner."""
        return self

    def token(self, size: int) -> bytes:  # noqa: ARG002  # as Carrier
        """Raise UsageError: no session is possible that would need random bytes."""
        raise UsageError("there is no connection here, so there is nothing to draw a token for")


class ErrandExchange(Exchange):
    """An exchange that runs an errand, and has no request."""

    __slots__ = ("errand",)

    def __init__(self, errand: Errand, config: ServerConfig) -> None:
        super().__init__(_NO_STREAM, NoConnection(config), None)
        self.errand: Errand = errand


async def run_errand(exchange: Exchange, link: Link) -> None:
    """Run the errand of an exchange, and end the exchange. An errand logs its failures itself."""
    current_link.set(link)
    await link.guard(exchange.errand(link))
    exchange.finish(link.now())


class Errands:
    """The errands of one driver. Most drivers have none, and no object of this class.

    due: what is to be run before the next exchange. running: what was started, and has not ended.
    deferred: what is to be run elsewhere, each once so many bytes of this connection have been
    sent. held: what is to be called, each once the output of that carrier has caught up.
    """

    __slots__ = ("deferred", "due", "held", "running")

    def __init__(self, due: Errand | None = None) -> None:
        self.due = due
        self.running: tuple[Exchange, ...] = ()
        self.deferred: tuple[tuple[int, Errand], ...] = ()
        self.held: tuple[tuple[Carrier, Callable[[], None]], ...] = ()

    def begin(self, config: ServerConfig) -> Exchange | None:
        """Return the exchange of what is due, and note that it runs; None if nothing is due."""
        if self.due is None:
            return None
        exchange = ErrandExchange(self.due, config)
        self.due = None
        self.running += (exchange,)
        return exchange

    def end(self, exchange: Exchange) -> None:
        """Forget an exchange that has ended."""
        self.running = tuple(each for each in self.running if each is not exchange)

    def lose(self) -> None:
        """Tell what runs that the connection is lost."""
        for exchange in self.running:
            exchange.lose(Disconnected(None, "connection lost"))

    def go_on(self) -> None:
        """Call what is held by output that has caught up."""
        held, self.held = self.held, ()
        for carrier, call in held:
            if carrier.caught_up:
                call()
            else:
                self.held += ((carrier, call),)

    def next_alarm(self) -> float:
        """Return the earliest deadline of what runs, or NEVER."""
        return min((each.next_alarm() for each in self.running), default=NEVER)

    def fire_alarms(self, now: float) -> None:
        """Fire the deadlines of what runs."""
        for exchange in self.running:
            exchange.fire_alarms(now)

    def take_deferred(self, sent: float) -> Iterator[Errand]:
        """Remove and yield, in order, what waits for no more than `sent` bytes."""
        while self.deferred and self.deferred[0][0] <= sent:
            (_, errand), *later = self.deferred
            self.deferred = tuple(later)
            yield errand
