"""The test client's lane in memory: a World, and wires on whose far end the client is.

While the client waits and nothing else can happen, virtual time jumps to the next deadline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from types import FrameType
from typing import Any

from anylane.app import App
from anylane.config.server_config import ServerConfig
from anylane.protocol.connection import Connection
from anylane.protocol.timers import NEVER, Timer
from anylane.request_tag import tagging
from anylane.testing.client.errors import Silence
from anylane.testing.client.log import ClientLog
from anylane.testing.world import LockstepDriver, LockstepLink, World

_WINDOW = 256 * 1024
"""Bytes that are sent to a client that does not read, as the buffers of a kernel would hold."""

_READ = 64 * 1024
"""Bytes that arrive at once, as from one read of a socket."""

_MAX_JUMPS = 100_000
"""Deadlines without a byte for the waiting client. A ping every 20 seconds for three weeks."""

_MAX_TURNS = 1000
"""Turns of periodic jobs without a byte for the waiting client, where nothing else can bring one.
More would only make a test that waits in vain slow."""

_RECURRING = (Timer.PING, Timer.PONG, Timer.HEARTBEAT)
"""Timers that come again and again and bring a handler nothing."""

_LOCAL = ("192.0.2.2", 80)


class ClientDriver(LockstepDriver):
    """A LockstepDriver whose client has a receive buffer. It bounds an endless stream."""

    __slots__ = ("_held",)

    def __init__(self, world: World, peer: Any) -> None:
        self._held = 0
        super().__init__(world, peer, _LOCAL)

    def write(self, chunks: list[bytes]) -> None:
        self.unsent_data.extend(chunks)
        self._deliver()

    def read(self) -> bytes:
        """Return everything that has arrived, and make room for more."""
        data = b"".join(self.sent)
        self.sent.clear()
        self._held = 0
        if self.unsent_data:
            self._deliver()
            self.stir()
            self.writable()
        return data

    def _deliver(self) -> None:
        """Move unsent bytes into the client's buffer, up to its bound."""
        while self.unsent_data and self._held < _WINDOW:
            chunk = self.unsent_data.pop(0)
            room = _WINDOW - self._held
            if len(chunk) > room:
                self.unsent_data.insert(0, chunk[room:])
                chunk = chunk[:room]
            self.sent.append(chunk)
            self._held += len(chunk)

    @property
    def ended(self) -> bool:
        """Whether the client sees the end of the server's side behind what came before."""
        return self.eof_sent or self.closed or self.lost


def hopeful(driver: LockstepDriver) -> bool:
    """Return whether some deadline of this connection leads to something new."""
    connection = driver.connection
    if any(link.exchange.next_alarm() != NEVER for link in driver.links):
        return True
    if not isinstance(connection, Connection):
        return connection.next_deadline() is not None
    timers = connection.timers
    return any(timers.is_set(timer) for timer in Timer if timer not in _RECURRING)


def waiting(driver: LockstepDriver) -> Iterator[str]:
    """Yield what each handler of this connection waits for."""
    for link in driver.links:
        assert isinstance(link, LockstepLink)
        head = link.exchange.head
        request = "a request" if head is None else f"{head.method.decode()} {head.target.decode()}"
        yield f"{request}: {waits_for(link._coroutine)}"


class LockstepWire:
    """The client's end of a connection in memory, a `Wire`."""

    def __init__(self, lane: LockstepLane, address: Any) -> None:
        self.address = address
        self.on_data: Callable[[], bool] | None = None
        self._lane = lane
        self._driver = ClientDriver(lane.world, address)

    def send(self, data: bytes) -> None:
        for start in range(0, len(data), _READ):
            self._driver.put(data[start : start + _READ])
        self._lane.world.run()

    def poll(self) -> bytes | None:
        world = self._lane.world
        world.run()
        data = self._driver.read()
        world.run()
        if data:
            return data
        return b"" if self._driver.ended else None

    def receive(self, what: str, timeout: float | None = None) -> bytes:
        return self._lane.wait(self, what, timeout)

    def close(self) -> None:
        self._leave(None)

    def reset(self) -> None:
        self._leave(ConnectionResetError("connection reset by peer"))

    def _leave(self, how: BaseException | None) -> None:
        self.on_data = None
        if self in self._lane.wires:
            self._lane.wires.remove(self)
        self._driver.put(how)
        self._lane.world.run()


