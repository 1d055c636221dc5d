"""Link: the one port through which a handler waits.

The only way in which a handler's machinery waits is `while not ready(): await link.wait()`. It is
level-triggered: nothing is lost, spurious returns are legal, callers loop on a condition.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from anylane.errors import Cancelled
from anylane.protocol.timers import NEVER

if TYPE_CHECKING:
    from anylane.lane.host import Host
    from anylane.lane.variables import VariableChanges
    from anylane.lane.wake_queue import WakeQueue
    from anylane.protocol.any_connection import AnyConnection
    from anylane.protocol.exchange import Exchange
    from anylane.protocol.interfaces import Carrier

BURST = 256 * 1024
"""Bytes that a handler writes without a suspension; then it gives others their turn. A fast reader
never congests: measured on loopback, 150 MiB left in a second while a 50 ms timer did not run."""


class Scope(Protocol):
    """A block whose content can be cancelled natively: `async with link.scope() as scope`.

    caught: after the block, whether it was this scope's cancellation that ended it. A scope
        swallows its own cancellation only; any other passes through.
    """

    caught: bool

    def cancel(self) -> None:
        """Cancel what runs inside, from any thread. Do nothing once the block was left."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool: ...


class Handle(Protocol):
    """A blocking function that runs in the pool; a `concurrent.futures.Future` is a Handle."""

    def done(self) -> bool:
        """Return whether the function has ended."""
        ...

    def result(self) -> Any:
        """Return what the function has returned, or raise what it has raised. Call this only once
        it is done."""
        ...


class LinkDriver(Protocol):
    """What a link, and the machinery of a handler through it, asks of its `Driver`.

    `Driver` tells more about each member.
    """

    written: int
    """Bytes that the transport was given so far."""
    pumping: bool
    """Whether the outermost call is at work: what is queued is written behind it."""
    variables: VariableChanges
    """Context variables that are set at the beginning of each exchange."""
    errand: Errand | None
    """What it was made for, where there is no connection: background work."""
    number: int
    """That of the connection, which the log tells; 0 where there is none."""
    logged: int
    """How many of its requests the log has told an id of."""

    @property
    def server(self) -> Host:
        """Return the server, as far as a handler's machinery knows it."""
        ...

    @property
    def wakes(self) -> WakeQueue:
        """Return what runs functions on the lane's own thread."""
        ...

    @property
    def connection(self) -> AnyConnection:
        """Return what the driver drives."""
        ...

    def now(self) -> float:
        """Return the lane's clock, in seconds."""
        ...

    def pump(self) -> None:
        """Look at all outputs of the connection."""

    def push(self) -> None:
        """Write what was queued, and do nothing else."""

    def give_way(self, link: Link) -> None:
        """Notify the link in a new turn of the loop."""

    def tell(self, func: Callable[[], None]) -> bool:
        """Call a function that changes the connection, in the place of what is at work on it."""
        ...

    def await_room(self, carrier: Carrier, call: Callable[[], None]) -> None:
        """Call a function once the output of that carrier has caught up."""

    def welcome(self, variables: VariableChanges) -> None:
        """Serve the connection: its on_connect hooks are done, and have set these variables."""

    def turn_away(self) -> None:
        """Abort the connection: its on_connect hooks do not let it in."""

    def defer(self, errand: Errand) -> None:
        """Run an errand apart from the connection, once what was written has been sent."""

    def run_apart(self, errand: Errand) -> None:
        """Run an errand apart from the connection, in a turn of its own."""

    def finished(self, link: Link) -> None:
        """Take note that the coroutine of the link's exchange has ended, or never began."""


