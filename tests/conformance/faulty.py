"""Backends with one fault each. The suite has to show each of them."""

from __future__ import annotations

import contextvars
import re
import socket
import threading
from collections.abc import Callable
from typing import Any

from anylane.lane.server_core import ServerCore
from anylane.protocol import Closing
from anylane_backends.asyncio.driver import AsyncioDriver
from anylane_backends.asyncio.lane import AsyncioBackend, Lane
from anylane_backends.threads.lane import ThreadsBackend

held: list[socket.socket] = []
"""The connections of failed servers, open as their loops would hold them."""


class FailsBackend(ThreadsBackend):
    """Its `run` raises at the first connection."""

    def run(self, server: ServerCore) -> None:
        server.ready()
        (listener,) = server.listeners
        listener.setblocking(True)
        held.append(listener.accept()[0])
        raise RuntimeError("the lane has fallen over")


class NeverReadyBackend(ThreadsBackend):
    """Its `run` neither accepts nor returns."""

    def run(self, server: ServerCore) -> None:
        threading.Event().wait()


class NeverEndsBackend(ThreadsBackend):
    """It serves as it should, but its `run` does not return, and leaves a thread that is waited
    for at the end of the interpreter."""

    def run(self, server: ServerCore) -> None:
        super().run(server)
        threading.Thread(target=threading.Event().wait, daemon=False).start()
        threading.Event().wait()


# --- faults of a lane that serves -----------------------------------------------------------------


class FaultlessBackend(AsyncioBackend):
    """asyncio with a lane of its own. Those below have one with a fault."""

    lane: type[Lane] = Lane

    async def serve(self, server: ServerCore) -> None:
        lane = self.lane(server)
        try:
            async with server.lifespan(lane.to_the_end):
                lane.variables = contextvars.copy_context()
                try:
                    lane.listen()
                    server.ready()
                    await lane.over.wait()
                finally:
                    await lane.to_the_end(lane.end)
        finally:
            lane.pool.close()


class _EndsWhenAborted(Lane):
    def _changed(self) -> None:
        assert self.accepting is not None
        self.accepting.update()
        if self.server.draining:
            self._look()

    def _look(self) -> None:
        if self.server.aborted:
            self.over.set()
        else:
            self.loop.call_later(0.02, self._look)


class EndsWhenAbortedBackend(FaultlessBackend):
    """A drain does not end it, and an abort does."""

    lane = _EndsWhenAborted


class _ServesFirstListener(Lane):
    def watch(self, listener: socket.socket, call: Callable[[], None]) -> None:
        if listener is self.server.listeners[0]:
            super().watch(listener, call)


class ServesFirstListenerBackend(FaultlessBackend):
    """Of its listeners it accepts from the first only."""

    lane = _ServesFirstListener


class _Spins(Lane):
    def __init__(self, server: ServerCore) -> None:
        super().__init__(server)
        self._again()

    def _again(self) -> None:
        self.loop.call_soon(self._again)


class SpinsBackend(FaultlessBackend):
    """Its loop never rests."""

    lane = _Spins


class _SpinsWhenFull(Lane):
    def unwatch(self, listener: socket.socket) -> None:
        if self.server.draining:
            super().unwatch(listener)


class SpinsWhenFullBackend(FaultlessBackend):
    """It goes on watching its listeners while it has no place for a connection."""

    lane = _SpinsWhenFull


class _Unbounded(Lane):
    def __init__(self, server: ServerCore) -> None:
        super().__init__(server)
        self.pool._handlers._limit = 64


class IgnoresMaxThreadsBackend(FaultlessBackend):
    """It starts as many threads as there are blocking handlers."""

    lane = _Unbounded


def _lane_of(kind: type[AsyncioDriver]) -> type[Lane]:
    """Return a lane whose connections have drivers of that class."""

    class Driving(Lane):
        def connect(self, sock: socket.socket, peer: Any, local: Any) -> None:
            driver = kind(self, peer, local)
            task = self.loop.create_task(self._connect(driver, sock), context=self.variables)
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    return Driving


class _ClosesLate(AsyncioDriver):
    def close(self, how: Closing) -> None:
        if how is Closing.SEND_EOF:
            self.lane.loop.call_later(1.5, super().close, how)
        else:
            super().close(how)


class ClosesLateBackend(FaultlessBackend):
    """Its half-close comes 1.5 seconds behind the answer."""

    lane = _lane_of(_ClosesLate)


class _ReadsAll(AsyncioDriver):
    def resize_reads(self, size: int | None) -> None: ...


class IgnoresBufferSizeBackend(FaultlessBackend):
    """It reads as much at once as asyncio does without being told."""

    lane = _lane_of(_ReadsAll)


class _Undated(AsyncioDriver):
    def write(self, chunks: list[bytes]) -> None:
        super().write([_without_date(chunk) for chunk in chunks])


def _without_date(chunk: bytes) -> bytes:
    return re.sub(rb"(?i)\r\ndate: [^\r]*", b"", chunk) if b"chunked" in chunk else chunk


class StreamsWithoutDateBackend(FaultlessBackend):
    """Its streams have no Date."""

    lane = _lane_of(_Undated)
