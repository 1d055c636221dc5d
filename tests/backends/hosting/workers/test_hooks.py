"""`@app.on_worker_start`: once in each worker process, with its number, before everything else."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from anylane import App, UsageError, Worker
from anylane.testing import Lockstep, TestClient
from tests.backends.hosting.workers.servers import ask
from tests.waiting import eventually

APP = """
import os
from anylane import App, Worker

app = App()

@app.on_startup
def up():
    note("startup")

@app.on_worker_start
async def begin(worker: Worker):
    app.state.number = worker.number
    note(f"worker {worker.number} of {worker.workers}")

def note(text):
    with open("notes", "a") as out:
        out.write(f"{text}\\n")

@app.get("/")
async def home(ctx):
    return str(ctx.app.state.number)
"""


@pytest.mark.parametrize("workers", ["1", "3"])
def test_each_worker_has_its_number(start, tmp_path, workers):
    server = start("--workers", workers, app=APP)
    lines = (tmp_path / "notes").read_text(encoding="ascii").splitlines()
    expected = []
    for number in range(int(workers)):
        expected += [f"worker {number} of {workers}", "startup"]
    assert lines == expected
    assert int(ask(server.port)) in range(int(workers))
    assert server.end()[0] == 0


def test_a_replacement_has_the_number_of_its_slot(start, tmp_path):
    server = start("--workers", "2", app=APP)
    (tmp_path / "notes").unlink()
    before = server.workers()
    os.kill(max(before), signal.SIGKILL)
    eventually(lambda: len(server.workers() - before) == 1 and (tmp_path / "notes").exists())
    lines = (tmp_path / "notes").read_text(encoding="ascii").splitlines()
    assert lines[0] in ("worker 0 of 2", "worker 1 of 2")
    os.kill(server.pid, signal.SIGTTIN)
    eventually(lambda: "worker 2 of 3" in (tmp_path / "notes").read_text(encoding="ascii"))
    assert server.end()[0] == 0


def test_one_that_fails_ends_the_start(start):
    failing = (
        "from anylane import App\napp = App()\n@app.on_worker_start\ndef a(): raise OSError('no')\n"
    )
    server = start("--workers", "2", app=failing, waits=False)
    assert server.process.wait(20) == 3
    assert "anylane: startup failed: OSError: no" in server.text


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(("code", "status"), [("'no disk'", 1), ("4", 4)])
def test_one_that_exits_has_its_word_and_its_code(start, workers, code, status):
    exiting = (
        "from anylane import App\napp = App()\n"
        f"@app.on_worker_start\ndef a(): raise SystemExit({code})\n"
    )
    server = start("--workers", workers, app=exiting, waits=False)
    assert server.process.wait(20) == status
    assert ("no disk" in server.text.splitlines()) == (status == 1)


def lockstep(app: App) -> None:
    Lockstep(app)


def client(app: App) -> None:
    with TestClient(app):
        pass


@pytest.mark.parametrize("begin", [lockstep, client])
def test_in_memory_it_runs_once(begin: Callable[[App], None]) -> None:
    app = App()
    seen: list[str | Worker] = []
    inner = App()
    app.on_startup(lambda: seen.append("startup"))
    app.mount("/inner", inner)

    @inner.on_worker_start
    def inside() -> None:
        seen.append("inner")

    @app.on_worker_start
    def hook(worker: Worker) -> None:
        seen.append(worker)

    begin(app)
    assert seen == ["inner", Worker(number=0, workers=1), "startup"]


def test_other_parameters_are_refused() -> None:
    with pytest.raises(UsageError, match=r"on_worker_start .*; write \(\) or \(worker\)"):

        @App().on_worker_start  # type: ignore[type-var]
        def hook(one, two): ...
