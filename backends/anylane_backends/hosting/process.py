"""Serving in this process until a signal, and the lines that the user sees."""

from __future__ import annotations

import logging
import platform
import socket
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from anylane.app import App
from anylane.config.server_config import ServerConfig
from anylane.errors import AnylaneError, UsageError
from anylane.lane.server_core import Access
from anylane_backends.hosting.loading import BackendError, full_name
from anylane_backends.hosting.messages import describe, logger, one_line, say
from anylane_backends.hosting.server import Server, running_loop
from anylane_backends.hosting.signals import Signals
from anylane_backends.hosting.system.watchdog import Watchdog
from anylane_backends.hosting.systemd import notify
from anylane_backends.sockets.listening import BindError

if TYPE_CHECKING:
    from anylane_backends.hosting.interpreters.orders import Orders
    from anylane_backends.tls.layer import TlsLayer


def run(
    app: App,
    config: ServerConfig,
    backend: str = "asyncio",
    *,
    listeners: list[socket.socket] | None = None,
    ready: Callable[[Server], None] | None = None,
    access: Callable[[Access], None] | None = None,
    tls: TlsLayer | None = None,
    prepare: Callable[[Server], None] | None = None,
    signals: Signals | Orders | None = None,
) -> None:
    """Serve in this process until SIGINT or SIGTERM drains the server; a second one aborts it.

    During the start they give the start up: what was set up is run down again.

    prepare: called with the Server before it starts. listeners, access, tls: as for Server. ready:
    called with the Server once it accepts, instead of `announce`. signals: what takes the place of
    this process's. Exits with 3, and one line that says why, if the server cannot start; with 1 if
    handlers still block after the drain deadline, or after an abort. Raises UsageError inside a
    running loop.
    """
    if (loop := running_loop()) is not None:
        raise UsageError(
            f"app.run() blocks, and {loop} is running here already; use `await anylane.serve(app, "
            "config)`, or Server(app, config).start() for a thread of its own"
        )
    signals = Signals() if signals is None else signals
    try:
        server = Server(
            app,
            config,
            backend,
            listeners=listeners,
            attached=signals.listen,
            ready=ready or announce,
            access=access,
            tls=tls,
        )
    except (BackendError, BindError, AnylaneError) as exc:
        fail(exc)
    if prepare is not None:
        prepare(server)
    with signals.to(server):
        try:
            server.run()
        except Exception as exc:
            if server.was_ready:
                raise
            fail(exc, f"startup failed: {describe(exc)}; fix it, then start again")
        if not server.was_ready:
            say("anylane: told to stop before the start was over: it was given up", error=True)


def announce(server: Server) -> None:
    """Print the line that says where the server is, warn of settings without effect, and tell the
    service manager."""
    version = platform.python_version()
    say(f"anylane on {' '.join(server.urls)} ({full_name(server.backend)}, Python {version})")
    for each in server.unapplied:
        server.core.log("warning", each, None)
    notify("READY=1")
    Watchdog(server.core.wakes).start()


def fail(error: BaseException, message: str | None = None) -> NoReturn:
    """Print one line on standard error, and exit with 3. Log level debug adds the traceback.

    message: the line, instead of the error's own text.
    """
    if logger.isEnabledFor(logging.DEBUG):
        traceback.print_exception(error)
    say(f"anylane: {one_line(message or str(error))}", error=True)
    sys.exit(3)
