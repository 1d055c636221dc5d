"""Lanes: where a case can run. Each gives it a `Conversation`: connections, a stage, a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from anylane.config.limits import Limits, Timeouts
from anylane.config.server_config import ServerConfig
from anylane.lane.backend import Backend
from anylane.lane.stepping import step
from anylane.testing import Lockstep, World
from anylane.testing.world import DATE
from anylane_backends.hosting.loading import BackendError, load_backend
from anylane_backends.hosting.server import Server
from anylane_backends.tls.layer import wrap
from anylane_conformance.contract import app as contract
from anylane_conformance.contract.stage import Stage
from anylane_conformance.harness.case import Case
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.peer import Peer
from anylane_conformance.harness.wires import Cutter, LockstepPeer, SocketPeer

LAZY = "-lazy-h11"
"""Of the lanes whose config has `eager=False` and `express=False`."""


PATIENCE = 15.0
"""Seconds a case waits for bytes on a real lane; a loaded machine needs some."""


@dataclass(frozen=True)
class Lane:
    """One way to run a case. capabilities: see `capabilities.ROWS`."""

    name: str
    capabilities: frozenset[str] = field(default_factory=frozenset)

    def talk(
        self, case: Case, *, patience: float = PATIENCE
    ) -> AbstractContextManager[Conversation]:
        """patience: seconds to wait for bytes."""
        raise NotImplementedError


class Scene:
    """What a case is played with in memory, once or again and again: making it takes longer than
    most cases do."""

    def __init__(self, case: Case, *, tls: bool, express: bool) -> None:
        self.config = replace(config_of(case, tls), express=express)
        self.stage = Stage()
        self.app = contract.build(self.stage, case.extra)
        self._wrap = wrap(self.config)

    def world(self) -> World:
        """A server and a clock of its own, and the stage cleared for it."""
        self.stage.clear()
        return World(self.app, self.config, wrap=self._wrap)


class LockstepConversation(Conversation):
    def __init__(self, scene: Scene, cutter: Cutter) -> None:
        super().__init__(scene.stage, tls=scene.config.ssl_certfile is not None)
        self._world = scene.world()
        self._cutter = cutter

    def _connect(self, receive_buffer: int | None) -> Peer:  # noqa: ARG002  # no kernel here
        return LockstepPeer(Lockstep(world=self._world), self._cutter)

    def pause(self, seconds: float) -> None:
        self._world.advance(seconds)

    def steady(self, value: Callable[[], int]) -> int:
        self._world.run()
        return value()

    @property
    def connections(self) -> int:
        return len(self._world.server.drivers)

    def drain(self) -> None:
        self._world.server.shutdown()
        self._world.run()

    def stop(self) -> None:
        self._world.server.shutdown()
        self._world.run()
        assert not step(self._world.server.cleanup(), "Lockstep")

    @property
    def log(self) -> list[tuple[str, str]]:
        return [(record.level, record.message) for record in self._world.log]


@dataclass(frozen=True)
class LockstepLane(Lane):
    """In memory, whole. express: without it every byte goes to h11 and wsproto."""

    name: str = "lockstep"
    tls: bool = False
    express: bool = True
    capabilities: frozenset[str] = frozenset(
        {"virtual_time", "foreign_refused", "plain_wire", "reset_after_eof"}
    )

    @contextmanager
    def talk(
        self,
        case: Case,
        *,
        patience: float = PATIENCE,  # noqa: ARG002  # in virtual time nobody waits
        cutter: Cutter | None = None,
        scene: Scene | None = None,
    ) -> Generator[Conversation]:
        """scene: of this case, to be played again."""
        yield LockstepConversation(scene or self.scene(case), cutter or Cutter())

    def scene(self, case: Case) -> Scene:
        """For `talk`."""
        return Scene(case, tls=self.tls, express=self.express)


class ServerTalk(Conversation):
    def __init__(
        self, case: Case, backend: Backend, *, tls: bool, lazy: bool, patience: float
    ) -> None:
        config = config_of(case, tls)
        if lazy:
            config = replace(config, eager=False, express=False)
        super().__init__(Stage(), tls=config.ssl_certfile is not None)
        self._log: list[tuple[str, str]] = []
        self.server = Server(
            contract.build(self.stage, case.extra),
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

    @property
    def connections(self) -> int:
        return len(self.server.core.drivers)

    def drain(self) -> None:
        self.server.shutdown()

    def stop(self) -> None:
        self.finish()

    def finish(self) -> None:
        for peer in self._sockets:
            peer.finish()
        self.server.shutdown(grace=2)
        assert self.server.wait(PATIENCE), "the server did not shut down"


@dataclass(frozen=True)
class ServerLane(Lane):
    """A backend on real sockets, in a thread of its own, anew for each case.

    lazy: with both shortcuts off: handlers start a turn later, and h11 and wsproto read all.
    """

    backend: str = ""
    tls: bool = False
    lazy: bool = False

    @contextmanager
    def talk(self, case: Case, *, patience: float = PATIENCE) -> Generator[Conversation]:
        talk = ServerTalk(
            case, load_backend(self.backend), tls=self.tls, lazy=self.lazy, patience=patience
        )
        talk.server.start().wait_ready()
        try:
            yield talk
        finally:
            talk.finish()


def config_of(case: Case, tls: bool) -> ServerConfig:
    """The case's settings on top of a port of its own. tls: also where the case is not about it."""
    secure: dict[str, Any] = {}
    if tls or case.tls is not None:
        from anylane_conformance.harness import certificates

        secure = certificates.server(case.tls or "none")
    return ServerConfig(
        port=0,
        max_threads=8,
        request_timeout=case.request_timeout,
        limits=Limits(**case.limits),
        timeouts=Timeouts(**case.timeouts),
        **secure,
        **case.config,
    )


def server_lane(name: str, *, lazy: bool = False) -> ServerLane:
    """The lane of an installed backend, or of `package.module:Class`; with "+tls" behind it all
    cases are held over TLS."""
    name, plus, suffix = name.partition("+")
    if plus and suffix != "tls":
        raise BackendError(f"there is no lane {name}+{suffix}; expected {name} or {name}+tls")
    backend = load_backend(name)
    capabilities = {"parallel_blocking", "real_sockets"} | ({"plain_wire"} if not plus else set())
    for capability in ("concurrent_input", "native_cancel"):
        if not hasattr(backend, capability):
            raise BackendError(
                f"backend {name!r} does not say whether it has {capability}; write "
                f"`{capability} = True` or False in its class (anylane.lane.backend.Backend)"
            )
        if getattr(backend, capability):
            capabilities.add(capability)
    if not backend.native_cancel:
        capabilities.add("foreign_refused")
    return ServerLane(
        name + LAZY * lazy + plus + suffix,
        frozenset(capabilities),
        backend=name,
        tls=bool(plus),
        lazy=lazy,
    )
