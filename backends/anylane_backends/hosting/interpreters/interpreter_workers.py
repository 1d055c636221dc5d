"""Workers that are interpreters of the supervisor's own process, each on a thread of its own."""

from __future__ import annotations

import errno
import os
import signal
import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

from anylane_backends.hosting.interpreters.isolated import Interpreter, InterpreterFailed
from anylane_backends.hosting.supervision.child import Nursery
from anylane_backends.hosting.supervision.service import TAKEN, Post, Service
from anylane_backends.sockets.wakeup import WakeupSocketpair


class InterpreterWorkers:
    """A `Workforce` of interpreters. Their ids are those of their threads.

    An interpreter cannot be killed: one that hangs is left alone, and at the end of all of them the
    process ends without it. A worker that crashes takes the process with it.
    """

    are_processes: bool = False
    kill_after: float = 0.0

    def __init__(self, service: Service, _nursery: Nursery, wakeup: WakeupSocketpair) -> None:
        self._service = service
        self._wakeup = wakeup
        # Worker -> our end of the socket by which it is told.
        self._controls: dict[int, socket.socket] = {}
        # Worker, exit code, and what went wrong with its interpreter, "" for nothing.
        self._over: deque[tuple[int, int, str]] = deque()
        self._spared: set[int] = set()

    def start(self, post: Post, _news: int, /) -> int:
        """Start a worker (see `Workforce`)."""
        try:
            ours, theirs = socket.socketpair()
        except OSError:
            os.close(post.news)
            raise
        ours.setblocking(False)
        control = theirs.detach()
        taken: tuple[int, ...] = (control, post.news)
        try:
            code, taken = self._service.code(post, control)
            thread = threading.Thread(target=self._live, args=(code, ours, taken), daemon=True)
            thread.start()
        except BaseException as exc:
            ours.close()
            _close(taken)
            if isinstance(exc, RuntimeError):  # The system has no thread left for it.
                raise OSError(errno.EAGAIN, str(exc)) from exc
            raise
        worker = thread.native_id
        assert worker is not None
        self._controls[worker] = ours
        return worker

    def tell(self, worker: int, number: int) -> None:
        """Send a worker a signal (see `Workforce`). SIGKILL only has the log say that it stays."""
        control = self._controls.get(worker)
        if control is None:
            return
        if number != signal.SIGKILL:
            with suppress(OSError):  # It is ending, or does not read.
                control.send(bytes([number]))
        elif worker not in self._spared:
            self._spared.add(worker)
            self._service.log(
                "error",
                f"worker {worker} cannot be killed, because it is an interpreter of this process: "
                "it stays until what it does has ended, or the process has",
            )

    def ended(self) -> Iterator[tuple[int, int]]:
        """Yield those that have ended (see `Workforce`)."""
        while self._over:
            worker, status, problem = self._over.popleft()
            self._controls.pop(worker).close()
            self._spared.discard(worker)
            if problem:
                self._service.log("error", problem)
            yield worker, status

    # -- in the thread of a worker

    def _live(self, code: str, control: socket.socket, descriptors: tuple[int, ...]) -> None:
        problem = ""
        try:
            interpreter = Interpreter()
            try:
                interpreter.run(code)
            finally:
                interpreter.close()
        except InterpreterFailed as exc:
            problem = f"an interpreter failed: {exc}"
        except Exception as exc:  # noqa: BLE001  # a private module raises its own
            problem = f"an interpreter cannot be made or ended: {exc!r}"
        try:
            said = control.recv(64)
        except BlockingIOError:
            said = b""
        if not said.startswith(TAKEN):
            _close(descriptors)
        status = int(said.removeprefix(TAKEN) or b"1")
        self._over.append((threading.get_native_id(), status, problem))
        self._wakeup.wake()


def _close(descriptors: tuple[int, ...]) -> None:
    for each in descriptors:
        os.close(each)
