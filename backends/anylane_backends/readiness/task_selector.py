"""TaskSelector: waits for sockets by the loop's own means, where it cannot wait for a selector."""

from __future__ import annotations

import selectors
import socket
from typing import Any

from anylane_backends.readiness.loop import Event, Loop


class TaskSelector:
    """Stands in for a selector without a descriptor, as those of select(2) and poll(2) are.

    Each socket has a task of the loop, which waits for it. It costs what the one for all saves.
    """

    def __init__(self, lane: Loop) -> None:
        self._lane = lane
        self._keys: dict[Any, selectors.SelectorKey] = {}
        self._ready: list[tuple[selectors.SelectorKey, int]] = []
        self._news: Event = lane.event()
        self._taken: Event = lane.event()

    def register(self, sock: socket.socket, events: int, data: Any) -> None:
        """Wait for a socket from now on."""
        self._keys[sock] = key = selectors.SelectorKey(sock, sock.fileno(), events, data)
        self._lane.start(self._attend, key)

    def unregister(self, sock: socket.socket) -> None:
        """Wait for it no more."""
        del self._keys[sock]
        self._lane.release(sock)

    async def wait(self) -> None:
        """Return when there is something to select."""
        await self._news.wait()

    def select(self, timeout: float) -> list[tuple[selectors.SelectorKey, int]]:  # noqa: ARG002  # as a selector's
        """Return what is ready. It has to be read at once: what is ready then is told again."""
        ready, self._ready = self._ready, []
        taken, self._taken = self._taken, self._lane.event()
        self._news = self._lane.event()
        taken.set()
        return [each for each in ready if self._is_watched(each[0])]

    def close(self) -> None:
        """Do nothing: there is no descriptor."""

    def _is_watched(self, key: selectors.SelectorKey) -> bool:
        return self._keys.get(key.fileobj) is key

    async def _attend(self, key: selectors.SelectorKey) -> None:
        sock: Any = key.fileobj
        while self._is_watched(key):
            await self._lane.readable(sock)
            self._ready.append((key, key.events))
            self._news.set()
            await self._taken.wait()
