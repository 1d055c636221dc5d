"""What workers that are interpreters are made of, and what a Python without them says."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from anylane.config.run_settings import RunSettings
from anylane.config.server_config import ServerConfig
from anylane.errors import ConfigError, UsageError
from anylane_backends.hosting.cli import interpreter_main
from anylane_backends.hosting.cli.options import Options
from anylane_backends.hosting.interpreters import isolated
from anylane_backends.hosting.interpreters.interpreter_workers import InterpreterWorkers
from anylane_backends.hosting.interpreters.orders import Orders
from anylane_backends.hosting.interpreters.token_lead import TokenLead, make_token
from anylane_backends.hosting.loading import BackendError, load_backend
from anylane_backends.hosting.supervision.heartbeat import Patience
from anylane_backends.hosting.supervision.recycling import Bounds
from anylane_backends.hosting.supervision.service import Post
from anylane_backends.hosting.system.anonymous_file import anonymous_file
from anylane_backends.sockets.listening import bind, close
from anylane_backends.sockets.spread import Share, Spread
from anylane_backends.sockets.wakeup import WakeupSocketpair
from tests.backends.hosting.invoked import invoked
from tests.waiting import eventually

needs_interpreters = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="interpreters have a lock of their own since Python 3.12"
)


def test_a_python_without_them_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.version_info >= (3, 12):  # An implementation that is not CPython, for example.

        def missing() -> None:
            raise ModuleNotFoundError("No module named '_interpreters'")

        monkeypatch.setattr(isolated, "_module", missing)
    monkeypatch.setattr("platform.python_version", lambda: "3.x")
    done = invoked("run", "main:app", "--worker-kind", "interpreter", "--workers", "2")
    assert done.exit_code == 3
    assert done.stderr == (
        "anylane: worker_kind interpreter needs Python 3.12 or later, built as CPython has it; "
        "this is CPython 3.x: use such a Python, or worker_kind process\n"
    )


def test_the_kind_comes_from_flag_variable_and_file(tmp_path, monkeypatch) -> None:
    assert Options({"app": "a:b"}).run.worker_kind == "process"
    file = tmp_path / "settings.toml"
    file.write_text('[run]\nworker_kind = "interpreter"\n', encoding="utf-8")
    told = Options({"app": "a:b", "config": str(file)})
    assert told.interpreters
    assert told.supervised  # One alone, too: it is not the process that serves.
    monkeypatch.setenv("ANYLANE_WORKER_KIND", "interpreter")
    assert Options({"app": "a:b"}).interpreters
    assert not Options({"app": "a:b", "worker_kind": "process"}).interpreters


def test_another_kind_and_memory_of_one_worker_are_refused() -> None:
    with pytest.raises(ConfigError, match="worker_kind is 'thread'; expected one of process, int"):
        RunSettings(worker_kind="thread")
    with pytest.raises(ConfigError, match=r"^max_memory is 2097152 with worker_kind interpreter"):
        RunSettings(worker_kind="interpreter", max_memory=2 << 20)


REFUSED = ImportError("module fast.json does not support loading in subinterpreters")


def test_a_module_that_refuses_interpreters_is_told_apart() -> None:
    assert isolated.is_refused(REFUSED)
    wrapped = ValueError("it needs fast")
    assert not isolated.is_refused(wrapped)
    wrapped.__cause__ = REFUSED
    assert isolated.is_refused(wrapped)
    assert isolated.is_refused(UsageError(f"JWTAuth needs fast, which cannot be used: {REFUSED}"))
    assert not isolated.is_refused(ImportError("no module fast"))
    assert not isolated.is_refused(ValueError("subinterpreters"))


def test_whatever_an_import_raises_is_looked_through() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert not isolated.is_refused(first)

    class Mute(ImportError):
        def __str__(self) -> str:
            raise ValueError

    assert not isolated.is_refused(Mute())


def test_a_backend_that_refuses_them_is_not_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise REFUSED

    monkeypatch.setattr("importlib.metadata.EntryPoint.load", refuse)
    with pytest.raises(BackendError, match=r"'uvloop' cannot be used in an interpreter \(module f"):
        load_backend("uvloop")


def test_the_token_is_one_workers_at_a_time() -> None:
    token = make_token()
    first, second = TokenLead(token), TokenLead(token)
    assert first.take()
    assert first.take()
    assert not second.take()
    second.release()  # It has none to give.
    assert not second.take()
    first.release()
    assert second.take()
    assert not first.take()
    for each in token:
        os.close(each)


def test_a_table_is_shared_by_its_file() -> None:
    descriptor = anonymous_file("anylane-test")
    spread = Spread(4, descriptor)
    row = spread.enter()
    assert row is not None
    Share(spread, row).tell(3)
    other = Spread.join(4, descriptor)
    os.close(descriptor)
    assert other.held[row] == 3
    Share(other, row).tell(5)
    spread.workers = 2
    assert (spread.held[row], other.workers) == (5, 2)
    assert other.enter() is None


class Watched:
    """The parts of a `Service` that a workforce uses. The code gets the control's descriptor."""

    def __init__(self, code: str, *more: int) -> None:
        self._code = code
        self._more = more
        self.said: list[str] = []

    def code(self, post: Post, control: int) -> tuple[str, tuple[int, ...]]:
        return self._code.format(control=control), (control, post.news, *self._more)

    def log(self, level: str, message: str) -> None:
        self.said.append(f"{level}: {message}")


