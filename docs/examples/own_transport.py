"""A transport of your own: anylane over stdin and stdout, one connection, no socket, no loop.

    printf 'GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n' | python docs/examples/own_transport.py

So inetd, `systemd-socket-activate --inetd` or ssh can serve the same app as any server.
"""

import os
import select
import sys
import time

from anylane import App, Context, ServerConfig
from anylane.lane.driver import Driver
from anylane.lane.server_core import ServerCore
from anylane.lane.stepping import SteppedLink, step
from anylane.lane.wake_queue import WakeQueue
from anylane.protocol import Closing, Exchange


class PipeLink(SteppedLink):
    """Says when the handler can go on; this transport steps it by hand."""

    def __init__(self, driver: Driver, exchange: Exchange) -> None:
        super().__init__(driver, exchange)
        self.coroutine = driver.server.run_exchange(exchange, self)
        self.latched = True

    def notify(self) -> None:
        self.latched = True


class PipeDriver(Driver):
    """Two file descriptors. The verbs are all that a transport has to supply."""

    reading, deadline = True, float("inf")

    def now(self) -> float:
        return time.monotonic()

    def write(self, chunks: list[bytes]) -> None:
        sys.stdout.buffer.write(b"".join(chunks))
        sys.stdout.buffer.flush()

    def unsent(self) -> int:
        return 0  # A blocking write leaves nothing behind.

    def start(self, exchange: Exchange) -> None:
        self.started(PipeLink(self, exchange))

    def arm(self, deadline: float) -> None:
        self.deadline = deadline

    def set_reading(self, on: bool) -> None:
        self.reading = on

    def close(self, how: Closing) -> None:
        if how >= Closing.CLOSE:
            self.lose(None)

    def run(self) -> None:
        """Step whoever can go on; then wait for input or the deadline."""
        while not self.lost:
            ready = [link for link in self.links if isinstance(link, PipeLink) and link.latched]
            for link in ready:
                if not step(link.coroutine, "pipe"):
                    self.finished(link)
            if not ready:
                patience = min(max(0.0, self.deadline - self.now()), 3600)
                if select.select([0] if self.reading else [], [], [], patience)[0]:
                    data = os.read(0, 65536)
                    self.receive(data) if data else self.receive_eof()
                elif self.now() >= self.deadline:
                    self.deadline = float("inf")
                    self.timeout()


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
    server.attach(WakeQueue(lambda: None), changed=lambda: None)
    driver = PipeDriver(server, peer="stdin", local="stdout")
    driver.pump()
    driver.run()


app = App()


@app.get("/")
async def home(ctx: Context) -> dict[str, object]:
    await ctx.sleep(0.01)
    return {"message": "Hello from a pipe", "client": ctx.request.client}


if __name__ == "__main__":
    serve(app)
