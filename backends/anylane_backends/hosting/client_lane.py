"""The test client on real sockets: a server in its own thread, blocking clients in this one."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from anylane.app import App
from anylane.config.server_config import ServerConfig
from anylane.lane.host import Log
from anylane.testing.client.errors import Silence
from anylane_backends.hosting.server import Server
from anylane_backends.sockets.sockets import READ_SIZE, reset
from anylane_backends.workers import start_thread

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

_Selector: type[selectors.BaseSelector] = getattr(
    selectors, "PollSelector", selectors.SelectSelector
)
"""Not epoll or kqueue: one look is not worth a descriptor. Windows has select() alone."""

_GRACE = 5.0
"""Seconds that handlers have to end when the client is closed. Then they are aborted."""


class SocketWire:
    """A client's socket. Raises Silence if what it waits for does not come in `lane.patience`."""

    def __init__(self, lane: SocketLane) -> None:
        self._lane = lane
        self._socket = socket.create_connection(lane.server.addresses[0][:2], lane.patience)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._received: list[bytes] = []
        self.address: Any = self._socket.getsockname()
        self.on_data: Callable[[], bool] | None = None

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            # It reads too: with an answer that begins before the request ends, both sides would
            # wait for each other.
            readable, writable = self._ready(self._lane.patience, writing=True)
            if readable and not self._read():
                return
            if writable:
                try:
                    rest = rest[self._socket.send(rest) :]
                except BlockingIOError:
                    pass
                except OSError:
                    return  # The server has closed. What it sent before is still to be read.
            elif not readable:
                raise Silence(f"the server read nothing for {self._lane.patience:g} seconds")

    def poll(self) -> bytes | None:
        if not self._received:
            if not self._ready(0)[0]:
                return None
            self._read()
        # The end of input stays in the list: every later call finds it again.
        return self._received.pop(0) if self._received[0] else b""

    def receive(self, what: str, timeout: float | None = None) -> bytes:
        patience = self._lane.patience
        end = time.monotonic() + (patience if timeout is None else min(timeout, patience))
        while (data := self.poll()) is None:
            left = end - time.monotonic()
            if left <= 0:
                break
            self._ready(left)
        else:
            return data
        if timeout is not None and timeout <= patience:
            raise TimeoutError(f"{what} did not come within {timeout:g} seconds")
        raise Silence(f"{what} did not come within the client's patience of {patience:g} seconds")

    def close(self) -> None:
        self._lane.forget(self)
        self._socket.close()

    def reset(self) -> None:
        self._lane.forget(self)
        reset(self._socket)

    def _ready(self, timeout: float, *, writing: bool = False) -> tuple[bool, bool]:
        seen = 0
        with _Selector() as selector:
            selector.register(self._socket, _READ | (_WRITE if writing else 0))
            for _, events in selector.select(max(0, timeout)):
                seen |= events
        return bool(seen & _READ), bool(seen & _WRITE)

    def _read(self) -> bool:
        """Take in what has come. Return False at the end of input."""
        try:
            data = self._socket.recv(READ_SIZE)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if data or not self._received or self._received[-1]:
            self._received.append(data)
        return bool(data)


class SocketLane:
    """One app on one backend, on a free port of this machine.

    patience: seconds that a client waits for anything before it raises Silence.
    """

    def __init__(
        self, app: App, config: ServerConfig | None, backend: str, journal: Log, patience: float
    ) -> None:
        self.patience = patience
        self._wires: list[SocketWire] = []
        here = replace(config or ServerConfig(), host="127.0.0.1", port=0)
        self.server: Server = Server(app, here, backend, log=journal)
        # A thread that a daemon starts is a daemon too. So a client that is never closed does not
        # keep the process alive.
        start_thread(self.server.start, "anylane starter").join()
        self.server.wait_ready(patience)

    def now(self) -> float:
        return time.monotonic()

    def connect(self) -> SocketWire:
        wire = SocketWire(self)
        self._wires.append(wire)
        return wire

    def forget(self, wire: SocketWire) -> None:
        wire.on_data = None
        with suppress(ValueError):
            self._wires.remove(wire)

    def advance(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            attentive = {wire.fileno(): wire for wire in self._wires if wire.on_data is not None}
            if not attentive:
                time.sleep(left)
                return
            with _Selector() as selector:
                for number, wire in attentive.items():
                    while wire.on_data is not None and wire.on_data():
                        pass
                    selector.register(number, _READ)
                found = [attentive[key.fd] for key, _ in selector.select(left)]
            for wire in found:
                if wire.on_data is not None and not wire.on_data():
                    wire.on_data = None  # Its input has ended; the next `receive` returns that.

    def close(self) -> None:
        for wire in tuple(self._wires):
            wire.reset()
        self.server.shutdown()
        if not self.server.wait(_GRACE):
            self.server.core.wakes.put(self.server.core.abort)
            if not self.server.wait(self.patience):
                raise TimeoutError(f"{self.server.backend.name} did not shut down")
