"""Accepting on lanes that call back when a listener is readable."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Protocol

from anylane.server import ServerCore
from anylane_backends._sockets import EXHAUSTED_PAUSE, accept

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
    """Accepts while the server wants to. Whoever comes while it does not waits in the backlog."""

    def __init__(self, server: ServerCore, lane: Watcher) -> None:
        self._server = server
        self._lane = lane
        self._on = False
        self._exhausted = False

    def update(self) -> None:
        """Whenever `server.accepting` may have changed."""
        wanted = self._server.accepting and not self._exhausted
        changed, self._on = wanted is not self._on, wanted
        for listener in self._server.listeners if changed else ():
            if wanted:
                self._lane.watch(listener, lambda listener=listener: self._accept(listener))  # type: ignore[misc]
            else:
                self._lane.unwatch(listener)
        if self._server.draining:
            # Who connects now shall see at once that nobody answers here any more.
            for listener in self._server.listeners:
                listener.close()

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_TURN):
            if not self._on:
                return
            try:
                found = accept(listener, self._server.config)
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
