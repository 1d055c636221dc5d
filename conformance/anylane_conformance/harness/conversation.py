"""Conversation: what a case speaks through, in memory or on a backend's sockets."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from anylane import App
from anylane.config.server_config import ServerConfig
from anylane.lane.backend import Backend
from anylane.lane.stepping import step
from anylane.testing import Lockstep, World
from anylane.testing.world import DATE
from anylane_backends.hosting.server import Server
from anylane_conformance.contract.stage import Stage
from anylane_conformance.harness.peer import Peer
from anylane_conformance.harness.transcripts import Transcript
from anylane_conformance.harness.websocket_peer import WebSocketPeer
from anylane_conformance.harness.wires import Cutter, LockstepPeer, SocketPeer, TlsPeer

PATIENCE = 15.0
"""Seconds that a case waits for bytes on a real lane; a loaded machine needs some."""


class Conversation(ABC):
    """Connections to a server of the contract's app, and what can be seen of that server.

    tls: whether `connect`, `websocket` and `helper` speak it.
    figures: what the case has measured, by name.
    """

    def __init__(self, stage: Stage, *, tls: bool) -> None:
        self.stage = stage
        self.tls = tls
        self.peers: list[Peer] = []
        self.figures: dict[str, float] = {}

    def connect(
        self,
        receive_buffer: int | None = None,
        *,
        certificate: bool = False,
        alpn: tuple[str, ...] = (),
    ) -> Peer:
        """Open one more connection, whose transcript is compared.

        receive_buffer: bytes of the client's socket buffer, None for the system's default.
        certificate, alpn: what the client shows and offers, where TLS is spoken.
        """
        peer = self._secured(self._connect(receive_buffer), certificate, alpn)
        self.peers.append(peer)
        return peer

    def websocket(
        self, path: str, *headers: str, receive_buffer: int | None = None
    ) -> WebSocketPeer:
        """Open a WebSocket on one more connection, whose transcript is compared."""
        return WebSocketPeer.open(self.connect(receive_buffer), path, *headers)

    def helper(self) -> Peer:
        """Open one more connection, whose transcript is not compared."""
        return self._secured(self._connect(None))

    def bare(self) -> Peer:
        """Open one more connection without TLS whatever the server speaks, not compared."""
        return self._connect(None)

    def _secured(self, wire: Peer, certificate: bool = False, alpn: tuple[str, ...] = ()) -> Peer:
        if not self.tls:
            return wire
        from anylane_conformance.harness import certificates

        return TlsPeer(wire, certificates.client(certificate, alpn))

    def in_thread(self, func: Callable[[], Any]) -> None:
        """Run a function in another thread, to its end."""
        thread = threading.Thread(target=func)
        thread.start()
        thread.join()

    def measure(self, name: str, value: float) -> None:
        """Note a figure for the report."""
        self.figures[name] = value

    @property
    def transcripts(self) -> list[Transcript]:
        """What the clients of the compared connections received."""
        return [peer.transcript for peer in self.peers]

    # -- what a lane supplies

    @property
    @abstractmethod
    def log(self) -> list[tuple[str, str]]:
        """(level, message) of all that an operator would have seen."""

    @property
    @abstractmethod
    def connections(self) -> int:
        """How many connections the server holds; one whose handler has not ended is held."""

    @abstractmethod
    def _connect(self, receive_buffer: int | None) -> Peer:
        """Open a connection without TLS."""

    @abstractmethod
    def pause(self, seconds: float) -> None:
        """Let time pass; in memory it is virtual."""

    @abstractmethod
    def steady(self, value: Callable[[], int]) -> int:
        """Return the value once it has stopped changing."""

    @abstractmethod
    def drain(self) -> None:
        """Ask the server to shut down. Connections can be read to their end."""

    @abstractmethod
    def stop(self) -> None:
        """Shut the server down, to its end. No more connections can be made after that."""


class LockstepConversation(Conversation):
    """A conversation in memory and in virtual time."""

    def __init__(self, stage: Stage, world: World, cutter: Cutter, *, tls: bool) -> None:
        super().__init__(stage, tls=tls)
        self._world = world
        self._cutter = cutter

    @property
    def log(self) -> list[tuple[str, str]]:
        return [(record.level, record.message) for record in self._world.log]

    @property
    def connections(self) -> int:
        return len(self._world.server.drivers)

    def _connect(self, receive_buffer: int | None) -> Peer:  # noqa: ARG002  # no kernel here
        return LockstepPeer(Lockstep(world=self._world), self._cutter)

    def pause(self, seconds: float) -> None:
        self._world.advance(seconds)

    def steady(self, value: Callable[[], int]) -> int:
        self._world.run()
        return value()

    def drain(self) -> None:
        self._world.server.shutdown()
        self._world.run()

    def stop(self) -> None:
        self.drain()
        assert not step(self._world.server.cleanup(), "Lockstep")


class ServerConversation(Conversation):
    """A conversation over real sockets with a backend, which runs in a thread of its own.

    patience: seconds to wait for bytes.
    """

    def __init__(
        self, stage: Stage, app: App, config: ServerConfig, backend: Backend, *, patience: float
    ) -> None:
        super().__init__(stage, tls=config.ssl_certfile is not None)
        self._log: list[tuple[str, str]] = []
        self.server: Server = Server(
            app,
            config,
            backend,
            date=lambda: DATE,
            log=lambda level, message, error: self._log.append((level, message)),
        )
        self._patience = patience
        self._sockets: list[Peer] = []

    @property
    def log(self) -> list[tuple[str, str]]:
        return self._log

    @property
    def connections(self) -> int:
        return len(self.server.core.drivers)

    def _connect(self, receive_buffer: int | None) -> Peer:
        peer = SocketPeer(self.server.addresses[0], self._patience, receive_buffer)
        self._sockets.append(peer)
        return peer

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def steady(self, value: Callable[[], int]) -> int:
        before, quiet = value(), 0
        # Three looks alike: a writer that the kernel still takes from does not rest that long.
        while quiet < 3:
            time.sleep(0.1)
            now = value()
            quiet = quiet + 1 if now == before else 0
            before = now
        return before

    def drain(self) -> None:
        self.server.shutdown()

    def stop(self) -> None:
        for peer in self._sockets:
            peer.finish()
        self.server.shutdown(grace=2)
        assert self.server.wait(PATIENCE), "the server did not shut down"
