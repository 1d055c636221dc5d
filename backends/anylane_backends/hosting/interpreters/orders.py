"""Orders: what a supervisor tells the server of an interpreter, in the place of signals.

Signals come to a process, and Python gives them to its main interpreter. That one is the
supervisor, which passes their numbers on.
"""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from anylane_backends.hosting.signals import LAST_RESORT, Served, carry_out, say_reopened
from anylane_backends.hosting.supervision.hung_workers import STACKS
from anylane_backends.workers import start_thread

if TYPE_CHECKING:
    from anylane.lane.server_core import ServerCore


class Orders:
    """Lets a supervisor end a server: `with orders.to(server)`, as `signals.Signals` does.

    SIGTERM drains it, or gives its start up; a second one aborts it. SIGUSR1 makes it open the
    files of its log again.

    control: the socket from which the numbers of signals are read.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control

    def listen(self) -> None:
        """Do nothing: an order wakes the loop by itself."""

    @contextmanager
    def to(self, server: Served) -> Generator[None]:
        """Direct orders to the server for the duration of the block."""
        watch = start_thread(partial(self._watch, server.core), "anylane watch")
        try:
            yield
        finally:
            with suppress(OSError):
                self._control.shutdown(socket.SHUT_RD)  # The watching thread ends.
            watch.join()
            self._control.settimeout(None)

    def _watch(self, core: ServerCore) -> None:
        told = 0
        deadline: float | None = None
        while True:
            left = None if deadline is None else max(0.001, deadline - time.monotonic())
            self._control.settimeout(left)
            try:
                numbers = self._control.recv(64)
            except TimeoutError:
                deadline = None
                carry_out(lambda: core.log("warning", STILL_BLOCKS, None), core.log)
                continue
            if not numbers:
                return
            for number in numbers:
                match number:
                    case signal.SIGTERM:
                        told += 1
                        deadline = time.monotonic() + LAST_RESORT
                        if told == 1:
                            deadline += core.config.timeouts.drain
                            carry_out(core.request_shutdown, core.log)
                        else:
                            carry_out(lambda: core.wakes.put(core.abort), core.log)
                    case signal.SIGUSR1:
                        carry_out(lambda: say_reopened(core.log), core.log)
                    case number if number == STACKS:
                        # It is known to hang, and the supervisor says so. Its stacks cannot be
                        # had: faulthandler does not load in an interpreter, and
                        # sys._current_frames() touches the frames of all interpreters (3.13.0
                        # ends in "munmap_chunk(): invalid pointer").
                        deadline = None
                    case _:
                        pass


STILL_BLOCKS = "handlers still block: an interpreter cannot be killed, so it stays until they end"
