"""Plays attacks against a server on this machine, and prints what they cost everybody else.

    python benchmarks/attacks.py --backend asyncio --backend threads [--quick] [--only chunks,idle]

Each play has a server of its own, on 127.0.0.1, whose memory is bounded: it can take neither the
machine nor a port that others reach. Printed are what became of the attack, the memory that the
server took above its start at the most, and the longest that somebody else waited for an answer.
The exit status is 1 if a play ends wrongly or takes more memory than it may. Times are printed and
judged by nobody: they are the machine's.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from attack_plays import PLAYS, Play, Target

HERE = Path(__file__).parent
BACKENDS = ("asyncio", "uvloop", "anyio", "trio", "curio", "threads")
BOUND = 3 << 30
"""Bytes that a server can take at the most; a play that needs more has failed long before."""

QUICK = 0.2
"""How much of each attack the quick form plays."""


class Memory(threading.Thread):
    """Watches the resident size of a process, in KiB (proc(5)). It is ended above its bound."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        super().__init__(daemon=True)
        self._process = process
        self.start_size = self.most = self._size()
        self.start()

    def _size(self) -> int:
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        return int(found[1]) if found else 0

    def run(self) -> None:
        while self._process.poll() is None:
            try:
                self.most = max(self.most, self._size())
            except OSError:
                return
            if self.most << 10 > BOUND:
                self._process.kill()
            time.sleep(0.02)

    @property
    def above_start(self) -> float:
        """MiB."""
        return (self.most - self.start_size) / 1024


def play(one: Play, backend: str, scale: float) -> bool:
    """Play one attack, print a line, and return whether it ended rightly."""
    settings = json.dumps({**one.settings, "memory": BOUND})
    server = subprocess.Popen(
        [sys.executable, HERE / "attacked.py", backend, settings],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    try:
        first = server.stdout.readline()
        found = re.search(r":(\d+) ", first)
        if found is None:
            raise SystemExit(f"the server did not start: {first!r}")
        port = int(found[1])
        threading.Thread(target=server.stdout.read, daemon=True).start()
        with subprocess.Popen(
            [sys.executable, HERE / "neighbour.py", str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as neighbour:
            time.sleep(0.5)
            memory = Memory(server)
            with Target(port, backend, scale) as target:
                try:
                    said, right = one.run(target)
                except OSError as exc:
                    said, right = f"the server does not answer: {exc}", False
            waits = json.loads(neighbour.communicate("\n")[0])
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
    right = right and memory.above_start <= one.memory
    missed = f", {waits['failed']} never" if waits["failed"] else ""
    print(
        f"| {backend} | {one.name} | {said} | {memory.above_start:.0f} | {one.memory} | "
        f"{waits['worst'] * 1000:.0f}{missed} | {'right' if right else '**wrong**'} |",
        flush=True,
    )
    return right


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--backend", action="append", choices=(*BACKENDS, "all"))
    parser.add_argument("--only", default="", help="names of plays, with commas")
    parser.add_argument("--quick", action="store_true", help="a fifth of each attack")
    given = parser.parse_args()
    chosen = given.backend or ["asyncio"]
    only = set(given.only.split(",")) if given.only else {each.name for each in PLAYS}
    if unknown := only - {each.name for each in PLAYS}:
        parser.error(f"no play is called {', '.join(sorted(unknown))}")
    print("| backend | attack | what became of it | MiB | may be | others waited, ms | |")
    print("|---|---|---|---:|---:|---:|---|", flush=True)
    right = [
        play(each, backend, QUICK if given.quick else 1.0)
        for each in PLAYS
        if each.name in only
        for backend in (BACKENDS if "all" in chosen else chosen)
    ]
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
