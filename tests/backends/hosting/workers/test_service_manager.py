"""What a service manager is told while workers, or a single process, run: over a real socket."""

from __future__ import annotations

import os
import signal
import socket
import time

import pytest

from anylane import ServerConfig
from anylane.lane.wake_queue import WakeQueue
from anylane_backends.hosting.signals import LAST_RESORT
from anylane_backends.hosting.supervision.workforce import Processes
from anylane_backends.hosting.system.watchdog import Watchdog
from anylane_backends.hosting.systemd import notify, watchdog_interval
from tests.backends.hosting.workers.servers import ask, environ, until
from tests.waiting import eventually


def test_the_state_of_the_workers_is_told(start, manager, tmp_path):
    server = start("--workers", "2", env=environ(tmp_path))
    assert until(manager, "READY=1") == ["READY=1\nSTATUS=2 of 2 workers ready"]
    victim = min(server.workers())
    os.kill(victim, signal.SIGKILL)
    assert until(manager, "1 of 2")[-1] == "STATUS=1 of 2 workers ready"
    until(manager, "2 of 2")
    os.kill(server.pid, signal.SIGTTIN)
    until(manager, "3 of 3 workers ready")
    longest = round(1e6 * (ServerConfig().timeouts.drain + LAST_RESORT + Processes.kill_after))
    os.kill(server.pid, signal.SIGTERM)
    assert until(manager, "STOPPING=1")[-1] == f"STOPPING=1\nEXTEND_TIMEOUT_USEC={longest}"
    assert server.end()[0] == 0


def test_what_is_recycled_is_told(start, manager, tmp_path):
    server = start("--workers", "2", "--max-requests", "5", env=environ(tmp_path))
    for _ in range(12):
        ask(server.port)
    until(manager, "2 of 2 workers ready.* recycled")


def test_what_hangs_is_told(start, manager, tmp_path):
    server = start("--workers", "2", "--worker-timeout", "1", "--timeouts-close", "0.1",
                   env=environ(tmp_path))  # fmt: skip
    with socket.create_connection(("127.0.0.1", server.port), 10) as sock:
        sock.sendall(b"GET /hang/60 HTTP/1.1\r\nHost: a\r\n\r\n")
        until(manager, "1 hung")
        until(manager, "2 of 2 workers ready$")


def test_a_new_binary_is_named_as_the_main_process(start, manager, tmp_path):
    server = start("--workers", "2", "--pidfile", "pid", env=environ(tmp_path))
    until(manager, "READY=1")
    os.kill(server.pid, signal.SIGUSR2)
    seen = until(manager, "MAINPID=")
    new = int(seen[-1].removeprefix("MAINPID="))
    server.adopt(new)
    assert server.process.wait(20) == 0
    assert int((tmp_path / "pid").read_text(encoding="ascii")) == new
    manager.setblocking(False)
    after: list[str] = []
    try:
        while True:
            after.append(manager.recv(1000).decode())
    except BlockingIOError:
        pass
    assert not any("STOPPING" in each for each in (*seen, *after))
    os.kill(new, signal.SIGTERM)
    manager.settimeout(20)
    until(manager, "STOPPING=1")


@pytest.mark.parametrize(
    ("workers", "backend"),
    [("2", "asyncio"), ("1", "asyncio"), ("1", "trio"), ("1", "curio"), ("1", "threads")],
)
def test_the_watchdog_is_told_by_a_loop_that_runs(start, manager, tmp_path, workers, backend):
    server = start("--workers", workers, "--backend", backend,
                   env=environ(tmp_path, WATCHDOG_USEC="400000"))  # fmt: skip
    until(manager, "READY=1")
    began = time.monotonic()
    for _ in range(5):
        until(manager, "WATCHDOG=1")
    assert 0.3 < time.monotonic() - began < 10
    if workers == "1" and backend != "threads":
        with socket.create_connection(("127.0.0.1", server.port), 10) as sock:
            sock.sendall(b"GET /hang/2 HTTP/1.1\r\nHost: a\r\n\r\n")
            eventually((tmp_path / "hangs").exists)
            manager.settimeout(0.001)  # What was sent before is read first.
            with pytest.raises(TimeoutError):
                until(manager, "nothing else")
            manager.settimeout(0.8)
            with pytest.raises(TimeoutError):
                until(manager, "WATCHDOG=1")
            manager.settimeout(10)
            until(manager, "WATCHDOG=1")
    assert server.end()[0] == 0


def test_a_loop_that_is_blocked_tells_nothing(manager, tmp_path, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify.sock"))
    wakes = WakeQueue(lambda: None)
    watchdog = Watchdog(wakes)
    manager.setblocking(False)
    for _ in range(3):
        watchdog.ask()
    with pytest.raises(BlockingIOError):
        manager.recv(100)
    wakes.run()
    assert manager.recv(100) == b"WATCHDOG=1"
    with pytest.raises(BlockingIOError):  # It was asked once.
        manager.recv(100)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "3000000"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_half_of_what_the_watchdog_allows(variables, expected):
    assert watchdog_interval({"NOTIFY_SOCKET": "/run/x", **variables}) == expected
    assert watchdog_interval(variables) is None


def test_a_manager_that_takes_nothing_holds_nobody_up(manager, tmp_path, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify.sock"))
    for _ in range(5000):  # More than the kernel keeps.
        notify("WATCHDOG=1", waits=False)
