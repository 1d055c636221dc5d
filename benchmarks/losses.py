"""What clients lose while workers are killed, hang, are replaced or renewed. Nothing is sampled.

    python benchmarks/losses.py [--backend asyncio] [--clients 24] [--only NAME ...] [--json FILE]

Clients on connections that they keep send one request after the other, without a pause, to a server
with two workers. Meanwhile something happens to it. Each request is counted: answered, lost (its
connection ended before the whole answer was there) or refused (no connection could be had). A
client that has lost a request connects again; how many of those next requests were not answered is
counted too. Fails if a figure is not what docs/workers.md promises.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from command import save

APP = """
import os, time
from pathlib import Path
from anylane import App

app = App()
here = Path(__file__).parent

@app.on_worker_start
def begin(worker):
    with open(here / "starts", "a") as out:
        out.write(f"{worker.number}\\n")
    if (here / "crash").exists() and worker.number == 1:
        os._exit(7)

@app.get("/")
async def work(ctx):
    await ctx.sleep(0.01)
    return str(os.getpid())

@app.get("/hang", inline=True)
def hang(ctx):
    time.sleep(600)
"""


@dataclass
class Tally:
    """What became of all requests. lost: by the worker that had them, as far as that is known."""

    answered: int = 0
    refused: int = 0
    lost: dict[int, int] = field(default_factory=dict)
    next_failed: int = 0

    @property
    def all_lost(self) -> int:
        return sum(self.lost.values())


class Load:
    """Clients that ask all the time."""

    def __init__(self, port: int, clients: int) -> None:
        self.tally = Tally()
        self.on: dict[int, int] = {}
        """Client -> the worker that its connection is with."""
        self._port = port
        self._over = False
        self._tasks = [asyncio.create_task(self._client(number)) for number in range(clients)]

    async def answers(self, number: int) -> None:
        """Return once so many more requests were answered."""
        wanted = self.tally.answered + number
        await until(lambda: self.tally.answered >= wanted, 60)

    async def end(self) -> Tally:
        self._over = True
        await asyncio.gather(*self._tasks)
        return self.tally

    async def _client(self, number: int) -> None:
        has_lost = False
        while not self._over:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                self.tally.refused += 1
                await asyncio.sleep(0.05)
                continue
            keeps, pid = True, 0
            try:
                while keeps and not self._over and not reader.at_eof():
                    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    try:
                        head = await reader.readuntil(b"\r\n\r\n")
                        size = int(re.findall(rb"content-length: (\d+)", head)[0])
                        pid = int(await reader.readexactly(size))
                    except (OSError, EOFError):
                        self.tally.lost[pid] = self.tally.lost.get(pid, 0) + 1
                        self.tally.next_failed += has_lost
                        has_lost = True
                        break
                    assert head.startswith(b"HTTP/1.1 200"), head
                    self.on[number] = pid
                    self.tally.answered += 1
                    has_lost = False
                    keeps = b"connection: close" not in head
            finally:
                self.on.pop(number, None)
                writer.close()


class Server:
    """`anylane run` with workers."""

    def __init__(self, folder: Path, backend: str, *arguments: str, workers: int = 2) -> None:
        self.folder = folder
        (folder / "main.py").write_text(APP, encoding="utf-8")
        self.log = folder / "log"
        command = [sys.executable, "-m", "anylane", "run", "main:app", "--backend", backend]
        command += ["--port", "0", "--workers", str(workers), "--pidfile", "pid", *arguments]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        self.port = 0

    async def start(self) -> None:
        await until(lambda: re.search(r"http://[\d.]+:(\d+)", self.text()), 30)
        self.port = int(re.findall(r"http://[\d.]+:(\d+)", self.text())[0])

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def pid(self) -> int:
        """The process that supervises: another one after a new binary has taken over."""
        return int((self.folder / "pid").read_text(encoding="ascii"))

    def workers(self) -> set[int]:
        try:
            text = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii")
        except OSError:
            return set()
        return {int(pid) for pid in text.split()}

    def seconds_of_cpu(self) -> float:
        """CPU time of the supervisor itself so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2]
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def tell(self, number: int) -> None:
        os.kill(self.pid, number)

    async def end(self) -> None:
        """End what there is, whatever has happened to it."""
        left = self.workers()
        try:
            pid = self.pid
            os.kill(pid, signal.SIGTERM)
        except (OSError, ValueError):
            pid = self.process.pid
        await until(
            # Our child is a zombie until it is waited for, and `poll` does that.
            lambda: is_gone(pid) or (pid == self.process.pid and self.process.poll() is not None),
            30,
        )
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        await until(lambda: all(map(is_gone, left)), 10)


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that waits to be reaped has."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
            == "Z"
        )
    except OSError:
        return True


