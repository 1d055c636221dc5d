"""Conversation: what a case speaks through, in memory or on a backend's sockets."""

from __future__ import annotations

import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from anylane import App
from anylane.config.server_config import ServerConfig
from anylane.lane.backend import Backend
from anylane.testing import Lockstep, World
from anylane.testing.world import DATE
from anylane_backends.hosting.server import Server
from anylane_conformance.contract.stage import Stage
from anylane_conformance.harness.peer import Peer
from anylane_conformance.harness.transcripts import Transcript
from anylane_conformance.harness.websocket_peer import WebSocketPeer
from anylane_conformance.harness.wires import Cutter, LockstepPeer, SocketPeer, TlsPeer

PATIENCE = 15.0
"""Seconds that a case waits for bytes on a real lane, and for its server to end by itself; a loaded
machine needs some."""

Record = tuple[str, str, BaseException | None]
"""Level, message and exception of a line of the log."""

_SHOWN = 30
"""Lines of a log that are shown with a failure, the last ones."""


class Conversation(ABC):
    """Connections to a server of the contract's app, and what can be seen of that server.

    tls: whether `connect`, `websocket` and `helper` speak it.
    figures: what the case has measured, by name. lacks: the capabilities of `capabilities.OWN`
    that the lane has not.
    """

    def __init__(self, stage: Stage, *, tls: bool) -> None:
        self.stage = stage
        self.lacks: frozenset[str] = frozenset()
        self.tls = tls
        self.peers: list[Peer] = []
        self.figures: dict[str, float] = {}

    def has(self, capability: str) -> bool:
        """Return whether the lane has a capability of `OWN`, for that part of a case that needs it.
        What the case then leaves out is left out in memory, too, when transcripts are compared."""
        return capability not in self.lacks

    def kept(self, peer: Peer) -> Peer:
        """Return the peer, whose connection goes on; or a new one, where another server decides
        that, and ends it behind a refused handshake."""
        return peer if self.has("own_connections") else self.connect()

    def rests(self, idle: int) -> None:
        """Expect that nothing runs on any connection. idle: how many the server still holds, where
        they are its own."""
        held = self.steady(lambda: self.connections)
        assert held in ((idle,) if self.has("own_connections") else (0, idle)), (
            f"the server holds {held} connections; expected {idle} on which nothing runs"
        )

    def connect(
        self,
        receive_buffer: int | None = None,
        *,
        certificate: bool = False,
        alpn: tuple[str, ...] = (),
        listener: int = 0,
        preface: bytes = b"",
    ) -> Peer:
        """Open one more connection, whose transcript is compared.

        receive_buffer: bytes of the client's socket buffer, None for the system's default.
        certificate, alpn: what the client shows and offers, where TLS is spoken. listener: which of
        the server's addresses it is opened to, on lanes with real sockets. preface: bytes in front
        of all others, TLS included.
        """
        wire = self._connect(receive_buffer, listener)
        if preface:
            wire.send(preface)
        peer = self._secured(wire, certificate, alpn)
        self.peers.append(peer)
        return peer

    def websocket(
        self, path: str, *headers: str, receive_buffer: int | None = None, preface: bytes = b""
    ) -> WebSocketPeer:
        """Open a WebSocket on one more connection, whose transcript is compared."""
        peer = self.connect(receive_buffer, preface=preface)
        return WebSocketPeer.open(peer, path, *headers)

    def helper(self, *, preface: bytes = b"") -> Peer:
        """Open one more connection, whose transcript is not compared."""
        wire = self._connect()
        if preface:
            wire.send(preface)
        return self._secured(wire)

    def bare(self) -> Peer:
        """Open one more connection without TLS whatever the server speaks, not compared."""
        return self._connect()

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

    @property
    def log(self) -> list[tuple[str, str]]:
        """(level, message) of all that an operator would have seen."""
        return [(level, message) for level, message, _ in self.records]

    def told(self) -> str:
        """Return the server's log with its tracebacks, to be shown with a failure."""
        lines = []
        for level, message, error in self.records[-_SHOWN:]:
            lines.append(f"  {level}: {message}")
            if error is not None:
                text = "".join(traceback.format_exception(error))
                lines += [f"    {line}" for line in text.splitlines()]
        return "\n".join(["the server's log:", *lines] if lines else ["the server's log is empty"])

    # -- what a lane supplies

    @property
    @abstractmethod
    def records(self) -> list[Record]:
        """The lines of the server's log."""

    @property
    @abstractmethod
    def connections(self) -> int:
        """How many connections the server holds; one whose handler has not ended is held."""

    @abstractmethod
    def _connect(self, receive_buffer: int | None = None, listener: int = 0) -> Peer:
        """Open a connection without TLS."""

    @abstractmethod
    def now(self) -> float:
        """Return the time in seconds; in memory it is virtual."""

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
    def records(self) -> list[Record]:
        return [(each.level, each.message, each.error) for each in self._world.log]

    @property
    def connections(self) -> int:
        return len(self._world.server.drivers)

    def _connect(
        self,
        receive_buffer: int | None = None,  # noqa: ARG002  # no kernel here
        listener: int = 0,  # noqa: ARG002  # nor an address
    ) -> Peer:
        return LockstepPeer(Lockstep(world=self._world), self._cutter)

    def now(self) -> float:
        return self._world.now

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
        self._world.cleanup()


class ServerConversation(Conversation):
    """A conversation over real sockets with a backend, which runs in a thread of its own.

    patience: seconds to wait for bytes.
    """

    def __init__(
        self, stage: Stage, app: App, config: ServerConfig, backend: Backend, *, patience: float
    ) -> None:
        super().__init__(stage, tls=config.ssl_certfile is not None)
        self._records: list[Record] = []
        self.server: Server = Server(
            app,
            config,
            backend,
            date=lambda: DATE,
            log=lambda level, message, error: self._records.append((level, message, error)),
        )
        self._patience = patience
        self._sockets: list[Peer] = []
        self._addresses = self.server.addresses

    @property
    def records(self) -> list[Record]:
        return self._records

    def start(self) -> None:
        """Start the server. Raises what it raises, and TimeoutError if it is never ready."""
        self.server.start().wait_ready(self._patience)

    @property
    def connections(self) -> int:
        return len(self.server.core.drivers)

    def now(self) -> float:
        return time.monotonic()

    def _connect(self, receive_buffer: int | None = None, listener: int = 0) -> Peer:
        peer = SocketPeer(
            self._addresses[listener],
            self._patience,
            receive_buffer,
            ended=lambda: self.server.wait(0),
        )
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
        # Another server is told in its own way, and tells the application when it likes.
        getattr(self.server.backend, "stop", self.server.shutdown)()

    def stop(self) -> None:
        self._hang_up()
        self.drain()
        if not self.server.wait(self._patience):
            open_now = self.connections
            raise AssertionError(
                f"the server did not end by itself within {self._patience:g} seconds of its "
                f"shutdown; {open_now} connections are open"
            )
        self.server.wait_ready(0)  # It raises what the server has failed with.

    def give_up(self) -> None:
        """End the server by force: its case has failed. A thread that survives it is left behind,
        and does not keep the process alive."""
        self._hang_up()
        self.stage.blocker.set()
        self.drain()
        self.server.shutdown(grace=0)
        self.server.wait(_LAST_WORDS)

    def _hang_up(self) -> None:
        for peer in self._sockets:
            peer.finish()


_LAST_WORDS = 2.0
"""Seconds that the server of a failed case has to end."""
