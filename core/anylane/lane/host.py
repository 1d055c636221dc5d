"""Host: the little that the machinery of a handler asks of the server it runs in."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from anylane.protocol.peer import Address
    from anylane.protocol.request_head import RequestHead

Log = Callable[[str, str, BaseException | None], None]
"""level ("info", "warning", "error"), message, the exception if there is one."""

Spool = Callable[[], IO[bytes]]
"""Opens a temporary file for a large upload; it is gone when it is closed."""


class Forwarded(Protocol):
    """Who a request is from, where proxies in front of the server may say so."""

    def client(self, peer: Address, head: RequestHead | None) -> Address:
        """Return (host, port) of the client; `peer` where no trusted proxy names another one."""
        ...

    def scheme(self, peer: Address, head: RequestHead | None) -> str | None:
        """Return "http" or "https"; None where no trusted proxy says."""
        ...


class Host(Protocol):
    """A server, as a handler's machinery sees it (`link.host`). `ServerCore` is one.

    log: takes what an operator should see. token: gives that many random bytes. time: gives the
    wall time, in seconds since 1970; it moves with virtual time in tests. spool: opens a temporary
    file. lane: the name of the backend, for messages. forwarded: tells the clients behind trusted
    proxies; None where no proxy is trusted.
    """

    log: Log
    token: Callable[[int], bytes]
    time: Callable[[], float]
    spool: Spool
    lane: str
    forwarded: Forwarded | None
