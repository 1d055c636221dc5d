"""Several worker processes behind the same listening sockets, and one that supervises them.

The supervisor never imports the app and has one thread, so that fork() is safe and a new worker
has the new code. The workers share the sockets instead of having one each (SO_REUSEPORT), so that
connections in the backlog of a worker that is replaced are not lost.
"""

from __future__ import annotations

import atexit
import faulthandler
import os
import selectors
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn

from anylane_backends.hosting.heartbeat import READY, Heartbeat, Living, Patience, Pulse
from anylane_backends.hosting.hung_workers import STACKS, HungWorkers
from anylane_backends.hosting.systemd import notify, notify_reloading
from anylane_backends.hosting.terminal import Terminal
from anylane_backends.sockets.wakeup import WakeupSocketpair

Work = Callable[[Callable[[Living], None]], None]
"""What a worker does: serve until SIGTERM, and call its argument with its server once that accepts.
SystemExit sets the exit code."""


_QUICK = 1.0
"""Seconds after its start within which a worker's end is taken for a fault that will come again, so
that the next start waits longer."""


_LONGEST_PAUSE = 10.0
"""Seconds between two starts of a worker that always ends at once."""


_KILL_AFTER = 5.0
"""Seconds that workers have beyond their own last resort. Then they get SIGKILL."""


@dataclass(slots=True)
class Worker:
    """One worker process.

    news: our end of the pipe by which it says that it accepts and that it is alive, -1 once that is
    closed. started: `time.monotonic()`. heartbeat: None until it accepts. retiring: whether it was
    told to end.
    """

    pid: int
    news: int
    started: float
    heartbeat: Heartbeat | None = None
    retiring: bool = False

    @property
    def ready(self) -> bool:
        """Whether it accepts."""
        return self.heartbeat is not None


@dataclass(slots=True)
class Slot:
    """The place of one worker, through all its replacements.

    pause: seconds between its end and the next start. not_before: the earliest time of that start.
    old: workers that the present one replaces, and that have not ended yet.
    """

    worker: Worker | None = None
    pause: float = 0.0
    not_before: float = 0.0
    old: list[Worker] = field(default_factory=list)


