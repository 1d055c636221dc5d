"""Several workers behind the same listening sockets, and a process that supervises them.

The supervisor never imports the app, so a new worker has the new code. Workers are processes of
their own, and the supervisor has one thread then, so that fork() is safe; or they are interpreters
of its process. The workers share the sockets instead of having one each (SO_REUSEPORT), so that
connections in the backlog of a worker that is replaced are not lost.
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable, Iterable
from functools import partial

from anylane_backends.hosting.messages import say
from anylane_backends.hosting.signals import ENDED_WITHOUT, LAST_RESORT, do_nothing
from anylane_backends.hosting.supervision.child import Nursery, tell
from anylane_backends.hosting.supervision.crew import MAX_WORKERS, Crew, Slot, Worker
from anylane_backends.hosting.supervision.heartbeat import Patience
from anylane_backends.hosting.supervision.hung_workers import (
    HUNG,
    HUNG_AT_START,
    SUPERSEDED,
    HungWorkers,
)
from anylane_backends.hosting.supervision.recycling import Bounds, reason_in
from anylane_backends.hosting.supervision.renewals import Renewals
from anylane_backends.hosting.supervision.reports import Reports
from anylane_backends.hosting.supervision.service import Service
from anylane_backends.hosting.supervision.successor import Successor
from anylane_backends.hosting.supervision.worker_starts import WorkerStarts
from anylane_backends.hosting.supervision.workforce import Processes, Workforce
from anylane_backends.hosting.systemd import notify_stopping
from anylane_backends.hosting.terminal import Terminal
from anylane_backends.sockets.spread import Spread
from anylane_backends.sockets.wakeup import WakeupSocketpair

_QUICK = 1.0
"""Seconds after its start within which a worker's end is taken for a fault that will come again, so
that the next start waits longer."""


_LONGEST_PAUSE = 10.0
"""Seconds between two starts of a worker that always ends at once."""


_SIGNALS = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGCHLD,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTTIN,
    signal.SIGTTOU,
)


class Supervisor:
    """Starts workers, replaces the dead, the hung and the worn, and does what signals ask for.

    SIGTERM ends all of them; SIGHUP renews them; SIGTTIN and SIGTTOU add one and take one away;
    SIGUSR1 has the files of the log opened again; SIGUSR2 starts a new binary.

    count: of workers. patience: when a worker is taken for hung. bounds: tells when a new one is
    recycled. spread: in which each has its connections counted. watches: whether to run
    `Service.watch`. workforce: makes what makes the workers, with the service, what makes
    processes, and what is to be woken when a worker has ended.
    """

    def __init__(
        self,
        count: int,
        service: Service,
        *,
        spread: Spread,
        patience: Patience,
        bounds: Callable[[], Bounds],
        watches: bool = False,
        workforce: Callable[[Service, Nursery, WakeupSocketpair], Workforce] = Processes,
    ) -> None:
        self._service = service
        self._crew = Crew(count)
        self._spread = spread
        self._patience = patience
        self._watches = watches
        self._terminal = Terminal()
        self._watcher = 0
        self._renewals = Renewals()
        self._stopping = 0
        self._kill_at: float | None = None
        self._announced = self._succeeded = self._abandoned = False
        self._status = 0
        self._reports = Reports()
        self._selector = selectors.DefaultSelector()
        self._wakeup = WakeupSocketpair()
        self._nursery = Nursery(_SIGNALS, self._release)
        self._workforce: Workforce = workforce(service, self._nursery, self._wakeup)
        self._starts = WorkerStarts(
            self._workforce, spread=spread, patience=patience, bounds=bounds
        )
        self._hung = HungWorkers(self._workforce.tell, service.close)
        self._successor = Successor(service, self._nursery, self._selector, self._give_way)

    def run(self) -> int:
        """Supervise until all workers have ended. Return the exit code.

        Workers that cannot be killed may be left behind; then that is not 0, and the process has to
        end without them."""
        self._selector.register(self._wakeup.reader, selectors.EVENT_READ, self._take_signals)
        signal.set_wakeup_fd(self._wakeup.writer.fileno(), warn_on_full_buffer=False)
        # The handlers do nothing: the numbers of the signals come through the socket, one by one.
        for number in _SIGNALS:
            signal.signal(number, do_nothing)
        if self._watches:
            self._watcher = self._nursery.fork(lambda: self._service.watch(os.getppid()))
        while True:
            now = time.monotonic()
            self._judge(now)
            self._hung.act(now)
            self._act(now)
            if self._announced and not self._succeeded:
                self._reports.tell(self._summary(), now)
            left = self._hung or self._successor or any(self._crew)
            if self._abandoned or (self._stopping and not left):
                break
            for key, _ in self._selector.select(self._timeout()):
                key.data()
            self._reap()
        if self._watcher:
            tell(self._watcher, signal.SIGKILL)
        return self._status

    def _summary(self) -> str:
        renewals = self._renewals
        return self._crew.summary(len(self._hung), renewals.recycled, failed=renewals.failed)

    # -- signals

    def _take_signals(self) -> None:
        for number in self._wakeup.drain():
            match number:
                case signal.SIGTERM | signal.SIGINT:
                    self._stop()
                case signal.SIGHUP if self._terminal.is_gone():
                    self._stop()
                case _ if self._stopping:
                    pass
                case signal.SIGHUP:
                    self._renew()
                case signal.SIGUSR1:
                    self._service.reopen_logs()
                    for _, worker in self._crew:
                        self._workforce.tell(worker.id, signal.SIGUSR1)
                case signal.SIGUSR2:
                    self._start_successor()
                case signal.SIGTTIN:
                    self._resize(self._crew.grow(), f"there are {MAX_WORKERS} already")
                case signal.SIGTTOU:
                    self._resize(self._crew.shrink(), "one is the least")
                case _:  # SIGCHLD: `run` looks for it in any case.
                    pass

    def _renew(self) -> None:
        self._renewals.announce()
        if self._service.reread():
            self._service.log("info", "renewing all workers")
            now = time.monotonic()
            for slot in self._crew.slots:
                # Its code and settings are old already. It may hang, and would hold up the rest.
                if slot.worker is not None and not slot.worker.ready:
                    slot.pause = slot.not_before = 0.0
                    self._give_up(slot, slot.worker, now, SUPERSEDED)
                    self._return(slot)
            self._renewals.begin(slot for slot in self._crew.slots if slot.worker is not None)

    def _resize(self, slot: Slot | None, refusal: str) -> None:
        count = len(self._crew.slots)
        if slot is None:
            self._service.log("warning", f"the number of workers stays {count}: {refusal}")
            return
        self._renewals.forget(slot)
        self._service.log("info", f"workers from now on: {count}")
        self._service.resized(count)
        if slot in self._crew.leaving:
            self._retire(slot.workers)

    def _start_successor(self) -> None:
        if self._successor or not self._announced:
            self._service.log("warning", "SIGUSR2 has no effect: a start is not over")
            return
        if not self._workforce.are_processes:
            self._service.log("warning", "SIGUSR2 has no effect: the workers are no processes")
            return
        try:
            self._successor.start()
        except OSError as exc:
            self._service.log("error", f"cannot start a new binary: {exc.strerror}")

    def _give_way(self) -> None:
        self._succeeded = True  # The new one speaks to the service manager from now on.
        if not self._stopping:
            self._stop(notifies=False)

    # -- what happened to a process

    def _take_news(self, worker: Worker) -> None:
        news = os.read(worker.news, 4096)
        if not news:
            self._forget_news(worker)
        else:
            worker.heartbeat.beat(news)
            if (why := reason_in(news)) is not None:
                for slot in self._crew.slots:
                    if slot.worker is worker:
                        self._renewals.ask(slot, why)

    def _reap(self) -> None:
        for worker, code in self._workforce.ended():
            how = _how(code)
            self._starts.ended(worker)
            if worker == self._watcher:
                self._watcher = 0
            elif self._successor.ended(worker, how):
                pass
            elif self._hung.ended(worker):
                self._service.log("info", f"worker {worker}, which was given up, has ended")
            elif (found := self._crew.of(worker)) is not None:
                self._ended(*found, code, how)

    def _ended(self, slot: Slot, worker: Worker, code: int, how: str) -> None:
        self._forget_news(worker)
        if worker in slot.old:
            slot.old.remove(worker)
        else:
            slot.worker = None
        if slot in self._crew.leaving:
            if not slot.workers:
                self._crew.leaving.remove(slot)
            return
        if self._stopping or worker.retiring or slot.worker is not None:
            return
        if not self._announced:
            # The worker has said why. Another start would only say it again.
            self._status = code if code > 0 else 3
            self._stop()
            return
        now = time.monotonic()
        if not worker.ready or now - worker.started < _QUICK:
            self._put_off(slot, now)
        else:
            slot.pause, slot.not_before = 0.0, now
        self._say_what_is_next("warning", slot, f"{worker.id} ended with {how}")

    def _say_what_is_next(self, level: str, slot: Slot, what: str) -> None:
        """Log what became of the worker of a slot, which is none any more, and take the old one
        back where that is there."""
        if self._return(slot):
            self._renewals.give_up()
            self._service.log("error", f"the new worker {what}: the old one stays")
        else:
            self._service.log(level, f"worker {what}: starting another")

    def _return(self, slot: Slot) -> bool:
        """Take the worker back that was to be replaced. Return whether there is one."""
        if (old := slot.staying) is None:
            return False
        slot.old.remove(old)
        slot.worker = old
        return True

    def _put_off(self, slot: Slot, now: float) -> None:
        """Have the next start in the slot wait, longer each time."""
        slot.pause = min(max(0.2, slot.pause * 2), _LONGEST_PAUSE)
        slot.not_before = now + slot.pause

    def _judge(self, now: float) -> None:
        for slot, worker in tuple(self._crew):
            if worker.retiring or (why := worker.heartbeat.judge(now)) is None:
                continue
            if worker.ready:
                self._service.log("error", f"worker {worker.id} {why}; starting another")
                slot.pause = slot.not_before = 0.0  # Another one is started at once.
                self._give_up(slot, worker, now, HUNG)
                continue
            self._give_up(slot, worker, now, HUNG_AT_START)
            if self._announced:
                self._put_off(slot, now)
                self._say_what_is_next("error", slot, f"{worker.id} {why} (start_timeout)")
            elif not self._stopping:
                self._service.log("error", f"worker {worker.id} {why} (start_timeout)")
                self._status = 3
                self._stop()

    def _give_up(self, slot: Slot, worker: Worker, now: float, steps: tuple[int, ...]) -> None:
        """Let a worker end apart from its slot, which is free for another."""
        self._forget_news(worker)
        self._spread.leave(worker.row)
        if worker is slot.worker:
            slot.worker = None
        else:
            slot.old.remove(worker)
        self._hung.add(worker.id, now, steps)

    # -- what to do

    def _act(self, now: float) -> None:
        if self._stopping:
            if self._kill_at is not None and now >= self._kill_at:
                self._kill_at = None
                if self._workforce.are_processes:
                    self._retire(self._crew.workers, signal.SIGKILL)
                else:
                    say(ENDED_WITHOUT, error=True)
                    self._abandoned, self._status = True, self._status or 1
            return
        for slot in self._crew.slots:
            if slot.ready and slot.staying is not None:
                self._renewals.failed = False
                self._retire(each for each in slot.old if not each.retiring)
            if slot.worker is None and now >= slot.not_before:
                self._start(slot)
            if not self._announced and not slot.ready:
                return  # One is started after the other, so that a failure is reported once.
        if not self._crew.ready:
            return
        if not self._announced:
            self._announced = True
            self._service.accepts()
            self._reports.begin(self._summary())
        elif (due := self._renewals.take(now)) is not None:
            self._replace(*due)

    def _replace(self, slot: Slot, why: str) -> None:
        if slot.worker is not None:
            if why:
                self._renewals.recycled += 1
                self._service.log("info", f"worker {slot.worker.id} {why}: replacing it")
            slot.old.append(slot.worker)
            slot.worker = None
        self._start(slot)

    def _retire(self, workers: Iterable[Worker], number: int = signal.SIGTERM) -> None:
        for worker in workers:
            worker.retiring = True
            self._workforce.tell(worker.id, number)

    def _stop(self, *, notifies: bool = True) -> None:
        self._stopping += 1
        if self._stopping == 1:
            seconds = self._service.drain() + self._workforce.kill_after
            if notifies:
                notify_stopping(seconds)
            self._service.stopping()
            self._kill_at = time.monotonic() + seconds
        elif self._kill_at is not None:
            seconds = LAST_RESORT + self._workforce.kill_after
            self._kill_at = min(self._kill_at, time.monotonic() + seconds)
        self._retire(self._crew.workers)
        self._successor.tell(signal.SIGTERM)

    def _timeout(self) -> float | None:
        times = [slot.not_before for slot in self._crew.slots if slot.worker is None]
        if self._stopping:
            times = [] if self._kill_at is None else [self._kill_at]
        else:
            times += self._renewals.times() if self._crew.ready else []
            if self._patience:
                times.append(time.monotonic() + self._patience.interval)
        later = (
            self._hung.next(),
            self._reports.next() if self._announced and not self._succeeded else None,
        )
        times += [at for at in later if at is not None]
        return max(0.0, min(times) - time.monotonic()) if times else None

    # -- workers

    def _start(self, slot: Slot) -> None:
        if not self._announced or self._renewals.reloading:
            self._service.starts()
        try:
            worker = self._starts.start(slot)
        except OSError as exc:  # The system has no process or no descriptor left for it.
            self._service.log("error", f"cannot start a worker: {exc.strerror}")
            self._put_off(slot, time.monotonic())
            if not self._announced:
                self._status = 3
                self._stop()
            return
        slot.worker = worker
        self._selector.register(worker.news, selectors.EVENT_READ, partial(self._take_news, worker))

    def _forget_news(self, worker: Worker) -> None:
        if worker.news >= 0:
            self._selector.unregister(worker.news)
            os.close(worker.news)
            worker.news = -1

    def _release(self) -> None:
        """Close what is the supervisor's own, in a child."""
        self._selector.close()
        self._wakeup.close()
        for _, worker in self._crew:  # The pipes of the other workers.
            if worker.news >= 0:
                os.close(worker.news)
        self._successor.release()


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
