"""Starting and stopping servers: loading a backend, binding, signals, threads of their own."""

from __future__ import annotations

import difflib
import logging
import os
import platform
import socket
import sys
import sysconfig
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import anylane
from anylane.app import App, check_served
from anylane.config.server_config import ServerConfig
from anylane.errors import AnylaneError, UsageError
from anylane.lane.backend import Backend
from anylane.lane.server_core import Access, Log, ServerCore
from anylane_backends._listening import BindError, bind, close
from anylane_backends._signals import Signals
from anylane_backends._systemd import notify
from anylane_backends._unapplied import unapplied

if TYPE_CHECKING:
    from anylane_backends._tls import TlsLayer

logger = logging.getLogger("anylane")


class BackendError(AnylaneError):
    """There is no such backend, or it cannot be loaded; the message says what to do."""


def http_dates(clock: Callable[[], float] = time.time) -> Callable[[], bytes]:
    """Gives the Date header's value, made once a second. A closure: it is asked for each response,
    and takes half the time of an object with `__call__`."""
    latest, value = -1, b""

    def date() -> bytes:
        nonlocal latest, value
        second = int(clock())
        if second != latest:
            value = formatdate(second, usegmt=True).encode("ascii")
            latest = second
        return value

    return date


def backends() -> dict[str, EntryPoint]:
    """Every installed backend by name."""
    return {each.name: each for each in entry_points(group="anylane.backends")}


def load_backend(name: str) -> Backend:
    """The backend of that name, or of `package.module:Class`. Raises BackendError."""
    known = backends()
    if ":" in name:
        return _make(EntryPoint(name, name, "anylane.backends"), name, own=False)
    if name in known:
        return _make(known[name], name, own=name in _OURS)
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise BackendError(
        f"there is no backend {name!r}; {hint}installed are {', '.join(sorted(known))}, "
        "and package.module:Class names any other"
    )


_OURS = frozenset(("asyncio", "uvloop", "anyio", "trio", "curio", "threads"))


def installed() -> list[str]:
    """The names of the backends whose libraries are there."""
    names = []
    for name in sorted(backends()):
        try:
            load_backend(name)
        except BackendError:
            continue
        names.append(name)
    return names


def _make(entry: EntryPoint, name: str, *, own: bool) -> Backend:
    try:
        backend: Backend = entry.load()()
        check = getattr(backend, "check", None)
        if check is not None:
            check()
    except ImportError as exc:
        what = exc.name or str(exc)
        do = f"pip install 'anylane[{name}]'" if own else "install it, or check the name"
        raise BackendError(f"backend {name!r} needs {what}: {do}") from exc
    except Exception as exc:
        raise BackendError(f"backend {name!r} cannot be loaded: {describe(exc)}") from exc
    return _checked(backend, repr(name))


def _checked(backend: Backend, shown: str) -> Backend:
    if not (isinstance(getattr(backend, "name", None), str) and hasattr(backend, "run")):
        raise BackendError(
            f"{shown} is no backend: it has no name and run() (anylane.lane.backend.Backend)"
        )
    return backend


def log(level: str, message: str, error: BaseException | None) -> None:
    """What the core reports, through the standard library."""
    logger.log(logging.getLevelNamesMapping()[level.upper()], message, exc_info=error)


class Server:
    """One app on one backend in a thread of its own; any number of them in a process.

    Binds when it is made, so that a used port fails at once (BindError) and `addresses` is known;
    the startup hooks run later. Whatever becomes of it, its listeners are closed at the end.

    ready: called once it accepts, on its own thread. access: called after each exchange.
    listeners: bound by the caller, who keeps the files of unix sockets.
    """

    def __init__(
        self,
        app: App,
        config: ServerConfig | None = None,
        backend: str | Backend = "asyncio",
        *,
        date: Callable[[], bytes] | None = None,
        log: Log = log,
        ready: Callable[[Server], None] | None = None,
        access: Callable[[Access], None] | None = None,
        listeners: list[socket.socket] | None = None,
    ) -> None:
        self.config = ServerConfig() if config is None else config
        check_served(app, self.config)
        self.backend = (
            load_backend(backend)
            if isinstance(backend, str)
            else _checked(backend, f"{backend!r:.80}")
        )
        self._tls = _tls(self.config)
        self.core = ServerCore(
            app,
            self.config,
            date=date or http_dates(),
            token=os.urandom,
            log=log,
            lane=self.backend.name,
            spool=tempfile.TemporaryFile,
            wrap=self._tls,
        )
        self.core.access = access
        self._unlink = listeners is None
        self.core.listeners = bind(self.config) if listeners is None else listeners
        self.core.ready = self._on_ready
        self.core.deaf = lambda: close(self.core.listeners, unlink=self._unlink)
        self.was_ready = False
        self._when_ready = ready
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._began = False
        self._grace: threading.Timer | None = None
        self._error: BaseException | None = None

    @property
    def addresses(self) -> list[Any]:
        """Where it listens, as the socket module gives addresses; nowhere once it drains."""
        return [each.getsockname() for each in self.core.listeners if each.fileno() >= 0]

    @property
    def urls(self) -> list[str]:
        """Where it listens, for people."""
        return [url_of(listener, self.config) for listener in self.core.listeners]

    def run(self) -> None:
        """Serve in this thread until `shutdown`."""
        self._began = True
        try:
            self.backend.run(self.core)
        finally:
            self._end()

    async def serve(self) -> None:
        """Serve inside the running loop, which must be the backend's, until `shutdown`.

        Cancelling it natively ends it at once: connections are aborted, shutdown hooks still run.
        """
        self._began = True
        try:
            await self.backend.serve(self.core)
        finally:
            self._end()

    def start(self) -> Server:
        """Serve in a thread of its own; `wait_ready` next."""
        if self._began:
            raise UsageError("a Server serves once; make another")
        self._began = True
        self._thread = threading.Thread(target=self._run, name=f"anylane {self.backend.name}")
        self._thread.start()
        return self

    def wait_ready(self, timeout: float | None = 10) -> Server:
        """Returns once it accepts; raises what startup raised, TimeoutError when late."""
        if not self._ready.wait(timeout):
            raise TimeoutError(f"the server was not ready within {timeout} seconds")
        if self._error is not None:
            raise self._error
        if not self.was_ready:
            raise RuntimeError("the server was shut down before it was ready")
        return self

    def shutdown(self, grace: float | None = None) -> None:
        """Drain, from any thread. grace: seconds until what still runs is aborted; without it
        `Timeouts.drain` decides."""
        self.core.request_shutdown()
        if not self._began:  # There is nobody else to do it.
            self._end()
        elif grace is not None:
            self._grace = threading.Timer(grace, lambda: self.core.wakes.put(self.core.abort))
            self._grace.daemon = True
            self._grace.start()

    def reload(self) -> bool:
        """Read the certificate's files again, from any thread: handshakes from now on use them,
        connections stay as they are. False without TLS: then there is nothing to read again.

        Raises BindError when they cannot be used, and goes on with what it had.
        """
        if self._tls is None:
            return False
        self._tls.reload()
        return True

    @property
    def unapplied(self) -> list[str]:
        """What was asked for in the configuration and has no effect here, a sentence each."""
        return list(unapplied(self.config, self.backend, self.core.listeners))

    def wait(self, timeout: float | None = None) -> bool:
        """Until it has ended; False when it has not within `timeout` seconds."""
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
                self.core.log("error", f"the server failed: {exc!r}", exc)
        finally:
            self._ready.set()


