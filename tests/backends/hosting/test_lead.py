"""Jobs for one worker of several: one has them, and another takes over when that one ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests.waiting import eventually

APP = """
import os, sys
from pathlib import Path
from anylane import App

app = App()
here = Path(__file__).parent

def note(name, text):
    with open(here / name, "a") as out:
        out.write(text)

@app.every(0.05, workers="one")
async def lead(ctx):
    note("one", f"{os.getpid()}\\n")
    if (here / "slow").exists():
        await ctx.sleep(0.5)
        note("one", f"{os.getpid()} slow\\n")

@app.every(0.05)
def each():
    note("each", f"{os.getpid()}\\n")

@app.get("/")
async def home(ctx): ...
"""


class Workers:
    """Two workers under a supervisor, in a folder with what their jobs note."""

    def __init__(self, folder: Path, backend: str) -> None:
        self.folder = folder
        (folder / "jobs.py").write_text(APP)
        command = (sys.executable, "-m", "anylane", "run", "jobs:app", "--app-dir", str(folder))
        settings = ("--backend", backend, "--port", "0", "--workers", "2")
        self.process = subprocess.Popen((*command, *settings), cwd=folder)

    def pids(self, name: str) -> list[str]:
        """Return which worker ran each turn."""
        file = self.folder / name
        lines = file.read_text().splitlines() if file.exists() else []
        return [line for line in lines if line]

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(20)


@pytest.fixture
def start(tmp_path: Path) -> Generator[Callable[[str], Workers]]:
    started: list[Workers] = []

    def begin(backend: str) -> Workers:
        started.append(Workers(tmp_path, backend))
        return started[-1]

    yield begin
    for each in started:
        if each.process.poll() is None:
            each.end()


@pytest.mark.parametrize("backend", ["asyncio", "threads"])
def test_one_worker_has_them_and_another_takes_over(
    start: Callable[[str], Workers], backend: str
) -> None:
    workers = start(backend)
    eventually(lambda: len(set(workers.pids("each"))) == 2)
    eventually(lambda: len(workers.pids("one")) >= 4)
    (first,) = set(workers.pids("one"))
    os.kill(int(first), signal.SIGKILL)
    eventually(lambda: len(set(workers.pids("one"))) == 2)
    count = len(workers.pids("one"))
    eventually(lambda: len(workers.pids("one")) >= count + 4)
    turns = workers.pids("one")
    assert turns == sorted(turns, key=lambda pid: pid != first), "two had them at once"
    assert len(set(turns)) == 2
    assert workers.end() == 0


def test_a_worker_that_is_renewed_ends_its_turn_before_another_takes_over(
    start: Callable[[str], Workers],
) -> None:
    workers = start("asyncio")
    eventually(lambda: len(workers.pids("one")) >= 2)
    (first,) = set(workers.pids("one"))
    (workers.folder / "slow").touch()
    eventually(lambda: f"{first} slow" in workers.pids("one"))
    workers.process.send_signal(signal.SIGHUP)
    eventually(lambda: workers.pids("one")[-1].split()[0] != first)
    turns = [line.split()[0] for line in workers.pids("one")]
    assert turns == sorted(turns, key=lambda pid: pid != first)
    assert workers.end() == 0


FORK = """
import os
from anylane_backends.hosting.supervision.lead import SharedLead

lead = SharedLead()
assert lead.take()
assert lead.take()

def other(expected):
    pid = os.fork()
    if not pid:
        os._exit(lead.take() is not expected)
    assert os.waitpid(pid, 0)[1] == 0

other(False)
lead.release()
other(True)  # It ends, and the lock is free again.
assert lead.take()
"""


def test_the_lock_is_of_the_process() -> None:
    subprocess.run([sys.executable, "-c", FORK], check=True)