class Supervisor:
    """Starts workers, replaces the dead and the hung, passes on SIGTERM, renews all of them on
    SIGHUP.

    count: of workers. work: what each of them does. announce: called once all are ready. stopping:
    called before they are told to end. reread: called on SIGHUP, before new workers are started; it
    returns False if none are to be. log: called with level and message. drain: returns the seconds
    that a worker needs at most to drain. close: returns the seconds that a hung one has for it.
    patience: when a worker is taken for hung, None for never. watch: run in a process of its own,
    with the supervisor's process id.
    """

    def __init__(
        self,
        count: int,
        work: Work,
        *,
        announce: Callable[[], None],
        stopping: Callable[[], None],
        reread: Callable[[], bool],
        log: Callable[[str, str], None],
        drain: Callable[[], float],
        close: Callable[[], float],
        patience: Patience | None,
        watch: Callable[[int], None] | None = None,
    ) -> None:
        self._slots = [Slot() for _ in range(count)]
        self._work = work
        self._announce = announce
        self._when_stopping = stopping
        self._reread = reread
        self._terminal = Terminal()
        self._reloading = False
        self._log = log
        self._drain = drain
        self._patience = patience
        self._hung = HungWorkers(_tell, close)
        self._watch = watch
        self._watcher = 0
        self._renewing: list[Slot] = []
        self._stopping = 0
        self._kill_at: float | None = None
        self._announced = False
        self._status = 0
        self._selector = selectors.DefaultSelector()
        self._wakeup = WakeupSocketpair()
        self._life, self._pulse = os.pipe()

    def run(self) -> int:
        """Supervise until all workers have ended. Return the exit code."""
        self._selector.register(self._wakeup.reader, selectors.EVENT_READ)
        signal.set_wakeup_fd(self._wakeup.writer.fileno(), warn_on_full_buffer=False)
        # The handlers do nothing: the numbers of the signals come through the socket, one by one.
        for number in _SIGNALS:
            signal.signal(number, _heard)
        if self._watch is not None:
            self._watcher = self._fork(self._run_watch)
        while True:
            self._judge()
            self._hung.act(time.monotonic())
            self._act()
            alive = self._hung or any(s.worker or s.old for s in self._slots)
            if self._stopping and not alive:
                break
            for key, _ in self._selector.select(self._timeout()):
                if key.fileobj is self._wakeup.reader:
                    self._take_signals()
                else:
                    self._take_news(key.data)
            self._reap()
        if self._watcher:
            with suppress(ProcessLookupError):
                os.kill(self._watcher, signal.SIGKILL)
        return self._status

    # -- what happened

    def _take_signals(self) -> None:
        for number in self._wakeup.drain():
            hung_up = number == signal.SIGHUP
            if number in (signal.SIGTERM, signal.SIGINT) or (hung_up and self._terminal.is_gone()):
                self._stop()
            elif hung_up and not self._stopping:
                self._renew()

    def _renew(self) -> None:
        notify_reloading()
        self._reloading = True
        if self._reread():
            self._log("info", "renewing all workers")
            self._renewing = list(self._slots)

    def _take_news(self, worker: Worker) -> None:
        news = os.read(worker.news, 4096)
        if not news:
            self._forget_news(worker)
        elif worker.heartbeat is not None:
            worker.heartbeat.beat(news)
        elif READY in news:
            worker.heartbeat = Heartbeat(self._patience or Patience(), time.monotonic())

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid == self._watcher:
                self._watcher = 0
            if self._hung.ended(pid):
                self._log("info", f"the hung worker {pid} has ended")
            for slot in self._slots:
                for worker in (slot.worker, *slot.old):
                    if worker is not None and worker.pid == pid:
                        self._ended(slot, worker, os.waitstatus_to_exitcode(status))

    def _ended(self, slot: Slot, worker: Worker, code: int) -> None:
        self._forget_news(worker)
        if worker in slot.old:
            slot.old.remove(worker)
            if worker is not slot.worker:
                return
        slot.worker = None
        if self._stopping or worker.retiring:
            return
        if not self._announced:
            # The worker has said why. Another start would only say it again.
            self._status = code if code > 0 else 3
            self._stop()
            return
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        if slot.old:
            self._log("error", f"the new worker {worker.pid} ended with {how}: the old one stays")
            self._renewing.clear()
            slot.worker = slot.old.pop()
            return
        now = time.monotonic()
        quick = not worker.ready or now - worker.started < _QUICK
        slot.pause = min(max(0.2, slot.pause * 2), _LONGEST_PAUSE) if quick else 0.0
        slot.not_before = now + slot.pause
        self._log("warning", f"worker {worker.pid} ended with {how}: starting another")

    def _judge(self) -> None:
        if self._patience is None:
            return
        now = time.monotonic()
        for slot in self._slots:
            for worker in (slot.worker, *slot.old):
                if worker is None or worker.heartbeat is None or worker.retiring:
                    continue
                why = worker.heartbeat.judge(now)
                if why is not None:
                    self._log("error", f"worker {worker.pid} is hung: {why}; starting another")
                    self._give_up(slot, worker)

    def _give_up(self, slot: Slot, worker: Worker) -> None:
        """Let a hung worker end apart from its slot, which is free for another at once."""
        self._forget_news(worker)
        if worker is slot.worker:
            slot.worker = None
            slot.pause = slot.not_before = 0.0
        else:
            slot.old.remove(worker)
        self._hung.add(worker.pid, time.monotonic())

    # -- what to do

    def _act(self) -> None:
        now = time.monotonic()
        if self._stopping:
            if self._kill_at is not None and now >= self._kill_at:
                self._kill_at = None
                self._tell_all(signal.SIGKILL)
            return
        for slot in self._slots:
            self._retire_old(slot)
            if slot.worker is None and now >= slot.not_before:
                self._start(slot)
            if not self._announced and slot.worker is not None and not slot.worker.ready:
                return  # One is started after the other, so that a failure is reported once.
        if all(slot.worker is not None and slot.worker.ready for slot in self._slots):
            if not self._announced:
                self._announced = True
                self._announce()
            elif self._renewing:
                slot = self._renewing.pop(0)
                if slot.worker is not None:
                    slot.old.append(slot.worker)
                self._start(slot)
            elif self._reloading:
                self._reloading = False
                notify("READY=1")

    def _retire_old(self, slot: Slot) -> None:
        if slot.worker is not None and slot.worker.ready:
            for old in slot.old:
                if not old.retiring:
                    old.retiring = True
                    _tell(old.pid, signal.SIGTERM)

    def _stop(self) -> None:
        self._stopping += 1
        if self._stopping == 1:
            notify("STOPPING=1")
            self._when_stopping()
            self._kill_at = time.monotonic() + self._drain() + _KILL_AFTER
        self._tell_all(signal.SIGTERM)

    def _tell_all(self, number: int) -> None:
        for slot in self._slots:
            for worker in (slot.worker, *slot.old):
                if worker is not None:
                    worker.retiring = True
                    _tell(worker.pid, number)

    def _timeout(self) -> float | None:
        times = [slot.not_before for slot in self._slots if slot.worker is None]
        if self._stopping:
            times = [] if self._kill_at is None else [self._kill_at]
        elif self._patience is not None:
            times.append(time.monotonic() + self._patience.interval)
        if (at := self._hung.next()) is not None:
            times.append(at)
        return max(0.0, min(times) - time.monotonic()) if times else None

    # -- processes

    def _start(self, slot: Slot) -> None:
        news, tell = os.pipe()

        def work() -> None:
            os.close(news)
            self._run_work(tell)

        pid = self._fork(work)
        os.close(tell)
        slot.worker = Worker(pid, news, time.monotonic())
        self._selector.register(news, selectors.EVENT_READ, slot.worker)

    def _forget_news(self, worker: Worker) -> None:
        if worker.news >= 0:
            self._selector.unregister(worker.news)
            os.close(worker.news)
            worker.news = -1

    def _fork(self, func: Callable[[], None]) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        # A signal that arrives for the child before it has its own handlers must not go to ours.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if not pid:
            self._become_child(func, before)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return pid

    def _become_child(self, func: Callable[[], None], mask: Any) -> NoReturn:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            # Ctrl-C reaches the whole group, and the supervisor passes it on as SIGTERM.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._selector.close()
            self._wakeup.close()
            os.close(self._pulse)
            for slot in self._slots:  # The pipes of the other workers.
                for worker in filter(None, (slot.worker, *slot.old)):
                    if worker.news >= 0:
                        os.close(worker.news)
                        worker.news = -1  # It may stand in both places.
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            func()
            status = 0
        except SystemExit as exc:
            status = exc.code if isinstance(exc.code, int) else 0 if exc.code is None else 1
        except BaseException as exc:  # noqa: BLE001  # the process ends here
            traceback.print_exception(exc)
        finally:
            with suppress(Exception):
                atexit._run_exitfuncs()  # As multiprocessing does before its own _exit().
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    def _run_work(self, tell: int) -> None:
        def ready(server: Living) -> None:
            os.write(tell, READY)
            if self._patience is not None:
                Pulse(server, tell).start(self._patience.interval)

        # By number: a handler that hangs may have changed sys.stderr.
        faulthandler.register(STACKS, file=2, chain=False)

        threading.Thread(target=self._end_with_supervisor, daemon=True).start()
        self._work(ready)

    def _end_with_supervisor(self) -> None:
        os.read(self._life, 1)  # It is never written to: this returns when the other end is gone.
        os.kill(os.getpid(), signal.SIGTERM)

    def _run_watch(self) -> None:
        assert self._watch is not None
        threading.Thread(target=self._end_with_supervisor, daemon=True).start()
        self._watch(os.getppid())


_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


def _heard(_number: int, _frame: object) -> None:
    """Do nothing. With a handler the signal is neither ignored nor fatal."""


def _tell(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
