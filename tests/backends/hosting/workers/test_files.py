"""The files that name a server's process: who writes them, who removes them, who is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from anylane_backends.hosting.system.pidfile import PidFile, PidFileError
from anylane_backends.hosting.system.process_file import ProcessFile
from tests.backends.hosting.workers.servers import ask
from tests.waiting import eventually


@pytest.fixture
def dead() -> int:
    """The number of a process that has ended."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


@pytest.mark.parametrize("text", ["", "nonsense", "-5", "0", "99999999999999999999", "own", "dead"])
def test_a_stale_pid_file_is_replaced(tmp_path, dead, text):
    """One with our own number is from before: the process of a container often has the same."""
    path = tmp_path / "pid"
    path.write_text({"own": str(os.getpid()), "dead": str(dead)}.get(text, text), encoding="ascii")
    file = PidFile(str(path))
    file.check()
    file.take()
    assert path.read_text(encoding="ascii") == f"{os.getpid()}\n"
    assert list(tmp_path.iterdir()) == [path]
    file.remove()
    assert not path.exists()


@pytest.mark.parametrize("step", ["check", "take"])
def test_one_that_names_a_living_process_is_refused(tmp_path, step):
    path = tmp_path / "pid"
    path.write_text(f"{os.getppid()}\n", encoding="ascii")
    with pytest.raises(PidFileError, match=rf"names process {os.getppid()}, which runs; stop that"):
        getattr(PidFile(str(path)), step)()
    assert path.read_text(encoding="ascii") == f"{os.getppid()}\n"
    assert list(tmp_path.iterdir()) == [path]


def test_the_predecessors_is_replaced(tmp_path):
    path = tmp_path / "pid"
    path.write_text(f"{os.getppid()}\n", encoding="ascii")
    file = PidFile(str(path), predecessor=os.getppid())
    file.check()
    file.take()
    assert file.named() == os.getpid()


def test_that_of_another_process_is_not_removed(tmp_path):
    file = ProcessFile(str(tmp_path / "file"))
    file.write()
    file.path.write_text("1\n", encoding="ascii")
    file.remove()
    assert file.path.exists()


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(PidFileError, match=r"cannot write pidfile .*: No such file or directory; "):
        PidFile(str(tmp_path / "none" / "pid")).take()
    with pytest.raises(PidFileError, match="is no file"):
        PidFile(str(tmp_path)).check()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_pid_file_names_the_process_that_takes_the_signals(start, workers, tmp_path):
    server = start("--workers", workers, "--pidfile", "pid")
    path = tmp_path / "pid"
    assert path.read_text(encoding="ascii") == f"{server.pid}\n"
    second = start("--workers", workers, "--pidfile", "pid", waits=False)
    assert second.process.wait(20) == 3
    assert second.text.startswith(f"anylane: pidfile {path} names process {server.pid}, which runs")
    assert second.text.count("\n") == 1
    assert server.end()[0] == 0
    assert not path.exists()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_start_that_fails_leaves_no_file(start, workers, tmp_path):
    failing = "from anylane import App\napp = App()\n@app.on_startup\ndef up(): raise OSError\n"
    server = start("--workers", workers, "--pidfile", "pid", "--ready-file", "ready", app=failing,
                   waits=False)  # fmt: skip
    assert server.process.wait(20) == 3
    assert not (tmp_path / "pid").exists()
    assert not (tmp_path / "ready").exists()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_file_of_readiness_is_there_from_accepting_to_draining(start, workers, tmp_path):
    slow = """
from anylane import App
import time
app = App()

@app.on_startup
def up():
    time.sleep(0.5)

@app.get("/slow")
async def slow(ctx):
    open("asked", "w").close()
    await ctx.sleep(1)
    return "done"
"""
    path = tmp_path / "ready"
    server = start("--workers", workers, "--ready-file", "ready", app=slow, waits=False)
    eventually(lambda: path.exists() or server.process.poll() is not None)
    assert server.line
    answers: list[bytes] = []
    client = threading.Thread(target=lambda: answers.append(ask(server.port, "/slow")))
    client.start()
    eventually((tmp_path / "asked").exists)
    server.process.send_signal(signal.SIGTERM)
    eventually(lambda: not path.exists())
    assert server.process.poll() is None
    client.join(20)
    assert answers == [b"done"]
    assert server.process.wait(20) == 0


def test_a_file_of_readiness_that_cannot_be_written_is_an_error_of_the_log(start):
    server = start("--ready-file", "none/ready")
    server.says("ERROR cannot write ")
    ask(server.port)
    assert server.end()[0] == 0
