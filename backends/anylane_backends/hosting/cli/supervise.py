"""Serving in workers under a supervisor. They come by fork(), so this needs a POSIX system."""

from __future__ import annotations

import math
import os
import platform
import socket
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from anylane.config.loading import PLACES
from anylane.config.run_settings import RunSettings
from anylane.errors import ConfigError
from anylane.lane.server_core import ServerCore
from anylane_backends.hosting import process
from anylane_backends.hosting.cli.alone import load, serve
from anylane_backends.hosting.cli.app_loading import CannotStart
from anylane_backends.hosting.cli.launch import Launch
from anylane_backends.hosting.cli.log_setup import set_up_logging, warn_of_several_processes
from anylane_backends.hosting.loading import BackendError, load_backend
from anylane_backends.hosting.messages import log, say, url_of
from anylane_backends.hosting.server import Server, tls_of
from anylane_backends.hosting.signals import LAST_RESORT, say_reopened
from anylane_backends.hosting.supervision.heartbeat import patience_of
from anylane_backends.hosting.supervision.lead import SharedLead
from anylane_backends.hosting.supervision.service import Post
from anylane_backends.hosting.supervision.supervisor import Supervisor
from anylane_backends.hosting.supervision.takeover import hand_over
from anylane_backends.hosting.system.privileges import PrivilegesError
from anylane_backends.hosting.systemd import notify, notify_starting
from anylane_backends.hosting.unapplied import unapplied
from anylane_backends.sockets.listening import BindError, Listener, close
from anylane_backends.sockets.spread import Share, Spread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anylane_backends.hosting.cli.options import Options


def supervise(options: Options, environ: Mapping[str, str]) -> NoReturn:
    """Serve in worker processes until a signal, then exit with their status. environ: what this
    process was started with."""
    told = options.run
    if told.reload:
        _check_watching(told)
    launch = Launch(options, environ)
    listeners = launch.bind(options.config)
    try:
        service = Command(options, launch, listeners)
        status = Supervisor(
            options.workers,
            service,
            spread=service.spread,
            # --reload is for those who work on the code.
            patience=patience_of(told.worker_timeout, told.start_timeout, debugged=told.reload),
            bounds=lambda: service.options.bounds,
            watches=told.reload,
        ).run()
    finally:
        close(listeners, unlink=launch.unlinks)
        launch.ended()
    sys.exit(status)


class Command:
    """The command as a supervisor's `Service`. options: as they were read last."""

    def __init__(self, options: Options, launch: Launch, listeners: list[socket.socket]) -> None:
        self.options: Options = options
        self.spread: Spread = Spread(2 * options.workers + _SPARE_ROWS)
        self.spread.workers = options.workers
        self._first = options
        self._launch = launch
        self._listeners = listeners
        self._lead = SharedLead(-1 if launch.takeover is None else launch.takeover.lead)

    # -- in other processes

    def work(self, post: Post) -> None:
        for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
            os.environ.pop(name, None)  # The supervisor speaks for all.
        identity = self._launch.identity
        try:
            # Again: files of its own, and not the supervisor's descriptors.
            set_up_logging(self.options, instead_of=self.options)
            tls = tls_of(self.options.config)
            if identity is not None:
                identity.assume()
            serve(
                self.options,
                load(self.options.run),
                self._listeners,
                tls=tls,
                prepare=partial(self._prepare, post),
                ready=partial(self._ready, post),
            )
        except (ConfigError, CannotStart, BackendError, BindError, PrivilegesError) as exc:
            process.fail(exc.__cause__ or exc, str(exc))

    def _prepare(self, post: Post, server: Server) -> None:
        core = server.core
        core.number, core.workers = post.number, self.spread.workers
        core.schedule.lead = self._lead
        if post.row is None:
            return
        share = Share(self.spread, post.row)
        for each in self._listeners:
            assert isinstance(each, Listener)
            each.share = share
        core.status.watch(partial(_tell, share, self.spread, core))

    def _ready(self, post: Post, server: Server) -> None:
        server.core.status.changed()  # It has no connection yet, and is to have the next ones.
        post.ready(server.core)

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

    def accepts(self) -> None:
        told, config = self._first.run, self._first.config
        urls = " ".join(url_of(each, config) for each in self._listeners)
        workers = self._first.workers
        count = f"{workers} workers, " if workers > 1 or told.workers == "auto" else ""
        if told.workers == "auto":
            count = f"auto: {count}"
        say(f"anylane on {urls} ({told.backend}, {count}Python {platform.python_version()})")
        for each in unapplied(config, load_backend(told.backend), self._listeners):
            log("warning", each, None)
        if (told.worker_timeout or math.inf) < config.request_timeout:
            log("warning", short_worker_timeout(self._first), None)
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


def _tell(share: Share, spread: Spread, core: ServerCore) -> None:
    share.tell(None if core.draining else core.places.open)
    core.workers = spread.workers


def short_worker_timeout(options: Options) -> str:
    """Return what to know of a worker timeout under the request timeout."""
    return (
        f"worker_timeout ({options.run.worker_timeout:g} s) is under request_timeout "
        f"({options.config.request_timeout:g} s): a worker is replaced while its handlers may "
        "still answer in time"
    )


_FIXED = ("workers", "worker_timeout", "start_timeout", "pidfile", "ready_file", "user", "group",
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
