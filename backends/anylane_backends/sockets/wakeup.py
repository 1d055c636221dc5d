"""WakeupSocketpair: a byte on a socket wakes any loop, from any thread and from signal handlers."""

from __future__ import annotations

import socket


class WakeupSocketpair:
    """Two connected sockets that do not block: asyncio's self-pipe, and trio's class of this name.

    A byte stays in the kernel until it is read. So a wake-up that comes a moment before the loop
    begins to wait is not lost.

    reader: is readable after a wake-up. writer: sends; `signal.set_wakeup_fd` takes its number.
    """

    __slots__ = ("reader", "writer")

    def __init__(self) -> None:
        self.reader: socket.socket
        self.writer: socket.socket
        self.reader, self.writer = socket.socketpair()
        self.reader.setblocking(False)
        self.writer.setblocking(False)

    def wake(self) -> None:
        """Make `reader` readable, from any thread and from a signal handler. Never raise."""
        try:
            self.writer.send(b"\0")
        except OSError:  # It is full, so it is readable; or closed, so nothing is left to wake.
            pass

    def drain(self) -> bytes:
        """Read what was sent, so that `reader` is not readable any more. Returns it: behind
        `signal.set_wakeup_fd` each byte is the number of a signal. b"" if there is nothing."""
        try:
            return self.reader.recv(4096)
        except (BlockingIOError, InterruptedError):
            return b""

    def close(self) -> None:
        """Close both."""
        self.writer.close()
        self.reader.close()
