"""ConnectionCarrier: what HTTP/1.1 asks of the connection that it is spoken on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from anylane.protocol.dates import Dates
from anylane.protocol.http1.express import Heads
from anylane.protocol.interfaces import Carrier, InnerProtocol

if TYPE_CHECKING:
    from anylane.protocol.exchange import Exchange


class ConnectionCarrier(Carrier, Protocol):
    """A carrier that is a whole connection: what HTTP/1.1 asks of it besides.

    eof: the peer sends no more. draining: the server shuts down. idle: between two requests, with
    nothing changed that a driver looks at. waiting: exchanges whose handler has not been started;
    HTTP/1.1 appends to it. read_size: bytes that one read of the socket should give, None where it
    does not matter. heads: what is remembered of other connections' requests.
    """

    dates: Dates
    heads: Heads | None
    eof: bool
    draining: bool
    idle: bool
    read_size: int | None
    waiting: list[Exchange]

    def owes(self, now: float) -> bool:
        """Return whether the peer has not taken all output yet. It has a deadline then."""
        ...

    def switch(self, protocol: InnerProtocol) -> None:
        """Give the peer's bytes to `protocol` from here on (RFC 9110 §7.8)."""
