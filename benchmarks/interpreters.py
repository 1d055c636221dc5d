"""What two interpreters of one process answer beside one, and beside two processes.

    python benchmarks/interpreters.py [--seconds 21] [--json FILE]

A handler computes for some milliseconds. Servers with one and with two workers of each kind run at
the same time and are asked in turn, four requests at once, so that what else the machine does meets
all of them. Then the memory of each, and what replacing a worker adds to it.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from command import CommandServer, save

APP = """
import os, threading
from anylane import App

app = App()
worker = f"{os.getpid()} {threading.get_native_id()}"

@app.get("/", inline=True)
def compute(ctx):
    sum(each * each for each in range(100_000))
    return worker
"""
KINDS = ("process", "interpreter")
AT_ONCE = 4
ROUNDS = 7
RENEWALS = 5


class Server(CommandServer):
    """A server with so many workers of one kind."""

    def __init__(self, folder: str, kind: str, count: int) -> None:
        self.kind, self.count = kind, count
        supervised = ("--max-age", "86400")  # One worker is, too.
        super().__init__(folder, "--workers", str(count), "--worker-kind", kind, *supervised)

    @property
    def memory(self) -> int:
        """Return the bytes that it holds, each shared page in equal parts (smaps_rollup)."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        total = 0
        for each in (pid, *map(int, children.split())):
            rollup = Path(f"/proc/{each}/smaps_rollup").read_text(encoding="ascii")
            found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
            assert found is not None
            total += int(found[1]) << 10
        return total

    async def workers(self) -> set[bytes]:
        """Ask until all workers have answered, and return their names."""
        found: set[bytes] = set()
        while len(found) < self.count:
            found |= set(await asyncio.gather(*(self.ask() for _ in range(AT_ONCE))))
        return found

    async def ask(self) -> bytes:
        """Return the answer to one request, on a connection of its own."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 200"), answer
        return answer.rpartition(b"\r\n")[2]

    async def rate(self, seconds: float) -> float:
        """Return how many requests were answered in a second."""
        end = time.monotonic() + seconds
        done = 0

        async def client() -> None:
            nonlocal done
            while time.monotonic() < end:
                await self.ask()
                done += 1

        began = time.monotonic()
        await asyncio.gather(*(client() for _ in range(AT_ONCE)))
        return done / (time.monotonic() - began)

    async def renew(self) -> None:
        """Have all workers replaced."""
        before = await self.workers()
        self.process.send_signal(signal.SIGHUP)
        while not before.isdisjoint(await self.workers()):
            pass
        await asyncio.sleep(0.5)  # The last one drains.


async def measure(servers: list[Server], seconds: float) -> list[dict[str, object]]:
    """Return the figures of each server, its rate divided by that of the first."""
    held = [each.memory for each in servers]
    rates: list[list[float]] = []
    for number in range(ROUNDS):
        turn = [await each.rate(seconds / ROUNDS / len(servers)) for each in servers]
        rates.append(turn)
        print(f"round {number + 1}:", *(f"{each:.1f}" for each in turn), flush=True)
    rows: list[dict[str, object]] = []
    for index, server in enumerate(servers):
        for _ in range(RENEWALS):
            await server.renew()
        grown = (server.memory - held[index]) / (RENEWALS * server.count)
        rows.append(
            {
                "kind": server.kind,
                "workers": server.count,
                "ratio": round(median(turn[index] / turn[0] for turn in rates), 2),
                "memory": round(held[index] / 1e6),
                "each renewal": round(grown / 1e6, 1),
            }
        )
        print(*(f"{name} {value}" for name, value in rows[-1].items()), sep="; ", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=21)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        (Path(folder) / "main.py").write_text(APP, encoding="utf-8")
        servers = []
        for kind in KINDS:
            for count in (1, 2):
                servers.append(Server(folder, kind, count))
                stack.callback(servers[-1].end)
        rows = asyncio.run(measure(servers, options.seconds))
    if options.json:
        save(options.json, rows)


if __name__ == "__main__":
    main()
