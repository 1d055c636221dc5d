"""Synchronous socket code that several lanes share. Every socket is non-blocking."""

from __future__ import annotations

import errno
import socket
import struct
from collections import deque
from contextlib import suppress
from typing import Any

from anylane.config.server_config import ServerConfig
from anylane_backends.sockets.listening import Listener

READ_SIZE = 64 * 1024
"""Bytes of one read; small enough that one connection cannot hold the others up."""


EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
"""No descriptors or memory for one more connection: try again later (accept(2))."""


EXHAUSTED_PAUSE = 0.2
"""Seconds until then; without a pause the loop would spin on a listener that stays readable."""


NO_SOCKET = socket.socket()
"""Closed: what a driver without a transport has. Nothing is done with it."""


NO_SOCKET.close()


_ANY = frozenset(("0.0.0.0", "::"))  # noqa: S104  # only compared


_TCP = (socket.AF_INET, socket.AF_INET6)


class Door:
    """A listener, and what the sockets that come out of it have in common: found out once, and
    not for each of them.

    blocking: leave them so, for a loop that sets it by itself when it is given one.
    """

    __slots__ = ("_accept", "_blocking", "_linger", "_local", "_nodelay", "_ttl")

    def __init__(
        self, listener: socket.socket, config: ServerConfig, *, blocking: bool = False
    ) -> None:
        self._accept = listener.accept
        self._blocking = blocking
        family = listener.family
        # One object for all, too; only where a listener hears on every address they differ.
        name = listener.getsockname()
        self._local = None if family in _TCP and name[0] in _ANY else name
        # A listener that was inherited would keep these, and give them to the sockets of whoever
        # has it next.
        told = isinstance(listener, Listener) and listener.gives_nodelay
        self._nodelay = config.nodelay and family in _TCP and not told
        self._linger = config.linger
        self._ttl: tuple[int, int, int] | None = None
        if config.ttl is not None and family == socket.AF_INET:
            self._ttl = socket.IPPROTO_IP, socket.IP_TTL, config.ttl
        elif config.ttl is not None and family == socket.AF_INET6:
            self._ttl = socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, config.ttl

    def accept(self) -> tuple[socket.socket, Any, Any] | None:
        """The next connection, its peer's address and ours; None if there is none (any more).

        Raises OSError only for EXHAUSTED: the caller pauses, then goes on.
        """
        while True:
            try:
                sock, peer = self._accept()
            except (BlockingIOError, InterruptedError):
                return None
            except OSError as exc:
                if exc.errno in EXHAUSTED:
                    raise
                continue  # That one was gone before we came (ECONNABORTED and its kin, accept(2)).
            try:
                if not self._blocking:
                    sock.setblocking(False)
                if self._nodelay:
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._linger is not None:
                    reset_on_close(sock)
                if self._ttl is not None:
                    sock.setsockopt(*self._ttl)
                return sock, peer, sock.getsockname() if self._local is None else self._local
            except OSError:
                sock.close()  # So was this one.


def read(sock: socket.socket, size: int | None = None) -> bytes | None:
    """Bytes, b"" at the end, None if there is nothing now; raises OSError when it is broken."""
    try:
        return sock.recv(size or READ_SIZE)
    except (BlockingIOError, InterruptedError):
        return None


class Outbox:
    """What a socket has not taken yet. Writing is one non-blocking send at once, so nothing can
    cut it; the rest waits for the socket to become writable."""

    __slots__ = ("_chunks", "size")

    def __init__(self) -> None:
        # None while there is nothing: an empty deque takes 760 bytes, for each quiet connection.
        self._chunks: deque[memoryview] | None = None
        self.size = 0

    def write(self, sock: socket.socket, chunks: list[bytes]) -> None:
        """Queue them and send what goes; raises OSError when the socket is broken."""
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
    """Send our FIN; harmless if the peer is gone."""
    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def wait_for_more(sock: socket.socket | None) -> None:
    """Take TCP_NODELAY back from a loop that sets it on every socket (asyncio, uvloop)."""
    if sock is not None and sock.family in _TCP:
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)


def reset_on_close(sock: socket.socket) -> None:
    """Make closing a reset: the peer must not take what it has for whole."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def reset(sock: socket.socket) -> None:
    """Close with a reset."""
    reset_on_close(sock)
    sock.close()
