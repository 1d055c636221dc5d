"""Real threads that run one at a time, in an order that a seed decides, in virtual time.

Code under test gets the locks, threads, clock and selector of a Scheduler in place of Python's. A
thread hands over to another at each use of these and, with `traced`, between any two lines of the
files that are named: what one line reads another thread may have changed before the next. So every
order in which threads can run is possible, the same seed gives the same order, and nothing sleeps.
"""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable
from math import inf
from types import FrameType
from typing import Any, Self

HANG = 30.0
"""Seconds of real time after which a thread that does not come back fails the test."""


SPIN = 20_000
"""Steps without a moment of virtual time after which a thread is held to turn in vain."""


class Abort(BaseException):
    """Unwinds the threads of a run that has failed."""


class Stuck(AssertionError):
    """Every thread waits for another: something was lost. Or one turns and turns in vain."""


class VirtualThread:
    """A thread that runs when the scheduler says so. until: what it waits for, None if nothing."""

    def __init__(self, scheduler: Scheduler, func: Callable[[], None], name: str) -> None:
        self.name = name
        self.until: Callable[[], bool] | None = None
        self.deadline: float | None = None
        self.done = False
        self.turn = threading.Lock()
        self.turn.acquire()
        self._scheduler = scheduler
        self._func = func
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.turn.acquire()
        before = sys.gettrace()
        try:
            sys.settrace(self._scheduler.trace)
            self._func()
        except Abort:
            pass
        except BaseException as exc:  # noqa: BLE001  # `Scheduler.run` raises it
            self._scheduler.fail(exc)
        finally:
            sys.settrace(before)
            self.done = True
            self._scheduler.leave()

    def join(self) -> None:
        self._thread.join(HANG)
        assert not self._thread.is_alive(), f"{self.name} hangs"


class Scheduler:
    """Decides after each step which thread makes the next.

    restlessness: how likely it is that another thread goes on, from 0 to 1. traced: files whose
    lines are steps. now: virtual time in seconds; it passes only when every thread waits. limit:
    the time at which the run must be over: what it waits for then was lost, and is found by some
    deadline at best. at_rest: called whenever every thread waits, with the time that comes next.
    """

    def __init__(
        self,
        seed: int,
        restlessness: float,
        *,
        traced: frozenset[str],
        limit: float,
        at_rest: Callable[[float], None] = lambda _: None,
    ) -> None:
        self.now = 1000.0
        self.steps = 0
        self._spins_at = SPIN
        self.current: VirtualThread | None = None
        self._threads: list[VirtualThread] = []
        self._random = random.Random(seed)
        self._restlessness = restlessness
        self._traced = traced
        self._limit = self.now + limit
        self._at_rest = at_rest
        self._choosing = False
        self._failure: BaseException | None = None
        self._over = threading.Lock()
        self._over.acquire()

    def spawn(self, func: Callable[[], None], name: str) -> VirtualThread:
        thread = VirtualThread(self, func, name)
        self._threads.append(thread)
        return thread

    def run(self) -> None:
        """Run all threads to their end. Raises what the first of them raised, and Stuck."""
        self._go_on()
        assert self._over.acquire(timeout=HANG), f"{self.current and self.current.name} hangs"
        for thread in self._threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def fail(self, exc: BaseException) -> None:
        if self._failure is None:
            self._failure = exc

    # -- steps: by the thread that runs ----------------------------------------------------------

    def step(self) -> None:
        """Another thread may go on here."""
        if self._choosing:
            return  # What is asked then may be written in a file whose lines are steps.
        self.steps += 1
        if self.steps > self._spins_at:
            self.fail(Stuck(f"{self.current and self.current.name} turns in vain"))
        if self._failure is not None:
            raise Abort
        if self._random.random() < self._restlessness:
            self._hand_over()

    def wait(self, until: Callable[[], bool], timeout: float | None = None) -> bool:
        """Let others run until it is so, or the time has passed; False then."""
        me = self.current
        assert me is not None
        me.until = until
        me.deadline = None if timeout is None else self.now + timeout
        self._hand_over()
        return until()

    def sleep(self, seconds: float) -> None:
        self.wait(lambda: False, seconds)

    def trace(self, frame: FrameType, event: str, arg: Any) -> Any:
        """For `sys.settrace`."""
        if frame.f_code.co_filename not in self._traced:
            return None
        if event == "line":
            self.step()
        return self.trace

    def leave(self) -> None:
        """The thread that runs has ended."""
        if all(thread.done for thread in self._threads):
            self._over.release()
        else:
            self._go_on()

    def _hand_over(self) -> None:
        me = self.current
        assert me is not None
        if self._go_on() is not me:
            me.turn.acquire()
        if self._failure is not None:
            raise Abort

    def _go_on(self) -> VirtualThread:
        """Choose the thread that runs now, and let it run."""
        before = self.current
        self._choosing = True
        chosen = self.current = self._choose()
        self._choosing = False
        chosen.until = chosen.deadline = None
        if chosen is not before:
            chosen.turn.release()
        return chosen

    def _choose(self) -> VirtualThread:
        alive = [thread for thread in self._threads if not thread.done]
        ready = [thread for thread in alive if self._is_ready(thread)]
        if not ready and self._failure is None:
            deadlines = [thread.deadline for thread in alive if thread.deadline is not None]
            coming = min(deadlines, default=inf)
            self._at_rest(coming)
            if coming > self._limit:
                names = ", ".join(thread.name for thread in alive)
                self.fail(Stuck(f"all wait, and nothing comes: {names}"))
            self.now = coming
            self._spins_at = self.steps + SPIN
            ready = [thread for thread in alive if self._is_ready(thread)]
        if self._failure is not None:
            return alive[0]
        return self._random.choice(ready)

    def _is_ready(self, thread: VirtualThread) -> bool:
        if thread.until is None or (thread.deadline is not None and thread.deadline <= self.now):
            return True
        return thread.until()

    # -- what code under test gets -----------------------------------------------------------

    def lock(self) -> Lock:
        return Lock(self)

    def start_thread(self, target: Callable[[], None], name: str) -> Thread:
        thread = Thread(self, target, name)
        thread.start()
        return thread

    def monotonic(self) -> float:
        return self.now


class Lock:
    """`threading.Lock`."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._locked = False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        self._scheduler.step()
        if self._locked:
            if not blocking:
                return False
            if not self._scheduler.wait(self._is_free, None if timeout < 0 else timeout):
                return False
        self._locked = True
        return True

    def release(self) -> None:
        assert self._locked, "released although it is free"
        self._locked = False
        self._scheduler.step()

    def _is_free(self) -> bool:
        return not self._locked

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        # Unwinding: the next to be unwound must not wait for it.
        self._locked = False
        self._scheduler.step()


class Thread:
    """`threading.Thread`."""

    def __init__(self, scheduler: Scheduler, target: Callable[[], None], name: str) -> None:
        self._scheduler = scheduler
        self._target = target
        self._name = name
        self._running: VirtualThread | None = None

    def start(self) -> None:
        self._running = self._scheduler.spawn(self._target, self._name)
        self._scheduler.step()

    def join(self, timeout: float | None = None) -> None:
        running = self._running
        assert running is not None
        self._scheduler.wait(lambda: running.done, timeout)
