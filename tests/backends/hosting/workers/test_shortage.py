"""A system without a process or room on a disk to spare does not end a supervisor."""

from __future__ import annotations

import logging
import os
import signal
import sys
from functools import partial
from pathlib import Path

import pytest

from anylane_backends.hosting.supervision.child import Nursery
from anylane_backends.hosting.system.log_files import reopen_logs
from tests.backends.hosting.workers.servers import Server, ask
from tests.waiting import eventually

REFUSING = """
import errno, os, sys
from anylane_backends.hosting.cli.commands import main

refused, count, fork = {refused}, 0, os.fork

def limited():
    global count
    count += 1
    if count in refused:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return fork()

os.fork = limited
main()
"""
"""`anylane`, in a system that refuses some of its forks."""


def refusing(*refused: int) -> list[str]:
    code = REFUSING.format(refused=refused)
    return [sys.executable, "-c", code, "run", "main:app", "--workers", "2", "--port", "0"]


def renewed(server: Server, before: set[int]) -> bool:
    now = server.workers()
    return len(now) == len(before) and not now & before


def test_a_worker_that_cannot_be_started_is_started_later(start):
    server = start(command=refusing(3, 4))
    before = server.workers()
    os.kill(max(before), signal.SIGKILL)
    eventually(lambda: len(server.workers() - before) == 1, 20)
    assert server.text.count("cannot start a worker: Resource temporarily unavailable") == 2
    server.process.send_signal(signal.SIGHUP)
    eventually(partial(renewed, server, before), 20)
    ask(server.port)
    assert server.end()[0] == 0


def test_a_renewal_without_room_for_a_process_keeps_the_old_worker_until_there_is(start):
    server = start(command=refusing(3))
    before = server.workers()
    server.process.send_signal(signal.SIGHUP)
    server.says("cannot start a worker: ")
    eventually(partial(renewed, server, before), 20)
    assert server.end()[0] == 0


@pytest.mark.parametrize("refused", [1, 2])
def test_a_start_without_room_for_a_process_is_given_up(start, refused):
    server = start(command=refusing(refused), waits=False)
    assert server.process.wait(20) == 3
    assert "cannot start a worker: " in server.text
    assert "Traceback" not in server.text


def test_a_new_binary_that_cannot_be_started_leaves_the_old_one(start):
    server = start(command=refusing(3))
    server.process.send_signal(signal.SIGUSR2)
    server.says("cannot start a new binary: Resource temporarily unavailable")
    ask(server.port)
    assert server.end()[0] == 0


def test_after_a_fork_that_was_refused_signals_come_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> int:
        raise BlockingIOError

    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    nursery = Nursery([signal.SIGUSR1], lambda: None)
    monkeypatch.setattr(os, "fork", refuse)
    with pytest.raises(BlockingIOError):
        nursery.fork(lambda: None)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_a_code_that_is_no_c_int_ends_the_worker_alone(start):
    exiting = (
        "from anylane import App\napp = App()\n"
        "@app.on_worker_start\ndef a(): raise SystemExit(2**40 + 5)\n"
    )
    server = start("--workers", "2", app=exiting, waits=False)
    assert server.process.wait(20) == 5
    assert "Traceback" not in server.text


FULL = """
[handlers.full]
class = "logging.FileHandler"
filename = "/dev/full"
[root]
handlers = ["full"]
[loggers.anylane]
level = "INFO"
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_log_on_a_full_disk_ends_nothing(start, tmp_path):
    (tmp_path / "log.toml").write_text(FULL, encoding="ascii")
    server = start("--workers", "2", "--log-config", "log.toml")
    for _ in range(2):
        before = server.workers()
        server.process.send_signal(signal.SIGUSR1)
        server.process.send_signal(signal.SIGHUP)
        eventually(partial(renewed, server, before), 20)
    ask(server.port)
    assert server.end()[0] == 0


class Own(logging.FileHandler):
    """A class of an app's, which opens nothing but its first file."""

    opened = False

    def _open(self):
        if self.opened:
            raise ValueError("once is enough")
        self.opened = True
        return super()._open()


def test_a_handler_of_the_apps_may_raise_anything_where_it_is_opened_again(tmp_path):
    path = tmp_path / "own.log"
    handler = Own(path)
    try:
        path.rename(tmp_path / "old.log")
        assert reopen_logs() == [str(path)]
        handler.emit(logging.makeLogRecord({"msg": "it goes on"}))
    finally:
        handler.close()
    assert (tmp_path / "old.log").read_text(encoding="utf-8") == "it goes on\n"
