"""The thread that does what signals ask for outlives whatever that raises."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from anylane.lane.wake_queue import WakeQueue
from anylane_backends.hosting.signals import Signals
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(),
    reason="Python delivers signals to the main thread alone",
)


class Served:
    """A server as far as signals know one. failures: what it raises, in order."""

    def __init__(self, *failures: BaseException, kick: Callable[[], None] = lambda: None) -> None:
        self.failures = list(failures)
        self.reloads = 0
        self.lines: list[str] = []
        self.core: Any = SimpleNamespace(wakes=WakeQueue(kick), log=self.log, listeners=[])

    def log(self, level: str, message: str, _error: BaseException | None) -> None:
        if "no effect" in message:
            self.fail()
        self.lines.append(f"{level}: {message}")

    def reload(self) -> bool:
        self.reloads += 1
        self.fail()
        return True

    def fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)


class Own(BaseException):
    """No Exception."""


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt, Own])
def test_a_reload_that_raises_anything_is_told_and_the_next_one_works(kind: Any) -> None:
    server = Served(kind("no such thing"))
    with Signals().to(server):
        for count in (1, 2):
            os.kill(os.getpid(), signal.SIGHUP)
            eventually(lambda: server.reloads == count)  # noqa: B023
            eventually(lambda: len(server.lines) == count)  # noqa: B023
    assert server.lines[0].startswith("error: a signal could not be obeyed: ")
    assert "no such thing" in server.lines[0]
    assert server.lines[1] == "info: read the certificate again"


def test_a_log_that_raises_ends_nothing() -> None:
    server = Served(OSError("full"), OSError("still full"))
    with Signals().to(server):
        os.kill(os.getpid(), signal.SIGUSR2)
        eventually(lambda: server.lines)
        os.kill(os.getpid(), signal.SIGTTIN)
        eventually(lambda: len(server.lines) == 2)
        os.kill(os.getpid(), signal.SIGTTOU)
        eventually(lambda: len(server.lines) == 3)
    assert server.lines[2].startswith("warning: SIGTTOU has no effect here")


def test_a_loop_that_cannot_be_woken_any_more_ends_nothing() -> None:
    def kick() -> None:
        raise RuntimeError("Event loop is closed")

    server = Served(kick=kick)
    with Signals().to(server):
        os.kill(os.getpid(), signal.SIGHUP)
        eventually(lambda: server.reloads == 1)


def test_the_service_manager_is_told_the_end_of_a_reload_that_raises(monkeypatch: Any) -> None:
    told: list[str] = []
    monkeypatch.setattr("anylane_backends.hosting.signals.notify", told.append)
    server = Served(ValueError("broken"))
    with Signals().to(server):
        os.kill(os.getpid(), signal.SIGHUP)
        eventually(lambda: told == ["READY=1"])
