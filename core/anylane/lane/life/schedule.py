"""Schedule: when the periodic jobs of a server have their turns.

Each turn is an errand of its own, as background work is, so a lane runs, interrupts and drains it
as any other. What a turn does is the application's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.lane.host import Log
    from anylane.lane.link import Errand, Link

MIN_INTERVAL = 0.01
"""Seconds. A job that runs more often is a loop, and would leave its thread little time for
anything else."""

MAX_INTERVAL = 1_000_000.0
"""Seconds, eleven days. Selectors wait 2**31 milliseconds at most; a job that rare needs a calendar
and a memory, as cron has."""


class Periodic(NamedTuple):
    """A job as an application gives it to its servers."""

    seconds: float
    """From one turn to the next."""
    turn: Errand
    """What one turn does. It logs its failures itself."""
    alone: bool
    """Whether it runs in one worker only."""


class Armed(Protocol):
    """What a lane has armed."""

    def cancel(self) -> None:
        """Have it called no longer."""


class JobLane(Protocol):
    """What the jobs of a server ask of its lane. All of it is called on the lane's own thread."""

    def clock(self) -> float:
        """Return the lane's clock, in seconds."""
        ...

    def arm(self, at: float, call: Callable[[], None], /) -> Armed:
        """Have `call()` called at that time, on the lane's own thread."""
        ...

    def run_errand(self, errand: Errand, /) -> None:
        """Run an errand with a driver of its own, as `Transport.detach` does."""


class Lead(Protocol):
    """What decides in which one of several workers a job runs."""

    def take(self) -> bool:
        """Return whether it is this one. Do not block."""
        ...

    def release(self) -> None:
        """Let another one take it."""


class Alone:
    """The `Lead` of a server without siblings."""

    def take(self) -> bool:
        """Return True."""
        return True

    def release(self) -> None:
        """Do nothing."""


class _Turns:
    """The turns of one job. due: when the next one is; armed: what is armed for it."""

    __slots__ = ("armed", "due", "job", "running")

    def __init__(self, job: Periodic) -> None:
        self.job = job
        self.due = 0.0
        self.running = False
        self.armed: Armed | None = None


class Schedule:
    """The periodic jobs of one server.

    The first turn comes one interval after `start`, and the others one interval after each other,
    however long they take. A turn that would begin while the last one still runs is left out.

    lead: asked before each turn of a job that runs in one worker only.
    """

    __slots__ = ("_ended", "_lane", "_log", "_turns", "lead")

    def __init__(self, jobs: Iterable[Periodic], log: Log) -> None:
        self._turns = [_Turns(job) for job in jobs]
        self._log = log
        self._lane: JobLane | None = None
        self._ended = False
        self.lead: Lead = Alone()

    def __bool__(self) -> bool:
        """Whether there is a job."""
        return bool(self._turns)

    def start(self, lane: JobLane) -> None:
        """Begin. Call this once the server accepts."""
        if self._ended:
            return
        self._lane = lane
        now = lane.clock()
        for turns in self._turns:
            turns.due = now + turns.job.seconds
            self._arm(lane, turns)

    def end(self) -> None:
        """Begin no more turns. What runs goes on until its driver ends it."""
        self._ended = True
        for turns in self._turns:
            if turns.armed is not None:
                turns.armed.cancel()
        self._release()

    def _arm(self, lane: JobLane, turns: _Turns) -> None:
        turns.armed = lane.arm(turns.due, lambda: self._fire(lane, turns))

    def _fire(self, lane: JobLane, turns: _Turns) -> None:
        """Begin a turn, and arm the next one."""
        now = lane.clock()
        if self._ended:
            return
        if now >= turns.due:
            seconds = turns.job.seconds
            turns.due += seconds * (1 + (now - turns.due) // seconds)
            try:
                self._begin(lane, turns)
            except Exception as exc:  # noqa: BLE001  # it must not end the lane
                self._log("error", f"a periodic job could not begin: {shown(exc, 1000)}", exc)
        self._arm(lane, turns)

    def _begin(self, lane: JobLane, turns: _Turns) -> None:
        if turns.running or (turns.job.alone and not self.lead.take()):
            return
        turns.running = True

        async def turn(link: Link) -> None:
            try:
                await turns.job.turn(link)
            finally:
                # What was cut off may go on in a thread. The lead stays with it, to the end of the
                # worker.
                if link.exchange.interrupt is None:
                    turns.running = False
                    self._release()

        lane.run_errand(turn)

    def _release(self) -> None:
        """Let another worker take the jobs, once this one has ended with them."""
        if self._ended and not any(each.running for each in self._turns if each.job.alone):
            self.lead.release()
