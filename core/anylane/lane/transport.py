"""Transport: the verbs that a lane supplies for a connection. `Driver` calls them.

None blocks, each may defer. A lane derives from `Driver`, which is a Transport, and writes these.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anylane.lane.link import Errand
    from anylane.lane.server_core import ServerCore
    from anylane.protocol.exchange import Exchange
    from anylane.protocol.interfaces import Closing


class Transport(ABC):
    """What moves the bytes of one connection, and keeps its one timer."""

    tolerance = 0
    """Bytes that may stay before `unsent` is asked while a deadline is set; when it comes, `unsent`
    is asked too. For a transport that sends only in the next turn of its loop, and would always say
    that some stay."""

    server: ServerCore

    __slots__ = ()

    @abstractmethod
    def now(self) -> float:
        """Return the lane's clock, in seconds: monotonic."""

    @abstractmethod
    def write(self, chunks: list[bytes]) -> None:
        """Take all of it; what the kernel does not take now stays with the transport."""

    @abstractmethod
    def unsent(self) -> int:
        """Return how many bytes stayed."""

    @abstractmethod
    def start(self, exchange: Exchange) -> None:
        """Run the exchange natively, with a link given to `started`. Each one runs in a copy of its
        own of the context that the lane had after startup."""

    @abstractmethod
    def arm(self, deadline: float) -> None:
        """Call `timeout()` at that time or before; an earlier call's deadline is void."""

    @abstractmethod
    def set_reading(self, on: bool) -> None:
        """Park or resume the reader. The timer goes on while it is parked."""

    @abstractmethod
    def close(self, how: Closing) -> None:
        """Close the socket: SEND_EOF its write side, CLOSE all of it, both after what was written;
        ABORT at once, with a reset, dropping what stayed. CLOSE and ABORT end with `lose`."""

    def detach(self, errand: Errand) -> None:
        """Make and pump one more driver for this errand, without a transport: it is `lost`, so that
        of its verbs only `now`, `start` and `arm` are called. On the lane's own thread.

        A transport that does not supply it runs no background work.
        """
        self.server.log(
            "error", f"ctx.background: {type(self).__name__} supplies no detach(); not run", None
        )
        self.server.forget_errand(errand)

    def resize_reads(self, size: int | None) -> None:  # noqa: B027
        """Let a read give at most so many bytes from now on; None leaves it to the transport.

        For a transport that reads by itself; others ask `connection.read_size` at each read.
        """

    def report_progress(self) -> None:  # noqa: B027  # most transports do
        """Call `writable` soon, when what was written so far has been sent."""

    def over(self) -> None:  # noqa: B027  # not every transport holds something
        """Drop what the transport keeps for the connection, such as its timer: it and its last
        exchange are over."""