class LockstepLane:
    """One app in memory, a `Lane`.

    world: its server, its clock and its connections.
    """

    def __init__(self, app: App, config: ServerConfig | None, log: ClientLog) -> None:
        self.world: World = World(app, config, take_log=log)
        self.world.log = log.records
        self.world.server.log = tagging(log)
        self.wires: list[LockstepWire] = []
        self._ports = count(50000)

    def now(self) -> float:
        return self.world.now

    def connect(self) -> LockstepWire:
        wire = LockstepWire(self, ("192.0.2.1", next(self._ports)))
        self.wires.append(wire)
        self.world.run()
        return wire

    def advance(self, seconds: float) -> None:
        world = self.world
        end = world.now + seconds
        self._settle()
        while (deadline := world.deadlines.next()) is not None and deadline <= end:
            world.jump()
            self._settle()
        world.now = end
        self._settle()

    def wait(self, wire: LockstepWire, what: str, timeout: float | None) -> bytes:
        """Do what `Wire.receive` says, for one wire."""
        world = self.world
        end = None if timeout is None else world.now + timeout
        turns = _MAX_TURNS if world.server.schedule else 0
        for _ in range(_MAX_JUMPS):
            self._settle(but=wire)
            data = wire.poll()
            if data is not None:
                return data
            deadline = world.deadlines.next()
            if end is not None and (deadline is None or deadline > end):
                world.now = max(world.now, end)
                raise TimeoutError(f"{what} did not come within {timeout:g} seconds")
            if end is None and not any(map(hopeful, world.drivers)):
                if not turns or deadline is None:
                    raise Silence(f"{what} can never come: {self._explanation()}")
                turns -= 1  # A job may bring it.
            world.jump()
        raise Silence(
            f"{what} did not come, although virtual time has jumped to {world.now:g} seconds: "
            f"{self._explanation()}"
        )

    def close(self) -> None:
        world, server = self.world, self.world.server
        server.shutdown()
        world.run()
        while not server.over and world.jump():
            world.run()
        world.cleanup()

    def _settle(self, but: LockstepWire | None = None) -> None:
        """Do everything that can be done now, the pongs of open WebSockets included."""
        busy = True
        while busy:
            self.world.run()
            busy = False
            for wire in tuple(self.wires):
                if wire is not but and wire.on_data is not None:
                    busy = wire.on_data() or busy

    def _explanation(self) -> str:
        """Return what the handlers wait for, for a message."""
        found = [text for driver in self.world.drivers for text in waiting(driver)]
        return "; ".join(found) or "no handler is running, and no deadline is armed"


def waits_for(coroutine: Any) -> str:
    """Return what a handler awaits, such as "chat (app.py, line 12) awaits WebSocket.receive"."""
    frames = list(_frames(coroutine))
    places = [index for index, frame in enumerate(frames) if not _is_ours(frame)]
    if not places:
        return f"{frames[-1].f_code.co_qualname} waits" if frames else "a handler waits"
    theirs = frames[places[-1]]
    code = theirs.f_code
    awaited = next(
        (
            frame.f_code.co_qualname
            for frame in frames[places[-1] + 1 :]
            # `async for` awaits __anext__. What that awaits in turn says more.
            if not frame.f_code.co_name.startswith("__")
        ),
        "something",
    )
    # A private method is the common half of public ones, so its name is shown without the mark.
    awaited = awaited.replace("._", ".")
    return f"{code.co_qualname} ({code.co_filename}, line {theirs.f_lineno}) awaits {awaited}"


def _frames(coroutine: Any) -> Iterator[FrameType]:
    """Yield the frames of a chain of awaits, outermost first."""
    found = coroutine
    while found is not None:
        frame = getattr(found, "cr_frame", None) or getattr(found, "gi_frame", None)
        if frame is not None:
            yield frame
        found = getattr(found, "cr_await", None) or getattr(found, "gi_yieldfrom", None)


def _is_ours(frame: FrameType) -> bool:
    """Return whether a frame runs code of anylane."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == "anylane"