def post() -> tuple[Post, int]:
    reader, writer = os.pipe()
    return Post(0, None, writer, Patience(start=None, loop=None, pool=None), Bounds()), reader


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def ended(workforce: InterpreterWorkers, wakeup: WakeupSocketpair) -> list[tuple[int, int]]:
    """Wait until the supervisor is woken, and return which workers have ended."""
    with selectors.DefaultSelector() as selector:
        selector.register(wakeup.reader, selectors.EVENT_READ)
        assert selector.select(20)
    wakeup.drain()
    return list(workforce.ended())


def workforce_of(service: Any) -> tuple[InterpreterWorkers, WakeupSocketpair]:
    wakeup = WakeupSocketpair()
    nursery: Any = None
    return InterpreterWorkers(service, nursery, wakeup), wakeup


@needs_interpreters
def test_an_interpreter_that_fails_at_once_leaves_no_descriptor_open() -> None:
    service = Watched("raise ValueError('it is {control}')")
    workforce, wakeup = workforce_of(service)
    told, news = post()
    worker = workforce.start(told, news)
    assert ended(workforce, wakeup) == [(worker, 1)]
    (line,) = service.said
    assert line.startswith("error: an interpreter failed: ")
    assert "ValueError" in line
    assert os.read(news, 1) == b""  # The other end is closed.
    os.close(news)
    wakeup.close()


@needs_interpreters
def test_an_interpreter_tells_its_exit_code_and_is_told_signals() -> None:
    service = Watched(
        "import os, socket\n"
        "control = socket.socket(fileno={control})\n"
        "control.send(b't')\n"
        "assert control.recv(1) == b'{{signal}}'\n"
        "control.send(b'7')\n"
        "control.close()\n".replace("{{signal}}", f"\\x{signal.SIGTERM:02x}")
    )
    workforce, wakeup = workforce_of(service)
    told, news = post()
    worker = workforce.start(told, news)
    assert list(workforce.ended()) == []
    workforce.tell(worker, signal.SIGKILL)
    workforce.tell(worker, signal.SIGKILL)
    assert len(service.said) == 1
    assert f"worker {worker} cannot be killed" in service.said[0]
    workforce.tell(worker, signal.SIGTERM)
    assert ended(workforce, wakeup) == [(worker, 7)]
    assert len(service.said) == 1
    workforce.tell(worker, signal.SIGTERM)  # It is gone.
    for each in (news, told.news):
        os.close(each)
    wakeup.close()


@needs_interpreters
def test_a_log_that_raises_hides_no_end_from_the_supervisor() -> None:
    class Full(Watched):
        def log(self, level: str, message: str) -> None:
            super().log(level, message)
            raise OSError("full")

    service = Full("raise ValueError")
    workforce, wakeup = workforce_of(service)
    told, news = post()
    workforce.start(told, news)
    with pytest.raises(OSError, match="full"):  # On the supervisor's thread, as all its lines.
        ended(workforce, wakeup)
    assert len(service.said) == 1
    os.close(news)
    wakeup.close()


class Own(BaseException):
    """No Exception."""


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt, Own])
def test_after_an_order_that_raises_anything_the_next_one_works(kind: Any) -> None:
    said: list[str] = []
    stops: list[int] = []

    def log(level: str, message: str, _error: BaseException | None) -> None:
        said.append(f"{level}: {message}")
        if len(said) == 1:
            raise kind("no such thing")

    config = SimpleNamespace(timeouts=SimpleNamespace(drain=30.0))
    core = SimpleNamespace(log=log, config=config, request_shutdown=lambda: stops.append(1))
    server: Any = SimpleNamespace(core=core)
    ours, theirs = socket.socketpair()
    with ours, theirs, Orders(theirs).to(server):
        ours.send(bytes([signal.SIGUSR1]))
        eventually(lambda: len(said) == 2)
        ours.send(bytes([signal.SIGTERM]))
        eventually(lambda: stops)
    assert said[1].startswith("error: a signal could not be obeyed: ")
    assert "no such thing" in said[1]


def failing(error: Exception) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("where", ["socketpair", "thread"])
def test_what_the_system_refuses_is_an_os_error(monkeypatch, where: str) -> None:
    spare = socket.socket()
    service = Watched("", spare.fileno())
    workforce, wakeup = workforce_of(service)
    told, news = post()
    if where == "socketpair":
        monkeypatch.setattr(socket, "socketpair", failing(OSError("none left")))
    else:
        refusal = RuntimeError("can't start new thread")
        monkeypatch.setattr(threading.Thread, "start", failing(refusal))
    with pytest.raises(OSError, match=r"none left|can't start new thread"):
        workforce.start(told, news)
    assert not is_open(told.news)
    assert is_open(spare.fileno()) == (where == "socketpair")
    spare.detach() if where == "thread" else spare.close()
    os.close(news)
    wakeup.close()


def test_listeners_that_cannot_be_shared_are_none_at_all(monkeypatch) -> None:
    listeners = bind(ServerConfig(bind=("127.0.0.1:0", "127.0.0.1:0")))
    made: list[int] = []
    dup = os.dup

    def once(descriptor: int) -> int:
        if made:
            raise OSError("no descriptor left")
        made.append(dup(descriptor))
        return made[0]

    monkeypatch.setattr(os, "dup", once)
    told, news = post()
    with pytest.raises(OSError, match="no descriptor left"):
        interpreter_main.code_of(
            Options({"app": "a:b"}), told, 0, listeners=listeners, spread=Spread(1), token=(0, 0)
        )
    assert not is_open(made[0])
    assert all(is_open(each.fileno()) for each in listeners)
    close(listeners, unlink=False)
    for each in (news, told.news):
        os.close(each)
