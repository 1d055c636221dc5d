"""When a worker is taken for hung, and how it is ended: judged in virtual time."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable, Generator

import pytest

from anylane.lane.wake_queue import WakeQueue
from anylane_backends.hosting.supervision.heartbeat import (
    LOOP_TIMEOUT,
    READY,
    START_TIMEOUT,
    Heartbeat,
    Pulse,
    patience_of,
)
from anylane_backends.hosting.supervision.hung_workers import (
    HUNG_AT_START,
    STACKS,
    SUPERSEDED,
    HungWorkers,
)


class Server:
    """What a worker's ServerCore shows of itself. The test runs its loop."""

    def __init__(self) -> None:
        self.wakes = WakeQueue(lambda: None)
        self.waiting: object | None = None
        self.exchanges_begun = 0

    def longest_waiting(self) -> object | None:
        return self.waiting


class Worker:
    """A worker, its pipe and the supervisor's judgement of it, second by second."""

    def __init__(self, timeout: float | None) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.server = Server()
        self.patience = patience_of(timeout, None)
        self.pulse = Pulse(self.server, self.writer)
        self.now = 1000.0
        self.heartbeat = Heartbeat(self.patience, self.now)
        self.heartbeat.beat(READY)

    def live(self, seconds: float, *, loop: bool = True, threads: bool = True) -> str | None:
        """Let time pass. loop: whether the loop runs meanwhile. threads: whether one becomes free
        for each exchange that waits."""
        end = self.now + seconds
        while self.now < end:
            self.now += self.patience.interval
            if loop:
                self.server.wakes.run()
            if threads and self.server.waiting is not None:
                self.server.waiting = object()
            self.pulse.beat()
            self.heartbeat.beat(self.take())
            if (why := self.heartbeat.judge(self.now)) is not None:
                return why
        return None

    def take(self) -> bytes:
        try:
            return os.read(self.reader, 4096)
        except BlockingIOError:
            return b""


Hire = Callable[[float | None], Worker]


@pytest.fixture
def hire() -> Generator[Hire]:
    hired: list[Worker] = []

    def make(timeout: float | None) -> Worker:
        hired.append(Worker(timeout))
        return hired[-1]

    yield make
    for worker in hired:
        os.close(worker.reader)
        os.close(worker.writer)


def test_a_worker_whose_loop_answers_is_never_hung(hire: Hire) -> None:
    assert hire(2.0).live(1000) is None


def test_a_loop_that_does_not_run_for_so_long_is_hung(hire: Hire) -> None:
    worker = hire(10.0)
    assert worker.live(100) is None
    began = worker.now
    assert worker.live(100, loop=False) == "is hung: its loop has not run for 10 s"
    assert 10 <= worker.now - began <= 10 + 2 * worker.patience.interval


def test_a_loop_that_runs_again_in_time_is_not_hung(hire: Hire) -> None:
    worker = hire(10.0)
    for _ in range(20):
        assert worker.live(8, loop=False) is None
        assert worker.live(2) is None


def test_without_a_flag_the_loop_has_a_minute_and_the_pool_is_not_judged(hire: Hire) -> None:
    worker = hire(None)
    worker.server.waiting = object()
    assert worker.live(1000, threads=False) is None
    assert worker.live(LOOP_TIMEOUT - 2, loop=False, threads=False) is None
    assert worker.live(4, loop=False, threads=False) == "is hung: its loop has not run for 60 s"


def test_a_pool_in_which_an_exchange_waits_for_so_long_is_hung(hire: Hire) -> None:
    worker = hire(10.0)
    assert worker.live(100) is None
    began = worker.now
    worker.server.waiting = object()
    why = worker.live(100, threads=False)
    assert why == "is hung: all its threads have been busy for 10 s, and an exchange waits for one"
    # The exchange that waits has waited for that long itself.
    assert 10 <= worker.now - began <= 10 + 2 * worker.patience.interval


def test_a_full_pool_for_which_no_exchange_waits_is_not_hung(hire: Hire) -> None:
    worker = hire(10.0)
    worker.server.waiting = None  # However long its threads block.
    assert worker.live(1000, threads=False) is None


def test_a_pool_that_is_slow_and_goes_on_is_not_hung(hire: Hire) -> None:
    worker = hire(10.0)
    worker.server.waiting = object()
    for _ in range(20):
        assert worker.live(8, threads=False) is None
        worker.server.waiting = object()


def test_a_pause_of_the_supervisor_makes_no_worker_hung(hire: Hire) -> None:
    worker = hire(10.0)
    assert worker.live(5) is None
    worker.now += 3600  # The container was frozen: no beat, and no look at beats either.
    assert worker.heartbeat.judge(worker.now) is None
    assert worker.live(5) is None


# --- the start ---------------------------------------------------------------------------------


