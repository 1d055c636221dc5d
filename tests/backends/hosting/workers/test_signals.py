"""What a supervisor, and a single process, do on signals."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from tests.backends.hosting.workers.servers import APP, ask
from tests.waiting import eventually


def test_workers_are_added_and_taken_away(start):
    server = start("--workers", "2")
    first = server.workers()
    os.kill(server.pid, signal.SIGTTIN)
    server.says("workers from now on: 3")
    eventually(lambda: len(server.workers()) == 3)
    assert first < server.workers()
    for count in (2, 1):
        os.kill(server.pid, signal.SIGTTOU)
        server.says(f"workers from now on: {count}")
        eventually(lambda: len(server.workers()) == count)  # noqa: B023
    assert server.workers() <= first  # The last that came goes first.
    os.kill(server.pid, signal.SIGTTOU)
    server.says("the number of workers stays 1: one is the least")
    ask(server.port)
    code, text = server.end()
    assert code == 0, text
    assert "ended with" not in text


def test_a_worker_that_was_taken_away_is_not_replaced_when_it_is_killed(start):
    server = start("--workers", "2", "--timeouts-drain", "60")
    socks = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(8)]
    for sock in socks:
        sock.sendall(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
        assert sock.recv(100)
    before = server.workers()
    os.kill(server.pid, signal.SIGTTOU)
    server.says("workers from now on: 1")
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: server.workers().isdisjoint(before) and len(server.workers()) == 1)
    ask(server.port)
    for sock in socks:
        sock.close()
    assert server.end()[0] == 0


LOGGING = """
import logging
handler = logging.FileHandler("app.log")
logging.getLogger("app").addHandler(handler)
logging.getLogger("app").setLevel("INFO")

@app.get("/log")
async def log(ctx):
    logging.getLogger("app").info("from %s", os.getpid())
    return "written"
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_files_of_the_log_are_opened_again(start, workers, tmp_path):
    server = start("--workers", workers, app=APP + LOGGING)
    ask(server.port, "/log")
    old = tmp_path / "app.log.1"
    (tmp_path / "app.log").rename(old)
    before = old.read_text(encoding="utf-8")
    server.process.send_signal(signal.SIGUSR1)
    count = 1 if workers == "1" else 3  # The supervisor has none, and says so, too.
    eventually(lambda: server.text.count("opened the files of the log again") == count)
    for _ in range(8):
        ask(server.port, "/log")
    assert old.read_text(encoding="utf-8") == before
    assert (tmp_path / "app.log").read_text(encoding="utf-8").count("from ") == 8
    assert server.end()[0] == 0


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU])
def test_a_single_process_says_what_it_cannot_do(start, number):
    server = start()
    server.process.send_signal(number)
    server.says(f"{number.name} has no effect here: it is for the supervisor of --workers")
    ask(server.port)
    assert server.end()[0] == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_app_keeps_its_own_handler(start, workers, tmp_path):
    own = """
import signal
signal.signal(signal.SIGUSR1, lambda *_: open("heard", "a").write("x"))
"""
    server = start("--workers", workers, app=APP + own)
    server.process.send_signal(signal.SIGUSR1)
    eventually((tmp_path / "heard").exists)
    assert server.end()[0] == 0


# --- a new binary ------------------------------------------------------------------------------


