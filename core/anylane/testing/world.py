"""World: one server in memory, in virtual time, and its connections.

It never reads a clock and never draws a random number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import Context as Variables
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

from anylane.app import App, check_served
from anylane.config.server_config import ServerConfig
from anylane.errors import UsageError
from anylane.lane.arrivals.entrance import Wrap
from anylane.lane.deadlines import Deadline, Deadlines
from anylane.lane.driver import Driver
from anylane.lane.host import Log
from anylane.lane.link import Errand
from anylane.lane.server_core import ServerCore
from anylane.lane.stepping import SteppedLink, in_memory, step
from anylane.lane.wake_queue import WakeQueue
from anylane.protocol.exchange import Exchange
from anylane.protocol.interfaces import Closing

DATE = b"Thu, 01 Jan 1970 00:00:00 GMT"
"""The Date header in virtual time. It stands still, so that tests can compare whole responses."""


_MAX_JUMPS = 100_000
"""Deadlines that pass while a `def` handler waits. Those of periodic jobs come without an end."""


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One line of the log of a server."""

    level: str
    """How grave it is: "info", "warning" or "error"."""
    message: str
    """What happened."""
    error: BaseException | None
    """The exception that is logged, or None."""


class World:
    """One server and one clock, for any number of connections (`Lockstep(world=...)`).

    Making one runs the startup hooks. Raises UsageError if one of them waits, and what it raises.

    app: what is served.
    config: its settings.
    wrap: puts a layer such as TLS around each connection.
    take_log: takes what the server logs in the place of `log`.
    now: the virtual time, in seconds.
    log: what the server has logged.
    variables: the context of the startup hooks, of which each exchange gets a copy.
    """

    def __init__(
        self,
        app: App,
        config: ServerConfig | None = None,
        *,
        wrap: Wrap | None = None,
        take_log: Log | None = None,
    ) -> None:
        self.now: float = 0.0
        self.log: list[LogRecord] = []
        self.deadlines: Deadlines = Deadlines()
        self.wakes: WakeQueue = WakeQueue(lambda: None)
        self.runnable: deque[LockstepLink] = deque()
        self.drivers: list[LockstepDriver] = []
        # The drivers that may have something to deliver. Quiet connections cost nothing.
        self.stirred: dict[LockstepDriver, None] = {}
        self._tokens = 0
        self._running = False
        config = config or ServerConfig()
        check_served(app, config)
        self.server: ServerCore = ServerCore(
            app.freeze(),
            config,
            time=lambda: self.now,
            date=lambda: DATE,
            token=self._token,
            log=take_log or self._keep,
            lane="Lockstep",
            wrap=wrap,
        )
        self.variables: Variables = copy_context()
        self.variables.run(in_memory.set, True)
        self.server.attach(self.wakes, lambda: None, self)
        startup = self.server.startup()
        if self.variables.run(step, startup, "Lockstep"):
            startup.close()
            raise UsageError("a startup hook waits; under Lockstep there is nothing to wait for")
        self.server.ready()

    def clock(self) -> float:
        """Return the virtual time, in seconds."""
        return self.now

    def arm(self, at: float, call: Callable[[], None]) -> Deadline:
        """Have it called at that virtual time."""
        return self.deadlines.arm(at, call)

    def run_errand(self, errand: Errand) -> None:
        """Run an errand apart from any connection."""
        LockstepDriver(self, None, None, errand)

    def cleanup(self) -> None:
        """Run the shutdown hooks, after a drain. Raise UsageError if one of them waits."""
        cleanup = self.server.cleanup()
        if self.variables.run(step, cleanup, "Lockstep"):
            cleanup.close()
            raise UsageError("a shutdown hook waits; under Lockstep there is nothing to wait for")

    def _keep(self, level: str, message: str, error: BaseException | None) -> None:
        self.log.append(LogRecord(level, message, error))

    def _token(self, size: int) -> bytes:
        """Return *size* bytes that are not random: a test must see the same ones each time."""
        self._tokens += 1
        return self._tokens.to_bytes(size, "big")

    def run(self) -> None:
        """Do everything that can be done now. A call from inside leaves it to the outermost one."""
        if self._running:
            return
        self._running = True
        try:
            while self.turn():
                pass
        finally:
            self._running = False

    def turn(self) -> bool:
        """Do one round, and return whether there was anything to do."""
        busy = False
        if self.wakes:
            self.wakes.run()
            busy = True
        stirred, self.stirred = self.stirred, {}
        for driver in stirred:
            if driver.deliver():
                self.stirred[driver] = None
                busy = True
        deadline = self.deadlines.next()
        if deadline is not None and deadline <= self.now:
            self.deadlines.fire(self.now)
            busy = True
        if self.runnable:
            self.runnable.popleft().resume()
            busy = True
        return busy

    def advance(self, seconds: float) -> None:
        """Let virtual time pass, in seconds, stopping at every deadline on the way."""
        end = self.now + seconds
        self.run()
        while (deadline := self.deadlines.next()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self.run()
        self.now = end
        self.run()

    def jump(self) -> bool:
        """Go to the next deadline, and return whether there is one."""
        deadline = self.deadlines.next()
        if deadline is None:
            return False
        self.now = max(self.now, deadline)
        return True


class LockstepDriver(Driver):
    """The transport: two queues of bytes, and what the test did to them.

    While the client is stalled, a kernel of `room` bytes takes what is written first (`kernel`).
    It asks for more once a third of that is free, as Linux does.
    """

    __slots__ = ("_deadline", "closed", "eof_sent", "hung", "inbox", "kernel", "reset", "room",
                 "sent", "stalled", "unsent_data", "world")  # fmt: skip

    def __init__(self, world: World, peer: Any, local: Any, errand: Errand | None = None) -> None:
        self.world: World = world
        self.inbox: deque[bytes | BaseException | None] = deque()
        self.sent: list[bytes] = []
        self.unsent_data: list[bytes] = []
        self.stalled: bool = False
        self.kernel: bytes = b""
        self.room: int = 0
        self.hung: bool = False
        self.eof_sent: bool = False
        self.closed: bool = False
        self.reset: bool = False
        self._deadline: Deadline | None = None
        super().__init__(world.server, peer=peer, local=local, errand=errand)
        world.drivers.append(self)
        self.pump()

    def stir(self) -> None:
        """Note that `deliver` has something to do."""
        self.world.stirred[self] = None

    def put(self, item: bytes | BaseException | None) -> None:
        """Let the client send bytes, end its side (None), or reset.

        A reset overtakes what was sent before.
        """
        self.hung = self.hung or not isinstance(item, bytes)
        if isinstance(item, BaseException):
            self.inbox.appendleft(item)
        else:
            self.inbox.append(item)
        self.stir()

    def deliver(self) -> bool:
        """Move what the test and the core left for the transport; return whether anything was."""
        busy = False
        if self.inbox and not self.lost and (self.reading or self.inbox[0] is not None):
            item = self.inbox[0]
            if isinstance(item, BaseException):
                self.inbox.popleft()
                self.lose(item)
                return True
            if self.reading:
                self.inbox.popleft()
                if item is None:
                    self.receive_eof()
                else:
                    self.receive(item)
                busy = True
        if self.closing and not self.unsent_data and not self.lost:
            busy = self._finish_closing() or busy
        return busy

    def _finish_closing(self) -> bool:
        if self.closing >= Closing.CLOSE:
            self.closed = True
            self.lose(None)
            return True
        if not self.eof_sent:
            self.eof_sent = True
            return True
        return False

    def now(self) -> float:
        return self.world.now

    def write(self, chunks: list[bytes]) -> None:
        if self.stalled:
            self.unsent_data.extend(chunks)
            self._fill()
        else:
            self.sent.extend(chunks)

    def _fill(self) -> None:
        """Let the kernel take what it has room for."""
        room = self.room - len(self.kernel)
        if room > 0 and self.unsent_data:
            data = b"".join(self.unsent_data)
            self.kernel += data[:room]
            self.unsent_data = [data[room:]] if len(data) > room else []

    def take(self, size: int | None) -> None:
        """Let the client read so many bytes and stop again; all and go on if it is None."""
        self.stalled = size is not None
        if size is None:
            taken, self.kernel, self.unsent_data = [self.kernel, *self.unsent_data], b"", []
        else:
            data = b"".join((self.kernel, *self.unsent_data))
            held = max(0, len(self.kernel) - size)
            taken, data = [data[:size]], data[size:]
            self.kernel, rest = data[:held], data[held:]
            self.unsent_data = [rest] if rest else []
        self.sent.extend(taken)
        if len(self.kernel) * 3 <= self.room * 2:
            self._fill()
            self.stir()
            self.writable()

    def unsent(self) -> int:
        return sum(map(len, self.unsent_data))

    def unacknowledged(self) -> int:
        return len(self.kernel)

    def arrived(self) -> bool:
        return any(isinstance(item, bytes) for item in self.inbox)

    def hung_up(self) -> bool:
        return self.hung

    def broken(self) -> bool:
        return any(isinstance(item, BaseException) for item in self.inbox)

    def detach(self, errand: Errand) -> None:
        self.world.run_errand(errand)

    def start(self, exchange: Exchange) -> None:
        link = LockstepLink(self, exchange)
        self.started(link)
        self.world.runnable.append(link)

    def arm(self, deadline: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.world.deadlines.arm(deadline, self.timeout)

    def set_reading(self, on: bool) -> None:  # noqa: ARG002  # `deliver` looks by itself
        self.stir()

    def over(self) -> None:
        self.world.drivers.remove(self)
        if self._deadline is not None:
            self._deadline.cancel()

    def close(self, how: Closing) -> None:
        if how is Closing.ABORT:
            self.reset = True
            self.unsent_data.clear()
            self.kernel = b""
        self.stir()


_NOTHING = Variables()


class LockstepLink(SteppedLink):
    """The Link of this lane: parked until the world resumes it."""

    __slots__ = ("_coroutine", "_parked", "_variables")

    def __init__(self, driver: LockstepDriver, exchange: Exchange) -> None:
        super().__init__(driver, exchange)
        self._variables: Variables = driver.world.variables.copy()
        self._coroutine = driver.server.run_exchange(exchange, self)
        self._parked = False

    @property
    def _world(self) -> World:
        driver = self.driver
        assert isinstance(driver, LockstepDriver)
        return driver.world

    def notify(self) -> None:
        self.latched: bool = True
        if self._parked:
            self._parked = False
            self._world.runnable.append(self)

    def resume(self) -> None:
        """Step the handler once."""
        parked = False
        try:
            parked = self._variables.run(step, self._coroutine, self.host.lane)
        finally:
            if not parked:
                self._variables = (
                    _NOTHING  # They refer to this link; without a cycle both are freed at once.
                )
                self.driver.finished(self)
        if parked and self.latched:
            self._world.runnable.append(self)
        elif parked:
            self._parked = True

    def block(self) -> None:
        # A `def` handler runs inline and owns the world meanwhile, so time has to jump for it.
        self.driver.pump()
        jumps = _MAX_JUMPS
        while not self.latched:
            if self._world.turn():
                continue
            jumps -= 1
            if not jumps or not self._world.jump():
                raise UsageError(
                    "ctx.call() waits for something that never comes under Lockstep: there "
                    "`def` handlers run inline, so no input can come meanwhile"
                )
        self.latched = False