def judged_at_start(timeout: float | None, *, debugged: bool = False) -> float:
    """Return for how many seconds a worker may start, or infinity if that is over an hour."""
    patience = patience_of(None, timeout, debugged=debugged)
    now = 1000.0
    heartbeat = Heartbeat(patience, now)
    while now < 4600.0:
        now += patience.interval
        heartbeat.beat(b"l")  # What it says of its loop is no sign that it accepts.
        if (why := heartbeat.judge(now)) is not None:
            assert why == f"has not accepted within {timeout or START_TIMEOUT:g} s of its start"
            return now - 1000.0
    return math.inf


def test_a_worker_has_so_long_to_accept() -> None:
    assert judged_at_start(3.0) == 3.0
    assert judged_at_start(0.1) == pytest.approx(0.1, abs=0.05)
    assert judged_at_start(None) == START_TIMEOUT


def test_a_debugger_may_hold_up_a_start_unless_a_time_is_given() -> None:
    assert judged_at_start(None, debugged=True) == math.inf
    assert judged_at_start(3.0, debugged=True) == 3.0


def test_a_worker_that_accepts_is_judged_as_one_from_then_on() -> None:
    patience = patience_of(10.0, 100.0)
    heartbeat = Heartbeat(patience, 0.0)
    for now in range(1, 99):
        assert heartbeat.judge(float(now)) is None
    heartbeat.beat(READY)
    for now in range(99, 109):
        assert heartbeat.judge(float(now)) is None
    assert heartbeat.judge(109.0) == "is hung: its loop has not run for 10 s"


def test_a_pause_of_the_supervisor_takes_no_time_from_a_start() -> None:
    heartbeat = Heartbeat(patience_of(None, 100.0), 0.0)
    assert heartbeat.judge(3600.0) is None


# --- the pipe ----------------------------------------------------------------------------------


def test_beats_never_wait_for_the_supervisor(hire: Hire) -> None:
    worker = hire(10.0)
    for _ in range(100_000):
        worker.pulse.beat()
    assert worker.take()


class Processes:
    """What HungWorkers tells to processes."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []

    def tell(self, pid: int, number: int) -> None:
        self.told.append((pid, number))

    def take(self) -> list[tuple[int, int]]:
        told, self.told = self.told, []
        return told


def test_a_hung_worker_drains_then_writes_its_stacks_then_is_killed() -> None:
    processes = Processes()
    hung = HungWorkers(processes.tell, lambda: 5.0)
    hung.add(7, 100.0)
    assert processes.take() == [(7, signal.SIGTERM)]
    assert hung.next() == 105.0
    hung.act(104.9)
    assert processes.take() == []
    hung.act(105.0)
    assert processes.take() == [(7, STACKS)]
    hung.act(105.5)
    assert processes.take() == []
    hung.act(106.0)
    assert processes.take() == [(7, signal.SIGKILL)]
    assert len(hung) == 1
    assert hung.ended(7)
    assert len(hung) == 0
    assert hung.next() is None


def test_a_worker_that_hangs_at_its_start_writes_its_stacks_first() -> None:
    processes = Processes()
    hung = HungWorkers(processes.tell, lambda: 5.0)
    hung.add(7, 100.0, HUNG_AT_START)
    assert processes.take() == [(7, STACKS)]
    hung.act(101.0)
    assert processes.take() == [(7, signal.SIGTERM)]
    hung.act(105.9)
    assert processes.take() == []
    hung.act(106.0)
    hung.act(107.0)  # Again and again, until it is gone.
    assert processes.take() == [(7, signal.SIGKILL)] * 2


def test_a_worker_whose_start_is_pointless_writes_no_stacks() -> None:
    processes = Processes()
    hung = HungWorkers(processes.tell, lambda: 5.0)
    hung.add(7, 100.0, SUPERSEDED)
    hung.act(105.0)
    assert processes.take() == [(7, signal.SIGTERM), (7, signal.SIGKILL)]


def test_hung_workers_write_their_stacks_one_after_the_other() -> None:
    processes = Processes()
    hung = HungWorkers(processes.tell, lambda: 5.0)
    for pid in (7, 8, 9):
        hung.add(pid, 100.0)
    processes.take()
    hung.act(105.0)
    assert processes.take() == [(7, STACKS)]
    assert hung.next() == 106.0
    hung.act(106.0)
    assert processes.take() == [(7, signal.SIGKILL), (8, STACKS)]
    hung.ended(7)
    hung.ended(8)  # By itself: what it has written may still be on its way.
    hung.act(106.5)
    assert processes.take() == []
    hung.act(107.0)
    assert processes.take() == [(9, STACKS)]
    hung.act(108.0)
    assert processes.take() == [(9, signal.SIGKILL)]


def test_a_hung_worker_that_ends_by_itself_is_not_signalled_again() -> None:
    processes = Processes()
    hung = HungWorkers(processes.tell, lambda: 5.0)
    hung.add(7, 100.0)
    hung.add(8, 101.0)
    assert processes.take() == [(7, signal.SIGTERM), (8, signal.SIGTERM)]
    assert hung.ended(7)
    assert not hung.ended(9)
    hung.act(200.0)
    assert processes.take() == [(8, STACKS)]
