"""Serving in workers under a supervisor. They come by fork(), so this needs a POSIX system."""

from __future__ import annotations

import math
import os
import platform
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from anylane.config.loading import PLACES
from anylane.config.run_settings import RunSettings
from anylane.errors import ConfigError
from anylane_backends.hosting.cli.app_loading import CannotStart
from anylane_backends.hosting.cli.interpreter_main import code_of
from anylane_backends.hosting.cli.launch import Launch
from anylane_backends.hosting.cli.log_setup import set_up_logging, warn_of_several_processes
from anylane_backends.hosting.cli.worker import Work
from anylane_backends.hosting.interpreters.interpreter_workers import InterpreterWorkers
from anylane_backends.hosting.interpreters.isolated import check_interpreters
from anylane_backends.hosting.interpreters.token_lead import make_token
from anylane_backends.hosting.loading import load_backend, loop_of
from anylane_backends.hosting.messages import log, say, url_of
from anylane_backends.hosting.signals import LAST_RESORT, say_reopened
from anylane_backends.hosting.supervision.child import exit_at_once, status_after
from anylane_backends.hosting.supervision.heartbeat import patience_of
from anylane_backends.hosting.supervision.lead import SharedLead
from anylane_backends.hosting.supervision.service import Post
from anylane_backends.hosting.supervision.supervisor import Supervisor
from anylane_backends.hosting.supervision.takeover import hand_over
from anylane_backends.hosting.supervision.workforce import Processes
from anylane_backends.hosting.system.anonymous_file import anonymous_file
from anylane_backends.hosting.systemd import notify, notify_starting
from anylane_backends.hosting.unapplied import unapplied
from anylane_backends.sockets.listening import close
from anylane_backends.sockets.spread import Spread

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from anylane_backends.hosting.cli.options import Options


def supervise(options: Options, environ: Mapping[str, str]) -> NoReturn:
    """Serve in workers until a signal, then exit with their status. environ: what this process was
    started with. Raise InterpretersError if they are to be interpreters and there are none."""
    told = options.run
    if options.interpreters:
        check_interpreters()
    if told.reload:
        _check_watching(told)
    launch = Launch(options, environ)
    listeners = launch.bind(options.config)
    try:
        if options.interpreters and launch.identity is not None:
            launch.identity.assume()  # The user is the whole process's.
        service = Command(options, launch, listeners)
        supervisor = Supervisor(
            options.workers,
            service,
            spread=service.spread,
            # --reload is for those who work on the code.
            patience=patience_of(told.worker_timeout, told.start_timeout, debugged=told.reload),
            bounds=lambda: service.options.bounds,
            watches=told.reload,
            workforce=InterpreterWorkers if options.interpreters else Processes,
        )
        status = _supervised(supervisor) if options.interpreters else supervisor.run()
    finally:
        close(listeners, unlink=launch.unlinks)
        launch.ended()
    if options.interpreters:
        # Python cannot end while some of them run, and 3.12.1 ends in "double free" after one has
        # imported ssl.
        exit_at_once(status)
    sys.exit(status)


def _supervised(supervisor: Supervisor) -> int:
    """Return the exit code, whatever the supervisor raises."""
    return status_after(lambda: sys.exit(supervisor.run()))


