"""Link: the one port through which a handler waits, and what every lane's Link has in common.

The only way in which tier 1 waits is `while not ready(): await link.wait()`. It is
level-triggered: nothing is lost, spurious returns are legal, callers loop on a condition.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from anylane.lane.driver import Driver
    from anylane.lane.wake_queue import WakeQueue
    from anylane.protocol.exchange import Exchange


T = TypeVar("T")


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


class Link(Protocol):
    """What tier 1 needs of a lane. One for each exchange."""

    inline: bool
    """`submit` runs the function at once, on the exchange's own stack; `drive` works there."""

    @property
    def wakes(self) -> WakeQueue:
        """Runs functions on the lane's own thread; one for each running server."""
        ...

    def now(self) -> float:
        """The lane's clock, in seconds."""
        ...

    async def wait(self) -> None:
        """Returns after the next input, `wake()` or deadline; may return early."""

    async def flush(self) -> None:
        """Returns when outbound is under its mark: at once, or after the writer had its turns.
        Called before something is queued; what is queued behind it is for `push`."""

    def pump(self) -> None:
        """Let the lane look at the connection's outputs; never suspends."""

    def wake(self) -> None:
        """From any thread. Latches until the next `wait()` returns; harmless after the end."""

    def notify(self) -> None:
        """As `wake`, on the lane's own thread and at once; never suspends."""

    def woken(self) -> None:
        """As `notify`, from the wake queue: a lane may run the handler within it. Raises nothing,
        for there are others to be woken behind it."""

    def scope(self) -> Scope:
        """Native cancellation of what runs inside."""
        ...

    def submit(self, func: Callable[[], Any]) -> Handle:
        """Run a blocking function in the pool; when it is done, `wake()`."""
        ...

    def drive(self, coroutine: Any) -> Any:
        """Run a coroutine to its end from an inline `submit`; where not `inline`, an error."""


class BaseLink(ABC):
    """The half of a Link that is the same on every lane.

    A lane supplies `park`, `notify`, `scope` and `submit`.

    parked: how many tasks of the handler wait here, and not for something foreign.
    """

    __slots__ = ("burst", "driver", "exchange", "parked")

    inline = False
    native = False
    """It cancels its task by itself, without a scope: `begin` and `is_own_cancellation` take the
    place of `guard`."""

    def __init__(self, driver: Driver, exchange: Exchange) -> None:
        self.driver = driver
        self.exchange = exchange
        self.parked = 0
        self.burst = 0

    async def park(self) -> None:
        """Suspend until `notify`; returns at once if it was called since the last return.

        Not for a lane that has a `wait` of its own.
        """
        raise NotImplementedError

    @abstractmethod
    def notify(self) -> None:
        """Resume whoever is parked, else latch. On the lane's own thread; never suspends."""

    def resume(self) -> None:
        """As `notify`, from a driver's own outermost input: a lane may run the handler within it.
        The driver is `pumping` meanwhile, and pumps behind it."""
        self.notify()

    def woken(self) -> None:
        """As `notify`, from the wake queue: a lane may run the handler within it. Raises nothing,
        for there are others to be woken behind it."""
        self.notify()

    @abstractmethod
    def scope(self) -> Scope: ...

    @abstractmethod
    def submit(self, func: Callable[[], Any]) -> Handle: ...

    @property
    def wakes(self) -> WakeQueue:
        return self.driver.wakes

    def now(self) -> float:
        return self.driver.now()

    def pump(self) -> None:
        self.driver.pump()

    def push(self) -> None:
        """As `pump`, when nothing has happened but that something was queued to be written."""
        self.take_input()
        self.driver.push()

    def push_soon(self) -> None:
        """As `push`, but more is likely to be queued at once: a lane may wait until its handler
        suspends or ends, whatever it awaits, and write all of it together."""
        self.push()

    def take_input(self) -> None:  # noqa: B027  # most lanes have nothing to do here
        """Take in what came meanwhile, on lanes where input waits for the handler."""

    def is_foreign_cancellation(self, exc: BaseException) -> bool:  # noqa: ARG002  # by lane
        """Whether this looks like a native cancellation, but nobody cancelled the exchange."""
        return False

    def wake(self) -> None:
        self.driver.wakes.put(self.notify)

    async def wait(self) -> None:
        self.driver.pump()
        self.parked += 1
        try:
            await self.park()
        finally:
            self.parked -= 1

    async def flush(self) -> None:
        driver = self.driver
        connection = driver.connection
        if connection.congested:
            driver.pump()
        if connection.congested:
            self.burst = driver.written
            while not connection.caught_up and self.exchange.gone is None:
                await self.wait()
        elif driver.written - self.burst > BURST:
            self.burst = driver.written
            driver.rouse()
            await self.wait()

    async def guard(self, work: Coroutine[Any, Any, None]) -> None:
        """Await `work`, the exchange's own, so that it can be interrupted natively."""
        scope = self.scope()
        async with scope:
            self.exchange.begin(scope.cancel)
            await work

    def begin(self) -> None:  # noqa: B027  # by lane
        """Where `native`: the exchange runs in the current task, and can be interrupted."""

    def is_own_cancellation(self, exc: BaseException) -> bool:  # noqa: ARG002  # by lane
        """Whether that is our own interruption of this exchange, and nobody else's."""
        return False

    def drive(self, coroutine: Any) -> Any:
        coroutine.close()
        raise RuntimeError("drive() works on lanes whose submit() runs inline")


current_link: ContextVar[BaseLink] = ContextVar("anylane_link")
"""The link of the exchange whose handler runs here; set once per exchange."""
