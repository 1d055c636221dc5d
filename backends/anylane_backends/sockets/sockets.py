"""Reading, writing and closing, as several lanes do it. Every socket is non-blocking."""

from __future__ import annotations

import socket
import struct
from collections import deque
from contextlib import suppress

READ_SIZE = 64 * 1024
"""Bytes of one read. They are few enough that one connection does not hold the others up."""


NO_SOCKET = socket.socket()
"""A closed socket, for a driver that has no transport. Nothing is done with it."""


NO_SOCKET.close()


TCP = (socket.AF_INET, socket.AF_INET6)
"""The families of addresses on which sockets speak TCP."""

UNIX: int | None = getattr(socket, "AF_UNIX", None)
"""The family of unix sockets, None where Python has none (on Windows)."""


def read(sock: socket.socket, size: int | None = None) -> bytes | None:
    """Return what came, b"" at the end, None if there is nothing now. Raise OSError when the
    connection is broken.

    size: bytes at most; READ_SIZE without it.
    """
    try:
        return sock.recv(size or READ_SIZE)
    except (BlockingIOError, InterruptedError):
        return None


class Outbox:
    """What a socket has not taken yet.

    Writing is one non-blocking send at once, so nothing can interrupt it. The rest waits until the
    socket is writable.

    size: bytes that wait.
    """

    __slots__ = ("_chunks", "size")

    def __init__(self) -> None:
        # It is None while nothing waits: an empty deque would take 760 bytes for each quiet
        # connection.
        self._chunks: deque[memoryview] | None = None
        self.size: int = 0

    def write(self, sock: socket.socket, chunks: list[bytes]) -> None:
        """Send what the socket takes, and keep the rest. Raise OSError when the connection is
        broken."""
        if not self._chunks:
            data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            try:
                sent = sock.send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            if sent < len(data):
                self._chunks = deque((memoryview(data)[sent:],))
                self.size = len(data) - sent
            return
        for chunk in chunks:
            self._chunks.append(memoryview(chunk))
            self.size += len(chunk)

    def send(self, sock: socket.socket) -> None:
        """The socket is writable: send what goes; raises OSError when it is broken."""
        while self._chunks:
            chunk = self._chunks[0]
            try:
                # Slices, so that a slow reader's progress is seen (see Connection.data_unsent).
                sent = sock.send(chunk[:READ_SIZE])
            except (BlockingIOError, InterruptedError):
                return
            self.size -= sent
            if sent == len(chunk):
                self._chunks.popleft()
            else:
                self._chunks[0] = chunk[sent:]
                if sent < min(READ_SIZE, len(chunk)):
                    return
        self._chunks = None

    def clear(self) -> None:
        self._chunks = None
        self.size = 0


def half_close(sock: socket.socket) -> None:
    """Send our FIN. Harmless if the peer is gone."""
    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def wait_for_more(sock: socket.socket | None) -> None:
    """Take TCP_NODELAY back from a loop that sets it on every socket (asyncio, uvloop)."""
    if sock is not None and sock.family in TCP:
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)


def reset_on_close(sock: socket.socket) -> None:
    """Make closing a reset, so that the peer does not take what it has for whole."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def reset(sock: socket.socket) -> None:
    """Close with a reset."""
    reset_on_close(sock)
    sock.close()
