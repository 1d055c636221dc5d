"""Child processes of a supervisor: how they are made, and how they end with it."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, NoReturn

from anylane_backends.hosting.messages import flush_standard_streams


class Nursery:
    """Makes child processes, which live no longer than this one.

    signals: those that this process handles. release: called in each child, to close what is this
    process's own.
    """

    def __init__(self, signals: Iterable[signal.Signals], release: Callable[[], None]) -> None:
        self._signals = tuple(signals)
        self._release = release
        self._life, self._pulse = os.pipe()

    def fork(self, func: Callable[[], None], *, bound: bool = True) -> int:
        """Call a function in a new process, and return its process id. Call this in a process with
        one thread.

        bound: have the process told SIGTERM when this one has ended.
        """
        flush_standard_streams()
        # A signal that arrives for the child before it has its own handlers must not go to ours.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, self._signals)
        try:
            pid = os.fork()
            if not pid:
                self._become_child(func, before, bound=bound)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return pid

    def _become_child(self, func: Callable[[], None], mask: Any, *, bound: bool) -> NoReturn:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            # Ctrl-C reaches the whole group, and the supervisor passes it on as SIGTERM.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(self._pulse)
            self._release()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            if bound:
                threading.Thread(target=self._end_with_parent, daemon=True).start()
            status = status_after(func)
        except BaseException as exc:  # noqa: BLE001  # the process ends here
            traceback.print_exception(exc)
        finally:
            exit_at_once(status)

    def _end_with_parent(self) -> None:
        os.read(self._life, 1)  # It is never written to: this returns when the other end is gone.
        os.kill(os.getpid(), signal.SIGTERM)


def exit_at_once(status: int) -> NoReturn:
    """End this process as sys.exit() does, but for the end of Python itself. Other threads, and
    what called this, do not go on."""
    with suppress(BaseException):  # What leaves this block would go on, in a child as the parent.
        atexit._run_exitfuncs()  # As multiprocessing does before its own _exit().
        flush_standard_streams()
    os._exit(status & 0xFF)  # As exit(3) does. A number that is no C int raises.


def status_after(func: Callable[[], None]) -> int:
    """Call a function. Return the status that a process ends with after it, and tell what it
    raises."""
    try:
        func()
    except SystemExit as exc:
        return _status_of(exc)
    except BaseException as exc:  # noqa: BLE001  # the worker ends here
        traceback.print_exception(exc)
        return 1
    return 0


def _status_of(exc: SystemExit) -> int:
    """Return the status that a process ends with, after telling what it says, as Python does."""
    if exc.code is None or isinstance(exc.code, int):
        return exc.code or 0
    with suppress(Exception):  # Its __str__ may be the app's.
        sys.stderr.write(f"{exc.code}\n")
    return 1


def tell(pid: int, number: int) -> None:
    """Send a signal to a process, if it still is there."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
