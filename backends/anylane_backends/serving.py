"""Starting and stopping servers: loading a backend, binding, signals, threads of their own."""

from __future__ import annotations

import logging
import os
import platform
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from anylane.app import App
from anylane.config import ServerConfig
from anylane.server import Backend, Log, ServerCore, Wrap
from anylane_backends._sockets import BindError, bind

logger = logging.getLogger("anylane")


class BackendError(Exception):
    """There is no such backend, or it cannot be loaded; the message says what to do."""


class HttpDate:
    """The Date header's value, made once a second."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._second = -1
        self._value = b""

    def __call__(self) -> bytes:
        second = int(self._clock())
        if second != self._second:
            self._value = formatdate(second, usegmt=True).encode("ascii")
            self._second = second
        return self._value


def backends() -> dict[str, EntryPoint]:
    """Every installed backend by name."""
    return {each.name: each for each in entry_points(group="anylane.backends")}


def load_backend(name: str) -> Backend:
    """The backend of that name, or of `package.module:Class`. Raises BackendError."""
    known = backends()
    if ":" in name:
        entry = EntryPoint(name, name, "anylane.backends")
    elif name in known:
        entry = known[name]
    else:
        raise BackendError(
            f"there is no backend {name!r}; installed are {', '.join(sorted(known))}, "
            "and package.module:Class names any other"
        )
    try:
        backend: Backend = entry.load()()
        check = getattr(backend, "check", None)
        if check is not None:
            check()
    except ImportError as exc:
        raise BackendError(
            f"backend {name!r} needs {exc.name or exc}: pip install 'anylane[{name}]'"
        ) from exc
    except AttributeError as exc:
        raise BackendError(f"backend {name!r} cannot be loaded: {exc}") from exc
    return backend


def log(level: str, message: str, error: BaseException | None) -> None:
    """What the core reports, through the standard library."""
    logger.log(logging.getLevelNamesMapping()[level.upper()], message, exc_info=error)


class Server:
    """One app on one backend in a thread of its own; any number of them in a process.

    Binds when it is made, so that a used port fails at once and `addresses` is known.
    """

    def __init__(
        self,
        app: App,
        config: ServerConfig | None = None,
        backend: str | Backend = "asyncio",
        *,
        date: Callable[[], bytes] | None = None,
        log: Log = log,
    ) -> None:
        self.config = config or ServerConfig()
        self.backend = load_backend(backend) if isinstance(backend, str) else backend
        self.core = ServerCore(
            app,
            self.config,
            date=date or HttpDate(),
            token=os.urandom,
            log=log,
            lane=self.backend.name,
            spool=tempfile.TemporaryFile,
            wrap=_tls(self.config),
        )
        self.core.listeners = bind(self.config)
        self.addresses = [listener.getsockname() for listener in self.core.listeners]
        """Where it listens, as the socket module gives addresses."""
        self.core.ready = self._on_ready
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        """Serve in this thread until `shutdown`."""
        try:
            self.backend.run(self.core)
        finally:
            for listener in self.core.listeners:
                listener.close()

    def start(self) -> Server:
        """Serve in a thread of its own; `wait_ready` next."""
        self._thread = threading.Thread(target=self._run, name=f"anylane {self.backend.name}")
        self._thread.start()
        return self

    def wait_ready(self, timeout: float | None = 10) -> Server:
        """Returns once it accepts; raises what startup raised, TimeoutError when late."""
        if not self._ready.wait(timeout):
            raise TimeoutError(f"the server was not ready within {timeout} seconds")
        if self._error is not None:
            raise self._error
        return self

    def shutdown(self, grace: float | None = None) -> None:
        """Drain, from any thread. grace: seconds until what still runs is aborted; without it
        `Timeouts.drain` decides."""
        self.core.request_shutdown()
        if grace is not None:
            timer = threading.Timer(grace, lambda: self.core.wakes.put(self.core.abort))
            timer.daemon = True
            timer.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Until it has ended; False when it has not within `timeout` seconds."""
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _on_ready(self) -> None:
        self._ready.set()

    def _run(self) -> None:
        try:
            self.run()
        except BaseException as exc:  # noqa: BLE001  # `wait_ready` raises it
            self._error = exc
            if self._ready.is_set():
                log("error", f"the server failed: {exc!r}", exc)
        finally:
            self._ready.set()


def run(app: App, config: ServerConfig, backend: str) -> None:
    """Serve until SIGINT or SIGTERM drains; a second one aborts. Startup errors exit with 3."""
    try:
        server = Server(app, config, backend)
    except (BackendError, BindError) as exc:
        sys.exit(_fail(str(exc)))
    core = server.core

    def announce() -> None:
        scheme = "http" if server.config.ssl_certfile is None else "https"
        urls = " ".join(_url(listener, scheme) for listener in core.listeners)
        version = platform.python_version()
        print(f"anylane on {urls} ({server.backend.name}, Python {version})", flush=True)

    def on_signal(_number: int, _frame: Any) -> None:
        if core.draining:
            core.wakes.put(core.abort)
        else:
            core.request_shutdown()

    core.ready = announce
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    server.run()


def _fail(message: str) -> int:
    print(f"anylane: {message}", file=sys.stderr)
    return 3


def _url(listener: socket.socket, scheme: str) -> str:
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _tls(config: ServerConfig) -> Wrap | None:
    """The layer of TLS, where a certificate is configured. Raises TlsError, a BindError."""
    if config.ssl_certfile is None:
        return None
    from anylane_backends import _tls

    return _tls.wrap(config)
