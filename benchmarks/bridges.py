"""What a bridge costs: latency, messages in a second, and a broker that is started anew.

    python benchmarks/bridges.py [--seconds 2] [--page docs/scaling.md] [asyncio trio ...]

For each lane and broker two server processes are started, each with one worker. A client of one
sends, a client of the other measures: real WebSockets, a real broker from its wheel, and everything
on this machine. Every message has to arrive once and in order, or the program fails.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from websockets.sync.client import ClientConnection, connect

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs" / "examples"))

import broker as brokers  # noqa: E402

LANES = ("asyncio", "uvloop", "anyio", "trio", "curio", "threads")
PINGS = 500

APP = """
import os, time
from anylane import App, Context
from anylane_backends.bridges import NatsBridge, ValkeyBridge

url = os.environ["BROKER"]
bridge = (NatsBridge if url.startswith("nats") else ValkeyBridge)(url, max_queue=200_000)
room = bridge.room("bench", capacity=200_000)
app = App()
app.lifespan(bridge)

@app.websocket("/listen")
async def listen(ctx: Context):
    with room.subscribe() as subscription:
        ws = await ctx.accept()
        while not bridge.subscriptions:
            await ctx.sleep(0.01)
        await ws.send("ready")
        async for item in subscription:
            await ws.send(item)

@app.websocket("/send")
async def send(ctx: Context):
    ws = await ctx.accept()
    async for message in ws:
        room.send(message)

@app.get("/burst/{count:int}")
async def burst(ctx: Context):
    for n in range(ctx.params["count"]):
        room.send(f"b {n}")
        if n % 200 == 199:
            await ctx.sleep(0)

@app.get("/state")
async def state(ctx: Context):
    return {"connected": bridge.connected, "subscriptions": bridge.subscriptions,
            "sent": bridge.sent, "lost": bridge.lost, "lagged": bridge.lagged}
"""


@dataclass
class Row:
    """What was measured of one lane with one broker."""

    lane: str
    broker: str
    median: float  # milliseconds
    late: float  # milliseconds, 99 of 100 were no later
    rate: float  # messages in a second
    lost: int  # of a message each 10 ms, with the broker away for a second
    back: float  # seconds from the broker's return to the first message


@contextmanager
def server(lane: str, url: str, folder: Path) -> Generator[str]:
    command = [sys.executable, "-m", "anylane", "run", "bench_app:app", "--app-dir", str(folder)]
    command += ["--backend", lane, "--port", "0"]
    with subprocess.Popen(
        command, env={**os.environ, "BROKER": url}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        found = re.search(r"http://([\d.:]+)", process.stdout.readline())
        assert found is not None, "the server did not start"
        try:
            yield found[1]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def get(address: str, path: str) -> str:
    connection = HTTPConnection(address, timeout=60)
    connection.request("GET", path)
    body = connection.getresponse().read().decode()
    connection.close()
    return body


def measure_latency(sender: ClientConnection, listener: ClientConnection) -> list[float]:
    """Milliseconds from a client's send to another client's receive, by way of the broker."""
    took = []
    for n in range(PINGS):
        began = time.perf_counter()
        sender.send(f"p {n}")
        got = listener.recv(timeout=10)
        assert got == f"p {n}", got
        took.append(1000 * (time.perf_counter() - began))
    return took


def measure_rate(address: str, listener: ClientConnection, seconds: float) -> float:
    """Messages in a second from one process to a client of the other."""
    count = 2000
    while True:
        began = time.perf_counter()
        thread = threading.Thread(target=get, args=(address, f"/burst/{count}"))
        thread.start()
        for n in range(count):
            got = listener.recv(timeout=30)
            assert got == f"b {n}", f"expected number {n}, got {got!r}"
        took = time.perf_counter() - began
        thread.join()
        if took >= seconds / 2 or count >= 100_000:
            return count / took
        count = min(100_000, max(2 * count, int(count * seconds / took)))


class Broker:
    """A broker that is killed and started again on its port."""

    def __init__(self, kind: brokers.Kind) -> None:
        self.port = brokers.free_port()
        self.url = f"{kind}://127.0.0.1:{self.port}"
        self._command = brokers.command(kind, self.port)
        self.start()

    def start(self) -> None:
        silent = subprocess.DEVNULL
        self._process = subprocess.Popen(self._command, stdout=silent, stderr=silent)
        brokers.wait_for(self.port)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def measure_restart(
    broker: Broker, address: str, sender: ClientConnection, listener: ClientConnection
) -> tuple[int, float]:
    """Kill the broker for a second, and send a message each hundredth of a second until one
    arrives. Return how many were lost, and how long it took once the broker was back."""
    broker.kill()
    sent = 0
    for _ in range(100):
        sender.send(f"r {sent}")
        sent += 1
        time.sleep(0.01)
    broker.start()
    began = time.perf_counter()
    while True:
        sender.send(f"r {sent}")
        sent += 1
        try:
            first = int(str(listener.recv(timeout=0.01)).split()[1])
            break
        except TimeoutError:
            assert time.perf_counter() - began < 20, "it does not come back"
    back = time.perf_counter() - began
    arrived = 1
    last = first
    while last < sent - 1:
        number = int(str(listener.recv(timeout=10)).split()[1])
        assert number > last, "out of order"
        last = number
        arrived += 1
    assert json.loads(get(address, "/state"))["lagged"] == 0
    return sent - arrived, back


def measure(lane: str, kind: brokers.Kind, seconds: float, folder: Path) -> Row:
    broker = Broker(kind)
    try:
        with ExitStack() as stack:
            one, two = [stack.enter_context(server(lane, broker.url, folder)) for _ in range(2)]
            sender = stack.enter_context(connect(f"ws://{one}/send"))
            listener = stack.enter_context(connect(f"ws://{two}/listen", max_queue=None))
            assert listener.recv(timeout=10) == "ready"
            took = measure_latency(sender, listener)
            rate = measure_rate(one, listener, seconds)
            lost, back = measure_restart(broker, one, sender, listener)
    finally:
        broker.kill()
    late = statistics.quantiles(took, n=100)[98]
    return Row(lane, kind, statistics.median(took), late, rate, lost, back)


def table(rows: list[Row]) -> str:
    lines = [
        "| lane | broker | latency, median | 99 % | messages a second | lost | back after |",
        "|---|---|---:|---:|---:|---:|---:|",
        *(
            f"| {row.lane} | {row.broker} | {row.median:.1f} ms | {row.late:.1f} ms | "
            f"{row.rate:,.0f} | {row.lost} | {row.back:.2f} s |"
            for row in rows
        ),
    ]
    return "\n".join(lines)


def draw(page: Path, rows: list[Row]) -> None:
    """Put the table between the markers of a page."""
    begin, end = "<!-- bridges:begin -->", "<!-- bridges:end -->"
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    where = (
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores"
    )
    drawn = f"{begin}\n{table(rows)}\n\n{where}, {time.strftime('%Y-%m-%d')}.\n{end}"
    page.write_text(f"{before}{drawn}{after}", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("lanes", nargs="*", default=LANES)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each burst, about")
    parser.add_argument("--page", type=Path, help="a page to draw the table into")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bench_app.py").write_text(APP, encoding="utf-8")
        kinds: tuple[brokers.Kind, ...] = ("nats", "valkey")
        found = []
        for lane in options.lanes:
            for kind in kinds:
                found.append(measure(lane, kind, options.seconds, folder))
                print(table(found).splitlines()[-1], flush=True)
    print(table(found))
    if options.page is not None:
        draw(options.page, found)
