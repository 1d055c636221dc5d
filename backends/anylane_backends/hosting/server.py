"""A server in this process: it binds, serves on a backend, and can be stopped from any thread."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from anylane.app import App, check_served
from anylane.config.server_config import ServerConfig
from anylane.errors import Cancelled, UsageError
from anylane.http.headers import http_date
from anylane.lane.backend import Backend
from anylane.lane.host import Log
from anylane.lane.server_core import Access, ServerCore
from anylane.shown import shown
from anylane_backends.hosting.loading import checked, load_backend
from anylane_backends.hosting.messages import log as logging_log
from anylane_backends.hosting.messages import url_of, write_access_line
from anylane_backends.hosting.unapplied import unapplied
from anylane_backends.sockets.listening import bind, close

if TYPE_CHECKING:
    from anylane_backends.tls.layer import TlsLayer


def date_now() -> bytes:
    """Return the value of the Date header for this moment (RFC 9110 §6.6.1)."""
    return http_date(datetime.now(UTC)).encode("ascii")


class Server:
    """One app on one backend in a thread of its own; any number of them in a process.

    It binds when it is made, so that a used port fails at once and `addresses` is known; the
    startup hooks run later. Its listeners are closed at the end, however it ends. Call `start`,
    `run` or `serve` next, once.

    date: returns the value of the Date header, `date_now` by default. log: as `messages.log`.
    attached: called in the backend's loop, before the startup hooks.
    ready: called with the server once it accepts, on its own thread. access: called after each
    exchange. listeners: sockets that are bound already; the files of unix sockets among them are
    left to the caller. tls: as `tls_of` gives it, with a certificate that was read before.
    Raises BindError, BackendError, and UsageError if the app cannot be served.
    """

    def __init__(
        self,
        app: App,
        config: ServerConfig | None = None,
        backend: str | Backend = "asyncio",
        *,
        date: Callable[[], bytes] | None = None,
        log: Log = logging_log,
        attached: Callable[[], None] | None = None,
        ready: Callable[[Server], None] | None = None,
        access: Callable[[Access], None] | None = None,
        listeners: list[socket.socket] | None = None,
        tls: TlsLayer | None = None,
    ) -> None:
        self.config: ServerConfig = ServerConfig() if config is None else config
        check_served(app, self.config)
        self.backend: Backend = (
            load_backend(backend)
            if isinstance(backend, str)
            else checked(backend, f"{backend!r:.80}")
        )
        self._tls = tls_of(self.config) if tls is None else tls
        self.core: ServerCore = ServerCore(
            app.freeze(),
            self.config,
            time=time.time,
            date=date or date_now,
            token=os.urandom,
            log=log,
            lane=self.backend.name,
            spool=tempfile.TemporaryFile,
            wrap=self._tls,
        )
        self.core.access = access
        if log is logging_log:
            self.core.access_line = write_access_line
        self._unlink = listeners is None
        self.core.listeners = bind(self.config) if listeners is None else listeners
        self.core.on_ready = self._on_ready
        if attached is not None:
            self.core.attached = attached
        self.core.on_listeners_idle = lambda: close(self.core.listeners, unlink=self._unlink)
        self.was_ready: bool = False
        self._when_ready = ready
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._began = False
        self._grace: threading.Timer | None = None
        self._error: BaseException | None = None

    @property
    def addresses(self) -> list[Any]:
        """Return where it listens, as `socket.getsockname()` does; nothing once it drains."""
        return [each.getsockname() for each in self.core.listeners if each.fileno() >= 0]

    @property
    def urls(self) -> list[str]:
        """Return where it listens, as people write it: "http://127.0.0.1:8000"."""
        return [url_of(listener, self.config) for listener in self.core.listeners]

    def run(self) -> None:
        """Serve in this thread until `shutdown`. Raises what a startup hook raises.

        `shutdown` gives up a start that is not over; then `was_ready` stays False.
        """
        self._began = True
        try:
            with self._given_up():
                self.backend.run(self.core)
        finally:
            self._end()

    async def serve(self) -> None:
        """Serve inside the running loop, which must be the backend's, until `shutdown`.

        A native cancellation ends it at once: connections are aborted, shutdown hooks still run.
        """
        self._began = True
        try:
            with self._given_up():
                await self.backend.serve(self.core)
        finally:
            self._end()

    @contextmanager
    def _given_up(self) -> Generator[None]:
        """Swallow what says that the start was given up."""
        try:
            yield
        except Cancelled:
            if self.was_ready or not self.core.told_to_stop:
                raise

    def start(self) -> Server:
        """Serve in a thread of its own, and return at once. Call `wait_ready` next.

        Raises UsageError if it has been started already.
        """
        if self._began:
            raise UsageError("a Server serves once; make another")
        self._began = True
        self._thread = threading.Thread(target=self._run, name=f"anylane {self.backend.name}")
        self._thread.start()
        return self

    def wait_ready(self, timeout: float | None = 10) -> Server:
        """Return once it accepts. timeout: seconds; None waits as long as it takes.

        Raises what a startup hook raised, TimeoutError if it is late, and RuntimeError if it was
        shut down before.
        """
        if not self._ready.wait(timeout):
            raise TimeoutError(f"the server was not ready within {timeout} seconds")
        if self._error is not None:
            raise self._error
        if not self.was_ready:
            raise RuntimeError("the server was shut down before it was ready")
        return self

    def shutdown(self, grace: float | None = None) -> None:
        """Begin to drain, from any thread, and return at once. Call `wait` next.

        grace: seconds until what still runs is aborted; without it `Timeouts.drain` decides.
        """
        self.core.request_shutdown()
        if not self._began:  # No backend runs that would close the listeners.
            self._end()
        elif grace is not None:
            self._grace = threading.Timer(grace, lambda: self.core.wakes.put(self.core.abort))
            with suppress(RuntimeError):  # A subinterpreter refuses daemons (PEP 684).
                self._grace.daemon = True
            self._grace.start()

    def reload(self) -> bool:
        """Read the certificate's files again, from any thread. Return False without TLS.

        Handshakes from now on use the new certificate, and connections stay as they are. Raises
        BindError if the files cannot be used; the server keeps the certificate that it had.
        """
        if self._tls is None:
            return False
        self._tls.reload()
        return True

    @property
    def unapplied(self) -> list[str]:
        """Return a sentence for each setting of the configuration that has no effect here."""
        return list(unapplied(self.config, self.backend, self.core.listeners))

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until its thread has ended. Return False if that takes over `timeout` seconds."""
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _on_ready(self) -> None:
        self.was_ready = True
        self._ready.set()
        if self._when_ready is not None:
            self._when_ready(self)

    def _end(self) -> None:
        close(self.core.listeners, unlink=self._unlink)
        if self._grace is not None:
            self._grace.cancel()

    def _run(self) -> None:
        try:
            self.run()
        except BaseException as exc:  # noqa: BLE001  # `wait_ready` raises it
            self._error = exc
            if self.was_ready:
                self.core.log("error", f"the server failed: {shown(exc, 1000)}", exc)
        finally:
            self._ready.set()