async def serve(
    app: App,
    config: ServerConfig | None = None,
    *,
    ready: Callable[[Server], None] | None = None,
) -> None:
    """Serve inside the running loop, on the backend that belongs to it, until it is cancelled.

    asyncio and uvloop, trio, curio; under anyio the one it runs on. ready: called with the Server
    once it accepts; its `addresses` say where, its `shutdown` drains. Signals stay the caller's.
    Raises BindError, and what startup hooks raise.
    """
    await Server(app, config, running_backend(), ready=ready).serve()


def running_backend() -> str:
    """The name of the backend for the loop that runs here. Raises UsageError if none does."""
    name = running_loop()
    if name is None:
        raise UsageError(
            "serve() needs a running loop; without one use Server(...).start() or app.run()"
        )
    return name


def running_loop() -> str | None:
    """The name of the backend for the loop that runs here, None if there is none."""
    # Only libraries that are loaded can be running.
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
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


def run(
    app: App,
    config: ServerConfig,
    backend: str = "asyncio",
    *,
    listeners: list[socket.socket] | None = None,
    ready: Callable[[Server], None] | None = None,
    access: Callable[[Access], None] | None = None,
) -> None:
    """Serve in this process until SIGINT or SIGTERM drains; a second one aborts.

    Exits with 3, and one line that says why, when it cannot start; with 1 when handlers still
    block after the drain deadline, or after an abort. UsageError inside a running loop.
    """
    if (loop := running_loop()) is not None:
        raise UsageError(
            f"app.run() blocks, and {loop} is running here already; use `await anylane.serve(app, "
            "config)`, or Server(app, config).start() for a thread of its own"
        )
    signals = Signals()

    def begun(server: Server) -> None:
        signals.listen()
        (ready or announce)(server)

    try:
        server = Server(app, config, backend, listeners=listeners, ready=begun, access=access)
    except (BackendError, BindError, AnylaneError) as exc:
        fail(exc)
    with signals.to(server):
        try:
            server.run()
        except Exception as exc:
            if server.was_ready:
                raise
            fail(exc, f"startup failed: {describe(exc)}; mend it, then start again")


def announce(server: Server) -> None:
    """The start-up line."""
    version = platform.python_version()
    print(
        f"anylane on {' '.join(server.urls)} ({server.backend.name}, Python {version})", flush=True
    )
    for each in server.unapplied:
        server.core.log("warning", each, None)
    notify("READY=1")


def fail(error: BaseException, message: str | None = None) -> NoReturn:
    """Exit with 3: one line on standard error; with the log level debug the traceback, too."""
    if logger.isEnabledFor(logging.DEBUG):
        traceback.print_exception(error)
    print(f"anylane: {one_line(message or str(error))}", file=sys.stderr, flush=True)
    sys.exit(3)


def one_line(text: str) -> str:
    return " ".join(text.split())


def describe(error: BaseException) -> str:
    """What was raised, and the last line of the user's own code on the way there."""
    name = type(error).__name__
    text = f"{name}: {error}" if str(error) else name
    frames = traceback.extract_tb(error.__traceback__)
    places = map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib"))
    library = (*places, _HERE, str(Path(anylane.__file__).parent))
    own = [
        frame
        for frame in frames
        if not frame.filename.startswith(("<frozen", *library)) and frame.lineno is not None
    ]
    return f"{text} ({own[-1].filename}:{own[-1].lineno})" if own else text


_HERE = str(Path(__file__).parent)


def _tls(config: ServerConfig) -> TlsLayer | None:
    """The layer of TLS, where a certificate is configured. Raises TlsError, a BindError."""
    if config.ssl_certfile is None:
        return None
    from anylane_backends import _tls

    return _tls.wrap(config)


def url_of(listener: socket.socket, config: ServerConfig) -> str:
    address = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"unix:{os.fsdecode(address)}"
    host, port = address[:2]
    scheme = "http" if config.ssl_certfile is None else "https"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
