"""Serving in this process, on any system."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from anylane.config.run_settings import RunSettings
from anylane_backends.hosting import process
from anylane_backends.hosting.cli.app_loading import load_app
from anylane_backends.hosting.cli.launch import Launch
from anylane_backends.hosting.cli.log_lines import log_access
from anylane_backends.hosting.loading import load_backend
from anylane_backends.hosting.server import Server, tls_of
from anylane_backends.sockets.listening import close

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anylane_backends.hosting.cli.options import Options


def serve_alone(options: Options, environ: Mapping[str, str]) -> None:
    """Serve in this process until a signal. environ: what it was started with."""
    launch = Launch(options, environ)
    # With another user or group, the app's own code runs only once the process has become that.
    app = load(options.run) if launch.identity is None else None
    load_backend(options.run.backend)
    listeners = launch.bind(options.config)

    def prepare(server: Server) -> None:
        def idle() -> None:
            launch.drains()
            close(listeners, unlink=launch.unlinks)

        server.core.on_listeners_idle = idle

    def ready(server: Server) -> None:
        process.announce(server)
        launch.accepts()

    try:
        tls = tls_of(options.config)
        if launch.identity is not None:
            launch.identity.assume()
        app = load(options.run) if app is None else app
        serve(options, app, listeners, tls=tls, prepare=prepare, ready=ready)
    finally:
        close(listeners, unlink=launch.unlinks)
        launch.ended()


def serve(options: Options, app: Any, listeners: list[socket.socket], **hooks: Any) -> None:
    """Serve in this process. hooks: what else `process.run` takes."""
    if options.run.access_log:
        hooks["access"] = log_access
    process.run(app, options.config, options.run.backend, listeners=listeners, **hooks)


def load(run: RunSettings) -> Any:
    """Return the app. Raise CannotStart."""
    assert run.app is not None  # Options raises ConfigError without one.
    return load_app(run.app, app_dir=run.app_dir, factory=run.factory)
