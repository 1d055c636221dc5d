"""Crew: the workers of one supervisor, and the slots that they are in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from anylane_backends.hosting.supervision.heartbeat import Heartbeat

MAX_WORKERS = 1024
"""Workers that one supervisor can have (`RunSettings.workers` has the same bound)."""


@dataclass(slots=True, eq=False)
class Worker:
    """One worker.

    id: of its process, or of its thread where it is an interpreter. news: our end of the pipe by
    which it says that it accepts and that it is alive, -1 once that is closed. started:
    `time.monotonic()`. row: its row in the `Spread`. heartbeat: what it has shown of itself.
    retiring: whether it was told to end.
    """

    id: int
    news: int
    started: float
    row: int | None
    heartbeat: Heartbeat
    retiring: bool = False

    @property
    def ready(self) -> bool:
        """Whether it accepts."""
        return self.heartbeat.accepts


@dataclass(slots=True, eq=False)
class Slot:
    """The place of one worker, through all its replacements.

    number: from 0. pause: seconds between its end and the next start. not_before: the earliest time
    of that start. old: workers that the present one replaces, and that have not ended yet.
    """

    number: int
    worker: Worker | None = None
    pause: float = 0.0
    not_before: float = 0.0
    old: list[Worker] = field(default_factory=list)

    @property
    def ready(self) -> bool:
        """Whether its worker accepts."""
        return self.worker is not None and self.worker.ready

    @property
    def workers(self) -> tuple[Worker, ...]:
        """Return those that live, the present one first."""
        return tuple(self.old) if self.worker is None else (self.worker, *self.old)

    @property
    def staying(self) -> Worker | None:
        """Return the old one that was not told to end, because its replacement is not ready."""
        return next((each for each in self.old if not each.retiring), None)


class Crew:
    """All slots. leaving: those that there are no more, until their workers have ended."""

    def __init__(self, count: int) -> None:
        self.slots: list[Slot] = [Slot(number) for number in range(count)]
        self.leaving: list[Slot] = []

    def grow(self) -> Slot | None:
        """Add a slot, with the next number. Return None at the bound."""
        if len(self.slots) >= MAX_WORKERS:
            return None
        self.slots.append(Slot(len(self.slots)))
        return self.slots[-1]

    def shrink(self) -> Slot | None:
        """Take away the last slot, whose workers are to be ended. Return None if it is the only
        one."""
        if len(self.slots) == 1:
            return None
        slot = self.slots.pop()
        self.leaving.append(slot)
        return slot

    def __iter__(self) -> Iterator[tuple[Slot, Worker]]:
        """Yield each worker that lives, with its slot."""
        for slot in (*self.slots, *self.leaving):
            for worker in slot.workers:
                yield slot, worker

    @property
    def workers(self) -> list[Worker]:
        """Return each worker that lives."""
        return [worker for _, worker in self]

    def of(self, id: int) -> tuple[Slot, Worker] | None:
        """Return the worker with this id, and its slot; None for another process."""
        return next((each for each in self if each[1].id == id), None)

    @property
    def ready(self) -> bool:
        """Whether each slot has a worker that accepts."""
        return all(slot.ready for slot in self.slots)

    def summary(self, hung: int, recycled: int, *, failed: bool = False) -> str:
        """Return how it is, in a line for the service manager.

        failed: whether the last renewal has failed.
        """
        ready = sum(slot.ready for slot in self.slots)
        draining = sum(worker.retiring for _, worker in self)
        counts = {"draining": draining, "hung": hung, "recycled": recycled}
        more = "".join(f", {number} {what}" for what, number in counts.items() if number)
        if failed:
            more += ", the last renewal failed"
        return f"{ready} of {len(self.slots)} workers ready{more}"
