"""The port between a test client and where its app runs: in memory, or on real sockets.

Nothing on this side of it knows which of both it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Wire(Protocol):
    """The client's end of one connection.

    address: what `ctx.request.client` says. on_data: called when something may be polled while
    nobody receives, so that a WebSocket can answer pings; returns whether it took something.
    """

    address: Any
    on_data: Callable[[], bool] | None

    def send(self, data: bytes) -> None:
        """Send all of it; in vain, but without an error, if the server has closed."""

    def poll(self) -> bytes | None:
        """What has come: b"" at the end of the connection, None if there is nothing now."""
        ...

    def receive(self, what: str, timeout: float | None = None) -> bytes:
        """The same, but waits. Raises Silence, naming `what`, for what does not come, and
        TimeoutError after `timeout` seconds."""
        ...

    def close(self) -> None:
        """Say goodbye (FIN)."""

    def reset(self) -> None:
        """Be gone without a goodbye (RST)."""


class Lane(Protocol):
    """A running server with one app."""

    def now(self) -> float:
        """The clock of `advance`, in seconds."""
        ...

    def connect(self) -> Wire:
        """One more connection."""
        ...

    def advance(self, seconds: float) -> None:
        """Let that time pass, answering the pings of open WebSockets."""

    def close(self) -> None:
        """Drain, run the shutdown hooks, stop."""
