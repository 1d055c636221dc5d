"""Host: the little that the machinery of a handler asks of the server it runs in.

ServerStatus is a part of that: the figures of the server, for metrics and health endpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from anylane.log_limit import LogLimit
    from anylane.protocol.exchange import Exchange
    from anylane.protocol.peer import Address, ProxyInfo
    from anylane.protocol.request_head import RequestHead

Log = Callable[[str, str, BaseException | None], None]
"""Takes a level ("info", "warning" or "error"), a message, and the exception or None."""

AccessLine = Callable[[str, Mapping[str, Any]], None]
"""Takes a line of an access log, and the fields that it was made of."""

Spool = Callable[[], IO[bytes]]
"""Opens a temporary file for a large upload; it is gone when it is closed."""


class Forwarded(Protocol):
    """What tells the client of a request that trusted proxies have passed on.

    names_root: whether they say which prefix they have taken off its path.
    """

    names_root: bool

    def client(
        self, peer: Address, head: RequestHead | None, proxy: ProxyInfo | None = None
    ) -> Address:
        """Return the client as (host, port); `peer` where no trusted proxy names another one.

        proxy: what a header of the PROXY protocol says about the connection, if it came with one.
        """
        ...

    def scheme(
        self, peer: Address, head: RequestHead | None, proxy: ProxyInfo | None = None
    ) -> str | None:
        """Return what the client speaks, "http" or "https"; None where no trusted proxy says."""
        ...

    def root_path(
        self, peer: Address, head: RequestHead | None, proxy: ProxyInfo | None = None
    ) -> str:
        """Return the prefix that was taken off the path; "" where no trusted proxy says one."""
        ...


class _Link(Protocol):
    @property
    def exchange(self) -> Exchange: ...


class _Driver(Protocol):
    @property
    def links(self) -> Iterable[_Link]: ...


class _Places(Protocol):
    came: int
    refused: int

    @property
    def open(self) -> int: ...


class _Server(Protocol):
    """What is looked at of a `ServerCore`."""

    draining: bool
    started: float
    workers: int

    @property
    def places(self) -> _Places: ...

    @property
    def drivers(self) -> Iterable[_Driver]: ...


class ServerStatus:
    """The figures of one server (`link.host.status`). What they tell costs nothing while it is not
    asked. Any thread may ask, at any time."""

    __slots__ = ("_server", "_watchers")

    def __init__(self, server: _Server) -> None:
        self._server = server
        self._watchers: tuple[Callable[[], None], ...] = ()

    @property
    def started(self) -> float:
        """Return when a backend began to run it, in seconds since 1970 on the server's wall
        clock."""
        return self._server.started

    @property
    def draining(self) -> bool:
        """Return whether it accepts no more, and ends what is open."""
        return self._server.draining

    @property
    def connections(self) -> int:
        """Return how many connections are open. Those that were refused because the server is full
        are not among them."""
        return self._server.places.open

    @property
    def accepted(self) -> int:
        """Return how many connections it has had so far, without the refused."""
        return self._server.places.came

    @property
    def refused(self) -> int:
        """Return how many connections it has refused so far, because of `when_full="refuse"`, a
        bound of one client, or `proxy_protocol` and a peer that is no proxy."""
        return self._server.places.refused

    @property
    def exchanges(self) -> int:
        """Return how many requests and WebSockets have a handler that runs or waits. This looks at
        every connection: 0.1 ms for a thousand."""
        return sum(1 for _ in self._running())

    @property
    def websockets(self) -> int:
        """Return how many of them are WebSockets that were accepted."""
        return sum(1 for exchange in self._running() if exchange.websocket is not None)

    @property
    def workers(self) -> int:
        """Return how many processes serve the same sockets, this one included (`--workers`)."""
        return self._server.workers

    def _running(self) -> Iterator[Exchange]:
        # Copies, for on threads others add and remove meanwhile.
        for driver in tuple(self._server.drivers):
            for link in tuple(driver.links):
                if link.exchange.errand is None:
                    yield link.exchange

    def watch(self, func: Callable[[], None]) -> None:
        """Have a function called whenever a connection was opened or closed, and when a drain
        begins. It must be quick, and must not raise. On threads it is called on any thread."""
        self._watchers += (func,)

    def changed(self) -> None:
        """Call what watches. The server does."""
        for func in self._watchers:
            func()


class Host(Protocol):
    """A server, as a handler's machinery sees it (`link.host`). `ServerCore` is one.

    log: takes what an operator should see. log_limit: takes what a client can cause as often as it
    likes. token: gives that many random bytes. time: gives the
    wall time, in seconds since 1970; it moves with virtual time in tests. spool: opens a temporary
    file. lane: the name of the backend, for messages. forwarded: tells the clients behind trusted
    proxies; None where no proxy is trusted. root_path: the prefix that a proxy takes off, unless
    each request says it. status: its figures, such as the open connections.
    """

    log: Log
    log_limit: LogLimit
    token: Callable[[int], bytes]
    time: Callable[[], float]
    spool: Spool
    lane: str
    forwarded: Forwarded | None
    root_path: str
    status: ServerStatus

    def write_access_line(self, exchange: Exchange, line: str, fields: Mapping[str, Any]) -> None:
        """Write a line of an access log about an exchange that is over, in the place of one that
        the server itself would write. fields: what the line was made of, for a structured log."""
