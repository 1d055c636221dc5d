"""Accepting on lanes that call back when a listener is readable."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from anylane.lane.server_core import ServerCore
from anylane_backends.sockets.sockets import EXHAUSTED_PAUSE, Door

_TURN = 64
"""Connections accepted in one go before others get their turn."""


class Watcher(Protocol):
    """What the lane supplies."""

    def watch(self, listener: socket.socket, call: Callable[[], None]) -> None:
        """From now on, call it whenever the listener is readable."""

    def unwatch(self, listener: socket.socket) -> None: ...
    def later(self, seconds: float, call: Callable[[], None]) -> None: ...
    def connect(self, sock: socket.socket, peer: Any, local: Any) -> None:
        """A connection was accepted."""


class Accepting:
    """Accepts while the server wants to. Whoever comes while it does not waits in the backlog.

    blocking: sockets are given to the lane as they came (see `Door`).
    """

    def __init__(self, server: ServerCore, lane: Watcher, *, blocking: bool = False) -> None:
        self._server = server
        self._lane = lane
        self._blocking = blocking
        self._on = False
        self._exhausted = False

    def update(self) -> None:
        """Whenever `server.accepting` or `server.draining` may have changed."""
        wanted = self._server.accepting and not self._exhausted
        if wanted is not self._on:
            self._on = wanted
            for listener in self._server.listeners:
                if wanted:
                    door = Door(listener, self._server.config, blocking=self._blocking)
                    self._lane.watch(listener, partial(self._accept, door))
                else:
                    self._lane.unwatch(listener)
        if self._server.draining:
            self._server.on_listeners_idle()

    def _accept(self, door: Door) -> None:
        for _ in range(_TURN):
            if not self._on:
                return
            try:
                found = door.accept()
            except OSError as exc:
                self._server.log("warning", f"cannot accept for now: {exc.strerror}", None)
                self._exhausted = True
                self.update()
                self._lane.later(EXHAUSTED_PAUSE, self._resume)
                return
            if found is None:
                return
            self._lane.connect(*found)

    def _resume(self) -> None:
        self._exhausted = False
        self.update()
