"""A worker that does not come to accept is given up: the first one, a replacement, a renewal."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from tests.backends.hosting.workers.servers import APP, ask, environ, until
from tests.waiting import eventually

HANGING = """
from pathlib import Path

@app.on_startup
def migrate():
    while Path("hang").exists():
        time.sleep(0.05)
"""
"""The start hangs while there is a file of that name."""

DEAF = """
import signal

@app.on_startup
def migrate():
    if Path("deaf").exists():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(0.05)
"""
"""It hangs, and SIGTERM does not end it."""

BRIEF = ("--workers", "2", "--start-timeout", "4", "--timeouts-close", "0.5")


def in_migrate(text: str) -> int:
    """Return how many stacks show where the start hangs."""
    return len(re.findall(r'main.py", line \d+ in migrate', text))


def test_a_first_worker_that_hangs_ends_the_command(start, tmp_path: Path) -> None:
    (tmp_path / "hang").touch()
    server = start(*BRIEF, app=APP + HANGING, waits=False)
    code, text = server.process.wait(20), server.text
    assert code == 3
    assert "has not accepted within 4 s of its start (start_timeout)" in text
    assert in_migrate(text) == 1
    assert "Traceback" not in text


@pytest.mark.parametrize("file", ["hang", "deaf"])
def test_a_renewal_whose_worker_hangs_leaves_the_old_ones(start, tmp_path: Path, file) -> None:
    server = start(*BRIEF, app=APP + HANGING + DEAF)
    before = server.workers()
    (tmp_path / file).touch()
    server.process.send_signal(signal.SIGHUP)
    text = server.says("of its start (start_timeout): the old one stays")
    assert re.search(r"ERROR the new worker \d+ has not accepted within 4 s", text)
    eventually(lambda: server.workers() == before, 20)
    assert in_migrate(server.text) == 1
    ask(server.port)
    (tmp_path / file).unlink()
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: len(server.workers()) == 2 and not server.workers() & before, 20)
    assert server.end()[0] == 0


def test_a_replacement_that_hangs_is_replaced(start, tmp_path: Path) -> None:
    server = start(*BRIEF, app=APP + HANGING)
    before = server.workers()
    (tmp_path / "hang").touch()
    os.kill(min(before), signal.SIGKILL)
    server.says("of its start (start_timeout): starting another")
    (tmp_path / "hang").unlink()
    eventually(lambda: len(server.workers()) == 2, 20)
    pids: set[bytes] = set()

    def both_answer() -> bool:
        pids.add(ask(server.port))
        return len(pids) == 2

    eventually(both_answer, 20)
    assert server.end()[0] == 0


def test_a_renewal_that_hangs_is_told(start, manager, tmp_path: Path) -> None:
    server = start(*BRIEF, app=APP + HANGING, env=environ(tmp_path))
    before = until(manager, "READY=1")
    # The service manager waits as long as the operator does, for each of the two.
    assert sum("EXTEND_TIMEOUT_USEC=" in each for each in before) == 2
    (tmp_path / "hang").touch()
    server.process.send_signal(signal.SIGHUP)
    seen = until(manager, "READY=1")
    assert sum("EXTEND_TIMEOUT_USEC=" in each for each in seen) == 1
    if not any("the last renewal failed" in each for each in seen):
        until(manager, "2 of 2 workers ready.*, the last renewal failed")
    (tmp_path / "hang").unlink()
    server.process.send_signal(signal.SIGHUP)
    until(manager, "2 of 2 workers ready$")
    assert server.end()[0] == 0


def test_without_a_flag_the_service_manager_keeps_its_own_bound(
    start,
    manager,
    tmp_path: Path,
) -> None:
    start("--workers", "2", env=environ(tmp_path))
    assert not any("EXTEND_TIMEOUT_USEC" in each for each in until(manager, "READY=1"))


@pytest.mark.parametrize("options", [(), ("--reload",)])
def test_another_renewal_takes_the_place_of_one_that_hangs(start, tmp_path: Path, options) -> None:
    """With --reload no start is judged: there may be a debugger. The next save helps."""
    server = start("--workers", "2", *options, app=APP + HANGING)
    before = server.workers()
    (tmp_path / "hang").touch()
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: len(server.workers() - before) == 1, 20)
    (hanging,) = server.workers() - before
    (tmp_path / "other").touch()
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: hanging not in server.workers(), 20)
    (tmp_path / "hang").unlink()
    eventually(lambda: len(server.workers()) == 2 + bool(options) and
               len(server.workers() & before) == bool(options), 20)  # fmt: skip
    ask(server.port)
    code, text = server.end()
    assert code == 0
    assert in_migrate(text) == 0


def test_a_first_start_that_hangs_is_begun_anew_by_a_renewal(start, tmp_path: Path) -> None:
    (tmp_path / "hang").touch()
    server = start("--workers", "2", app=APP + HANGING, waits=False)
    eventually(lambda: len(server.workers()) == 1, 20)
    (hanging,) = server.workers()
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: len(server.workers()) == 1 and hanging not in server.workers(), 20)
    (tmp_path / "hang").unlink()
    eventually(lambda: bool(server.line), 20)
    assert len(server.workers()) == 2
    assert server.end()[0] == 0


def test_a_start_timeout_without_workers_is_warned_about(start) -> None:
    server = start("--start-timeout", "60")
    assert "WARNING start_timeout has no effect: it is for --workers" in server.end()[1]
