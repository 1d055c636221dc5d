"""What SIGINT, SIGTERM and SIGHUP mean to a server that owns its process, on every lane."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

from anylane.errors import Cancelled
from anylane_backends.hosting.messages import describe, say
from anylane_backends.hosting.system.log_files import reopen_logs
from anylane_backends.hosting.systemd import notify, notify_reloading, notify_stopping
from anylane_backends.hosting.terminal import Terminal
from anylane_backends.sockets.listening import BindError, close
from anylane_backends.sockets.wakeup import WakeupSocketpair
from anylane_backends.workers import start_thread

if TYPE_CHECKING:
    from types import FrameType

    from anylane.lane.host import Log
    from anylane.lane.server_core import ServerCore


LAST_RESORT = 2.0
"""Seconds that handlers have to end after the drain deadline, or after an abort."""


ENDED_WITHOUT = "anylane: handlers still block: ended without them"
"""What is said when the last resort is taken."""


Order = Callable[[], None] | float
"""What the watching thread is to do: call this, or end the process after so many seconds."""


class Served(Protocol):
    """The parts of a Server that signals act on."""

    core: ServerCore

    def reload(self) -> bool:
        """Read the certificate again. False if there is none. Raises BindError if it is bad."""
        ...


class Signals:
    """Lets signals end or reload a server: `with signals.to(server)`.

    SIGINT and SIGTERM drain it, or give its start up; a second signal aborts it. SIGHUP makes it
    read its certificate again, or drains it if the terminal is gone. A process that ignores SIGHUP
    already (a worker, one under nohup) goes on ignoring it. SIGUSR1 makes it open the files of its
    log again. SIGUSR2, SIGTTIN and SIGTTOU are for a supervisor: here they only say so. These four
    are left to an app that has handlers of its own for them. Signals that the system lacks are
    passed over.

    A thread cannot be interrupted, and neither can a handler that blocks the loop. So that the end
    comes in time all the same, a watching thread ends the process.
    """

    def __init__(self) -> None:
        self._count = 0
        self._terminal = Terminal()
        self._orders: deque[Order] = deque()
        self._directed = self._listening = False

    @contextmanager
    def to(self, server: Served) -> Generator[None]:
        """Direct signals to the server for the duration of the block.

        It has no effect where no signals come: outside of the main thread, and in a subinterpreter.
        """
        if not _come_here():
            yield
            return
        self._directed = True
        self._server = server
        self._wakeup = WakeupSocketpair()
        handlers: dict[int, Any] = dict.fromkeys(_ENDING, self._end)
        for each in _HANG_UP:
            if signal.getsignal(each) is not signal.SIG_IGN:
                handlers[each] = self._hang_up
        more: dict[int, Any] = dict.fromkeys(_SUPERVISORS, self._refuse)
        more |= dict.fromkeys(_LOGS, self._open_logs)
        free = (signal.SIG_DFL, do_nothing)
        handlers |= {each: more[each] for each in more if signal.getsignal(each) in free}
        before = {number: signal.signal(number, each) for number, each in handlers.items()}
        watch = start_thread(self._watch, "anylane watch")
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            if self._listening:
                signal.set_wakeup_fd(-1)
            self._wakeup.writer.close()  # The watching thread ends.
            watch.join(LAST_RESORT)

    def listen(self) -> None:
        """Make sure that each signal wakes the loop. Call it in the main thread, inside the loop,
        before the startup hooks: they may wait.

        Without this a signal can wait for the next input. Python's handlers run in the main thread,
        between two bytecodes; a signal that the kernel gives to another thread, or that comes a
        moment before the loop begins to wait, interrupts nothing.
        """
        if not self._directed:
            return
        theirs = signal.set_wakeup_fd(-1)
        if theirs != -1:  # trio and uvloop do the same for themselves.
            signal.set_wakeup_fd(theirs)
            return
        signal.set_wakeup_fd(self._wakeup.writer.fileno(), warn_on_full_buffer=False)
        self._listening = True

    # -- in signal handlers: only what is reentrant ------------------------------------------

    def _end(self, _number: int, frame: FrameType | None) -> None:
        self._count += 1
        core = self._server.core
        if self._count == 1:
            seconds = core.config.timeouts.drain + LAST_RESORT
            notify_stopping(seconds)
            core.request_shutdown()
            self._order(seconds)
            if core.is_starting(frame):
                raise Cancelled("the server was told to stop before it had started")
        else:
            core.wakes.put(core.abort)
            self._order(LAST_RESORT)

    def _hang_up(self, number: int, frame: FrameType | None) -> None:
        if self._terminal.is_gone():
            self._end(number, frame)
        else:
            self._order(self._reload)

    def _open_logs(self, _number: int, _frame: FrameType | None) -> None:
        self._order(lambda: say_reopened(self._server.core.log))

    def _refuse(self, number: int, _frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        log = self._server.core.log
        self._order(lambda: log("warning", f"{name} has no effect here: it is for the supervisor "
                                           "of --workers", None))  # fmt: skip

    def _order(self, order: Order) -> None:
        self._orders.append(order)
        self._wakeup.wake()

    # -- in the watching thread ----------------------------------------------------------------

    def _watch(self) -> None:
        deadline: float | None = None
        with self._wakeup.reader as reader:
            while deadline is None or deadline > time.monotonic():
                left = None if deadline is None else max(0.001, deadline - time.monotonic())
                reader.settimeout(left)
                try:
                    if not reader.recv(4096):
                        return
                except TimeoutError:
                    continue
                # A byte may be a signal whose handler waits for the loop to wake.
                carry_out(lambda: self._server.core.wakes.put(_nothing), self._server.core.log)
                while self._orders:
                    order = self._orders.popleft()
                    if callable(order):
                        carry_out(order, self._server.core.log)
                    else:
                        deadline = time.monotonic() + order
        say(ENDED_WITHOUT, error=True)
        close(self._server.core.listeners, unlink=True)
        os._exit(1)

    def _reload(self) -> None:
        """Read the certificate again. It reads files and logs, so no signal handler may call it."""
        log = self._server.core.log
        notify_reloading()
        try:
            if self._server.reload():
                log("info", "read the certificate again", None)
            else:
                log("info", "SIGHUP: no certificate to read again; the rest needs a restart", None)
        except BindError as exc:
            log("error", f"the certificate stays as it was: {exc}", None)
        finally:
            notify("READY=1")


def _come_here() -> bool:
    """Return whether Python gives signals to this thread: the main one of its main interpreter."""
    if threading.current_thread() is not threading.main_thread():
        return False
    try:
        signal.set_wakeup_fd(signal.set_wakeup_fd(-1))
    except ValueError:
        return False
    return True


def do_nothing(_number: int, _frame: object) -> None:
    """Do nothing. With this handler a signal is neither ignored nor fatal, and what a process
    starts does not inherit it."""


def carry_out(order: Callable[[], None], log: Log) -> None:
    """Call it, in a watching thread. Whatever it raises is logged: without that thread no later
    signal has an effect, and no drain has an end."""
    try:
        order()
    except BaseException as exc:  # noqa: BLE001  # It is logged.
        with suppress(BaseException):  # The log may be what raises.
            log("error", f"a signal could not be obeyed: {describe(exc)}", exc)


def say_reopened(log: Log) -> None:
    """Open the files of the log again, and log that, and what could not be opened."""
    failed = reopen_logs()
    log("info", "opened the files of the log again", None)
    for path in failed:
        log("error", f"cannot open {path} again: its old file is used still", None)


def _present(*names: str) -> tuple[signal.Signals, ...]:
    """Return the signals of these names that this system has."""
    return tuple(getattr(signal, name) for name in names if hasattr(signal, name))


# Windows has the first two and SIGBREAK, which no other system has (Ctrl-Break, CTRL_BREAK_EVENT).
_ENDING = _present("SIGINT", "SIGTERM", "SIGBREAK")
_HANG_UP = _present("SIGHUP")
_LOGS = _present("SIGUSR1")
_SUPERVISORS = _present("SIGUSR2", "SIGTTIN", "SIGTTOU")


def _nothing() -> None:
    """Do nothing: waking the loop was the purpose."""
