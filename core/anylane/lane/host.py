"""Host: the little that the machinery of a handler asks of the server it runs in."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from anylane.log_limit import LogLimit
    from anylane.protocol.exchange import Exchange
    from anylane.protocol.peer import Address
    from anylane.protocol.request_head import RequestHead

Log = Callable[[str, str, BaseException | None], None]
"""Takes a level ("info", "warning" or "error"), a message, and the exception or None."""

Spool = Callable[[], IO[bytes]]
"""Opens a temporary file for a large upload; it is gone when it is closed."""


class Forwarded(Protocol):
    """What tells the client of a request that trusted proxies have passed on."""

    def client(self, peer: Address, head: RequestHead | None) -> Address:
        """Return the client as (host, port); `peer` where no trusted proxy names another one."""
        ...

    def scheme(self, peer: Address, head: RequestHead | None) -> str | None:
        """Return what the client speaks, "http" or "https"; None where no trusted proxy says."""
        ...


class Host(Protocol):
    """A server, as a handler's machinery sees it (`link.host`). `ServerCore` is one.

    log: takes what an operator should see. log_limit: takes what a client can cause as often as it
    likes. token: gives that many random bytes. time: gives the
    wall time, in seconds since 1970; it moves with virtual time in tests. spool: opens a temporary
    file. lane: the name of the backend, for messages.
    forwarded: tells the clients behind trusted
    proxies; None where no proxy is trusted.
    """

    log: Log
    log_limit: LogLimit
    token: Callable[[int], bytes]
    time: Callable[[], float]
    spool: Spool
    lane: str
    forwarded: Forwarded | None

    def write_access_line(self, exchange: Exchange, line: str) -> None:
        """Write a line of an access log about an exchange that is over, in the place of one that
        the server itself would write."""
