"""Accepting: what new sockets are told, and when a lane that calls back accepts them."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from anylane.config.server_config import ServerConfig
from anylane.lane.server_core import ServerCore
from anylane.log_limit import ACCEPTING
from anylane_backends.sockets.listening import Listener, tcp_options
from anylane_backends.sockets.sockets import TCP, reset_on_close
from anylane_backends.sockets.spread import PAUSE, LeftToOthers

_GONE = frozenset(
    getattr(errno, name)
    for name in ("ECONNABORTED", "ECONNRESET", "ENETDOWN", "EPROTO", "ENOPROTOOPT", "EHOSTDOWN",
                 "ENONET", "EHOSTUNREACH", "EOPNOTSUPP", "ENETUNREACH", "ETIMEDOUT", "EPERM")
    if hasattr(errno, name)
)  # fmt: skip
"""The errors that mean: that client has left already, or must not come in. Linux reports what is
wrong with its connection here, and the next one may be all right (accept(2))."""


_BROKEN = frozenset((errno.EBADF, errno.EINVAL, errno.ENOTSOCK))
"""The errors that mean: this is no listener any more. shutdown(2) makes EINVAL of it, in every
process that has it."""


PAUSE_AFTER_ERROR = 0.2
"""Seconds until it is tried again after any other error. EMFILE, ENFILE, ENOBUFS and ENOMEM mean
that no descriptors or memory are left for one more connection. Without a pause the loop would spin
on a listener that stays readable."""


_ANY = frozenset(("0.0.0.0", "::"))  # noqa: S104  # only compared


TURN = 64
"""Connections accepted in one go before others get their turn."""


class Acceptor:
    """Accepts from one listener. What its sockets have in common is found out once, and not for
    each of them.

    blocking: leave them so, for a loop that sets it by itself when it is given one.
    """

    __slots__ = ("_accept", "_blocking", "_linger", "_local", "_options", "_share", "_ttl")

    def __init__(
        self, listener: socket.socket, config: ServerConfig, *, blocking: bool = False
    ) -> None:
        self._accept = listener.accept
        self._share = listener.share if isinstance(listener, Listener) else None
        self._blocking = blocking
        family = listener.family
        # One object serves for all of them, unless the listener listens on every address.
        name = listener.getsockname()
        self._local = None if family in TCP and name[0] in _ANY else name
        # A listener that was inherited would keep these, and give them to the sockets of the
        # process that has it next.
        told = isinstance(listener, Listener) and listener.gives_options
        self._options = () if told or family not in TCP else tuple(tcp_options(config))
        self._linger = config.linger
        self._ttl: tuple[int, int, int] | None = None
        if config.ttl is not None and family == socket.AF_INET:
            self._ttl = socket.IPPROTO_IP, socket.IP_TTL, config.ttl
        elif config.ttl is not None and family == socket.AF_INET6:
            self._ttl = socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, config.ttl

    def accept(self) -> tuple[socket.socket, Any, Any] | None:
        """Return the next connection's socket, its peer's address and ours; None if no client
        waits.

        Raises OSError where nothing can be accepted now, and LeftToOthers where several processes
        accept: the caller asks `pause_after` what to do.
        """
        if self._share is not None:
            self._share.look()
        for left in range(TURN - 1, -1, -1):
            try:
                sock, peer = self._accept()
            except (BlockingIOError, InterruptedError):
                if self._share is not None:
                    self._share.empty()
                return None
            except OSError as exc:
                if exc.errno not in _GONE or not left:
                    raise
                continue
            try:
                if not self._blocking:
                    sock.setblocking(False)
                for option, value in self._options:
                    sock.setsockopt(socket.IPPROTO_TCP, option, value)
                if self._linger is not None:
                    reset_on_close(sock)
                if self._ttl is not None:
                    sock.setsockopt(*self._ttl)
                return sock, peer, sock.getsockname() if self._local is None else self._local
            except OSError:
                sock.close()  # This client has left already.
        return None  # Others get their turn.


def pause_after(
    server: ServerCore, listener: socket.socket, exc: OSError | LeftToOthers
) -> float | None:
    """Return for how many seconds to accept nothing after what `Acceptor.accept` has raised; None
    to accept nothing from this listener any more. Log why, unless it is left to others.
    """
    if isinstance(exc, LeftToOthers):
        return PAUSE
    if exc.errno in _BROKEN:
        where = listener.address if isinstance(listener, Listener) else "a listener"
        server.log(
            "error",
            f"no more connections are accepted on {where}: {exc.strerror}; it was closed or shut "
            "down from outside, and only a restart opens it again",
            None,
        )
        return None
    server.log_limit.log(ACCEPTING, "warning", f"cannot accept for now: {exc.strerror}")
    return PAUSE_AFTER_ERROR


class Watcher(Protocol):
    """What a lane supplies that calls back when a listener is readable."""

    def watch(self, listener: socket.socket, call: Callable[[], None]) -> None:
        """Call it whenever the listener is readable, from now on."""

    def unwatch(self, listener: socket.socket) -> None:
        """Call for this listener no more."""

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call it once, after so many seconds."""

    def connect(self, sock: socket.socket, peer: Any, local: Any) -> None:
        """Serve the connection that was accepted. peer, local: its two addresses."""


class Accepting:
    """Accepts while the server wants to. While it does not, clients wait in the backlog.

    blocking: sockets are given to the lane as they came (see `Acceptor`).
    """

    def __init__(self, server: ServerCore, lane: Watcher, *, blocking: bool = False) -> None:
        self._server = server
        self._lane = lane
        self._blocking = blocking
        self._on = False
        self._pausing = False
        self._broken: set[socket.socket] = set()

    def update(self) -> None:
        """Watch the listeners, or watch them no more. Called whenever `server.accepting` or
        `server.draining` may have changed."""
        wanted = self._server.accepting and not self._pausing
        if wanted is not self._on:
            self._on = wanted
            for listener in self._server.listeners:
                if listener not in self._broken:
                    self._switch(listener, on=wanted)
        if self._server.draining:
            self._server.on_listeners_idle()

    def _switch(self, listener: socket.socket, *, on: bool) -> None:
        try:
            if on:
                acceptor = Acceptor(listener, self._server.config, blocking=self._blocking)
                self._lane.watch(listener, partial(self._accept, listener, acceptor))
            else:
                self._lane.unwatch(listener)
        except (OSError, ValueError):
            if listener.fileno() >= 0:
                raise
            # It was closed from outside. The other listeners go on.
            pause_after(self._server, listener, OSError(errno.EBADF, os.strerror(errno.EBADF)))
            self._broken.add(listener)

    def _accept(self, listener: socket.socket, acceptor: Acceptor) -> None:
        for _ in range(TURN):
            if not self._server.accepting:
                self.update()
            if not self._on:
                return
            try:
                found = acceptor.accept()
            except (OSError, LeftToOthers) as exc:
                seconds = pause_after(self._server, listener, exc)
                if seconds is None:
                    self._lane.unwatch(listener)
                    self._broken.add(listener)
                    return
                self._pausing = True
                self.update()
                self._lane.later(seconds, self._resume)
                return
            if found is None:
                return
            self._lane.connect(*found)

    def _resume(self) -> None:
        self._pausing = False
        self.update()
