"""A transport of your own: anylane over stdin and stdout, one connection, no socket, no loop.

    printf 'GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n' | python docs/examples/own_transport.py

So inetd, `systemd-socket-activate --inetd` or ssh can serve the same app as any server.
"""

import os
import select
import sys
import time
from contextvars import copy_context

from anylane import App, Context, ServerConfig
from anylane.lane.deadlines import Deadline, Deadlines
from anylane.lane.driver import Driver
from anylane.lane.link import Errand
from anylane.lane.server_core import ServerCore
from anylane.lane.stepping import SteppedLink, step
from anylane.lane.wake_queue import WakeQueue
from anylane.protocol import Closing, Exchange


class PipeLink(SteppedLink):
    """Runs one exchange. No event loop does it, so this transport steps the coroutine itself."""

    def __init__(self, driver: Driver, exchange: Exchange, lane: "PipeLane") -> None:
        super().__init__(driver, exchange)
        self.lane = lane
        self.variables = lane.variables.copy()  # The exchange's own: no other one sees them.
        self.coroutine = driver.server.run_exchange(exchange, self)
        self.latched = True  # `notify` has been called: the coroutine can go on.
        self.running = False

    def notify(self) -> None:
        self.latched = True

    def go_on(self) -> None:
        """Run the coroutine until it waits again or ends."""
        self.running, parked = True, False
        try:
            parked = self.variables.run(step, self.coroutine, "pipe")
        finally:
            self.running = False
            if not parked:
                self.lane.links.remove(self)
                self.driver.finished(self)

    def block(self) -> None:
        """Wait inside of a plain `def` handler, which keeps its place on the stack meanwhile."""
        self.driver.pump()
        while not self.latched:
            self.lane.turn()
        self.latched = False


class PipeDriver(Driver):
    """Joins the connection to two file descriptors. A transport has to supply these verbs."""

    def __init__(self, lane: "PipeLane", peer: object, errand: Errand | None = None) -> None:
        self.lane = lane
        self.deadline: Deadline | None = None
        super().__init__(lane.server, peer=peer, local="stdout", errand=errand)
        self.pump()

    def now(self) -> float:
        return time.monotonic()

    def write(self, chunks: list[bytes]) -> None:
        data = b"".join(chunks)
        try:
            while data:
                data = data[os.write(1, data) :]
        except OSError as exc:
            self.lose(exc)

    def unsent(self) -> int:
        return 0  # A blocking write leaves nothing behind.

    def start(self, exchange: Exchange) -> None:
        link = PipeLink(self, exchange, self.lane)
        self.lane.links.append(link)
        self.started(link)

    def arm(self, deadline: float) -> None:
        self.over()
        self.deadline = self.lane.deadlines.arm(deadline, self.timeout)

    def set_reading(self, on: bool) -> None:
        """Do nothing: `turn` looks at `reading` each time."""

    def close(self, how: Closing) -> None:
        if how >= Closing.CLOSE:  # A pipe needs no half-close: the client ends its own side.
            self.lose(None)

    def detach(self, errand: Errand) -> None:
        PipeDriver(self.lane, None, errand)

    def over(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()

    def read(self) -> None:
        data = os.read(0, self.connection.read_size or 65536)
        self.receive(data) if data else self.receive_eof()


class PipeLane:
    """One server, its one connection, and the loop around both."""

    def __init__(self, server: ServerCore) -> None:
        self.server = server
        self.links: list[PipeLink] = []
        self.deadlines = Deadlines()
        self.ear, self.bell = os.pipe()
        server.attach(WakeQueue(self.ring), changed=lambda: None)

    def ring(self) -> None:
        """End `select`, from any thread."""
        os.write(self.bell, b"\0")

    def run(self) -> None:
        step(self.server.startup(), "pipe")
        self.variables = copy_context()  # With what the startup hooks have set.
        self.driver = PipeDriver(self, "stdin")
        while not self.server.over:
            if self.driver.lost and not self.server.draining:
                self.server.shutdown()  # What runs without its client is ended, or bounded.
            else:
                self.turn()
        step(self.server.cleanup(), "pipe")

    def turn(self) -> None:
        """Wait for input, a wake-up or a deadline, unless a handler can go on."""
        ready = [link for link in self.links if link.latched and not link.running]
        deadline = self.deadlines.next()
        patience = None if deadline is None else max(0.0, deadline - time.monotonic())
        sources = [self.ear, 0] if self.driver.reading and not self.driver.lost else [self.ear]
        heard, _, _ = select.select(sources, [], [], 0 if ready else patience)
        if 0 in heard:
            self.driver.read()  # Before the deadlines: what has come beats them.
        if self.ear in heard:
            os.read(self.ear, 1)
        self.deadlines.fire(time.monotonic())
        self.server.wakes.run()
        for link in ready:
            if link.latched and not link.running:
                link.go_on()


def serve(app: App) -> None:
    server = ServerCore(
        app.freeze(),
        ServerConfig(),
        time=time.time,
        date=lambda: time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime()).encode(),
        token=os.urandom,
        log=lambda level, message, error: print(level, message, file=sys.stderr),
        lane="pipe",
    )
    PipeLane(server).run()


app = App()


@app.get("/")
async def home(ctx: Context) -> dict[str, object]:
    await ctx.sleep(0.01)
    return {"message": "Hello from a pipe", "client": ctx.request.client}


if __name__ == "__main__":
    serve(app)