def named(path: Path) -> int:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def test_a_new_binary_takes_over(start, tmp_path):
    """The code, the settings of the file and the command line are read anew; the port, the pid file
    and the file of readiness are its own then; the old one ends with 0."""
    server = start("--workers", "2", "--pidfile", "pid", "--ready-file", "ready")
    port, pid = server.port, server.pid
    before = server.workers()
    eventually(lambda: named(tmp_path / "pid") == named(tmp_path / "ready") == pid)
    (tmp_path / "main.py").write_text(APP.replace('{"pid": os', '{"new": os'), encoding="utf-8")
    os.kill(pid, signal.SIGUSR2)
    eventually(lambda: named(tmp_path / "pid") not in (0, pid), 30, lambda: server.text)
    new = named(tmp_path / "pid")
    server.adopt(new)
    assert server.process.wait(20) == 0, server.text
    assert named(tmp_path / "ready") == new
    assert b"new" in ask(port)
    assert server.workers(new).isdisjoint(before)
    assert f"the new binary, process {new}, accepts: draining" in server.text
    os.kill(new, signal.SIGTERM)
    eventually(lambda: not (tmp_path / "pid").exists())
    assert not (tmp_path / "ready").exists()
    assert "Traceback" not in server.text
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_a_new_binary_that_cannot_start_leaves_the_old_one(start, tmp_path):
    server = start("--workers", "2", "--pidfile", "pid")
    before = server.workers()
    for _ in range(2):
        seen = server.text.count("this one stays")
        (tmp_path / "main.py").write_text("broken(", encoding="utf-8")
        os.kill(server.pid, signal.SIGUSR2)
        eventually(lambda: server.text.count("this one stays") > seen, 30)  # noqa: B023
    assert "the new binary ended with exit code 3: this one stays" in server.text
    assert server.workers() == before
    assert named(tmp_path / "pid") == server.pid
    ask(server.port)
    assert server.end()[0] == 0
    assert not (tmp_path / "pid").exists()


def test_a_unix_socket_is_handed_over_with_its_file(start, tmp_path):
    server = start("--workers", "2", "--uds", "sock", "--pidfile", "pid")
    pid, made = server.pid, (tmp_path / "sock").stat()
    os.kill(pid, signal.SIGUSR2)
    eventually(lambda: named(tmp_path / "pid") not in (0, pid), 30, lambda: server.text)
    new = named(tmp_path / "pid")
    server.adopt(new)
    assert server.process.wait(20) == 0
    assert (tmp_path / "sock").stat().st_ino == made.st_ino
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(str(tmp_path / "sock"))
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert sock.recv(1000).startswith(b"HTTP/1.1 200")
    os.kill(new, signal.SIGTERM)
    eventually(lambda: not (tmp_path / "sock").exists())


def test_a_new_binary_that_fails_leaves_the_file_of_a_unix_socket(start, tmp_path):
    server = start("--workers", "2", "--uds", "sock")
    (tmp_path / "main.py").write_text("broken(", encoding="utf-8")
    os.kill(server.pid, signal.SIGUSR2)
    server.says("this one stays")
    assert (tmp_path / "sock").exists()
    assert server.end()[0] == 0
    assert not (tmp_path / "sock").exists()


def test_sockets_of_a_service_manager_are_handed_over(start, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        passed = (
            "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_FDS'] = '1';"
            "os.environ['LISTEN_PID'] = str(os.getpid());"
            "os.execv(sys.executable, [sys.executable, '-m', 'anylane', 'run', 'main:app', "
            "'--workers', '2', '--pidfile', 'pid'])"
        )
        server = start(
            command=[sys.executable, "-c", passed, str(listener.fileno())],
            pass_fds=(3, listener.fileno()),
        )
    pid = server.pid
    for _ in range(2):  # The second one has it from the first.
        os.kill(pid, signal.SIGUSR2)
        eventually(lambda: named(tmp_path / "pid") not in (0, pid), 30, lambda: server.text)  # noqa: B023
        pid = named(tmp_path / "pid")
        server.adopt(pid)
        ask(port)
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: not (tmp_path / "pid").exists())


def test_an_end_during_the_start_of_a_new_binary_ends_both(start, tmp_path):
    server = start("--workers", "2", "--pidfile", "pid")
    slow = "import time\nopen('starting', 'w').close()\ntime.sleep(3)\n"
    (tmp_path / "main.py").write_text(slow + APP, encoding="utf-8")
    os.kill(server.pid, signal.SIGUSR2)
    eventually((tmp_path / "starting").exists, 20)
    port = server.port
    code, text = server.end()
    assert code == 0, text
    with socket.create_server(("127.0.0.1", port)):
        pass