async def serve(
    app: App,
    config: ServerConfig | None = None,
    *,
    ready: Callable[[Server], None] | None = None,
) -> None:
    """Serve inside the running loop, on the backend that belongs to it, until it is cancelled.

    The loop is asyncio's, uvloop's, trio's or curio's; under anyio it is the one that anyio runs
    on. ready: called with the Server once it accepts; its `addresses` say where, its `shutdown`
    drains. Signals are left to the caller. Raises BindError, UsageError without a running loop,
    and what startup hooks raise.
    """
    await Server(app, config, running_backend(), ready=ready).serve()


def running_backend() -> str:
    """Return the name of the backend for the loop that runs here. Raises UsageError without one."""
    name = running_loop()
    if name is None:
        raise UsageError(
            "serve() needs a running loop; without one use Server(...).start() or app.run()"
        )
    return name


def running_loop() -> str | None:
    """Return the name of the backend for the loop that runs here, None if no loop does."""
    if in_trio():
        return "trio"
    curio = sys.modules.get("curio.meta")
    if curio is not None and curio.curio_running():
        return "curio"
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None:
        with suppress(RuntimeError):
            loop = asyncio.get_running_loop()
            return "uvloop" if type(loop).__module__.startswith("uvloop") else "asyncio"
    return None


def in_trio() -> bool:
    """Return whether the loop that runs here is one of trio."""
    trio = sys.modules.get("trio")  # Only a library that is loaded can be running.
    return trio is not None and bool(trio.lowlevel.in_trio_run())


def tls_of(config: ServerConfig) -> TlsLayer | None:
    """Return the layer of TLS, None without a certificate. Raises TlsError, a BindError."""
    if config.ssl_certfile is None:
        return None
    from anylane_backends.tls.layer import wrap

    return wrap(config)