class Command:
    """The command as a supervisor's `Service`. options: as they were read last."""

    def __init__(self, options: Options, launch: Launch, listeners: list[socket.socket]) -> None:
        self.options: Options = options
        descriptor = anonymous_file("anylane-spread") if options.interpreters else -1
        self.spread: Spread = Spread(2 * options.workers + _SPARE_ROWS, descriptor)
        self.spread.workers = options.workers
        self._first = options
        self._launch = launch
        self._listeners = listeners
        self._lead = SharedLead(-1 if launch.takeover is None else launch.takeover.lead)
        self._token = make_token() if options.interpreters else (-1, -1)

    # -- in other processes

    def work(self, post: Post) -> None:
        for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
            os.environ.pop(name, None)  # The supervisor speaks for all.
        Work(
            self.options,
            listeners=self._listeners,
            spread=self.spread,
            lead=self._lead,
            identity=self._launch.identity,
        ).run(post)

    def watch(self, supervisor: int) -> None:
        import signal

        import watchfiles

        if self._launch.identity is not None:
            self._launch.identity.assume()
        folder = self._first.run.reload_dir or self._first.run.app_dir
        for _ in watchfiles.watch(folder, watch_filter=watchfiles.PythonFilter()):
            os.kill(supervisor, signal.SIGHUP)

    def replace(self, tell: int) -> NoReturn:
        hand_over(
            self._listeners,
            lead=self._lead.descriptor,
            tell=tell,
            environ=self._launch.environ,
            inherited=self._first.inherited,
        )

    # -- in the supervisor

    def starts(self) -> None:
        # A service manager has a bound of its own, which stays unless the operator wants another.
        seconds = self._first.run.start_timeout
        if seconds is not None:
            notify_starting(seconds + self.close() + LAST_RESORT)

    def code(self, post: Post, control: int) -> tuple[str, tuple[int, ...]]:
        return code_of(
            self.options,
            post,
            control,
            listeners=self._listeners,
            spread=self.spread,
            token=self._token,
        )

    def accepts(self) -> None:
        told, config = self._first.run, self._first.config
        urls = " ".join(url_of(each, config) for each in self._listeners)
        workers = self._first.workers
        count = f"{workers} workers, " if workers > 1 or told.workers == "auto" else ""
        if self._first.interpreters:
            count = f"{workers} interpreter{'s' * (workers > 1)}, "
        if told.workers == "auto":
            count = f"auto: {count}"
        backend = load_backend(told.backend)
        loop = loop_of(backend)
        # An interpreter may have another one: uvloop does not load there.
        name = told.backend if not loop or self._first.interpreters else f"{told.backend} on {loop}"
        say(f"anylane on {urls} ({name}, {count}Python {platform.python_version()})")
        for each in unapplied(config, backend, self._listeners):
            log("warning", each, None)
        if (told.worker_timeout or math.inf) < config.request_timeout:
            log("warning", short_worker_timeout(self._first), None)
        if self._first.interpreters:
            for each in of_interpreters(self._first):
                log("warning", each, None)
        warn_of_several_processes(self._first)
        self._launch.accepts()

    def stopping(self) -> None:
        # The supervisor's copies too: while one is open, clients wait in a backlog that no process
        # accepts from.
        self._launch.drains()
        close(self._listeners, unlink=self._launch.unlinks)

    def handed_over(self, pid: int) -> None:
        self._launch.unlinks = False
        notify(f"MAINPID={pid}")

    def reread(self) -> bool:
        try:
            fresh = self.options.reread()
            set_up_logging(fresh, instead_of=self.options)
        except (ConfigError, CannotStart) as exc:
            log("error", f"the settings stay as they were: {exc}", None)
            return False
        for name in fixed_that_differ(self.options, fresh):
            log("warning", f"{name} has changed: that needs a restart", None)
        warn_of_several_processes(fresh)
        self.options = fresh
        return True

    def reopen_logs(self) -> None:
        say_reopened(log)

    def resized(self, workers: int) -> None:
        self.spread.workers = workers

    def log(self, level: str, message: str) -> None:
        log(level, message, None)

    def drain(self) -> float:
        return self.options.config.timeouts.drain + LAST_RESORT

    def close(self) -> float:
        return self.options.config.timeouts.close


_SPARE_ROWS = 64
"""Workers that may drain, hang or be added beside two for each slot, and still have a `Share`."""


def short_worker_timeout(options: Options) -> str:
    """Return what to know of a worker timeout under the request timeout."""
    return (
        f"worker_timeout ({options.run.worker_timeout:g} s) is under request_timeout "
        f"({options.config.request_timeout:g} s): a worker is replaced while its handlers may "
        "still answer in time"
    )


def of_interpreters(options: Options) -> Iterator[str]:
    """Yield what to know of the settings where workers are interpreters."""
    if sys.version_info < (3, 13):
        yield (
            "Python 3.12 is the first with interpreters like these: ctypes and zoneinfo do not "
            "load there, and replacing one may crash (3.12.1); use 3.13 or later"
        )
    if options.run.worker_timeout is not None:
        yield (
            "worker_timeout: an interpreter that hangs is replaced and cannot be killed; it stays "
            "until its handlers end, or the process does"
        )
    if options.bounds or options.run.reload:
        yield (
            "an interpreter that is replaced leaves some 20 MB of memory with the process, which "
            "CPython does not give back"
        )


_FIXED = ("workers", "worker_kind", "worker_timeout", "start_timeout", "pidfile", "ready_file",
          "user", "group",
          "umask", "reload", "reload_dir")  # fmt: skip
"""The settings of the command that are used once, when it starts."""


def fixed_that_differ(old: Options, new: Options) -> list[str]:
    """Return the names of the settings that differ and that only a restart can change, because
    the supervisor uses them once, when it starts."""
    names = [name for place in PLACES for name in sorted(place)]
    return [
        *(
            name
            for name in (*names, "uds_mode", "backlog")
            if getattr(old.config, name) != getattr(new.config, name)
        ),
        *(name for name in _FIXED if getattr(old.run, name) != getattr(new.run, name)),
    ]


def _check_watching(run: RunSettings) -> None:
    if find_spec("watchfiles") is None:
        raise CannotStart("--reload needs watchfiles: pip install 'anylane[reload]'")
    folder = run.reload_dir or run.app_dir
    if not Path(folder).is_dir():
        raise CannotStart(f"--reload cannot watch {folder!r}: there is no such folder")
