"""Lockstep: a connection in memory, on a clock that moves only when told to.

It is a lane like any other, and the oracle of the conformance suite. Everything happens inside the
calls of the test, in an order that is always the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anylane.app import App
from anylane.config.server_config import ServerConfig
from anylane.errors import UsageError
from anylane.protocol.interfaces import Closing
from anylane.testing.world import LockstepDriver, World

if TYPE_CHECKING:
    from anylane.testing.world import LogRecord


class Lockstep:
    """One connection to an app, driven by hand.

    Making one runs the startup hooks, unless *world* is given. Raises UsageError without an app and
    a world, and what a startup hook raises.

    app: what is served; not needed with *world*.
    config: its settings.
    world: a server and a clock to share with other connections (see `open`).
    peer: what `ctx.request.client` says.
    local: what `ctx.request.server` says.
    """

    def __init__(
        self,
        app: App | None = None,
        config: ServerConfig | None = None,
        *,
        world: World | None = None,
        peer: Any = ("192.0.2.1", 50000),
        local: Any = ("192.0.2.2", 80),
    ) -> None:
        if world is None:
            if app is None:
                raise UsageError("Lockstep takes an App, or a World to join")
            world = World(app, config)
        self.world = world
        self._driver = LockstepDriver(world, peer, local)
        self._taken = 0
        world.run()

    def open(self) -> Lockstep:
        """Return one more connection to the same server."""
        return Lockstep(world=self.world)

    def receive(self, data: bytes) -> None:
        """Let the client send *data*, and run everything that follows from it.

        Raises UsageError if *data* is not bytes.
        """
        if not isinstance(data, bytes):
            raise UsageError(f"the client sends {data!r:.80}; expected bytes, as on a wire")
        self._driver.put(data)
        self.world.run()

    def eof(self) -> None:
        """Let the client end its side (half-close). It can still read."""
        self._driver.put(None)
        self.world.run()

    def lose(self, exc: BaseException | None = None) -> None:
        """Let the client reset the connection. *exc* is what the transport reports."""
        self._driver.put(exc or ConnectionResetError("connection reset by peer"))
        self.world.run()

    def advance(self, seconds: float) -> None:
        """Let virtual time pass, in seconds, stopping at every deadline on the way."""
        self.world.advance(seconds)

    def stall(self, kernel: int = 0) -> None:
        """Let the client stop reading. What is written from now on stays unsent.

        kernel: bytes that our kernel takes nevertheless. The client has not acknowledged them.
        """
        self._driver.stalled = True
        self._driver.room = kernel

    def resume(self, size: int | None = None) -> None:
        """Let the client read *size* bytes and stop again, or all and go on if it is None."""
        self._driver.take(size)
        self.world.run()

    @property
    def unread(self) -> int:
        """How many bytes of the client the server has not read: backpressure leaves them in the
        kernel."""
        self.world.run()
        return sum(len(item) for item in self._driver.inbox if isinstance(item, bytes))

    @property
    def sent(self) -> bytes:
        """All bytes that the client has received so far."""
        self.world.run()
        return b"".join(self._driver.sent)

    def take(self) -> bytes:
        """Return the bytes that the client has received since the last call."""
        sent = self.sent
        taken, self._taken = sent[self._taken :], len(sent)
        return taken

    @property
    def closing(self) -> Closing:
        """What the connection wants of its socket, a `Closing`."""
        self.world.run()
        return self._driver.connection.closing

    @property
    def eof_sent(self) -> bool:
        """Whether the client has seen the end of our side."""
        self.world.run()
        return self._driver.eof_sent or self._driver.closed or self._driver.lost

    @property
    def reset_sent(self) -> bool:
        """Whether we ended the connection with a reset."""
        return self._driver.reset

    @property
    def closed(self) -> bool:
        """Whether the socket is closed, by either side."""
        self.world.run()
        return self._driver.lost

    @property
    def log(self) -> list[LogRecord]:
        """What the server has logged, for all connections of this world."""
        return self.world.log
