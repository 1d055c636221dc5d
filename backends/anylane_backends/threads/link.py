"""ThreadsLink: how a handler waits on threads, parked or blocked."""

from __future__ import annotations

from collections.abc import Coroutine
from contextvars import Context as Variables
from threading import Lock, get_ident
from typing import Any, Protocol

from anylane.errors import UsageError
from anylane.lane.server_core import ServerCore
from anylane.lane.stepping import SteppedLink, step
from anylane.protocol import Exchange
from anylane.shown import shown
from anylane_backends.threads.loan import Lender


class LinkLane(Protocol):
    """What a link needs of its lane.

    variables: the context of which each exchange gets a copy. lender: takes the selector's role
    back before a thread blocks that has it.
    """

    variables: Variables
    lender: Lender


class LinkDriver(Protocol):
    """What a link needs of its driver, besides what every `Driver` has."""

    server: ServerCore

    outside: ThreadsLink | None
    """The link for whose handler the owner has left the driver."""
    relieved: ThreadsLink | None
    """The link whose client another driver answers."""

    @property
    def lane(self) -> LinkLane: ...

    def reenter(self) -> None:
        """Come back from a handler."""

    def nudge(self) -> None:
        """Take note that a link has news."""

    def take_input(self) -> None:
        """Act on what came and on what is late, in the middle of a handler."""

    def foresee(self) -> None:
        """Have a deadline seen to that the handler which runs was given meanwhile."""

    def hand_over(self, *, selecting: bool) -> None:
        """Give the connection to its next owner."""


_NOTHING = Variables()


class ThreadsLink(SteppedLink):
    """The Link of one exchange: a parked coroutine, or a thread that waits for its turn.

    stuck: the link of the handler in whose place this one answers, None for a handler of its own.
    begun: whether the handler was stepped before. blocked: whether a thread waits in `block`, for
    `turn`.
    """

    __slots__ = ("_coroutine", "_thread", "_variables", "begun", "blocked", "transport",
                 "turn")  # fmt: skip

    def __init__(
        self, driver: LinkDriver, exchange: Exchange, stuck: ThreadsLink | None = None
    ) -> None:
        super().__init__(driver, exchange)
        self.transport: LinkDriver = driver
        if stuck is None:
            self._variables = driver.lane.variables.copy()
            self._coroutine = driver.server.run_exchange(exchange, self)
        else:
            self._variables = stuck._variables.copy()
            self._coroutine = driver.server.relieve(stuck, exchange, self)
        self._thread = 0
        self.begun: bool = False
        self.blocked: bool = False
        self.turn: Lock = Lock()

    def notify(self) -> None:
        self.latched = True
        self.transport.nudge()

    def resume(self) -> None:
        """Step the handler until it parks or ends. By the owner of the connection."""
        driver = self.transport
        server = driver.server
        self.begun = True
        self._thread = get_ident()
        driver.outside = self
        parked = False
        try:
            parked = self._variables.run(step, self._coroutine, server.lane)
        except BaseException as exc:  # noqa: BLE001  # SystemExit too ends only its handler
            server.log("error", f"a handler ended its thread's work with {shown(exc, 1000)}", exc)
        finally:
            self._thread = 0
            if driver.outside is not None:
                driver.reenter()
            if not parked:
                self._variables = _NOTHING  # They know us: without a cycle both are freed at once.
                self.driver.finished(self)

    @property
    def relieved(self) -> bool:  # type: ignore[override]  # few ask for it
        return self.transport.relieved is self

    def decline(self) -> None:
        """End a handler that has never begun."""
        self._coroutine.close()
        self._variables = _NOTHING
        self.driver.finished(self)

    def take_input(self) -> None:
        # A thread that the handler made does not own the connection.
        if self._thread == get_ident():
            self.transport.take_input()

    def pump(self) -> None:
        self.take_input()
        super().pump()
        if self._thread == get_ident():
            self.transport.foresee()

    def drive(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        if self._thread != get_ident():
            coroutine.close()
            raise UsageError("ctx.call() works in the handler's own thread only, on this lane")
        return super().drive(coroutine)

    def block(self) -> None:
        driver = self.transport
        # Else others would wait until this thread is found to be late.
        driver.lane.lender.give_back()
        driver.reenter()
        thread, self._thread = self._thread, 0
        self.turn.acquire(blocking=False)
        self.blocked = True
        driver.hand_over(selecting=False)
        self.turn.acquire()
        self.blocked = False
        self._thread = thread
        driver.outside = self
