"""Lanes: where a case can run. Each gives it a `Talk`: connections, a stage, a log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from anylane.config import Limits, ServerConfig, Timeouts
from anylane.server import Backend
from anylane.stepping import step
from anylane.testing import Lockstep, World
from anylane.testing.lockstep import DATE
from anylane_backends.serving import Server, load_backend
from anylane_conformance import contract
from anylane_conformance.cases import Case
from anylane_conformance.peer import Cutter, LockstepPeer, Peer, SocketPeer
from anylane_conformance.rules import Transcript

PATIENCE = 15.0
"""Seconds a case waits for bytes on a real lane; a loaded machine needs some."""


class Talk:
    """What a case talks through."""

    def __init__(self, stage: contract.Stage) -> None:
        self.stage = stage
        self.peers: list[Peer] = []
        self.figures: dict[str, float] = {}

    def connect(self, receive_buffer: int | None = None) -> Peer:
        """One more connection; its transcript is compared."""
        peer = self._connect(receive_buffer)
        self.peers.append(peer)
        return peer

    def helper(self) -> Peer:
        """One more connection, whose transcript is not compared."""
        return self._connect(None)

    def in_thread(self, func: Callable[[], Any]) -> None:
        """Run it in another thread, to its end."""
        thread = threading.Thread(target=func)
        thread.start()
        thread.join()

    def measure(self, name: str, value: float) -> None:
        """A figure for the report."""
        self.figures[name] = value

    @property
    def log(self) -> list[tuple[str, str]]:
        """(level, message) of all that an operator would have seen."""
        raise NotImplementedError

    @property
    def transcripts(self) -> list[Transcript]:
        return [peer.transcript for peer in self.peers]

    def _connect(self, receive_buffer: int | None) -> Peer:
        raise NotImplementedError

    def pause(self, seconds: float) -> None:
        """Let that time pass: virtual in memory."""
        raise NotImplementedError

    def steady(self, value: Callable[[], int]) -> int:
        """The value once it has stopped changing."""
        raise NotImplementedError

    def stop(self) -> None:
        """Shut the server down, to its end. There is no more talk after that."""
        raise NotImplementedError


@dataclass(frozen=True)
class Lane:
    """One way to run a case. capabilities: see `capabilities.ROWS`."""

    name: str
    capabilities: frozenset[str] = field(default_factory=frozenset)

    def talk(self, case: Case, *, patience: float = PATIENCE) -> AbstractContextManager[Talk]:
        """patience: seconds to wait for bytes."""
        raise NotImplementedError


class LockstepTalk(Talk):
    def __init__(self, case: Case, cutter: Cutter) -> None:
        super().__init__(contract.Stage())
        self._world = World(contract.build(self.stage, case.extra), config_of(case))
        self._cutter = cutter

    def _connect(self, receive_buffer: int | None) -> Peer:  # noqa: ARG002  # no kernel here
        return LockstepPeer(Lockstep(world=self._world), self._cutter)

    def pause(self, seconds: float) -> None:
        self._world.advance(seconds)

    def steady(self, value: Callable[[], int]) -> int:
        self._world.run()
        return value()

    def stop(self) -> None:
        self._world.server.shutdown()
        self._world.run()
        assert not step(self._world.server.cleanup(), "Lockstep")

    @property
    def log(self) -> list[tuple[str, str]]:
        return [(record.level, record.message) for record in self._world.log]


@dataclass(frozen=True)
class LockstepLane(Lane):
    """In memory, whole."""

    name: str = "lockstep"
    capabilities: frozenset[str] = frozenset({"virtual_time", "foreign_refused"})

    @contextmanager
    def talk(
        self,
        case: Case,
        *,
        patience: float = PATIENCE,  # noqa: ARG002  # in virtual time nobody waits
        cutter: Cutter | None = None,
    ) -> Generator[Talk]:
        yield LockstepTalk(case, cutter or Cutter())


class ServerTalk(Talk):
    def __init__(self, case: Case, backend: Backend, eager: bool, patience: float) -> None:
        super().__init__(contract.Stage())
        self._log: list[tuple[str, str]] = []
        config = replace(config_of(case), eager=eager)
        self.server = Server(
            contract.build(self.stage, case.extra),
            config,
            backend,
            date=lambda: DATE,
            log=lambda level, message, error: self._log.append((level, message)),
        )
        self._patience = patience
        self._helpers: list[Peer] = []

    @property
    def log(self) -> list[tuple[str, str]]:
        return self._log

    def helper(self) -> Peer:
        peer = super().helper()
        self._helpers.append(peer)
        return peer

    def _connect(self, receive_buffer: int | None) -> Peer:
        return SocketPeer(self.server.addresses[0], self._patience, receive_buffer)

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

    def stop(self) -> None:
        self.finish()

    def finish(self) -> None:
        for peer in (*self.peers, *self._helpers):
            peer.finish()
        self.server.shutdown(grace=2)
        assert self.server.wait(PATIENCE), "the server did not shut down"


@dataclass(frozen=True)
class ServerLane(Lane):
    """A backend on real sockets, in a thread of its own, anew for each case."""

    backend: str = ""
    eager: bool = True

    @contextmanager
    def talk(self, case: Case, *, patience: float = PATIENCE) -> Generator[Talk]:
        talk = ServerTalk(case, load_backend(self.backend), self.eager, patience)
        talk.server.start().wait_ready()
        try:
            yield talk
        finally:
            talk.finish()


def config_of(case: Case) -> ServerConfig:
    """The case's settings on top of a port of its own."""
    return ServerConfig(
        port=0,
        max_threads=8,
        request_timeout=case.request_timeout,
        limits=Limits(**case.limits),
        timeouts=Timeouts(**case.timeouts),
        **case.config,
    )


def server_lane(name: str, *, eager: bool = True) -> ServerLane:
    """The lane of an installed backend, or of `package.module:Class`."""
    backend = load_backend(name)
    capabilities = {"parallel_blocking", "real_sockets"}
    for capability in ("concurrent_input", "native_cancel"):
        if getattr(backend, capability):
            capabilities.add(capability)
    if not backend.native_cancel:
        capabilities.add("foreign_refused")
    return ServerLane(
        name if eager else f"{name}-lazy", frozenset(capabilities), backend=name, eager=eager
    )
