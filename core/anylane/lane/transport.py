"""Transport: the verbs that a lane supplies for a connection. `Driver` calls them.

None blocks, each may defer. A lane derives from `Driver`, which is a Transport, and writes these.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from anylane.lane.link import Errand
    from anylane.lane.server_core import ServerCore
    from anylane.protocol.exchange import Exchange
    from anylane.protocol.interfaces import Closing


class Transport(ABC):
    """The verbs of one connection: what moves its bytes, and keeps its one timer."""

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
        """Take all chunks. What the kernel does not take now stays with the transport."""

    @abstractmethod
    def unsent(self) -> int:
        """Return how many bytes of what was written the kernel has not taken."""

    def unacknowledged(self) -> int:
        """Return how many bytes that the kernel has taken the peer has not acknowledged; 0 where
        it does not tell."""
        return 0

    def arrived(self) -> bool:
        """Return whether bytes of the peer wait in the kernel to be read; False where it does not
        tell. The end of input alone is none."""
        return False

    def hung_up(self) -> bool:
        """Return whether the peer has ended its side or broken the connection, even if bytes that
        were not read yet are in front of that; False where the kernel does not tell."""
        return False

    def broken(self) -> bool:
        """Return whether the connection was reset or has failed, so that nothing can be sent any
        more; False where the kernel does not tell."""
        return False

    @abstractmethod
    def start(self, exchange: Exchange) -> None:
        """Run the coroutine of an exchange natively, with a link given to `started`.

        Each exchange runs in a copy of its own of the context that the lane had after startup.
        """

    @abstractmethod
    def arm(self, deadline: float) -> None:
        """Call `timeout()` at `deadline`, in seconds of `now()`, or before. The deadline of an
        earlier call is void."""

    @abstractmethod
    def set_reading(self, on: bool) -> None:
        """Park or resume the reader. The timer goes on while it is parked."""

    @abstractmethod
    def close(self, how: Closing) -> None:
        """Close the socket as far as `how` says.

        SEND_EOF closes its write side and CLOSE all of it, both after what was written was sent.
        ABORT closes it at once, with a reset, and drops what stayed. CLOSE and ABORT end with
        `lose`.
        """

    def if_free(self, func: Callable[[], bool]) -> bool:
        """Call a function that changes the connection, and return what it returns.

        For a lane on which another thread may be at work on the connection: there it is not called
        then, False is returned, and `server.places.note(driver)` is called behind that work.
        """
        return func()

    def tell(self, func: Callable[[], None]) -> bool:
        """Call a function that changes the connection, on the lane's own thread. Return True.

        For a lane on which another thread may be at work on the connection: there it is called
        behind that work, and False is returned.
        """
        func()
        return True

    def detach(self, errand: Errand) -> None:
        """Make and pump one more driver for this errand, without a transport.

        That driver is `lost`, so of its verbs only `now`, `start` and `arm` are called. This is
        called on the lane's own thread. A transport that does not supply it runs no background
        work.
        """
        self.server.log(
            "error", f"ctx.background: {type(self).__name__} supplies no detach(); not run", None
        )
        self.server.forget_errand(errand)

    def resize_reads(self, size: int | None) -> None:  # noqa: B027
        """Let a read give at most so many bytes from now on; None leaves it to the transport.

        A transport that reads by itself supplies it; others ask `connection.read_size` at each
        read.
        """

    def report_progress(self) -> None:  # noqa: B027  # most transports do
        """Call `writable` soon, when what was written so far has been sent."""

    def over(self) -> None:  # noqa: B027  # not every transport holds something
        """Drop what the transport keeps for the connection, such as its timer. Called when the
        connection and its last exchange are over."""
