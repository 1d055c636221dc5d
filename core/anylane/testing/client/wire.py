"""The port between a test client and where its app runs: in memory, or on real sockets.

Nothing on the client's side knows which of both it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Wire(Protocol):
    """The client's end of one connection.

    address: what `ctx.request.client` says.
    on_data: called when something may be polled while nothing receives, so that a WebSocket can
        answer pings. It returns whether it took anything.
    """

    address: Any
    on_data: Callable[[], bool] | None

    def send(self, data: bytes) -> None:
        """Send all of it. After the server has closed it has no effect, and is no error."""

    def poll(self) -> bytes | None:
        """Return what has come: b"" at the end of the connection, None if there is nothing now."""
        ...

    def receive(self, what: str, timeout: float | None = None) -> bytes:
        """Wait for bytes, and return them; b"" at the end of the connection.

        Raises Silence, which names *what*, if none can come, and TimeoutError after *timeout*
        seconds.
        """
        ...

    def close(self) -> None:
        """Close the connection in order (FIN)."""

    def reset(self) -> None:
        """Reset the connection (RST)."""


class Lane(Protocol):
    """A running server with one app."""

    def now(self) -> float:
        """Return the clock of `advance`, in seconds."""
        ...

    def connect(self) -> Wire:
        """Return one more connection."""
        ...

    def advance(self, seconds: float) -> None:
        """Let that many seconds pass, answering the pings of open WebSockets."""

    def close(self) -> None:
        """Drain, run the shutdown hooks, and stop."""
