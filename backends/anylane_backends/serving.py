"""Starting and stopping servers: loading a backend, binding, signals, threads of their own."""

from __future__ import annotations

import difflib
import logging
import os
import platform
import queue
import signal
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
from typing import Any, NoReturn

import anylane
from anylane.app import App
from anylane.config import ServerConfig
from anylane.errors import AnylaneError, UsageError
from anylane.server import Access, Backend, Log, ServerCore, Wrap
from anylane_backends._listening import BindError, bind, close
from anylane_backends._systemd import notify

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
    if not (isinstance(getattr(backend, "name", None), str) and hasattr(backend, "run")):
        raise BackendError(
            f"{name!r} is no backend: it has no name and run() (anylane.server.Backend)"
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
    raise UsageError(
        "serve() needs a running loop; without one use Server(...).start() or app.run()"
    )


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
    block after the drain deadline, or after an abort.
    """
    try:
        server = Server(
            app, config, backend, listeners=listeners, ready=ready or announce, access=access
        )
    except (BackendError, BindError, AnylaneError) as exc:
        fail(exc)
    with Signals(server):
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
    notify("READY=1")


class Signals:
    """While it is entered, SIGINT and SIGTERM drain the server; a second signal aborts it.

    A thread cannot be interrupted, and neither can a handler that blocks the loop. So that the
    end comes in time all the same, a thread waits that ends the process.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._count = 0
        self._before: dict[int, Any] = {}
        # The one queue that may be used in a signal handler: `put` is reentrant.
        self._deadlines: queue.SimpleQueue[float | None] = queue.SimpleQueue()

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # Python delivers signals to the main thread alone.
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._received)
        threading.Thread(target=self._watch, name="anylane watch", daemon=True).start()

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._deadlines.put(None)

    def _received(self, _number: int, _frame: Any) -> None:
        self._count += 1
        core = self._server.core
        if self._count == 1:
            notify("STOPPING=1")
            core.request_shutdown()
            self._deadlines.put(core.config.timeouts.drain + LAST_RESORT)
        else:
            core.wakes.put(core.abort)
            self._deadlines.put(LAST_RESORT)

    def _watch(self) -> None:
        deadline: float | None = None
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                seconds = self._deadlines.get(timeout=left)
            except queue.Empty:
                break
            if seconds is None:
                return
            deadline = time.monotonic() + seconds
        print("anylane: handlers still block: ended without them", file=sys.stderr, flush=True)
        close(self._server.core.listeners, unlink=True)
        os._exit(1)


LAST_RESORT = 2.0
"""Seconds after the drain deadline, or after an abort, that handlers have to see it."""


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


def _tls(config: ServerConfig) -> Wrap | None:
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
