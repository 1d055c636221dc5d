"""Serving in this process, or in workers under a supervisor."""

from __future__ import annotations

import math
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anylane.config.loading import PLACES
from anylane.config.run_settings import RunSettings
from anylane.errors import ConfigError
from anylane_backends.hosting import process
from anylane_backends.hosting.cli.app_loading import CannotStart, load_app
from anylane_backends.hosting.cli.log_lines import log_access
from anylane_backends.hosting.cli.log_setup import set_up_logging, warn_of_several_processes
from anylane_backends.hosting.heartbeat import Living, Patience
from anylane_backends.hosting.lead import SharedLead
from anylane_backends.hosting.loading import BackendError, load_backend
from anylane_backends.hosting.messages import log, say, url_of
from anylane_backends.hosting.server import Server
from anylane_backends.hosting.signals import LAST_RESORT
from anylane_backends.hosting.supervisor import Supervisor
from anylane_backends.hosting.systemd import notify
from anylane_backends.hosting.unapplied import unapplied
from anylane_backends.sockets.listening import bind, close

if TYPE_CHECKING:
    from anylane_backends.hosting.cli.options import Options


def serve(options: Options, **hooks: Any) -> None:
    """Serve in this process until a signal. hooks: what else `process.run` takes."""
    told = options.run
    if told.access_log:
        hooks["access"] = log_access
    assert told.app is not None  # Options raises ConfigError without one.
    app = load_app(told.app, app_dir=told.app_dir, factory=told.factory)
    process.run(app, options.config, told.backend, **hooks)


def supervise(options: Options) -> None:
    """Serve in worker processes until a signal, then exit with their status."""
    told = options.run
    current = options
    watch = _watcher(told) if told.reload else None
    listeners = bind(options.config)
    lead = SharedLead()

    def work(ready: Callable[[Living], None]) -> None:
        def accepts(server: Server) -> None:
            server.core.workers = told.workers
            ready(server.core)

        os.environ.pop("NOTIFY_SOCKET", None)  # The supervisor speaks for all.
        try:
            # Again: files of its own, and not the supervisor's descriptors.
            set_up_logging(current, instead_of=current)
            serve(current, listeners=listeners, lead=lead, ready=accepts)
        except (ConfigError, CannotStart, BackendError) as exc:
            process.fail(exc.__cause__ or exc, str(exc))

    def announce() -> None:
        urls = " ".join(url_of(each, options.config) for each in listeners)
        count = f"{told.workers} workers, " if told.workers > 1 else ""
        python = platform.python_version()
        say(f"anylane on {urls} ({told.backend}, {count}Python {python})")
        for each in unapplied(options.config, load_backend(told.backend), listeners):
            log("warning", each, None)
        if (told.worker_timeout or math.inf) < options.config.request_timeout:
            log("warning", short_worker_timeout(options), None)
        warn_of_several_processes(options)
        notify("READY=1")

    def reread() -> bool:
        nonlocal current
        try:
            fresh = current.reread()
            set_up_logging(fresh, instead_of=current)
        except (ConfigError, CannotStart) as exc:
            log("error", f"the settings stay as they were: {exc}", None)
            return False
        for name in fixed_that_differ(options, fresh):
            log("warning", f"{name} has changed: that needs a restart", None)
        warn_of_several_processes(fresh)
        current = fresh
        return True

    try:
        status = Supervisor(
            told.workers,
            work,
            announce=announce,
            # The supervisor's copies too: while one is open, clients wait in a backlog that no
            # process accepts from.
            stopping=lambda: close(listeners, unlink=True),
            log=lambda level, message: log(level, message, None),
            drain=lambda: current.config.timeouts.drain + LAST_RESORT,
            close=lambda: current.config.timeouts.close,
            # A debugger stops the loop, too, and --reload is for those who work on the code.
            patience=None
            if told.reload and told.worker_timeout is None
            else Patience(told.worker_timeout),
            reread=reread,
            watch=watch,
        ).run()
    finally:
        close(listeners, unlink=True)
    sys.exit(status)


def short_worker_timeout(options: Options) -> str:
    """Return what to know of a worker timeout under the request timeout."""
    return (
        f"worker_timeout ({options.run.worker_timeout:g} s) is under request_timeout "
        f"({options.config.request_timeout:g} s): a worker is replaced while its handlers may "
        "still answer in time"
    )


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
        *(
            name
            for name in ("workers", "worker_timeout", "reload", "reload_dir")
            if getattr(old.run, name) != getattr(new.run, name)
        ),
    ]


def _watcher(run: RunSettings) -> Callable[[int], None]:
    try:
        import watchfiles
    except ImportError as exc:
        raise CannotStart("--reload needs watchfiles: pip install 'anylane[reload]'") from exc
    folder = run.reload_dir or run.app_dir
    if not Path(folder).is_dir():
        raise CannotStart(f"--reload cannot watch {folder!r}: there is no such folder")
    import signal

    def watch(supervisor: int) -> None:
        for _ in watchfiles.watch(folder, watch_filter=watchfiles.PythonFilter()):
            os.kill(supervisor, signal.SIGHUP)

    return watch
