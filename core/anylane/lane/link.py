"""Link: the one port through which a handler waits.

The only way in which a handler's machinery waits is `while not ready(): await link.wait()`. It is
level-triggered: nothing is lost, spurious returns are legal, callers loop on a condition.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from anylane.lane.host import Host
    from anylane.lane.variables import VariableChanges
    from anylane.lane.wake_queue import WakeQueue
    from anylane.protocol.any_connection import AnyConnection
    from anylane.protocol.exchange import Exchange

BURST = 256 * 1024
"""Bytes written without a suspension; then the handler gives others their turn. A fast reader
never congests: measured on loopback, 150 MiB left in a second while a 50 ms timer did not run."""


class Scope(Protocol):
    """`async with link.scope() as scope`: what runs inside can be cancelled natively.

    caught: after the block, whether it was this scope's cancellation that ended it. Only its
        own is swallowed; any other passes through.
    """

    caught: bool

    def cancel(self) -> None:
        """From any thread; void once the block was left."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool: ...


class Handle(Protocol):
    """A blocking function in the pool (`concurrent.futures.Future` is one)."""

    def done(self) -> bool: ...
    def result(self) -> Any: ...


class LinkDriver(Protocol):
    """What a link, and the machinery of a handler through it, asks of the driver that started it
    (`Driver` documents the members)."""

    written: int
    pumping: bool
    variables: VariableChanges

    @property
    def server(self) -> Host: ...
    @property
    def wakes(self) -> WakeQueue: ...
    @property
    def connection(self) -> AnyConnection: ...
    def now(self) -> float: ...
    def pump(self) -> None: ...
    def push(self) -> None: ...
    def give_way(self, link: Link) -> None: ...
    def welcome(self, variables: VariableChanges) -> None: ...
    def turn_away(self) -> None: ...
    def defer(self, errand: Errand) -> None: ...
    def finished(self, link: Link) -> None: ...


class Link(ABC):
    """What the machinery of a handler needs of a lane; one for each exchange.

    A lane derives from it and supplies `park`, `notify`, `scope` and `submit`; it may replace what
    it can do in a cheaper way. Everything but `wake` is called on the lane's own thread.

    parked: how many tasks of the handler wait here, and not for something foreign. flushing: how
    many of them wait for room to write. burst: what had been written when the handler last gave
    others their turn.
    """

    __slots__ = ("burst", "driver", "exchange", "flushing", "parked")

    inline = False
    """`submit` runs the function at once, on the exchange's own stack; `drive` works there."""
    native = False
    """The lane cancels the exchange's own task, without a scope around it: `begin` and
    `is_own_cancellation` take the place of `guard`."""

    def __init__(self, driver: LinkDriver, exchange: Exchange) -> None:
        self.driver = driver
        self.exchange = exchange
        self.parked = self.flushing = self.burst = 0

    # -- a lane's own ----------------------------------------------------------------------------

    async def park(self) -> None:
        """Suspend until `notify`; return at once if it was called since the last return.

        A lane with a `wait` of its own needs none.
        """
        raise NotImplementedError

    @abstractmethod
    def notify(self) -> None:
        """Resume everything that is parked, else latch. Never suspends."""

    def resume(self) -> None:
        """Do what `notify` does, from a driver's own outermost input: a lane may run the handler
        within it. The driver is `pumping` meanwhile, and pumps behind it."""
        self.notify()

    def woken(self) -> None:
        """Do what `notify` does, from the wake queue: a lane may run the handler within it. Raise
        nothing, for there are others to be woken behind it."""
        self.notify()

    @abstractmethod
    def scope(self) -> Scope:
        """Return what cancels natively what runs inside."""

    @abstractmethod
    def submit(self, func: Callable[[], Any]) -> Handle:
        """Run a blocking function in the pool; when it is done, `wake()`."""

    def is_foreign_cancellation(self, exc: BaseException) -> bool:  # noqa: ARG002  # by lane
        """Return whether this looks like a native cancellation, but this exchange was not
        cancelled: it awaited something else that was."""
        return False

    def begin(self) -> None:  # noqa: B027  # by lane
        """Where `native`: take note that the exchange runs in the current task, and let it be
        interrupted."""

    def is_own_cancellation(self, exc: BaseException) -> bool:  # noqa: ARG002  # by lane
        """Return whether that is the core's own interruption of this exchange, and no other."""
        return False

    def take_input(self) -> None:  # noqa: B027  # most lanes have nothing to do here
        """Take in what came meanwhile, on lanes where input waits for the handler."""

    def drive(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end, from a function that `submit` runs inline."""
        coroutine.close()
        raise RuntimeError("drive() works on lanes whose submit() runs inline")

    # -- the same on every lane ------------------------------------------------------------------

    @property
    def host(self) -> Host:
        """The server, as far as a handler's machinery knows it."""
        return self.driver.server

    @property
    def wakes(self) -> WakeQueue:
        """What runs functions on the lane's own thread; one for each running server."""
        return self.driver.wakes

    def now(self) -> float:
        """Return the lane's clock, in seconds."""
        return self.driver.now()

    def pump(self) -> None:
        """Let the lane look at the connection's outputs; never suspends, so it works in a
        cancelled scope too."""
        self.driver.pump()

    def push(self) -> None:
        """Do what `pump` does, where nothing has happened but that bytes were queued."""
        self.take_input()
        self.driver.push()

    def push_soon(self) -> None:
        """Do what `push` does, where more is likely to be queued at once: a lane may wait until its
        handler suspends or ends, whatever it awaits, and write all of it together."""
        self.push()

    def check(self) -> None:
        """Take in what came; raise Disconnected if the client is gone or the handler outlived its
        deadline, UsageError when the exchange is over for good."""
        self.take_input()
        self.exchange.check()

    def wake(self) -> None:
        """Notify, from any thread. Latches until the next `wait()` returns; harmless after the
        end."""
        self.driver.wakes.put(self.notify)

    async def wait(self) -> None:
        """Return after something has happened to this exchange, or after `wake()`. It may return
        early, so that callers loop on a condition."""
        self.driver.pump()
        self.parked += 1
        try:
            await self.park()
        finally:
            self.parked -= 1

    async def flush(self) -> None:
        """Return when output is under its mark: at once, or after the writer had its turns. Called
        before something is queued; for what is queued behind it there is `push`."""
        driver, carrier = self.driver, self.exchange.carrier
        if carrier.congested:
            driver.pump()
        if carrier.congested:
            self.burst = driver.written
            self.flushing += 1
            try:
                while not carrier.caught_up and self.exchange.gone is None:
                    await self.wait()
            finally:
                self.flushing -= 1
        elif driver.written - self.burst > BURST:
            self.burst = driver.written
            driver.give_way(self)
            await self.wait()

    async def guard(self, work: Coroutine[Any, Any, None]) -> None:
        """Await `work`, the exchange's own, so that it can be interrupted natively."""
        scope = self.scope()
        async with scope:
            self.exchange.begin(scope.cancel)
            await work


Errand = Callable[[Link], Coroutine[Any, Any, None]]
"""What a lane runs that is no request: it gets a link of its own (see `errand`)."""

current_link: ContextVar[Link] = ContextVar("anylane_link")
"""The link of the exchange whose handler runs here; set once per exchange."""
