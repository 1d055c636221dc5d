"""Lanes: where a case can be held. Each gives it a `Conversation`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

from anylane import App
from anylane.config.server_config import ServerConfig
from anylane.testing import World
from anylane_backends.hosting.loading import BackendError, load_backend
from anylane_backends.tls.layer import wrap
from anylane_conformance.contract import app as contract
from anylane_conformance.contract.stage import Stage
from anylane_conformance.harness.capabilities import OWN
from anylane_conformance.harness.case import Case
from anylane_conformance.harness.conversation import (
    PATIENCE,
    Conversation,
    LockstepConversation,
    ServerConversation,
)
from anylane_conformance.harness.wires import Cutter

LAZY = "-lazy-h11"
"""Ends the names of the lanes whose config has `eager=False` and `express=False`."""


VARIANTS = {
    "threads-no-loan": "anylane_backends.threads.lane:ThreadsWithoutLoanBackend",
    "asgi-uvicorn": "anylane_conformance.asgi.uvicorn:UvicornBackend",
    "asgi-hypercorn": "anylane_conformance.asgi.hypercorn:HypercornBackend",
    "asgi-hypercorn-trio": "anylane_conformance.asgi.hypercorn:HypercornTrioBackend",
    "asgi-granian": "anylane_conformance.asgi.granian:GranianBackend",
}
"""Backends that only the suite knows, by the names of their lanes."""


@dataclass(frozen=True)
class Lane(ABC):
    """One way to hold a conversation. capabilities: see `capabilities.ROWS`."""

    name: str
    capabilities: frozenset[str] = OWN

    @property
    def lacks(self) -> frozenset[str]:
        """The capabilities that belong to another server here."""
        return OWN - self.capabilities

    @abstractmethod
    def conversation(
        self, case: Case, *, patience: float = PATIENCE
    ) -> AbstractContextManager[Conversation]:
        """Return the conversation of a case with a server of its own, which the block ends.

        patience: seconds to wait for bytes.
        """


class Scene:
    """What a case is played with in memory, once or again and again.

    Making it takes longer than most cases do.
    """

    def __init__(self, case: Case, *, tls: bool, express: bool) -> None:
        self.config: ServerConfig = replace(case.server_config(tls=tls), express=express)
        self.stage: Stage = Stage()
        self.app: App = contract.build(self.stage, case.extra)
        self._wrap = wrap(self.config)

    def conversation(self, cutter: Cutter) -> LockstepConversation:
        """Clear the stage and return a conversation with a server and a clock of its own."""
        self.stage.clear()
        world = World(self.app, self.config, wrap=self._wrap)
        tls = self.config.ssl_certfile is not None
        return LockstepConversation(self.stage, world, cutter, tls=tls)


@dataclass(frozen=True)
class LockstepLane(Lane):
    """In memory, in virtual time. express: without it every byte goes to h11 and wsproto."""

    name: str = "lockstep"
    tls: bool = False
    express: bool = True
    capabilities: frozenset[str] = frozenset(
        {"virtual_time", "foreign_refused", "plain_wire", "reset_after_eof"} | OWN
    )

    @contextmanager
    def conversation(
        self,
        case: Case,
        *,
        patience: float = PATIENCE,  # noqa: ARG002  # in virtual time nothing is waited for
        cutter: Cutter | None = None,
        scene: Scene | None = None,
    ) -> Generator[Conversation]:
        """Return the conversation of a case.

        cutter: cuts what the case sends; whole without it. scene: of this case, to be used again.
        """
        conversation = (scene or self.scene(case)).conversation(cutter or Cutter())
        conversation.lacks = self.lacks
        try:
            yield conversation
        except BaseException as exc:
            exc.add_note(conversation.told())
            raise

    def scene(self, case: Case) -> Scene:
        """Return a scene that `conversation` can use again and again."""
        return Scene(case, tls=self.tls, express=self.express)


@dataclass(frozen=True)
class ServerLane(Lane):
    """A backend on real sockets, in a thread of its own, anew for each case.

    lazy: with both shortcuts off: handlers start a turn later, and h11 and wsproto read all.
    """

    backend: str = ""
    tls: bool = False
    lazy: bool = False

    @contextmanager
    def conversation(self, case: Case, *, patience: float = PATIENCE) -> Generator[Conversation]:
        config = case.server_config(tls=self.tls)
        if self.lazy:
            config = replace(config, eager=False, express=False)
        stage = Stage()
        app = contract.build(stage, case.extra)
        backend = load_backend(self.backend)
        conversation = ServerConversation(stage, app, config, backend, patience=patience)
        conversation.lacks = self.lacks
        try:
            conversation.start()
            yield conversation
            conversation.stop()
        except BaseException as exc:
            conversation.give_up()
            exc.add_note(conversation.told())
            raise


def server_lane(name: str, *, lazy: bool = False) -> ServerLane:
    """Return the lane of an installed backend, or of `package.module:Class`.

    With "+tls" behind the name all cases are held over TLS. Raises BackendError if there is no
    such backend, or if it does not say what it can.
    """
    name, plus, suffix = name.partition("+")
    if plus and suffix != "tls":
        raise BackendError(f"there is no lane {name}+{suffix}; expected {name} or {name}+tls")
    target = VARIANTS.get(name, name)
    try:
        backend = load_backend(target)
    except BackendError as exc:
        raise BackendError(str(exc).replace(repr(target), repr(name))) from exc.__cause__
    capabilities = {"parallel_blocking", "real_sockets"} | OWN
    capabilities |= {"plain_wire"} if not plus else set()
    for capability in ("concurrent_input", "native_cancel"):
        if not hasattr(backend, capability):
            raise BackendError(
                f"backend {name!r} does not say whether it has {capability}; write "
                f"`{capability} = True` or False in its class (anylane.lane.backend.Backend)"
            )
        if getattr(backend, capability):
            capabilities.add(capability)
    if "http_buffer_size" not in getattr(backend, "ignores", ()):
        capabilities.add("read_size")
    if getattr(backend, "cancel_scopes", False):
        capabilities.add("cancel_scopes")
    if not backend.native_cancel:
        capabilities |= {"foreign_refused", "blocking_async"}
    return ServerLane(
        name + LAZY * lazy + plus + suffix,
        frozenset(capabilities) - getattr(backend, "lacks", frozenset()),
        backend=target,
        tls=bool(plus),
        lazy=lazy,
    )