async def until(condition: Callable[[], object], seconds: float) -> None:
    """Return once it is so. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"it did not come to pass within {seconds} s")
        await asyncio.sleep(0.01)


@dataclass
class Outcome:
    """One row of the table. promised: the most that may be lost."""

    name: str
    tally: Tally
    promised: int
    note: str = ""
    may_refuse: bool = False

    @property
    def holds(self) -> bool:
        tally = self.tally
        lost = tally.all_lost <= self.promised and not tally.next_failed
        return lost and (self.may_refuse or not tally.refused)


Happening = Callable[[Server, Load], Awaitable[tuple[int, str]]]
"""Does it. Returns how many requests may be lost, and a note."""

HAPPENINGS: dict[str, tuple[Happening, tuple[str, ...]]] = {}


def happening(name: str, *arguments: str) -> Callable[[Happening], Happening]:
    """Register something that happens to a server with these arguments."""

    def register(func: Happening) -> Happening:
        HAPPENINGS[name] = func, arguments
        return func

    return register


@happening("nothing")
async def nothing(_server: Server, load: Load) -> tuple[int, str]:
    await load.answers(500)
    return 0, ""


@happening("a worker is killed")
async def kill_one(server: Server, load: Load) -> tuple[int, str]:
    before = server.workers()
    victim = min(before)
    held = sum(pid == victim for pid in load.on.values())
    os.kill(victim, signal.SIGKILL)
    await until(lambda: len(server.workers() - {victim}) == 2, 20)
    await load.answers(500)
    assert set(load.tally.lost) <= {victim, 0}, "another worker has lost a request"
    return held + load.tally.lost.get(0, 0), f"it held {held} connections"


@happening("all workers are killed at once")
async def kill_all(server: Server, load: Load) -> tuple[int, str]:
    before = server.workers()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    await until(lambda: len(server.workers() - before) == 2, 20)
    await load.answers(500)
    return len(load._tasks), "new connections wait for the next workers"


@happening("a worker hangs", "--worker-timeout", "1", "--timeouts-close", "0.2")
async def hang(server: Server, load: Load) -> tuple[int, str]:
    before = server.workers()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: len(before & server.workers()) < 2, 30)
    (victim,) = before - server.workers()
    await until(lambda: len(server.workers()) == 2, 20)
    await load.answers(500)
    assert await reader.read() == b""
    writer.close()
    assert set(load.tally.lost) <= {victim, 0}, "another worker has lost a request"
    return len(load._tasks), "those that it held"


@happening("a crash loop of one worker")
async def crash_loop(server: Server, load: Load) -> tuple[int, str]:
    (server.folder / "crash").touch()
    (server.folder / "starts").write_text("")
    for pid in server.workers():  # One of the two is number 1.
        os.kill(pid, signal.SIGTERM)
    await asyncio.sleep(1)
    cpu, size = server.seconds_of_cpu(), len(server.text())
    await asyncio.sleep(4)
    cpu = server.seconds_of_cpu() - cpu
    starts = (server.folder / "starts").read_text(encoding="ascii").split().count("1")
    lines = server.text()[size:].count("\n")
    assert starts <= 12, starts
    assert lines <= 24, lines
    return 0, f"{starts} starts in 5 s, {lines} lines of the log in 4 s, {cpu:.2f} s of CPU"


@happening("all workers are renewed (SIGHUP)")
async def renew(server: Server, load: Load) -> tuple[int, str]:
    for _ in range(3):
        before = server.workers()
        server.tell(signal.SIGHUP)
        await until(lambda: server.workers().isdisjoint(before), 40)  # noqa: B023
    await load.answers(500)
    return 0, "three times"


@happening("workers are recycled", "--max-requests", "300", "--max-requests-jitter", "100")
async def recycle(server: Server, load: Load) -> tuple[int, str]:
    await until(lambda: server.text().count("replacing it") >= 4, 60)
    await load.answers(500)
    return 0, f"{server.text().count('replacing it')} times"


@happening("one more, one less (SIGTTIN, SIGTTOU)")
async def resize(server: Server, load: Load) -> tuple[int, str]:
    for number, count in ((signal.SIGTTIN, 3), (signal.SIGTTOU, 2), (signal.SIGTTOU, 1)):
        server.tell(number)
        await until(lambda: len(server.workers()) == count, 20)  # noqa: B023
        await load.answers(200)
    return 0, "2, 3, 2, 1 workers"


@happening("a new binary (SIGUSR2)")
async def new_binary(server: Server, load: Load) -> tuple[int, str]:
    for _ in range(2):
        before = server.pid
        server.tell(signal.SIGUSR2)
        await until(lambda: server.pid != before, 40)  # noqa: B023
        await until(lambda: is_gone(before) or server.process.poll() is not None, 40)  # noqa: B023
    await load.answers(500)
    return 0, "twice"


@happening("the supervisor is killed")
async def kill_supervisor(server: Server, load: Load) -> tuple[int, str]:
    workers = server.workers()
    server.tell(signal.SIGKILL)
    server.process.wait()
    await until(lambda: all(map(is_gone, workers)), 20)
    with socket.create_server(("127.0.0.1", server.port)):
        pass
    return 0, "no process is left, and the port is free"


async def measure(name: str, backend: str, clients: int) -> Outcome:
    """Return what is lost while this happens."""
    func, arguments = HAPPENINGS[name]
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), backend, *arguments)
        try:
            await server.start()
            load = Load(server.port, clients)
            await load.answers(200)
            try:
                promised, note = await func(server, load)
            except BaseException:
                print(server.text(), file=sys.stderr)
                raise
            finally:
                tally = await load.end()
        finally:
            await server.end()
    return Outcome(name, tally, promised, note, may_refuse=func is kill_supervisor)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", default="asyncio")
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--only", nargs="+", choices=HAPPENINGS, metavar="NAME")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    rows = []
    print(f"{options.backend}, 2 workers, {options.clients} clients")
    for name in options.only or HAPPENINGS:
        outcome = asyncio.run(measure(name, options.backend, options.clients))
        tally = outcome.tally
        row = {"what": name, "requests": tally.answered + tally.all_lost, "lost": tally.all_lost,
               "refused": tally.refused, "next failed": tally.next_failed, "note": outcome.note,
               "holds": outcome.holds}  # fmt: skip
        rows.append(row)
        print(*(f"{key}: {value}" for key, value in row.items()), sep="; ", flush=True)
    if options.json:
        save(options.json, rows, backend=options.backend, clients=options.clients)
    return 0 if all(row["holds"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