class Link(ABC):
    """What the machinery of a handler asks of its lane. Each exchange has one link.

    A lane derives from it and supplies `park`, `notify`, `scope` and `submit`; it may replace what
    it can do in a cheaper way. Everything but `wake` is called on the lane's own thread.

    parked: how many tasks of the handler wait here, and not for something foreign. flushing: how
    many of them wait for room to write. burst: what had been written when the handler last gave
    others their turn. context: the `Context` of the handler while it can be interrupted; not set
    before, nor where the lane is `native`.
    """

    __slots__ = ("burst", "context", "driver", "exchange", "flushing", "parked")

    burst: int
    context: Any
    driver: LinkDriver
    exchange: Exchange
    flushing: int
    parked: int

    inline = False
    """Whether `submit` runs the function at once, on the exchange's own stack, so that `drive`
    works."""
    native = False
    """Whether the lane cancels the exchange's own task, without a scope around it. Then `begin` and
    `is_own_cancellation` take the place of `guard`."""
    relieved = False
    """Whether another link answers the request, because this one's handler blocks its thread. What
    becomes of the handler is of no interest any more."""

    def __init__(self, driver: LinkDriver, exchange: Exchange) -> None:
        # Written out in AsyncioLink.__init__ and RunnerLink.__init__: see
        # tests/test_inlined_copies.py.
        self.driver: LinkDriver = driver
        self.exchange: Exchange = exchange
        self.parked = self.flushing = self.burst = 0

    # -- a lane's own ----------------------------------------------------------------------------

    async def park(self) -> None:
        """Suspend until `notify`. Return at once if that was called since the last return.

        A lane that replaces `wait` needs no `park`.
        """
        raise NotImplementedError

    @abstractmethod
    def notify(self) -> None:
        """Resume everything that is parked. If nothing is, the next `park` returns at once. Never
        suspend."""

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
        """Return a new scope, which can cancel natively what runs inside."""

    @abstractmethod
    def submit(self, func: Callable[[], Any]) -> Handle:
        """Run a blocking function in the pool, and `wake()` when it is done."""

    def is_cancellation(self, exc: BaseException) -> bool:
        """Return whether `exc` is a cancellation of this exchange: the core's own interruption, or
        a native one from outside.

        What only looks like one is a failure of the handler, such as a CancelledError that it
        raises itself, or that comes out of something else that was cancelled.
        """
        return isinstance(exc, Cancelled) and self.exchange.interrupt is not None

    async def hear(self) -> None:
        """Do what `check` does, where it may await: some lanes raise their own cancellation only in
        an await."""
        self.check()

    def cancellation(self) -> BaseException:
        """Return what an interruption raises in the handler's own code: the lane's own exception,
        or Cancelled where there is none that can be raised by hand."""
        return Cancelled()

    @property
    def heard(self) -> bool:
        """Whether the handler has heard of its interruption, natively or by `check`, as far as the
        lane can know."""
        return self.exchange.told

    def shield(self) -> Scope:
        """Return a new scope that keeps the exchange's interruption out. It can be cancelled."""
        return self.scope()

    def begin(self) -> None:  # noqa: B027  # by lane
        """Take note that the exchange runs in the current task, and let it be interrupted. Called
        where `native` is true."""

    def is_own_cancellation(self, exc: BaseException) -> bool:  # noqa: ARG002  # by lane
        """Return whether `exc` is the core's own interruption of this exchange, and no other."""
        return False

    def take_input(self) -> None:  # noqa: B027  # most lanes have nothing to do here
        """Take in what came meanwhile, on lanes where input waits for the handler. It may call
        inputs of the driver."""

    def drive(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end, from a function that `submit` runs inline, and return its
        result. Raise RuntimeError on other lanes."""
        coroutine.close()
        raise RuntimeError("drive() works on lanes whose submit() runs inline")

    # -- the same on every lane ------------------------------------------------------------------

    @property
    def host(self) -> Host:
        """Return the server, as far as a handler's machinery knows it."""
        return self.driver.server

    @property
    def wakes(self) -> WakeQueue:
        """Return what runs functions on the lane's own thread; each running server has one."""
        return self.driver.wakes

    def now(self) -> float:
        """Return the lane's clock, in seconds."""
        return self.driver.now()

    def pump(self) -> None:
        """Let the driver look at the connection's outputs. Never suspend, so that it works in a
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
        """Take in what came. Then raise `cancellation()` if the handler was interrupted,
        Disconnected if the client is gone, and UsageError if the exchange is over for good."""
        self.take_input()
        try:
            self.exchange.check()
        except Cancelled:
            raise self.cancellation() from None

    def wake(self) -> None:
        """Have `notify` called on the lane's own thread. Call this from any thread.

        It latches until the next `wait()` returns, and is harmless after the end of the exchange.
        """
        self.driver.wakes.put(self.notify)

    async def wait(self) -> None:
        """Return after something has happened to this exchange, or after `wake()`. It may return
        early, so that callers loop on a condition."""
        # Written out in AsyncioLink.wait (tests/test_inlined_copies.py).
        self.driver.pump()
        self.parked += 1
        try:
            await self.park()
        finally:
            self.parked -= 1

    async def flush(self) -> None:
        """Return when output is under its mark: at once, or after the writer had its turns.

        Call this before something is queued, and `push` after that. It also suspends once more than
        BURST bytes were written since it last did. If the client leaves, it returns.
        """
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
            await self.give_way()

    async def give_way(self) -> None:
        """Let others have their turn. Call this between two pieces of work that would hold them."""
        self.driver.give_way(self)
        await self.wait()

    async def guard(self, work: Coroutine[Any, Any, None]) -> None:
        """Await `work`, the exchange's own, so that it can be interrupted natively.

        An interruption that arrives as `Cancelled` ends here, too.
        """
        try:
            if self.native:
                self.begin()
                await work
            else:
                scope = self.scope()
                async with scope:
                    self.entered(scope)
                    await work
        except BaseException as exc:
            own = isinstance(exc, Cancelled) and self.exchange.interrupt is not None
            if not self.is_own_cancellation(exc) and not own:
                raise

    def entered(self, scope: Scope) -> None:
        """Take note that the exchange runs in this scope, and let it be interrupted."""
        self.exchange.begin(scope.cancel)


async def shielded(link: Link, work: Callable[[], Awaitable[Any]], *, ended: bool = False) -> Any:
    """Await `work` although the exchange was interrupted, and return what it returns.

    A handler that has not heard of its interruption hears of it first, unless it has ended. All of
    this together gets `Timeouts.close` seconds from its first use; after that the interruption is
    raised again.
    """
    exchange = link.exchange
    if not ended and not link.heard:
        await link.hear()
    alarms = exchange.alarms
    if alarms.shielded_until == NEVER:
        alarms.shielded_until = link.now() + exchange.carrier.config.timeouts.close
    if link.now() >= alarms.shielded_until:
        raise link.cancellation()
    result: Any = None
    scope = link.shield()
    async with scope:
        alarm = alarms.set(alarms.shielded_until, scope.cancel)
        try:
            result = await work()
        finally:
            alarms.cancel(alarm)
    if scope.caught:
        raise link.cancellation()
    return result


Errand = Callable[[Link], Coroutine[Any, Any, None]]
"""What a lane runs that is no request. It is given a link of its own (see `errand`)."""

current_link: ContextVar[Link] = ContextVar("anylane_link")
"""The link of the exchange that runs in this context. It is set once per exchange."""
