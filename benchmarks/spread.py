"""How evenly connections are spread over workers, and what a new connection costs.

    python benchmarks/spread.py [--workers 2 4] [--seconds 4] [--json FILE] [BACKEND ...]

For each backend and number of workers: 20 connections that are opened at once (the middle one of
seven times), and 1,000, each with a request under way until all are counted; how many the fullest
and the emptiest worker hold. Then new connections, one request each, 32 at a time: how many in a
second. All of it beside workers that do not look at each other's connections.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import resource
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from command import CommandServer, save

APP = """
import os
from anylane import App

app = App()

@app.get("/")
async def home(ctx):
    return str(os.getpid())

@app.get("/hold")
async def hold(ctx):
    async with ctx.stream() as out:
        await out.write(f"pid {os.getpid()};")
        await ctx.sleep(60)
"""
LANES = ("asyncio", "uvloop", "anyio", "trio", "curio", "threads")
WITHOUT = """
from anylane_backends.sockets.spread import Share
Share.look = lambda self: None
"""
AT_ONCE = 32
ROUNDS = 7


async def held(server: CommandServer, number: int) -> Counter[str]:
    """Open so many connections at once, and return how many each worker has."""
    writers = []

    async def one() -> str:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writers.append(writer)
        writer.write(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
        text = await reader.readuntil(b";")
        return re.findall(rb"pid (\d+);", text)[0].decode()

    found = Counter(await asyncio.gather(*(one() for _ in range(number))))
    for writer in writers:
        writer.close()
    await asyncio.sleep(0.3)
    return found


async def rate(server: CommandServer, seconds: float) -> float:
    """Return how many new connections were served in a second."""
    end = time.monotonic() + seconds
    done = 0

    async def client() -> None:
        nonlocal done
        while time.monotonic() < end:
            reader, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
            writer.close()
            done += 1

    await asyncio.gather(*(client() for _ in range(AT_ONCE)))
    return done / seconds


def measure(backend: str, count: int, seconds: float, arguments: list[str]) -> dict[str, object]:
    """Return the figures of one backend with so many workers: as it is, and without the table.

    Both servers run at the same time and are measured in turn, so that what else the machine does
    meets both.
    """
    with ExitStack() as stack:
        servers = []
        for app in (APP, WITHOUT + APP):
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            (Path(folder) / "main.py").write_text(app, encoding="utf-8")
            told = ("--backend", backend, "--workers", str(count), "--timeouts-drain", "1")
            servers.append(CommandServer(folder, *told, *arguments))
            stack.callback(servers[-1].end)
        few = [[of_each(server, 20, count) for _ in range(ROUNDS)] for server in servers]
        many = [of_each(server, 1000, count) for server in servers]
        rates: list[list[float]] = [[], []]
        for number in range(ROUNDS):
            for which in ((0, 1), (1, 0))[number % 2]:
                rates[which].append(asyncio.run(rate(servers[which], seconds / ROUNDS)))
    with_, without = (sorted(each) for each in few)
    return {
        "backend": backend,
        "workers": count,
        "of 20": with_[ROUNDS // 2],
        "of 20 before": without[ROUNDS // 2],
        "of 1000": many[0],
        "of 1000 before": many[1],
        "new connections, ratio": round(median(rates[0]) / median(rates[1]), 2),
    }


def of_each(server: CommandServer, number: int, workers: int) -> list[int]:
    """Open so many connections; return how many the fullest worker has, and the emptiest."""
    counts = sorted(asyncio.run(held(server, number)).values())
    return [counts[-1], counts[0] if len(counts) == workers else 0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backends", nargs="*", default=LANES, metavar="BACKEND")
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--json", metavar="FILE")
    options, rest = parser.parse_known_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    results = []
    for backend in options.backends:
        for count in options.workers:
            results.append(measure(backend, count, options.seconds, rest))
            print(*(f"{name} {value}" for name, value in results[-1].items()), sep="; ", flush=True)
    if options.json:
        save(options.json, results)


if __name__ == "__main__":
    main()
